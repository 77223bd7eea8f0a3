# SPDX-License-Identifier: Apache-2.0
"""Plugins: the same hooks in the same order in whatever way a run is made; who decides; what happens when one fails."""

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import aclosing
from typing import Any

import pytest

from runwright import (
    Agent,
    AgentTool,
    App,
    BasePlugin,
    Event,
    InMemoryRunner,
    LlmResponse,
    LongRunningFunctionTool,
    RunConfig,
    Runner,
    StreamingMode,
)
from runwright.errors import ConfigurationError, PluginError, RunCancelledError
from runwright.testing import ScriptedModel, call, stream
from runwright.types import Content, FunctionResponse, Part
from tests.runner.scene import (
    HERE,
    HeldUp,
    Recorder,
    assert_sound,
    echo_agent,
    finished,
    in_threads,
    say,
    scripted_agent,
    stored,
    texts,
)


async def add(a: int, b: int) -> int:
    """Adds."""
    return a + b


async def broken() -> None:
    """Breaks."""
    raise ValueError("broken")


BEGIN = ["on_user_message", "before_run", "before_agent", "before_model", "after_model", "on_event"]
TOOL = ["before_tool", "after_tool", "on_event"]
ANSWER = ["before_model", "after_model", "on_event"]
WHOLE = [*BEGIN, *TOOL, *ANSWER, "after_agent", "after_run"]


# --- the matrix: every way of running sees the same


async def by_run_async(runner: Runner, **given: Any) -> None:
    async for _ in runner.run_async(**given):
        pass


async def by_await(runner: Runner, **given: Any) -> None:
    await runner.run(**given)


async def by_iterating(runner: Runner, **given: Any) -> None:
    async for _ in runner.run(**given):
        pass


async def by_start(runner: Runner, **given: Any) -> None:
    run = runner.start(**given)
    error = await finished(run)
    if error is not None:
        raise error


async def in_plain_code(runner: Runner, **given: Any) -> None:
    def run() -> None:
        for _ in runner.run(**given):
            pass

    await asyncio.to_thread(in_threads, run)


WAYS: dict[str, Callable[..., Awaitable[None]]] = {
    "run_async": by_run_async,
    "awaited": by_await,
    "iterated": by_iterating,
    "started": by_start,
    "plain code": in_plain_code,
}


@pytest.mark.parametrize("way", WAYS)
async def test_a_run_that_ends_well(way: str) -> None:
    recorder = Recorder()
    agent = scripted_agent(call("add", a=1, b=2), "3", tools=[add])
    async with InMemoryRunner(agent, plugins=[recorder]) as runner:
        await WAYS[way](runner, **HERE, new_message="go")
    assert recorder.seen == WHOLE


@pytest.mark.parametrize("way", WAYS)
async def test_a_streamed_run_sees_the_same_and_the_chunks(way: str) -> None:
    recorder = Recorder()
    agent = scripted_agent(call("add", a=1, b=2), stream("th", "ree"), tools=[add])
    async with InMemoryRunner(agent, plugins=[recorder]) as runner:
        await WAYS[way](runner, **HERE, new_message="go", run_config=RunConfig(streaming_mode=StreamingMode.SSE))
    chunk = ["after_model", "on_event:partial"]
    assert recorder.seen == [*BEGIN, *TOOL, "before_model", *chunk, *chunk, *ANSWER[1:], "after_agent", "after_run"]


@pytest.mark.parametrize("way", WAYS)
async def test_a_run_that_answers_an_earlier_call(way: str) -> None:
    def job() -> None:
        """Starts a job."""

    recorder = Recorder()
    agent = scripted_agent(call("job"), "done", tools=[LongRunningFunctionTool(job)])
    async with InMemoryRunner(agent, plugins=[recorder]) as runner:
        asked = next(one for event in await say(runner, "go") for one in event.get_function_calls())
        recorder.seen.clear()
        answer = Part(function_response=FunctionResponse(id=asked.id, name=asked.name, response={"result": 1}))
        await WAYS[way](runner, **HERE, new_message=[answer])
    assert recorder.seen == [*BEGIN, "after_agent", "after_run"]


FAILURES: dict[str, tuple[list[Any], list[str]]] = {
    "model": (
        [call("add", a=1, b=2), RuntimeError("down")],
        [*BEGIN, *TOOL, "before_model", "on_model_error", "on_agent_error", "on_run_error"],
    ),
    "tool": ([call("broken")], [*BEGIN, "before_tool", "on_tool_error", "on_agent_error", "on_run_error"]),
}


@pytest.mark.parametrize("failure", FAILURES)
@pytest.mark.parametrize("way", WAYS)
async def test_a_run_that_fails(way: str, failure: str) -> None:
    replies, hooks = FAILURES[failure]
    recorder = Recorder()
    async with InMemoryRunner(scripted_agent(*replies, tools=[add, broken]), plugins=[recorder]) as runner:
        with pytest.raises((RuntimeError, ValueError), match=r"down|broken"):
            await WAYS[way](runner, **HERE, new_message="go")
    assert recorder.seen == hooks


