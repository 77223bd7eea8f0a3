# SPDX-License-Identifier: Apache-2.0
"""However a run ends, and wherever: each function call has one response, the hooks saw one end, the next turn works."""

import asyncio
import contextlib
from collections.abc import Awaitable, Callable
from contextlib import aclosing
from typing import Any

import pytest

from runwright import (
    Agent,
    AgentTool,
    Event,
    InMemoryRunner,
    InMemorySessionService,
    ParallelAgent,
    RunConfig,
    Runner,
    Session,
    StreamingMode,
)
from runwright.errors import DeadlineExceededError, RunCancelledError
from runwright.testing import FunctionModel, ScriptedModel, call, stream
from runwright.types import Part, text_of
from tests.runner.scene import (
    HERE,
    PATIENCE,
    Blocked,
    HeldUp,
    Recorder,
    answering_agent,
    answers,
    assert_sound,
    calling,
    echo,
    finished,
    in_threads,
    say,
    scripted_agent,
    stored,
    texts,
)


async def quick() -> str:
    """Is done at once."""
    return "quick result"


async def assert_next_turn_works(runner: Runner) -> None:
    session = await stored(runner)
    assert_sound(session)
    async with asyncio.timeout(PATIENCE):
        assert texts(await say(runner, "next")) == ["re: next"]
    assert_sound(await stored(runner))


# --- a tool is running

Ending = Callable[[Runner, HeldUp], Awaitable[BaseException | None]]


async def cancel(runner: Runner, held: HeldUp) -> BaseException | None:
    run = runner.start("u", "s", "go")
    await held.reached.wait()
    run.cancel("enough")
    return await finished(run)


async def cancel_in_another_thread(runner: Runner, held: HeldUp) -> BaseException | None:
    run = runner.start("u", "s", "go")
    await held.reached.wait()
    await asyncio.to_thread(in_threads, *[run.cancel] * 4)
    return await finished(run)


async def time_out(runner: Runner, held: HeldUp) -> BaseException | None:
    run = runner.start("u", "s", "go", timeout=0.05)
    return await finished(run)


async def close_generator(runner: Runner, held: HeldUp) -> BaseException | None:
    """The caller leaves between events; the tool never begins."""
    async with aclosing(runner.run_async(**HERE, new_message="go")) as events:
        async for event in events:
            if event.get_function_calls():
                return None
    raise AssertionError("there was no call")


async def cancel_task(runner: Runner, held: HeldUp) -> BaseException | None:
    task = asyncio.create_task(say(runner, "go"))
    await held.reached.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError) as caught:
        await task
    return caught.value


async def callers_own_timeout(runner: Runner, held: HeldUp) -> BaseException | None:
    with pytest.raises(TimeoutError) as caught:
        async with asyncio.timeout(0.05):
            await say(runner, "go")
    return caught.value


async def abort(runner: Runner, held: HeldUp) -> BaseException | None:
    signal = asyncio.Event()
    task = asyncio.create_task(say(runner, "go", abort_signal=signal))
    await held.reached.wait()
    signal.set()
    await asyncio.wait([task])
    return task.exception()


async def newer_message(runner: Runner, held: HeldUp) -> BaseException | None:
    run = runner.start("u", "s", "go")
    await held.reached.wait()
    await say(runner, "newer", run_config=RunConfig(when_busy="interrupt"))
    return await finished(run)


ENDINGS: dict[str, tuple[Ending, type[BaseException] | None, str]] = {
    "cancel": (cancel, RunCancelledError, "on_run_error"),
    "cancel in another thread": (cancel_in_another_thread, RunCancelledError, "on_run_error"),
    "timeout": (time_out, DeadlineExceededError, "on_run_error"),
    "aclose": (close_generator, None, "after_run"),
    "task.cancel": (cancel_task, asyncio.CancelledError, "on_run_error"),
    "the caller's timeout": (callers_own_timeout, TimeoutError, "on_run_error"),
    "abort signal": (abort, RunCancelledError, "on_run_error"),
    "newer message": (newer_message, RunCancelledError, "on_run_error"),
}


