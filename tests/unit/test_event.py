# SPDX-License-Identifier: Apache-2.0
"""Event and EventActions: their wire form, what is final, how actions are joined."""

import json

import msgspec
import pytest

from runwright import Event, EventActions, LlmResponse, types

CALL = types.Part.from_function_call(name="f", args={})
ANSWER = types.Part.from_function_response(name="f", response={"result": None})


def wire(event):
    return json.loads(event.model_dump_json(by_alias=True, exclude_none=True))


def test_the_wire_form_has_what_clients_expect():
    event = Event(
        id="e",
        timestamp=1.5,
        invocation_id="i",
        author="a",
        content=types.Content(role="model", parts=[types.Part(text="x")]),
    )
    assert wire(event) == {
        "content": {"parts": [{"text": "x"}], "role": "model"},
        "invocationId": "i",
        "author": "a",
        "actions": {
            "stateDelta": {},
            "artifactDelta": {},
            "requestedAuthConfigs": {},
            "requestedToolConfirmations": {},
        },
        "nodeInfo": {"path": ""},
        "id": "e",
        "timestamp": 1.5,
    }


def test_nulls_inside_free_form_dicts_stay():
    event = Event(content=types.Content(parts=[ANSWER]), actions=EventActions(state_delta={"k": None}))
    assert wire(event)["content"]["parts"][0]["functionResponse"]["response"] == {"result": None}
    assert wire(event)["actions"]["stateDelta"] == {"k": None}


def test_the_order_of_the_keys():
    event = Event(
        author="a", long_running_tool_ids=set(), branch="b", error_code="E", usage_metadata=types.UsageMetadata()
    )
    assert list(wire(event)) == [
        "errorCode",
        "usageMetadata",
        "invocationId",
        "author",
        "actions",
        "nodeInfo",
        "longRunningToolIds",
        "branch",
        "id",
        "timestamp",
    ]
    assert wire(event)["longRunningToolIds"] == []


def test_the_wire_form_is_read_back():
    event = Event(
        author="a",
        content=types.Content(role="model", parts=[CALL, types.Part.from_bytes(data=b"\xff\xfe", mime_type="m")]),
        actions=EventActions(state_delta={"a_b": {"c_d": 1}}, escalate=True),
        long_running_tool_ids={"x", "y"},
        finish_reason=types.FinishReason.STOP,
        usage_metadata=types.UsageMetadata(total_token_count=3),
    )
    assert Event.model_validate(wire(event)) == event
    assert Event.model_validate(event.model_dump(mode="json")) == event
    assert Event.model_validate(event.model_dump()) == event
    assert msgspec.json.decode(msgspec.json.encode(event), type=Event) == event


def test_at_rest_nothing_that_is_default_is_kept():
    event = Event(id="e", timestamp=1.0, author="a")
    kept = json.loads(msgspec.json.encode(event))
    assert {key: value for key, value in kept.items() if value != {}} == {"id": "e", "timestamp": 1.0, "author": "a"}


@pytest.mark.parametrize(
    ("event", "final"),
    [
        (Event(content=types.ModelContent("x")), True),
        (Event(), True),
        (Event(content=types.ModelContent("x"), partial=True), False),
        (Event(content=types.Content(parts=[CALL])), False),
        (Event(content=types.Content(parts=[ANSWER])), False),
        (Event(content=types.Content(parts=[CALL]), long_running_tool_ids={"x"}), True),
        (Event(content=types.Content(parts=[CALL]), long_running_tool_ids=set()), False),
        (Event(content=types.Content(parts=[ANSWER]), actions=EventActions(skip_summarization=True)), True),
        (
            Event(
                content=types.Content(parts=[types.Part.from_code_execution_result(outcome="OUTCOME_OK", output="")])
            ),
            False,
        ),
    ],
)
def test_what_is_final(event, final):
    assert event.is_final_response() is final


def test_calls_and_answers_of_an_event():
    event = Event(content=types.Content(parts=[CALL, types.Part(text="x"), ANSWER, CALL]))
    assert event.get_function_calls() == [CALL.function_call] * 2
    assert event.get_function_responses() == [ANSWER.function_response]
    assert LlmResponse().get_function_calls() == LlmResponse().get_function_responses() == []


def test_actions_are_joined_and_the_later_wins():
    one = EventActions(state_delta={"a": 1, "b": 1}, artifact_delta={"f": 0}, escalate=True, transfer_to_agent="x")
    one.merge(
        EventActions(state_delta={"b": 2}, artifact_delta={"g": 1}, transfer_to_agent="y", skip_summarization=False)
    )
    assert one == EventActions(
        state_delta={"a": 1, "b": 2},
        artifact_delta={"f": 0, "g": 1},
        escalate=True,
        transfer_to_agent="y",
        skip_summarization=False,
    )


def test_actions_are_true_when_they_change_something():
    assert not EventActions()
    for changes in ({"state_delta": {"a": None}}, {"escalate": True}, {"artifact_delta": {"a": 0}}, {"route": 0}):
        assert EventActions(**changes)


def test_events_have_ids_and_maps_of_their_own():
    one, two = Event(), Event()
    one.actions.state_delta["a"] = 1
    assert one.id != two.id and two.actions.state_delta == {} and Event.new_id() != Event.new_id()


def test_a_private_copy_shares_nothing_that_changes():
    event = Event(
        content=types.Content(parts=[CALL]), actions=EventActions(state_delta={"a": [1]}), custom_metadata={"m": [1]}
    )
    event.long_running_tool_ids = {"x"}
    before, twin = event.model_copy(deep=True), event.private_copy()
    twin.content.parts[0].function_call.args["x"] = 1
    twin.actions.state_delta["a"].append(2)
    twin.actions.escalate = True
    twin.custom_metadata["m"].append(2)
    twin.long_running_tool_ids.add("y")
    twin.node_info.path = "p"
    assert event == before


def test_the_parts_of_an_event_are_taken_as_dicts():
    event = Event(author="a", content={"parts": [{"text": "x"}]}, actions={"stateDelta": {"k": 1}})
    assert event.content == types.Content(role="model", parts=[types.Part(text="x")])
    assert event.actions == EventActions(state_delta={"k": 1})
