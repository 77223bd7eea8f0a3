# SPDX-License-Identifier: Apache-2.0
"""Claude through our agents: recorded conversations again, thoughts and tools' blocks back as they came, caches."""

import asyncio
import itertools
import sys
import threading
from pathlib import Path
from typing import Any

import anthropic
import msgspec
import pytest

from runwright import Agent, App, InMemoryRunner, types
from runwright.app import ContextCacheConfig
from runwright.errors import ConfigurationError, MissingDependencyError, ModelBadRequestError
from runwright.event import Event
from runwright.model import LlmRequest
from runwright.models.anthropic import Claude, PromptCache, schemas
from runwright.models.anthropic.traits import traits
from runwright.record import Record
from runwright.testing.wire import FaultServer, faults, json_answer, read_recording
from runwright.tools.agent_tool import AgentTool
from tests.models.claude import (
    Talk,
    answer,
    failing,
    message,
    model_for,
    streamed,
    text,
    use,
    whole,
)
from tests.models.claude_replay import blocks_of, check
from tests.models.recordings import recorded

THOUGHT = {"type": "thinking", "thinking": "Let me look.", "signature": "EqEECkYICxgCKkAo+/=="}
REDACTED = {"type": "redacted_thinking", "data": "EmwKAhgBEgy3va3pzix/LafPsn4aDFIT2Xlxh0L5L8rLVyIw=="}
SEARCH = {"type": "server_tool_use", "id": "srvtoolu_1", "name": "web_search", "input": {"query": "runwright"}}
FOUND = {
    "type": "web_search_tool_result",
    "tool_use_id": "srvtoolu_1",
    "content": [{"type": "web_search_result", "title": "R", "url": "https://example.com", "encrypted_content": "Eq=="}],
}
CITED = {
    "type": "text",
    "text": "An engine.",
    "citations": [{"type": "web_search_result_location", "cited_text": "An engine", "encrypted_index": "Eo8=="}],
}


def look(place: str) -> str:
    """Looks somewhere."""
    return f"a cat in the {place}"


# --- recordings ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("path", recorded("anthropic"))
async def test_a_recorded_conversation_comes_out_the_same(path: Path):
    await check(read_recording(path))


# --- what comes goes back ------------------------------------------------------------------------------------


@pytest.mark.parametrize("stream", [False, True])
async def test_thoughts_go_back_byte_for_byte_with_the_results_of_tools(stream):
    called = [THOUGHT, REDACTED, text("I look."), use("look", place="box")]
    make = streamed if stream else answer
    with FaultServer([make(*called, stop="tool_use"), make(text("A cat."))]) as server:
        async with Talk(model_for(server.url), tools=[look]) as talk:
            events = await talk.say("Where is it?", stream=stream)
            stored = Event.model_validate_json((await talk.stored())[1].model_dump_json(exclude_none=True))
        [first, second] = [request.json() for request in server.requests]
    assert second["messages"][:1] == first["messages"]
    assert second["messages"][1] == {"role": "assistant", "content": called}
    result = {"type": "tool_result", "tool_use_id": "toolu_1", "content": "a cat in the box", "is_error": False}
    assert second["messages"][2] == {"role": "user", "content": [result]}
    thought, redacted = whole(events)[0].content.parts[:2]
    assert (thought.text, thought.thought, thought.thought_signature) == (
        THOUGHT["thinking"],
        True,
        THOUGHT["signature"].encode(),
    )
    assert (redacted.text, redacted.thought, redacted.thought_signature) == ("", True, REDACTED["data"].encode())
    assert stored.content == whole(events)[0].content  # Nothing of it is lost in a store.


@pytest.mark.parametrize("stream", [False, True])
async def test_a_thought_without_text_keeps_its_signature(stream):
    hidden = {**THOUGHT, "thinking": ""}
    make = streamed if stream else answer
    with FaultServer([make(hidden, text("Hi.")), make(text("Bye."))]) as server:
        async with Talk(model_for(server.url)) as talk:
            await talk.say("Hello", stream=stream)
            await talk.say("Good bye", stream=stream)
        assert server.requests[1].json()["messages"][1]["content"] == [hidden, text("Hi.")]