@pytest.mark.parametrize("way", [name for name in WAYS if name != "plain code"])
async def test_a_run_that_is_cancelled(way: str) -> None:
    held, recorder = HeldUp(), Recorder()

    async def wait() -> None:
        """Waits."""
        await held.stop()

    signal = asyncio.Event()
    async with InMemoryRunner(scripted_agent(call("wait"), tools=[wait]), plugins=[recorder]) as runner:
        task = asyncio.create_task(WAYS[way](runner, **HERE, new_message="go", abort_signal=signal))  # type: ignore[arg-type]
        await held.reached.wait()
        signal.set()
        with pytest.raises(RunCancelledError):
            await task
    assert recorder.seen == [*BEGIN, "before_tool", "on_run_error"]


async def test_a_run_whose_caller_leaves() -> None:
    recorder = Recorder()
    agent = scripted_agent(call("add", a=1, b=2), "3", tools=[add])
    runner = InMemoryRunner(agent, plugins=[recorder])
    async with runner, aclosing(runner.run_async(**HERE, new_message="go")) as events:
        async for _ in events:
            break
    assert recorder.seen == [*BEGIN, "after_run"]


# --- who decides


class Answering(BasePlugin):
    """Answers one hook; all of it is written into a list."""

    def __init__(self, name: str, log: list[str], hook: str, answer: Any) -> None:
        super().__init__(name)

        async def decide(**offered: Any) -> Any:
            log.append(name)
            return answer(**offered) if callable(answer) else answer

        setattr(self, f"{hook}_callback", decide)


def said(text: str) -> Content:
    return Content(role="model", parts=[Part(text=text)])


def response(text: str) -> LlmResponse:
    return LlmResponse(content=said(text))


DECISIONS: dict[str, tuple[list[Any], Callable[[str], Any], list[str]]] = {
    # the hook: what the model says, what a plugin answers, and what the run then says
    "on_user_message": (["plain"], lambda who: Content(role="user", parts=[Part(text=f"{who} says hi")]), ["plain"]),
    "before_run": (["plain"], said, ["one"]),
    "before_agent": (["plain"], said, ["one"]),
    "after_agent": (["plain"], said, ["plain", "one"]),
    "before_model": (["plain"], response, ["one"]),
    "after_model": (["plain"], response, ["one"]),
    "on_model_error": ([RuntimeError("down")], response, ["one"]),
    "before_tool": ([call("add", a=1, b=2), "done"], lambda who: {"by": who}, ["done"]),
    "after_tool": ([call("add", a=1, b=2), "done"], lambda who: {"by": who}, ["done"]),
    "on_tool_error": ([call("broken"), "done"], lambda who: {"by": who}, ["done"]),
}


@pytest.mark.parametrize("hook", DECISIONS)
async def test_the_first_answer_wins_and_nobody_else_is_asked(hook: str) -> None:
    replies, answer, expected = DECISIONS[hook]
    log: list[str] = []

    def of_the_agent(**_: Any) -> None:
        log.append("agent")

    callback = f"{hook}_callback"
    options = {callback: of_the_agent} if hasattr(Agent, callback) else {}
    plugins = [
        Answering("zero", log, hook, None),
        Answering("one", log, hook, answer("one")),
        Answering("two", log, hook, answer("two")),
    ]
    agent = scripted_agent(*replies, tools=[add, broken], **options)
    async with InMemoryRunner(agent, plugins=plugins) as runner:
        events = await say(runner, "go")
        assert texts(events) == expected
        assert log == ["zero", "one"]
        session = await stored(runner)
        assert_sound(session)
        for one in [one for event in session.events for one in event.get_function_responses()]:
            assert one.response == {"by": "one"}
        if hook == "on_user_message":
            assert texts(session.events)[0] == "one says hi"


async def test_plugins_come_before_the_agents_own_callbacks() -> None:
    log: list[str] = []

    def own(**_: Any) -> None:
        log.append("agent")

    agent = echo_agent(before_model_callback=own)
    async with InMemoryRunner(agent, plugins=[Answering("p", log, "before_model", None)]) as runner:
        await say(runner)
    assert log == ["p", "agent"]


async def test_before_run_ends_the_run_with_its_answer() -> None:
    recorder = Recorder()
    log: list[str] = []
    plugins = [recorder, Answering("guard", log, "before_run", said("not today"))]
    async with InMemoryRunner(scripted_agent(), plugins=plugins) as runner:
        events = await say(runner)
        assert texts(events) == texts((await stored(runner)).events[1:]) == ["not today"]
    assert recorder.seen == ["on_user_message", "before_run", "on_event", "after_run"]


