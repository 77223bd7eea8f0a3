# SPDX-License-Identifier: Apache-2.0
"""Who answers a message, and which run it belongs to."""

import pytest

from runwright import Agent, Event, EventActions, SequentialAgent, types
from runwright.errors import InputValidationError, InvocationNotFoundError
from runwright.router import branch_of_answer, find_agent_to_run, resumed_invocation, user_content

LOCKED = Agent(name="locked", disallow_transfer_to_parent=True)
LEAF = Agent(name="leaf")
CHILD = Agent(name="child", sub_agents=[LEAF])
STEP = Agent(name="step")
LINE = SequentialAgent(name="line", sub_agents=[STEP])
ROOT = Agent(name="root", sub_agents=[CHILD, LOCKED, LINE])


def said(author, run="1", **more):
    return Event(author=author, invocation_id=run, content=types.ModelContent("x"), **more)


def failed(author, run="1"):
    return Event(author=author, invocation_id=run, error_code="OSError")


def moved(author, target, run="1"):
    part = types.Part.from_function_response(name="transfer_to_agent", response={})
    content = types.Content(role="user", parts=[part])
    return Event(author=author, invocation_id=run, content=content, actions=EventActions(transfer_to_agent=target))


def called(author, *ids, run="1", branch=None):
    parts = [types.Part(function_call=types.FunctionCall(id=one, name="f")) for one in ids]
    return Event(author=author, invocation_id=run, branch=branch, content=types.Content(role="model", parts=parts))


def answer(*ids):
    parts = [types.Part(function_response=types.FunctionResponse(id=one, name="f", response={})) for one in ids]
    return types.Content(role="user", parts=parts)


TEXT = types.UserContent("hi")


@pytest.mark.parametrize(
    ("events", "name"),
    [
        ([], "root"),
        ([said("root")], "root"),
        ([said("child")], "child"),
        ([said("leaf"), said("user", "2")], "leaf"),
        ([said("child"), said("root")], "root"),
        ([said("locked")], "root"),
        ([said("step")], "root"),
        ([said("gone")], "root"),
        ([said("child"), said("root", "2")], "root"),
        ([moved("root", "child")], "child"),
        ([moved("root", "child"), failed("root")], "child"),
        ([said("child"), failed("child", "2")], "child"),
        ([failed("root")], "root"),
        ([moved("root", "line"), said("step")], "root"),
        ([moved("root", "child"), said("child"), moved("child", "root"), said("root")], "root"),
    ],
)
def test_who_answers_a_text(events, name):
    assert find_agent_to_run(events, ROOT, TEXT).name == name


def test_the_root_of_another_kind_answers_itself():
    assert find_agent_to_run([said("step")], LINE, TEXT) is LINE


def test_the_agent_that_called_goes_on_in_its_run_and_branch():
    events = [called("step", "a", run="1", branch="x.y"), said("root", "2"), called("leaf", "b", run="3")]
    assert find_agent_to_run(events, ROOT, answer("a")) is STEP
    assert resumed_invocation(events, answer("a"), None) == "1" == resumed_invocation(events, answer("a"), "1")
    assert branch_of_answer(events, answer("a")) == "x.y" and branch_of_answer(events, answer("b")) is None
    assert find_agent_to_run([called("gone", "a")], ROOT, answer("a")) is ROOT


def test_of_calls_with_the_same_id_the_newest_is_answered():
    assert resumed_invocation([called("root", "a", run="1"), called("root", "a", run="2")], answer("a"), None) == "2"


@pytest.mark.parametrize(
    ("message", "invocation_id", "named"),
    [
        (answer("zz"), None, "'zz'"),
        (answer("a", "zz"), None, "'zz'"),
        (answer("a", "b"), None, "several invocations"),
        (answer("a"), "2", "leave invocation_id out"),
    ],
)
def test_an_answer_that_does_not_belong_is_refused(message, invocation_id, named):
    events = [called("root", "a", run="1"), called("root", "b", run="2")]
    with pytest.raises(InputValidationError, match=named):
        resumed_invocation(events, message, invocation_id)


def test_what_a_tool_has_answered_is_not_the_users_to_say():
    given = Event(author="child", invocation_id="1", content=answer("c1"))
    with pytest.raises(InputValidationError, match="'c1', whose result is not the user's to give"):
        find_agent_to_run([called("child", "c1"), given], ROOT, answer("c1"))
    for again in (called("child", "c1"), called("child", "c1").model_copy(update={"long_running_tool_ids": {"c1"}})):
        assert find_agent_to_run([called("child", "c1"), given, again], ROOT, answer("c1")) is CHILD
    theirs = called("child", "c1").model_copy(update={"long_running_tool_ids": {"c1"}})
    assert find_agent_to_run([theirs, given], ROOT, answer("c1")) is CHILD, "more may be said of it"


def test_a_run_is_gone_on_with_by_its_id():
    events = [Event(author="user", invocation_id="1", content=TEXT), said("root")]
    assert resumed_invocation(events, None, "1") == "1" and resumed_invocation(events, TEXT, None) is None
    assert user_content(events, "1") == TEXT and user_content(events, "2") is None
    with pytest.raises(InvocationNotFoundError, match="'2'"):
        resumed_invocation(events, None, "2")
