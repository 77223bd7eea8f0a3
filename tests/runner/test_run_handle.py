# SPDX-License-Identifier: Apache-2.0
"""Run: iterated, awaited, followed by several, waited for in plain code, and cancelled."""

import asyncio
import gc
import signal
import threading
import weakref
from contextlib import aclosing
from typing import Any

import pytest

from runwright import Agent, InMemoryRunner, RunConfig, StreamingMode
from runwright.errors import DeadlineExceededError, InputValidationError, RunCancelledError
from runwright.testing import FunctionModel, call, stream
from tests.runner.scene import (
    HERE,
    PATIENCE,
    Blocked,
    HeldUp,
    answering_agent,
    assert_sound,
    buffered,
    echo_agent,
    finished,
    in_threads,
    say,
    scripted_agent,
    stored,
    texts,
    turns,
    until,
)


def test_plain_code_iterates_it() -> None:
    with InMemoryRunner(echo_agent()) as runner:
        run = runner.run(user_id="u", session_id="s", new_message="hi")
        assert run.status == "waiting"
        assert texts(list(run)) == ["re: hi"]
        assert (run.status, run.text, str(run), run.error) == ("completed", "re: hi", "re: hi", None)
        assert run.invocation_id == run.events[0].invocation_id


async def test_async_code_iterates_it() -> None:
    async with InMemoryRunner(echo_agent()) as runner:
        assert texts([event async for event in runner.run("u", "s", "hi")]) == ["re: hi"]


async def test_awaited_it_gives_the_list_of_its_events() -> None:
    async with InMemoryRunner(echo_agent()) as runner:
        run = runner.run("u", "s", "hi")
        events = await run
        assert texts(events) == ["re: hi"]
        assert await run == events, "a second await gives the same"


async def test_usage_is_that_of_all_model_calls() -> None:
    agent = scripted_agent(call("look"), "done", tools=[lookup])
    async with InMemoryRunner(agent) as runner:
        run = runner.run("u", "s", "hi")
        events = await run
    counts = [event.usage_metadata.total_token_count for event in events if event.usage_metadata]
    assert len(counts) == 2
    assert run.usage.total_token_count == sum(counts)


async def look() -> str:
    """Looks."""
    return "seen"


lookup = look


def test_an_agent_first_runs_at_once_in_plain_code() -> None:
    agent = echo_agent()
    with InMemoryRunner() as runner:
        run = runner.run(agent, "hi")
        assert run.status == "completed"
        assert f"{run}" == "re: hi"


async def test_followers_each_see_every_whole_event() -> None:
    runner, _ = buffered(50, size=4)
    async with runner:
        run = runner.start("u", "s", "go")

        async def follow(nap: int) -> list[str]:
            seen = []
            async for event in run:
                seen += texts([event])
                for _ in range(nap):
                    await asyncio.sleep(0)
            return seen

        async with asyncio.timeout(PATIENCE):
            everyone = await asyncio.gather(*(follow(nap) for nap in (0, 1, 5)))
        late = texts([event async for event in run])
    assert [*everyone, late] == [[str(number) for number in range(50)]] * 4


def test_threads_follow_a_run_that_is_in_a_loop_of_another() -> None:
    runner, _ = buffered(40, size=3)
    with runner:
        run = runner.start("u", "s", "go")
        everyone = in_threads(*[lambda: texts(list(run))] * 4)
    assert everyone == [[str(number) for number in range(40)]] * 4


async def test_a_late_follower_sees_whole_events_and_no_old_chunks() -> None:
    started, held = HeldUp(), HeldUp()

    async def answer(_: Any) -> Any:
        await started.stop()
        yield "one "
        yield "two "
        await held.stop()
        yield "three"

    agent = Agent(name="a", model=FunctionModel(answer))
    async with InMemoryRunner(agent) as runner:
        run = runner.start("u", "s", "go", run_config=RunConfig(streaming_mode=StreamingMode.SSE))
        early = asyncio.create_task(_all(run))
        await started.reached.wait()
        started.go.set()
        await held.reached.wait()
        late = asyncio.create_task(_all(run))
        await asyncio.sleep(0)
        held.go.set()
        assert texts(await early) == ["one ", "two ", "three", "one two three"]
        assert texts(await late) == ["three", "one two three"]
        assert texts(run.events) == ["one two three"]


async def _all(run: Any) -> list[Any]:
    return [event async for event in run]


async def test_the_run_is_never_further_ahead_than_the_buffer() -> None:
    runner, agent = buffered(60, size=5)
    async with runner:
        run = runner.run("u", "s", "go")
        taken = 0
        async for _ in run:
            taken += 1
            for _ in range(20):
                await asyncio.sleep(0)
            assert agent.made <= taken + 5
    assert taken == 60


