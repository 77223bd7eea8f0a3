# SPDX-License-Identifier: Apache-2.0
"""Answers of both of OpenAI's APIs, written by hand, for servers that are not there."""

from typing import Any, Literal

import msgspec

from runwright.testing.wire import WireAnswer, json_answer, sse_answer

Api = Literal["chat", "responses"]
APIS: tuple[Api, ...] = ("responses", "chat")
USAGE = {"prompt_tokens": 10, "completion_tokens": 3, "total_tokens": 13}
RESPONSE_USAGE = {"input_tokens": 10, "output_tokens": 3, "total_tokens": 13}


def spoken(api: Api, *words: str, stream: bool = False) -> WireAnswer:
    """An answer that says something, a word a chunk."""
    if api == "chat":
        return _completion({"content": "".join(words)}, [{"content": word} for word in words], "stop", stream=stream)
    content = [{"type": "output_text", "text": "".join(words), "annotations": []}]
    item = {"type": "message", "id": "msg", "role": "assistant", "status": "completed", "content": content}
    delta = {"type": "response.output_text.delta", "output_index": 0, "content_index": 0, "item_id": "msg"}
    return _response([item], [{**delta, "delta": word} for word in words], stream=stream)


def calling(api: Api, *calls: tuple[str, str], stream: bool = False, reasoning: Any = None) -> WireAnswer:
    """An answer that calls functions, by their names and arguments; with reasoning before it, where that is given."""
    if api == "chat":
        made = [
            {"index": at, "id": f"call-{at}", "type": "function", "function": {"name": name, "arguments": arguments}}
            for at, (name, arguments) in enumerate(calls)
        ]
        return _completion({"content": None, "tool_calls": made}, [{"tool_calls": made}], "tool_calls", stream=stream)
    items = [
        {
            "type": "function_call",
            "id": f"fc-{at}",
            "call_id": f"call-{at}",
            "name": name,
            "arguments": arguments,
            "status": "completed",
        }
        for at, (name, arguments) in enumerate(calls)
    ]
    return _response([reasoning, *items] if reasoning else items, [], stream=stream)


def events_of(answer: WireAnswer) -> list[bytes]:
    """The events of a streamed answer."""
    return list(answer.chunks)


def _completion(message: Any, deltas: list[Any], reason: str, *, stream: bool) -> WireAnswer:
    about = {"id": "chatcmpl", "object": "chat.completion", "created": 1, "model": "gpt-4o"}
    if not stream:
        choice = {"index": 0, "finish_reason": reason, "message": {"role": "assistant", **message}}
        return json_answer({**about, "choices": [choice], "usage": USAGE})
    chunks = [{**about, "choices": [{"index": 0, "delta": delta, "finish_reason": None}]} for delta in deltas]
    chunks.append({**about, "choices": [{"index": 0, "delta": {}, "finish_reason": reason}]})
    chunks.append({**about, "choices": [], "usage": USAGE})
    return sse_answer([*(_event(chunk) for chunk in chunks), b"data: [DONE]\n\n"])


def _response(items: list[Any], deltas: list[Any], *, stream: bool) -> WireAnswer:
    about = {"id": "resp", "object": "response", "created_at": 1, "model": "gpt-4o", "error": None}
    whole = {**about, "status": "completed", "output": items, "usage": RESPONSE_USAGE}
    if not stream:
        return json_answer(whole)
    done = [{"type": "response.output_item.done", "output_index": at, "item": item} for at, item in enumerate(items)]
    begun = {"type": "response.created", "response": {**about, "status": "in_progress", "output": []}}
    events = [begun, *deltas, *done, {"type": "response.completed", "response": whole}]
    return sse_answer([_event(event) for event in events])


def _event(data: Any) -> bytes:
    named = f"event: {data['type']}\n".encode() if "type" in data else b""
    return named + b"data: " + msgspec.json.encode(data) + b"\n\n"
