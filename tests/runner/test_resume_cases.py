# SPDX-License-Identifier: Apache-2.0
"""Runs that stopped go on, in cases that are easily got wrong: cut off after each event, and answered in between."""

import asyncio
from collections.abc import AsyncGenerator, Callable
from pathlib import Path
from typing import Any

import pytest

from runwright import (
    Agent,
    App,
    BaseAgent,
    Event,
    EventActions,
    FunctionTool,
    GetSessionConfig,
    InMemorySessionService,
    InvocationContext,
    LongRunningFunctionTool,
    LoopAgent,
    ParallelAgent,
    ResumabilityConfig,
    RunConfig,
    Runner,
    SequentialAgent,
    Session,
    exit_loop,
    types,
)
from runwright.agent import BaseAgentState
from runwright.durable import CallRecord
from runwright.model import BaseLlm, LlmRequest, LlmResponse
from runwright.plugin import BasePlugin
from runwright.sessions.sqlite import SqliteSessionService
from runwright.testing import FunctionModel, call
from runwright.workflow import START, RequestInput, Workflow, node

WHO: dict[str, Any] = {"user_id": "u", "session_id": "s"}
KEY: dict[str, Any] = {"app_name": "app", **WHO}


def scripted(*replies: Any) -> FunctionModel:
    """Answers by how often it has answered before, as the request tells: a new process goes on where the old was."""

    def answer(request: LlmRequest) -> Any:
        return replies[sum(content.role == "model" for content in request.contents)]

    return FunctionModel(answer)


async def look_up(topic: str) -> dict[str, str]:
    """Looks something up."""
    return {"found": topic}


def ask_boss(question: str) -> None:
    """Asks somebody who answers later."""


LOOK_UP = FunctionTool(look_up, on_resume="replay")


def said(text: str) -> types.Content:
    return types.Content(role="model", parts=[types.Part(text=text)])


def looking(name: str, **settings: Any) -> Agent:
    return Agent(name=name, model=scripted(call("look_up", topic=name), name, name), tools=[LOOK_UP], **settings)


def end() -> Agent:
    return Agent(name="end", model=scripted("end", "end"))


class Everything(BasePlugin):
    """Listens to all hooks, as one that logs does."""

    async def before_agent_callback(self, *, agent: Any, callback_context: Any) -> None: ...

    async def after_agent_callback(self, *, agent: Any, callback_context: Any) -> None: ...

    async def before_model_callback(self, *, callback_context: Any, llm_request: Any) -> None: ...

    async def after_model_callback(self, *, callback_context: Any, llm_response: Any) -> None: ...

    async def on_event_callback(self, *, invocation_context: Any, event: Any) -> None: ...


# --- trees


class Talk(BaseAgent):
    """Says two things, and does not say in which branch."""

    async def _run_async_impl(self, ctx: InvocationContext) -> AsyncGenerator[Event, None]:
        for number in range(2):
            yield Event(author=self.name, message=f"{self.name} {number}")


def custom_in_branches() -> BaseAgent:
    both = ParallelAgent(name="both", sub_agents=[Talk(name="x"), Talk(name="y")])
    return SequentialAgent(name="tree", sub_agents=[both, end()])


def custom_with_hooks_that_say_nothing() -> BaseAgent:
    quiet = Talk(
        name="quiet",
        before_agent_callback=lambda callback_context: None,
        after_agent_callback=lambda callback_context: None,
    )
    return SequentialAgent(name="tree", sub_agents=[quiet, end()])


def count_rounds(callback_context: Any) -> types.Content | None:
    state = callback_context.state
    state["round"] = state.get("round", 0) + 1
    return said("not now") if state["round"] == 2 else None


def rounds_with_hooks() -> BaseAgent:
    worker = Agent(
        name="worker",
        model=scripted("1", "2", "3", "4"),
        before_agent_callback=count_rounds,
        after_agent_callback=lambda callback_context: None,
    )
    return LoopAgent(name="rounds", sub_agents=[worker], max_iterations=3)


