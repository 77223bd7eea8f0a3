# SPDX-License-Identifier: Apache-2.0
"""What recorded requests to OpenAI and its answers say, read without any of what is tested."""

import re
from typing import Any, NamedTuple

import msgspec

from runwright.testing.wire import Exchange
from tests.models.held_again import is_tried_again

Json = dict[str, Any]
ASKED = re.compile("/(responses|chat/completions|responses/input_tokens)$")
SYSTEM = ("developer", "system")
_CONVERSATION = ("input", "messages")
_NO_WORDS = re.compile(r"^\s*$")


class Said(NamedTuple):
    """What an answer says, as it was recorded."""

    text: str
    calls: list[tuple[str, Any]]
    thoughts: list[str]
    usage: Json
    refusal: str = ""
    reason: str | None = None


def items(body: Json) -> list[Json]:
    """The messages of a request."""
    given = body.get("messages") or body.get("input")
    return [{"role": "user", "content": given}] if isinstance(given, str) else list(given or [])


def instructions(body: Json) -> str:
    """What the system said, wherever in the request it stands."""
    systems = [text_in(one["content"]) for one in items(body) if one.get("role") in SYSTEM]
    return "\n\n".join(text for text in [body.get("instructions"), *systems] if text)


def text_in(content: Any) -> str:
    if not isinstance(content, list):
        return content or ""
    return "".join(piece.get("text") or piece.get("refusal") or "" for piece in content)


def normalised(body: Json) -> Json:
    """A request without what makes no difference: defaults that are spelled out, and who chose the ids."""
    if body.get("tool_choice") == "auto":
        del body["tool_choice"]
    for name, default in (("n", 1), ("stream", False), ("truncation", "disabled")):
        if body.get(name) == default:
            del body[name]
    body.pop("stream_options", None)
    body.pop("system", None)
    if "max_tokens" in body:
        body["max_completion_tokens"] = body.pop("max_tokens")
    body["include"] = [one for one in body.get("include") or () if one != "reasoning.encrypted_content"]
    body["instructions"] = instructions(body)
    body["tools"] = sorted(body.get("tools") or (), key=lambda tool: str(name_of(tool)))
    place = next((name for name in _CONVERSATION if name in body), "input")
    said = [item for item in items(body) if item.get("role") not in SYSTEM]
    knows_ids = any(item.get("type") == "reasoning" for item in said)
    body[place] = [one for item in said if (one := _item(item, knows_ids)) is not None]
    return _plain(body, {})


def name_of(tool: Json) -> Any:
    return tool.get("function", tool).get("name") or tool.get("type")


def _item(item: Json, knows_ids: bool) -> Json | None:
    shown = {name: value for name, value in item.items() if name != "status"}
    content = item.get("content")
    if item.get("role") is not None:
        if shown.get("type") == "message":
            del shown["type"]
        if item["role"] in ("assistant", "tool") or _is_one_text(content):
            content = text_in(content)
        shown["content"] = content
        if item["role"] == "assistant" and not content and shown.keys() <= {"role", "content", "id"}:
            return None
    if not knows_ids and item.get("type") in ("message", "function_call", None):
        shown.pop("id", None)
    if isinstance(shown.get("output"), list) and _is_one_text(shown["output"]):
        shown["output"] = text_in(shown["output"])
    return shown


def _is_one_text(content: Any) -> bool:
    return isinstance(content, list) and len(content) == 1 and content[0]["type"] in ("text", "input_text")


def _plain(value: Any, names: dict[str, str]) -> Any:
    """Without what is empty, and with ids in place of which comes when."""
    if isinstance(value, list):
        return [_plain(item, names) for item in value]
    if not isinstance(value, dict):
        return value
    made: Json = {}
    for key, item in value.items():
        if key in ("additionalProperties", "strict") or item in (None, "", []) or item == {}:
            continue
        if key == "detail" and item == "auto":
            continue
        is_id = key in ("call_id", "tool_call_id") or (key == "id" and value.get("type") == "function")
        made[key] = names.setdefault(item, f"call-{len(names)}") if is_id else _plain(item, names)
    if made.get("parameters") == {"type": "object"}:  # a function without any may show none
        del made["parameters"]
    return made


def goes_on(before: Exchange, exchange: Exchange) -> bool:
    """Whether a request sends back what was answered to the one before, with what tools or the user said then."""
    if before.request.path != exchange.request.path or before.request.path.endswith("/input_tokens"):
        return False
    old, new = before.request.json(), exchange.request.json()
    head, next_head = ({**normalised(dict(body)), "input": 0, "messages": 0} for body in (old, new))
    said, more = ([one for one in items(body) if one.get("role") not in SYSTEM] for body in (old, new))
    if head != next_head or more[: len(said)] != said:
        return False
    more = more[len(said) :]
    answer = said_in(before)
    if answer is None:
        return not more and before.answer.status != 200 and is_tried_again(before.answer)
    own = [item for item in more if _is_models(item)]
    news = more[len(own) :]
    if more[: len(own)] != own or not _is_answer(own, before):
        return False
    calls = [one["id"] if "function" in one else one["call_id"] for item in own for one in _calls(item)]
    results = [
        item.get("tool_call_id") or item.get("call_id") for item in news if "role" not in item or item["role"] == "tool"
    ]
    if calls:
        return results == calls and len(news) == len(calls) and all(isinstance(output_of(one), str) for one in news)
    return len(news) == 1 and news[0].get("role") == "user"


def output_of(item: Json) -> Any:
    """What a tool answered."""
    content = item.get("output") if "call_id" in item else item.get("content")
    return text_in(content) if _is_one_text(content) else content


