# SPDX-License-Identifier: Apache-2.0
"""A server on loopback that answers like the providers, always the same, whole or as a stream:

    python -m benchmarks.wire_server

prints its port, and ends when its standard input does. It reads a request to its end and nothing in it but the path and
whether a stream is asked for, so that what it costs is small and the same for whoever asks.
"""

import asyncio
import json
import sys
from collections.abc import Iterable
from typing import Any

WORDS = [f"{word} " for word in ("All", "is", "well", "in", "every", "place", "that", "was", "looked", "at") * 2]
ANSWER = "".join(WORDS)
"""What is always answered; a stream gives it a word at a time."""

_ID = "0a1b2c3d4e5f60718293a4b5c6d7e8f9"
Events = list[tuple[str, dict[str, Any]]]
"""What a stream says: the event's name, where the provider names events, and its data."""


def gemini() -> tuple[dict[str, Any], Events]:
    usage = {"promptTokenCount": 812, "candidatesTokenCount": 20, "totalTokenCount": 832}
    usage |= {"promptTokensDetails": [{"modality": "TEXT", "tokenCount": 812}]}

    def said(text: str, **more: str) -> dict[str, Any]:
        candidate = {"content": {"parts": [{"text": text}], "role": "model"}, "index": 0, **more}
        about = {"modelVersion": "gemini-2.5-flash", "responseId": _ID}
        return {"candidates": [candidate], "usageMetadata": usage, **about}

    *first, last = WORDS
    stream = [("", said(word)) for word in first]
    return said(ANSWER, finishReason="STOP"), [*stream, ("", said(last, finishReason="STOP"))]


def responses() -> tuple[dict[str, Any], Events]:
    piece = {"type": "output_text", "annotations": [], "logprobs": [], "text": ANSWER}
    item = {"id": f"msg_{_ID}", "type": "message", "status": "completed", "content": [piece], "role": "assistant"}
    usage = {"input_tokens": 812, "input_tokens_details": {"cached_tokens": 0}, "output_tokens": 20}
    usage |= {"output_tokens_details": {"reasoning_tokens": 0}, "total_tokens": 832}
    whole = {"id": f"resp_{_ID}", "object": "response", "created_at": 1750000000, "status": "completed", "error": None}
    whole |= {"incomplete_details": None, "instructions": None, "metadata": {}, "model": "gpt-5-mini-2025-08-07"}
    whole |= {"output": [item], "parallel_tool_calls": True, "previous_response_id": None, "store": True}
    whole |= {"reasoning": {"effort": "medium", "summary": None}, "temperature": 1.0, "top_p": 1.0, "tools": []}
    whole |= {"text": {"format": {"type": "text"}}, "tool_choice": "auto", "truncation": "disabled", "usage": usage}
    begun = whole | {"status": "in_progress", "output": [], "usage": None}
    at = {"item_id": item["id"], "output_index": 0, "content_index": 0}
    data: list[dict[str, Any]] = [
        {"type": "response.created", "response": begun},
        {"type": "response.in_progress", "response": begun},
        {"type": "response.output_item.added", "output_index": 0, "item": item | {"content": []}},
        {"type": "response.content_part.added", **at, "part": piece | {"text": ""}},
        *({"type": "response.output_text.delta", **at, "delta": word, "logprobs": []} for word in WORDS),
        {"type": "response.output_text.done", **at, "text": ANSWER, "logprobs": []},
        {"type": "response.content_part.done", **at, "part": piece},
        {"type": "response.output_item.done", "output_index": 0, "item": item},
        {"type": "response.completed", "response": whole},
    ]
    return whole, [(one["type"], one | {"sequence_number": number}) for number, one in enumerate(data)]


def chat() -> tuple[dict[str, Any], Events]:
    usage = {"prompt_tokens": 812, "completion_tokens": 20, "total_tokens": 832}
    usage |= {"prompt_tokens_details": {"cached_tokens": 0}, "completion_tokens_details": {"reasoning_tokens": 0}}
    about = {"id": f"chatcmpl-{_ID}", "created": 1750000000, "model": "gpt-4.1-mini-2025-04-14"}
    message = {"role": "assistant", "content": ANSWER, "refusal": None, "annotations": []}
    choice = {"index": 0, "message": message, "logprobs": None, "finish_reason": "stop"}
    whole = {**about, "object": "chat.completion", "choices": [choice], "usage": usage}

    def delta(said: dict[str, Any], reason: str | None = None) -> dict[str, Any]:
        piece = {"index": 0, "delta": said, "logprobs": None, "finish_reason": reason}
        return {**about, "object": "chat.completion.chunk", "choices": [piece], "usage": None}

    chunks = [delta({"role": "assistant", "content": ""}), *(delta({"content": word}) for word in WORDS)]
    chunks += [delta({}, "stop"), delta({}) | {"choices": [], "usage": usage}]
    return whole, [("", chunk) for chunk in chunks]


