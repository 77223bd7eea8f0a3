# SPDX-License-Identifier: Apache-2.0
"""What Gemini is sent and what is made of what it says, seen on the wire of its SDK."""

import base64
import gc
import itertools
import json
from dataclasses import dataclass
from typing import Any

import pytest
from pydantic import BaseModel

from runwright import Agent, Event, InMemoryRunner, LlmRequest, RunConfig, StreamingMode, errors, types
from runwright.models.gemini import Gemini
from runwright.testing.wire import FaultServer, LoopbackServer, WireAnswer, WireRequest, json_answer, sse_answer
from tests.models.gemini_replay import anonymous

PNG = b"\x89PNG\xfb\xff\xfe"


def said(*parts: dict[str, Any], finish: str = "STOP", **usage: int) -> dict[str, Any]:
    candidate = {"content": {"parts": list(parts), "role": "model"}, "finishReason": finish}
    counts = {"promptTokenCount": 1000, "candidatesTokenCount": 100, "totalTokenCount": 1100, **usage}
    return {"candidates": [candidate], "usageMetadata": counts, "modelVersion": "gemini-2.5-flash"}


OK = json_answer(said({"text": "ok"}))


async def ask(model: Gemini, request: LlmRequest, *, stream: bool = False) -> list[Any]:
    responses = [response async for response in model.generate_content_async(request, stream)]
    await model.close()
    return responses


async def sent(request: LlmRequest, **settings: Any) -> WireRequest:
    """What goes over the wire for a request."""
    with FaultServer([OK]) as server:
        await ask(Gemini(**{"api_key": "a-key", "base_url": server.url, **settings}), request)
        return server.requests[0]


async def run(answers: list[WireAnswer], *messages: Any, **agent: Any) -> tuple[list[Event], list[Any]]:
    """The events of a conversation, and the bodies that were sent."""
    with FaultServer(answers) as server:
        model = Gemini(model=agent.pop("model", "gemini-2.5-flash"), api_key="a-key", base_url=server.url)
        streams = answers[0].streamed
        config = RunConfig(streaming_mode=StreamingMode.SSE if streams else StreamingMode.NONE)
        runner = InMemoryRunner(Agent(name="agent", model=model, **agent), app_name="app")
        events: list[Event] = []
        for message in messages or ("Hi",):
            said = runner.run_async(user_id="u", session_id="s", new_message=message, run_config=config)
            events.extend([event async for event in said])
        await runner.close()
        await model.close()
        return events, [request.json() for request in server.requests]


async def test_text_images_audio_documents_and_files_go_in() -> None:
    content = types.Content(
        role="user",
        parts=[
            types.Part.from_text(text="What is this?"),
            types.Part.from_bytes(data=PNG, mime_type="image/png"),
            types.Part.from_bytes(data=b"RIFF", mime_type="audio/wav"),
            types.Part.from_bytes(data=b"%PDF", mime_type="application/pdf"),
            types.Part(
                file_data=types.FileData(file_uri="https://f/1", mime_type="video/mp4", display_name="a film"),
                video_metadata=types.VideoMetadata(fps=2.0),
            ),
        ],
    )
    body = (await sent(LlmRequest(contents=[content]))).json()
    assert body["contents"] == [
        {
            "role": "user",
            "parts": [
                {"text": "What is this?"},
                {"inlineData": {"data": base64.b64encode(PNG).decode(), "mimeType": "image/png"}},
                {"inlineData": {"data": base64.b64encode(b"RIFF").decode(), "mimeType": "audio/wav"}},
                {"inlineData": {"data": base64.b64encode(b"%PDF").decode(), "mimeType": "application/pdf"}},
                {"fileData": {"fileUri": "https://f/1", "mimeType": "video/mp4"}, "videoMetadata": {"fps": 2.0}},
            ],
        }
    ]


