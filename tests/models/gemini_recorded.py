# SPDX-License-Identifier: Apache-2.0
"""What recorded requests to Gemini and its answers say, read without any of what is tested."""

import base64
import re
from typing import Any

import msgspec

from runwright.testing.wire import Exchange
from tests.models.held_again import is_tried_again

Json = dict[str, Any]
ASKED = re.compile(r"/(v\d\w*)/([^:]+):(generateContent|streamGenerateContent|countTokens)$")
SKIPPED_SIGNATURE = base64.b64encode(b"skip_thought_signature_validator").decode()
FREE_FORM = frozenset(
    {"args", "labels", "parameters", "parametersJsonSchema", "response", "responseJsonSchema", "responseSchema"}
)
"""Where names are a program's own, so that their spelling is kept."""


def camel(name: str) -> str:
    first, *rest = name.split("_")
    return first + "".join(word[:1].upper() + word[1:] for word in rest)


def as_ours(body: Any) -> Any:
    """A request's body without what only its client makes of it: how names and base64 are spelled, ids of its own."""
    if isinstance(body, list):
        return [as_ours(item) for item in body]
    if not isinstance(body, dict):
        return body
    made: Json = {}
    for name, value in body.items():
        name = camel(name)
        if name in ("thoughtSignature", "data") and isinstance(value, str):
            value = value.replace("-", "+").replace("_", "/")
            if value == SKIPPED_SIGNATURE:
                continue
        if value is None or (name == "id" and str(value).startswith("pyd_ai_")):
            continue
        if name == "contents":
            value = [content for one in _listed(value) if (content := _content(one))["parts"] != [{"text": ""}]]
        if name in ("functionCall", "functionCalls") and isinstance(value, dict):
            value = {"args": {}, **value}
        made[name] = value if name in FREE_FORM else as_ours(value)
    if isinstance(inner := made.pop("generateContentRequest", None), dict):
        made |= {name: value for name, value in inner.items() if name != "model"}
    if isinstance(instruction := made.get("systemInstruction"), dict):
        made["systemInstruction"] = {"parts": _listed(instruction.get("parts", []))}
    if made.get("generationConfig") == {}:
        del made["generationConfig"]
    return made


def _listed(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [value]


def _content(given: Any) -> Json:
    if isinstance(given, str):
        given = {"parts": [{"text": given}]}
    return {"role": "user", **given, "parts": given.get("parts") or []}


def fails(exchange: Exchange) -> bool:
    answer = exchange.answer
    return answer.status != 200 or any("error" in chunk for chunk in answer_chunks(exchange)) or not answer.body.strip()


def answer_chunks(exchange: Exchange) -> list[Any]:
    """The answer's JSON: that of each chunk where it was streamed."""
    if not exchange.answer.streamed:
        try:
            return [msgspec.json.decode(exchange.answer.body)]
        except msgspec.DecodeError:
            return []
    lines = [line[5:] for line in exchange.answer.body.splitlines() if line.startswith(b"data:") and line[5:].strip()]
    return [msgspec.json.decode(line) for line in lines]


def parts_of(chunks: list[Any]) -> list[Any]:
    candidates = [chunk["candidates"][0] for chunk in chunks if chunk.get("candidates")]
    return [part for candidate in candidates for part in (candidate.get("content") or {}).get("parts", [])]


def text_in(parts: list[Any], *, thought: bool) -> str:
    return "".join(part.get("text", "") for part in parts if bool(part.get("thought")) is thought)


def calls_in(parts: list[Any]) -> list[Any]:
    calls = [part["functionCall"] for part in parts if "functionCall" in part]
    return [(call["name"], call.get("args") or {}) for call in calls]


def signatures_in(parts: list[Any]) -> list[str]:
    given = [part["thoughtSignature"] for part in parts if "thoughtSignature" in part]
    return [one.replace("-", "+").replace("_", "/") for one in given]


def goes_on(before: Exchange, exchange: Exchange) -> bool:
    """Whether a request sends back what was answered to the one before, with what tools or the user said then."""
    if before.request.path != exchange.request.path or before.request.path.endswith("countTokens"):
        return False
    old, new = as_ours(before.request.json()), as_ours(exchange.request.json())
    said, more = old.pop("contents", []), new.pop("contents", [])
    if old != new or more[: len(said)] != said:
        return False
    more = more[len(said) :]
    if fails(before):
        return not more and is_tried_again(before.answer)
    parts = parts_of(answer_chunks(before))
    if len(more) != 2 or more[0].get("role") != "model" or not _says_the_same(more[0]["parts"], parts):
        return False
    answers = [part["functionResponse"] for part in more[1]["parts"] if "functionResponse" in part]
    calls = calls_in(parts)
    if not calls:
        return not answers and bool(parts)
    is_whole = len(answers) == len(more[1]["parts"]) and not any("parts" in one for one in answers)
    return is_whole and [one["name"] for one in answers] == [name for name, _ in calls]


def _says_the_same(back: list[Any], parts: list[Any]) -> bool:
    def shown(given: list[Any]) -> Any:
        texts = [text_in(given, thought=thought) for thought in (False, True)]
        known = ("text", "thought", "thoughtSignature", "functionCall")
        others = [kind for part in given for kind in part if kind not in known]
        return texts, calls_in(given), signatures_in(given), others

    return shown(back) == shown(parts)