def claude() -> tuple[dict[str, Any], Events]:
    usage = {"input_tokens": 812, "cache_creation_input_tokens": 0, "cache_read_input_tokens": 0, "output_tokens": 20}
    whole = {"model": "claude-sonnet-4-5-20250929", "id": f"msg_{_ID}", "type": "message", "role": "assistant"}
    whole |= {"content": [{"type": "text", "text": ANSWER}], "stop_reason": "end_turn", "stop_sequence": None}
    whole |= {"usage": usage | {"service_tier": "standard"}}
    begun = whole | {"content": [], "stop_reason": None, "usage": usage | {"output_tokens": 1}}
    ends = {"stop_reason": "end_turn", "stop_sequence": None}
    data: list[dict[str, Any]] = [
        {"type": "message_start", "message": begun},
        {"type": "content_block_start", "index": 0, "content_block": {"type": "text", "text": ""}},
        *({"type": "content_block_delta", "index": 0, "delta": {"type": "text_delta", "text": w}} for w in WORDS),
        {"type": "content_block_stop", "index": 0},
        {"type": "message_delta", "delta": ends, "usage": usage},
        {"type": "message_stop"},
    ]
    return whole, [(one["type"], one) for one in data]


ANSWERS = {"/v1/responses": responses, "/v1/chat/completions": chat, "/v1/messages": claude}


def http(kind: str, body: bytes) -> bytes:
    head = f"HTTP/1.1 200 OK\r\ncontent-type: {kind}\r\ncontent-length: {len(body)}\r\nx-request-id: req_{_ID}\r\n\r\n"
    return head.encode() + body


def server_sent(events: Iterable[tuple[str, dict[str, Any]]], *, done: bool) -> bytes:
    lines = [f"event: {name}\ndata: {json.dumps(data)}\n\n" if name else f"data: {json.dumps(data)}\n\n"
             for name, data in events]  # fmt: skip
    return "".join([*lines, "data: [DONE]\n\n"] if done else lines).encode()


def prepared() -> dict[tuple[str, bool], bytes]:
    """The bytes of each answer, by path (that of Gemini has none of its own) and whether it is a stream."""
    made: dict[tuple[str, bool], bytes] = {}
    for path, answer in {"": gemini, **ANSWERS}.items():
        whole, stream = answer()
        made[path, False] = http("application/json", json.dumps(whole).encode())
        sent = server_sent(stream, done=path == "/v1/chat/completions")
        made[path, True] = http("text/event-stream", sent)
    return made


class Server(asyncio.Protocol):
    """One connection. A request is answered when its last byte has come."""

    answers = prepared()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport
        self._received = bytearray()
        self._end = 0

    def data_received(self, data: bytes) -> None:
        self._received += data
        if not self._end:
            head = self._received.find(b"\r\n\r\n")
            if head < 0:
                return
            lines = self._received[:head].decode("latin-1").lower().split("\r\n")
            length = next(int(line.partition(":")[2]) for line in lines if line.startswith("content-length:"))
            self._end = head + 4 + length
        if len(self._received) < self._end:
            return
        path = self._received[: self._received.find(b"\r\n")].decode().split(" ")[1]
        # Both are a byte string that no conversation of the benchmark contains.
        streams = "streamGenerateContent" in path or b'"stream":true' in self._received.replace(b" ", b"")
        del self._received[: self._end]
        self._end = 0
        self._transport.write(self.answers[path if path in ANSWERS else "", streams])


async def serve() -> None:
    server = await asyncio.get_running_loop().create_server(Server, "127.0.0.1", 0)
    print(server.sockets[0].getsockname()[1], flush=True)
    await asyncio.to_thread(sys.stdin.read)
    server.close()


if __name__ == "__main__":
    asyncio.run(serve())