async def test_settings_go_where_the_api_wants_them() -> None:
    config = types.GenerateContentConfig(
        system_instruction="Be brief.",
        temperature=0.0,
        top_k=3,
        stop_sequences=["x"],
        thinking_config=types.ThinkingConfig(include_thoughts=True, thinking_budget=0),
        tool_config=types.ToolConfig(
            function_calling_config=types.FunctionCallingConfig(mode="ANY", allowed_function_names=["f"])
        ),
        safety_settings=[types.SafetySetting(category="HARM_CATEGORY_HARASSMENT", threshold="OFF", method="SEVERITY")],
        tools=[types.Tool(google_search={}), {"urlContext": {}}],
        labels={"team": "a"},
        cached_content="cachedContents/1",
        http_options=types.HttpOptions(headers={"x-mine": "1"}, extra_body={"generationConfig": {"newSetting": 1}}),
    )
    request = await sent(LlmRequest(contents=[types.UserContent("Hi")], config=config))
    assert request.headers["x-mine"] == "1"
    assert request.headers["x-goog-api-key"] == "a-key"
    assert "x-server-timeout" not in request.headers
    assert request.target == "/v1beta/models/gemini-2.5-flash:generateContent"
    assert request.json() == {
        "contents": [{"parts": [{"text": "Hi"}], "role": "user"}],
        "systemInstruction": {"parts": [{"text": "Be brief."}], "role": "user"},
        "generationConfig": {
            "temperature": 0.0,
            "topK": 3,
            "stopSequences": ["x"],
            "thinkingConfig": {"includeThoughts": True, "thinkingBudget": 0},
            "newSetting": 1,
        },
        "toolConfig": {"functionCallingConfig": {"mode": "ANY", "allowedFunctionNames": ["f"]}},
        "safetySettings": [{"category": "HARM_CATEGORY_HARASSMENT", "threshold": "OFF"}],
        "tools": [{"googleSearch": {}}, {"urlContext": {}}],
        "cachedContent": "cachedContents/1",
    }


async def test_vertex_ai_has_its_own_address_and_settings() -> None:
    config = types.GenerateContentConfig(labels={"team": "a"}, model_armor_config={"response_template_name": "t"})
    request = await sent(
        LlmRequest(contents=[types.UserContent("Hi")], config=config),
        api_key=None,
        vertexai=True,
        project="p",
        location="europe-west4",
        credentials=anonymous(),
    )
    path = "/v1beta1/projects/p/locations/europe-west4/publishers/google/models/gemini-2.5-flash:generateContent"
    assert request.target == path
    assert request.headers["authorization"] == "Bearer a-token"
    assert request.json()["labels"] == {"team": "a"}
    assert request.json()["modelArmorConfig"] == {"response_template_name": "t"}


async def test_a_request_always_ends_with_the_user() -> None:
    nothing = (await sent(LlmRequest())).json()
    assert nothing["contents"][-1]["role"] == "user"
    contents = [types.UserContent("Hi"), types.ModelContent("Hello")]
    body = (await sent(LlmRequest(contents=contents))).json()
    assert [content["role"] for content in body["contents"]] == ["user", "model", "user"]


class City(BaseModel):
    name: str
    people: int


@dataclass
class Town:
    name: str


@pytest.mark.parametrize("schema", [City, Town, {"type": "object", "properties": {"name": {"type": "string"}}}])
async def test_structured_output_is_the_providers_own(schema: Any) -> None:
    events, bodies = await run([json_answer(said({"text": '{"name": "Oslo", "people": 1}'}))], output_schema=schema)
    generation = bodies[0]["generationConfig"]
    assert generation["responseMimeType"] == "application/json"
    assert generation["responseJsonSchema"]["properties"]["name"] == {"type": "string"}
    assert events[-1].is_final_response()


def population(city: str) -> int:
    """How many live in a city."""
    return 700_000


@pytest.mark.parametrize(("model", "native"), [("gemini-3-pro-preview", True), ("gemini-2.5-flash", False)])
async def test_structured_output_beside_tools(model: str, native: bool) -> None:
    answer = {"name": "Oslo", "people": 700_000}
    last = {"text": json.dumps(answer)} if native else {"functionCall": {"name": "set_model_response", "args": answer}}
    called = said({"functionCall": {"name": "population", "args": {"city": "Oslo"}}})
    answers = [json_answer(called), json_answer(said(last))]
    events, bodies = await run(answers, model=model, output_schema=City, tools=[population], output_key="city")
    names = [one["name"] for one in bodies[0]["tools"][0]["functionDeclarations"]]
    assert ("responseJsonSchema" in bodies[0]["generationConfig"]) is native
    assert ("set_model_response" in names) is not native
    deltas = [event.actions.state_delta["city"] for event in events if "city" in event.actions.state_delta]
    assert deltas == [City(**answer).model_dump()]