async def test_the_slowest_follower_holds_the_run() -> None:
    runner, agent = buffered(30, size=4)
    async with runner:
        run = runner.start("u", "s", "go")
        slow = run.__aiter__()
        await anext(slow)
        quick = asyncio.create_task(_all(run))
        await until(lambda: agent.made == 5)
        for _ in range(50):
            await asyncio.sleep(0)
        assert agent.made == 5 and not quick.done()
        await slow.aclose()
        assert len(await quick) == 30


async def test_start_goes_on_without_anybody() -> None:
    runner, _ = buffered(300, size=2)
    async with runner:
        run = runner.start("u", "s", "go")
        async for _ in run:
            break
        gc.collect()
        assert await finished(run) is None
        assert run.status == "completed" and len(run.events) == 300


async def test_run_is_cancelled_when_the_last_that_iterates_it_leaves() -> None:
    runner, _ = buffered(300, size=2)
    async with runner:
        run = runner.run("u", "s", "go")
        async with aclosing(run.__aiter__()) as events:
            async for _ in events:
                break
        error = await finished(run)
        assert isinstance(error, RunCancelledError) and run.status == "cancelled"
        assert_sound(await stored(runner))
        assert texts(await say(runner, "again"))[0] == "0", "the session goes on"


async def test_run_goes_on_while_another_iterates_it() -> None:
    runner, _ = buffered(50, size=2)
    async with runner:
        run = runner.run("u", "s", "go")
        first, second = run.__aiter__(), run.__aiter__()
        await anext(first)
        await anext(second)
        await first.aclose()
        assert len([event async for event in second]) == 49


def test_plain_code_that_breaks_off_finds_the_session_sound_at_once() -> None:
    held: list[HeldUp] = []

    async def wait() -> None:
        """Waits."""
        held.append(HeldUp())
        await held[0].stop()

    with InMemoryRunner(scripted_agent([call("look"), call("wait")], "again", tools=[look, wait])) as runner:
        run = runner.run(user_id="u", session_id="s", new_message="go")
        for event in run:
            assert event.get_function_calls()
            break
        assert run.status == "cancelled"
        assert_sound(asyncio.run(stored(runner)))
        assert texts(list(runner.run(user_id="u", session_id="s", new_message="more"))) == ["again"]


def test_a_thread_that_waits_keeps_the_run_that_another_left() -> None:
    with Blocked() as blocked:

        def block() -> str:
            """Blocks."""
            blocked.stop()
            return "done"

        agent = scripted_agent(call("block"), "answer", tools=[block])
        with InMemoryRunner(agent) as runner:
            run = runner.run(user_id="u", session_id="s", new_message="go")
            waiting: list[Any] = []
            waiter = threading.Thread(target=lambda: waiting.append(run.wait(PATIENCE)))
            waiter.start()
            for _ in run:
                assert blocked.reached.wait(PATIENCE)
                break
            blocked.go.set()
            waiter.join(PATIENCE)
            assert run.status == "completed" and texts(waiting[0]) == ["answer"]


def test_wait_with_a_timeout_leaves_the_run_alone() -> None:
    with Blocked() as blocked:

        def block() -> str:
            """Blocks."""
            blocked.stop()
            return "done"

        with InMemoryRunner(scripted_agent(call("block"), "answer", tools=[block])) as runner:
            run = runner.start("u", "s", "go")
            assert blocked.reached.wait(PATIENCE)
            with pytest.raises(DeadlineExceededError, match=r"not done after 0\.01 seconds"):
                run.wait(0.01)
            assert run.status == "running"
            blocked.go.set()
            assert texts(run.wait(PATIENCE)) == ["answer"]


def test_cancel_from_another_thread_says_why() -> None:
    held: list[HeldUp] = []
    reached = threading.Event()

    async def answer(_: Any) -> str:
        held.append(HeldUp())
        reached.set()
        await held[0].stop()
        return "never"

    with InMemoryRunner(Agent(name="a", model=FunctionModel(answer))) as runner:
        run = runner.start("u", "s", "go")
        assert reached.wait(PATIENCE)
        assert run.cancel("enough") is True
        assert run.cancel("more than enough") is False
        with pytest.raises(RunCancelledError, match="enough") as caught:
            run.wait(PATIENCE)
        assert caught.value.reason == "enough" and run.error is caught.value
        assert run.status == "cancelled"
        assert run.cancel() is False
        last = asyncio.run(stored(runner)).events[-1]
        assert (last.error_code, last.error_message) == ("INVOCATION_ABORTED", "enough")


