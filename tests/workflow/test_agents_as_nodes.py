# SPDX-License-Identifier: Apache-2.0
"""Agents as nodes of a workflow: what they see, what they give, how they stand in the tree."""

from dataclasses import dataclass

import pytest

from runwright import (
    START,
    Agent,
    AgentTool,
    BaseAgent,
    BaseToolset,
    Event,
    JoinNode,
    LoopAgent,
    RunConfig,
    SequentialAgent,
    StreamingMode,
    Workflow,
    node,
    types,
)
from runwright.errors import ConfigurationError, ModelError
from runwright.testing import ScriptedModel, call, stream


def agent(name, *replies, **options):
    return Agent(name=name, model=ScriptedModel(list(replies)), **options)


def flow(*edges, name="flow", **options):
    return Workflow(name=name, edges=list(edges), **options)


def shown(agent, index=-1):
    """What an agent's model was shown, a line a message."""
    contents = agent.model.requests[index].contents
    return [(one.role, "".join(part.text or "" for part in one.parts)) for one in contents]


def upper(node_input: str) -> str:
    return node_input.upper()


async def test_an_agent_works_on_what_the_node_before_gave(talk, outputs):
    first, last = agent("first", "one"), agent("last", "two")
    events = await talk(flow((START, first, upper, last))).say("Hi")
    assert outputs(events) == [("first@1", "one"), ("upper@1", "ONE"), ("last@1", "two")]
    assert shown(first) == [("user", "Hi")]
    assert shown(last) == [("user", "ONE")]
    assert [(event.author, event.node_info.path) for event in events] == [
        ("first", "flow@1/first@1"), ("flow", "flow@1/upper@1"), ("last", "flow@1/last@1"),
    ]  # fmt: skip
    assert events[2].node_info.output_for == ["flow@1/last@1", "flow@1"]
    assert events[2].node_info.message_as_output is True and events[2].output is None


async def test_data_reaches_an_agent_as_json(talk):
    writer = agent("writer", "ok")
    await talk(flow((START, node(lambda: {"a": [1, 2]}, name="give"), writer))).say()
    assert shown(writer) == [("user", '{"a":[1,2]}')]


async def test_an_agent_that_is_to_see_the_conversation_sees_it(talk):
    first = agent("first", "one", "three")
    last = agent("last", "two", "four", include_contents="default")
    chat = talk(flow((START, first, upper, last)))
    await chat.say("Hi")
    await chat.say("Again")
    assert shown(first, 1) == [("user", "Again")]
    assert shown(last, 1) == [
        ("user", "Hi"), ("user", "For context:[first] said: one"), ("model", "two"), ("user", "Again"),
        ("user", "For context:[first] said: three"), ("user", "THREE"),
    ]  # fmt: skip


async def test_an_agent_that_sees_the_conversation_is_not_told_the_users_message_twice(talk):
    first = agent("first", "one", include_contents="default")
    await talk(flow((START, first))).say("Hi")
    assert shown(first) == [("user", "Hi")]


async def test_agents_at_the_same_time_see_nothing_of_each_other(talk, outputs):
    a, b = agent("a", call("look", at="x"), "A"), agent("b", call("look", at="y"), "B")

    async def look(at: str) -> str:
        """Look."""
        return at

    a.tools, b.tools = [look], [look]
    events = await talk(flow((START, (a, b), JoinNode(name="join")))).say("Hi")
    assert outputs(events)[-1] == ("join@1", {"a": "A", "b": "B"})
    assert {event.branch for event in events if event.author == "a"} == {"a@1"}
    for one in (a, b):
        [_, called, answered] = one.model.requests[1].contents
        assert called.parts[0].function_call.name == "look"
        assert answered.parts[0].function_response.response == {"result": "x" if one is a else "y"}


async def test_an_agent_with_tools_gives_its_last_word(talk, outputs):
    def add(a: int, b: int) -> int:
        """Add."""
        return a + b

    sums = agent("sums", call("add", a=1, b=2), "It is 3", tools=[add])
    events = await talk(flow((START, sums, upper))).say("1+2?")
    assert outputs(events) == [("sums@1", "It is 3"), ("upper@1", "IT IS 3")]
    assert {event.node_info.path for event in events[:3]} == {"flow@1/sums@1"}


async def test_an_agent_with_an_output_schema_gives_data(talk, outputs):
    @dataclass
    class Order:
        item: str
        count: int

    def total(node_input: Order, order: dict) -> list:
        return [node_input.count, order]

    reader = agent("reader", '{"item": "tea", "count": 3}', output_schema=Order, output_key="order")
    events = await talk(flow((START, reader, total))).say("Three teas")
    data = {"item": "tea", "count": 3}
    assert outputs(events) == [("reader@1", data), ("total@1", [3, data])]
    assert events[0].output == data and events[0].node_info.message_as_output is None


async def test_an_answer_that_is_not_the_data_fails_the_run(talk):
    reader = agent("reader", '{"item": 3}', output_schema=dict[str, str])
    error, _ = await talk(flow((START, reader))).fails(ModelError)
    assert "'reader' does not fit its output_schema" in str(error)