@pytest.mark.parametrize("stream", [False, True])
async def test_what_the_providers_tools_did_is_kept_and_goes_back(stream):
    said = [text("I search."), SEARCH, FOUND, CITED if not stream else text("An engine.")]
    make = streamed if stream else answer
    search = {"type": "web_search_20250305", "name": "web_search", "max_uses": 2}
    with FaultServer([make(*said), make(text("Yes."))]) as server:
        async with Talk(model_for(server.url, server_tools=[search])) as talk:
            [event] = whole(await talk.say("What is it?", stream=stream))
            await talk.say("Sure?", stream=stream)
        assert server.requests[0].json()["tools"] == [search]
        assert server.requests[1].json()["messages"][1]["content"] == said
    assert types.text_of(event.content) == "I search.An engine." and event.is_final_response()


@pytest.mark.parametrize("stream", [False, True])
async def test_who_called_a_tool_goes_back_where_it_was_other_code_of_the_models(stream):
    by_code = {**use("look", place="box"), "caller": {"type": "code_execution_20260120", "tool_id": "srvtoolu_1"}}
    by_itself = {**use("look", "toolu_2", place="bag"), "caller": {"type": "direct"}}
    make = streamed if stream else answer
    with FaultServer([make(by_code, by_itself, stop="tool_use"), make(text("A cat."))]) as server:
        async with Talk(model_for(server.url), tools=[look]) as talk:
            await talk.say("Look", stream=stream)
        assert server.requests[1].json()["messages"][1]["content"] == [by_code, use("look", "toolu_2", place="bag")]


async def test_citations_in_a_stream_are_kept():
    chunks = streamed(text("An engine.")).chunks
    cite = {"type": "content_block_delta", "index": 0, "delta": {"type": "citations_delta", "citation": {"type": "x"}}}
    event = b"event: content_block_delta\ndata: " + msgspec.json.encode(cite) + b"\n\n"
    made = streamed()
    made = type(made)(headers=made.headers, chunks=[*chunks[:5], event, *chunks[5:]], streamed=True)
    with FaultServer([made]) as server:
        async with Talk(model_for(server.url)) as talk:
            [said] = whole(await talk.say("Hi", stream=True))
    assert blocks_of(said) == [{"type": "text", "text": "An engine.", "citations": [{"type": "x"}]}]


@pytest.mark.parametrize("stream", [False, True])
async def test_a_paused_turn_is_gone_on_with_and_is_one_answer(stream):
    make = streamed if stream else answer
    cached = {"cache_read_input_tokens": 3}
    answers = [make(SEARCH, stop="pause_turn"), make(FOUND, text("Found."), usage=cached), make(text("Yes."))]
    with FaultServer(answers) as server:
        async with Talk(model_for(server.url)) as talk:
            [event] = whole(await talk.say("Search", stream=stream))
            await talk.say("Sure?", stream=stream)
        paused, after = server.requests[1].json()["messages"], server.requests[2].json()["messages"]
    assert paused[1:] == [{"role": "assistant", "content": [SEARCH]}]
    assert after[1] == {"role": "assistant", "content": [SEARCH, FOUND, text("Found.")]}
    usage = event.usage_metadata
    assert (usage.prompt_token_count, usage.candidates_token_count, usage.cached_content_token_count) == (23, 10, 3)


@pytest.mark.parametrize("stream", [False, True])
async def test_the_providers_tools_go_on_where_they_ran(stream):
    make = streamed if stream else answer
    ran = {"id": "container_1", "expires_at": "2026-01-01T00:00:00Z"}
    gone = faults.failed(400, failing("invalid_request_error", "The container container_1 has expired"))
    answers = [make(text("Ran."), container=ran), make(text("Again.")), gone, make(text("Anew."))]
    code = {"type": "code_execution_20250825", "name": "code_execution"}
    with FaultServer(answers) as server:
        async with Talk(model_for(server.url, server_tools=[code])) as talk:
            said = [whole(await talk.say("Run it", stream=stream))[0] for _ in range(3)]
        sent = [request.json() for request in server.requests]
    assert [types.text_of(event.content) for event in said] == ["Ran.", "Again.", "Anew."]
    assert [body.get("container") for body in sent] == [None, {"id": "container_1"}, {"id": "container_1"}, None]
    assert sent[1]["messages"][1]["content"] == [text("Ran.")]


async def test_thoughts_of_other_providers_stay_out():
    foreign = types.Part(text="Hm.", thought=True, thought_signature=b"\x12\xff\x00")
    unsigned = types.Part(text="Hm.", thought=True)
    theirs = types.Part(text="Hm.", thought=True, thought_signature=b'{"openai":{}}')
    contents = [types.UserContent("Hi"), types.ModelContent([foreign, unsigned, theirs, "Hello"])]
    [_, said, _] = (await _sent(LlmRequest(contents=contents)))["messages"]
    assert said["content"] == [text("Hello")]


