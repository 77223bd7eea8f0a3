# SPDX-License-Identifier: Apache-2.0
"""What a part keeps of the provider's own, so that the provider gets it back as it was.

A thought part's signature holds the whole item that it shows: reasoning, or what a tool of the provider's did. A part
that others understand too (a text, a call) keeps what is beside that in its metadata.
"""

from collections.abc import Mapping
from typing import Any, cast

import msgspec

from runwright.models.openai.names import PROVIDER
from runwright.types import FunctionCall, Part

MALFORMED = "malformed_json"
"""The argument that holds what a model wrote as arguments where that is no JSON. No tool takes it, which it is told."""

_START = f'{{"{PROVIDER}":'.encode()


def signed(item: Mapping[str, Any], text: str) -> Part:
    """A thought part that keeps an item of the provider's."""
    return Part(text=text, thought=True, thought_signature=msgspec.json.encode({PROVIDER: item}))


def signed_item(part: Part) -> dict[str, Any] | None:
    """The item that a part keeps; None for a signature of another provider's, or none."""
    signature = part.thought_signature
    if signature is None or not signature.startswith(_START):
        return None
    try:
        item = msgspec.json.decode(signature)[PROVIDER]
    except (msgspec.DecodeError, KeyError):
        return None
    return cast("dict[str, Any]", item) if isinstance(item, dict) else None


def with_rest(part: Part, rest: Mapping[str, Any]) -> Part:
    """The part, which keeps what else is to go back with it."""
    if rest:
        part.part_metadata = {**(part.part_metadata or {}), PROVIDER: dict(rest)}
    return part


def rest_of(part: Part) -> dict[str, Any]:
    """What else is to go back with a part."""
    rest: Any = part.part_metadata.get(PROVIDER) if part.part_metadata else None
    return cast("dict[str, Any]", rest) if isinstance(rest, dict) else {}


def call_part(call_id: str | None, name: str, arguments: Any, rest: Mapping[str, Any] | None = None) -> Part:
    """The part of a function call.

    Args:
        arguments: What the model wrote: JSON text; some servers give the object itself.
        rest: What else is to go back with it.
    """
    kept = dict(rest or {})
    if isinstance(arguments, Mapping):
        args = dict(cast("Mapping[str, Any]", arguments))
    else:
        text = str(arguments or "")
        args = _read(text)
        if text and _written(args) != text:
            kept["arguments"] = text
    return with_rest(Part(function_call=FunctionCall(id=call_id or None, name=name, args=args)), kept)


def arguments_of(part: Part) -> str:
    """A call's arguments as the model wrote them, unless somebody has changed them since."""
    args = (part.function_call.args if part.function_call is not None else None) or {}
    text = rest_of(part).get("arguments")
    if isinstance(text, str) and MALFORMED not in args and _read(text) == args:
        return text
    return _written(args)


def _read(text: str) -> dict[str, Any]:
    if not text.strip():
        return {}
    try:
        args = msgspec.json.decode(text)
    except (msgspec.DecodeError, UnicodeError):
        args = None
    return cast("dict[str, Any]", args) if isinstance(args, dict) else {MALFORMED: text}


def _written(args: Mapping[str, Any]) -> str:
    return msgspec.json.encode(args).decode()


def answer_text(response: Mapping[str, Any] | None) -> str:
    """What a function answered, as the text that the model reads: a lone result by itself, all else as JSON."""
    given = response or {}
    if len(given) == 1 and "result" in given:
        result = given["result"]
        return result if isinstance(result, str) else msgspec.json.encode(result).decode()
    return _written(given)
