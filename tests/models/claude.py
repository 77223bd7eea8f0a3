# SPDX-License-Identifier: Apache-2.0
"""What a test says to Claude through an agent of ours, and the answers that it makes by hand."""

from collections.abc import Sequence
from contextlib import aclosing
from typing import Any

import msgspec

from runwright import Agent, Event, InMemoryRunner, RunConfig, StreamingMode
from runwright.models.anthropic import Claude
from runwright.models.retry import NO_RETRY
from runwright.testing.wire import WireAnswer, json_answer, sse_answer

USER = "ada"


def model_for(url: str, **settings: Any) -> Claude:
    """A model that is answered by a server of the test."""
    given: dict[str, Any] = {"model": "claude-sonnet-4-5", "retry": NO_RETRY, "api_key": "key", **settings}
    return Claude(base_url=url, **given)


class Talk:
    """A conversation with an agent of one model, which is closed with it."""

    def __init__(self, model: Claude, **agent: Any) -> None:
        self.model = model
        self.runner = InMemoryRunner(Agent(name="claude", model=model, **agent))

    async def __aenter__(self) -> "Talk":
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.runner.close()
        await self.model.close()

    async def say(self, message: Any, *, stream: bool = False, **config: Any) -> list[Event]:
        """Says something and gives all events that come back."""
        mode = StreamingMode.SSE if stream else StreamingMode.NONE
        events: list[Event] = []
        await self.say_into(events, message, RunConfig(streaming_mode=mode, **config))
        return events

    async def say_into(self, events: list[Event], message: Any, config: RunConfig) -> None:
        running = self.runner.run_async(user_id=USER, session_id="s", new_message=message, run_config=config)
        async with aclosing(running):
            async for event in running:
                events.append(event)

    async def stored(self) -> list[Event]:
        session = await self.runner.session_service.get_session(
            app_name=self.runner.app_name, user_id=USER, session_id="s"
        )
        assert session is not None
        return session.events


def whole(events: Sequence[Event]) -> list[Event]:
    """The answers of the model, without chunks and tools' responses."""
    return [event for event in events if not event.partial and not event.get_function_responses()]


# --- answers made by hand ------------------------------------------------------------------------------------


def message(
    *content: dict[str, Any], stop: str = "end_turn", usage: dict[str, Any] | None = None, **more: Any
) -> dict[str, Any]:
    """A message as the API gives it."""
    counted = {"input_tokens": 10, "output_tokens": 5, **(usage or {})}
    return {
        "id": "msg_1",
        "type": "message",
        "role": "assistant",
        "model": "claude-sonnet-4-5-20250929",
        "content": list(content),
        "stop_reason": stop,
        "stop_sequence": None,
        "usage": counted,
        **more,
    }


def text(said: str) -> dict[str, Any]:
    return {"type": "text", "text": said}


def use(name: str, /, call_id: str = "toolu_1", **args: Any) -> dict[str, Any]:
    return {"type": "tool_use", "id": call_id, "name": name, "input": args}


def answer(*content: dict[str, Any], **more: Any) -> WireAnswer:
    return json_answer(message(*content, **more))


def events_of(said: dict[str, Any], *, piece: int = 5) -> list[bytes]:
    """The stream of a message, its texts in pieces of a few letters."""
    start = {
        **said,
        "container": None,
        "content": [],
        "stop_reason": None,
        "usage": {**said["usage"], "output_tokens": 1},
    }
    made: list[dict[str, Any]] = [{"type": "message_start", "message": start}, {"type": "ping"}]
    for index, block in enumerate(said["content"]):
        begun, deltas = _in_pieces(block, piece)
        made.append({"type": "content_block_start", "index": index, "content_block": begun})
        made.extend({"type": "content_block_delta", "index": index, "delta": delta} for delta in deltas)
        made.append({"type": "content_block_stop", "index": index})
    ending: dict[str, Any] = {"stop_reason": said["stop_reason"], "stop_sequence": said["stop_sequence"]}
    ending |= {name: said[name] for name in ("stop_details", "container") if name in said}
    made.append({"type": "message_delta", "delta": ending, "usage": {"output_tokens": said["usage"]["output_tokens"]}})
    made.append({"type": "message_stop"})
    return [b"event: %s\ndata: %b\n\n" % (one["type"].encode(), msgspec.json.encode(one)) for one in made]


def streamed(*content: dict[str, Any], **more: Any) -> WireAnswer:
    return sse_answer(events_of(message(*content, **more)))


def _in_pieces(block: dict[str, Any], piece: int) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    def cut(whole: str) -> list[str]:
        return [whole[at : at + piece] for at in range(0, len(whole), piece)]

    match block["type"]:
        case "text":
            return {"type": "text", "text": ""}, [{"type": "text_delta", "text": one} for one in cut(block["text"])]
        case "thinking":
            deltas = [{"type": "thinking_delta", "thinking": one} for one in cut(block["thinking"])]
            signed = {"type": "signature_delta", "signature": block["signature"]}
            return {"type": "thinking", "thinking": "", "signature": ""}, [*deltas, signed]
        case "tool_use" | "server_tool_use":
            written = cut(msgspec.json.encode(block["input"]).decode())
            return {**block, "input": {}}, [{"type": "input_json_delta", "partial_json": one} for one in written]
        case _:
            return block, []


def failing(kind: str, said: str) -> Any:
    """The body of a failure."""
    return {"type": "error", "error": {"type": kind, "message": said}, "request_id": "req_1"}
