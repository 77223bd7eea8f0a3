# SPDX-License-Identifier: Apache-2.0
"""What tools report while their calls run, and how a tool knows that nobody waits for it any more."""

import asyncio
import threading
from collections.abc import AsyncGenerator
from contextlib import aclosing
from typing import Any

import pytest

from runwright import (
    Agent,
    BasePlugin,
    BaseTool,
    Event,
    FunctionTool,
    ParallelAgent,
    RunConfig,
    ToolContext,
    Workflow,
    types,
)
from runwright.errors import ConfigurationError, InputValidationError, RunCancelledError
from runwright.testing import ScriptedModel, call

SECONDS = 30.0


def agent(*replies: Any, tools: list[Any], name: str = "a", **options: Any) -> Agent:
    return Agent(name=name, model=ScriptedModel(list(replies)), tools=tools, **options)


def reports(events: list[Event]) -> list[Any]:
    """What was reported, by the call's name."""
    return [(one.name, one.response) for event in events if event.partial for one in event.get_function_responses()]


def results(events: list[Event]) -> list[Any]:
    return [one.response for event in events if not event.partial for one in event.get_function_responses()]


async def next_of(stream: Any) -> Event:
    """The next event; where none comes, the test fails rather than waits."""
    return await asyncio.wait_for(anext(stream), SECONDS)


class Gate:
    """A tool that reports a step, and goes on when it is let."""

    def __init__(self) -> None:
        self.opened = asyncio.Event()
        self.ended: list[str] = []

    async def climb(self, to: str) -> AsyncGenerator[Any, None]:
        """Climbs."""
        me = asyncio.current_task()
        try:
            yield {"step": 1, "to": to}
            await self.opened.wait()
            yield to
        finally:
            self.ended.append(f"{to}: {'in its own task' if asyncio.current_task() is me else 'elsewhere'}")

    async def report(self, to: str, tool_context: ToolContext) -> str:
        """Reports."""
        tool_context.report_progress({"step": 1, "to": to})
        await self.opened.wait()
        return to

    def report_in_thread(self, to: str, tool_context: ToolContext) -> str:
        """Reports from a thread."""
        tool_context.report_progress({"step": 1, "to": to})
        while not self.opened.is_set():
            if tool_context.cancellation.wait(0.001):
                self.ended.append(to)
                return "stopped"
        return to


KINDS = ["climb", "report", "report_in_thread"]


@pytest.mark.parametrize("kind", KINDS)
async def test_the_caller_sees_the_first_report_before_the_tool_goes_on(chat: Any, kind: str) -> None:
    gate = Gate()
    talk = chat(agent(call(kind, to="top"), "done", tools=[getattr(gate, kind)]))
    async with aclosing(talk.runner.run_async(user_id="ada", session_id="s", new_message="go")) as stream:
        asked, first = await next_of(stream), await next_of(stream)
        assert first.partial and not first.is_final_response()
        assert (first.author, first.invocation_id, first.content.role) == ("a", asked.invocation_id, "user")
        (report,) = first.get_function_responses()
        (made,) = asked.get_function_calls()
        assert (report.id, report.name, report.will_continue) == (made.id, kind, True)
        assert report.response == {"step": 1, "to": "top"}
        gate.opened.set()
        rest = [event async for event in stream]
    assert results(rest) == [{"result": "top"}]
    assert reports(rest) == ([(kind, {"result": "top"})] if kind == "climb" else [])
    stored = (await talk.session()).events
    assert not any(event.partial for event in stored) and results(stored) == [{"result": "top"}]


async def test_calls_at_the_same_time_report_as_they_go(chat: Any) -> None:
    gate = Gate()
    calls = [*(call(kind, to=kind) for kind in KINDS), call("plain")]

    async def plain() -> str:
        """Is plain."""
        return "plain"

    talk = chat(agent(calls, "done", tools=[*(getattr(gate, kind) for kind in KINDS), plain]))
    async with aclosing(talk.runner.run_async(user_id="ada", session_id="s", new_message="go")) as stream:
        await next_of(stream)
        first = [await next_of(stream) for _ in KINDS]
        assert sorted(reports(first)) == sorted((kind, {"step": 1, "to": kind}) for kind in KINDS)
        gate.opened.set()
        rest = [event async for event in stream]
    assert results(rest) == [{"result": one} for one in [*KINDS, "plain"]]


