# SPDX-License-Identifier: Apache-2.0
"""Kinds of steps together: code beside calls, progress, questions and agents that are tools."""

import asyncio
from collections import Counter
from collections.abc import AsyncGenerator, Callable
from contextlib import aclosing
from pathlib import Path
from typing import Any

import pytest

from runwright import (
    START,
    Agent,
    AuthConfig,
    BaseCodeExecutor,
    BuiltInCodeExecutor,
    CodeExecutionInput,
    CodeExecutionResult,
    Event,
    FunctionTool,
    InMemoryRunner,
    LlmRequest,
    LlmResponse,
    ParallelAgent,
    RunConfig,
    Runner,
    Session,
    StreamingMode,
    Workflow,
)
from runwright.errors import RunCancelledError
from runwright.flow.history import without_rewound
from runwright.model import BaseLlm
from runwright.sessions.sqlite import SqliteSessionService
from runwright.testing import FunctionModel, call, stream
from runwright.tools import AgentTool
from runwright.types import CodeExecutionResult as ProvidersResult
from runwright.types import Content, ExecutableCode, FunctionResponse, Language, Outcome, Part, text_of
from tests.live.scene import filled, live_agent
from tests.runner.scene import HERE, PATIENCE, assert_sound, echo, say, scripted_agent, stored, texts

NEEDED = AuthConfig(auth_scheme={"type": "apiKey", "in": "header", "name": "X-Key"}, credential_key="pets")
CODE = "```python\nprint(1)\n```"


class Counting(BaseCodeExecutor):
    """Counts what it runs."""

    ran: list[str] = []

    async def execute_code(
        self, invocation_context: Any, code_execution_input: CodeExecutionInput
    ) -> CodeExecutionResult:
        self.ran.append(code_execution_input.code)
        return CodeExecutionResult(stdout="1\n")


class SeveralAnswers(BaseLlm):
    """Gives to each request the next group of whole answers."""

    def __init__(self, *groups: list[Any]) -> None:
        super().__init__(model="several")
        self.groups = list(groups)
        self.requests: list[LlmRequest] = []

    @property
    def runs_code(self) -> bool:
        return True

    async def generate_content_async(
        self, llm_request: LlmRequest, stream: bool = False
    ) -> AsyncGenerator[LlmResponse, None]:
        self.requests.append(llm_request)
        for parts in self.groups.pop(0):
            yield LlmResponse(content=Content(role="model", parts=list(parts)))


def said(events: list[Any]) -> list[str]:
    shown: list[str] = []
    for event in events:
        for part in (event.content.parts or ()) if event.content is not None else ():
            kinds = ("function_call", "function_response", "executable_code", "code_execution_result", "text")
            shown.append(next(kind for kind in kinds if getattr(part, kind) is not None))
    return shown


CALL = Part(function_call=call("look"))
WRITTEN = Part(text=CODE)


@pytest.mark.parametrize("group", [[[CALL], [WRITTEN]], [[WRITTEN], [CALL]]], ids=["call first", "code first"])
async def test_code_and_calls_in_several_answers_to_one_request_are_both_done(group: list[Any]) -> None:
    looked: list[int] = []

    async def look() -> str:
        """Looks."""
        looked.append(1)
        return "seen"

    executor = Counting()
    model = SeveralAnswers(group, [[Part(text="done")]])
    async with InMemoryRunner(Agent(name="a", model=model, tools=[look], code_executor=executor)) as runner:
        events = await say(runner, "go")
        assert (looked, executor.ran) == ([1], ["print(1)"])
        assert said(events)[-1] == "text" and len(model.requests) == 2
        assert_sound(await stored(runner))


async def test_calls_before_code_that_the_provider_ran_are_made() -> None:
    async def look() -> str:
        """Looks."""
        return "seen"

    ran = [
        CALL,
        Part(executable_code=ExecutableCode(code="print(1)", language=Language.PYTHON)),
        Part(code_execution_result=ProvidersResult(outcome=Outcome.OUTCOME_OK, output="1")),
    ]
    model = SeveralAnswers([ran], [[Part(text="done")]])
    async with InMemoryRunner(
        Agent(name="a", model=model, tools=[look], code_executor=BuiltInCodeExecutor())
    ) as runner:
        events = await say(runner, "go")
        assert said(events) == [
            "function_call",
            "executable_code",
            "code_execution_result",
            "function_response",
            "text",
        ]
        assert_sound(await stored(runner))


