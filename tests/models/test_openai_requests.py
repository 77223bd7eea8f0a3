# SPDX-License-Identifier: Apache-2.0
"""What OpenAI's models are sent: each kind of message and setting, in the form of each of its two APIs."""

import base64
from typing import Any

import msgspec
import pytest

from runwright import LlmRequest
from runwright.errors import ModelBadRequestError
from runwright.models.openai import chat_request, choices, responses_request
from runwright.models.openai.names import Settings, is_own, reasons, takes_reasoning
from runwright.models.openai.responses_answer import ResponsesAnswer
from runwright.models.openai.schemas import output_form, strict_schema
from runwright.types import (
    Blob,
    Content,
    FileData,
    FunctionCall,
    FunctionCallingConfig,
    FunctionDeclaration,
    FunctionResponse,
    FunctionResponsePart,
    GenerateContentConfig,
    Part,
    Schema,
    SpeechConfig,
    ThinkingConfig,
    Tool,
    ToolConfig,
    Type,
    UserContent,
)

PIXEL = b"\x89PNG\xff\xfe"
PIXEL_URL = f"data:image/png;base64,{base64.b64encode(PIXEL).decode()}"
ADD = {"type": "object", "properties": {"a": {"type": "integer"}}, "required": ["a"]}
LOOSE = {"type": "object", "properties": {"a": {"type": "integer", "default": 1}}}


OPEN = Settings("qwen3", own=False)


def chat(*contents: Any, settings: Settings | None = None, stream: bool = False, **config: Any) -> dict[str, Any]:
    request = LlmRequest(contents=list(contents), config=GenerateContentConfig(**config))
    given = settings or Settings("gpt-4o")
    return chat_request.request_body(request, given, output_form(request.config), stream=stream)


def responses(*contents: Any, settings: Settings | None = None, **config: Any) -> dict[str, Any]:
    request = LlmRequest(contents=list(contents), config=GenerateContentConfig(**config))
    given = settings or Settings("gpt-4o")
    return responses_request.request_body(request, given, output_form(request.config), stream=False)


def said_in_chat(*parts: Part, settings: Settings | None = None) -> Any:
    return chat(UserContent(list(parts)), settings=settings)["messages"][0]["content"]


def said_in_responses(*parts: Part) -> Any:
    return responses(UserContent(list(parts)))["input"][0]["content"]


def functions(*schemas: dict[str, Any]) -> list[Tool]:
    declared = [FunctionDeclaration(name=f"f{at}", parameters_json_schema=one) for at, one in enumerate(schemas)]
    return [Tool(function_declarations=declared)]


def calling(mode: str, *names: str) -> ToolConfig:
    config = FunctionCallingConfig(mode=mode, allowed_function_names=list(names) or None)
    return ToolConfig(function_calling_config=config)


def test_a_text_is_sent_as_a_text() -> None:
    assert chat(UserContent("hi"), system_instruction="Be brief.")["messages"] == [
        {"role": "system", "content": "Be brief."},
        {"role": "user", "content": "hi"},
    ]
    body = responses(UserContent("hi"), system_instruction="Be brief.")
    assert body["instructions"] == "Be brief."
    assert body["input"] == [{"role": "user", "content": "hi"}]


def test_an_instruction_may_be_a_message() -> None:
    given = Content(parts=[Part(text="Be "), Part(text="brief.")])
    assert responses(UserContent("hi"), system_instruction=given)["instructions"] == "Be brief."


def test_images_are_sent_by_their_bytes_and_by_their_address() -> None:
    parts = [Part(text="What is it?"), Part.from_bytes(data=PIXEL, mime_type="image/png")]
    parts.append(Part.from_uri(file_uri="https://example.com/a.png?size=9"))
    assert said_in_chat(*parts) == [
        {"type": "text", "text": "What is it?"},
        {"type": "image_url", "image_url": {"url": PIXEL_URL}},
        {"type": "image_url", "image_url": {"url": "https://example.com/a.png?size=9"}},
    ]
    assert said_in_responses(*parts) == [
        {"type": "input_text", "text": "What is it?"},
        {"type": "input_image", "detail": "auto", "image_url": PIXEL_URL},
        {"type": "input_image", "detail": "auto", "image_url": "https://example.com/a.png?size=9"},
    ]