class Maker(BaseAgent):
    """Makes its agents as it goes: they are in nobody's tree."""

    async def _run_async_impl(self, ctx: InvocationContext) -> AsyncGenerator[Event, None]:
        for number in range(2):
            async for event in looking(f"made{number}").run_async(ctx):
                yield event


def made_on_the_way() -> BaseAgent:
    return SequentialAgent(name="tree", sub_agents=[looking("first"), Maker(name="maker"), end()])


class Voices(BaseAgent):
    """Speaks with other names than its own."""

    async def _run_async_impl(self, ctx: InvocationContext) -> AsyncGenerator[Event, None]:
        for name in ("alto", "tenor"):
            yield Event(author=name, message=name)
            yield Event(author=self.name, actions=EventActions(state_delta={name: True}))


def in_other_names() -> BaseAgent:
    return SequentialAgent(name="tree", sub_agents=[Voices(name="choir"), end()])


def text_beside_a_call() -> BaseAgent:
    model = scripted(["Let me see. ", call("look_up", topic="a")], "Done.")
    return Agent(name="speaker", model=model, tools=[LOOK_UP], output_key="out")


class Progress(BaseAgentState):
    step: int = 0


class Stepper(BaseAgent):
    """Saves where it is after each of its steps."""

    async def _run_async_impl(self, ctx: InvocationContext) -> AsyncGenerator[Event, None]:
        progress = self._load_agent_state(ctx, Progress) or Progress()
        while progress.step < 2:
            yield Event(author=self.name, message=f"step {progress.step}")
            progress.step += 1
            ctx.set_agent_state(self.name, agent_state=progress)
            yield self._create_agent_state_event(ctx)
        ctx.set_agent_state(self.name, end_of_agent=True)
        yield self._create_agent_state_event(ctx)


def saving_in_rounds() -> BaseAgent:
    return LoopAgent(name="rounds", sub_agents=[Stepper(name="stepper")], max_iterations=2)


class Refused(BaseLlm):
    model: str = "refusing"

    async def generate_content_async(
        self, llm_request: LlmRequest, stream: bool = False
    ) -> AsyncGenerator[LlmResponse, None]:
        yield LlmResponse(error_code="SAFETY", error_message="no")


def answered_with_an_error() -> BaseAgent:
    return SequentialAgent(name="tree", sub_agents=[Agent(name="refused", model=Refused()), end()])


def workflow_in_rounds() -> BaseAgent:
    return LoopAgent(name="rounds", sub_agents=[Workflow(name="flow", edges=[(START, looking("w"))])], max_iterations=2)


def workflow_that_ends_rounds() -> BaseAgent:
    leaver = Agent(name="leaver", model=scripted("stay", call("exit_loop")), tools=[exit_loop])
    leaver.include_contents = "default"
    looped = LoopAgent(name="looped", max_iterations=3, sub_agents=[Workflow(name="flow", edges=[(START, leaver)])])
    return SequentialAgent(name="tree", sub_agents=[looped, end()])


def agent_in_a_function() -> BaseAgent:
    inner = looking("inner")

    @node(rerun_on_resume=True)
    async def run_inner(ctx: Any, node_input: str) -> str:
        return f"{await ctx.run_node(inner, 'do it')}."

    return Workflow(name="flow", edges=[(START, run_inner, end())])


def steps_in_a_node() -> BaseAgent:
    line = SequentialAgent(name="line", sub_agents=[looking("a"), Agent(name="b", model=scripted("b"))])
    return Workflow(name="flow", edges=[(START, line, end())])


def workflow_with_hooks() -> BaseAgent:
    first = looking(
        "first",
        before_agent_callback=lambda callback_context: callback_context.state.update({"began": True}),
        after_agent_callback=lambda callback_context: said("bye"),
    )
    skipped = Agent(name="skipped", model=scripted("never"), before_agent_callback=lambda callback_context: said("no"))
    return Workflow(name="flow", edges=[(START, first, skipped, end())])


TREES = [
    custom_in_branches, custom_with_hooks_that_say_nothing, rounds_with_hooks, made_on_the_way, in_other_names,
    text_beside_a_call, saving_in_rounds, answered_with_an_error, workflow_in_rounds, workflow_that_ends_rounds,
    agent_in_a_function, steps_in_a_node, workflow_with_hooks,
]  # fmt: skip


