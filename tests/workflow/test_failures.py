# SPDX-License-Identifier: Apache-2.0
"""Nodes that fail, are tried again, take too long or are stopped; and what is wrong with a workflow before it runs."""

import asyncio
import re
from contextlib import aclosing

import pytest

from runwright import (
    DEFAULT_ROUTE,
    START,
    Agent,
    BaseNode,
    Edge,
    Event,
    FunctionTool,
    JoinNode,
    RetryConfig,
    RunConfig,
    ToolContext,
    Workflow,
    node,
)
from runwright.errors import (
    ConfigurationError,
    DeadlineExceededError,
    NodeTimeoutError,
    RunCancelledError,
    ToolExecutionError,
)
from runwright.testing import ScriptedModel

NOW = RetryConfig(max_attempts=3, initial_delay=0)


def flow(*edges, name="flow", **options):
    return Workflow(name=name, edges=list(edges), **options)


def echo(node_input):
    return node_input


def fails(times, error=OSError, name="shaky", ran=None, **options):
    """A node that fails so many times."""
    ran = [] if ran is None else ran

    def work(ctx):
        ran.append(ctx.attempt_count)
        if len(ran) <= times:
            raise error(f"no net {len(ran)}")
        return "done"

    return node(work, name=name, **options)


# --- errors


async def test_a_failure_is_raised_and_says_where_it_was(talk):
    error, events = await talk(flow((START, echo_text, fails(9)))).fails(OSError)
    assert str(error) == "no net 1" and error.__notes__ == ["raised in node 'flow@1/shaky@1'"]
    assert (events[-1].error_code, events[-1].error_message) == ("OSError", "no net 1")


def echo_text(node_input: str) -> str:
    return node_input


async def test_a_failure_cancels_the_other_branches(talk):
    stopped = []

    async def waits():
        try:
            await asyncio.Event().wait()
        finally:
            stopped.append("waits")

    async def speaks():
        try:
            while True:
                yield Event(message="on it")
        finally:
            stopped.append("speaks")

    async def breaks():
        await asyncio.sleep(0.01)
        raise OSError("no net")

    await talk(flow((START, (waits, speaks, breaks)))).fails(OSError)
    assert sorted(stopped) == ["speaks", "waits"]


async def test_a_caller_that_leaves_stops_every_branch(talk):
    stopped = []

    def speaker(name):
        async def speak():
            try:
                yield Event(message=name)
                await asyncio.Event().wait()
            finally:
                await asyncio.sleep(0)
                stopped.append(name)

        return node(speak, name=name)

    chat = talk(flow((START, (speaker("a"), speaker("b"), flow((START, speaker("c")), name="inner")))))
    stream = chat.runner.run_async(user_id="ada", session_id="s", new_message="Hi")
    async with aclosing(stream):
        seen = 0
        async for _ in stream:
            seen += 1
            if seen == 3:
                break
    assert sorted(stopped) == ["a", "b", "c"]


async def test_a_run_that_is_cancelled_stops_every_branch(talk):
    stopped = []
    begun = asyncio.Event()

    async def waits():
        begun.set()
        try:
            await asyncio.Event().wait()
        finally:
            stopped.append(1)

    run = talk(flow((START, (waits, node(waits, name="other"))))).runner.start("ada", "s", "Hi")
    await begun.wait()
    await asyncio.sleep(0)
    run.cancel("enough")
    with pytest.raises(RunCancelledError, match="enough"):
        await run
    assert stopped == [1, 1]


async def test_nodes_that_a_node_started_and_left_are_stopped(talk):
    stopped = []

    async def long():
        try:
            await asyncio.Event().wait()
        finally:
            stopped.append(1)

    async def boss(ctx):
        task = asyncio.create_task(ctx.run_node(long))
        await asyncio.sleep(0.001)
        return task.done()

    [event] = await talk(flow((START, boss))).say()
    assert event.output is False and stopped == [1]


async def test_a_run_goes_on_after_a_failure_where_it_is_resumed(talk, outputs):
    ran, tries = [], []

    def before():
        ran.append("before")
        return "b"

    chat = talk(flow((START, before, fails(1, ran=tries), echo)))
    _, events = await chat.fails(OSError)
    chat.restart()
    events = await chat.say(None, invocation_id=events[0].invocation_id)
    assert outputs(events) == [("shaky@1", "done"), ("echo@1", "done")]
    assert ran == ["before"]


