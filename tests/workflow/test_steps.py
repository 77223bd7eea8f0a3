# SPDX-License-Identifier: Apache-2.0
"""Nodes one after the other, at the same time, by route and again and again."""

import asyncio
import threading
from dataclasses import dataclass

import pytest

from runwright import (
    DEFAULT_ROUTE,
    START,
    BaseNode,
    Context,
    Edge,
    Event,
    FunctionTool,
    InMemoryRunner,
    JoinNode,
    NodeContext,
    RunConfig,
    Workflow,
    node,
    types,
)
from runwright.errors import ConfigurationError, InputValidationError


def flow(*edges, name="flow", **options):
    return Workflow(name=name, edges=list(edges), **options)


def upper(node_input: str) -> str:
    return node_input.upper()


def exclaim(node_input: str) -> str:
    return f"{node_input}!"


def echo(node_input):
    return node_input


# --- one after the other


async def test_each_node_gets_what_the_one_before_gave(talk, outputs):
    events = await talk(flow((START, upper, exclaim))).say("hi")
    assert outputs(events) == [("upper@1", "HI"), ("exclaim@1", "HI!")]


async def test_an_event_says_where_it_is_from(talk):
    [first, last] = await talk(flow((START, upper, exclaim))).say("hi")
    assert first.author == last.author == "flow"
    assert (first.node_info.path, first.node_info.output_for) == ("flow@1/upper@1", ["flow@1/upper@1"])
    assert (last.node_info.path, last.node_info.output_for) == ("flow@1/exclaim@1", ["flow@1/exclaim@1", "flow@1"])
    assert first.branch is None and first.content is None and first.invocation_id == last.invocation_id


async def test_what_is_yielded_is_what_is_stored(talk):
    chat = talk(flow((START, upper, exclaim)))
    events = await chat.say("hi")
    stored = (await chat.session()).events
    assert [event.id for event in stored[1:]] == [event.id for event in events]
    assert [event.output for event in stored] == [None, "HI", "HI!"]


async def test_functions_of_every_kind(talk, outputs):
    async def waits(node_input: str):
        await asyncio.sleep(0)
        return node_input + "1"

    def steps(node_input: str):
        yield Event(message="on it")
        yield node_input + "2"

    async def async_steps(node_input: str):
        yield None
        yield Event(output=node_input + "3")

    class Callable:
        def __call__(self, node_input: str):
            return node_input + "4"

    events = await talk(flow((START, waits, steps, async_steps, node(Callable(), name="obj")))).say("0")
    assert [output for _, output in outputs(events)] == ["01", "012", "0123", "01234"]
    assert [event.content.parts[0].text for event in events if event.content] == ["on it"]


async def test_a_plain_function_runs_in_a_thread_and_an_async_one_in_the_loop(talk, outputs):
    here = threading.get_ident()

    def plain():
        return threading.get_ident() == here

    def plain_steps():
        yield threading.get_ident() == here

    async def in_loop():
        return threading.get_ident() == here

    events = await talk(flow((START, plain, plain_steps, in_loop))).say()
    assert [output for _, output in outputs(events)] == [False, False, True]


async def test_a_parameter_is_read_as_its_type_says(talk, outputs):
    @dataclass
    class Order:
        item: str
        count: int = 1

    def parse(node_input: Order) -> list[Order]:
        return [node_input, Order("tea", node_input.count + 1)]

    def count(node_input: list[Order]) -> int:
        return sum(order.count for order in node_input)

    events = await talk(flow((START, parse, count))).say('{"item": "milk", "count": 2}')
    assert outputs(events) == [
        ("parse@1", [{"item": "milk", "count": 2}, {"item": "tea", "count": 3}]),
        ("count@1", 5),
    ]


async def test_a_message_that_does_not_fit_is_named(talk):
    def parse(node_input: int) -> int:
        return node_input

    error, _ = await talk(flow((START, parse))).fails(InputValidationError, "many")
    assert "Parameter 'node_input' of node 'parse'" in str(error)
    assert error.__notes__ == ["raised in node 'flow@1/parse@1'"]


async def test_without_an_annotation_the_first_node_gets_the_message_itself(talk, outputs):
    def kind(node_input):
        return [type(node_input).__name__, node_input.parts[0].text]

    assert outputs(await talk(flow((START, kind))).say("hi")) == [("kind@1", ["Content", "hi"])]


async def test_other_parameters_come_from_the_state(talk, outputs):
    def write(ctx):
        ctx.state["city"] = "Paris"

    def use(city: str, node_input, greeting: str = "Hello"):
        return f"{greeting} {city}, {node_input}"

    chat = talk(flow((START, write, use)))
    assert outputs(await chat.say()) == [("use@1", "Hello Paris, None")]
    assert (await chat.session()).state == {"city": "Paris"}