async def stored(service: Any) -> Session:
    session = await service.get_session(**KEY)
    assert session is not None
    return session


async def made() -> InMemorySessionService:
    service = InMemorySessionService()
    await service.create_session(**KEY)
    return service


async def cut(events: list[Event]) -> InMemorySessionService:
    """A store that holds these events and nothing of what came after."""
    service = await made()
    session = await stored(service)
    for event in events:
        await service.append_event(session, event.private_copy())
    return service


def shown(event: Event) -> tuple[Any, ...]:
    """An event without what is different in each run."""
    parts = (event.content.parts if event.content is not None else None) or []
    content = [
        part.text
        or (part.function_call is not None and (part.function_call.name, part.function_call.args))
        or (part.function_response is not None and (part.function_response.name, part.function_response.response))
        for part in parts
    ]
    actions = event.actions
    return event.author, event.node_info.path, content, actions.state_delta, actions.escalate, event.error_code


def by_branch(events: list[Event]) -> dict[str | None, list[tuple[Any, ...]]]:
    found: dict[str | None, list[tuple[Any, ...]]] = {}
    for event in events:
        found.setdefault(event.branch, []).append(shown(event))
    return found


def runner_of(agent: BaseAgent, service: Any, *plugins: BasePlugin, is_resumable: bool = False) -> Runner:
    resumability = ResumabilityConfig(is_resumable=is_resumable)
    app = App(name="app", root_agent=agent, plugins=list(plugins), resumability_config=resumability)
    return Runner(app=app, session_service=service)


def waiting(events: list[Event]) -> list[types.FunctionCall]:
    """The calls that somebody outside has to answer."""
    asked = {
        one.id: one
        for event in events
        for one in event.get_function_calls()
        if one.id in (event.long_running_tool_ids or ())
    }
    for event in events:
        for answer in event.get_function_responses() if event.author == "user" else ():
            asked.pop(answer.id, None)
    return list(asked.values())


def answer_to(*calls: types.FunctionCall, **response: Any) -> types.Content:
    answers = [types.FunctionResponse(id=one.id, name=one.name, response=response) for one in calls]
    return types.Content(role="user", parts=[types.Part(function_response=answer) for answer in answers])


async def answer_each(runner: Runner, service: Any) -> None:
    """Answers what is asked, one question at a time, until nothing is."""
    while left := waiting((await stored(service)).events):
        await runner.run_async(**WHO, new_message=answer_to(left[0], confirmed=True, result="yes"))


def assert_each_call_has_one_response(events: list[Event]) -> None:
    calls = sorted(str(one.id) for event in events for one in event.get_function_calls())
    assert calls == sorted(str(one.id) for event in events for one in event.get_function_responses())


@pytest.mark.parametrize("plugins", [(), (Everything(name="everything"),)], ids=["plain", "listening"])
@pytest.mark.parametrize("tree", TREES, ids=lambda tree: tree.__name__)
async def test_cut_off_anywhere_a_run_ends_as_it_would_have(
    tree: Callable[[], BaseAgent], plugins: tuple[BasePlugin, ...]
) -> None:
    whole = await made()
    async with runner_of(tree(), whole, *plugins) as runner:
        await runner.run_async(**WHO, new_message="go")
    session = await stored(whole)
    for kept in range(1, len(session.events) + 1):
        service = await cut(session.events[:kept])
        async with runner_of(tree(), service, *plugins) as runner:
            given = await runner.resume(**WHO, invocation_id=session.events[0].invocation_id)
        resumed = await stored(service)
        assert by_branch(resumed.events) == by_branch(session.events), f"cut after {kept} of {len(session.events)}"
        assert [event.id for event in given] == [event.id for event in resumed.events[kept:]]
        assert resumed.state == session.state


