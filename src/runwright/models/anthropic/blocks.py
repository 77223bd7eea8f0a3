# SPDX-License-Identifier: Apache-2.0
"""A block of Claude's answer as a part, and back: what is sent back is what came.

A thought's signature is the block's, byte for byte. What a part has no field for is kept in its metadata under the
provider's name: there a block that only this provider understands is kept whole.
"""

import re
from collections.abc import Mapping, Sequence
from typing import Any, cast

from runwright.models.anthropic.failures import PROVIDER
from runwright.models.tool_names import PLAIN_NAMES
from runwright.types import (
    CodeExecutionResult,
    Content,
    ExecutableCode,
    FunctionCall,
    Language,
    Outcome,
    Part,
)

MALFORMED = "malformed_json"
"""The argument that holds what a model wrote as arguments where that is no JSON. No tool takes it, which it is told."""

_USERS_BLOCKS = frozenset({"container_upload", "search_result"})
"""The blocks that a user may say which no part has a field for."""

_USERS_OWN = {
    "text": {"cache_control"},
    "image": {"cache_control"},
    "document": {"cache_control", "citations", "context"},
}
_CONTAINER = f"{PROVIDER}_container"
_CODE_RESULTS = ("code_execution_tool_result", "bash_code_execution_tool_result")
_NOT_IN_IDS = re.compile(r"[^A-Za-z0-9_-]")
_SIGNATURE = re.compile(rb"[A-Za-z0-9+/]+={0,2}")


def part_of(block: Mapping[str, Any]) -> Part | None:
    """The part that keeps a block of an answer; None for a text without text."""
    kind = block.get("type")
    if kind == "text":
        rest = _rest(block, "type", "text")
        text = str(block.get("text") or "")
        return Part(text=text, part_metadata=_kept(rest)) if text or rest else None
    if kind == "thinking":
        signature = str(block.get("signature") or "").encode()
        return Part(
            text=str(block.get("thinking") or ""),
            thought=True,
            thought_signature=signature or None,
            part_metadata=_kept({"type": kind, **_rest(block, "type", "thinking", "signature")}),
        )
    if kind == "redacted_thinking":
        data = str(block.get("data") or "").encode()
        kept = _kept({"type": kind, **_rest(block, "type", "data")})
        return Part(text="", thought=True, thought_signature=data, part_metadata=kept)
    if kind == "tool_use":
        args: Any = block.get("input")
        call = FunctionCall(
            id=block.get("id"),
            name=block.get("name"),
            args=cast("dict[str, Any]", args) if isinstance(args, dict) else {},
        )
        return Part(function_call=call, part_metadata=_kept(_rest(block, "type", "id", "name", "input")))
    part = _code_part(block)
    part.part_metadata = _kept(_rest(block))
    return part


def block_of(part: Part) -> dict[str, Any] | None:
    """The block that a part of the assistant's message is sent as; None where Claude is not to see it.

    Thoughts are sent if they are signed, and only those that Claude signed.
    """
    kept: Any = part.part_metadata.get(PROVIDER) if part.part_metadata else None
    rest = cast("dict[str, Any]", kept) if isinstance(kept, dict) else {}
    if part.thought:
        return _thought_block(part, rest)
    if part.function_call is not None:
        return {"type": "tool_use", **_call(part.function_call), **rest}
    if part.text is not None:
        # A text of spaces alone is refused, also one that the model wrote itself.
        return {"type": "text", "text": part.text, **rest} if rest or part.text.strip() else None
    if "type" in rest:
        return dict(rest)
    text = code_text(part)
    return None if text is None else {"type": "text", "text": text}


def users_block(part: Part) -> dict[str, Any] | None:
    """A block of the user's own that its part keeps whole, such as a search result; None for any other part."""
    kept: Any = part.part_metadata.get(PROVIDER) if part.part_metadata else None
    is_one = isinstance(kept, dict) and cast("dict[str, Any]", kept).get("type") in _USERS_BLOCKS
    return dict(cast("dict[str, Any]", kept)) if is_one else None