@pytest.mark.parametrize(("mime", "form"), [("audio/wav", "wav"), ("audio/mpeg", "mp3"), ("audio/x-wav", "wav")])
def test_sound_is_sent_by_its_bytes(mime: str, form: str) -> None:
    sound = {"type": "input_audio", "input_audio": {"data": base64.b64encode(b"beep").decode(), "format": form}}
    part = Part.from_bytes(data=b"beep", mime_type=mime)
    assert said_in_chat(part) == [sound]
    assert said_in_responses(part) == [sound]


def test_other_servers_take_sound_and_film_by_their_address() -> None:
    part = Part.from_uri(file_uri="https://example.com/a.mp4")
    assert said_in_chat(part, settings=OPEN) == [
        {"type": "video_url", "video_url": {"url": "https://example.com/a.mp4"}}
    ]


def test_documents_are_sent_as_files() -> None:
    pdf = Part(inline_data=Blob(data=b"%PDF", mime_type="application/pdf", display_name="bill.pdf"))
    url = f"data:application/pdf;base64,{base64.b64encode(b'%PDF').decode()}"
    assert said_in_chat(pdf) == [{"type": "file", "file": {"filename": "bill.pdf", "file_data": url}}]
    assert said_in_responses(pdf) == [{"type": "input_file", "filename": "bill.pdf", "file_data": url}]
    there = Part.from_uri(file_uri="https://example.com/a.pdf")
    assert said_in_responses(there) == [{"type": "input_file", "file_url": "https://example.com/a.pdf"}]
    uploaded = Part.from_uri(file_uri="file-abc", mime_type="application/pdf")
    assert said_in_responses(uploaded) == [{"type": "input_file", "file_id": "file-abc"}]
    assert said_in_chat(uploaded) == [{"type": "file", "file": {"file_id": "file-abc"}}]


def test_a_text_file_is_sent_as_text_where_only_documents_are_files() -> None:
    part = Part(inline_data=Blob(data=b"a,b\n1,2", mime_type="text/csv", display_name="table.csv"))
    assert said_in_chat(part) == "The file table.csv (text/csv):\n\na,b\n1,2"
    assert said_in_responses(part)[0]["filename"] == "table.csv"


@pytest.mark.parametrize(
    ("part", "word"),
    [
        (Part.from_uri(file_uri="gs://bucket/a.pdf"), "gs://bucket/a.pdf"),
        (Part.from_uri(file_uri="https://example.com/a.pdf"), "Responses API"),
        (Part.from_bytes(data=b"beep", mime_type="audio/ogg"), "audio/ogg"),
    ],
)
def test_a_file_that_cannot_be_sent_is_named(part: Part, word: str) -> None:
    with pytest.raises(ModelBadRequestError, match=word) as caught:
        said_in_chat(part)
    assert caught.value.provider == "openai"


CALLED = Content(
    role="model",
    parts=[
        Part(text="Let me see."),
        Part(function_call=FunctionCall(id="c1", name="f0", args={"a": 1})),
        Part(function_call=FunctionCall(id="c2", name="f0", args={})),
    ],
)
ANSWERED = Content(
    role="user",
    parts=[
        Part(function_response=FunctionResponse(id="c1", name="f0", response={"result": "one"})),
        Part(function_response=FunctionResponse(id="c2", name="f0", response={"error": "no"})),
    ],
)


