# SPDX-License-Identifier: Apache-2.0
"""What all values share: their JSON in both spellings, dumps, copies."""

import base64
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from runwright import Event, EventActions, LlmResponse, types
from runwright.errors import InputValidationError
from runwright.event import ToolConfirmation
from runwright.record import copy_json

BYTES = bytes(range(250, 256)) + b"\xfb\xff?>"


def test_both_spellings_are_read_and_camel_case_is_written():
    snake = {"inline_data": {"mime_type": "image/png", "display_name": "x"}, "thought": True}
    camel = {"inlineData": {"mimeType": "image/png", "displayName": "x"}, "thought": True}
    assert types.Part.model_validate(snake) == types.Part.model_validate(camel)
    part = types.Part.model_validate(snake)
    assert part.model_dump(by_alias=True, exclude_none=True) == camel
    assert part.model_dump(exclude_none=True) == snake
    assert json.loads(part.model_dump_json(by_alias=True, exclude_none=True)) == camel


def test_keys_of_free_form_dicts_are_left_alone():
    call = {"functionCall": {"name": "f", "args": {"snake_key": 1, "camelKey": {"inline_data": None}}}}
    part = types.Part.model_validate(call)
    assert part.function_call.args == {"snake_key": 1, "camelKey": {"inline_data": None}}
    assert part.model_dump(by_alias=True, exclude_none=True) == call


@given(st.binary(max_size=40))
def test_bytes_are_url_safe_on_the_way_out_and_either_on_the_way_in(data):
    blob = types.Blob(data=data)
    written = json.loads(blob.model_dump_json())["data"]
    assert written == base64.urlsafe_b64encode(data).decode()
    for text in (written, written.rstrip("="), base64.b64encode(data).decode()):
        assert types.Blob.model_validate({"data": text}).data == data
        assert types.Blob.model_validate_json(json.dumps({"data": text})).data == data
    assert blob.model_dump()["data"] == data


def test_bytes_inside_records_inside_lists():
    content = types.Content(role="user", parts=[types.Part.from_bytes(data=BYTES, mime_type="a/b")])
    signed = types.Part(text="x", thought_signature=BYTES)
    event = Event(author="a", content=content)
    event.content.parts.append(signed)
    again = Event.model_validate_json(event.model_dump_json(by_alias=True))
    assert again == event


@pytest.mark.parametrize(
    ("kind", "value", "named"),
    [
        (types.Part, {"text": 3}, "text"),
        (types.Content, {"parts": "x"}, "parts"),
        (types.Content, {"parts": [{"functionCall": {"args": []}}]}, "args"),
        (types.Blob, {"data": "a"}, "Blob"),
        (types.Blob, {"data": "ä"}, "Blob"),
        (types.Content, 3, "int"),
        (EventActions, {"stateDelta": []}, "stateDelta"),
    ],
)
def test_what_does_not_fit_is_named(kind, value, named):
    with pytest.raises(InputValidationError, match=named) as raised:
        kind.model_validate(value)
    assert kind.__name__ in str(raised.value)


def test_text_that_is_no_json_is_named():
    with pytest.raises(InputValidationError, match="JSON"):
        types.Content.model_validate_json("{")


def test_unknown_keys_are_left_out_and_nulls_are_defaults():
    event = Event.model_validate(
        {"author": "a", "newer": 1, "actions": {"stateDelta": None, "newer": {}}, "nodeInfo": None}
    )
    assert (event.author, event.actions.state_delta, event.node_info.path) == ("a", {}, "")


def test_a_record_is_taken_as_it_is_and_another_kind_by_its_fields():
    part = types.Part(text="x")
    assert types.Part.model_validate(part) is part
    assert LlmResponse.model_validate(Event(author="a", content=types.ModelContent("x"))).content == types.ModelContent(
        "x"
    )


PART = types.Part(text="x", inline_data=types.Blob(mime_type="m"))


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ({"exclude_none": True}, {"inline_data": {"mime_type": "m"}, "text": "x"}),
        ({"exclude_defaults": True}, {"inline_data": {"mime_type": "m"}, "text": "x"}),
        ({"exclude_unset": True, "by_alias": True}, {"inlineData": {"mimeType": "m"}, "text": "x"}),
        ({"exclude_none": True, "include": {"text"}}, {"text": "x"}),
        ({"exclude_none": True, "exclude": {"inline_data"}}, {"text": "x"}),
        ({"exclude_none": True, "exclude": ["inline_data"], "by_alias": True}, {"text": "x"}),
        ({"include": []}, {}),
    ],
)
def test_the_options_of_a_dump(options, expected):
    assert PART.model_dump(**options) == expected
    assert json.loads(PART.model_dump_json(**options)) == expected


def test_a_dump_shows_everything_unless_told_otherwise():
    assert set(types.Blob().model_dump()) == {"data", "mime_type", "display_name"}
    assert types.Blob(mime_type="m").model_dump_json(exclude_none=True, indent=2) == '{\n  "mime_type": "m"\n}'


def test_enums_in_a_dump():
    event = Event(finish_reason=types.FinishReason.STOP)
    assert event.model_dump()["finish_reason"] is types.FinishReason.STOP
    assert event.model_dump(mode="json")["finish_reason"] == "STOP"
    assert type(event.model_dump(mode="json")["finish_reason"]) is str


def test_sets_are_written_in_order():
    assert Event(long_running_tool_ids={"c", "a", "b"}).model_dump(mode="json")["long_running_tool_ids"] == [
        "a",
        "b",
        "c",
    ]


def test_copies():
    event = Event(author="a", content=types.ModelContent("x"), actions=EventActions(state_delta={"k": [1]}))
    shallow, deep = event.model_copy(update={"author": "b"}), event.model_copy(deep=True)
    assert (shallow.author, shallow.id, event.author) == ("b", event.id, "a") and shallow.content is event.content
    deep.content.parts[0].text = "y"
    deep.actions.state_delta["k"].append(2)
    assert event.content.parts[0].text == "x" and event.actions.state_delta == {"k": [1]}
    with pytest.raises(AttributeError):
        event.model_copy(update={"nothing": 1})


def test_records_inside_dicts():
    actions = EventActions.model_validate({"requestedToolConfirmations": {"c": {"hint": "h", "confirmed": True}}})
    assert actions.requested_tool_confirmations == {"c": ToolConfirmation(hint="h", confirmed=True)}
    dumped = actions.model_dump(by_alias=True, exclude_none=True)
    assert dumped["requestedToolConfirmations"] == {"c": {"hint": "h", "confirmed": True}}


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(), lambda x: st.lists(x) | st.dictionaries(st.text(), x)
)


@given(JSON)
def test_a_copy_of_json_shares_no_container(value):
    twin = copy_json(value)
    assert twin == value

    def containers(one):
        if isinstance(one, dict | list):
            yield id(one)
            for inner in one.values() if isinstance(one, dict) else one:
                yield from containers(inner)

    assert not set(containers(value)) & set(containers(twin))