async def test_the_order_of_one_tools_reports_is_kept(chat: Any) -> None:
    async def count(tool_context: ToolContext) -> AsyncGenerator[int, None]:
        """Counts."""
        for number in range(0, 100, 2):
            tool_context.report_progress(number)
            yield number + 1

    events = await chat(agent(call("count"), "done", tools=[count])).say()
    assert reports(events) == [("count", {"result": number}) for number in range(100)]
    assert results(events) == [{"result": 99}]


async def test_a_generator_runs_no_further_than_the_caller_has_taken(chat: Any) -> None:
    made: list[int] = []

    async def count() -> AsyncGenerator[int, None]:
        """Counts."""
        for number in range(1_000_000):
            made.append(number)
            yield number

    talk = chat(agent(call("count"), "done", tools=[count]))
    async with aclosing(talk.runner.run_async(user_id="ada", session_id="s", new_message="go")) as stream:
        await next_of(stream)
        for _ in range(10):
            await next_of(stream)
            await asyncio.sleep(0.001)
        assert made == list(range(10))


@pytest.mark.parametrize("in_thread", [False, True], ids=["coroutine", "thread"])
async def test_of_more_reports_than_the_caller_takes_the_newest_are_kept(chat: Any, in_thread: bool) -> None:
    began, done = threading.Event(), threading.Event()

    def flood(tool_context: ToolContext) -> str:
        tool_context.report_progress("first")
        if in_thread:
            assert began.wait(SECONDS)
        for number in range(100_000):
            tool_context.report_progress(number)
        done.set()
        return "done"

    async def flood_in_loop(tool_context: ToolContext) -> str:
        await asyncio.sleep(0.001)
        return flood(tool_context)

    tool = FunctionTool(flood if in_thread else flood_in_loop, name="flood")
    talk = chat(agent(call("flood"), "done", tools=[tool]))
    async with aclosing(talk.runner.run_async(user_id="ada", session_id="s", new_message="go")) as stream:
        await next_of(stream)
        first = await next_of(stream)
        began.set()
        assert await asyncio.to_thread(done.wait, SECONDS)
        told = [response["result"] for _, response in reports([first, *[event async for event in stream]])]
    assert 64 <= len(told) <= 66
    assert told[-64:] == list(range(100_000 - 64, 100_000))


async def test_a_tool_that_floods_leaves_the_loop_to_others_and_the_run_can_be_stopped(chat: Any) -> None:
    def flood(tool_context: ToolContext) -> None:
        """Reports as long as it is let."""
        number = 0
        while not tool_context.cancellation.is_cancelled:
            tool_context.report_progress(number := number + 1)

    stop, heard = asyncio.Event(), 0
    talk = chat(agent(call("flood"), tools=[flood]))
    stream = talk.runner.run_async(user_id="ada", session_id="s", new_message="go", abort_signal=stop)
    async with aclosing(stream):
        with pytest.raises(RunCancelledError):
            async for event in stream:  # and never waits for anything itself
                heard += bool(event.partial)
                if heard == 1:
                    asyncio.get_running_loop().call_soon(stop.set)
    assert heard