def test_parallel_calls_and_their_answers_go_back_in_order() -> None:
    assert chat(UserContent("hi"), CALLED, ANSWERED)["messages"][1:] == [
        {
            "role": "assistant",
            "content": "Let me see.",
            "tool_calls": [
                {"id": "c1", "type": "function", "function": {"name": "f0", "arguments": '{"a":1}'}},
                {"id": "c2", "type": "function", "function": {"name": "f0", "arguments": "{}"}},
            ],
        },
        {"role": "tool", "tool_call_id": "c1", "content": "one"},
        {"role": "tool", "tool_call_id": "c2", "content": '{"error":"no"}'},
    ]
    assert responses(UserContent("hi"), CALLED, ANSWERED)["input"][1:] == [
        {"role": "assistant", "content": "Let me see."},
        {"type": "function_call", "call_id": "c1", "name": "f0", "arguments": '{"a":1}'},
        {"type": "function_call", "call_id": "c2", "name": "f0", "arguments": "{}"},
        {"type": "function_call_output", "call_id": "c1", "output": "one"},
        {"type": "function_call_output", "call_id": "c2", "output": '{"error":"no"}'},
    ]


def test_calls_without_ids_find_their_answers() -> None:
    call, answer = FunctionCall(name="f0", args={}), FunctionResponse(name="f0", response={"result": 1})
    model = Content(role="model", parts=[Part(function_call=call), Part(function_call=call)])
    user = Content(role="user", parts=[Part(function_response=answer), Part(function_response=answer)])
    items = responses(UserContent("hi"), model, user)["input"][1:]
    assert [item["call_id"] for item in items] == ["call_1", "call_2", "call_1", "call_2"]


def test_files_of_a_tool_go_with_its_answer_or_right_behind_it() -> None:
    file = FunctionResponsePart(inline_data=Blob(data=PIXEL, mime_type="image/png", display_name="shot"))
    answer = Part(function_response=FunctionResponse(id="c", name="f0", response=None, parts=[file]))
    contents = [UserContent("hi"), Content(role="user", parts=[answer])]
    assert chat(*contents)["messages"][1:] == [
        {"role": "tool", "tool_call_id": "c", "content": "See file shot"},
        {
            "role": "user",
            "content": [
                {"type": "text", "text": "This is file shot:"},
                {"type": "image_url", "image_url": {"url": PIXEL_URL}},
            ],
        },
    ]
    assert responses(*contents)["input"][1]["output"] == [
        {"type": "input_image", "detail": "auto", "image_url": PIXEL_URL}
    ]


def test_a_file_beside_an_answer_keeps_the_answer() -> None:
    file = FunctionResponsePart(file_data=FileData(file_uri="https://example.com/a.png"))
    given = FunctionResponse(id="c", name="f0", response={"result": "done"}, parts=[file])
    output = responses(Content(role="user", parts=[Part(function_response=given)]))["input"][0]["output"]
    assert [one["type"] for one in output] == ["input_text", "input_image"]


def test_a_tool_is_strict_where_its_schema_allows_that() -> None:
    first, second = responses(UserContent("hi"), tools=functions(ADD, LOOSE))["tools"]
    assert first == {
        "type": "function",
        "name": "f0",
        "parameters": {**ADD, "additionalProperties": False},
        "strict": True,
    }
    assert second == {"type": "function", "name": "f1", "parameters": LOOSE, "strict": False}
    first, second = (tool["function"] for tool in chat(UserContent("hi"), tools=functions(ADD, LOOSE))["tools"])
    assert first["strict"] is True
    assert "strict" not in second
    # Servers of other models get the schema as it is.
    assert chat(UserContent("hi"), settings=OPEN, tools=functions(ADD))["tools"][0]["function"]["parameters"] == ADD


@pytest.mark.parametrize(
    "schema",
    [
        {"type": "object"},
        {"type": "object", "properties": {"a": {}}, "required": ["a"]},
        {"type": "object", "properties": {"a": {"type": "array"}}, "required": ["a"]},
        {"type": "object", "properties": {"a": {"type": "object"}}, "required": ["a"]},
        {"type": "object", "properties": {"a": {"type": "string", "minLength": 2}}, "required": ["a"]},
        {"type": "object", "properties": {"a": {"oneOf": [{"type": "string"}]}}, "required": ["a"]},
        {"type": "object", "properties": {"a": {"type": "string"}}, "required": ["a"], "additionalProperties": True},
        {"type": "array", "items": {"type": "string"}},
    ],
)
def test_what_cannot_be_said_strictly_is_not(schema: dict[str, Any]) -> None:
    assert strict_schema(schema, narrow=True) is None


