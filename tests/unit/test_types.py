# SPDX-License-Identifier: Apache-2.0
"""The message vocabulary and the ways to build it."""

import enum

import pydantic
import pytest

from runwright import types
from runwright.errors import InputValidationError

HELLO = types.Content(role="user", parts=[types.Part(text="hello")])


@pytest.mark.parametrize(
    ("built", "expected"),
    [
        (types.Part.from_text(text="a"), types.Part(text="a")),
        (types.Part.from_bytes(data=b"a", mime_type="m"), types.Part(inline_data=types.Blob(data=b"a", mime_type="m"))),
        (
            types.Part.from_uri(file_uri="u", mime_type="m"),
            types.Part(file_data=types.FileData(file_uri="u", mime_type="m")),
        ),
        (
            types.Part.from_function_call(name="f", args={"a": 1}).function_call,
            types.FunctionCall(name="f", args={"a": 1}),
        ),
        (
            types.Part.from_function_response(name="f", response={"a": 1}).function_response,
            types.FunctionResponse(name="f", response={"a": 1}),
        ),
        (types.Part.from_executable_code(code="1").executable_code.language, types.Language.PYTHON),
        (
            types.Part.from_code_execution_result(outcome=types.Outcome.OUTCOME_OK, output="1").code_execution_result,
            types.CodeExecutionResult(outcome=types.Outcome.OUTCOME_OK, output="1"),
        ),
        (types.UserContent("hello"), HELLO),
        (types.UserContent(["hello"]), HELLO),
        (types.UserContent(parts=[types.Part(text="hello")]), HELLO),
        (types.ModelContent("hello").role, "model"),
        (types.UserContent([types.Blob(data=b"x")]).parts[0].inline_data.data, b"x"),
        (types.UserContent([types.FileData(file_uri="u")]).parts[0].file_data.file_uri, "u"),
        (types.UserContent([types.FunctionResponse(name="f")]).parts[0].function_response.name, "f"),
    ],
)
def test_ways_to_build(built, expected):
    assert built == expected


class GooglePart(pydantic.BaseModel):
    """Looks like what google.genai gives: a pydantic model with enums of its own and bytes as base64."""

    model_config = pydantic.ConfigDict(ser_json_bytes="base64")

    class Reason(str, enum.Enum):  # noqa: UP042 - as theirs are
        PYTHON = "PYTHON"

    class Code(pydantic.BaseModel):
        code: str
        language: "GooglePart.Reason"

    text: str | None = None
    thought_signature: bytes | None = None
    executable_code: Code | None = None


class GoogleContent(pydantic.BaseModel):
    parts: list[GooglePart] | None = None
    role: str | None = None


@pytest.mark.parametrize(
    "value",
    [
        "hello",
        HELLO,
        types.Content(parts=[types.Part(text="hello")]),
        types.Part(text="hello"),
        ["hello"],
        [types.Part(text="hello")],
        [{"text": "hello"}],
        ({"text": "hello"},),
        {"role": "user", "parts": [{"text": "hello"}]},
        {"parts": [{"text": "hello"}]},
        {"text": "hello"},
        GoogleContent(role="user", parts=[GooglePart(text="hello")]),
        GoogleContent(parts=[GooglePart(text="hello")]),
        GooglePart(text="hello"),
        [GooglePart(text="hello")],
    ],
    ids=repr,
)
def test_what_stands_for_a_message(value):
    assert types.to_content(value) == HELLO


@pytest.mark.parametrize("value", [3, None, b"hello", object(), {"parts": "hello"}, {"text": 3}, [3]], ids=repr)
def test_what_does_not(value):
    with pytest.raises(InputValidationError):
        types.to_content(value)