@pytest.mark.parametrize("calls", [1, 3])
@pytest.mark.parametrize("kind", KINDS)
async def test_a_caller_that_leaves_ends_the_tools(chat: Any, kind: str, calls: int) -> None:
    gate = Gate()
    talk = chat(agent([call(kind, to=str(n)) for n in range(calls)], tools=[getattr(gate, kind)]))
    async with aclosing(talk.runner.run_async(user_id="ada", session_id="s", new_message="go")) as stream:
        await next_of(stream)
        await next_of(stream)
    for _ in range(1000):
        if kind == "report" or len(gate.ended) == calls:
            break
        await asyncio.sleep(0.001)
    ended = {"climb": ": in its own task", "report_in_thread": ""}
    assert sorted(gate.ended) == [f"{n}{ended[kind]}" for n in range(calls) if kind in ended]
    answers = results((await talk.session()).events)
    assert answers == [{"error": "unknown" if kind == "report_in_thread" else "cancelled"}] * calls


@pytest.mark.parametrize("kind", KINDS)
async def test_a_run_that_is_cancelled_ends_the_tools(chat: Any, kind: str) -> None:
    gate = Gate()
    talk = chat(agent([call(kind, to="x"), call(kind, to="y")], tools=[getattr(gate, kind)]))
    run = talk.runner.start(user_id="ada", session_id="s", new_message="go")
    async for event in run:
        if event.partial:
            run.cancel("enough")
            break
    await run.ended()
    assert run.status == "cancelled"
    for _ in range(1000):
        if kind == "report" or len(gate.ended) == 2:
            break
        await asyncio.sleep(0.001)
    assert len(gate.ended) == (0 if kind == "report" else 2)


async def test_a_failing_tool_fails_the_run_after_what_it_reported(chat: Any) -> None:
    async def fail() -> AsyncGenerator[str, None]:
        """Fails."""
        yield "one"
        raise OSError("broken")

    error, events = await chat(agent(call("fail"), tools=[fail])).fails(OSError)
    assert str(error) == "broken" and reports(events) == [("fail", {"result": "one"})]

    def handle(tool: Any, args: Any, tool_context: Any, error: Exception) -> dict[str, str]:
        return {"handled": str(error)}

    events = await chat(agent(call("fail"), "ok", tools=[fail], on_tool_error_callback=handle)).say()
    assert results(events) == [{"handled": "broken"}]


async def test_what_json_cannot_hold_is_the_developers_error(chat: Any) -> None:
    ended: list[bool] = []

    async def stream() -> AsyncGenerator[Any, None]:
        """Yields what cannot be sent."""
        try:
            yield "fine"
            yield object()
        finally:
            ended.append(True)

    def tell(tool_context: ToolContext) -> None:
        """Reports what cannot be sent."""
        tool_context.report_progress(object())

    for tool, verb in ((stream, "yielded"), (tell, "reported")):
        error, _ = await chat(agent(call(tool.__name__), tools=[tool])).fails(ConfigurationError)
        assert f"'{tool.__name__}' {verb} object" in str(error)
    assert ended == [True]


async def test_images_are_reported_as_files(chat: Any) -> None:
    async def draw() -> AsyncGenerator[Any, None]:
        """Draws."""
        yield {"done": 0.5, "preview": types.Part.from_bytes(data=b"half", mime_type="image/png")}
        yield "drawn"

    first = (await chat(agent(call("draw"), "ok", tools=[draw])).say())[1]
    (report,) = first.get_function_responses()
    assert report.response == {"done": 0.5} and report.parts[0].inline_data.data == b"half"


async def test_hooks_see_reports_as_they_see_chunks_and_may_change_them(chat: Any) -> None:
    class Upper(BasePlugin):
        async def on_event_callback(self, *, invocation_context: Any, event: Event) -> Event | None:
            if not event.partial:
                return None
            twin = event.model_copy(deep=True)
            twin.get_function_responses()[0].response = {"result": "CHANGED"}
            return twin

    gate = Gate()
    gate.opened.set()
    talk = chat(agent(call("climb", to="top"), "ok", tools=[gate.climb]), plugins=[Upper(name="upper")])
    events = await talk.say(run_config=RunConfig(custom_metadata={"by": "me"}))
    assert {str(response) for _, response in reports(events)} == {"{'result': 'CHANGED'}"}
    assert all((event.custom_metadata or {}).get("by") == "me" for event in events)
    assert results(events) == [{"result": "top"}]


