# SPDX-License-Identifier: Apache-2.0
"""CancelScope: stops the step that is running and all later ones, and nothing that is not its own."""

import asyncio
import contextlib
import threading

import pytest

from runwright.errors import DeadlineExceededError, RunCancelledError
from runwright.scope import CancelScope

PATIENCE = 10.0


def stop(reason: str = "enough") -> RunCancelledError:
    return RunCancelledError(reason)


async def test_a_step_that_is_running_raises_the_error_and_its_cause() -> None:
    scope = CancelScope()
    scope.start()
    asyncio.get_running_loop().call_soon(scope.cancel, stop())
    with pytest.raises(RunCancelledError, match="enough") as caught, scope:
        await asyncio.sleep(PATIENCE)
    assert isinstance(caught.value.__cause__, asyncio.CancelledError)
    task = asyncio.current_task()
    assert task is not None and task.cancelling() == 0, "the task itself is not being cancelled"


async def test_every_later_step_raises_it_too() -> None:
    scope = CancelScope()
    scope.start()
    assert scope.cancel(stop()) is True
    assert scope.cancel(stop("again")) is False
    for _ in range(2):
        with pytest.raises(RunCancelledError, match="enough"), scope:
            raise AssertionError("the step must not begin")
    await asyncio.sleep(0)


async def test_between_steps_it_leaves_the_task_alone() -> None:
    scope = CancelScope()
    scope.start()
    with scope:
        await asyncio.sleep(0)
    scope.cancel(stop())
    for _ in range(3):
        await asyncio.sleep(0)  # not a step: nothing is raised here


async def test_it_may_be_stopped_before_it_is_started() -> None:
    scope = CancelScope()
    scope.cancel(stop())
    scope.start()
    with pytest.raises(RunCancelledError), scope:
        raise AssertionError("the step must not begin")


async def test_from_another_thread() -> None:
    scope = CancelScope()
    scope.start()
    thread = threading.Thread(target=lambda: scope.cancel(stop()))
    with pytest.raises(RunCancelledError), scope:
        thread.start()
        await asyncio.sleep(PATIENCE)
    thread.join()


async def test_a_cancellation_of_the_task_goes_through() -> None:
    async def work() -> None:
        scope = CancelScope()
        scope.start()
        with scope:
            await asyncio.sleep(PATIENCE)

    task = asyncio.create_task(work())
    await asyncio.sleep(0)
    task.cancel("mine")
    with pytest.raises(asyncio.CancelledError, match="mine"):
        await task
    assert task.cancelled()


async def test_both_at_once_the_tasks_own_wins() -> None:
    scope = CancelScope()

    async def work() -> None:
        scope.start()
        with scope:
            await asyncio.sleep(PATIENCE)

    task = asyncio.create_task(work())
    await asyncio.sleep(0)
    scope.cancel(stop())
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task


async def test_a_timeout_around_a_step_keeps_its_meaning() -> None:
    scope = CancelScope()
    scope.start()
    with pytest.raises(TimeoutError) as caught:
        async with asyncio.timeout(0):
            with scope:
                await asyncio.sleep(PATIENCE)
    assert not isinstance(caught.value, DeadlineExceededError)


async def test_the_deadline_stops_it() -> None:
    scope = CancelScope()
    scope.start(0.01)
    with pytest.raises(DeadlineExceededError, match=r"longer than its 0\.01 seconds"), scope:
        await asyncio.sleep(PATIENCE)


async def test_closed_it_has_no_deadline_any_more() -> None:
    scope = CancelScope()
    scope.start(0.01)
    scope.close()
    await asyncio.sleep(0.02)
    assert scope.error is None


async def test_a_step_that_does_not_let_itself_be_stopped_ends_as_it_likes_and_the_next_one_raises() -> None:
    scope = CancelScope()
    scope.start()
    asyncio.get_running_loop().call_soon(scope.cancel, stop())
    with scope, contextlib.suppress(asyncio.CancelledError):
        await asyncio.sleep(PATIENCE)
    with pytest.raises(RunCancelledError), scope:
        raise AssertionError("the step must not begin")


async def test_whoever_waits_elsewhere_is_told() -> None:
    told: list[int] = []
    scope = CancelScope(on_stop=lambda: told.append(threading.get_ident()))
    scope.start()
    await asyncio.to_thread(scope.cancel, stop())
    scope.cancel(stop())
    assert len(told) == 1 and told[0] != threading.get_ident()


def test_stopping_after_its_loop_has_ended_is_no_error() -> None:
    scope = CancelScope()

    async def work() -> None:
        scope.start()

    asyncio.run(work())
    assert scope.cancel(stop()) is True