async def test_all_that_a_model_answered_at_once_is_one_answer() -> None:
    class TwoParts(BaseLlm):
        async def generate_content_async(
            self, llm_request: LlmRequest, stream: bool = False
        ) -> AsyncGenerator[LlmResponse, None]:
            if len(llm_request.contents) == 1:
                yield LlmResponse(content=said("one moment"))
                yield LlmResponse(content=types.Content(role="model", parts=[look]))
            else:
                yield LlmResponse(content=said("done"))

    look = types.Part(function_call=call("look_up", topic="a"))

    def tree() -> BaseAgent:
        two = Agent(name="two", model=TwoParts(model="two"), tools=[LOOK_UP])
        return SequentialAgent(name="tree", sub_agents=[two, end()])

    whole = await made()
    async with runner_of(tree(), whole) as runner:
        await runner.run_async(**WHO, new_message="go")
    events = (await stored(whole)).events
    assert len(events) == 6
    for kept in range(3, 7):
        service = await cut(events[:kept])
        async with runner_of(tree(), service) as runner:
            await runner.resume(**WHO, invocation_id=events[0].invocation_id)
        assert by_branch((await stored(service)).events) == by_branch(events)


async def test_what_a_hook_answered_in_place_of_a_run_it_answers_once() -> None:
    class Gate(BasePlugin):
        async def before_run_callback(self, *, invocation_context: Any) -> types.Content:
            return said("closed")

    service = await made()
    async with runner_of(end(), service, Gate(name="gate")) as runner:
        (event,) = await runner.run_async(**WHO, new_message="go")
        assert await runner.resume(**WHO, invocation_id=event.invocation_id) == []
    assert len((await stored(service)).events) == 2


# --- questions


def paying(name: str = "payer", *sums: int) -> Agent:
    async def pay(sum: int, tool_context: Any) -> dict[str, int]:
        """Pays."""
        tool_context.state[f"paid{sum}"] = True
        return {"paid": sum}

    calls = [call("pay", sum=one) for one in sums or (1,)]
    tools = [FunctionTool(pay, on_resume="ask"), LOOK_UP]
    return Agent(name=name, model=scripted([*calls, call("look_up", topic="t")], "paid"), tools=tools)


def paying_twice() -> BaseAgent:
    return SequentialAgent(name="tree", sub_agents=[paying("payer", 1, 2), end()])


def paying_in_branches() -> BaseAgent:
    both = ParallelAgent(name="both", sub_agents=[paying("left", 1), paying("right", 2)])
    return SequentialAgent(name="tree", sub_agents=[both, end()])


def paying_in_a_workflow() -> BaseAgent:
    return Workflow(name="flow", edges=[(START, paying("payer", 1, 2), end())])


ASKING = [paying_twice, paying_in_branches, paying_in_a_workflow]


def said_by_agents(events: list[Event]) -> list[str]:
    """What agents said and what their calls gave, whatever was asked in between."""
    return sorted(
        str((event.author, event.branch, part.text, part.function_response and part.function_response.response))
        for event in events
        if event.author != "user"
        for part in (event.content and event.content.parts) or ()
        if part.function_call is None
    )


@pytest.mark.parametrize("is_resumable", [False, True], ids=["ordinary", "resumable"])
@pytest.mark.parametrize(
    "tree", [paying_twice, paying_in_branches, paying_in_a_workflow], ids=lambda tree: tree.__name__
)
async def test_a_run_that_asked_about_its_calls_goes_on_as_a_whole_wherever_it_stops_again(
    tree: Callable[[], BaseAgent], is_resumable: bool
) -> None:
    whole = await made()
    async with runner_of(tree(), whole, is_resumable=is_resumable) as runner:
        await runner.run_async(**WHO, new_message="go")
    session = await stored(whole)
    called = next(index for index, event in enumerate(session.events) if event.get_function_calls()) + 1
    service = await cut(session.events[:called])
    async with runner_of(tree(), service, is_resumable=is_resumable) as runner:
        await runner.resume(**WHO, invocation_id=session.events[0].invocation_id)
        await answer_each(runner, service)
    asked = (await stored(service)).events
    assert len(asked) > len(session.events)
    for kept in range(called, len(asked) + 1):
        service = await cut(asked[:kept])
        async with runner_of(tree(), service, is_resumable=is_resumable) as runner:
            await runner.resume(**WHO, invocation_id=session.events[0].invocation_id)
            await answer_each(runner, service)
        again = await stored(service)
        assert_each_call_has_one_response(again.events)
        assert said_by_agents(again.events) == said_by_agents(session.events), f"cut after {kept}"
        assert again.state == session.state


