# SPDX-License-Identifier: Apache-2.0
"""A node asks the user: the run ends, and goes on with the answer, where it stopped."""

import asyncio
from contextlib import aclosing

import pytest

from runwright import (
    START,
    Agent,
    Event,
    JoinNode,
    LongRunningFunctionTool,
    LoopAgent,
    RequestInput,
    SequentialAgent,
    Workflow,
    node,
    types,
)
from runwright.errors import InputValidationError
from runwright.testing import ScriptedModel, call


def flow(*edges, name="flow", **options):
    return Workflow(name=name, edges=list(edges), **options)


def agent(name, *replies, **options):
    return Agent(name=name, model=ScriptedModel(list(replies)), **options)


def echo(node_input):
    return node_input


def counted(name, result=None, ran=None):
    """A node that notes each time that it runs."""

    def work(node_input):
        ran.append(name)
        return result or node_input

    return node(work, name=name)


def asks(name="ask", question="q", rerun=True, **options):
    """A node that asks once, and then gives the answer."""

    def ask(ctx, node_input):
        if question in ctx.resume_inputs:
            return {"answer": ctx.resume_inputs[question], "of": node_input}
        return RequestInput(interrupt_id=question, message="Go on?", **options)

    return node(ask, name=name, rerun_on_resume=rerun)


async def test_the_question_is_a_call_of_the_user(talk):
    chat = talk(flow((START, asks(payload={"n": 1}, response_schema=str))))
    [event] = await chat.say()
    [asked] = event.get_function_calls()
    assert (asked.id, asked.name) == ("q", "adk_request_input")
    assert asked.args == {
        "interruptId": "q", "payload": {"n": 1}, "message": "Go on?", "response_schema": {"type": "string"},
    }  # fmt: skip
    assert list(asked.args) == ["interruptId", "payload", "message", "response_schema"]
    assert event.long_running_tool_ids == {"q"} and event.is_final_response()
    assert (event.author, event.content.role, event.node_info.path) == ("flow", "model", "flow@1/ask@1")
    assert len((await chat.session()).events) == 2  # nothing answers in the user's place


@pytest.mark.parametrize("restarted", [False, True])
async def test_the_answer_goes_on_where_the_run_stopped(talk, outputs, restarted):
    ran = []
    chat = talk(flow((START, counted("before", "x", ran), asks(), counted("after", "y", ran))))
    first = await chat.say()
    assert ran == ["before"]
    if restarted:
        chat.restart()
    events = await chat.answer(q="yes")
    assert ran == ["before", "after"]
    assert outputs(events) == [("ask@1", {"answer": "yes", "of": "x"}), ("after@1", "y")]
    assert {event.invocation_id for event in events} == {first[0].invocation_id}


async def test_the_answer_may_be_the_output(talk, outputs):
    chat = talk(flow((START, asks(rerun=False), echo)))
    await chat.say()
    assert outputs(await chat.answer(q="yes")) == [("echo@1", "yes")]


async def test_nodes_that_gave_nothing_are_not_run_again(talk):
    ran = []

    def silent():
        ran.append("silent")

    chat = talk(flow((START, silent, asks())))
    await chat.say()
    await chat.answer(q="yes")
    assert ran == ["silent"]


async def test_routes_are_taken_again_as_they_were(talk, outputs):
    ran = []

    def choose():
        ran.append("choose")
        return Event(output="x", route="right" if ran == ["choose"] else "left")

    chat = talk(flow((START, choose, {"left": counted("left", "l", ran), "right": asks()})))
    await chat.say()
    assert outputs(await chat.answer(q="ok")) == [("ask@1", {"answer": "ok", "of": "x"})]
    assert ran == ["choose"]


async def test_other_branches_end_before_the_run_does(talk, outputs):
    ran = []
    work = counted("work", "w", ran)
    chat = talk(flow((START, (asks(), work), JoinNode(name="join"))))
    assert ("work@1", "w") in outputs(await chat.say("hi"))
    chat.restart()
    events = await chat.answer(q="yes")
    assert [path for path, _ in outputs(events)] == ["ask@1", "join@1"]
    assert events[-1].output["work"] == "w" and events[-1].output["ask"]["answer"] == "yes"
    assert events[0].branch == "ask@1" and events[1].branch is None
    assert ran == ["work"]