async def test_thoughts_and_signatures_go_back_as_they_came() -> None:
    signature = base64.b64encode(bytes(range(256))).decode()
    parts = [
        {"text": "Let me see.", "thought": True},
        {"functionCall": {"id": "c1", "name": "population", "args": {"city": "Oslo"}}, "thoughtSignature": signature},
        {"functionCall": {"id": "c2", "name": "population", "args": {"city": "Bergen"}}},
    ]
    chunks = [b"data: " + json.dumps(said(part)).encode() + b"\n\n" for part in parts]
    last = [b"data: " + json.dumps(said({"text": "Many."})).encode() + b"\n\n"]
    _, bodies = await run([sse_answer(chunks), sse_answer(last)], tools=[population])
    assert bodies[1]["contents"][1] == {"parts": parts, "role": "model"}
    answers = bodies[1]["contents"][2]["parts"]
    assert [part["functionResponse"]["id"] for part in answers] == ["c1", "c2"]


async def test_a_text_with_a_signature_is_not_joined_to_another() -> None:
    texts = [
        {"text": "A"},
        {"text": "B"},
        {"text": "C", "thoughtSignature": "AQID"},
        {"text": "D"},
        {"text": "", "thoughtSignature": "BAUG"},
    ]
    chunks = [b"data: " + json.dumps(said(text)).encode() + b"\n\n" for text in texts]
    events, _ = await run([sse_answer(chunks)])
    whole = events[-1].content
    assert whole is not None and whole.parts is not None
    assert [(part.text, part.thought_signature) for part in whole.parts] == [
        ("AB", None),
        ("C", b"\x01\x02\x03"),
        ("D", None),
        ("", b"\x04\x05\x06"),
    ]


async def test_what_other_providers_keep_is_not_sent() -> None:
    contents = [
        types.UserContent("Hi"),
        types.Content(
            role="model",
            parts=[
                types.Part(text="hm", thought=True, thought_signature=b'{"openai":{"id":"rs_1"}}'),
                types.Part(text="hm", thought=True, thought_signature=b"EqQB", part_metadata={"anthropic": {}}),
                types.Part(
                    function_call=types.FunctionCall(id="c", name="f", args={}),
                    part_metadata={"openai": {"id": "fc_1"}, "mine": 1},
                ),
            ],
        ),
        types.Content(
            role="user", parts=[types.Part(function_response=types.FunctionResponse(id="c", name="f", response={}))]
        ),
    ]
    body = (await sent(LlmRequest(contents=contents))).json()
    call = {"functionCall": {"id": "c", "name": "f", "args": {}}, "partMetadata": {"mine": 1}}
    assert body["contents"][1] == {"role": "model", "parts": [call]}
    newer = (await sent(LlmRequest(contents=contents), model="gemini-3-pro-preview")).json()
    unsigned = base64.b64encode(b"skip_thought_signature_validator").decode()
    assert newer["contents"][1]["parts"] == [{**call, "thoughtSignature": unsigned}]


async def test_each_turn_begins_with_what_the_turn_before_sent() -> None:
    call = said({"functionCall": {"name": "population", "args": {"city": "Oslo"}}, "thoughtSignature": "AQID"})
    answers = [
        json_answer(call),
        json_answer(said({"text": "Many."})),
        json_answer(call),
        json_answer(said({"text": "Yes."})),
    ]
    _, bodies = await run(answers, "How many?", "Really?", tools=[population], instruction="Be brief.")
    assert len(bodies) == 4
    for before, after in itertools.pairwise(bodies):
        shown = json.dumps(after.pop("contents"))
        assert shown.startswith(json.dumps(before.pop("contents"))[:-1])
        assert json.dumps(before) == json.dumps(after)
        after["contents"] = json.loads(shown)


@pytest.mark.parametrize("streams", [False, True])
async def test_usage_has_its_cost(streams: bool) -> None:
    answer = said({"text": "ok"}, cachedContentTokenCount=400, thoughtsTokenCount=50)
    wire = sse_answer([b"data: " + json.dumps(answer).encode() + b"\n\n"]) if streams else json_answer(answer)
    events, _ = await run([wire])
    usage = events[-1].usage_metadata
    assert usage is not None
    assert (usage.cached_content_token_count, usage.thoughts_token_count) == (400, 50)
    plain, _ = await run([json_answer(said({"text": "ok"}, thoughtsTokenCount=50))])
    dearer = plain[-1].usage_metadata
    assert dearer is not None and usage.cost is not None and dearer.cost is not None
    assert 0 < usage.cost < dearer.cost < 0.01
    assert "cost" not in usage.model_dump(exclude_none=True)