async def test_on_event_replaces_what_is_stored_and_yielded() -> None:
    def loud(event: Event, **_: Any) -> Event:
        return Event(author=event.author, content=said(texts([event])[0].upper()), custom_metadata={"loud": True})

    async with InMemoryRunner(echo_agent(), plugins=[Answering("loud", [], "on_event", loud)]) as runner:
        [event] = await say(runner, "hi")
        kept = (await stored(runner)).events
        assert event.model_dump_json() == kept[-1].model_dump_json()
        assert texts([event]) == ["RE: HI"] and event.custom_metadata == {"loud": True}
        assert event.invocation_id == kept[0].invocation_id
        assert event.node_info.path == f"{event.author}@1"


async def test_a_plain_hook_works_like_an_async_one() -> None:
    class Plain(BasePlugin):
        def before_run_callback(self, *, invocation_context: Any) -> Content:  # type: ignore[override]
            return said("plainly")

    async with InMemoryRunner(echo_agent(), plugins=[Plain("plain")]) as runner:
        assert texts(await say(runner)) == ["plainly"]


# --- when one fails

HOOKS = {
    "on_user_message": ["plain"],
    "before_run": ["plain"],
    "on_event": ["plain"],
    "after_run": ["plain"],
    "before_agent": ["plain"],
    "after_agent": ["plain"],
    "before_model": ["plain"],
    "after_model": ["plain"],
    "on_model_error": [RuntimeError("down")],
    "before_tool": [call("add", a=1, b=2)],
    "after_tool": [call("add", a=1, b=2)],
    "on_tool_error": [call("broken")],
    "on_agent_error": [RuntimeError("down")],
    "on_run_error": [RuntimeError("down")],
}


@pytest.mark.parametrize("hook", HOOKS)
async def test_a_hook_that_raises_is_named_and_the_session_goes_on(hook: str) -> None:
    failing = True

    def fail(**_: Any) -> None:
        if failing:
            raise KeyError("oops")

    recorder = Recorder()
    plugins = [recorder, Answering("bad", [], hook, fail)]
    async with InMemoryRunner(scripted_agent(*HOOKS[hook], "next", tools=[add, broken]), plugins=plugins) as runner:
        with pytest.raises(PluginError, match=rf"'bad' failed in {hook}_callback.*oops") as caught:
            await say(runner, "go")
        assert isinstance(caught.value.__cause__, KeyError)
        ends = [one for one in recorder.seen if one in ("after_run", "on_run_error")]
        assert len(ends) == 1
        failing = False
        assert_sound(await stored(runner))
        recorder.seen.clear()
        assert texts(await say(runner, "more")) in (["next"], ["plain"])
        assert recorder.count("after_run") == 1


@pytest.mark.parametrize("hook", ["after_run", "on_run_error"])
async def test_a_hook_that_raises_when_the_caller_has_left_is_reported_to_the_loop(hook: str) -> None:
    def fail(**_: Any) -> None:
        raise KeyError("oops")

    reports: list[Any] = []
    asyncio.get_running_loop().set_exception_handler(lambda loop, context: reports.append(context["exception"]))
    held = HeldUp()

    async def wait() -> None:
        """Waits."""
        await held.stop()

    agent = scripted_agent(call("wait"), "next", tools=[wait])
    async with InMemoryRunner(agent, plugins=[Answering("bad", [], hook, fail)]) as runner:
        if hook == "after_run":
            async with aclosing(runner.run_async(**HERE, new_message="go")) as events:
                async for _ in events:
                    break
        else:
            task = asyncio.create_task(say(runner, "go"))
            await held.reached.wait()
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task
        assert "oops" in str(reports[0])
        assert_sound(await stored(runner))


# --- putting them together


def test_names_are_unique() -> None:
    with pytest.raises(ConfigurationError, match="another name"):
        InMemoryRunner(echo_agent(), plugins=[BasePlugin("p"), BasePlugin("p")])


def test_only_plugins_are_taken() -> None:
    with pytest.raises(ConfigurationError, match="BasePlugin"):
        InMemoryRunner(echo_agent(), plugins=[object()])  # type: ignore[list-item]


async def test_an_app_brings_its_own() -> None:
    recorder = Recorder()
    app = App(name="shop", root_agent=echo_agent(), plugins=[recorder])
    async with Runner(app=app) as runner:
        await say(runner)
    assert recorder.count("after_run") == 1
    with pytest.raises(ConfigurationError, match="either app= or"):
        Runner(app=app, plugins=[recorder])


async def test_a_child_agent_run_as_a_tool_tells_the_same_plugins() -> None:
    recorder = Recorder()
    agent = Agent(name="a", model=ScriptedModel([call("echo", request="hi"), "done"]), tools=[AgentTool(echo_agent())])
    async with InMemoryRunner(agent, plugins=[recorder]) as runner:
        assert texts(await say(runner)) == ["done"]
    assert recorder.count("before_agent") == recorder.count("after_agent") == 2