def _is_models(item: Json) -> bool:
    if "role" in item:
        return item["role"] == "assistant"
    return not str(item.get("type")).endswith("_output")


def _calls(item: Json) -> list[Json]:
    return [item] if item.get("type") == "function_call" else item.get("tool_calls") or []


def _is_answer(own: list[Json], before: Exchange) -> bool:
    """Whether messages of the model's say all of its answer, with the marks that go back to it."""
    answer = _answered(before)
    if "output" not in answer:
        message = answer["choices"][0]["message"]
        return [_item(one, knows_ids=False) for one in own] == [_item(_back(message), knows_ids=False)]
    known = ("arguments", "call_id", "encrypted_content", "name", "summary")
    shown = [{name: item.get(name) for name in known} | {"text": text_in(item.get("content"))} for item in own]
    kept = [item for item in answer["output"] if item["type"] != "message" or text_in(item["content"])]
    was = [{name: item.get(name) for name in known} | {"text": text_in(item.get("content"))} for item in kept]
    knows_ids = any(item["type"] == "reasoning" for item in kept)
    same_ids = [item.get("id") for item in own] == [item.get("id") for item in kept]
    return shown == was and (same_ids or not knows_ids) and all("phase" not in item for item in kept)


def _back(message: Json) -> Json:
    known = ("content", "reasoning", "reasoning_content", "reasoning_details", "role", "tool_calls")
    shown = {name: message[name] for name in known if message.get(name)}
    if "tool_calls" in shown:
        shown["tool_calls"] = [
            {name: value for name, value in call.items() if name != "index"} for call in shown["tool_calls"]
        ]
    return {"content": None, **shown}


def said_in(exchange: Exchange) -> Said | None:
    """What was answered; None where that was a failure, or no answer at all."""
    answer = _answered(exchange)
    if answer.get("error") or answer.get("status") in ("failed", "cancelled"):
        return None
    if "output" in answer:
        return _response(answer)
    if not answer.get("choices"):
        return None
    choice = answer["choices"][0]
    message = choice["message"]
    calls = [one["function"] for one in message.get("tool_calls") or ()]
    named = [(call["name"], _arguments(call["arguments"])) for call in calls]
    thoughts = [message[name] for name in ("reasoning_content", "reasoning") if message.get(name)][:1]
    return Said(
        text_in(message.get("content")),
        named,
        thoughts,
        answer.get("usage") or {},
        message.get("refusal") or "",
        choice.get("finish_reason"),
    )


def _arguments(text: str) -> Any:
    return {} if _NO_WORDS.match(text) else msgspec.json.decode(text)


def _answered(exchange: Exchange) -> Json:
    """The answer as it would be in one piece."""
    answer = exchange.answer
    if answer.status != 200:
        return {"error": {"code": answer.status}}
    if answer.streamed:
        lines = [line[5:].strip() for line in answer.body.decode().splitlines() if line.startswith("data:")]
        return _joined([msgspec.json.decode(line) for line in lines if line not in ("", "[DONE]")])
    try:
        return msgspec.json.decode(answer.body)
    except msgspec.DecodeError:
        return {"error": {"code": "no JSON"}}


def _joined(events: list[Json]) -> Json:
    failures = [event for event in events if event.get("type") == "error" or event.get("error")]
    if failures:
        return {"error": failures[0]}
    if not events or "type" in events[0]:
        ends = [
            event["response"]
            for event in events
            if event["type"] in ("response.completed", "response.incomplete", "response.failed")
        ]
        done = [event["item"] for event in events if event["type"] == "response.output_item.done"]
        return {**ends[-1], **({"output": done} if done else {})} if ends else {"error": {"code": "cut off"}}
    choices = [event["choices"][0] for event in events if event.get("choices")]
    message: Json = {"role": "assistant"}
    calls: dict[Any, Json] = {}
    for delta in (choice["delta"] for choice in choices):
        for name in ("content", "reasoning", "reasoning_content", "refusal"):
            if delta.get(name):
                message[name] = message.get(name, "") + delta[name]
        for call in delta.get("tool_calls") or ():
            shown = calls.setdefault(
                call["index"], {"id": "", "type": "function", "function": {"name": "", "arguments": ""}}
            )
            shown["id"] = shown["id"] or call.get("id") or ""
            for name in ("name", "arguments"):
                shown["function"][name] += call.get("function", {}).get(name) or ""
    if calls:
        message["tool_calls"] = list(calls.values())
    reasons = [choice["finish_reason"] for choice in choices if choice.get("finish_reason")]
    if not reasons:
        return {"error": {"code": "cut off"}}
    usage = [event["usage"] for event in events if event.get("usage")]
    return {"choices": [{"message": message, "finish_reason": reasons[-1]}], "usage": usage[-1] if usage else {}}


def _response(found: Json) -> Said:
    output = found["output"]
    pieces = [piece for item in output if item["type"] == "message" for piece in item["content"]]
    calls = [item for item in output if item["type"] == "function_call"]
    reasoning = [item for item in output if item["type"] == "reasoning"]
    thoughts = [one["text"] for item in reasoning for one in item.get("summary") or item.get("content") or ()]
    named = [(call["name"], _arguments(call["arguments"])) for call in calls]
    text = "".join(piece.get("text") or "" for piece in pieces)
    refusal = "\n".join(piece["refusal"] for piece in pieces if piece.get("refusal"))
    why = (found.get("incomplete_details") or {}).get("reason")
    return Said(text, named, thoughts, found.get("usage") or {}, refusal, why)