async def test_what_an_agent_streams_is_passed_on(talk, outputs):
    writer = agent("writer", stream("a", "b"))
    events = await talk(flow((START, writer, upper))).say("Hi", run_config=RunConfig(streaming_mode=StreamingMode.SSE))
    assert [event.partial for event in events] == [True, True, None, None]
    assert outputs(events) == [("writer@1", "ab"), ("upper@1", "AB")]


async def test_an_agent_runs_again_in_a_loop(talk, outputs):
    writer = agent("writer", "v1", "v2")

    def check(node_input: str):
        return Event(output=f"better than {node_input}", route="again" if node_input == "v1" else "done")

    events = await talk(flow((START, writer, check, {"again": writer, "done": upper}))).say("Write")
    assert [path for path, _ in outputs(events)] == ["writer@1", "check@1", "writer@2", "check@2", "upper@1"]
    assert shown(writer) == [("user", "better than v1")]


async def test_other_agents_are_nodes_too(talk, outputs):
    one, two = agent("one", "A"), agent("two", "B")

    class Own(BaseAgent):
        async def _run_async_impl(self, ctx):
            yield Event(content=types.Content(role="model", parts=[types.Part(text="mine")]))

    line = SequentialAgent(name="line", sub_agents=[one, two])
    events = await talk(flow((START, upper, line, Own(name="own"), node(upper, name="again")))).say("hi")
    assert outputs(events) == [
        ("upper@1", "HI"), ("line@1/one@1", "A"), ("line@1/two@1", "B"), ("own@1", "mine"), ("again@1", "MINE"),
    ]  # fmt: skip
    assert shown(one) == [("user", "HI")]
    assert shown(two) == [("user", "HI"), ("user", "For context:[one] said: A")]


async def test_an_agent_of_a_workflow_passes_the_conversation_on_to_its_own_agents(talk, outputs):
    helper = agent("helper", "helped", description="Helps.")
    head = agent("head", call("transfer_to_agent", agent_name="helper"), sub_agents=[helper])
    events = await talk(flow((START, head, upper))).say("Hi")
    assert outputs(events) == [("head@1/helper@1", "helped"), ("upper@1", "HELPED")]
    assert shown(helper)[0] == ("user", "Hi")


async def test_agents_of_a_workflow_cannot_pass_the_conversation_to_each_other(talk):
    a, b = agent("a", "A"), agent("b", "B")
    await talk(flow((START, a, b))).say()
    assert a.model.requests[0].tools_dict == {}


async def test_a_workflow_is_a_sub_agent(talk, outputs):
    work = flow((START, upper), name="work", description="Works.")
    head = agent("head", call("transfer_to_agent", agent_name="work"), "Hello", sub_agents=[work])
    chat = talk(head)
    events = await chat.say("hi")
    assert [(event.node_info.path, event.output) for event in events[2:]] == [("head@1/work@1/upper@1", "HI")]
    assert [event.author for event in await chat.say("You again")] == ["head"]


async def test_a_workflow_runs_in_a_loop_agent(talk):
    events = await talk(LoopAgent(name="loop", sub_agents=[flow((START, upper))], max_iterations=2)).say("hi")
    assert [event.node_info.path for event in events] == ["flow@1/upper@1", "flow@2/upper@1"]


async def test_a_workflow_runs_as_a_tool(talk):
    work = flow((START, agent("inner", "done")), name="work", description="Works.")
    head = agent("head", call("work", request="please"), "ok", tools=[AgentTool(work)])
    events = await talk(head).say("Hi")
    assert events[1].get_function_responses()[0].response == {"result": "done"}


async def test_the_model_comes_from_above():
    inner = Agent(name="inner")
    model = ScriptedModel(["x"])
    Agent(name="head", model=model, sub_agents=[flow((START, inner))])
    assert inner.canonical_model is model


async def test_an_agent_has_one_place():
    writer = agent("writer")
    flow((START, writer))
    with pytest.raises(ConfigurationError, match=r"'writer' has a parent already, 'flow'.*writer.clone\(\)"):
        flow((START, writer), name="other")


async def test_a_clone_has_agents_of_its_own(talk, outputs):
    writer = agent("writer", "one")
    first = flow((START, writer, upper))
    twin = first.clone({"name": "twin"})
    assert twin.find_agent("writer") is not writer and twin.find_agent("writer").parent_agent is twin
    assert writer.parent_agent is first
    assert outputs(await talk(twin).say("Hi")) == [("writer@1", "one"), ("upper@1", "ONE")]


async def test_the_toolsets_of_agents_in_a_workflow_are_closed(talk):
    closed = []

    class Tools(BaseToolset):
        async def get_tools(self, readonly_context=None):
            return []

        async def close(self):
            closed.append(1)

    chat = talk(flow((START, agent("a", "x", tools=[Tools()]))))
    await chat.say()
    await chat.runner.close()
    assert closed == [1]


async def test_callbacks_of_the_workflow_are_called(talk):
    def before(callback_context):
        return types.Content(role="model", parts=[types.Part(text="closed")])

    [event] = await talk(flow((START, upper), before_agent_callback=before)).say()
    assert (event.author, event.content.parts[0].text) == ("flow", "closed")