@pytest.mark.parametrize("seen_before", range(13))
async def test_a_run_that_was_broken_off_goes_on_without_what_was_stored(talk, outputs, seen_before):
    ran = []

    def step(name, function=None, wait=0):
        async def work(node_input):
            ran.append(name)
            for _ in range(wait):
                await asyncio.sleep(0)
            return function(node_input) if function else node_input

        return node(work, name=name)

    def more(node_input):
        return node_input + 1 if isinstance(node_input, int) else 0

    def check(joined):
        return Event(output=joined["b"], route="again" if joined["b"] < 1 else "done")

    first, last = step("first", more), step("last")
    inner = flow((START, step("x"), step("b")), name="b")
    edges = (START, first, (step("a", wait=9), inner), JoinNode(name="join"), step("check", check))
    chat = talk(flow(edges, (edges[-1], {"again": first, "done": last})))
    stream = chat.runner.run_async(user_id="ada", session_id="s", new_message="Hi")
    seen = []
    async with aclosing(stream):
        async for event in stream:
            seen.append(event)
            if len(seen) > seen_before:
                break
    chat.restart()
    rest = await chat.say(None, invocation_id=seen[0].invocation_id)
    both = outputs(seen + rest)
    assert sorted(path for path, _ in both) == sorted({path for path, _ in both})  # nothing is given twice
    assert len(both) == 13 and both[-1] == ("last@1", 1)
    assert 11 <= len(ran) <= 13  # eleven steps, and again the two that may have been under way


async def test_one_end_of_several_does_not_end_a_workflow(talk, outputs):
    ran = []

    def quick():
        ran.append("quick")
        return "q"

    async def then_fails(ctx):
        await asyncio.sleep(0.001)
        ran.append("fails")
        if ran.count("fails") == 1:
            raise OSError
        return "f"

    chat = talk(flow((START, flow((START, (quick, then_fails)), name="inner"), echo)))
    _, events = await chat.fails(OSError)
    assert outputs(events) == [("inner@1/quick@1", "q")]
    chat.restart()
    events = await chat.say(None, invocation_id=events[0].invocation_id)
    assert outputs(events)[-1] == ("echo@1", {"quick": "q", "then_fails": "f"})
    assert ran == ["quick", "fails", "fails"]


# --- again


async def test_a_node_is_tried_again(talk, outputs):
    ran = []
    events = await talk(flow((START, fails(2, ran=ran, retry_config=NOW), echo))).say()
    assert ran == [1, 2, 3]
    assert [(event.error_code, event.error_message) for event in events[:2]] == [
        ("OSError", "no net 1"), ("OSError", "no net 2"),
    ]  # fmt: skip
    assert [event.node_info.path for event in events[:2]] == ["flow@1/shaky@1"] * 2
    assert outputs(events) == [("shaky@1", "done"), ("echo@1", "done")]


async def test_a_node_is_tried_so_often_and_no_more(talk):
    ran = []
    error, _ = await talk(flow((START, fails(9, ran=ran, retry_config=NOW)))).fails(OSError)
    assert ran == [1, 2, 3] and str(error) == "no net 3"


@pytest.mark.parametrize(
    ("kinds", "attempts"),
    [([OSError], 3), (["OSError"], 3), (["Exception"], 3), ([ValueError, "KeyError"], 1), ([], 1)],
)
async def test_a_node_is_tried_again_after_some_failures_only(talk, kinds, attempts):
    ran = []
    retry = RetryConfig(max_attempts=3, initial_delay=0, exceptions=kinds)
    await talk(flow((START, fails(9, ConnectionError, ran=ran, retry_config=retry)))).fails(ConnectionError)
    assert len(ran) == attempts


def test_delays_grow_up_to_a_limit():
    retry = RetryConfig(initial_delay=1, backoff_factor=3, max_delay=10, jitter=0)
    assert [retry.delay(attempt) for attempt in (1, 2, 3, 4)] == [1, 3, 9, 10]
    shaken = RetryConfig(initial_delay=1, backoff_factor=3, max_delay=10, jitter=0.5)
    for attempt in (1, 2, 3, 9):
        delays = {shaken.delay(attempt) for _ in range(50)}
        assert len(delays) > 1 and max(delays) <= 10
        assert min(delays) >= 0.5 * min(1 * 3 ** (attempt - 1), 10 / 1.5)