def users_own(part: Part, kind: str) -> dict[str, Any]:
    """What a part of the user's says of its block beside what parts have fields for, such as what is to be cached.

    Another agent's texts, which are retold as the user's, may keep more: what an assistant alone may say is left out.
    """
    kept: Any = part.part_metadata.get(PROVIDER) if part.part_metadata else None
    if not isinstance(kept, dict):
        return {}
    known = _USERS_OWN.get(kind, set[str]())
    return {name: value for name, value in cast("dict[str, Any]", kept).items() if name in known}


def code_text(part: Part) -> str | None:
    """Code that somebody else ran, or what came of it, as text; None for any other part."""
    if part.executable_code is not None:
        return f"```python\n{part.executable_code.code or ''}\n```"
    if part.code_execution_result is not None:
        return f"The code's output:\n```\n{part.code_execution_result.output or ''}\n```"
    return None


def keep_container(parts: list[Part], container: Any) -> None:
    """Keeps with what was said where the provider's tools ran, so that they go on there."""
    kept: Any = cast("dict[str, Any]", container).get("id") if isinstance(container, dict) else None
    if kept and parts:
        parts[-1].part_metadata = {**(parts[-1].part_metadata or {}), _CONTAINER: kept}


def kept_container(contents: Sequence[Content]) -> str | None:
    """Where the provider's tools ran last."""
    for content in reversed(contents):
        for part in content.parts or () if content.role == "model" else ():
            if part.part_metadata and isinstance(kept := part.part_metadata.get(_CONTAINER), str):
                return kept
    return None


def call_id(given: str) -> str:
    """An id of a call as the provider takes it: other providers' ids may have other letters."""
    return _NOT_IN_IDS.sub("_", given)


def _code_part(block: Mapping[str, Any]) -> Part:
    """What a block says of code that the provider runs; an empty part for all other blocks."""
    kind, block_id = str(block.get("type")), block.get("id")
    given: Any = block.get("input")
    if kind == "server_tool_use" and isinstance(given, dict):
        asked = cast("dict[str, Any]", given)
        if block.get("name") == "code_execution":
            code = ExecutableCode(code=str(asked.get("code") or ""), language=Language.PYTHON, id=block_id)
            return Part(executable_code=code)
        if block.get("name") == "bash_code_execution":
            code = ExecutableCode(code=str(asked.get("command") or ""), language=Language("BASH"), id=block_id)
            return Part(executable_code=code)
    found: Any = block.get("content")
    if kind in _CODE_RESULTS and isinstance(found, dict):
        return Part(code_execution_result=_code_result(cast("dict[str, Any]", found), block.get("tool_use_id")))
    return Part()


def _code_result(found: Mapping[str, Any], code_id: str | None) -> CodeExecutionResult:
    if error := found.get("error_code"):
        late = error == "execution_time_exceeded"
        outcome = Outcome.OUTCOME_DEADLINE_EXCEEDED if late else Outcome.OUTCOME_FAILED
        return CodeExecutionResult(outcome=outcome, output=str(error), id=code_id)
    outcome = Outcome.OUTCOME_FAILED if found.get("return_code") else Outcome.OUTCOME_OK
    output = "".join(str(found.get(name) or "") for name in ("stdout", "stderr"))
    return CodeExecutionResult(outcome=outcome, output=output, id=code_id)


def _call(call: FunctionCall) -> dict[str, Any]:
    return {"id": call_id(call.id or ""), "name": PLAIN_NAMES.shown(call.name or ""), "input": call.args or {}}


def _thought_block(part: Part, rest: dict[str, Any]) -> dict[str, Any] | None:
    signature = part.thought_signature
    if rest.get("type") == "redacted_thinking":
        return {**rest, "data": (signature or b"").decode("utf-8", "replace")}
    # Without our mark it may be from a session that was kept elsewhere: other providers' signatures look different.
    if not signature or (not rest and (part.part_metadata or _SIGNATURE.fullmatch(signature) is None)):
        return None
    return {"type": "thinking", "thinking": part.text or "", "signature": signature.decode("utf-8", "replace"), **rest}


def _rest(block: Mapping[str, Any], *known: str) -> dict[str, Any]:
    """What else a block says. That the model itself made a call is what is meant where nothing is said."""
    rest = {name: value for name, value in block.items() if name not in known and value is not None}
    if rest.get("caller") == {"type": "direct"}:
        del rest["caller"]
    return rest


def _kept(rest: dict[str, Any]) -> dict[str, Any] | None:
    return {PROVIDER: rest} if rest else None