async def test_a_run_that_was_cancelled_before_it_began_says_so_and_stores_nothing() -> None:
    async with InMemoryRunner(echo_agent()) as runner:
        run = runner.run("u", "s", "go")
        assert run.cancel("changed my mind")
        with pytest.raises(RunCancelledError, match="changed my mind"):
            await run
        found = await runner.session_service.list_sessions(app_name=runner.app_name)
        assert found.sessions == []


async def test_the_awaiting_task_cancelled_cancels_the_run() -> None:
    held = HeldUp()

    async def wait() -> None:
        """Waits."""
        await held.stop()

    async with InMemoryRunner(answering_agent([call("wait")], tools=[wait])) as runner:
        run = runner.run("u", "s", "go")
        task = asyncio.create_task(asyncio.wait_for(run, PATIENCE))
        await held.reached.wait()
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert isinstance(await finished(run), RunCancelledError)
        assert held.left
        assert_sound(await stored(runner))
        assert texts(await say(runner, "next")) == ["re: next"]


async def test_wait_for_raises_its_timeout() -> None:
    held = HeldUp()

    async def answer(_: Any) -> str:
        await held.stop()
        return "never"

    async with InMemoryRunner(Agent(name="a", model=FunctionModel(answer))) as runner:
        run = runner.run("u", "s", "go")
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(run, 0.01)
        assert isinstance(await finished(run), RunCancelledError) and held.left


async def test_one_of_two_that_await_it_leaves() -> None:
    held = HeldUp()

    async def answer(_: Any) -> str:
        await held.stop()
        return "answer"

    async with InMemoryRunner(Agent(name="a", model=FunctionModel(answer))) as runner:
        run = runner.run("u", "s", "go")

        async def wait() -> Any:
            return await run

        first, second = asyncio.create_task(wait()), asyncio.create_task(wait())
        await held.reached.wait()
        first.cancel()
        await asyncio.wait([first])
        held.go.set()
        assert texts(await second) == ["answer"]


async def test_plain_code_inside_a_running_loop() -> None:
    """As in a notebook, where a loop runs in the thread that the cell is in."""
    async with InMemoryRunner(echo_agent()) as runner:
        assert str(runner.run(runner.agent, "printed")) == "re: printed"
        assert texts(list(runner.run(user_id="u", session_id="s", new_message="looped"))) == ["re: looped"]
        assert texts(runner.run("u", "s", "waited").wait(PATIENCE)) == ["re: waited"]


@pytest.mark.parametrize("use", [lambda run: run.wait(), list], ids=["wait", "iterate"])
async def test_plain_waiting_for_a_run_of_the_same_loop_is_refused_rather_than_a_deadlock(use: Any) -> None:
    async with InMemoryRunner(echo_agent()) as runner:
        run = runner.start("u", "s", "go")
        with pytest.raises(InputValidationError, match="await"):
            use(run)
        assert run.text == "", "what there is so far"
        assert texts(await run) == ["re: go"]


def test_plain_running_from_inside_the_runners_own_thread_is_refused_rather_than_a_deadlock() -> None:
    refused: list[Exception] = []

    def ask_again(callback_context: Any) -> None:
        try:
            runner.run(user_id="u", session_id="other", new_message="nested").wait()
        except InputValidationError as error:
            refused.append(error)

    with InMemoryRunner(echo_agent(before_agent_callback=ask_again)) as runner:
        assert texts(runner.run(user_id="u", session_id="s", new_message="go").wait(PATIENCE)) == ["re: go"]
    assert "await" in str(refused[0])


def test_interrupting_the_wait_cancels_the_run() -> None:
    with Blocked() as blocked:

        def block() -> None:
            """Blocks, and in the meantime somebody presses Ctrl-C."""
            blocked.reached.set()
            signal.pthread_kill(threading.main_thread().ident or 0, signal.SIGINT)
            blocked.stop()

        with InMemoryRunner(scripted_agent(call("block"), "never", "again", tools=[block])) as runner:
            run = runner.run(user_id="u", session_id="s", new_message="go")
            with pytest.raises(KeyboardInterrupt):
                run.wait(PATIENCE)
            with pytest.raises(RunCancelledError, match="its caller left"):
                run.wait(PATIENCE)
            assert_sound(asyncio.run(stored(runner)))