async def test_what_the_caller_takes_over_a_report_is_not_the_tools_time(chat: Any) -> None:
    async def steps(tool_context: ToolContext) -> AsyncGenerator[Any, None]:
        """Goes step by step."""
        yield tool_context.seconds_left
        yield tool_context.seconds_left

    talk = chat(agent(call("steps"), "ok", tools=[FunctionTool(steps, timeout=0.2)]))
    told: list[Any] = []
    async with aclosing(talk.runner.run_async(user_id="ada", session_id="s", new_message="go")) as stream:
        async for event in stream:
            if event.partial:
                await asyncio.sleep(0.3)
            told.extend(event.get_function_responses())
    assert [one.will_continue for one in told] == [True, True, None]
    assert all(0 < one.response["result"] <= 0.2 for one in told)


async def test_a_tool_that_hangs_after_a_report_runs_out_of_time(chat: Any) -> None:
    async def hang() -> AsyncGenerator[str, None]:
        """Hangs."""
        yield "began"
        await asyncio.Event().wait()

    events = await chat(agent(call("hang"), "ok", tools=[FunctionTool(hang, timeout=0.05)])).say()
    assert reports(events) == [("hang", {"result": "began"})]
    assert results(events)[0]["error_type"] == "DEADLINE_EXCEEDED"


async def test_branches_report_apart(chat: Any) -> None:
    gate = Gate()
    gate.opened.set()
    both = [agent(call("climb", to=name), "ok", tools=[gate.climb], name=name) for name in ("left", "right")]
    events = await chat(ParallelAgent(name="both", sub_agents=both)).say()
    told = {(event.author, event.branch) for event in events if event.partial}
    assert told == {("left", "both.left"), ("right", "both.right")}


async def test_a_tool_of_ones_own_reports(chat: Any) -> None:
    class Walk(BaseTool):
        def _get_declaration(self) -> types.FunctionDeclaration:
            return types.FunctionDeclaration(name=self.name)

        async def run_async(self, *, args: dict[str, Any], tool_context: ToolContext) -> Any:
            tool_context.report_progress("half")
            await tool_context.deliver_progress("nearly")
            return "there"

    events = await chat(agent(call("walk"), "ok", tools=[Walk(name="walk", description="Walks.")])).say()
    assert reports(events) == [("walk", {"result": "half"}), ("walk", {"result": "nearly"})]
    assert results(events) == [{"result": "there"}]


async def test_a_report_after_the_end_goes_nowhere(chat: Any) -> None:
    kept: list[ToolContext] = []

    left: list[asyncio.Task[None]] = []

    async def leave(tool_context: ToolContext) -> str:
        """Leaves its context and a task behind."""
        kept.append(tool_context)
        left.append(asyncio.create_task(tool_context.deliver_progress("from a task")))
        return "gone"

    talk = chat(agent(call("leave"), "ok", tools=[leave]))
    assert [response for _, response in reports(await talk.say())] in ([], [{"result": "from a task"}])
    kept[0].report_progress("late")
    await asyncio.wait_for(kept[0].deliver_progress("late"), SECONDS)
    await asyncio.wait_for(left[0], SECONDS)


async def test_only_tools_report(chat: Any) -> None:
    def before(callback_context: ToolContext) -> None:
        callback_context.report_progress("x")

    await chat(agent("hi", tools=[], before_agent_callback=before)).fails(InputValidationError)


# --- in a workflow


async def test_a_tool_that_is_a_node_reports(chat: Any) -> None:
    gate = Gate()
    gate.opened.set()
    flow = Workflow(name="flow", edges=[("START", FunctionTool(gate.climb))])
    events = await chat(flow).say("top")
    assert reports(events) == [("climb", {"step": 1, "to": "top"}), ("climb", {"result": "top"})]
    assert {(event.author, event.node_info.path) for event in events if event.partial} == {("flow", "flow@1/climb@1")}
    assert [event.output for event in events if event.output is not None] == ["top"]