async def test_a_parameter_that_the_state_lacks_is_named(talk):
    def use(city: str):
        return city

    error, _ = await talk(flow((START, use))).fails(InputValidationError)
    assert "Node 'use' needs 'city'" in str(error) and "ctx.state['city']" in str(error)


async def test_the_context_comes_by_name_or_by_annotation(talk, outputs):
    def by_name(ctx):
        return ctx.node_path

    def by_annotation(context: Context):
        return [context.agent_name, context.user_content.parts[0].text]

    def by_its_own(mine: NodeContext, node_input: list):
        return [*node_input, mine.attempt_count, mine.resume_inputs]

    events = await talk(flow((START, by_name, by_annotation, by_its_own))).say("hi")
    assert [output for _, output in outputs(events)] == [
        "flow@1/by_name@1", ["flow", "hi"], ["flow", "hi", 1, {}],
    ]  # fmt: skip


async def test_state_goes_with_the_event_of_the_node(talk):
    def write(ctx):
        ctx.state["a"] = 1
        return Event(output="x", state={"b": 2}, route="on")

    chat = talk(flow((START, write, {"on": echo})))
    first, _ = await chat.say()
    assert (first.output, first.actions.route, first.actions.state_delta) == ("x", "on", {"a": 1, "b": 2})
    assert (await chat.session()).state == {"a": 1, "b": 2}


async def test_state_that_a_generator_writes_is_stored_with_what_it_yields_next(talk):
    def write(ctx):
        ctx.state["a"] = 1
        yield Event(message="one")
        ctx.state["b"] = 2
        yield "out"
        ctx.state["c"] = 3

    events = await talk(flow((START, write))).say()
    assert [event.actions.state_delta for event in events] == [{"a": 1}, {"b": 2}, {"c": 3}]


async def test_the_end_of_a_node_that_gives_nothing_is_in_the_log(talk):
    def silent():
        pass

    [event] = await talk(flow((START, silent))).say()
    assert event.actions.end_of_agent is True and event.output is None
    assert event.node_info.path == "flow@1/silent@1"


async def test_the_context_takes_an_output_too(talk, outputs):
    def give(ctx):
        ctx.output = {"a": 1}
        ctx.route = "on"

    events = await talk(flow((START, give, {"on": echo}))).say()
    assert outputs(events) == [("give@1", {"a": 1}), ("echo@1", {"a": 1})]


async def test_a_second_output_is_refused(talk):
    def two():
        yield 1
        yield 2

    error, _ = await talk(flow((START, two))).fails(ConfigurationError)
    assert "'two' gave two outputs" in str(error)


async def test_an_output_that_json_cannot_hold_is_refused(talk):
    def odd():
        return object()

    error, _ = await talk(flow((START, odd))).fails(ConfigurationError)
    assert "output of node 'odd' is a object" in str(error)


async def test_a_message_that_a_node_gives_is_said(talk):
    def speak():
        return types.Content(role="model", parts=[types.Part(text="Hello!")])

    first, _ = await talk(flow((START, speak))).say()
    assert first.content.parts[0].text == "Hello!"


async def test_a_node_of_ones_own(talk, outputs):
    class Counts(BaseNode):
        step: int = 1

        async def run_node_impl(self, *, ctx, node_input):
            yield Event(state={"steps": self.step})
            yield {"n": self.step, "of": node_input.parts[0].text}

    class AsAdkHasIt(BaseNode):
        async def _run_impl(self, *, ctx, node_input):
            yield node_input["n"] + 1

    events = await talk(flow((START, Counts(name="counts", step=3), AsAdkHasIt(name="adds")))).say("x")
    assert outputs(events) == [("counts@1", {"n": 3, "of": "x"}), ("adds@1", 4)]


async def test_a_tool_is_a_node(talk, outputs):
    def weather(city: str, unit: str = "C") -> dict:
        """Weather."""
        return {"city": city, "unit": unit}

    def ask():
        return {"city": "Rome", "unit": "F"}

    events = await talk(flow((START, FunctionTool(weather)))).say("Paris")
    assert outputs(events) == [("weather@1", {"city": "Paris", "unit": "C"})]
    events = await talk(flow((START, ask, FunctionTool(weather)))).say("Paris")
    assert outputs(events)[-1] == ("weather@1", {"city": "Rome", "unit": "F"})


async def test_input_and_output_schema_of_the_workflow(talk, outputs):
    @dataclass
    class Order:
        item: str

    def name_of(node_input: Order):
        return node_input.item

    chat = talk(flow((START, name_of), input_schema=Order, output_schema=str))
    assert outputs(await chat.say('{"item": "tea"}')) == [("name_of@1", "tea")]
    error, _ = await chat.fails(InputValidationError, "tea")
    assert "flow's input does not fit" in str(error)
    error, _ = await talk(flow((START, upper), output_schema=int)).fails(InputValidationError, "x")
    assert "flow's output does not fit" in str(error)