async def test_what_a_failed_attempt_wrote_is_not_stored(talk):
    tries = []

    def work(ctx):
        tries.append(1)
        ctx.state[f"try{len(tries)}"] = 1
        if len(tries) == 1:
            raise OSError
        return "x"

    chat = talk(flow((START, node(work, retry_config=NOW))))
    await chat.say()
    assert (await chat.session()).state == {"try2": 1}


async def test_an_agent_is_tried_again(talk, outputs):
    writer = Agent(name="writer", model=ScriptedModel([OSError("no net"), "text"]))
    events = await talk(flow((START, node(writer, retry_config=NOW), echo))).say()
    assert outputs(events) == [("writer@1", "text"), ("echo@1", "text")]


async def test_a_workflow_is_tried_again_without_what_was_done(talk, outputs):
    ran = []

    def first():
        ran.append("first")
        return 1

    inner = flow((START, first, fails(2)), name="inner", retry_config=NOW)
    events = await talk(flow((START, inner, echo))).say()
    assert ran == ["first"]
    assert outputs(events) == [("inner@1/first@1", 1), ("inner@1/shaky@1", "done"), ("echo@1", "done")]
    outer = flow((START, fails(1)), retry_config=NOW)
    assert outputs(await talk(outer).say()) == [("shaky@1", "done")]


# --- time


async def test_a_node_that_takes_too_long_is_stopped(talk):
    stopped = []

    async def slow():
        try:
            await asyncio.sleep(30)
        finally:
            stopped.append(1)

    error, _ = await talk(flow((START, node(slow, timeout=0.01)))).fails(NodeTimeoutError)
    assert "Node 'slow' took longer than its 0.01 seconds" in str(error)
    assert isinstance(error, DeadlineExceededError) and isinstance(error, TimeoutError)
    assert stopped == [1]


@pytest.mark.parametrize("of_run", [False, True], ids=["of the tool", "of the run"])
async def test_a_tool_that_is_a_node_has_no_more_time_than_other_tools(talk, of_run):
    left = []

    async def slow(tool_context: ToolContext):
        left.append(tool_context.seconds_left)
        await asyncio.sleep(30)

    async def begin():
        return {}

    tool = FunctionTool(slow, timeout=None if of_run else 0.01)
    config = RunConfig(tool_timeout=0.01 if of_run else 30.0)
    chat = talk(flow((START, begin, tool)), run_config=config)
    error, _ = await chat.fails(ToolExecutionError)
    assert "slow took longer than 0.01 seconds" in str(error) and error.error_type == "DEADLINE_EXCEEDED"
    assert 0 <= left[0] <= 0.01


async def test_a_node_that_took_too_long_is_tried_again(talk, outputs):
    tries = []

    async def slow():
        tries.append(1)
        await asyncio.sleep(30 if len(tries) == 1 else 0)
        return "x"

    events = await talk(flow((START, node(slow, timeout=0.02, retry_config=NOW)))).say()
    assert events[0].error_code == "NodeTimeoutError" and outputs(events) == [("slow@1", "x")]


async def test_all_steps_of_a_node_have_its_time_together(talk):
    async def slow():
        for name in ("one", "two", "three"):
            await asyncio.sleep(0.04)
            yield Event(message=name)

    _, events = await talk(flow((START, node(slow, timeout=0.1)))).fails(NodeTimeoutError)
    assert len([event for event in events if event.content]) < 3


async def test_a_timeout_of_the_nodes_own_is_its_own(talk):
    async def slow():
        raise TimeoutError("the service's")

    error, _ = await talk(flow((START, node(slow, timeout=5)))).fails(TimeoutError)
    assert not isinstance(error, NodeTimeoutError) and str(error) == "the service's"


async def test_a_workflow_has_its_time_too(talk):
    async def slow():
        await asyncio.sleep(30)

    inner = flow((START, slow), name="inner", timeout=0.01)
    error, _ = await talk(flow((START, inner))).fails(NodeTimeoutError)
    assert "Node 'inner'" in str(error)


