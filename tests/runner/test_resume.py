# SPDX-License-Identifier: Apache-2.0
"""Runs that stopped go on: cut off after each event of its log, a run ends with the history that it would have had."""

import asyncio
from collections.abc import AsyncGenerator, Callable
from typing import Any

import pytest

from runwright import (
    Agent,
    App,
    BaseAgent,
    Event,
    EventActions,
    FunctionTool,
    InMemorySessionService,
    InvocationContext,
    LongRunningFunctionTool,
    LoopAgent,
    ParallelAgent,
    ResumabilityConfig,
    Runner,
    SequentialAgent,
    Session,
    exit_loop,
    types,
)
from runwright.agent import BaseAgentState
from runwright.errors import InputValidationError, InvocationNotFoundError
from runwright.model import LlmRequest
from runwright.testing import FunctionModel, call
from runwright.workflow import START, Workflow

WHO: dict[str, Any] = {"user_id": "u", "session_id": "s"}


def scripted(*replies: Any) -> FunctionModel:
    """Answers by how often it has answered before, as the request tells: a new process goes on where the old was."""

    def answer(request: LlmRequest) -> Any:
        return replies[sum(content.role == "model" for content in request.contents)]

    return FunctionModel(answer)


def repeatable(function: Callable[..., Any]) -> FunctionTool:
    return FunctionTool(function, on_resume="replay")


async def look_up(topic: str) -> dict[str, str]:
    """Looks something up."""
    return {"found": topic}


async def note(text: str, tool_context: Any) -> dict[str, str]:
    """Notes something."""
    tool_context.state[f"note_{text}"] = text
    return {"noted": text}


def plain() -> BaseAgent:
    replies = [[call("look_up", topic="a"), call("note", text="b")], call("note", text="c"), "done"]
    return Agent(
        name="plain", model=scripted(*replies), tools=[repeatable(look_up), repeatable(note)], output_key="out"
    )


def passing_on() -> BaseAgent:
    helper = Agent(
        name="helper",
        model=scripted(call("look_up", topic="h"), call("transfer_to_agent", agent_name="boss")),
        tools=[repeatable(look_up)],
    )
    return Agent(
        name="boss",
        model=scripted(call("transfer_to_agent", agent_name="helper"), "the boss has the last word"),
        sub_agents=[helper],
    )


def steps() -> BaseAgent:
    return SequentialAgent(name="steps", sub_agents=[Agent(name="first", model=scripted("one")), plain(), passing_on()])


def rounds() -> BaseAgent:
    worker = Agent(name="worker", model=scripted(call("look_up", topic="1"), "1", "2", call("exit_loop")))
    worker.tools = [repeatable(look_up), exit_loop]
    return LoopAgent(name="rounds", sub_agents=[worker], max_iterations=5)


def branches() -> BaseAgent:
    def branch(name: str) -> Agent:
        return Agent(name=name, model=scripted(call("look_up", topic=name), name), tools=[repeatable(look_up)])

    both = ParallelAgent(name="both", sub_agents=[branch("left"), branch("right")])
    return SequentialAgent(name="tree", sub_agents=[both, Agent(name="last", model=scripted("last"))])


def nested() -> BaseAgent:
    pair = ParallelAgent(
        name="pair",
        sub_agents=[Agent(name="a", model=scripted("a1", "a2")), Agent(name="b", model=scripted("b1", "b2"))],
    )
    judge = Agent(name="judge", model=scripted("once more", call("exit_loop")), tools=[exit_loop])
    looped = LoopAgent(name="looped", sub_agents=[pair, judge])
    return SequentialAgent(name="nested", sub_agents=[looped, Agent(name="end", model=scripted("end"))])


def hooked() -> BaseAgent:
    agent = plain()
    agent.before_agent_callback = lambda callback_context: callback_context.state.update({"began": True})
    agent.after_agent_callback = lambda callback_context: types.Content(role="model", parts=[types.Part(text="bye")])
    skipped = Agent(name="skipped", model=scripted("never said"), before_agent_callback=lambda callback_context: "no")
    return SequentialAgent(name="hooked", sub_agents=[agent, skipped, Agent(name="end", model=scripted("end"))])


def answering_in_form() -> BaseAgent:
    form = Agent(
        name="form",
        model=scripted(call("look_up", topic="x"), call("set_model_response", number=7)),
        tools=[repeatable(look_up)],
        output_schema={"type": "object", "properties": {"number": {"type": "integer"}}, "required": ["number"]},
        output_key="form",
    )
    return SequentialAgent(name="forms", sub_agents=[form, Agent(name="end", model=scripted("end"))])


class Counter(BaseAgent):
    """Says three things of its own, and has its child say one in between."""

    async def _run_async_impl(self, ctx: InvocationContext) -> AsyncGenerator[Event, None]:
        for number in range(3):
            yield Event(author=self.name, message=str(number), actions=EventActions(state_delta={"count": number}))
            if number == 1:
                async for event in self.sub_agents[0].run_async(ctx):
                    yield event


