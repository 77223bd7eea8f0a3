# SPDX-License-Identifier: Apache-2.0
"""Agents of one's own: fields, their own ``__init__``, ``_run_async_impl``, the tree they stand in, copies of them."""

from contextlib import aclosing
from typing import Any, ClassVar

import pytest

from runwright import Agent, BaseAgent, Event, EventActions, LoopAgent, ParallelAgent, SequentialAgent, types
from runwright.errors import ConfigurationError
from runwright.testing import ScriptedModel


class Says(BaseAgent):
    """Says something, and writes to state."""

    text: str = "hello"
    delta: dict = {}
    branch_of_its_own: str | None = None

    async def _run_async_impl(self, ctx):
        yield Event(
            invocation_id=ctx.invocation_id,
            author=self.name,
            branch=self.branch_of_its_own or ctx.branch,
            content=types.ModelContent(self.text),
            actions=EventActions(state_delta=dict(self.delta)),
        )


class Review(BaseAgent):
    """Runs one agent until another is content: the shape that ADK's documentation shows."""

    writer: BaseAgent
    critic: BaseAgent
    rounds: int = 3
    kinds: ClassVar[list[str]] = ["poem"]

    def __init__(self, name: str, writer: BaseAgent, critic: BaseAgent, **more: Any):
        super().__init__(name=name, writer=writer, critic=critic, sub_agents=[writer, critic], **more)

    async def _run_async_impl(self, ctx):
        done = 0
        while done < self.rounds and ctx.session.state.get("verdict") != "good":
            done += 1
            for agent in (self.writer, self.critic):
                async with aclosing(agent.run_async(ctx)) as events:
                    async for event in events:
                        yield event
        yield Event(
            invocation_id=ctx.invocation_id,
            author=self.name,
            content=types.ModelContent(f"{ctx.session.state['text']} after {done}"),
            actions=EventActions(state_delta={"rounds": done, "temp:secret": 1}),
        )


def review(**more):
    writer = Agent(name="writer", model=ScriptedModel(["Draft", "Better"]), output_key="text")
    critic = Agent(
        name="critic", model=ScriptedModel(["bad", "good"]), output_key="verdict", instruction="Judge {text}."
    )
    return Review("review", writer, critic, **more)


async def test_an_agent_that_runs_others_and_decides_by_their_state(chat, said):
    agent = review()
    talk = chat(agent)
    assert said(await talk.say()) == [
        ("writer", "Draft"), ("critic", "bad"), ("writer", "Better"), ("critic", "good"), ("review", "Better after 2"),
    ]  # fmt: skip
    assert await talk.state() == {"text": "Better", "verdict": "good", "rounds": 2}
    assert agent.critic.model.requests[1].config.system_instruction.startswith("Judge Better.")
    assert agent.writer.parent_agent is agent and agent.rounds == 3


async def test_callbacks_surround_a_custom_agent(chat, said):
    heard = []

    def after(callback_context, events):
        heard.extend(event.author for event in events)
        return "The end."

    talk = chat(
        review(before_agent_callback=lambda c: c.state.update({"begun": True}), after_agent_callback=after, rounds=1)
    )
    events = await talk.say()
    assert events[0].content is None and events[0].actions.state_delta == {"begun": True}
    assert said(events)[-1] == ("review", "The end.")
    assert heard == ["writer", "critic", "review"]


async def test_events_of_an_agent_of_ones_own_are_seen_by_branch(chat, seen):
    model = ScriptedModel(["ok"])
    branch = SequentialAgent(name="line", sub_agents=[Says(name="here"), Agent(name="a", model=model)])
    elsewhere = Says(name="elsewhere", branch_of_its_own="other.branch")
    first = SequentialAgent(name="first", sub_agents=[elsewhere, ParallelAgent(name="par", sub_agents=[branch])])
    await chat(first).say("Hi")
    assert seen(model.requests[0]) == [("user", "Hi"), ("user", "For context:", "[here] said: hello")]


async def test_leaving_early_closes_every_agent(chat):
    closed = []

    class Endless(BaseAgent):
        async def _run_async_impl(self, ctx):
            try:
                while True:
                    yield Event(invocation_id=ctx.invocation_id, author=self.name, content=types.ModelContent("tick"))
            finally:
                closed.append(self.name)

    class Outer(BaseAgent):
        async def _run_async_impl(self, ctx):
            try:
                async with aclosing(self.sub_agents[0].run_async(ctx)) as events:
                    async for event in events:
                        yield event
            finally:
                closed.append(self.name)

    talk = chat(Outer(name="outer", sub_agents=[LoopAgent(name="loop", sub_agents=[Endless(name="inner")])]))
    stream = talk.runner.run_async(user_id="ada", session_id="s", new_message="go")
    assert [(await anext(stream)).author for _ in range(3)] == ["inner"] * 3
    await stream.aclose()
    assert closed == ["inner", "outer"]


async def test_an_agent_without_a_body_says_so(chat):
    error, _ = await chat(BaseAgent(name="empty")).fails(NotImplementedError)
    assert "_run_async_impl" in str(error)