async def test_a_workflow_that_waits_holds_up_who_runs_it_when_it_is_resumed() -> None:
    def ask(node_input: Any) -> RequestInput:
        return RequestInput(interrupt_id="q", message="?")

    def tree() -> BaseAgent:
        return SequentialAgent(name="tree", sub_agents=[Workflow(name="flow", edges=[(START, ask)]), end()])

    service = await made()
    async with runner_of(tree(), service) as runner:
        (question,) = await runner.run_async(**WHO, new_message="go")
    async with runner_of(tree(), service) as runner:
        assert await runner.resume(**WHO, invocation_id=question.invocation_id) == []
        events = await runner.run_async(**WHO, new_message=answer_to(*question.get_function_calls(), result="yes"))
    assert [event.author for event in events][-1] == "end"


async def test_one_message_answers_agents_in_several_branches() -> None:
    def asking(name: str) -> Agent:
        model = scripted(call("ask_boss", question=name), f"{name} thanks")
        return Agent(name=name, model=model, tools=[LongRunningFunctionTool(ask_boss)])

    both = ParallelAgent(name="both", sub_agents=[asking("left"), asking("right")])
    service = await made()
    async with runner_of(SequentialAgent(name="tree", sub_agents=[both, end()]), service, is_resumable=True) as runner:
        events = await runner.run_async(**WHO, new_message="go")
        calls = [one for event in events for one in event.get_function_calls()]
        events = await runner.run_async(**WHO, new_message=answer_to(*calls, says="yes"))
    assert [event.author for event in events][-1] == "end"
    assert {event.author for event in events[:-1]} == {"left", "right"}
    assert_each_call_has_one_response((await stored(service)).events)


async def test_a_workflow_whose_agent_was_answered_runs_what_comes_after_it() -> None:
    asker = Agent(
        name="asker",
        model=scripted(call("ask_boss", question="?"), "thanks"),
        tools=[LongRunningFunctionTool(ask_boss)],
    )
    service = await made()
    tree = Workflow(name="flow", edges=[(START, asker, end())])
    async with runner_of(tree, service, is_resumable=True) as runner:
        (asked,) = await runner.run_async(**WHO, new_message="go")
        events = await runner.run_async(**WHO, new_message=answer_to(*asked.get_function_calls(), says="yes"))
    assert [event.author for event in events] == ["asker", "end"]


async def test_a_paused_call_is_not_made_again_when_its_run_is_resumed() -> None:
    asked: list[str] = []

    def ask(question: str) -> None:
        """Asks."""
        asked.append(question)

    model = scripted(call("ask", question="?"), "thanks")
    service = await made()
    agent = Agent(name="asker", model=model, tools=[LongRunningFunctionTool(ask)])
    async with runner_of(agent, service) as runner:
        (event,) = await runner.run_async(**WHO, new_message="go")
        assert await runner.resume(**WHO, invocation_id=event.invocation_id) == []
    assert asked == ["?"]


async def test_an_answer_finds_its_call_though_few_events_are_loaded() -> None:
    model = scripted(call("ask_boss", question="?"), "thanks")
    agent = Agent(name="asker", model=model, tools=[LongRunningFunctionTool(ask_boss)])
    service = await made()
    few = RunConfig(get_session_config=GetSessionConfig(num_recent_events=1))
    async with runner_of(SequentialAgent(name="tree", sub_agents=[agent, end()]), service) as runner:
        event, _ = await runner.run_async(**WHO, new_message="go")
        (thanks,) = await runner.run_async(
            **WHO, new_message=answer_to(*event.get_function_calls(), says="yes"), run_config=few
        )
    assert thanks.content == said("thanks")


# --- ids that are not unique


def numbered(sum: int) -> types.Part:
    """A call of a model that counts its calls anew each time."""
    return types.Part(function_call=types.FunctionCall(id="call_1", name="pay", args={"sum": sum}))


