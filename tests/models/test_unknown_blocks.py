# SPDX-License-Identifier: Apache-2.0
"""What providers say that this release has no word for: it harms nothing, and goes back to those who want it back."""

import json
from collections.abc import Callable
from typing import Any

import pytest

from runwright import Agent, Event, InMemoryRunner, RunConfig, StreamingMode
from runwright.model import BaseLlm
from runwright.models.anthropic import Claude
from runwright.models.gemini import Gemini
from runwright.models.openai import OpenAI
from runwright.models.retry import NO_RETRY
from runwright.testing.wire import FaultServer, WireAnswer, json_answer, sse_answer

WAYS = pytest.mark.parametrize("streams", [False, True], ids=["whole", "streamed"])


async def two_turns(make: Callable[[str], BaseLlm], answer: WireAnswer, *, streams: bool) -> tuple[list[Event], str]:
    """The whole events of two turns that get this answer each, and what the second one sent."""
    events: list[Event] = []
    with FaultServer([answer]) as server:
        model = make(server.url)
        runner = InMemoryRunner(Agent(name="agent", model=model), app_name="app")
        config = RunConfig(streaming_mode=StreamingMode.SSE if streams else StreamingMode.NONE)
        for text in ("One", "Two"):
            run = runner.run_async(user_id="u", session_id="s", new_message=text, run_config=config)
            events.extend([event async for event in run if not event.partial])
        await runner.close()
        await model.close()
        return events, json.dumps(server.requests[-1].json())


def said(events: list[Event]) -> list[str]:
    parts = [[part.text for part in event.content.parts or () if not part.thought] for event in events if event.content]
    return ["".join(text for text in texts if text) for texts in parts]


def sse(events: list[dict[str, Any]]) -> WireAnswer:
    named = [f"event: {one['type']}\n" if "type" in one else "" for one in events]
    return sse_answer([f"{name}data: {json.dumps(one)}\n\n".encode() for name, one in zip(named, events, strict=True)])


# --- OpenAI, Responses ------------------------------------------------------------------------------------------

MESSAGE = {
    "type": "message",
    "id": "m",
    "role": "assistant",
    "status": "completed",
    "content": [
        {"type": "output_hologram", "x": 1},
        {"type": "output_text", "text": "Hello", "annotations": [{"n": 1}]},
    ],
}
ITEMS = [
    {"type": "web_search_call", "id": "i", "status": "completed", "action": {"type": "search", "query": "q"}},
    {"type": "file_search_call", "id": "i", "status": "completed", "queries": ["q"], "results": None},
    {"type": "code_interpreter_call", "id": "i", "code": "1", "container_id": "c", "outputs": [{"type": "image"}]},
    {"type": "mcp_call", "id": "i", "name": "n", "arguments": "{}", "output": "o", "server_label": "s"},
    {"type": "compaction", "id": "i", "encrypted_content": "x"},
    {"type": "brand_new", "id": "i", "stuff": [1, {"a": None}]},
    {"id": "without a type"},
]


def response(item: dict[str, Any], *, streams: bool) -> WireAnswer:
    whole = {"id": "r", "model": "gpt-5", "status": "completed", "output": [item, MESSAGE], "usage": None, "new": 1}
    if not streams:
        return json_answer(whole)
    begun = {"type": "response.created", "response": {**whole, "output": []}}
    news = [{"type": "response.brand_new.delta", "delta": {"x": 1}}, {"type": "keepalive"}]
    done = [
        {"type": "response.output_item.done", "output_index": place, "item": one}
        for place, one in enumerate((item, MESSAGE))
    ]
    return sse([begun, *news, *done, {"type": "response.completed", "response": whole}])


@WAYS
@pytest.mark.parametrize("item", ITEMS, ids=lambda item: str(item.get("type")))
async def test_items_of_openai(item: dict[str, Any], streams: bool) -> None:
    def make(url: str) -> BaseLlm:
        return OpenAI(model="gpt-5", api_key="a-key", base_url=f"{url}/v1", retry=NO_RETRY)

    events, sent = await two_turns(make, response(item, streams=streams), streams=streams)
    assert said(events) == ["Hello", "Hello"]
    assert json.dumps(item) in sent


# --- OpenAI, Chat Completions -----------------------------------------------------------------------------------


@WAYS
@pytest.mark.parametrize(
    "message",
    [
        {"content": [{"type": "text", "text": "Hello"}, {"type": "hologram"}]},
        {"content": "Hello", "annotations": [{"type": "url_citation"}], "audio": None, "function_call": None},
        {"content": "Hello", "brand_new": {"x": 1}, "tool_calls": None, "refusal": None},
    ],
)
async def test_messages_of_chat_completions(message: dict[str, Any], streams: bool) -> None:
    def make(url: str) -> BaseLlm:
        return OpenAI(model="qwen3", api="chat", api_key="a-key", base_url=f"{url}/v1", retry=NO_RETRY)

    usage = {"prompt_tokens": 1, "completion_tokens": 1, "total_tokens": 2, "completion_tokens_details": None}
    choice = {"index": 0, "finish_reason": "brand_new", "logprobs": None}
    whole = {"id": "c", "model": "qwen3", "choices": [{**choice, "message": {"role": "assistant", **message}}]}
    chunk = {"id": "c", "model": "qwen3", "choices": [{**choice, "delta": message}]}
    news = {"id": "c", "choices": [], "brand_new": True}
    answer = sse([news, chunk, {**news, "usage": usage}]) if streams else json_answer({**whole, "usage": usage})
    events, _ = await two_turns(make, answer, streams=streams)
    assert said(events) == ["Hello", "Hello"]