# --- what is sent --------------------------------------------------------------------------------------------


async def _sent(request: LlmRequest, **settings: Any) -> dict[str, Any]:
    """The body of one request."""
    with FaultServer([answer(text("Hi."))]) as server:
        model = model_for(server.url, **settings)
        _ = [response async for response in model.generate_content_async(request)]
        await model.close()
        return server.requests[0].json()


async def test_roles_alternate_results_come_first_and_empty_texts_are_dropped():
    contents = [
        types.ModelContent("I begin."),
        types.UserContent(["", "  ", "One"]),
        types.UserContent("Two"),
        types.ModelContent([types.FunctionCall(name="look", args={"place": "box"})]),
        types.UserContent(["And?", types.FunctionResponse(name="look", response={"result": [1]})]),
        types.UserContent(types.FunctionResponse(name="lost", id="adk-1:x", response={"error": "gone"})),
        types.ModelContent(""),
    ]
    messages = (await _sent(LlmRequest(contents=contents)))["messages"]
    assert [one["role"] for one in messages] == ["user", "assistant", "user", "assistant", "user"]
    assert messages[2]["content"] == [text("One"), text("Two")]
    called = messages[3]["content"][0]
    first, second, third = messages[4]["content"]
    assert first == {"type": "tool_result", "tool_use_id": called["id"], "content": "[1]", "is_error": False}
    assert second == {"type": "tool_result", "tool_use_id": "adk-1_x", "content": "gone", "is_error": True}
    assert third == text("And?")