def custom() -> BaseAgent:
    counter = Counter(name="counter", sub_agents=[plain()])
    return SequentialAgent(name="customs", sub_agents=[counter, Agent(name="end", model=scripted("end"))])


class Progress(BaseAgentState):
    step: int = 0


class Stepper(BaseAgent):
    """Saves where it is after each of its steps."""

    done: list[int] = []

    async def _run_async_impl(self, ctx: InvocationContext) -> AsyncGenerator[Event, None]:
        progress = self._load_agent_state(ctx, Progress) or Progress()
        while progress.step < 3:
            self.done.append(progress.step)
            yield Event(author=self.name, message=f"step {progress.step}")
            progress.step += 1
            ctx.set_agent_state(self.name, agent_state=progress)
            yield self._create_agent_state_event(ctx)
        ctx.set_agent_state(self.name, end_of_agent=True)
        yield self._create_agent_state_event(ctx)


def saving() -> BaseAgent:
    return SequentialAgent(name="saving", sub_agents=[Stepper(name="stepper"), Agent(name="e", model=scripted("end"))])


def flow() -> BaseAgent:
    def start(node_input: str) -> str:
        return f"{node_input}!"

    agent = plain()
    return Workflow(name="flow", edges=[(START, start, agent, Agent(name="end", model=scripted("end")))])


def flow_in_steps() -> BaseAgent:
    return SequentialAgent(name="outer", sub_agents=[flow(), Agent(name="after", model=scripted("after"))])


TREES = [
    plain, passing_on, steps, rounds, branches, nested, hooked, answering_in_form, custom, saving, flow, flow_in_steps
]  # fmt: skip


async def stored(service: InMemorySessionService) -> Session:
    session = await service.get_session(app_name="app", **WHO)
    assert session is not None
    return session


def shown(event: Event) -> dict[str, Any]:
    """An event without what is different in each run."""
    data = event.model_dump(mode="json", exclude_none=True)
    for name in ("id", "timestamp", "invocation_id"):
        data.pop(name)
    for part in (data.get("content") or {}).get("parts") or ():
        for holder in ("function_call", "function_response"):
            if holder in part:
                part[holder].pop("id")
    return {key: value for key, value in data.items() if value not in ({}, []) and key != "long_running_tool_ids"}


def by_branch(events: list[Event]) -> dict[str | None, list[dict[str, Any]]]:
    found: dict[str | None, list[dict[str, Any]]] = {}
    for event in events:
        found.setdefault(event.branch, []).append(shown(event))
    return found


async def cut(events: list[Event], state: dict[str, Any] | None = None) -> InMemorySessionService:
    """A store that holds these events and nothing of what came after."""
    service = InMemorySessionService()
    session = await service.create_session(app_name="app", **WHO, state=state)
    for event in events:
        await service.append_event(session, event.private_copy())
    return service


@pytest.mark.parametrize("tree", TREES, ids=lambda tree: tree.__name__)
async def test_cut_off_anywhere_a_run_ends_as_it_would_have(tree: Callable[[], BaseAgent]) -> None:
    whole = InMemorySessionService()
    await whole.create_session(app_name="app", **WHO)
    async with Runner("app", tree(), whole) as runner:
        await runner.run_async(**WHO, new_message="go")
    session = await stored(whole)
    expected = by_branch(session.events)
    for kept in range(1, len(session.events) + 1):
        service = await cut(session.events[:kept])
        async with Runner("app", tree(), service) as runner:
            given = await runner.run_async(**WHO, invocation_id=session.events[0].invocation_id)
        resumed = await stored(service)
        assert by_branch(resumed.events) == expected, f"cut after {kept} of {len(session.events)} events"
        assert [event.id for event in given] == [event.id for event in resumed.events[kept:]]
        assert resumed.state == session.state


async def test_what_a_custom_agent_saved_it_does_not_do_again() -> None:
    whole = InMemorySessionService()
    await whole.create_session(app_name="app", **WHO)
    async with Runner("app", saving(), whole) as runner:
        await runner.run_async(**WHO, new_message="go")
    events = (await stored(whole)).events
    after_step_one = next(i for i, event in enumerate(events) if (event.actions.agent_state or {}).get("step") == 2)
    tree = saving()
    async with Runner("app", tree, await cut(events[: after_step_one + 1])) as runner:
        await runner.run_async(**WHO, invocation_id=events[0].invocation_id)
    stepper = tree.sub_agents[0]
    assert isinstance(stepper, Stepper)
    assert stepper.done == [2]


async def test_a_call_under_way_of_a_tool_that_may_not_repeat_is_unknown_to_the_model() -> None:
    calls: list[str] = []

    async def pay(sum: int) -> str:
        """Pays."""
        calls.append("paid")
        return "paid"

    model = scripted(call("pay", sum=3), "ok")
    agent = Agent(name="payer", model=model, tools=[pay])
    service = InMemorySessionService()
    await service.create_session(app_name="app", **WHO)
    async with Runner("app", agent, service) as runner:
        events = await runner.run_async(**WHO, new_message="pay")
    first = (await stored(service)).events
    async with Runner("app", agent, await cut(first[:2])) as runner:
        events = await runner.resume(**WHO, invocation_id=first[0].invocation_id)
    assert calls == ["paid"]
    (answer,) = events[0].get_function_responses()
    assert answer.response is not None
    assert answer.response["error"] == "unknown"
    assert runner.agent is agent
    assert [event.author for event in events] == ["payer", "payer"]


