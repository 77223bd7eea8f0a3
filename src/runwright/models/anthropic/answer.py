# SPDX-License-Identifier: Apache-2.0
"""From a message of Claude's, whole or as a stream of events, to responses."""

from collections.abc import Mapping
from typing import Any, cast

import msgspec

from runwright.errors import ModelResponseError
from runwright.event import LlmResponse
from runwright.models.anthropic.blocks import MALFORMED, block_of, keep_container, part_of
from runwright.models.anthropic.failures import PROVIDER
from runwright.models.anthropic.request import ANSWER_TOOL
from runwright.types import Content, FinishReason, GenerateContentResponseUsageMetadata, Part

REFUSAL = "REFUSAL"
"""The ``error_code`` of an answer in which the model refuses."""

PAUSED = "pause_turn"
"""Why the model stopped that goes on when it is sent back what it said."""

_FINISH: dict[str | None, FinishReason] = {
    "end_turn": FinishReason.STOP,
    "stop_sequence": FinishReason.STOP,
    "tool_use": FinishReason.STOP,
    "max_tokens": FinishReason.MAX_TOKENS,
    "model_context_window_exceeded": FinishReason.MAX_TOKENS,
    "refusal": FinishReason.SAFETY,
}
_CUT = ("max_tokens", "model_context_window_exceeded")
_ADDED_UP = (
    "input_tokens",
    "output_tokens",
    "cache_creation_input_tokens",
    "cache_read_input_tokens",
)
_ABOUT = ("id", "stop_reason", "stop_sequence", "stop_details", "container", "context_management")


def response_of(message: Mapping[str, Any]) -> LlmResponse:
    """The response for a whole message.

    A call that was cut off by the limit of tokens, and any call of a message that was refused, is left out: it is not
    what the model meant. What our vocabulary has no field for is in ``custom_metadata["anthropic"]``.

    Raises:
        ModelResponseError: It is no message.
    """
    blocks: Any = message.get("content")
    if not isinstance(blocks, list):
        raise ModelResponseError(f"anthropic answered what is no message: {str(message)[:200]}", provider=PROVIDER)
    stop = message.get("stop_reason")
    found = cast("list[dict[str, Any]]", blocks)
    kept, lost = _said(found, stop)
    parts = [part for block in kept if (part := _part(block)) is not None]
    keep_container(parts, message.get("container"))
    code, told = _error(stop, message, empty=not parts, lost=lost)
    return LlmResponse(
        model_version=message.get("model"),
        content=Content(role="model", parts=parts) if parts else None,
        partial=False,
        finish_reason=_FINISH.get(stop, FinishReason.OTHER),
        error_code=code,
        error_message=told,
        usage_metadata=_usage(usage_in(message)),
        custom_metadata={PROVIDER: _about(message)},
    )


def continued(before: dict[str, Any] | None, message: dict[str, Any]) -> dict[str, Any]:
    """A message that goes on with one that paused: what both said and used."""
    if before is None:
        return message
    first, second = usage_in(before), usage_in(message)
    usage = first | second
    for name in _ADDED_UP:
        usage[name] = (first.get(name) or 0) + (second.get(name) or 0)
    thought = _thought_tokens(first) + _thought_tokens(second)
    if thought:
        usage["output_tokens_details"] = {"thinking_tokens": thought}
    # What is no list is no message, which is told when the answer is read.
    content: Any = message.get("content")
    said: Any = [*before["content"], *content] if isinstance(content, list) else content
    return {**message, "content": said, "usage": usage}


def usage_in(message: Mapping[str, Any]) -> dict[str, Any]:
    """The usage that a message tells, in the provider's words."""
    usage: Any = message.get("usage")
    return cast("dict[str, Any]", usage) if isinstance(usage, dict) else {}


def said_by(message: Mapping[str, Any]) -> list[dict[str, Any]]:
    """What a message said, as it is sent back."""
    parts = (part_of(block) for block in message["content"])
    return [block for part in parts if part is not None and (block := block_of(part)) is not None]


