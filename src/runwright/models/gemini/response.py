# SPDX-License-Identifier: Apache-2.0
"""From what google-genai gives as an answer to LlmResponse (pure)."""

from operator import attrgetter
from typing import Any

from runwright.errors import ModelResponseError
from runwright.event import LlmResponse
from runwright.types import Blob, Content, FinishReason, FunctionCall, Part
from runwright.types import GenerateContentResponseUsageMetadata as Usage

PROVIDER = "gemini"

_WELL = frozenset({None, FinishReason.STOP, FinishReason.FINISH_REASON_UNSPECIFIED})
_BESIDE = ("grounding_metadata", "citation_metadata", "logprobs_result")
"""What comes with a candidate that is kept as free-form JSON."""


def read_answer(answer: Any) -> LlmResponse:
    """A whole answer, or one chunk of it, as our response; safety blocks and the like are in its ``error_code``."""
    response = LlmResponse(model_version=answer.model_version, usage_metadata=read_usage(answer.usage_metadata))
    if not answer.candidates:
        _read_block(answer.prompt_feedback, response)
        return response
    candidate = answer.candidates[0]
    content = candidate.content
    if content is not None and content.parts:
        response.content = Content(role=content.role or "model", parts=[read_part(part) for part in content.parts])
    for name in _BESIDE:
        if (value := getattr(candidate, name)) is not None:
            setattr(response, name, value.model_dump(mode="json", by_alias=True, exclude_none=True))
    response.avg_logprobs = candidate.avg_logprobs
    if candidate.finish_reason is not None:
        reason = response.finish_reason = FinishReason(str(candidate.finish_reason.value))
        cut = reason is FinishReason.MAX_TOKENS and response.content is not None
        if reason not in _WELL and not cut:
            response.error_code = reason.value
            response.error_message = candidate.finish_message or f"The model stopped: {reason.value}"
    return response


def _read_block(feedback: Any, response: LlmResponse) -> None:
    """A prompt that was not let through."""
    if feedback is None or feedback.block_reason is None:
        return
    response.error_code = str(feedback.block_reason.value)
    response.error_message = feedback.block_reason_message or f"The prompt was blocked: {response.error_code}"


def read_part(part: Any) -> Part:
    """A part; what is neither text nor a call is rare, and goes by way of its JSON."""
    set_fields = part.model_fields_set
    if (call := part.function_call) is not None and set_fields <= {"function_call", "thought_signature"}:
        if call.model_fields_set <= {"id", "name", "args"}:
            made = FunctionCall(id=call.id, name=call.name, args=call.args)
            return Part(function_call=made, thought_signature=part.thought_signature)
    elif part.text is not None and set_fields <= {"text", "thought", "thought_signature"}:
        return Part(text=part.text, thought=part.thought, thought_signature=part.thought_signature)
    elif (blob := part.inline_data) is not None and set_fields <= {"inline_data", "thought_signature"}:
        made = Blob(data=blob.data, mime_type=blob.mime_type, display_name=blob.display_name)
        return Part(inline_data=made, thought_signature=part.thought_signature)
    # Named as the API names it, all the way down: what is free-form here goes back as it came.
    return Part.model_validate(part.model_dump(mode="json", by_alias=True, exclude_none=True))


def read_usage(usage: Any, *, answer: str = "candidates") -> Usage | None:
    """What a request used.

    Args:
        usage: The SDK's object.
        answer: What the API calls what came out: the Live API says ``response``.
    """
    if usage is None:
        return None
    return Usage(
        prompt_token_count=usage.prompt_token_count,
        candidates_token_count=getattr(usage, f"{answer}_token_count"),
        total_token_count=usage.total_token_count,
        cached_content_token_count=usage.cached_content_token_count,
        thoughts_token_count=usage.thoughts_token_count,
        tool_use_prompt_token_count=usage.tool_use_prompt_token_count,
        traffic_type=None if usage.traffic_type is None else str(usage.traffic_type.value),
        prompt_tokens_details=_details(usage.prompt_tokens_details),
        candidates_tokens_details=_details(getattr(usage, f"{answer}_tokens_details")),
        cache_tokens_details=_details(usage.cache_tokens_details),
        tool_use_prompt_tokens_details=_details(usage.tool_use_prompt_tokens_details),
    )


def _details(details: Any) -> list[dict[str, Any]] | None:
    """How many tokens were of which kind."""
    return None if details is None else [_detail(one) for one in details]


def _detail(detail: Any) -> dict[str, Any]:
    shown: dict[str, Any] = {}
    if detail.modality is not None:
        shown["modality"] = str(detail.modality.value)
    if detail.token_count is not None:
        shown["tokenCount"] = detail.token_count
    return shown


class Joined:
    """The whole answer that the chunks of a stream make.

    Text is joined to text of its kind (thought or not). A part with a thought signature stays a part of its own, where
    the API wants it back; an empty text is kept only for its signature.
    """

    def __init__(self) -> None:
        self._parts: list[Part] = []
        self._whole = LlmResponse(partial=False)
        self._chunks = 0

    def add(self, chunk: LlmResponse) -> None:
        """Takes the next chunk."""
        self._chunks += 1
        whole = self._whole
        for name, value in zip(_KEPT, _kept(chunk), strict=True):
            if value is not None:
                setattr(whole, name, value)
        if chunk.content is None:
            return
        for part in chunk.content.parts or ():
            self._add_part(part)

    def _add_part(self, part: Part) -> None:
        if part.text is None or part.thought_signature is not None or part.part_metadata is not None:
            self._parts.append(part)
            return
        if not part.text:
            return
        last = self._parts[-1] if self._parts else None
        if last is None or not _takes_text(last) or bool(last.thought) is not bool(part.thought):
            # A part of its own: chunks share nothing with the whole that grows.
            self._parts.append(Part(text=part.text, thought=part.thought))
        else:
            last.text = (last.text or "") + part.text

    @property
    def is_finished(self) -> bool:
        """Whether the model said that this is its end."""
        return self._whole.finish_reason is not None

    def whole(self) -> LlmResponse:
        """The answer.

        Raises:
            ModelResponseError: There was none, or it ended before its end.
        """
        whole = self._whole
        if whole.finish_reason is None and whole.error_code is None:
            said = "was cut off: it ended without a finish reason" if self._chunks else "was empty"
            raise ModelResponseError(f"Gemini's answer {said}", provider=PROVIDER)
        if self._parts:
            whole.content = Content(role="model", parts=self._parts)
            if whole.finish_reason is FinishReason.MAX_TOKENS:
                whole.error_code = whole.error_message = None
        return whole


_KEPT = tuple(name for name in LlmResponse.__struct_fields__ if name not in ("content", "partial"))
_kept = attrgetter(*_KEPT)


def _takes_text(part: Part) -> bool:
    return part.text is not None and part.thought_signature is None and part.part_metadata is None