async def test_a_model_without_a_price_has_no_cost() -> None:
    answer = said({"text": "ok"}) | {"modelVersion": "gemini-of-another-kind"}
    events, _ = await run([json_answer(answer)])
    assert events[-1].usage_metadata is not None and events[-1].usage_metadata.cost is None


async def test_an_answer_that_reached_its_limit_says_so() -> None:
    events, _ = await run([json_answer(said({"text": "The capital"}, finish="MAX_TOKENS"))])
    assert (events[-1].finish_reason, events[-1].error_code) == ("MAX_TOKENS", None)
    nothing = {"candidates": [{"finishReason": "MAX_TOKENS"}], "usageMetadata": {"promptTokenCount": 3}}
    events, _ = await run([json_answer(nothing)])
    assert events[-1].error_code == "MAX_TOKENS"


async def test_what_a_tool_of_the_providers_did_is_kept() -> None:
    parts = [
        {"executableCode": {"language": "PYTHON", "code": "print(1)"}},
        {"codeExecutionResult": {"outcome": "OUTCOME_OK", "output": "1"}},
        {"inlineData": {"mimeType": "image/png", "data": base64.b64encode(PNG).decode()}},
        {
            "toolCall": {"id": "t1", "toolType": "GOOGLE_SEARCH_WEB", "args": {"queries": ["one"]}},
            "thoughtSignature": "AQID",
        },
        {"toolResponse": {"id": "t1", "toolType": "GOOGLE_SEARCH_WEB", "response": {"someThing": 1}}},
        {"text": "One."},
    ]
    answer = said(*parts)
    answer["candidates"][0]["groundingMetadata"] = {"webSearchQueries": ["one"]}
    events, bodies = await run([json_answer(answer), OK], "Compute.", "Again.")
    assert bodies[1]["contents"][1]["parts"] == parts
    first = next(event for event in events if event.author == "agent")
    assert first.grounding_metadata == {"webSearchQueries": ["one"]}


class Counting(LoopbackServer):
    def answer(self, request: WireRequest) -> WireAnswer:
        return json_answer({"totalTokens": 7})


async def test_tokens_are_counted_with_instructions_and_tools() -> None:
    config = types.GenerateContentConfig(system_instruction="Be brief.", tools=[types.Tool(google_search={})])
    request = LlmRequest(contents=[types.UserContent("Hi")], config=config)
    with Counting() as server:
        model = Gemini(api_key="a-key", base_url=server.url)
        assert await model.count_tokens(request) == 7
        await model.close()
        vertex = Gemini(vertexai=True, project="p", location="l", credentials=anonymous(), base_url=server.url)
        assert await vertex.count_tokens(request) == 7
        await vertex.close()
        asked, on_vertex = server.requests
    assert asked.target == "/v1beta/models/gemini-2.5-flash:countTokens"
    whole = asked.json()["generateContentRequest"]
    assert whole["model"] == "models/gemini-2.5-flash"
    assert whole["contents"] == [{"parts": [{"text": "Hi"}], "role": "user"}]
    assert set(whole) >= {"systemInstruction", "tools"}
    assert on_vertex.target.endswith("/publishers/google/models/gemini-2.5-flash:countTokens")
    assert set(on_vertex.json()) >= {"contents", "systemInstruction", "tools"}


async def test_the_wrong_keyword_is_named() -> None:
    with pytest.raises(errors.ConfigurationError, match="api_key"):
        Gemini(api_ky="a-key")  # type: ignore[call-arg]


def test_a_model_that_was_named_is_closed_with_its_runner(monkeypatch: pytest.MonkeyPatch) -> None:
    with FaultServer([OK]) as server:
        monkeypatch.setenv("GOOGLE_API_KEY", "a-key")
        monkeypatch.setenv("GOOGLE_GEMINI_BASE_URL", server.url)
        agent = Agent(name="agent", model="gemini-2.5-flash")
        with InMemoryRunner(agent, app_name="app") as runner:
            said = list(runner.run(user_id="u", session_id="s", new_message="Hi"))
        gc.collect()  # a connection left open would be complained of
    assert types.text_of(said[-1].content) == "ok"