class Assembly:
    """Puts a message together from the events of its stream.

    Attributes:
        message: The message so far.
        began: Whether anything came.
        is_whole: Whether its end came.
    """

    __slots__ = ("_blocks", "_pieces", "began", "is_whole", "message")

    def __init__(self) -> None:
        self.message: dict[str, Any] = {}
        self.began = False
        self.is_whole = False
        self._blocks: dict[int, dict[str, Any]] = {}
        self._pieces: dict[int, dict[str, list[str]]] = {}

    def add(self, event: Any) -> LlmResponse | None:
        """Takes the next event, and gives a chunk where it says something new.

        Raises:
            ModelResponseError: It is not what the API sends.
        """
        self.began = True
        try:
            return self._add(event)
        except (AttributeError, KeyError, TypeError) as error:
            raise ModelResponseError(
                f"anthropic's stream cannot be read at {str(event)[:200]}", provider=PROVIDER
            ) from error

    def _add(self, event: dict[str, Any]) -> LlmResponse | None:
        kind = event["type"]
        if kind == "content_block_delta":
            return self._add_delta(event["index"], event["delta"])
        if kind == "message_start":
            self.message = dict(event["message"])
        elif kind == "content_block_start":
            block = self._blocks[event["index"]] = dict(event["content_block"])
            self._pieces[event["index"]] = {}
            return self._chunk(block.get("text") or "") if block["type"] == "text" else None
        elif kind == "content_block_stop":
            self._close(event["index"])
        elif kind == "message_delta":
            # What is left out or null in the end is what it was in the beginning.
            self.message.update({name: value for name, value in event["delta"].items() if value is not None})
            latest = {name: value for name, value in usage_in(event).items() if value is not None}
            self.message["usage"] = usage_in(self.message) | latest
            if event.get("context_management"):
                self.message["context_management"] = event["context_management"]
        elif kind == "message_stop":
            for index in list(self._pieces):
                self._close(index)
            self.message["content"] = [self._blocks[index] for index in sorted(self._blocks)]
            self.is_whole = True
        return None

    def _add_delta(self, index: int, delta: dict[str, Any]) -> LlmResponse | None:
        kind = delta["type"]
        block = self._blocks[index]
        if kind == "text_delta":
            self._pieces[index].setdefault("text", []).append(delta["text"])
            return self._chunk(delta["text"])
        if kind == "thinking_delta":
            self._pieces[index].setdefault("thinking", []).append(delta["thinking"])
            return self._chunk(delta["thinking"], thought=True)
        if kind == "signature_delta":
            self._pieces[index].setdefault("signature", []).append(delta["signature"])
        elif kind == "input_json_delta":
            self._pieces[index].setdefault("input", []).append(delta["partial_json"])
        elif kind == "citations_delta":
            block["citations"] = [*(block.get("citations") or ()), delta["citation"]]
        else:  # What is added whole, as a compaction is.
            block.update({name: value for name, value in delta.items() if name != "type" and value is not None})
        return None

    def _close(self, index: int) -> None:
        """Joins a block's pieces."""
        block = self._blocks[index]
        for name, pieces in self._pieces.pop(index, {}).items():
            text = "".join(pieces)
            if name == "input":
                if text.strip():
                    block["input"] = _read(text)
            else:
                block[name] = (block.get(name) or "") + text

    def _chunk(self, text: str, *, thought: bool = False) -> LlmResponse | None:
        if not text:
            return None
        return LlmResponse(
            model_version=self.message.get("model"),
            content=Content(role="model", parts=[Part(text=text, thought=thought or None)]),
            partial=True,
        )


def _read(text: str) -> dict[str, Any]:
    try:
        found = msgspec.json.decode(text)
    except (msgspec.DecodeError, UnicodeError):
        found = None
    return cast("dict[str, Any]", found) if isinstance(found, dict) else {MALFORMED: text}


def _said(blocks: list[dict[str, Any]], stop: Any) -> tuple[list[dict[str, Any]], bool]:
    """The blocks that count, and whether a call was lost."""
    if stop == "refusal":
        return [block for block in blocks if block.get("type") != "tool_use"], False
    if stop in _CUT and blocks and blocks[-1].get("type") == "tool_use":
        return blocks[:-1], True
    return blocks, False


def _part(block: dict[str, Any]) -> Part | None:
    if block.get("type") == "tool_use" and block.get("name") == ANSWER_TOOL:
        given: Any = block.get("input") or {}
        answer = given["answer"] if given.keys() == {"answer"} else given
        return Part(text=msgspec.json.encode(answer).decode())
    return part_of(block)


def _error(stop: Any, message: Mapping[str, Any], *, empty: bool, lost: bool) -> tuple[str | None, str | None]:
    if stop == "refusal":
        details: Any = message.get("stop_details") or {}
        why = details.get("explanation") or "Claude declined to answer"
        return REFUSAL, f"{why} (category: {details['category']})" if details.get("category") else why
    if stop in _CUT and (empty or lost):
        what = "before it had called the tool" if lost else "before it had said anything"
        return "MAX_TOKENS", f"Claude reached the limit of tokens {what}: raise max_output_tokens"
    if empty and stop not in _FINISH and stop != PAUSED:
        return "OTHER", f"Claude stopped before it said anything, for a reason that is not known here: {stop}"
    if stop == PAUSED:
        return "PAUSED", "Claude paused too often: ask it to go on, or for less"
    return None, None


def _usage(usage: Mapping[str, Any]) -> GenerateContentResponseUsageMetadata | None:
    """Tokens: the prompt's are all that was read, from the cache too; what was thought is counted by itself."""
    if not usage:
        return None
    read, written = usage.get("cache_read_input_tokens") or 0, written_tokens(usage)
    prompt = (usage.get("input_tokens") or 0) + written + read
    output = usage.get("output_tokens") or 0
    thought = min(_thought_tokens(usage), output)
    return GenerateContentResponseUsageMetadata(
        prompt_token_count=prompt,
        cached_content_token_count=read or None,
        cache_tokens_details=[{"kind": "write", "tokenCount": written}] if written else None,
        candidates_token_count=output - thought,
        thoughts_token_count=thought or None,
        total_token_count=prompt + output,
    )


def written_tokens(usage: Mapping[str, Any]) -> int:
    """How many tokens were written to the cache."""
    return usage.get("cache_creation_input_tokens") or 0


def _thought_tokens(usage: Mapping[str, Any]) -> int:
    details: dict[str, Any] = usage.get("output_tokens_details") or {}
    return details.get("thinking_tokens") or 0


def _about(message: Mapping[str, Any]) -> dict[str, Any]:
    about: dict[str, Any] = {name: message[name] for name in _ABOUT if message.get(name) is not None}
    if usage := {name: value for name, value in usage_in(message).items() if value}:
        about["usage"] = usage
    return about