async def test_files_go_in_by_their_bytes_and_by_where_they_lie():
    parts = [
        types.Part.from_bytes(data=b"\x89PNG", mime_type="image/png"),
        types.Part.from_bytes(data=b"%PDF", mime_type="application/pdf"),
        types.Part(inline_data=types.Blob(data=b"a,b", mime_type="text/csv", display_name="t.csv")),
        types.Part.from_uri(file_uri="https://example.com/a.jpg?x=1"),
        types.Part.from_uri(file_uri="https://example.com/a.pdf", mime_type="application/pdf"),
        types.Part.from_uri(file_uri="file_011C", mime_type="image/png"),
    ]
    [sent] = (await _sent(LlmRequest(contents=[types.UserContent(parts)])))["messages"]
    plain = {"type": "text", "media_type": "text/plain", "data": "a,b"}
    assert sent["content"] == [
        {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": "iVBORw=="}},
        {"type": "document", "source": {"type": "base64", "media_type": "application/pdf", "data": "JVBERg=="}},
        {"type": "document", "source": plain, "title": "t.csv"},
        {"type": "image", "source": {"type": "url", "url": "https://example.com/a.jpg?x=1"}},
        {"type": "document", "source": {"type": "url", "url": "https://example.com/a.pdf"}},
        {"type": "image", "source": {"type": "file", "file_id": "file_011C"}},
    ]


@pytest.mark.parametrize(
    "part",
    [
        types.Part.from_bytes(data=b"x", mime_type="audio/wav"),
        types.Part.from_uri(file_uri="gs://bucket/a.png"),
        types.Part.from_uri(file_uri="https://example.com/a.mp4", mime_type="video/mp4"),
    ],
)
async def test_a_file_that_claude_cannot_read_is_named_before_anything_is_sent(part):
    with FaultServer([answer()]) as server:
        model = model_for(server.url)
        with pytest.raises(ModelBadRequestError, match=r"bytes|PDFs"):
            _ = [one async for one in model.generate_content_async(LlmRequest(contents=[types.UserContent([part])]))]
        assert server.requests == []


async def test_files_that_a_tool_gives_are_in_its_result():
    image = types.FunctionResponsePart(inline_data=types.Blob(data=b"\x89PNG", mime_type="image/png"))
    response = types.FunctionResponse(id="toolu_1", name="draw", response={"result": "Done"}, parts=[image])
    called = types.FunctionCall(id="toolu_1", name="draw", args={})
    contents = [types.UserContent("Draw"), types.ModelContent([called]), types.UserContent([response])]
    [*_, sent] = (await _sent(LlmRequest(contents=contents)))["messages"]
    assert [block["type"] for block in sent["content"][0]["content"]] == ["text", "image"]


@pytest.mark.parametrize(
    ("model", "config", "sent"),
    [
        ("claude-sonnet-4-5", {"thinking_budget": 2000}, {"type": "enabled", "budget_tokens": 2000}),
        ("claude-sonnet-4-5", {"thinking_budget": 1}, {"type": "enabled", "budget_tokens": 1024}),
        ("claude-sonnet-4-5", {"thinking_budget": 0}, {"type": "disabled"}),
        ("claude-opus-4-7", {"thinking_budget": 2000}, {"type": "adaptive"}),
        ("claude-opus-4-6", {"thinking_budget": -1}, {"type": "adaptive"}),
        ("anthropic/claude-opus-5", {"include_thoughts": True}, {"type": "adaptive", "display": "summarized"}),
        ("claude-opus-5-5", {"thinking_budget": 0}, None),
        ("claude-sonnet-5-5", {"thinking_budget": 0}, {"type": "between_tools"}),
        ("claude-haiku-5-5", {"thinking_budget": 0}, {"type": "disabled"}),
    ],
)
async def test_thinking_is_asked_for_as_each_model_takes_it(model, config, sent):
    settings = types.GenerateContentConfig(thinking_config=types.ThinkingConfig(**config))
    body = await _sent(LlmRequest(model=model, contents=[types.UserContent("Hi")], config=settings))
    assert body.get("thinking") == sent
    assert body["model"] == model.removeprefix("anthropic/")


async def test_a_level_of_thinking_is_an_effort_or_a_budget():
    settings = types.GenerateContentConfig(thinking_config=types.ThinkingConfig(thinking_level="LOW"))
    body = await _sent(LlmRequest(model="claude-opus-5", contents=[types.UserContent("Hi")], config=settings))
    assert (body["thinking"], body["output_config"]) == ({"type": "adaptive"}, {"effort": "low"})
    body = await _sent(LlmRequest(model="claude-haiku-4-5", contents=[types.UserContent("Hi")], config=settings))
    assert body["thinking"]["type"] == "enabled" and body["max_tokens"] > body["thinking"]["budget_tokens"] >= 1024


async def test_a_temperature_goes_to_models_that_take_one_in_the_version_that_has_it():
    settings = types.GenerateContentConfig(temperature=0.5, top_k=4.0, stop_sequences=["END"])
    request = LlmRequest(contents=[types.UserContent("Hi")], config=settings)
    with FaultServer([answer(text("Hi."))]) as server:
        for name in ("claude-sonnet-4-5", "claude-opus-4-8"):
            model = model_for(server.url, model=name)
            _ = [one async for one in model.generate_content_async(request)]
            await model.close()
        old, new = server.requests
    assert (old.json()["temperature"], old.json()["top_k"]) == (0.5, 4)
    assert old.headers["anthropic-version"] == "2023-06-01"
    assert "temperature" not in new.json() and new.headers["anthropic-version"] > "2023-06-01"
    assert old.json()["stop_sequences"] == new.json()["stop_sequences"] == ["END"]


@pytest.mark.parametrize(
    ("mode", "names", "sent"),
    [
        ("AUTO", None, {"type": "auto"}),
        ("ANY", None, {"type": "any"}),
        ("ANY", ["look"], {"type": "tool", "name": "look"}),
        ("NONE", None, {"type": "none"}),
    ],
)
async def test_a_choice_of_tools_is_passed_on(mode, names, sent):
    calling = types.FunctionCallingConfig(mode=types.FunctionCallingConfigMode(mode), allowed_function_names=names)
    tool = types.Tool(function_declarations=[types.FunctionDeclaration(name="look", description="Looks.")])
    config = types.GenerateContentConfig(tools=[tool], tool_config=types.ToolConfig(function_calling_config=calling))
    body = await _sent(LlmRequest(contents=[types.UserContent("Hi")], config=config))
    assert body["tool_choice"] == sent
    schema = {"type": "object", "properties": {}}
    assert body["tools"] == [{"name": "look", "description": "Looks.", "input_schema": schema}]


async def test_tools_of_our_vocabulary_that_the_provider_runs_are_its_own():
    tools = [types.Tool(google_search={}), {"type": "memory_20250818", "name": "memory"}]
    body = await _sent(LlmRequest(contents=[types.UserContent("Hi")], config=types.GenerateContentConfig(tools=tools)))
    assert [tool["name"] for tool in body["tools"]] == ["web_search", "memory"]
    assert "tool_choice" not in body


class City(Record, kw_only=True):
    name: str
    people: int


async def test_an_answer_has_the_form_that_is_asked_for_with_tools_beside_it():
    called, said = use("look", place="box"), text('{"name": "Mexico City", "people": 9}')
    with FaultServer([answer(called, stop="tool_use"), answer(said)]) as server:
        async with Talk(model_for(server.url), tools=[look], output_schema=City, output_key="city") as talk:
            events = await talk.say("Which?")
        body = server.requests[0].json()
    assert body["output_config"]["format"]["type"] == "json_schema"
    schema = body["output_config"]["format"]["schema"]
    assert (schema["required"], schema["additionalProperties"]) == (["name", "people"], False)
    assert [tool["name"] for tool in body["tools"]] == ["look"]
    assert events[-1].actions.state_delta["city"] == {"name": "Mexico City", "people": 9}


async def test_a_model_that_cannot_be_held_to_a_form_answers_by_a_tool():
    with FaultServer([answer(use("give_answer", name="Rome", people=3), stop="tool_use")]) as server:
        model = model_for(server.url, model="claude-3-5-haiku-latest")
        async with Talk(model, output_schema=City) as talk:
            [event] = await talk.say("Which?")
        body = server.requests[0].json()
    assert body["tool_choice"] == {"type": "tool", "name": "give_answer"} and "output_config" not in body
    assert msgspec.json.decode(types.text_of(event.content)) == {"name": "Rome", "people": 3}
    assert event.is_final_response()


async def test_headers_betas_and_whatever_else_go_with_a_request():
    options = types.HttpOptions(headers={"x-one": "1"}, extra_body={"metadata": {"user_id": "u"}})
    request = LlmRequest(contents=[types.UserContent("Hi")], config=types.GenerateContentConfig(http_options=options))
    with FaultServer([answer(text("Hi."))]) as server:
        model = model_for(
            server.url, betas=["a", "b"], headers={"x-two": "2"}, extra_body={"inference_geo": "eu"}, max_tokens=77
        )
        _ = [one async for one in model.generate_content_async(request)]
        await model.close()
        [sent] = server.requests
    assert (sent.headers["anthropic-beta"], sent.headers["x-one"], sent.headers["x-two"]) == ("a,b", "1", "2")
    body = sent.json()
    assert (body["metadata"], body["inference_geo"], body["max_tokens"]) == ({"user_id": "u"}, "eu", 77)
    assert list(body)[-1] == "messages"


async def test_a_long_answer_is_streamed_from_the_provider_though_no_chunks_are_asked_for():
    with FaultServer([streamed(text("A long answer."))]) as server:
        async with Talk(model_for(server.url, max_tokens=64_000)) as talk:
            [event] = await talk.say("Hi")
        assert server.requests[0].json()["stream"] is True
    assert types.text_of(event.content) == "A long answer." and not event.partial


async def test_tokens_are_counted_by_the_provider():
    tool = types.Tool(function_declarations=[types.FunctionDeclaration(name="look")])
    config = types.GenerateContentConfig(tools=[tool], system_instruction="Be kind.", temperature=0.1)
    with FaultServer([json_answer({"input_tokens": 14})]) as server:
        model = model_for(server.url, cache=True)
        request = LlmRequest(contents=[types.UserContent("Hi")], config=config)
        assert await model.count_tokens(request) == 14
        await model.close()
        [sent] = server.requests
    assert sent.path == "/v1/messages/count_tokens"
    assert sent.json().keys() == {"model", "messages", "system", "tools", "tool_choice", "cache_control"}


async def test_each_tool_of_the_provider_is_named_once_and_others_are_told_of(caplog):
    schemas._LEFT_OUT._told.clear()
    tools = [types.Tool(google_search={}), types.Tool(enterprise_web_search={}), types.Tool(retrieval={})]
    with FaultServer([answer(text("Hi."))]) as server:
        model = model_for(server.url)
        request = LlmRequest(contents=[types.UserContent("Hi")], config=types.GenerateContentConfig(tools=tools))
        assert [one async for one in model.generate_content_async(request)]
        await model.close()
        assert [tool["name"] for tool in server.requests[0].json()["tools"]] == ["web_search"]
    assert ["tool retrieval" in message for message in caplog.messages] == [True]


async def test_texts_of_spaces_alone_do_not_go_back():
    called = answer(text("\n\n"), use("look", place="attic"), stop="tool_use")
    with FaultServer([called, answer(text("Hi."))]) as server:
        async with Talk(model_for(server.url), tools=[look]) as talk:
            await talk.say(" \n")
        first, second = (request.json()["messages"] for request in server.requests)
    assert [block["type"] for block in second[1]["content"]] == ["tool_use"]
    blocks = [block for message in [*first, *second] for block in message["content"]]
    assert all(block["text"].strip() for block in blocks if "text" in block)


@pytest.mark.parametrize("stop", ["some_new_reason", None])
async def test_an_end_that_nobody_knows_is_told_of_where_nothing_was_said(stop):
    with FaultServer([answer(stop=stop), answer(text("Half of"), stop=stop)]) as server:
        async with Talk(model_for(server.url)) as talk:
            [empty], [said] = await talk.say("Hi"), await talk.say("Hi")
    assert empty.error_code == "OTHER" and str(stop) in empty.error_message
    assert said.error_code is None and said.finish_reason is types.FinishReason.OTHER


# --- caches --------------------------------------------------------------------------------------------------


async def _turns(server: FaultServer, model: Claude, count: int) -> list[bytes]:
    async with Talk(model, tools=[look], instruction="Look around.") as talk:
        for number in range(count):
            await talk.say(f"Question {number}")
    return [request.body for request in server.requests]


@pytest.mark.parametrize("cache", [False, True])
async def test_each_request_starts_with_the_bytes_of_the_one_before(cache):
    answers = [
        answer(
            THOUGHT, text("I look."), use("look", place="box"), use("look", "toolu_2", place="bag"), stop="tool_use"
        ),
        answer(SEARCH, FOUND, CITED),
        answer(REDACTED, text("Well.")),
        answer(text("Done.")),
    ]
    with FaultServer(answers) as server:
        bodies = await _turns(server, model_for(server.url, cache=cache), 3)
    assert len(bodies) == 4
    for before, after in itertools.pairwise(bodies):
        assert before.endswith(b"]}") and after.startswith(before[: -len(b"]}")])


async def test_the_cache_is_marked_behind_tools_instruction_and_the_whole():
    mark = {"type": "ephemeral"}
    with FaultServer([answer(text("Hi."))]) as server:
        [body] = await _turns(server, model_for(server.url, cache=True), 1)
    sent = msgspec.json.decode(body)
    assert sent["cache_control"] == mark
    assert sent["tools"][-1]["cache_control"] == mark and sent["system"][0]["cache_control"] == mark
    assert "cache_control" not in sent["messages"][0]["content"][0]


async def test_the_cache_may_be_marked_in_the_last_messages_of_the_user():
    cache = PromptCache(ttl="1h", tools=False, messages=2)
    with FaultServer([answer(text("Hi."))]) as server:
        bodies = await _turns(server, model_for(server.url, cache=cache), 3)
    sent = msgspec.json.decode(bodies[-1])
    marked = [one["content"][-1].get("cache_control") for one in sent["messages"] if one["role"] == "user"]
    assert marked == [None, {"type": "ephemeral", "ttl": "1h"}, {"type": "ephemeral", "ttl": "1h"}]
    assert "cache_control" not in sent and "cache_control" not in sent["tools"][-1]
    assert sent["system"][0]["cache_control"]["ttl"] == "1h"


@pytest.mark.parametrize(
    ("wanted", "own", "marked"),
    [
        (ContextCacheConfig(), None, {"type": "ephemeral"}),
        (ContextCacheConfig(ttl_seconds=3600), None, {"type": "ephemeral", "ttl": "1h"}),
        (ContextCacheConfig(ttl_seconds=3600), PromptCache(), {"type": "ephemeral"}),
        (ContextCacheConfig(), False, None),
        (ContextCacheConfig(min_tokens=100_000), None, None),
        (None, None, None),
    ],
)
async def test_the_apps_cache_is_heeded(wanted, own, marked):
    inner_done = answer(text("a cat"))
    called = answer(use("inner", request="look"), stop="tool_use")
    with FaultServer([called, inner_done, answer(text("A cat."))]) as server:
        model = model_for(server.url, cache=own)
        inner = Agent(name="inner", model=model, instruction="Look.")
        outer = Agent(name="outer", model=model, instruction="Ask.", tools=[AgentTool(inner)])
        runner = InMemoryRunner(app=App(name="app", root_agent=outer, context_cache_config=wanted))
        said = runner.run_async(user_id="u", session_id="s", new_message="Hi")
        events = [event async for event in said]
        await runner.close()
        await model.close()
    assert types.text_of(events[-1].content) == "A cat."
    assert [request.json().get("cache_control") for request in server.requests] == [marked] * 3


async def test_a_clouds_cache_is_marked_in_the_messages():
    client = anthropic.AsyncAnthropic(api_key="key", base_url="http://127.0.0.1:9")
    with FaultServer([answer(text("Hi."))]) as server:
        async with client.with_options(base_url=server.url) as cloud:
            model = Claude(model="claude-sonnet-4-5", client=cloud)
            request = LlmRequest(contents=[types.UserContent("Hi")], cache_config=ContextCacheConfig())
            assert [one async for one in model.generate_content_async(request)]
        sent = server.requests[0].json()
    await client.close()
    assert "cache_control" not in sent
    assert sent["messages"][0]["content"][-1]["cache_control"] == {"type": "ephemeral"}


@pytest.mark.parametrize("wrong", [{"cache_intervals": 0}, {"ttl_seconds": 0}, {"min_tokens": -1}])
def test_an_apps_cache_out_of_range_is_an_error(wrong):
    with pytest.raises(ConfigurationError, match="ContextCacheConfig"):
        ContextCacheConfig(**wrong)


async def test_without_a_cache_nothing_is_marked():
    with FaultServer([answer(text("Hi."))]) as server:
        [body] = await _turns(server, model_for(server.url), 1)
    assert b"cache_control" not in body


@pytest.mark.parametrize("wrong", [{"ttl": "2h"}, {"messages": 3}, {"messages": -1}, {"messages": "last"}])
def test_a_cache_that_the_provider_does_not_have_is_an_error(wrong):
    with pytest.raises(ConfigurationError, match="PromptCache"):
        PromptCache(**wrong)


@pytest.mark.parametrize("stream", [False, True])
async def test_cached_and_thought_tokens_are_counted_by_themselves(stream):
    usage = {
        "cache_read_input_tokens": 100,
        "cache_creation_input_tokens": 20,
        "output_tokens_details": {"thinking_tokens": 2},
    }
    make = streamed if stream else answer
    with FaultServer([make(text("Hi."), usage=usage)]) as server:
        async with Talk(model_for(server.url)) as talk:
            [event] = whole(await talk.say("Hi", stream=stream))
    counted = event.usage_metadata
    assert (counted.prompt_token_count, counted.cached_content_token_count) == (130, 100)
    assert counted.cache_tokens_details == [{"kind": "write", "tokenCount": 20}]
    assert (counted.candidates_token_count, counted.thoughts_token_count, counted.total_token_count) == (3, 2, 135)


async def test_what_a_call_cost_is_on_its_event():
    pytest.importorskip("genai_prices", reason="genai-prices is not installed: pip install 'runwright[models]'")
    written = answer(text("Hi."), usage={"cache_creation_input_tokens": 1000})
    with FaultServer([answer(text("Hi.")), written]) as server:
        async with Talk(model_for(server.url)) as talk:
            [first], [second] = await talk.say("Hi"), await talk.say("Hi")
    assert 0 < first.usage_metadata.cost < second.usage_metadata.cost


# --- how it ends ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize("stream", [False, True])
async def test_a_refusal_is_an_event_that_says_why_and_calls_nothing(stream):
    why = {"type": "refusal", "category": "cyber", "explanation": "This could do harm."}
    make = streamed if stream else answer
    said = [text("I will"), use("look", place="box")]
    with FaultServer([make(*said, stop="refusal", stop_details=why), make(text("Hi."))]) as server:
        async with Talk(model_for(server.url), tools=[look]) as talk:
            [event] = whole(await talk.say("Break in", stream=stream))
            [after] = whole(await talk.say("Hello", stream=stream))
    assert (event.error_code, event.error_message) == ("REFUSAL", "This could do harm. (category: cyber)")
    assert event.finish_reason is types.FinishReason.SAFETY
    assert types.text_of(event.content) == "I will" and not event.get_function_calls()
    assert types.text_of(after.content) == "Hi."


@pytest.mark.parametrize("stream", [False, True])
async def test_a_call_that_was_cut_off_is_not_made(stream):
    called: list[str] = []

    def act(what: str = "all") -> None:
        """Acts."""
        called.append(what)

    make = streamed if stream else answer
    with FaultServer([make(text("Now."), use("act"), stop="max_tokens")]) as server:
        async with Talk(model_for(server.url), tools=[act]) as talk:
            [event] = whole(await talk.say("Act", stream=stream))
    assert called == [] and event.error_code == "MAX_TOKENS" and "max_output_tokens" in event.error_message
    assert event.finish_reason is types.FinishReason.MAX_TOKENS and types.text_of(event.content) == "Now."


async def test_arguments_that_are_no_json_are_told_to_the_model():
    events = list(streamed(use("look", place="box"), stop="tool_use").chunks)
    broken = [chunk.replace(b'\\"}', b'\\"') if b"partial_json" in chunk else chunk for chunk in events]
    assert broken != events
    made = type(streamed())(headers=streamed().headers, chunks=broken, streamed=True)
    with FaultServer([made, streamed(text("Sorry."))]) as server:
        async with Talk(model_for(server.url), tools=[look]) as talk:
            said = await talk.say("Look", stream=True)
        [*_, result] = server.requests[1].json()["messages"]
    assert result["content"][0]["is_error"] and "place" in result["content"][0]["content"]
    assert types.text_of(said[-1].content) == "Sorry."


async def test_an_answer_without_content_ends_the_run():
    with FaultServer([answer(), answer(text("Hi."))]) as server:
        async with Talk(model_for(server.url)) as talk:
            [event] = await talk.say("Hi")
            assert event.content is None and event.error_code is None and event.usage_metadata is not None
            assert types.text_of((await talk.say("Again"))[-1].content) == "Hi."
        assert [one["role"] for one in server.requests[1].json()["messages"]] == ["user"]


async def test_what_the_provider_tells_beside_is_kept():
    container = {"id": "container_1", "expires_at": "2026-01-01"}
    made = message(text("Hi."), stop="stop_sequence", container=container)
    with FaultServer([json_answer({**made, "stop_sequence": "END"})]) as server:
        async with Talk(model_for(server.url)) as talk:
            [event] = await talk.say("Hi")
    kept = event.custom_metadata["anthropic"]
    assert (kept["id"], kept["stop_sequence"], kept["container"]) == ("msg_1", "END", container)
    assert kept["usage"] == {"input_tokens": 10, "output_tokens": 5}


@pytest.mark.parametrize(
    ("name", "most", "adapts", "formats"),
    [
        ("claude-3-opus-latest", 4096, False, False),
        ("claude-3-5-haiku-20241022", 8192, False, False),
        ("claude-3-7-sonnet-latest", 20_000, False, False),
        ("claude-sonnet-4-20250514", 20_000, False, False),
        ("claude-4-opus-20250514", 20_000, False, False),
        ("anthropic.claude-sonnet-4-5-20250929-v1:0", 20_000, False, True),
        ("claude-opus-4-6@20260205", 20_000, True, True),
        ("claude-fable-5-1", 20_000, True, True),
        ("claude-opus-latest", 8192, True, True),
        ("a-gateways-own", 8192, True, True),
    ],
)
def test_what_a_model_takes_is_read_from_its_name(name, most, adapts, formats):
    takes = traits(name)
    assert (takes.max_tokens, takes.adapts, takes.formats) == (most, adapts, formats)


# --- loops and ends ------------------------------------------------------------------------------------------


async def test_one_model_serves_several_event_loops_and_is_closed_for_all():
    with FaultServer([answer(text("Hi."))]) as server:
        model = model_for(server.url)
        said: list[str] = []
        asked, leave = threading.Barrier(3), threading.Event()

        async def ask() -> None:
            request = LlmRequest(contents=[types.UserContent("Hi")])
            responses = [response async for response in model.generate_content_async(request)]
            said.append(types.text_of(responses[-1].content))

        async def ask_and_stay() -> None:
            await ask()
            await asyncio.to_thread(asked.wait, 20)
            await asyncio.to_thread(leave.wait, 20)

        threads = [threading.Thread(target=lambda: asyncio.run(ask_and_stay())) for _ in range(2)]
        for thread in threads:
            thread.start()
        await ask()
        await asyncio.to_thread(asked.wait, 20)
        await model.close()
        leave.set()
        for thread in threads:
            await asyncio.to_thread(thread.join, 20)
        assert said == ["Hi."] * 3
        await ask()  # It may be used again.
        await model.close()


async def test_a_client_of_ones_own_is_used_and_left_open():
    anthropic = pytest.importorskip("anthropic", reason="the SDK is not installed: pip install 'runwright[anthropic]'")
    with FaultServer([answer(text("Hi."))]) as server:
        client = anthropic.AsyncAnthropic(api_key="mine", base_url=server.url)
        async with Talk(Claude(client=client)) as talk:
            await talk.say("Hi")
        assert not client.is_closed()
        assert server.requests[0].headers["authorization"] == "Bearer mine"
        await client.close()


async def test_without_the_sdk_the_error_names_the_extra(monkeypatch):
    monkeypatch.setitem(sys.modules, "anthropic", None)
    with pytest.raises(MissingDependencyError, match=r"runwright\[anthropic\]"):
        _ = [one async for one in Claude(api_key="key").generate_content_async(LlmRequest())]