async def pay(sum: int, tool_context: Any) -> dict[str, Any]:
    """Pays."""
    await asyncio.sleep(0)
    return {"paid": sum, "key": tool_context.idempotency_key}


async def test_calls_of_one_id_in_several_branches_are_told_apart(tmp_path: Path) -> None:
    def branch(name: str, sum: int) -> Agent:
        return Agent(name=name, model=scripted([numbered(sum)], "paid"), tools=[pay])

    service = SqliteSessionService(tmp_path / "sessions.db")
    await service.create_session(**KEY)
    async with runner_of(
        ParallelAgent(name="both", sub_agents=[branch("one", 1), branch("two", 2)]), service
    ) as runner:
        events = await runner.run_async(**WHO, new_message="go")
    answers = {event.author: answer.response or {} for event in events for answer in event.get_function_responses()}
    rows = await service.list_calls(await stored(service), events[0].invocation_id)
    await service.close()
    assert (answers["one"]["paid"], answers["two"]["paid"]) == (1, 2)
    assert answers["one"]["key"] != answers["two"]["key"]
    assert sorted(row.response.response["paid"] for row in rows if row.response and row.response.response) == [1, 2]


async def test_two_calls_of_one_answer_that_have_the_same_id_each_have_a_response() -> None:
    service = await made()
    agent = Agent(name="payer", model=scripted([numbered(1), numbered(2)], "paid"), tools=[pay])
    async with runner_of(agent, service) as runner:
        events = await runner.run_async(**WHO, new_message="go")
    assert_each_call_has_one_response((await stored(service)).events)
    answers = [answer.response or {} for event in events for answer in event.get_function_responses()]
    assert [answer["paid"] for answer in answers] == [1, 2]
    assert len({answer["key"] for answer in answers}) == 2


async def test_a_run_that_is_named_twice_keeps_the_calls_of_both_messages_apart(tmp_path: Path) -> None:
    service = SqliteSessionService(tmp_path / "sessions.db")
    await service.create_session(**KEY)
    agent = Agent(name="payer", model=scripted([numbered(1)], "paid", [numbered(2)], "paid"), tools=[pay])
    async with runner_of(agent, service) as runner:
        events = await runner.run_async(**WHO, new_message="1", invocation_id="mine")
        events += await runner.run_async(**WHO, new_message="2", invocation_id="mine")
    rows = await service.list_calls(await stored(service), "mine")
    await service.close()
    keys = {(answer.response or {})["key"] for event in events for answer in event.get_function_responses()}
    assert len(keys) == len(rows) == 2


class Stops(Exception):
    """The process ends here."""


async def test_a_call_left_open_is_answered_though_one_before_had_its_id(tmp_path: Path) -> None:
    class Failing(SqliteSessionService):
        """Is cut off from its disk after the second call has begun."""

        fails = False

        async def record_call(self, session: Session, call: CallRecord) -> None:
            await super().record_call(session, call)
            self.fails = call.call_id == "call_1#2"
            if self.fails:
                await self.close()
                raise Stops

    asyncio.get_running_loop().set_exception_handler(lambda loop, context: None)  # its clean-up fails, as expected
    first = Failing(tmp_path / "sessions.db", lease_seconds=0.5)
    await first.create_session(**KEY)
    model = scripted([numbered(1)], [numbered(2)], "never")
    with pytest.raises(Exception) as raised:
        await Runner("app", Agent(name="payer", model=model, tools=[pay]), first).run_async(**WHO, new_message="go")
    del raised
    service = SqliteSessionService(tmp_path / "sessions.db", lease_seconds=0.5)
    agent = Agent(name="payer", model=scripted("", "", "hello"), tools=[pay])
    async with runner_of(agent, service) as runner:
        await runner.run_async(**WHO, new_message="still there?")
    events = (await stored(service)).events
    await service.close()
    answers = [answer.response or {} for event in events for answer in event.get_function_responses()]
    assert [answer.get("paid") or answer.get("error") for answer in answers] == [1, "unknown"]