@pytest.mark.parametrize("ending", ENDINGS)
async def test_the_result_that_is_there_is_kept_and_the_other_call_is_cancelled(ending: str) -> None:
    held, recorder = HeldUp(), Recorder()

    async def slow() -> str:
        """Takes its time."""
        await held.stop()
        return "never"

    how, error, end = ENDINGS[ending]
    agent = answering_agent(calling("quick", "slow"), tools=[quick, slow])
    async with InMemoryRunner(agent, plugins=[recorder]) as runner:
        ended = await how(runner, held)
        assert ended is None if error is None else isinstance(ended, error)
        assert held.left or error is None
        kept = {"result": "quick result"} if error is not None else {"error": "cancelled"}
        assert answers(await stored(runner)) == {"quick": kept, "slow": {"error": "cancelled"}}
        ends = [hook for hook in recorder.seen if hook in ("after_run", "on_run_error")]
        assert ends[0] == end
        assert len(ends) == recorder.count("before_run")
        await assert_next_turn_works(runner)


@pytest.mark.parametrize("ending", [name for name in ENDINGS if name != "aclose"])
async def test_a_thread_that_cannot_be_stopped_is_left_behind_and_its_outcome_unknown(ending: str) -> None:
    with Blocked() as blocked:
        held = HeldUp()
        loop = asyncio.get_running_loop()

        def slow() -> str:
            """Blocks its thread."""
            loop.call_soon_threadsafe(held.reached.set)
            blocked.stop()
            return "too late"

        how, error, _ = ENDINGS[ending]
        agent = answering_agent(calling("quick", "slow"), tools=[quick, slow])
        async with InMemoryRunner(agent) as runner:
            async with asyncio.timeout(PATIENCE / 2):
                assert isinstance(await how(runner, held), error or ())
            assert not blocked.go.is_set(), "the run ended while the tool blocks"
            assert answers(await stored(runner)) == {
                "quick": {"result": "quick result"},
                "slow": {"error": "unknown"},
            }
            blocked.go.set()
            await assert_next_turn_works(runner)


# --- failures


def broken() -> str:
    """Breaks."""
    raise ValueError("broken")


async def broken_async() -> str:
    """Breaks, too."""
    raise ValueError("broken")


@pytest.mark.parametrize("tool", [broken, broken_async])
async def test_a_tool_that_raises(tool: Any) -> None:
    agent = answering_agent(calling("quick", tool.__name__), tools=[quick, tool])
    recorder = Recorder()
    async with InMemoryRunner(agent, plugins=[recorder]) as runner:
        with pytest.raises(ValueError, match="broken"):
            await say(runner, "go")
        session = await stored(runner)
        answered = answers(session)
        assert answered["quick"] == {"result": "quick result"}
        assert "broken" in answered[tool.__name__]["error"], "the log says what went wrong, not that it was cancelled"
        assert (session.events[-1].error_code, session.events[-1].error_message) == ("ValueError", "broken")
        assert recorder.count("on_run_error") == 1 and recorder.count("after_run") == 0
        await assert_next_turn_works(runner)


async def test_a_tool_that_raises_while_another_is_running_cancels_that_one() -> None:
    held = HeldUp()

    async def slow() -> None:
        """Takes its time."""
        await held.stop()

    async def breaking() -> None:
        """Breaks when the other is under way."""
        await held.reached.wait()
        raise ValueError("broken")

    async with InMemoryRunner(answering_agent(calling("slow", "breaking"), tools=[slow, breaking])) as runner:
        with pytest.raises(ValueError, match="broken"):
            await say(runner, "go")
        assert held.left
        assert answers(await stored(runner))["slow"] == {"error": "cancelled"}
        await assert_next_turn_works(runner)


