# SPDX-License-Identifier: Apache-2.0
"""From a request's contents to the messages that Claude takes: of user and assistant in turn, tools' results first."""

from collections import Counter
from collections.abc import Iterable
from typing import Any, cast

import msgspec

from runwright.models.anthropic.blocks import block_of, call_id, code_text
from runwright.models.anthropic.files import blob_block, file_block
from runwright.types import Blob, Content, FileData, FunctionCall, FunctionResponse, Part, text_of

_GO_ON = "Continue."
"""What stands for the user where the conversation begins or ends with the assistant, which Claude does not take."""


def messages_of(contents: Iterable[Content]) -> list[dict[str, Any]]:
    """The messages of a conversation.

    Raises:
        ModelBadRequestError: It holds a file that Claude cannot read.
    """
    messages: list[dict[str, Any]] = []
    nameless = _Nameless()
    for content in contents:
        role = "assistant" if content.role == "model" else "user"
        blocks = [block for part in content.parts or () if (block := _block(part, role, nameless)) is not None]
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


class _Nameless:
    """Gives ids to calls and responses that have none: those of one name are paired in their order."""

    def __init__(self) -> None:
        self._calls: Counter[str] = Counter()
        self._responses: Counter[str] = Counter()

    def id_of(self, one: FunctionCall | FunctionResponse) -> str:
        if one.id:
            return call_id(one.id)
        counted = self._calls if isinstance(one, FunctionCall) else self._responses
        name = one.name or ""
        counted[name] += 1
        return call_id(f"call-{name}-{counted[name]}")


def _block(part: Part, role: str, nameless: _Nameless) -> dict[str, Any] | None:
    if part.function_response is not None:
        return _result(part.function_response, nameless)
    if (file := part.inline_data or part.file_data) is not None:
        if role == "user":
            return _file(file)
        return _text(f"[file: {file.display_name or file.mime_type or 'unknown'}]")  # the assistant can send none
    if role == "user" and (text := code_text(part)) is not None:
        return _text(text)
    if role == "user":
        # Blocks of the provider's own and thoughts are the assistant's; what others said is retold as text.
        return _text(part.text) if part.text and part.text.strip() and not part.thought else None
    block = block_of(part)
    if block is not None and part.function_call is not None:
        block["id"] = nameless.id_of(part.function_call)
    return block


def _file(file: Blob | FileData) -> dict[str, Any]:
    return blob_block(file) if isinstance(file, Blob) else file_block(file)


def _text(text: str) -> dict[str, Any]:
    return {"type": "text", "text": text}


def _go_on() -> dict[str, Any]:
    return {"role": "user", "content": [_text(_GO_ON)]}


def _results_first(blocks: list[dict[str, Any]]) -> list[dict[str, Any]]:
    results = [block for block in blocks if block["type"] == "tool_result"]
    return [*results, *(block for block in blocks if block["type"] != "tool_result")] if results else blocks


def _result(response: FunctionResponse, nameless: _Nameless) -> dict[str, Any]:
    given = response.response or {}
    failed = isinstance(given.get("error"), str) and given.keys() <= {"error", "error_type"}
    content: Any = _told(given)
    if response.parts:
        files = [file for part in response.parts if (file := part.inline_data or part.file_data) is not None]
        content = [*([_text(content)] if given else []), *map(_file, files)]
    return {"type": "tool_result", "tool_use_id": nameless.id_of(response), "content": content, "is_error": failed}


def _told(given: dict[str, Any]) -> str:
    """What a function answered, as the model reads it: a lone result by itself, all else as JSON."""
    if given.keys() == {"result"}:
        result = given["result"]
        return result if isinstance(result, str) else msgspec.json.encode(result).decode()
    if given.keys() == {"error"} and isinstance(given["error"], str):
        return given["error"]
    return msgspec.json.encode(given).decode()