def test_an_agent_that_runs_code_is_not_run_again_as_a_tool() -> None:
    coder = scripted_agent("x", name="coder", code_executor=Counting())
    below = scripted_agent("x", name="above", tools=[AgentTool(coder)])
    assert AgentTool(coder).on_resume == AgentTool(below).on_resume == "never"
    with_provider = scripted_agent("x", name="other", code_executor=BuiltInCodeExecutor())
    assert AgentTool(with_provider).on_resume == "replay"


# --- stopped in the midst of any step


class Slow(Counting):
    """Takes a few turns of the event loop."""

    async def execute_code(self, invocation_context: Any, code_execution_input: Any) -> CodeExecutionResult:
        for _ in range(3):
            await asyncio.sleep(0)
        return await super().execute_code(invocation_context, code_execution_input)


def words_of(request: LlmRequest) -> str:
    return text_of(request.contents[-1])


async def counting(tool_context: Any) -> AsyncGenerator[Any, None]:
    """Counts."""
    for number in range(3):
        tool_context.state["count"] = number + 1
        yield {"number": number}
        await asyncio.sleep(0)


async def reporting(tool_context: Any) -> str:
    """Reports."""
    for number in range(3):
        tool_context.report_progress({"at": number})
        await asyncio.sleep(0)
    return "reported"


async def needing(tool_context: Any) -> str:
    """Needs a credential."""
    await asyncio.sleep(0)
    if await tool_context.load_credential(NEEDED) is None:
        tool_context.request_credential(NEEDED)
        return "pending"
    return "has it"


def answered(request: LlmRequest) -> bool:
    return any(part.function_response or part.code_execution_result for part in request.contents[-1].parts or ())


def progressing() -> Agent:
    def answer(request: LlmRequest) -> Any:
        if answered(request):
            return stream("the ", "end")
        return [call("counting"), call("reporting")] if words_of(request) == "go" else echo(request)

    return Agent(name="agent", model=FunctionModel(answer), tools=[counting, reporting])


def writing_code() -> Agent:
    def answer(request: LlmRequest) -> Any:
        said = words_of(request)
        if said == "go":
            return stream("let me ", CODE, " and more")
        return stream("the ", "end") if said.startswith("```tool_output") else echo(request)

    return Agent(name="agent", model=FunctionModel(answer), tools=[counting], code_executor=Slow())


def asking() -> Agent:
    def answer(request: LlmRequest) -> Any:
        if answered(request):
            return "the end"
        return [call("counting"), call("needing")] if words_of(request) == "go" else echo(request)

    return Agent(name="agent", model=FunctionModel(answer), tools=[counting, needing])


def asking_below() -> Agent:
    def answer(request: LlmRequest) -> Any:
        if answered(request):
            return "the end"
        return [call("agent", request="go"), call("counting")] if words_of(request) == "go" else echo(request)

    return Agent(name="outer", model=FunctionModel(answer), tools=[AgentTool(asking()), counting])


def side_by_side() -> Any:
    agents = [progressing(), writing_code(), asking()]
    return ParallelAgent(name="all", sub_agents=[one.clone({"name": f"a{at}"}) for at, one in enumerate(agents)])


def as_nodes() -> Any:
    async def begin() -> dict[str, Any]:
        return {}

    first, second = (FunctionTool(one, on_resume="replay") for one in (counting, needing))
    return Workflow(name="flow", edges=[(START, begin), (begin, first), (begin, second)])


TREES = [progressing, writing_code, asking, asking_below, side_by_side, as_nodes]


def is_sound(session: Session) -> None:
    """Each call and each code has one answer at the most; those of a run that does not wait have exactly one."""
    calls: Counter[Any] = Counter()
    waiting: set[Any] = set()
    for event in session.events:
        assert not event.partial
        for one in event.get_function_responses():
            calls[one.id] += 1
        if (result := event.get_code_result()) is not None:
            calls[result.id] += 1
        for one in event.get_function_calls():
            calls[one.id] -= 1
            if one.name == "adk_request_credential":
                waiting.add(one.id)
                waiting |= set(event.actions.requested_auth_configs)
        if (code := event.get_code_to_run()) is not None:
            calls[code.id] -= 1
    left = {call_id: count for call_id, count in calls.items() if count}
    assert all(count == -1 and call_id in waiting for call_id, count in left.items()), left