@pytest.mark.parametrize(("confirmed", "times"), [(True, 2), (False, 1)])
async def test_a_call_under_way_of_a_tool_that_asks_is_the_users_to_decide(confirmed: bool, times: int) -> None:
    calls: list[str] = []

    async def pay(sum: int) -> str:
        """Pays."""
        calls.append("paid")
        return "paid"

    tools = [FunctionTool(pay, on_resume="ask"), repeatable(look_up)]
    agent = Agent(name="payer", model=scripted([call("pay", sum=3), call("look_up", topic="t")], "ok"), tools=tools)
    service = InMemorySessionService()
    await service.create_session(app_name="app", **WHO)
    async with Runner("app", agent, service) as runner:
        await runner.run_async(**WHO, new_message="pay")
    first = (await stored(service)).events
    service = await cut(first[:2])
    async with Runner("app", agent, service) as runner:
        events = await runner.resume(**WHO, invocation_id=first[0].invocation_id)
        question = events[-1].get_function_calls()[0]
        assert question.name == "adk_request_confirmation"
        assert calls == ["paid"]
        # Resumed once more without an answer, it still waits.
        assert await runner.resume(**WHO, invocation_id=first[0].invocation_id) == []
        answer = types.FunctionResponse(id=question.id, name=question.name, response={"confirmed": confirmed})
        message = types.Content(role="user", parts=[types.Part(function_response=answer)])
        events = await runner.run_async(**WHO, new_message=message)
    assert calls == ["paid"] * times
    assert [event.author for event in events] == ["payer", "payer"]
    (told,) = events[0].get_function_responses()
    assert told.name == "pay"
    assert told.response is not None
    assert told.response.get("result" if confirmed else "error") == ("paid" if confirmed else "declined")
    every = [answer.id for event in (await stored(service)).events for answer in event.get_function_responses()]
    assert len(every) == len(set(every)) == 3


async def test_steps_wait_for_an_answer_where_the_app_is_resumable() -> None:
    def ask_boss(question: str) -> None:
        """Asks."""

    def tree() -> SequentialAgent:
        asker = Agent(
            name="asker",
            model=scripted(call("ask_boss", question="?"), "thanks"),
            tools=[LongRunningFunctionTool(ask_boss)],
        )
        return SequentialAgent(
            name="steps",
            sub_agents=[Agent(name="one", model=scripted("one")), asker, Agent(name="three", model=scripted("three"))],
        )

    app = App(name="app", root_agent=tree(), resumability_config=ResumabilityConfig(is_resumable=True))
    service = InMemorySessionService()
    await service.create_session(app_name="app", **WHO)
    async with Runner(app=app, session_service=service) as runner:
        events = await runner.run_async(**WHO, new_message="go")
        assert [event.author for event in events] == ["one", "asker"]
        (asked,) = events[-1].get_function_calls()
        answer = types.FunctionResponse(id=asked.id, name=asked.name, response={"says": "yes"})
        events = await runner.run_async(
            **WHO, new_message=types.Content(role="user", parts=[types.Part(function_response=answer)])
        )
    assert [(event.author, event.content.parts[0].text) for event in events if event.content] == [
        ("asker", "thanks"),
        ("three", "three"),
    ]


async def test_a_cancelled_run_goes_on() -> None:
    entered = asyncio.Event()
    seen: list[str] = []

    async def slow(topic: str) -> str:
        """Is slow the first time."""
        seen.append(topic)
        if len(seen) == 1:
            entered.set()
            await asyncio.sleep(60)
        return topic

    agent = Agent(name="a", model=scripted(call("slow", topic="t"), "sorry", "never"), tools=[repeatable(slow)])
    service = InMemorySessionService()
    await service.create_session(app_name="app", **WHO)
    async with Runner("app", agent, service) as runner:
        run = runner.start(**WHO, new_message="go")
        await entered.wait()
        run.cancel("enough")
        await run.ended()
        events = await runner.resume(**WHO)
    assert [event.content.parts[0].text for event in events if event.content] == ["sorry"]
    assert seen == ["t"]  # the log says that it was cancelled; the model knows


async def test_what_cannot_be_resumed_says_so() -> None:
    async with Runner("app", plain(), auto_create_session=True) as runner:
        with pytest.raises(InvocationNotFoundError, match="no run"):
            await runner.resume(**WHO)
        with pytest.raises(InvocationNotFoundError, match="e-1"):
            await runner.resume(**WHO, invocation_id="e-1")
        with pytest.raises(InputValidationError, match="leave new_message out"):
            runner.resume(**WHO, new_message="and this")
        assert await runner.recover() == []