def test_enums_and_bytes_of_another_library():
    part = GooglePart(
        thought_signature=b"\xff", executable_code=GooglePart.Code(code="1", language=GooglePart.Reason.PYTHON)
    )
    ours = types.to_content(GoogleContent(role="model", parts=[part]))
    assert ours.role == "model" and ours.parts[0].thought_signature == b"\xff"
    assert ours.parts[0].executable_code.language is types.Language.PYTHON


def test_the_role_where_none_is_named():
    assert types.to_content("x", role="model").role == "model"
    assert types.to_content({"role": "user", "parts": []}, role="model").role == "user"


def test_enums_take_values_that_are_newer():
    assert types.FinishReason("stop") is types.FinishReason.STOP
    newer = types.FinishReason("TIRED")
    assert (newer.value, newer.name, newer == "TIRED") == ("TIRED", "TIRED", True)
    with pytest.raises(ValueError, match="3"):
        types.FinishReason(3)
    from_json = types.SafetySetting.model_validate({"threshold": "NEWER"})
    assert from_json.threshold == "NEWER" and from_json.model_dump(mode="json")["threshold"] == "NEWER"
    assert types.SafetySetting.model_validate(from_json.model_dump()).threshold == "NEWER"


def test_the_text_of_a_message():
    parts = [
        types.Part(text="a"),
        types.Part(text="hm", thought=True),
        types.Part.from_uri(file_uri="u"),
        types.Part(text="b"),
    ]
    assert types.text_of(types.Content(parts=parts)) == "ab"
    assert types.text_of(None) == types.text_of(types.Content()) == ""


def test_a_copy_shares_nothing_that_changes():
    content = types.Content(
        role="model",
        parts=[
            types.Part(text="t", part_metadata={"a": [1]}),
            types.Part(function_call=types.FunctionCall(name="f", args={"a": [1]})),
            types.Part(
                function_response=types.FunctionResponse(
                    name="f", response={"a": [1]}, parts=[types.FunctionResponsePart(inline_data=types.Blob(data=b"x"))]
                )
            ),
            types.Part.from_bytes(data=b"x", mime_type="m"),
            types.Part.from_uri(file_uri="u"),
            types.Part.from_executable_code(code="1"),
            types.Part(video_metadata=types.VideoMetadata(fps=1)),
        ],
    )
    before, twin = content.model_copy(deep=True), types.copy_content(content)
    assert twin == content
    twin.parts[0].part_metadata["a"].append(2)
    twin.parts[1].function_call.args["a"].append(2)
    twin.parts[2].function_response.response["a"].append(2)
    twin.parts[2].function_response.parts[0].inline_data.data = b"y"
    twin.parts[3].inline_data.mime_type = "n"
    twin.parts[4].file_data.file_uri = "v"
    twin.parts[5].executable_code.code = "2"
    twin.parts[6].video_metadata.fps = 2
    twin.parts.pop()
    assert content == before


def test_a_schema_in_the_gemini_form():
    schema = types.Schema.model_validate(
        {"type": "object", "properties": {"a": {"type": "STRING", "anyOf": []}}, "minItems": 1}
    )
    assert (
        schema.type is types.Type.OBJECT and schema.properties["a"].type is types.Type.STRING and schema.min_items == 1
    )


def test_settings_are_taken_as_dicts_in_either_spelling():
    config = types.GenerateContentConfig(
        thinking_config={"thinkingBudget": 3},
        http_options={"base_url": "local"},
        safety_settings=[{"category": "HARM_CATEGORY_HARASSMENT", "threshold": "OFF"}],
    )
    assert config.thinking_config == types.ThinkingConfig(thinking_budget=3)
    assert config.http_options == types.HttpOptions(base_url="local")
    assert config.safety_settings == [
        types.SafetySetting(
            category=types.HarmCategory.HARM_CATEGORY_HARASSMENT, threshold=types.HarmBlockThreshold.OFF
        )
    ]
    with pytest.raises(InputValidationError, match="ThinkingConfig"):
        types.GenerateContentConfig(thinking_config={"thinking_budget": "much"})