# --- at the same time


async def test_branches_run_at_the_same_time_and_are_joined(talk, outputs):
    both = asyncio.Barrier(2)

    async def fan1():
        await both.wait()
        return "f1"

    async def fan2():
        await both.wait()
        return "f2"

    events = await talk(flow((START, upper, (fan1, fan2), JoinNode(name="join"), echo))).say("hi")
    found = dict(outputs(events))
    assert found["join@1"] == found["echo@1"] == {"fan1": "f1", "fan2": "f2"}
    assert {event.node_info.path: event.branch for event in events} == {
        "flow@1/upper@1": None,
        "flow@1/fan1@1": "fan1@1",
        "flow@1/fan2@1": "fan2@1",
        "flow@1/join@1": None,
        "flow@1/echo@1": None,
    }


async def test_what_follows_a_branch_is_in_it(talk):
    def a():
        return 1

    def b():
        return 2

    def c():
        return 3

    def d():
        return 4

    events = await talk(flow((START, (a, b)), (a, (c, d)))).say()
    assert {event.node_info.path[7:]: event.branch for event in events} == {
        "a@1": "a@1", "b@1": "b@1", "c@1": "a@1.c@1", "d@1": "a@1.d@1",
    }  # fmt: skip


async def test_a_node_behind_two_branches_runs_for_each(talk, outputs):
    def a():
        return "a"

    async def b():
        await asyncio.sleep(0.01)
        return "b"

    events = await talk(flow((START, (a, b), exclaim))).say()
    assert [(path, output) for path, output in outputs(events) if "exclaim" in path] == [
        ("exclaim@1", "a!"), ("exclaim@2", "b!"),
    ]  # fmt: skip


@pytest.mark.parametrize(("limit", "most"), [(1, 1), (2, 2), (None, 4)])
async def test_no_more_nodes_run_at_the_same_time_than_may(talk, limit, most):
    running = 0
    seen = []

    def worker(name):
        async def work():
            nonlocal running
            running += 1
            seen.append(running)
            for _ in range(5):
                await asyncio.sleep(0)
            running -= 1
            return name

        return node(work, name=name)

    workers = tuple(worker(f"w{index}") for index in range(4))
    events = await talk(flow((START, workers, JoinNode(name="join")), max_concurrency=limit)).say()
    assert events[-1].output == {f"w{index}": f"w{index}" for index in range(4)}
    assert max(seen) == most


async def test_a_branch_goes_on_when_its_event_was_taken():
    made = []

    def teller(name):
        async def tell():
            for index in range(3):
                made.append(f"{name}{index}")
                yield Event(message=f"{name}{index}")

        return node(tell, name=name)

    async with InMemoryRunner(flow((START, (teller("a"), teller("b"))))) as runner:
        stream = runner.run_async(user_id="u", session_id="s", new_message="Go")
        taken = []
        async for event in stream:
            for _ in range(20):
                await asyncio.sleep(0)  # time enough for a branch that does not wait to run ahead
            taken.append(event.id)
            assert len(made) <= len(taken) + 2
        assert sorted(made) == ["a0", "a1", "a2", "b0", "b1", "b2"]


# --- by route


@pytest.mark.parametrize(
    ("route", "ran"),
    [("yes", ["yes"]), ("no", ["no"]), ("else", ["other"]), (None, ["other"]), (["yes", "no"], ["yes", "no"])],
)
async def test_the_route_says_what_comes_next(talk, outputs, route, ran):
    def choose():
        return Event(output=1, route=route)

    targets = {name: node(echo, name=name) for name in ("yes", "no", "other")}
    routes = {"yes": targets["yes"], "no": targets["no"], DEFAULT_ROUTE: targets["other"]}
    events = await talk(flow((START, choose, routes))).say()
    assert [path.partition("@")[0] for path, _ in outputs(events)][1:] == ran


async def test_where_no_route_is_taken_the_way_ends(talk, outputs):
    def choose():
        return Event(output=1, route="left")

    events = await talk(flow((START, choose, {"right": echo}))).say()
    assert outputs(events) == [("choose@1", 1)]


async def test_edges_by_themselves(talk, outputs):
    def choose(ctx):
        ctx.route = 2
        return "x"

    one, two = node(echo, name="one"), node(echo, name="two")
    edges = [Edge(START, choose), Edge(choose, one, route=[1, 3]), Edge(from_node=choose, to_node=two, route=[2, 4])]
    assert outputs(await talk(flow(*edges)).say()) == [("choose@1", "x"), ("two@1", "x")]