def answered(response: dict[str, Any], *files: types.Blob | types.FileData) -> list[types.Content]:
    """A conversation in which a function answers with files, beside another one that does not."""
    parts = [
        types.FunctionResponsePart(
            inline_data=file if isinstance(file, types.Blob) else None,
            file_data=file if isinstance(file, types.FileData) else None,
        )
        for file in files
    ]
    calls = [types.Part.from_function_call(name=name, args={}) for name in ("draw", "other")]
    answers = [
        types.Part.from_function_response(name="draw", response=response, parts=parts),
        types.Part.from_function_response(name="other", response={}),
    ]
    return [
        types.UserContent("Draw"),
        types.Content(role="model", parts=calls),
        types.Content(role="user", parts=answers),
    ]


IMAGE = types.Blob(data=PNG, mime_type="image/png", display_name="cat.png")
NESTED = {"inlineData": {"data": base64.b64encode(PNG).decode(), "mimeType": "image/png"}}


async def test_files_in_answers_stand_where_the_model_takes_them() -> None:
    sound = types.Blob(data=b"RIFF", mime_type="audio/wav", display_name="meow.wav")
    heard = {"inlineData": {"data": base64.b64encode(b"RIFF").decode(), "mimeType": "audio/wav"}}
    request = LlmRequest(contents=answered({"ok": 1}, IMAGE, sound))
    # "function_response.parts is not supported for this model"
    *_, answer, files = (await sent(request, model="gemini-2.5-flash")).json()["contents"]
    told = {"text": "A file that draw answered with:"}
    assert [part["functionResponse"] for part in answer["parts"]] == [
        {"name": "draw", "response": {"ok": 1}},
        {"name": "other", "response": {}},
    ]
    assert files == {"role": "user", "parts": [told, NESTED, told, heard]}
    *_, answer, files = (await sent(request, model="gemini-3-pro")).json()["contents"]
    assert answer["parts"][0]["functionResponse"] == {"name": "draw", "response": {"ok": 1}, "parts": [NESTED]}
    assert files == {"role": "user", "parts": [told, heard]}


async def test_files_that_lie_elsewhere_are_not_in_answers_of_the_gemini_api() -> None:
    file = types.FileData(file_uri="https://f/1", mime_type="image/png")
    contents = (await sent(LlmRequest(contents=answered({}, file)), model="gemini-3-pro")).json()["contents"]
    assert contents[-1]["parts"][1] == {"fileData": {"fileUri": "https://f/1", "mimeType": "image/png"}}
    assert "parts" not in contents[-2]["parts"][0]["functionResponse"]


VERTEX: dict[str, Any] = {"api_key": None, "vertexai": True, "project": "p", "location": "l"}


async def test_vertex_ai_is_told_the_names_of_files_and_where_they_lie() -> None:
    file = types.FileData(file_uri="gs://b/1", mime_type="image/png")
    request = LlmRequest(contents=answered({}, IMAGE, file))
    contents = (await sent(request, model="gemini-3-pro", credentials=anonymous(), **VERTEX)).json()["contents"]
    assert contents[-1]["parts"][0]["functionResponse"]["parts"] == [
        {"inlineData": {**NESTED["inlineData"], "displayName": "cat.png"}},
        {"fileData": {"fileUri": "gs://b/1", "mimeType": "image/png"}},
    ]


async def test_an_answer_with_references_of_its_own_is_told_as_text() -> None:
    # "The referenced name `#/$defs/Cat` in function_response.response does not match to a display_name": a tool that
    # answers with a schema would end the conversation.
    schema = {"properties": {"cat": {"$ref": "#/$defs/Cat"}}}
    contents = (await sent(LlmRequest(contents=answered(schema)))).json()["contents"]
    assert contents[-1]["parts"][0]["functionResponse"]["response"] == {
        "result": '{"properties":{"cat":{"$ref":"#/$defs/Cat"}}}'
    }


@pytest.mark.parametrize("vertex", [False, True])
async def test_what_is_kept_of_parts_for_others_is_not_sent(vertex: bool) -> None:
    kept = {"anthropic": {"citations": []}, "anthropic_container": "c", "mine": 1}
    contents = [types.Content(role="user", parts=[types.Part(text="Hi", thought_signature=b"s", part_metadata=kept)])]
    settings = {"credentials": anonymous(), **VERTEX} if vertex else {}
    [content] = (await sent(LlmRequest(contents=contents), **settings)).json()["contents"]
    assert content["parts"] == [{"text": "Hi"} if vertex else {"text": "Hi", "partMetadata": {"mine": 1}}]