# --- Anthropic --------------------------------------------------------------------------------------------------

BLOCKS = [
    {"type": "redacted_thinking", "data": "xx"},
    {"type": "web_fetch_tool_result", "tool_use_id": "s", "content": {"type": "web_fetch_result", "url": "u"}},
    {"type": "bash_code_execution_tool_result", "tool_use_id": "s", "content": {"stdout": "1"}},
    {"type": "mcp_tool_use", "id": "s", "name": "n", "server_name": "x", "input": {}},
    {"type": "container_upload", "file_id": "f"},
    {"type": "compaction", "content": "What was said"},
    {"type": "brand_new", "x": [1, {"a": None}]},
]


def message(block: dict[str, Any], *, streams: bool) -> WireAnswer:
    text = {"type": "text", "text": "Hello"}
    whole = {"id": "m", "type": "message", "role": "assistant", "model": "claude-sonnet-4-5", "content": [block, text]}
    usage = {"input_tokens": 1, "output_tokens": 1, "cache_creation": None, "brand_new": {"x": 1}}
    if not streams:
        return json_answer({**whole, "stop_reason": "brand_new", "stop_sequence": None, "usage": usage, "new": 1})
    events: list[dict[str, Any]] = [{"type": "message_start", "message": {**whole, "content": [], "usage": usage}}]
    for place, one in enumerate((block, {**text, "text": ""})):
        events.append({"type": "content_block_start", "index": place, "content_block": one})
        if place:
            events.append({"type": "content_block_delta", "index": 1, "delta": {"type": "text_delta", "text": "Hello"}})
        events.append({"type": "content_block_stop", "index": place})
    end = {"type": "message_delta", "delta": {"stop_reason": "brand_new"}, "usage": {"output_tokens": 1}}
    return sse([*events, {"type": "brand_new_event", "x": 1}, {"type": "ping"}, end, {"type": "message_stop"}])


@WAYS
@pytest.mark.parametrize("block", BLOCKS, ids=lambda block: str(block["type"]))
async def test_blocks_of_claude(block: dict[str, Any], streams: bool) -> None:
    def make(url: str) -> BaseLlm:
        return Claude(api_key="a-key", base_url=url, retry=NO_RETRY)

    events, sent = await two_turns(make, message(block, streams=streams), streams=streams)
    assert said(events) == ["Hello", "Hello"]
    assert json.dumps(block) in sent


# --- Gemini -----------------------------------------------------------------------------------------------------

PARTS = [
    {"toolCall": {"id": "1", "toolType": "GOOGLE_SEARCH_WEB", "args": {"a_b": 1}}},
    {"toolResponse": {"id": "1", "toolType": "GOOGLE_SEARCH_WEB", "response": {"a_b": 1}}},
    {"codeExecutionResult": {"outcome": "OUTCOME_OK", "output": "1"}},
    {"inlineData": {"data": "+/8=", "mimeType": "image/png"}, "thoughtSignature": "YWJj"},
    {"fileData": {"fileUri": "https://example.com/a.pdf", "mimeType": "application/pdf"}},
]


@WAYS
@pytest.mark.parametrize("part", [*PARTS, {"brandNew": {"x": 1}}], ids=lambda part: str(next(iter(part))))
async def test_parts_of_gemini(part: dict[str, Any], streams: bool) -> None:
    def make(url: str) -> BaseLlm:
        return Gemini(api_key="a-key", base_url=url, retry=NO_RETRY)

    candidate = {
        "content": {"parts": [part, {"text": "Hello"}], "role": "model"},
        "finishReason": "STOP",
        "urlContextMetadata": {"urlMetadata": [{"retrievedUrl": "u"}]},
        "groundingMetadata": {"webSearchQueries": ["q"], "brandNew": 1},
        "brandNew": {"x": 1},
    }
    usage = {"promptTokenCount": 1, "totalTokenCount": 1, "brandNew": 1}
    whole = {"candidates": [candidate], "usageMetadata": usage, "modelVersion": "gemini-2.5-flash", "brandNew": 1}
    events, sent = await two_turns(make, sse([whole]) if streams else json_answer(whole), streams=streams)
    assert said(events) == ["Hello", "Hello"]
    assert events[0].grounding_metadata == {"webSearchQueries": ["q"]}
    if part in PARTS:  # what google-genai does not know it does not show
        assert json.dumps(part) in sent