async def test_the_time_that_a_caller_takes_does_not_count(talk):
    async def speaks():
        yield Event(message="one")
        yield "two"

    chat = talk(flow((START, node(speaks, timeout=0.05))))
    stream = chat.runner.run_async(user_id="ada", session_id="s", new_message="Hi")
    found = []
    async with aclosing(stream):
        async for event in stream:
            await asyncio.sleep(0.1)
            found.append(event)
    assert found[-1].output == "two"


# --- what is wrong before it runs

a, b, c = (node(echo, name=name) for name in "abc")


@pytest.mark.parametrize(
    ("edges", "message"),
    [
        ([], "has nothing to run: give it edges="),
        ([(START,)], "leads nowhere"),
        ([START], "An edge is a chain of nodes as a tuple"),
        ([(START, 5)], "5 cannot be a node: give a function"),
        ([(START, BaseNode)], "cannot be a node"),
        ([(START, lambda node_input: 1)], "'<lambda>' cannot be a node's name.*node(func, name=...)"),
        ([(START, a), (b, c)], "No way leads from START to 'b', 'c': begin a chain with START, (START, b)"),
        ([(a, b)], "No way leads from START to 'a', 'b'"),
        ([(START, a, START)], "leads from 'a' back to START"),
        ([(START, a, node(echo, name="a"))], "Two nodes are called 'a'"),
        ([(START, {"x": a})], "The edge from START to 'a' has the route 'x', and START gives none"),
        ([(START, a, b, a)], "This goes around for ever: a -> b -> a"),
        ([(START, a, a)], "This goes around for ever: a -> a"),
        ([(START, a, b), (a, b)], "Two edges lead from 'a' to 'b'"),
        ([(START, a), Edge(a, b, ["x", "y"]), Edge(a, b, "y")], "Two edges lead from 'a' to 'b'"),
        ([(START, a), Edge(a, b, ["x", DEFAULT_ROUTE])], "DEFAULT_ROUTE an edge of its own"),
        ([(START, a), Edge(a, b, [])], "give it one route or more"),
        ([(START, a, {1.5: b})], "has the route 1.5: use a string"),
        ([(START, a, {})], "A routing map is empty"),
        ([(START, a, {"x": b}, {"y": c})], "Two routing maps stand one behind the other"),
        (
            [(START, JoinNode(name="d", output_schema=int), JoinNode(name="e", input_schema=str))],
            "'d' gives <class 'int'>, and 'e' behind it takes <class 'str'>",
        ),
    ],
)
def test_edges_that_cannot_be(edges, message):
    with pytest.raises(ConfigurationError) as raised:
        flow(*edges)
    assert re.search(re.escape(message).replace(r"\.\*", ".*"), str(raised.value)), str(raised.value)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: flow((START, a), name="my flow"), "'my flow' cannot be"),
        (lambda: flow((START, a), max_concurrency=0), "max_concurrency is 1 or more"),
        (lambda: flow((START, a), timeout=0), "timeout is a positive number"),
        (lambda: flow((START, a), retry_config=3), "retry_config is a RetryConfig, not 3"),
        (lambda: flow((START, a), sub_agents=[Agent(name="x", model="m")]), "leave out sub_agents"),
        (lambda: flow((START, a), edge=[]), "did you mean edges="),
        (lambda: node(echo, name="not a name"), "'not a name' cannot be a node's name"),
        (lambda: node(echo, timeout=-1), "Node 'echo': timeout is a positive number"),
        (lambda: node("text"), "'text' cannot be a node"),
        (lambda: JoinNode(), "JoinNode needs name="),
        (lambda: RetryConfig(exceptions=[3]), "exception classes or their names, not 3"),
        (lambda: RetryConfig(jitter=-1), "jitter are 0 or more"),
    ],
)
def test_settings_that_cannot_be(make, message):
    with pytest.raises(ConfigurationError) as raised:
        make()
    assert message in str(raised.value)


def test_two_agents_of_one_name_in_workflows_within_each_other():
    def writer():
        return Agent(name="writer", model=ScriptedModel(["x"]))

    with pytest.raises(ConfigurationError, match="called 'writer'"):
        flow((START, writer(), flow((START, writer()), name="inner")))


async def test_a_route_that_cannot_be_is_named(talk):
    def choose():
        return Event(route={"x": 1})

    error, _ = await talk(flow((START, choose, {"x": echo}))).fails(ConfigurationError)
    assert "Node 'choose' gave the route {'x': 1}" in str(error)
