# SPDX-License-Identifier: Apache-2.0
"""SequentialAgent, LoopAgent and ParallelAgent in whole runs."""

import asyncio
from collections import Counter
from contextlib import aclosing

import pytest

from runwright import Agent, BaseAgent, Event, EventActions, LoopAgent, ParallelAgent, RunConfig, SequentialAgent, types
from runwright.agents.loop import exit_loop
from runwright.errors import ConfigurationError, LlmCallsLimitExceededError
from runwright.testing import FunctionModel, ScriptedModel, call


def agent(name, *replies, **options):
    return Agent(name=name, model=ScriptedModel(list(replies)), **options)


# --- one after the other


async def test_in_sequence_each_sees_what_was_said_before(chat, seen, said):
    one, two = agent("one", "A", output_key="draft"), agent("two", "B", instruction="Improve {draft}.")
    talk = chat(SequentialAgent(name="line", sub_agents=[one, two]))
    assert said(await talk.say("Go")) == [("one", "A"), ("two", "B")]
    [request] = two.model.requests
    assert request.config.system_instruction.startswith("Improve A.")
    assert seen(request) == [("user", "Go"), ("user", "For context:", "[one] said: A")]


async def test_in_sequence_the_next_turn_starts_from_the_beginning(chat, said):
    talk = chat(SequentialAgent(name="line", sub_agents=[agent("one", "A", "C"), agent("two", "B", "D")]))
    await talk.say()
    assert said(await talk.say()) == [("one", "C"), ("two", "D")]


async def test_without_children_nothing_is_said(chat):
    for kind in (SequentialAgent, LoopAgent, ParallelAgent):
        assert await chat(kind(name="empty")).say() == []


async def test_a_failure_in_sequence_ends_the_run(chat, said):
    line = SequentialAgent(
        name="line", sub_agents=[agent("one", "A"), agent("two", OSError("no net")), agent("three", "C")]
    )
    _, events = await chat(line).fails(OSError)
    assert said(events) == [("one", "A")]
    assert (events[-1].error_code, events[-1].error_message) == ("OSError", "no net")


# --- again and again


@pytest.mark.parametrize(("rounds", "expected"), [(1, 1), (3, 3), (0, 0)])
async def test_a_loop_ends_after_its_rounds(chat, rounds, expected):
    model = ScriptedModel(["again"], repeat=True)
    loop = LoopAgent(name="loop", sub_agents=[Agent(name="a", model=model)], max_iterations=rounds)
    assert len(await chat(loop).say()) == expected


async def test_a_loop_ends_when_a_tool_says_so(chat, said):
    model = ScriptedModel(["one", call("exit_loop")])
    loop = LoopAgent(
        name="loop", sub_agents=[Agent(name="a", model=model, tools=[exit_loop]), agent("b", "two", "never")]
    )
    events = await chat(SequentialAgent(name="line", sub_agents=[loop, agent("c", "end")])).say()
    assert said(events) == [
        ("a", "one"), ("b", "two"), ("a", "exit_loop()"), ("a", {"exit_loop": {"result": None}}), ("c", "end"),
    ]  # fmt: skip
    assert events[3].actions.escalate is True


async def test_a_loop_ends_when_an_agent_of_ones_own_escalates(chat, said):
    class Checks(BaseAgent):
        async def _run_async_impl(self, ctx):
            done = ctx.session.state.get("rounds", 0) + 1
            actions = EventActions(state_delta={"rounds": done}, escalate=done == 2)
            yield Event(invocation_id=ctx.invocation_id, author=self.name, actions=actions)

    talk = chat(LoopAgent(name="loop", sub_agents=[agent("a", "1", "2", "3"), Checks(name="checks")], max_iterations=9))
    assert said(await talk.say()) == [("a", "1"), ("a", "2")]
    assert await talk.state() == {"rounds": 2}


async def test_a_loop_without_an_end_is_stopped_by_the_limit_of_model_calls(chat):
    loop = LoopAgent(name="loop", sub_agents=[Agent(name="a", model=ScriptedModel(["again"], repeat=True))])
    error, events = await chat(loop).fails(LlmCallsLimitExceededError, run_config=RunConfig(max_llm_calls=4))
    assert len(events) == 5 and "`4`" in str(error)


