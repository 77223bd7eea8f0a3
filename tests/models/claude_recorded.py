# SPDX-License-Identifier: Apache-2.0
"""What recorded requests to Claude and its answers say, read without any of what is tested."""

from typing import Any

import msgspec

from runwright.testing.wire import Exchange, WireAnswer
from tests.models.held_again import is_tried_again

Json = dict[str, Any]
UNFINISHED = {"max_tokens": "MAX_TOKENS", "model_context_window_exceeded": "MAX_TOKENS", "refusal": "SAFETY"}
"""Why an answer ended that is not what the model meant to say, by the provider's words."""


def normalised(body: Json) -> Json:
    """A request without what makes no difference: defaults that are spelled out, and short spellings."""
    body = {name: value for name, value in body.items() if value is not None}
    if body.get("tool_choice") == {"type": "auto"}:
        del body["tool_choice"]
    if not body.get("stream"):
        body.pop("stream", None)
    if not body.get("tools", True):
        del body["tools"]
    body["tools"] = sorted(map(_plain_tool, body.get("tools", ())), key=lambda tool: str(tool.get("name")))
    if not (system := body.get("system")):
        body.pop("system", None)
    elif isinstance(system, list) and not any("cache_control" in block for block in system):
        body["system"] = "\n\n".join(block["text"] for block in system)
    messages: list[Json] = []
    for message in body["messages"]:
        blocks = [block for one in blocks_in(message) if (block := _plain_block(one)) is not None]
        if messages and messages[-1]["role"] == message["role"]:
            messages[-1]["content"] += blocks
        elif blocks:
            messages.append({"role": message["role"], "content": blocks})
    body["messages"] = messages
    return body


def _plain_tool(tool: Json) -> Json:
    shown = {
        name: value for name, value in tool.items() if value is not None and not (name == "description" and not value)
    }
    if shown.get("type") == "custom":
        del shown["type"]
    return shown


def blocks_in(message: Json) -> list[Json]:
    content = message["content"]
    return [{"type": "text", "text": content}] if isinstance(content, str) else content


def _plain_block(block: Json) -> Json | None:
    shown = {name: value for name, value in block.items() if value is not None}
    if shown.get("caller") == {"type": "direct"}:
        del shown["caller"]
    if shown["type"] == "text" and not shown["text"].strip():
        return None
    if shown["type"] == "tool_result":
        content = shown.setdefault("content", "")
        if isinstance(content, list) and all(one["type"] == "text" for one in content) and len(content) <= 1:
            shown["content"] = "".join(one["text"] for one in content)
        shown.setdefault("is_error", False)
    return shown


def answered(answer: WireAnswer) -> Json:
    """The message of a recorded answer, put together here without any of what is tested; a failure as it came."""
    if not answer.streamed:
        try:
            return msgspec.json.decode(answer.body)
        except msgspec.DecodeError:
            return {"type": "error"}
    message: Json = {}
    for chunk in answer.chunks:
        data = next((line for line in chunk.splitlines() if line.startswith(b"data:")), b"data: {}")
        event = msgspec.json.decode(data.removeprefix(b"data:"))
        match event.get("type"):
            case "error":
                return event
            case "message_start":
                message = event["message"]
            case "content_block_start":
                message["content"].append(event["content_block"])
            case "content_block_delta":
                _add(message["content"][event["index"]], event["delta"])
            case "content_block_stop":
                block = message["content"][event["index"]]
                if text := block.pop("json", ""):
                    block["input"] = msgspec.json.decode(text)
            case "message_delta":
                message |= {name: value for name, value in event["delta"].items() if value is not None}
                message["usage"] |= {name: value for name, value in event["usage"].items() if value is not None}
    return message


def _add(block: Json, delta: Json) -> None:
    match delta["type"]:
        case "input_json_delta":
            block["json"] = block.get("json", "") + delta["partial_json"]
        case "citations_delta":
            block["citations"] = [*(block.get("citations") or ()), delta["citation"]]
        case "text_delta" | "thinking_delta" | "signature_delta":
            (name,) = delta.keys() - {"type"}
            block[name] = block.get(name, "") + delta[name]
        case _:
            block |= {name: value for name, value in delta.items() if name != "type" and value is not None}


def fails(answer: WireAnswer) -> bool:
    return answer.status != 200 or answered(answer).get("type") == "error"


def goes_on(before: Exchange, exchange: Exchange) -> bool:
    if before.request.path != exchange.request.path or before.request.path.endswith("/count_tokens"):
        return False
    old, new = unmarked(before.request.json()), unmarked(exchange.request.json())
    said, more = old.pop("messages"), new.pop("messages")
    if old != new or more[: len(said)] != said:
        return False
    more = more[len(said) :]
    if fails(before.answer):
        return not more and before.answer.status != 200 and is_tried_again(before.answer)
    answer = answered(before.answer)
    back = unmarked({"messages": [{"role": "assistant", "content": answer["content"]}]})["messages"]
    if more[:1] != back:
        return False
    if answer["stop_reason"] == "pause_turn":
        return len(more) == 1
    calls = [block["id"] for block in answer["content"] if block["type"] == "tool_use"]
    if len(more) != 2 or answer["stop_reason"] in UNFINISHED:
        return False
    news = more[1]["content"]
    results = [block for block in news if block["type"] == "tool_result"]
    if not calls:
        return not results
    return [
        block["tool_use_id"] for block in news if isinstance(block.get("content"), str)
    ] == calls and results == news


def unmarked(body: Json) -> Json:
    """A request without the marks of what is to be cached, which move on with the conversation."""

    def without(value: Any) -> Any:
        if isinstance(value, list):
            return [without(one) for one in value]
        if isinstance(value, dict):
            return {name: without(one) for name, one in value.items() if name != "cache_control"}
        return value

    return normalised(without(body))