def test_a_strict_schema_is_strict_all_the_way_down() -> None:
    inner = {"type": "object", "properties": {"x": {"type": "integer", "default": 3}}}
    given = {
        "type": "object",
        "properties": {"all": {"type": "array", "items": {"$ref": "#/$defs/Inner"}}, "one": {"anyOf": [inner]}},
        "$defs": {"Inner": inner},
    }
    made = {**inner, "properties": {"x": {"type": "integer"}}, "required": ["x"], "additionalProperties": False}
    strict = strict_schema(given, narrow=True)
    assert strict is not None
    assert strict["$defs"]["Inner"] == made
    assert strict["properties"]["one"] == {"anyOf": [made]}
    assert strict["required"] == ["all", "one"]
    assert inner == {"type": "object", "properties": {"x": {"type": "integer", "default": 3}}}


def test_nothing_stands_beside_a_reference_in_a_strict_schema() -> None:
    given = {
        "type": "object",
        "properties": {"next": {"$ref": "#/$defs/Node", "description": "The next one."}},
        "required": ["next"],
        "$defs": {"Node": {"type": "object", "properties": {"name": {"type": "string"}}, "required": ["name"]}},
    }
    strict = strict_schema(given)
    assert strict is not None
    assert strict["properties"]["next"] == {"anyOf": [{"$ref": "#/$defs/Node"}], "description": "The next one."}


def test_parameters_in_geminis_words_are_understood() -> None:
    schema = Schema(
        type=Type.OBJECT,
        properties={
            "a": Schema(type=Type.STRING, nullable=True),
            "b": Schema(type=Type.ARRAY, items=Schema(type="STRING")),
        },
        required=["a", "b"],
    )
    tool = Tool(function_declarations=[FunctionDeclaration(name="f", parameters=schema)])
    assert responses(UserContent("hi"), tools=[tool])["tools"][0]["parameters"]["properties"] == {
        "a": {"anyOf": [{"type": "string"}, {"type": "null"}]},
        "b": {"type": "array", "items": {"type": "string"}},
    }


def test_tools_of_the_provider_are_passed_through() -> None:
    own = {"type": "mcp", "server_label": "wiki", "server_url": "https://example.com/mcp", "require_approval": "never"}
    tools = [Tool(google_search={}), Tool(code_execution={}), Tool(file_search={"vector_store_ids": ["vs"]}), own]
    assert responses(UserContent("hi"), tools=tools)["tools"] == [
        {"type": "web_search"},
        {"type": "code_interpreter", "container": {"type": "auto"}},
        {"type": "file_search", "vector_store_ids": ["vs"]},
        own,
    ]


def test_tools_that_an_api_does_not_have_are_left_out_and_told_of(caplog: pytest.LogCaptureFixture) -> None:
    choices._LEFT_OUT._told.clear()
    choices._LEFT_OUT_OF_CHAT._told.clear()
    tools = [
        Tool(google_search={"excludeDomains": ["example.org"]}),
        Tool(url_context={}),
        Tool(google_maps={}),
        *functions(ADD),
        {"type": "custom", "custom": {"name": "own"}},
    ]
    found = responses(UserContent("hi"), tools=tools)["tools"]
    assert [tool["type"] for tool in found] == ["web_search", "function", "custom"] and len(found[0]) == 1
    assert [tool["type"] for tool in chat(UserContent("hi"), tools=tools)["tools"]] == ["function", "custom"]
    told = " ".join(caplog.messages)
    assert "OpenAI's Responses API has no tool google_maps" in told
    assert "Chat Completions has no tool google_search" in told


