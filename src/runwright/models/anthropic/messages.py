# SPDX-License-Identifier: Apache-2.0
"""From a request's contents to the messages that Claude takes: of user and assistant in turn, tools' results first."""

from collections import Counter
from collections.abc import Iterable
from typing import Any, cast

import msgspec

from runwright.errors import ModelBadRequestError
from runwright.models.anthropic.blocks import block_of, call_id, code_text, users_block, users_own
from runwright.models.anthropic.files import blob_block, file_block
from runwright.models.unreadable import said_now, told_of
from runwright.types import Blob, Content, FileData, FunctionCall, FunctionResponse, Part, text_of

_GO_ON = "Continue."
"""What stands for the user where the conversation begins or ends with the assistant, which Claude does not take."""


def messages_of(contents: Iterable[Content]) -> list[dict[str, Any]]:
    """The messages of a conversation.

    Raises:
        ModelBadRequestError: What the user says now holds a file that Claude cannot read.
    """
    messages: list[dict[str, Any]] = []
    ids = _CallIds()
    contents = list(contents)
    said = said_now(contents)
    for content in contents:
        role = "assistant" if content.role == "model" else "user"
        is_new = content is said
        blocks = [one for part in content.parts or () if (one := _block(part, role, ids, is_new)) is not None]
        if not blocks:
            continue
        if messages and messages[-1]["role"] == role:
            messages[-1]["content"].extend(blocks)
        else:
            messages.append({"role": role, "content": blocks})
    for message in messages:
        if message["role"] == "user":
            message["content"] = _results_first(message["content"])
    if messages and messages[0]["role"] == "assistant":
        messages.insert(0, _go_on())
    if not messages or messages[-1]["role"] == "assistant":
        messages.append(_go_on())
    return messages


def system_text(instruction: Any) -> str:
    """A system instruction of any form, as text."""
    if isinstance(instruction, str):
        return instruction
    if isinstance(instruction, Content):
        return text_of(instruction)
    if isinstance(instruction, Part):
        return instruction.text or ""
    if isinstance(instruction, Iterable):
        return "\n\n".join(text for one in cast("Iterable[Any]", instruction) if (text := system_text(one)))
    return ""


class _CallIds:
    """Gives ids to calls and responses that have none: those of one name are paired in their order.

    Each call has an id of its own, also where it was made by another model, which counts anew in each turn.
    """

    def __init__(self) -> None:
        self._calls: Counter[str] = Counter()
        self._responses: Counter[str] = Counter()
        self._made: dict[str, int] = {}

    def id_of(self, one: FunctionCall | FunctionResponse) -> str:
        if one.id:
            given = call_id(one.id)
            times = self._made.get(given, 0)
            if isinstance(one, FunctionCall):
                times = self._made[given] = times + 1
            return given if times <= 1 else f"{given}-{times}"
        counted = self._calls if isinstance(one, FunctionCall) else self._responses
        name = one.name or ""
        counted[name] += 1
        return call_id(f"call-{name}-{counted[name]}")


def _block(part: Part, role: str, ids: _CallIds, is_new: bool) -> dict[str, Any] | None:
    if part.function_response is not None:
        return _result(part.function_response, ids)
    if (file := part.inline_data or part.file_data) is not None:
        if role == "user":
            return _with_own(_file(file) if is_new else _file_or_words(file), part)
        return _text(f"[file: {file.display_name or file.mime_type or 'unknown'}]")  # the assistant can send none
    if role == "user" and (text := code_text(part)) is not None:
        return _text(text)
    if role == "user":
        # Blocks of the provider's own and thoughts are the assistant's; what others said is retold as text.
        if part.text and part.text.strip() and not part.thought:
            return _with_own(_text(part.text), part)
        return users_block(part)
    block = block_of(part)
    if block is not None and part.function_call is not None:
        block["id"] = ids.id_of(part.function_call)
    return block


def _file(file: Blob | FileData) -> dict[str, Any]:
    return blob_block(file) if isinstance(file, Blob) else file_block(file)


def _file_or_words(file: Blob | FileData) -> dict[str, Any]:
    try:
        return _file(file)
    except ModelBadRequestError:
        return _text(told_of(file))


def _with_own(block: dict[str, Any], part: Part) -> dict[str, Any]:
    """A block of the user's with what its part says of it in the provider's own words."""
    return block | users_own(part, block["type"]) if part.part_metadata else block


def _text(text: str) -> dict[str, Any]:
    return {"type": "text", "text": text}


def _go_on() -> dict[str, Any]:
    return {"role": "user", "content": [_text(_GO_ON)]}


def _results_first(blocks: list[dict[str, Any]]) -> list[dict[str, Any]]:
    results = [block for block in blocks if block["type"] == "tool_result"]
    return [*results, *(block for block in blocks if block["type"] != "tool_result")] if results else blocks


def _result(response: FunctionResponse, ids: _CallIds) -> dict[str, Any]:
    given = response.response or {}
    failed = isinstance(given.get("error"), str) and given.keys() <= {"error", "error_type"}
    content: Any = _told(given)
    if response.parts:
        files = [file for part in response.parts if (file := part.inline_data or part.file_data) is not None]
        content = [*([_text(content)] if given else []), *map(_file_or_words, files)]
    return {"type": "tool_result", "tool_use_id": ids.id_of(response), "content": content, "is_error": failed}


def _told(given: dict[str, Any]) -> str:
    """What a function answered, as the model reads it: a lone result by itself, all else as JSON."""
    if given.keys() == {"result"}:
        result = given["result"]
        return result if isinstance(result, str) else msgspec.json.encode(result).decode()
    if given.keys() == {"error"} and isinstance(given["error"], str):
        return given["error"]
    return msgspec.json.encode(given).decode()