def test_a_number_of_rounds_below_zero_is_refused():
    with pytest.raises(ConfigurationError, match="max_iterations"):
        LoopAgent(name="loop", max_iterations=-1)


# --- at the same time


class Talker(BaseAgent):
    """Says what it is told to, when it is told to."""

    def __init__(self, name, **options):
        super().__init__(name=name, **options)
        self.to_say = asyncio.Queue()
        self.started = asyncio.Event()
        self.asked = 0
        self.went_on = asyncio.Event()
        self.closed = False

    async def _run_async_impl(self, ctx):
        self.started.set()
        try:
            while (text := await self.to_say.get()) is not None:
                if isinstance(text, Exception):
                    raise text
                yield Event(
                    invocation_id=ctx.invocation_id,
                    author=self.name,
                    branch=ctx.branch,
                    content=types.ModelContent(text),
                )
                self.asked += 1
                self.went_on.set()
        finally:
            self.closed = True


async def test_branches_see_nothing_of_each_other_and_what_follows_sees_all(chat, seen):
    def look() -> str:
        """Looks."""
        return "seen"

    one, two, after = agent("one", call("look"), "A", tools=[look]), agent("two", "B"), agent("after", "C", "D")
    par = ParallelAgent(name="par", sub_agents=[one, two])
    talk = chat(SequentialAgent(name="line", sub_agents=[par, after]))
    events = await talk.say("Go")
    assert seen(one.model.requests[1]) == [("user", "Go"), ("model", "look()"), ("user", {"look": {"result": "seen"}})]
    assert seen(two.model.requests[0]) == [("user", "Go")]
    assert {event.author: event.branch for event in events} == {"one": "par.one", "two": "par.two", "after": None}
    told = [part for _, *parts in seen(after.model.requests[0]) for part in parts]
    assert "[one] said: A" in told and "[two] said: B" in told


async def test_branches_of_branches(chat, seen):
    inner = ParallelAgent(name="inner", sub_agents=[agent("a", "A"), agent("b", "B")])
    after_inner = agent("c", "C")
    left = SequentialAgent(name="left", sub_agents=[inner, after_inner])
    right = agent("d", "D")
    events = await chat(ParallelAgent(name="outer", sub_agents=[left, right])).say("Go")
    assert {event.author: event.branch for event in events} == {
        "a": "outer.left.inner.a",
        "b": "outer.left.inner.b",
        "c": "outer.left",
        "d": "outer.d",
    }
    for one in inner.sub_agents:
        assert seen(one.model.requests[0]) == [("user", "Go")]
    assert seen(right.model.requests[0]) == [("user", "Go")]


async def test_in_a_loop_a_branch_sees_what_it_said_before(chat, seen):
    one, two = agent("one", "A", "C"), agent("two", "B", "D")
    par = ParallelAgent(name="par", sub_agents=[one, two])
    await chat(LoopAgent(name="loop", sub_agents=[par], max_iterations=2)).say("Go")
    assert seen(one.model.requests[1]) == [("user", "Go"), ("model", "A")]


async def test_events_come_as_they_are_made(chat):
    one, two = Talker("one"), Talker("two")
    talk = chat(ParallelAgent(name="par", sub_agents=[one, two]))
    stream = talk.runner.run_async(user_id="ada", session_id="s", new_message="go")
    heard = []
    async with aclosing(stream):
        for who, text in [(two, "2a"), (one, "1a"), (one, "1b"), (two, "2b")]:
            who.to_say.put_nowait(text)
            heard.append((await anext(stream)).content.parts[0].text)
        for who in (one, two):
            who.to_say.put_nowait(None)
        assert await anext(stream, None) is None
    assert heard == ["2a", "1a", "1b", "2b"]