def test_fields_have_defaults_of_their_own():
    one, two = Says(name="one"), Says(name="two", text="bye")
    one.delta["x"] = 1
    assert (one.text, two.text, two.delta, Says(name="three").delta) == ("hello", "bye", {}, {})


def test_fields_are_inherited_and_may_be_given_another_default():
    class Shouts(Says):
        text: str = "HELLO"
        volume: int

    assert (Shouts(name="s", volume=3).text, Shouts(name="s", volume=3).volume) == ("HELLO", 3)
    with pytest.raises(ConfigurationError, match="needs volume="):
        Shouts(name="s")


def test_a_default_may_be_given_without_repeating_the_type():
    class Bye(Says):
        text = "bye"

    class Terse(Agent):
        instruction = "Be terse."
        include_contents = "none"

    assert Bye(name="b").text == "bye" and Bye(name="b", text="x").text == "x"
    assert Terse(name="t", model="m").instruction == "Be terse."
    assert Terse(name="t", model="m").include_contents == "none"


def test_model_post_init_is_called_with_everything_set():
    class Counts(BaseAgent):
        words: list[str] = []

        def model_post_init(self, context):
            self.count = len(self.words)

    assert Counts(name="c", words=["a", "b"]).count == 2


# --- the tree


def tree():
    leaf, other = Says(name="leaf"), Says(name="other")
    middle = SequentialAgent(name="middle", sub_agents=[leaf])
    return SequentialAgent(name="root", sub_agents=[middle, other]), middle, leaf, other


def test_agents_are_found_from_anywhere():
    root, middle, leaf, _ = tree()
    assert root.find_agent("leaf") is leaf and root.find_agent("root") is root
    assert root.find_sub_agent("root") is None and middle.find_agent("other") is None
    assert leaf.root_agent is root and leaf.parent_agent is middle and root.parent_agent is None
    assert [agent.name for agent in root.tree()] == ["root", "middle", "leaf", "other"]


def test_an_agent_has_one_parent():
    root, _, leaf, _ = tree()
    with pytest.raises(ConfigurationError, match=r"'leaf' has a parent already, 'middle'.*leaf.clone\(\)"):
        SequentialAgent(name="second", sub_agents=[leaf])
    assert leaf.root_agent is root


@pytest.mark.parametrize("names", [["x", "x"], ["root"], [["x"], ["x"]]])
def test_names_are_unique_in_a_tree(names):
    def build(name):
        if isinstance(name, list):
            return SequentialAgent(name=f"of_{id(name)}", sub_agents=[build(one) for one in name])
        return Says(name=name)

    with pytest.raises(ConfigurationError, match="Two agents"):
        SequentialAgent(name="root", sub_agents=[build(name) for name in names])


def test_what_is_no_agent_is_refused_among_sub_agents():
    with pytest.raises(ConfigurationError, match="no agent"):
        SequentialAgent(name="root", sub_agents=["leaf"])


def test_an_agent_that_could_not_be_made_leaves_its_children_free():
    leaf = Says(name="leaf")
    with pytest.raises(ConfigurationError):
        LoopAgent(name="loop", sub_agents=[leaf], max_iterations=-1)
    with pytest.raises(ConfigurationError):
        Agent(name="a", model=3, sub_agents=[leaf])
    assert SequentialAgent(name="ok", sub_agents=[leaf]).sub_agents == [leaf]


def test_a_copy_shares_no_children_and_no_lists():
    root, middle, leaf, _ = tree()
    twin = root.clone({"name": "twin", "description": "copy"})
    assert [agent.name for agent in twin.tree()] == ["twin", "middle", "leaf", "other"]
    assert twin.find_agent("leaf") is not leaf and twin.find_agent("leaf").root_agent is twin
    assert (twin.parent_agent, root.description, twin.description) == (None, "", "copy")
    copied_middle = middle.clone()
    assert copied_middle.parent_agent is None and middle.parent_agent is root

    agent = Agent(name="a", model="m", tools=[print_nothing])
    copied = agent.clone()
    copied.tools.append(other_tool)
    assert agent.tools == [print_nothing]


@pytest.mark.parametrize("update", [{"parent_agent": None}, {"nothing": 1}, {"name": "not a name"}, {"name": "user"}])
def test_a_copy_with_a_wrong_change_is_refused(update):
    with pytest.raises(ConfigurationError):
        Says(name="says").clone(update)


def test_a_copy_does_not_take_the_children_of_another():
    _, middle, leaf, _ = tree()
    with pytest.raises(ConfigurationError, match="parent already"):
        SequentialAgent(name="new").clone({"sub_agents": [leaf]})
    assert leaf.parent_agent is middle


async def test_a_copy_runs_on_its_own(chat, said):
    agent = Says(name="says", text="one")
    assert said(await chat(agent.clone({"text": "two"})).say()) == [("says", "two")]
    assert said(await chat(agent).say()) == [("says", "one")]


def print_nothing() -> None:
    """Nothing."""


def other_tool() -> None:
    """Nothing else."""