async def settled() -> None:
    """No task is left but the test's own."""
    for _ in range(20):
        await asyncio.sleep(0)
    assert asyncio.all_tasks() == {asyncio.current_task()}


STOPS: dict[str, Callable[[Any, asyncio.Task[Any], asyncio.Event], Any]] = {
    "run.cancel": lambda run, task, signal: run.cancel("swept"),
    "task.cancel": lambda run, task, signal: task.cancel(),
    "abort": lambda run, task, signal: signal.set(),
}


@pytest.mark.parametrize("tree", TREES)
@pytest.mark.parametrize("stop", STOPS)
async def test_stopped_at_any_step(stop: str, tree: Callable[[], Any]) -> None:
    """The run is stopped after n turns of the event loop, for each n until it ends by itself."""
    asyncio.get_running_loop().set_exception_handler(_fail)
    for steps in range(400):
        signal = asyncio.Event()
        async with InMemoryRunner(tree()) as runner:
            config = RunConfig(streaming_mode=StreamingMode.SSE)
            run = runner.run(**HERE, new_message="go", run_config=config, abort_signal=signal)

            async def drive(run: Any = run, runner: Any = runner, config: Any = config) -> None:
                await (say(runner, "go", run_config=config) if stop == "task.cancel" else run)

            task = asyncio.create_task(drive())
            for _ in range(steps):
                await asyncio.sleep(0)
            if not (over := task.done()):
                STOPS[stop](run, task, signal)
            async with asyncio.timeout(PATIENCE):
                await asyncio.wait([task])
            if not task.cancelled() and (error := task.exception()) is not None:
                assert isinstance(error, RunCancelledError), (steps, error)
            found = await runner.session_service.list_sessions(app_name=runner.app_name)
            if found.sessions:
                is_sound(await stored(runner))
            await settled()
            if tree is not as_nodes:
                assert "re: next" in texts(await say(runner, "next")), steps
            is_sound(await stored(runner)) if found.sessions else None
        if over:
            assert steps > 3
            return
    raise AssertionError("the run never ended by itself")


def _fail(loop: Any, context: dict[str, Any]) -> None:
    raise AssertionError(context)


@pytest.mark.parametrize("tree", TREES)
async def test_left_at_any_event(tree: Callable[[], Any]) -> None:
    config = RunConfig(streaming_mode=StreamingMode.SSE)
    for taken in range(1, 60):
        async with InMemoryRunner(tree()) as runner:
            seen = 0
            async with aclosing(runner.run_async(**HERE, new_message="go", run_config=config)) as events:
                async for _ in events:
                    seen += 1
                    if seen == taken:
                        break
            is_sound(await stored(runner))
            await settled()
            if tree is not as_nodes:
                assert "re: next" in texts(await say(runner, "next")), taken
            is_sound(await stored(runner))
            if seen < taken:
                return
    raise AssertionError("the run never ended by itself")


@pytest.mark.parametrize("tree", TREES)
@pytest.mark.parametrize("when_busy", ["interrupt", "rollback"])
async def test_another_message_comes_at_any_step(tree: Callable[[], Any], when_busy: Any) -> None:
    config = RunConfig(streaming_mode=StreamingMode.SSE)
    newer = RunConfig(when_busy=when_busy)
    for steps in range(400):
        async with InMemoryRunner(tree()) as runner:
            run = runner.start(**HERE, new_message="go", run_config=config)
            for _ in range(steps):
                await asyncio.sleep(0)
            over = run.status not in ("waiting", "running")
            async with asyncio.timeout(PATIENCE):
                if tree is not as_nodes:
                    assert "re: next" in texts(await say(runner, "next", run_config=newer)), steps
                else:
                    await say(runner, "next", run_config=newer)
                await run.ended()
            session = await stored(runner)
            is_sound(session)
            if when_busy == "rollback" and run.error is not None and tree is not as_nodes:
                kept = without_rewound(session.events)
                assert all(event.invocation_id != run.invocation_id for event in kept)
            await settled()
        if over:
            assert steps > 3
            return
    raise AssertionError("the run never ended by itself")