async def test_two_questions_are_answered_one_by_one_or_at_once(talk, outputs, asked):
    edges = (START, (asks("a", "qa"), asks("b", "qb")), JoinNode(name="join"))
    chat = talk(flow(edges))
    assert sorted(asked(await chat.say())) == ["qa", "qb"]
    assert [path for path, _ in outputs(await chat.answer(qb=2))] == ["b@1"]
    chat.restart()
    assert [path for path, _ in outputs(await chat.answer(qa=1))] == ["a@1", "join@1"]
    other = talk(flow(edges))
    await other.say()
    assert sorted(path for path, _ in outputs(await other.answer(qa=1, qb=2))) == ["a@1", "b@1", "join@1"]


async def test_a_node_asks_again_and_again(talk, outputs, asked):
    def confirm(ctx, node_input):
        answers = ctx.resume_inputs
        if "name" not in answers:
            return RequestInput(interrupt_id="name")
        if "age" not in answers:
            return RequestInput(interrupt_id="age")
        return answers

    chat = talk(flow((START, node(confirm, rerun_on_resume=True), echo)))
    assert asked(await chat.say()) == ["name"]
    assert asked(await chat.answer(name="Ada")) == ["age"]
    chat.restart()
    assert outputs(await chat.answer(age=36))[-1] == ("echo@1", {"name": "Ada", "age": 36})


async def test_the_same_question_in_each_round_of_a_loop(talk, outputs, asked):
    ran = []

    def draft(node_input):
        ran.append("draft")
        return f"draft {len(ran)}"

    def decide(node_input):
        return Event(output=node_input, route="done" if node_input == "good" else "again")

    review = asks("review", "q", rerun=False)
    chat = talk(flow((START, draft, review, decide, {"again": draft, "done": echo})))
    assert asked(await chat.say()) == ["q"]
    for _ in range(2):
        chat.restart()
        assert asked(await chat.answer(q="bad")) == ["q"]
    assert outputs(await chat.answer(q="good"))[-1] == ("echo@1", "good")
    assert ran == ["draft"] * 3


async def test_a_branch_that_was_second_to_end_stays_second(talk, outputs):
    slow_may_end = asyncio.Event()

    async def slow():
        await slow_may_end.wait()
        return "slow"

    def quick():
        return "quick"

    async def each(ctx, node_input):
        slow_may_end.set()
        if node_input == "slow" and not ctx.resume_inputs:
            return RequestInput(interrupt_id="q")
        return node_input

    chat = talk(flow((START, (slow, quick), node(each, rerun_on_resume=True))))
    assert outputs(await chat.say()) == [("quick@1", "quick"), ("each@1", "quick"), ("slow@1", "slow")]
    chat.restart()
    assert outputs(await chat.answer(q="yes")) == [("each@2", "slow")]


async def test_a_question_in_a_workflow_in_a_workflow(talk, outputs):
    ran = []
    inner = flow((START, counted("first", "f", ran), asks(), counted("last", "l", ran)), name="inner")
    chat = talk(flow((START, counted("before", "b", ran), inner, counted("after", "a", ran))))
    [*_, event] = await chat.say()
    assert (event.author, event.node_info.path) == ("inner", "flow@1/inner@1/ask@1")
    chat.restart()
    events = await chat.answer(q="yes")
    assert [path for path, _ in outputs(events)] == ["inner@1/ask@1", "inner@1/last@1", "after@1"]
    assert ran == ["before", "first", "last", "after"]


async def test_two_questions_in_a_workflow_in_a_workflow(talk, outputs):
    inner = flow((START, (asks("a", "qa"), asks("b", "qb", rerun=False)), JoinNode(name="join")), name="inner")
    chat = talk(flow((START, inner, echo)))
    await chat.say()
    assert outputs(await chat.answer(qb=2)) == []
    events = await chat.answer(qa=1)
    assert [path for path, _ in outputs(events)] == ["inner@1/a@1", "inner@1/join@1", "echo@1"]
    assert events[-1].output["b"] == 2


