# SPDX-License-Identifier: Apache-2.0
"""The events of a workflow as JSON, as clients of ADK know them: route, fan-out, join, question and answer."""

from runwright import START, Event, JoinNode, RequestInput, Workflow, node

ACTIONS = {"stateDelta": {}, "artifactDelta": {}, "requestedAuthConfigs": {}, "requestedToolConfirmations": {}}


def a(node_input: str, ctx):
    ctx.state["seen"] = ctx.state.get("seen", 0) + 1
    return Event(output=f"A:{node_input}", route="left")


def left(node_input: str):
    return f"{node_input}>L"


def right(node_input: str):
    return f"{node_input}>R"


def fan1():
    return "f1"


def fan2():
    return "f2"


@node(rerun_on_resume=True)
def ask(ctx, node_input: dict):
    if "q1" not in ctx.resume_inputs:
        return RequestInput(interrupt_id="q1", message="Continue?", response_schema=str)
    return {"answer": ctx.resume_inputs["q1"], "got": node_input}


def wire(event: Event) -> dict:
    """An event's JSON without what differs from run to run, and without actions that do nothing."""
    shown = event.model_dump(mode="json", by_alias=True, exclude_none=True)
    for name in ("id", "timestamp", "invocationId"):
        del shown[name]
    if shown["actions"] == ACTIONS:
        del shown["actions"]
    return shown


async def test_a_workflow_on_the_wire(talk):
    edges = [(START, a, {"left": left, "right": right}), (left, (fan1, fan2), JoinNode(name="join"), ask)]
    chat = talk(Workflow(name="flow", edges=edges))
    first, then, *fans, join, question = map(wire, await chat.say("hi"))
    assert first == {
        "author": "flow",
        "actions": {**ACTIONS, "stateDelta": {"seen": 1}, "route": "left"},
        "output": "A:hi",
        "nodeInfo": {"path": "flow@1/a@1", "outputFor": ["flow@1/a@1"]},
    }
    assert then == {
        "author": "flow",
        "output": "A:hi>L",
        "nodeInfo": {"path": "flow@1/left@1", "outputFor": ["flow@1/left@1"]},
    }
    assert sorted(fans, key=lambda event: event["output"]) == [
        {
            "author": "flow",
            "output": f"f{index}",
            "nodeInfo": {"path": f"flow@1/fan{index}@1", "outputFor": [f"flow@1/fan{index}@1"]},
            "branch": f"fan{index}@1",
        }
        for index in (1, 2)
    ]
    assert join == {
        "author": "flow",
        "output": {"fan1": "f1", "fan2": "f2"},
        "nodeInfo": {"path": "flow@1/join@1", "outputFor": ["flow@1/join@1"]},
    }
    args = {"interruptId": "q1", "payload": None, "message": "Continue?", "response_schema": {"type": "string"}}
    call = {"id": "q1", "args": args, "name": "adk_request_input"}
    assert question == {
        "content": {"parts": [{"functionCall": call}], "role": "model"},
        "author": "flow",
        "nodeInfo": {"path": "flow@1/ask@1"},
        "longRunningToolIds": ["q1"],
    }
    [answered] = map(wire, await chat.answer(q1="yes"))
    assert answered == {
        "author": "flow",
        "output": {"answer": "yes", "got": {"fan1": "f1", "fan2": "f2"}},
        "nodeInfo": {"path": "flow@1/ask@1", "outputFor": ["flow@1/ask@1", "flow@1"]},
    }