def test_a_tool_that_exits_ends_its_run_and_not_the_runners_thread() -> None:
    def leave() -> None:
        """Exits, as a command line's function may."""
        raise SystemExit(3)

    agent = scripted_agent(call("leave"), "again", tools=[leave])
    with InMemoryRunner(agent) as runner:
        with pytest.raises(SystemExit):
            runner.run(user_id="u", session_id="s", new_message="go").wait(PATIENCE)
        assert texts(runner.run(user_id="u", session_id="s", new_message="more").wait(PATIENCE)) == ["again"]
        assert_sound(asyncio.run(stored(runner)))


def test_one_runner_and_one_session_in_many_threads() -> None:
    with InMemoryRunner(echo_agent()) as runner:

        def speak(number: int) -> list[str]:
            return [runner.run(user_id="u", session_id="s", new_message=f"{number}.{i}").text for i in range(5)]

        said = in_threads(*[lambda number=number: speak(number) for number in range(6)])
        assert said == [[f"re: {number}.{i}" for i in range(5)] for number in range(6)]
        session = asyncio.run(stored(runner))
    assert_sound(session)
    assert sorted(turns(session)) == sorted((f"{n}.{i}", [f"re: {n}.{i}"]) for n in range(6) for i in range(5))


def test_one_runner_in_two_event_loops_at_once() -> None:
    runner = InMemoryRunner(echo_agent())

    async def speak(name: str) -> list[str]:
        return [text for number in range(20) for text in texts(await say(runner, f"{name}{number}"))]

    said = in_threads(*[lambda name=name: asyncio.run(speak(name)) for name in "ab"])
    assert said == [[f"re: {name}{number}" for number in range(20)] for name in "ab"]
    session = asyncio.run(stored(runner))
    assert_sound(session)
    assert len(turns(session)) == 40
    runner.close()


async def test_a_failed_run_gives_its_events_and_then_its_error() -> None:
    agent = scripted_agent(call("look"), ValueError("boom"), tools=[look])
    async with InMemoryRunner(agent) as runner:
        run = runner.run("u", "s", "go")
        seen = []
        with pytest.raises(ValueError, match="boom"):
            async for event in run:
                seen.append(event)
        assert run.status == "failed" and isinstance(run.error, ValueError)
        assert seen == run.events and seen[-1].error_code == "ValueError"
        with pytest.raises(ValueError, match="boom"):
            await run


async def test_chunks_are_iterated_and_not_kept() -> None:
    agent = scripted_agent(stream("a", "b", "c"))
    async with InMemoryRunner(agent) as runner:
        run = runner.run("u", "s", "go", run_config=RunConfig(streaming_mode=StreamingMode.SSE))
        seen = [event async for event in run]
        assert texts(seen) == ["a", "b", "c", "abc"]
        assert texts(run.events) == texts((await stored(runner)).events[1:]) == ["abc"]


HELD_BACK = {
    "deadline": lambda runner, run: None,
    "cancel": lambda runner, run: run.cancel("enough"),
    "newer message": lambda runner, run: runner.start(
        **HERE, new_message="new", run_config=RunConfig(when_busy="interrupt")
    ),
}


@pytest.mark.parametrize("how", HELD_BACK)
async def test_a_run_that_waits_for_a_follower_that_stopped_reading_can_be_stopped(how: str) -> None:
    runner, agent = buffered(100, size=3)
    async with runner:
        run = runner.start("u", "s", "go", timeout=0.2 if how == "deadline" else None)
        stuck = run.__aiter__()
        await anext(stuck)
        await until(lambda: agent.made == 4)
        HELD_BACK[how](runner, run)
        error = await finished(run)
        assert isinstance(error, DeadlineExceededError if how == "deadline" else RunCancelledError)
        await stuck.aclose()
        assert_sound(await stored(runner))


async def test_a_started_run_that_nobody_holds_goes_on() -> None:
    """Nothing but the run itself refers to what its model waits for."""
    begun, ended = asyncio.Event(), asyncio.Event()

    async def answer(_: Any) -> str:
        begun.set()
        future = asyncio.get_running_loop().create_future()
        waiting.append(weakref.ref(future))
        return await future

    def done(callback_context: Any) -> None:
        ended.set()

    waiting: list[weakref.ref[asyncio.Future[str]]] = []
    agent = Agent(name="a", model=FunctionModel(answer), after_agent_callback=done)
    async with InMemoryRunner(agent) as runner:
        runner.start("u", "s", "go")
        await begun.wait()
        await asyncio.sleep(0)
        gc.collect()
        future = waiting[0]()
        assert future is not None, "the run was cleared away"
        future.set_result("answer")
        async with asyncio.timeout(PATIENCE):
            await ended.wait()