@pytest.mark.parametrize("tools", [[counting, reporting], [counting, needing], [AgentTool(asking()), counting]])
@pytest.mark.parametrize("stop", STOPS)
async def test_a_live_run_is_stopped_at_any_step(stop: str, tools: list[Any]) -> None:
    """What the user was asked is withdrawn with the conversation, so all calls have a response."""
    asyncio.get_running_loop().set_exception_handler(_fail)
    calls = [call("agent", request="go") if isinstance(tool, AgentTool) else call(tool.__name__) for tool in tools]
    for steps in range(400):
        signal = asyncio.Event()
        async with InMemoryRunner(live_agent(calls, "There.", tools=tools)) as runner:
            run = runner.run(**HERE, live_request_queue=filled("Hi"), abort_signal=signal)

            async def drive(run: Any = run) -> None:
                await run

            task = asyncio.create_task(drive())
            for _ in range(steps):
                await asyncio.sleep(0)
            if not (over := task.done()):
                STOPS[stop](run, task, signal)
            async with asyncio.timeout(PATIENCE):
                await asyncio.wait([task])
                await run.ended()
            if over:
                await task
            if (await runner.session_service.list_sessions(app_name=runner.app_name)).sessions:
                assert_sound(await stored(runner))
            await settled()
        if over:
            assert steps > 10
            return
    raise AssertionError("the run never ended by itself")


# --- the process ends at any event


def mixed() -> Agent:
    """Calls and code in two answers to one request."""
    groups = [[[Part(function_call=call("counting"))], [WRITTEN]], [[Part(text="the end")]]]

    class Mixed(SeveralAnswers):
        async def generate_content_async(
            self, llm_request: LlmRequest, stream: bool = False
        ) -> AsyncGenerator[LlmResponse, None]:
            said = [content for content in llm_request.contents if content.role == "model"]
            if words_of(llm_request) == "next":
                yield LlmResponse(content=Content(role="model", parts=[Part(text="re: next")]))
                return
            for parts in groups[bool(said)]:
                yield LlmResponse(content=Content(role="model", parts=list(parts)))

    return Agent(name="agent", model=Mixed(), tools=[counting], code_executor=Slow())


async def stopped_after(runner: Runner, count: int) -> int:
    """Runs an agent until it has stored so many events, and lets the store forget that it went on."""
    async with aclosing(runner.run_async(**HERE, new_message="go")) as stream:
        async for _ in stream:
            count -= 1
            if count == 0:
                await runner.session_service.close()  # What it would write of its end is lost.
                break
    return count


def requests_in(events: list[Event]) -> list[Any]:
    calls = [one for event in events for one in event.get_function_calls()]
    done = {one.id for event in events for one in event.get_function_responses()}
    return [one for one in calls if one.name == "adk_request_credential" and one.id not in done]


def key_for(request: Any) -> Content:
    response = {"authType": "apiKey", "apiKey": "k"}
    part = Part(function_response=FunctionResponse(id=request.id, name=request.name, response=response))
    return Content(role="user", parts=[part])


@pytest.mark.parametrize("goes_on", [True, False], ids=["resumed", "next message"])
@pytest.mark.parametrize("tree", [progressing, asking, asking_below, side_by_side, as_nodes, mixed])
async def test_killed_after_any_event(tree: Callable[[], Any], goes_on: bool, tmp_path: Path) -> None:
    asyncio.get_running_loop().set_exception_handler(lambda loop, context: None)  # the store is closed under the run
    for cut in range(1, 40):
        path, left = tmp_path / f"{cut}.db", 1
        async with Runner("app", tree(), SqliteSessionService(path), auto_create_session=True) as runner:
            left = await stopped_after(runner, cut)
            await runner.session_service.close()
        service = SqliteSessionService(path)
        async with Runner("app", tree(), service) as runner:
            if goes_on:
                for record in await runner.recover():
                    await runner.resume(record)
                while requests := requests_in((await stored(runner)).events):
                    await say(runner, key_for(requests[0]))
                assert_sound(await stored(runner))
                ends = texts((await stored(runner)).events).count("the end")
                assert ends == (3 if tree is side_by_side else tree is not as_nodes)
            elif tree is not as_nodes:
                assert "re: next" in texts(await say(runner, "next")), cut
            is_sound(await stored(runner))
        await service.close()
        if left:
            assert cut > 3
            return
    raise AssertionError("the run never ended by itself")