async def test_a_branch_does_not_run_ahead_of_a_slow_caller(chat):
    talkers = [Talker("one"), Talker("two")]
    for talker in talkers:
        for text in ("a", "b", "c", None):
            talker.to_say.put_nowait(text)
    talk = chat(ParallelAgent(name="par", sub_agents=talkers))
    taken = Counter()
    stream = talk.runner.run_async(user_id="ada", session_id="s", new_message="go")
    async with aclosing(stream):
        async for event in stream:
            taken[event.author] += 1
            for _ in range(20):  # more than enough turns of the loop for a branch to run away
                await asyncio.sleep(0)
            assert all(talker.asked <= taken[talker.name] for talker in talkers)
    assert taken == {"one": 3, "two": 3}


async def test_an_event_of_a_branch_is_stored_before_the_branch_goes_on(chat):
    class Reads(BaseAgent):
        async def _run_async_impl(self, ctx):
            for number in range(3):
                yield Event(
                    invocation_id=ctx.invocation_id,
                    author=self.name,
                    branch=ctx.branch,
                    actions=EventActions(state_delta={self.name: number}),
                )
                assert ctx.session.state[self.name] == number
                assert any(event.actions.state_delta == {self.name: number} for event in ctx.session.events)

    talk = chat(ParallelAgent(name="par", sub_agents=[Reads(name="one"), Reads(name="two")]))
    assert len(await talk.say()) == 6
    assert await talk.state() == {"one": 2, "two": 2}


async def test_a_branch_that_fails_cancels_the_others_and_is_named(chat):
    failing, waiting, nested = Talker("failing"), Talker("waiting"), Talker("nested")
    failing.to_say.put_nowait("a")
    failing.to_say.put_nowait(LookupError("lost"))
    par = ParallelAgent(name="par", sub_agents=[failing, waiting, ParallelAgent(name="deep", sub_agents=[nested])])
    error, events = await chat(par).fails(LookupError)
    assert str(error) == "lost" and "par.failing" in "".join(error.__notes__)
    assert [event.author for event in events[:1]] == ["failing"] and events[-1].error_code == "LookupError"
    assert all(talker.closed for talker in (failing, waiting, nested))


@pytest.mark.parametrize("how", ["leaves", "is cancelled"])
async def test_when_the_caller_goes_all_branches_are_closed(chat, how):
    one, two, nested = Talker("one"), Talker("two"), Talker("nested")
    one.to_say.put_nowait("a")
    par = ParallelAgent(name="par", sub_agents=[one, two, ParallelAgent(name="deep", sub_agents=[nested])])
    talk = chat(par)

    async def take():
        stream = talk.runner.run_async(user_id="ada", session_id="s", new_message="go")
        async with aclosing(stream):
            async for _ in stream:
                await nested.started.wait()
                if how == "leaves":
                    break

    task = asyncio.create_task(take())
    await nested.started.wait()
    if how == "is cancelled":
        await one.went_on.wait()
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
    else:
        await task
    assert [talker.closed for talker in (one, two, nested)] == [True, True, True]


async def test_branches_really_run_at_the_same_time(chat):
    both = asyncio.Barrier(3)

    async def meet(request):
        await both.wait()
        return "met"

    par = ParallelAgent(name="par", sub_agents=[Agent(name=f"a{n}", model=FunctionModel(meet)) for n in range(3)])
    assert len(await chat(par).say()) == 3


async def test_calls_of_branches_are_each_answered_in_their_branch(chat, seen):
    all_called = asyncio.Barrier(2)

    async def look(where: str) -> str:
        """Looks."""
        await all_called.wait()
        return f"seen {where}"

    agents = [agent(name, call("look", where=name), "done", tools=[look]) for name in ("one", "two")]
    await chat(ParallelAgent(name="par", sub_agents=agents)).say("Go")
    for one in agents:
        assert seen(one.model.requests[1]) == [
            ("user", "Go"), ("model", f"look(where='{one.name}')"), ("user", {"look": {"result": f"seen {one.name}"}}),
        ]  # fmt: skip


async def test_an_agent_in_a_branch_may_pass_the_conversation_on_below_itself(chat, said):
    helper = agent("helper", "helped")
    lead = agent("lead", call("transfer_to_agent", agent_name="helper"), sub_agents=[helper])
    events = await chat(ParallelAgent(name="par", sub_agents=[lead, agent("other", "B")])).say()
    assert ("helper", "helped") in said(events)
    assert {event.branch for event in events if event.author == "helper"} == {"par.lead"}