@pytest.mark.parametrize(
    ("choice", "in_responses", "in_chat"),
    [
        (calling("AUTO"), None, None),
        (calling("NONE"), "none", "none"),
        (calling("ANY"), "required", "required"),
        (
            calling("ANY", "f0"),
            {"type": "function", "name": "f0"},
            {"type": "function", "function": {"name": "f0"}},
        ),
        (
            calling("AUTO", "f0"),
            {"type": "allowed_tools", "mode": "auto", "tools": [{"type": "function", "name": "f0"}]},
            {
                "type": "allowed_tools",
                "allowed_tools": {"mode": "auto", "tools": [{"type": "function", "function": {"name": "f0"}}]},
            },
        ),
    ],
)
def test_which_tools_may_be_called(choice: ToolConfig, in_responses: Any, in_chat: Any) -> None:
    settings: dict[str, Any] = {"tools": functions(ADD), "tool_config": choice}
    assert responses(UserContent("hi"), **settings).get("tool_choice") == in_responses
    assert chat(UserContent("hi"), **settings).get("tool_choice") == in_chat


def test_the_form_of_an_answer_is_asked_for_natively_with_tools_beside_it() -> None:
    schema = {"title": "City of ours", **LOOSE}
    strict = {**ADD, "additionalProperties": False}
    body = responses(UserContent("hi"), tools=functions(ADD), response_schema=schema)
    assert body["text"] == {"format": {"type": "json_schema", "name": "City_of_ours", "schema": strict, "strict": True}}
    assert body["tools"]
    body = chat(UserContent("hi"), tools=functions(ADD), response_schema=schema)
    assert body["response_format"] == {
        "type": "json_schema",
        "json_schema": {"name": "City_of_ours", "schema": strict, "strict": True},
    }


def test_an_answer_that_is_no_object_is_asked_for_in_one() -> None:
    form = responses(UserContent("hi"), response_schema=list[int])["text"]["format"]
    assert form["name"] == "result"
    assert form["schema"]["properties"] == {"answer": {"type": "array", "items": {"type": "integer"}}}


def test_any_json_can_be_asked_for() -> None:
    asked = {"response_mime_type": "application/json"}
    assert responses(UserContent("hi"), **asked)["text"] == {"format": {"type": "json_object"}}
    assert chat(UserContent("hi"), **asked)["response_format"] == {"type": "json_object"}


def test_settings_go_under_the_names_of_each_api() -> None:
    settings: dict[str, Any] = {"temperature": 0.5, "top_p": 0.9, "max_output_tokens": 7, "labels": {"a": "b"}}
    body = responses(UserContent("hi"), **settings)
    assert (body["temperature"], body["top_p"], body["max_output_tokens"], body["metadata"]) == (
        0.5,
        0.9,
        7,
        {"a": "b"},
    )
    body = chat(UserContent("hi"), **settings, stop_sequences=["."], seed=3)
    assert (body["max_completion_tokens"], body["stop"], body["seed"]) == (7, ["."], 3)
    assert "metadata" not in body
    kept = chat(UserContent("hi"), settings=Settings("gpt-4o", store=True), **settings)
    assert (kept["store"], kept["metadata"]) == (True, {"a": "b"})
    body = chat(UserContent("hi"), settings=OPEN, stream=True, **settings)
    assert body["max_tokens"] == 7
    assert body["stream_options"] == {"include_usage": True}


@pytest.mark.parametrize(
    ("thinking", "effort"),
    [
        (ThinkingConfig(thinking_level="HIGH"), "high"),
        (ThinkingConfig(thinking_budget=0), "minimal"),
        (ThinkingConfig(thinking_budget=1000), "low"),
        (ThinkingConfig(thinking_budget=8000), "medium"),
        (ThinkingConfig(thinking_budget=20_000), "high"),
        (ThinkingConfig(thinking_budget=-1), None),
    ],
)
def test_how_much_to_think(thinking: ThinkingConfig, effort: str | None) -> None:
    assert responses(UserContent("hi"), thinking_config=thinking).get("reasoning", {}).get("effort") == effort
    assert chat(UserContent("hi"), thinking_config=thinking).get("reasoning_effort") == effort