async def test_a_route_may_lead_to_several_nodes_which_go_on_to_one(talk, outputs):
    def choose():
        return Event(output="x", route="both")

    a, b = node(upper, name="a"), node(exclaim, name="b")
    events = await talk(flow((START, choose, {"both": (a, b)}, JoinNode(name="join")))).say()
    assert outputs(events)[-1] == ("join@1", {"a": "X", "b": "x!"})


async def test_a_way_back_runs_a_node_again(talk, outputs):
    def draft(node_input) -> int:
        return (node_input if isinstance(node_input, int) else 0) + 1

    def check(node_input: int):
        return Event(output=node_input, route="again" if node_input < 3 else "done")

    events = await talk(flow((START, draft, check, {"again": draft, "done": echo}))).say()
    assert outputs(events) == [
        ("draft@1", 1), ("check@1", 1), ("draft@2", 2), ("check@2", 2), ("draft@3", 3), ("check@3", 3), ("echo@1", 3),
    ]  # fmt: skip


async def test_a_join_in_a_loop_waits_for_the_next_round_of_all(talk, outputs):
    def go(node_input):
        return 1 if not isinstance(node_input, dict) else node_input["a"] + 1

    def a(node_input: int):
        return node_input

    async def b(node_input: int):
        await asyncio.sleep(0.001)
        return node_input * 10

    def check(node_input: dict):
        return Event(output=node_input, route="again" if node_input["a"] < 2 else "done")

    events = await talk(flow((START, go, (a, b), JoinNode(name="join"), check, {"again": go, "done": echo}))).say()
    assert [output for path, output in outputs(events) if path.startswith("join")] == [
        {"a": 1, "b": 10}, {"a": 2, "b": 20},
    ]  # fmt: skip


# --- workflows in workflows, and in other agents


async def test_a_workflow_is_a_node(talk, outputs):
    inner = flow((START, upper, exclaim), name="inner")
    events = await talk(flow((START, echo_text, inner, echo))).say("hi")
    assert outputs(events) == [
        ("echo_text@1", "hi"), ("inner@1/upper@1", "HI"), ("inner@1/exclaim@1", "HI!"), ("echo@1", "HI!"),
    ]  # fmt: skip
    assert events[2].author == "inner"
    assert events[2].node_info.output_for == ["flow@1/inner@1/exclaim@1", "flow@1/inner@1"]


def echo_text(node_input: str) -> str:
    return node_input


async def test_what_a_workflow_in_a_workflow_gives_at_the_end_is_what_the_outer_one_gives(talk):
    inner = flow((START, upper), name="inner")
    [event] = await talk(flow((START, inner))).say("hi")
    assert event.node_info.output_for == ["flow@1/inner@1/upper@1", "flow@1/inner@1", "flow@1"]


async def test_a_workflow_with_several_ends_gives_a_dict(talk, outputs):
    inner = flow((START, (upper, exclaim)), name="inner")
    events = await talk(flow((START, inner, echo))).say("hi")
    assert outputs(events)[-1] == ("echo@1", {"upper": "HI", "exclaim": "hi!"})


async def test_a_workflow_runs_again_in_a_loop(talk, outputs):
    inner = flow((START, node(lambda node_input: (node_input or 0) + 1, name="add")), name="inner")

    def first():
        return 0

    def check(node_input: int):
        return Event(output=node_input, route="again" if node_input < 2 else "done")

    events = await talk(flow((START, first, inner, check, {"again": inner, "done": echo}))).say()
    assert [path for path, _ in outputs(events)] == [
        "first@1", "inner@1/add@1", "check@1", "inner@2/add@1", "check@2", "echo@1",
    ]  # fmt: skip


async def test_a_node_runs_other_nodes(talk, outputs):
    async def each(ctx, node_input: str):
        found = [await ctx.run_node(upper, word) for word in node_input.split()]
        return found + await asyncio.gather(*(ctx.run_node(exclaim, word) for word in node_input.split()))

    events = await talk(flow((START, each, echo))).say("a b")
    assert outputs(events)[-1] == ("echo@1", ["A", "B", "a!", "b!"])
    assert [path for path, _ in outputs(events)][:2] == ["each@1/upper@1", "each@1/upper@2"]


async def test_metadata_of_the_run_is_on_the_events_of_nodes(talk):
    events = await talk(flow((START, upper))).say("hi", run_config=RunConfig(custom_metadata={"k": 1}))
    assert events[0].custom_metadata == {"k": 1}


async def test_a_clone_runs_like_what_it_was_cloned_from(talk, outputs):
    first = flow((START, upper), name="first")
    assert outputs(await talk(first.clone({"name": "second"})).say("hi")) == [("upper@1", "HI")]