async def test_a_model_that_raises_after_a_tool_call() -> None:
    model = ScriptedModel([call("quick"), RuntimeError("model down"), echo])
    async with InMemoryRunner(Agent(name="a", model=model, tools=[quick])) as runner:
        seen = []
        with pytest.raises(RuntimeError, match="model down"):
            async for event in runner.run_async(**HERE, new_message="go"):
                seen.append(event)
        assert seen[-1].error_message == "model down"
        assert [one.id for one in seen] == [one.id for one in (await stored(runner)).events[1:]]
        await assert_next_turn_works(runner)


async def test_a_model_that_raises_in_the_middle_of_its_stream() -> None:
    model = ScriptedModel([stream("half ", "an ", RuntimeError("cut off")), echo])
    async with InMemoryRunner(Agent(name="a", model=model)) as runner:
        with pytest.raises(RuntimeError, match="cut off"):
            await say(runner, "go", run_config=RunConfig(streaming_mode=StreamingMode.SSE))
        assert texts((await stored(runner)).events) == ["go"], "half an answer is not stored"
        await assert_next_turn_works(runner)


async def test_the_caller_that_leaves_at_the_error_event_is_told_of_one_end_only() -> None:
    recorder = Recorder()
    async with InMemoryRunner(answering_agent(ValueError("boom")), plugins=[recorder]) as runner:
        async with aclosing(runner.run_async(**HERE, new_message="go")) as events:
            async for event in events:
                if event.error_code:
                    break
        assert [hook for hook in recorder.seen if hook in ("after_run", "on_run_error")] == ["on_run_error"]
        await assert_next_turn_works(runner)


@pytest.mark.parametrize("how", ["raises", "returns"])
async def test_a_tool_that_turns_its_cancellation_into_something_else(how: str) -> None:
    held = HeldUp()

    async def stubborn() -> str:
        """Does not want to stop."""
        try:
            await held.stop()
        except asyncio.CancelledError:
            if how == "raises":
                raise ValueError("no!") from None
        return "stopped in an orderly way"

    async with InMemoryRunner(answering_agent(calling("stubborn"), tools=[stubborn])) as runner:
        run = runner.start("u", "s", "go")
        await held.reached.wait()
        run.cancel("enough")
        error = await finished(run)
        assert isinstance(error, RunCancelledError) and error.reason == "enough"
        assert (await stored(runner)).events[-1].error_code == "INVOCATION_ABORTED"
        await assert_next_turn_works(runner)


async def test_a_tool_that_was_done_when_the_run_was_cancelled_in_its_after_hook_keeps_its_result() -> None:
    held = HeldUp()

    async def after_tool(tool: Any, args: Any, tool_context: Any, tool_response: Any) -> None:
        await held.stop()

    agent = answering_agent(calling("quick"), tools=[quick], after_tool_callback=after_tool)
    async with InMemoryRunner(agent) as runner:
        assert isinstance(await cancel(runner, held), RunCancelledError)
        assert answers(await stored(runner)) == {"quick": {"result": "quick result"}}
        await assert_next_turn_works(runner)


async def test_a_branch_of_a_parallel_agent_that_fails_leaves_no_call_of_another_open() -> None:
    held = HeldUp()

    async def slow() -> None:
        """Takes its time."""
        await held.stop()

    async def fail(_: Any) -> str:
        await held.reached.wait()
        raise ValueError("branch down")

    one = Agent(name="one", model=ScriptedModel([call("slow"), "one again"]), tools=[slow])
    two = answering_agent(fail, name="two")
    async with InMemoryRunner(ParallelAgent(name="both", sub_agents=[one, two])) as runner:
        with pytest.raises(ValueError, match="branch down"):
            await say(runner, "go")
        session = await stored(runner)
        assert_sound(session)
        owed = next(event for event in session.events if event.get_function_responses())
        asked = next(event for event in session.events if event.get_function_calls())
        assert (owed.author, owed.branch) == (asked.author, asked.branch)
        assert set(texts(await say(runner, "next"))) == {"one again", "re: next"}


