# SPDX-License-Identifier: Apache-2.0
"""Portal: plain code runs async code in a loop of its own."""

import asyncio
import concurrent.futures
import contextvars
import threading
from collections.abc import Iterator

import pytest

from runwright.portal import Portal

PATIENCE = 10.0


@pytest.fixture
def portal() -> Iterator[Portal]:
    portal = Portal("portal under test")
    yield portal
    portal.stop()


async def here() -> tuple[int, int]:
    return threading.get_ident(), id(asyncio.get_running_loop())


def test_work_runs_in_one_loop_and_not_in_this_thread(portal: Portal) -> None:
    first, second = portal.call(here()), portal.call(here())
    assert first == second and first[0] != threading.get_ident()


def test_what_is_raised_comes_back(portal: Portal) -> None:
    async def fail() -> None:
        raise KeyError("lost")

    with pytest.raises(KeyError, match="lost"):
        portal.call(fail())


def test_context_variables_go_along(portal: Portal) -> None:
    name = contextvars.ContextVar("name", default="nobody")

    async def who() -> str:
        return name.get()

    name.set("me")
    assert portal.call(who()) == "me"


def test_cancelling_the_future_cancels_the_work(portal: Portal) -> None:
    begun, left = threading.Event(), threading.Event()

    async def wait() -> None:
        try:
            begun.set()
            await asyncio.Event().wait()
        finally:
            left.set()

    future = portal.submit(wait())
    assert begun.wait(PATIENCE)
    assert future.cancel()
    assert left.wait(PATIENCE)


def test_it_knows_its_own_thread(portal: Portal) -> None:
    async def inside() -> bool:
        return portal.is_current()

    assert not portal.is_current()
    assert portal.call(inside()) is True
    assert not portal.is_current()


def test_stopped_it_cancels_what_runs_and_may_be_used_again(portal: Portal) -> None:
    left = threading.Event()

    async def wait() -> None:
        try:
            await asyncio.Event().wait()
        finally:
            await asyncio.sleep(0)
            left.set()

    future = portal.submit(wait())
    portal.call(asyncio.sleep(0))
    portal.stop()
    assert left.is_set()
    with pytest.raises(concurrent.futures.CancelledError):
        future.result(0)
    portal.stop()
    assert portal.call(here())[0] != threading.get_ident()


def test_stopped_from_inside(portal: Portal) -> None:
    async def stop() -> None:
        portal.stop()

    with pytest.raises(concurrent.futures.CancelledError):
        portal.call(_and_wait(stop))


async def _and_wait(stop: object) -> None:
    await stop()  # type: ignore[operator]
    await asyncio.Event().wait()


def test_asynchronous_generators_are_closed_when_it_stops(portal: Portal) -> None:
    closed = threading.Event()

    async def numbers():
        try:
            yield 1
        finally:
            closed.set()

    generator = numbers()

    async def first() -> int:
        return await anext(generator)

    assert portal.call(first()) == 1
    portal.stop()
    assert closed.is_set()


@pytest.mark.parametrize("exits", [SystemExit, KeyboardInterrupt])
def test_work_that_exits_ends_alone(portal: Portal, exits: type[BaseException]) -> None:
    begun, go = threading.Event(), asyncio.Event()

    async def wait() -> str:
        begun.set()
        await go.wait()
        return "whole"

    async def leave() -> None:
        raise exits

    async def let_go() -> None:
        go.set()

    other = portal.submit(wait())
    assert begun.wait(PATIENCE)
    with pytest.raises(exits):
        portal.call(leave())
    portal.call(let_go())
    assert other.result(PATIENCE) == "whole"


def test_work_that_comes_while_it_is_stopped_is_done_or_cancelled_and_never_lost() -> None:
    for _ in range(50):
        portal = Portal("portal under test")
        portal.call(asyncio.sleep(0))
        barrier = threading.Barrier(2)
        outcome: list[str] = []

        def use(portal: Portal = portal, barrier: threading.Barrier = barrier, outcome: list[str] = outcome) -> None:
            barrier.wait(PATIENCE)
            try:
                portal.submit(here()).result(PATIENCE)
                outcome.append("done")
            except concurrent.futures.CancelledError:
                outcome.append("cancelled")

        thread = threading.Thread(target=use)
        thread.start()
        barrier.wait(PATIENCE)
        portal.stop()
        thread.join(PATIENCE)
        assert not thread.is_alive() and outcome in (["done"], ["cancelled"])
        portal.stop()