async def test_the_answer_may_be_what_a_workflow_in_a_workflow_gives(talk, outputs):
    inner = flow((START, asks(rerun=False)), name="inner")
    chat = talk(flow((START, inner, echo)))
    await chat.say()
    assert outputs(await chat.answer(q="yes")) == [("inner@1", "yes"), ("echo@1", "yes")]


async def test_a_node_that_runs_a_node_that_asks(talk, outputs):
    ran = []

    async def boss(ctx):
        first = await ctx.run_node(counted("work", "w", ran), 1)
        try:
            return [first, await ctx.run_node(asks(rerun=False))]
        except Exception:  # noqa: BLE001 - a question is no error: it is not caught
            return "caught"

    chat = talk(flow((START, boss, echo)))
    [*_, event] = await chat.say()
    assert event.node_info.path == "flow@1/boss@1/ask@1"
    chat.restart()
    assert outputs(await chat.answer(q="yes"))[-1] == ("echo@1", ["w", "yes"])
    assert ran == ["work"]


async def test_a_question_among_nodes_that_run_at_the_same_time_below_a_node(talk, outputs, asked):
    async def boss(ctx):
        async with asyncio.TaskGroup() as group:
            a = group.create_task(ctx.run_node(asks("a", "qa")))
            b = group.create_task(ctx.run_node(asks("b", "qb")))
        return [a.result()["answer"], b.result()["answer"]]

    chat = talk(flow((START, boss)))
    events = await chat.say()
    rounds = 0
    while open_ones := asked(events):
        events = await chat.answer(**{question: question for question in open_ones})
        rounds += 1
    assert outputs(events)[-1] == ("boss@1", ["qa", "qb"])
    assert rounds <= 2


async def test_answers_are_read_as_the_question_says(talk, outputs):
    chat = talk(flow((START, asks(response_schema=int))))
    await chat.say()
    with pytest.raises(InputValidationError, match="answer to the question does not fit"):
        await chat.answer(q="many")
    assert outputs(await chat.answer(q=3))[0][1]["answer"] == 3  # and the question stays open
    plain = talk(flow((START, asks())))
    await plain.say()
    assert outputs(await plain.answer(q='{"a": 1}'))[0][1]["answer"] == {"a": 1}
    text = talk(flow((START, asks(response_schema=str))))
    await text.say()
    assert outputs(await text.answer(q="5"))[0][1]["answer"] == "5"


async def test_an_answer_given_twice_counts_once(talk, outputs):
    ran = []
    chat = talk(flow((START, asks(), counted("after", "a", ran))))
    await chat.say()
    assert outputs(await chat.answer(q="yes"))[0][1]["answer"] == "yes"
    assert await chat.answer(q="no") == []
    assert ran == ["after"]


async def test_two_nodes_may_ask_by_the_same_id(talk, outputs):
    chat = talk(flow((START, (asks("a"), asks("b")), JoinNode(name="join"))))
    await chat.say()
    assert [path for path, _ in outputs(await chat.answer(q=1))] == ["a@1"]
    events = await chat.answer(q=2)
    assert [events[-1].output[name]["answer"] for name in "ab"] == [1, 2]


async def test_an_answer_that_cannot_be_read_stops_what_had_begun(talk, outputs):
    stopped = []

    async def slow(ctx):
        try:
            await asyncio.sleep(30 if ctx.state.get("late") else 0)
        finally:
            stopped.append(1)
        return RequestInput(interrupt_id="other")

    graph = flow((START, (node(slow, rerun_on_resume=True), asks(rerun=False, response_schema=int))))
    chat = talk(graph)
    await chat.say()
    with pytest.raises(InputValidationError, match="does not fit"):
        await chat.answer(other=1, q="many")
    assert [task for task in asyncio.all_tasks() if task is not asyncio.current_task()] == []


async def test_a_caller_that_leaves_on_the_question_may_answer_it(talk, outputs):
    chat = talk(flow((START, asks())))
    stream = chat.runner.run_async(user_id="ada", session_id="s", new_message="Hi")
    async with aclosing(stream):
        async for event in stream:
            if event.long_running_tool_ids:
                break
    assert outputs(await chat.answer(q="yes"))[0][1]["answer"] == "yes"