async def test_clean_up_that_hangs_is_given_up_and_the_log_is_closed_all_the_same(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("runwright.ending.SETTLE_SECONDS", 0.05)
    asyncio.get_running_loop().set_exception_handler(lambda loop, context: None)
    held, hanging = HeldUp(), HeldUp()

    async def slow() -> None:
        """Takes its time, to stop too."""
        try:
            await held.stop()
        finally:
            await hanging.stop()

    one = Agent(name="one", model=ScriptedModel([call("slow"), "one again"]), tools=[slow])
    two = answering_agent("second", name="two")
    async with InMemoryRunner(ParallelAgent(name="both", sub_agents=[one, two])) as runner:
        async with asyncio.timeout(PATIENCE):
            events = runner.run_async(**HERE, new_message="go")
            async for event in events:
                if texts([event]) == ["second"]:
                    await held.reached.wait()
                    break
            with contextlib.suppress(TimeoutError):
                await events.aclose()
        assert hanging.left
        assert_sound(await stored(runner))
        assert "one again" in texts(await say(runner, "next"))


# --- everywhere


def eventful_agent() -> Agent:
    """An agent whose turn has all sorts of steps: a stream, two tools (one of them in the loop), state, an answer."""

    def answer(request: Any) -> Any:
        last = request.contents[-1]
        if any(part.function_response for part in last.parts):
            return stream("the ", "answer")
        if (last.parts[0].text or "").startswith("go"):
            return stream("let me see ", Part(function_call=call("pausing")), Part(function_call=call("writing")))
        return echo(request)

    async def pausing() -> str:
        """Gives way a few times."""
        for _ in range(3):
            await asyncio.sleep(0)
        return "paused"

    async def writing(tool_context: Any) -> str:
        """Writes state."""
        await asyncio.sleep(0)
        tool_context.state["count"] = tool_context.state.get("count", 0) + 1
        return "written"

    async def pause(**_: Any) -> None:
        await asyncio.sleep(0)

    return Agent(
        name="eventful",
        model=FunctionModel(answer),
        tools=[pausing, writing],
        before_agent_callback=pause,
        after_agent_callback=pause,
        before_model_callback=pause,
        after_tool_callback=pause,
    )


class Pausing(Recorder):
    """Gives way in the hooks of the run, so that it can be stopped there."""

    async def _pause(self, hook: str) -> None:
        self.seen.append(hook)
        await asyncio.sleep(0)
        await asyncio.sleep(0)

    async def on_user_message_callback(self, **_: Any) -> None:
        await self._pause("on_user_message")

    async def before_run_callback(self, **_: Any) -> None:
        await self._pause("before_run")

    async def on_event_callback(self, **_: Any) -> None:
        await self._pause("on_event")

    async def after_run_callback(self, **_: Any) -> None:
        await self._pause("after_run")

    async def on_run_error_callback(self, **_: Any) -> None:
        await self._pause("on_run_error")


STOPS: dict[str, Callable[[Any, asyncio.Task[Any], asyncio.Event], Any]] = {
    "run.cancel": lambda run, task, signal: run.cancel("swept"),
    "task.cancel": lambda run, task, signal: task.cancel(),
    "abort": lambda run, task, signal: signal.set(),
}


@pytest.mark.parametrize("mode", [StreamingMode.NONE, StreamingMode.SSE], ids=["whole", "streamed"])
@pytest.mark.parametrize("stop", STOPS)
async def test_stopped_at_any_step(stop: str, mode: StreamingMode) -> None:
    """The run is stopped after n turns of the event loop, for each n until it ends by itself."""
    agent = eventful_agent()
    for steps in range(400):
        recorder, signal = Pausing(), asyncio.Event()
        runner = InMemoryRunner(agent, plugins=[recorder])
        config = RunConfig(streaming_mode=mode)
        run = runner.run(**HERE, new_message="go", run_config=config, abort_signal=signal)

        async def drive(run: Any = run, runner: Runner = runner, config: Any = config) -> None:
            if stop == "task.cancel":
                await say(runner, "go", run_config=config)
            else:
                await run

        task = asyncio.create_task(drive())
        for _ in range(steps):
            await asyncio.sleep(0)
        over = task.done()
        if not over:
            STOPS[stop](run, task, signal)
        async with asyncio.timeout(PATIENCE):
            await asyncio.wait([task])
        failed = task.cancelled() or task.exception() is not None
        if not task.cancelled() and task.exception() is not None:
            assert isinstance(task.exception(), RunCancelledError)
        ends = [hook for hook in recorder.seen if hook in ("after_run", "on_run_error")]
        begun = "on_user_message" in recorder.seen
        assert len(ends) == 1 if begun else len(ends) <= 1, (steps, recorder.seen)
        if not failed:
            assert ends == ["after_run"]
        found = await runner.session_service.list_sessions(app_name=runner.app_name)
        if found.sessions:
            session = await stored(runner)
            assert_sound(session)
            counted = sum(event.actions.state_delta.get("count", 0) for event in session.events)
            assert session.state.get("count", 0) == counted
        recorder.seen.clear()
        assert texts(await say(runner, "next")) == ["re: next"], steps
        assert_sound(await stored(runner))
        await runner.close()
        if over:
            assert steps > 10
            return
    raise AssertionError("the run never ended by itself")


async def test_left_at_any_event() -> None:
    agent = eventful_agent()
    config = RunConfig(streaming_mode=StreamingMode.SSE)
    for taken in range(1, 40):
        recorder = Recorder()
        async with InMemoryRunner(agent, plugins=[recorder]) as runner:
            seen = 0
            async with aclosing(runner.run_async(**HERE, new_message="go", run_config=config)) as events:
                async for _ in events:
                    seen += 1
                    if seen == taken:
                        break
            assert recorder.count("after_run") == 1 and recorder.count("on_run_error") == 0
            await assert_next_turn_works(runner)
            if seen < taken:
                return
    raise AssertionError("the run never ended by itself")


# --- what is stored is what was yielded


async def test_events_are_stored_before_they_are_yielded_and_are_the_same() -> None:
    async with InMemoryRunner(eventful_agent()) as runner:
        seen = []
        async for event in runner.run_async(**HERE, new_message="go", yield_user_message=True):
            seen.append(event)
            assert [one.id for one in (await stored(runner)).events] == [one.id for one in seen]
        assert [one.model_dump_json() for one in (await stored(runner)).events] == [
            one.model_dump_json() for one in seen
        ]


async def test_an_event_is_never_changed_after_it_was_yielded() -> None:
    def grow(tool_context: Any) -> str:
        """Changes a list in place, and writes it too."""
        items = tool_context.state.get("items", [])
        items.append(len(items))
        tool_context.state["items"] = items
        return "grown"

    agent = scripted_agent(call("grow"), call("grow"), "done", tools=[grow])
    async with InMemoryRunner(agent) as runner:
        seen = []
        async for event in runner.run_async(**HERE, new_message="go"):
            seen.append((event, event.model_dump_json()))
        assert [event.model_dump_json() for event, _ in seen] == [then for _, then in seen]
        assert (await stored(runner)).state == {"items": [0, 1]}


async def test_calls_that_nobody_ran_are_answered_for_the_caller_too() -> None:
    """A run that is told to end between a call and its tool."""

    def end(callback_context: Any, llm_response: Any) -> None:
        callback_context.invocation_context.end_invocation = True

    agent = answering_agent(calling("quick"), tools=[quick], after_model_callback=end)
    async with InMemoryRunner(agent) as runner:
        seen = await say(runner, "go")
        session = await stored(runner)
        assert_sound(session)
        assert [event.id for event in seen] == [event.id for event in session.events[1:]]


class Hanging(Recorder):
    """Does not come back from one hook, the first time."""

    def __init__(self, hook: str) -> None:
        super().__init__()
        self.held = HeldUp()

        async def hang(**_: Any) -> None:
            self.seen.append(hook)
            if not self.held.reached.is_set():
                await self.held.stop()

        setattr(self, f"{hook}_callback", hang)


HANGS = [
    "on_user_message",
    "before_run",
    "on_event",
    "before_agent",
    "after_agent",
    "before_model",
    "before_tool",
    "after_tool",
    "after_run",
]


@pytest.mark.parametrize("how", ["cancel", "rollback"])
@pytest.mark.parametrize("hook", HANGS)
async def test_a_hook_that_hangs_can_be_stopped_as_any_step(hook: str, how: str) -> None:
    def answer(request: Any) -> Any:
        return calling("quick") if text_of(request.contents[-1]) == "go" else echo(request)

    plugin = Hanging(hook)
    agent = Agent(name="agent", model=FunctionModel(answer), tools=[quick])
    async with InMemoryRunner(agent, plugins=[plugin]) as runner:
        run = runner.start("u", "s", "go", state_delta={"x": 1})
        await plugin.held.reached.wait()
        if how == "cancel":
            run.cancel("enough")
        else:
            async with asyncio.timeout(PATIENCE):
                await say(runner, "newer", run_config=RunConfig(when_busy="rollback"))
        assert isinstance(await finished(run), RunCancelledError)
        session = await stored(runner)
        ends = [one for one in plugin.seen if one in ("after_run", "on_run_error")]
        assert len(ends) == (1 if how == "cancel" else 2)
        if how == "rollback":
            assert session.state.get("x") is None
            assert sum(bool(event.actions.rewind_before_invocation_id) for event in session.events) == 1
        await assert_next_turn_works(runner)


async def test_a_deadline_holds_for_the_hooks_too() -> None:
    plugin = Hanging("on_event")
    async with InMemoryRunner(answering_agent("hi"), plugins=[plugin]) as runner:
        with pytest.raises(DeadlineExceededError):
            await say(runner, "go", timeout=0.02)
        await assert_next_turn_works(runner)


async def test_an_agent_that_is_a_tool_is_stopped_with_the_one_that_called_it() -> None:
    held, recorder = HeldUp(), Recorder()

    async def slow() -> None:
        """Takes its time."""
        await held.stop()

    inner = Agent(name="inner", model=ScriptedModel([call("slow")]), tools=[slow])
    agent = answering_agent(call("inner", request="do it"), tools=[AgentTool(inner)])
    async with InMemoryRunner(agent, plugins=[recorder]) as runner:
        assert isinstance(await cancel(runner, held), RunCancelledError)
        assert held.left
        assert answers(await stored(runner)) == {"inner": {"error": "cancelled"}}
        assert recorder.count("after_run") + recorder.count("on_run_error") == recorder.count("before_run") == 2
        await assert_next_turn_works(runner)


class SlowSessions(InMemorySessionService):
    """A store that is reached over a line: what it was told may be done though nobody waited for the answer."""

    async def append_event(self, session: Session, event: Event) -> Event:
        await asyncio.sleep(0)
        answer = await super().append_event(session, event)
        await asyncio.sleep(0)
        return answer

    async def get_session(self, **given: Any) -> Session | None:
        await asyncio.sleep(0)
        return await super().get_session(**given)


async def test_a_slow_store_and_a_task_that_is_cancelled_at_any_step() -> None:
    agent = eventful_agent()
    for steps in range(400):
        runner = InMemoryRunner(agent)
        runner.session_service = SlowSessions()
        task = asyncio.create_task(say(runner, "go"))
        for _ in range(steps):
            await asyncio.sleep(0)
        over = task.done()
        task.cancel()
        await asyncio.wait([task])
        if (await runner.session_service.list_sessions(app_name=runner.app_name)).sessions:
            assert_sound(await stored(runner))
        await say(runner, "next")
        session = await stored(runner)
        assert_sound(session)
        assert texts(session.events)[-2:] == ["next", "re: next"]
        await runner.close()
        if over:
            return
    raise AssertionError("the run never ended by itself")