def test_thoughts_are_asked_for_as_summaries() -> None:
    thinking = ThinkingConfig(include_thoughts=True)
    body = responses(UserContent("hi"), settings=Settings("gpt-5", summary="detailed"), thinking_config=thinking)
    assert body["reasoning"] == {"summary": "detailed"}
    assert body["include"] == ["reasoning.encrypted_content"]
    assert "include" not in responses(UserContent("hi"))
    assert responses(UserContent("hi"), response_logprobs=True)["include"] == ["message.output_text.logprobs"]


REASONED: dict[str, Any] = {
    "status": "completed",
    "output": [
        {
            "id": "rs_1",
            "type": "reasoning",
            "summary": [{"type": "summary_text", "text": "First."}, {"type": "summary_text", "text": "Then."}],
            "encrypted_content": "gAAAA+/=",
            "newer_field": {"kept": [1, 2.5, None]},
        },
        {"id": "ws_1", "type": "web_search_call", "status": "completed", "action": {"type": "search", "query": "x"}},
        {
            "id": "fc_1",
            "type": "function_call",
            "status": "completed",
            "call_id": "c1",
            "name": "f0",
            "arguments": '{ "a": 1 }',
        },
        {
            "id": "msg_1",
            "type": "message",
            "role": "assistant",
            "status": "completed",
            "phase": "commentary",
            "content": [{"type": "output_text", "text": "Wait.", "annotations": [], "logprobs": []}],
        },
    ],
    "usage": {"input_tokens": 1, "output_tokens": 2, "total_tokens": 3},
}


def reasoned() -> Content:
    """The answer above, as it comes out of a store."""
    response = ResponsesAnswer(None).whole(REASONED)
    assert response.content is not None
    return Content.model_validate_json(response.content.model_dump_json(by_alias=True))


def test_reasoning_and_what_belongs_to_it_go_back_unchanged() -> None:
    answer = Content(role="user", parts=[ANSWERED.parts[0]]) if ANSWERED.parts else ANSWERED
    items = responses(UserContent("hi"), reasoned(), answer, settings=Settings("gpt-5"))["input"]
    reasoning, search, call, message = REASONED["output"]
    assert items[1:3] == [reasoning, search]
    assert items[3] == {name: value for name, value in call.items() if name != "status"}
    assert items[4] == {**message, "content": [{"type": "output_text", "text": "Wait.", "annotations": []}]}


def test_thoughts_are_shown_and_their_signature_holds_the_whole_item() -> None:
    thought = (reasoned().parts or [])[0]
    assert thought.thought
    assert thought.text == "First.\n\nThen."
    assert msgspec.json.decode(thought.thought_signature or b"")["openai"] == REASONED["output"][0]


def test_reasoning_does_not_go_to_a_model_that_refuses_it_and_takes_the_ids_with_it() -> None:
    items = responses(UserContent("hi"), reasoned(), settings=Settings("gpt-4o"))["input"]
    assert [item.get("type") for item in items] == [None, "web_search_call", "function_call", None]
    assert "id" not in items[2]
    assert items[3] == {"role": "assistant", "content": "Wait.", "phase": "commentary"}


def test_reasoning_that_nothing_follows_is_left_out() -> None:
    alone = Content(role="model", parts=(reasoned().parts or [])[:1])
    assert responses(UserContent("hi"), alone, settings=Settings("gpt-5"))["input"] == [
        {"role": "user", "content": "hi"}
    ]


def test_reasoning_that_the_provider_does_not_keep_goes_back_encrypted_only() -> None:
    plain = {**REASONED, "output": [{"id": "rs_1", "type": "reasoning", "summary": []}, REASONED["output"][3]]}
    content = ResponsesAnswer(None).whole(plain).content
    kept = responses(content, settings=Settings("gpt-5", store=True))["input"]
    assert [item["type"] for item in kept] == ["reasoning", "message"]
    sent = responses(content, settings=Settings("gpt-5", store=False))["input"]
    assert sent == [{"role": "assistant", "content": "Wait.", "phase": "commentary"}]