async def test_another_message_starts_anew_and_leaves_the_question_open(talk, outputs, asked):
    chat = talk(flow((START, echo_text, asks())))
    await chat.say("one")
    assert asked(await chat.say("two")) == ["q"]
    assert outputs(await chat.answer(q="yes")) == [("ask@1", {"answer": "yes", "of": "two"})]


async def test_an_agent_with_a_long_running_tool_pauses_the_workflow(talk, outputs):
    def approve(amount: int) -> None:
        """Ask for approval."""

    clerk = agent("clerk", call("approve", amount=5), "approved", tools=[LongRunningFunctionTool(approve)])
    chat = talk(flow((START, echo_text, clerk, echo)))
    events = await chat.say("Pay 5")
    [asked] = [c for event in events for c in event.get_function_calls()]
    chat.restart()
    answer = types.FunctionResponse(id=asked.id, name="approve", response={"ok": True})
    events = await chat.say(types.Content(role="user", parts=[types.Part(function_response=answer)]))
    assert outputs(events) == [("clerk@1", "approved"), ("echo@1", "approved")]
    contents = clerk.model.requests[-1].contents
    assert [content.role for content in contents] == ["user", "model", "user"]
    assert contents[0].parts[0].text == "pay 5"
    assert contents[2].parts[0].function_response.response == {"ok": True}


async def test_what_an_agent_says_before_the_answer_is_not_what_it_gives(talk, outputs):
    def approve(amount: int) -> dict:
        """Ask for approval."""
        return {"status": "pending"}

    replies = [call("approve", amount=5), "I have asked", OSError("no net"), "approved"]
    clerk = agent("clerk", *replies, tools=[LongRunningFunctionTool(approve)])
    chat = talk(flow((START, clerk, echo)))
    events = await chat.say("Pay 5")
    assert outputs(events) == [("clerk@1", "I have asked")]
    [asked] = [c for event in events for c in event.get_function_calls()]
    answer = types.FunctionResponse(id=asked.id, name="approve", response={"ok": True})
    with pytest.raises(OSError, match="no net"):
        await chat.say(types.Content(role="user", parts=[types.Part(function_response=answer)]))
    chat.restart()
    events = await chat.say(None, invocation_id=events[0].invocation_id)
    assert outputs(events) == [("clerk@1", "approved"), ("echo@1", "approved")]


def echo_text(node_input: str) -> str:
    return node_input.lower()


async def test_models_do_not_see_the_question(talk):
    writer = agent("writer", "ok", include_contents="default")
    chat = talk(flow((START, asks(rerun=False), writer)))
    await chat.say("Hi")
    await chat.answer(q="yes")
    shown = [[part.text for part in content.parts] for content in writer.model.requests[0].contents]
    assert shown == [["Hi"], ["yes"]]


async def test_a_workflow_below_another_agent_goes_on(talk, outputs):
    work = flow((START, asks(), echo), name="work", description="Works.")
    head = agent("head", call("transfer_to_agent", agent_name="work"), sub_agents=[work])
    chat = talk(head)
    events = await chat.say("hi")
    assert events[-1].node_info.path == "head@1/work@1/ask@1"
    chat.restart()
    events = await chat.answer(q="yes")
    assert [event.node_info.path for event in events] == ["head@1/work@1/ask@1", "head@1/work@1/echo@1"]


async def test_a_workflow_in_a_sequence_in_a_workflow_goes_on_as_a_whole(talk, outputs):
    inner = flow((START, asks()), name="inner")
    line = SequentialAgent(name="line", sub_agents=[inner])
    chat = talk(flow((START, line, echo)))
    [event] = await chat.say("hi")
    assert event.node_info.path == "flow@1/line@1/inner@1/ask@1"
    chat.restart()
    events = await chat.answer(q="yes")
    assert [event.node_info.path for event in events][0] == "flow@1/line@1/inner@1/ask@1"  # noqa: RUF015


async def test_nothing_that_comes_after_the_question_is_done_before_the_answer(talk, asked):
    pay = agent("pay", "paid")
    line = SequentialAgent(name="line", sub_agents=[flow((START, asks())), pay])
    chat = talk(line)
    assert asked(await chat.say()) == ["q"]
    assert pay.model.requests == []
    assert asked(await talk(LoopAgent(name="loop", sub_agents=[flow((START, asks()))])).say()) == ["q"]