def test_thoughts_of_other_providers_stay_where_they_are() -> None:
    thoughts = [Part(text="Hm.", thought=True, thought_signature=b"\x00\x01"), Part(text="Aha.")]
    content = Content(role="model", parts=thoughts)
    assert responses(content, settings=Settings("gpt-5"))["input"] == [{"role": "assistant", "content": "Aha."}]
    assert chat(content)["messages"] == [{"role": "assistant", "content": "Aha."}]


def test_code_of_other_providers_is_told_as_text() -> None:
    parts = [
        Part.model_validate({"executableCode": {"code": "print(1)", "language": "PYTHON"}}),
        Part.model_validate({"codeExecutionResult": {"outcome": "OUTCOME_OK", "output": "1"}}),
    ]
    assert responses(Content(role="model", parts=parts))["input"] == [
        {"role": "assistant", "content": "```python\nprint(1)\n```"},
        {"role": "assistant", "content": "```\n1\n```"},
    ]


def test_arguments_go_back_as_the_model_wrote_them_unless_they_were_changed() -> None:
    content = reasoned()
    part = next(part for part in content.parts or [] if part.function_call is not None)
    assert part.function_call is not None
    part.function_call.args = {"a": 2}
    call = next(item for item in responses(content)["input"] if item.get("type") == "function_call")
    assert call["arguments"] == '{"a":2}'


@pytest.mark.parametrize("api", ["chat", "responses"])
def test_a_request_begins_with_the_bytes_of_the_one_before_it(api: str) -> None:
    config = GenerateContentConfig(
        system_instruction="Be brief.", tools=functions(ADD, LOOSE), response_schema=LOOSE, temperature=0.1
    )
    said = [UserContent("hi"), reasoned(), Content(role="user", parts=(ANSWERED.parts or [])[:1]), UserContent("go on")]
    before = b""
    for count in range(1, len(said) + 1):
        request = LlmRequest(contents=said[:count], config=config)
        module: Any = chat_request if api == "chat" else responses_request
        if said[count - 1].role == "model":
            continue
        sent = msgspec.json.encode(module.request_body(request, Settings("gpt-5"), output_form(config), stream=True))
        assert sent.endswith(b"]}")
        assert sent.startswith(before)
        before = sent[:-2]


@pytest.mark.parametrize(
    ("name", "own", "gives_reasoning", "takes"),
    [
        ("gpt-5", True, True, True),
        ("gpt-5.6-codex", True, True, True),
        ("gpt-10-mini", True, True, True),
        ("o4-mini", True, True, True),
        ("gpt-5-chat-latest", True, False, False),
        ("gpt-4o", True, False, False),
        ("ft:gpt-4.1:me", True, False, False),
        ("gpt-oss:20b", False, False, True),
        ("qwen3", False, False, True),
    ],
)
def test_what_a_name_says(name: str, own: bool, gives_reasoning: bool, takes: bool) -> None:
    assert (is_own(name), reasons(name), takes_reasoning(name)) == (own, gives_reasoning, takes)


def test_what_the_provider_cannot_do_is_left_out() -> None:
    assert set(responses(UserContent("hi"), top_k=5, candidate_count=2)) == {"model", "stream", "input"}


def test_a_form_in_geminis_words_is_understood() -> None:
    written = {"type": "OBJECT", "properties": {"a": {"type": "INTEGER"}}, "required": ["a"]}
    wanted = {**ADD, "additionalProperties": False}
    schema = Schema(type=Type.OBJECT, properties={"a": Schema(type=Type.INTEGER)}, required=["a"])
    for given in (written, schema):
        assert responses(UserContent("hi"), response_schema=given)["text"]["format"]["schema"] == wanted


def test_speech_is_asked_for_with_its_voice() -> None:
    voice = SpeechConfig.model_validate({"voiceConfig": {"prebuiltVoiceConfig": {"voiceName": "verse"}}})
    asked: dict[str, Any] = {"response_modalities": ["AUDIO"], "speech_config": voice}
    assert chat(UserContent("hi"), **asked)["audio"] == {"voice": "verse", "format": "wav"}
    assert chat(UserContent("hi"), stream=True, **asked)["audio"] == {"voice": "verse", "format": "pcm16"}
