# SPDX-License-Identifier: Apache-2.0
"""What the answers of both APIs have in common: usage, and how an answer ends."""

from collections.abc import Mapping, Sequence
from typing import Any, cast

from runwright.errors import ModelResponseError
from runwright.event import LlmResponse
from runwright.models.openai.names import PROVIDER
from runwright.types import Content, FinishReason, GenerateContentResponseUsageMetadata, Part

REFUSAL = "REFUSAL"
"""The ``error_code`` of an answer in which the model refuses."""

_WRITTEN = "cacheWriteTokenCount"


def usage_of(given: Any, *, prompt: str, answer: str) -> GenerateContentResponseUsageMetadata | None:
    """What a call used, in our terms: what the model thought is not part of what it said.

    Args:
        given: The provider's usage.
        prompt: How the API calls what went in (``"input"``), with ``_tokens`` behind it.
        answer: The same for what came out.
    """
    usage = as_object(given)
    asked, said = _count(usage, f"{prompt}_tokens"), _count(usage, f"{answer}_tokens")
    if asked is None and said is None:
        return None
    read, made = as_object(usage.get(f"{prompt}_tokens_details")), as_object(usage.get(f"{answer}_tokens_details"))
    thoughts = _count(made, "reasoning_tokens") or 0
    total = _count(usage, "total_tokens")
    return GenerateContentResponseUsageMetadata(
        prompt_token_count=asked,
        candidates_token_count=None if said is None else max(0, said - thoughts),
        thoughts_token_count=thoughts or None,
        cached_content_token_count=_count(read, "cached_tokens") or None,
        prompt_tokens_details=_sound(read),
        candidates_tokens_details=_sound(made),
        cache_tokens_details=[{_WRITTEN: written}] if (written := _count(read, "cache_write_tokens")) else None,
        total_token_count=(asked or 0) + (said or 0) if total is None else total,
    )


def written_to_cache(usage: GenerateContentResponseUsageMetadata | None) -> int:
    """How many tokens of the prompt were written to the provider's cache."""
    details = usage.cache_tokens_details if usage is not None else None
    return sum(int(one.get(_WRITTEN) or 0) for one in details or ())


def _sound(details: Mapping[str, Any]) -> list[dict[str, Any]] | None:
    count = _count(details, "audio_tokens")
    return [{"modality": "AUDIO", "tokenCount": count}] if count else None


def ended(
    parts: Sequence[Part],
    reason: FinishReason,
    *,
    refusal: str = "",
    why: str = "",
    model: str | None = None,
    usage: GenerateContentResponseUsageMetadata | None = None,
    **more: Any,
) -> LlmResponse:
    """The whole answer. A refusal, a block, and an end without anything said are errors, which it names.

    Args:
        refusal: What the model said in place of an answer.
        why: What the provider says of why it ended.
        more: Other fields of the answer.
    """
    response = LlmResponse(
        model_version=model,
        content=Content(role="model", parts=list(parts)) if parts else None,
        finish_reason=reason,
        usage_metadata=usage,
        **more,
    )
    if refusal:
        response.finish_reason = FinishReason.SAFETY
        response.error_code, response.error_message = REFUSAL, refusal
    elif reason is FinishReason.SAFETY:
        response.error_code = reason.value
        response.error_message = why or "The provider's content filter stopped the answer"
    elif reason is not FinishReason.STOP and not any(
        (part.text and not part.thought) or part.function_call for part in parts
    ):
        response.error_code = reason.value
        response.error_message = why or f"The model stopped before it said anything: {reason.value}"
    return response


def likelihood(tokens: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """What an answer's fields say of how likely its tokens were, where that was asked for."""
    values = [float(one.get("logprob") or 0.0) for one in tokens]
    if not values:
        return {}
    return {"avg_logprobs": sum(values) / len(values), "logprobs_result": {"chosenCandidates": list(tokens)}}


def chunk(text: str, *, thought: bool = False, model: str | None = None) -> LlmResponse:
    """A piece of an answer."""
    part = Part(text=text, thought=True) if thought else Part(text=text)
    return LlmResponse(partial=True, content=Content(role="model", parts=[part]), model_version=model)


def as_object(value: Any) -> dict[str, Any]:
    """A JSON object; an empty one in place of anything else."""
    return cast("dict[str, Any]", value) if isinstance(value, dict) else {}


def objects(value: Any) -> list[dict[str, Any]]:
    """The objects in a JSON list."""
    return (
        [as_object(one) for one in cast("list[Any]", value) if isinstance(one, dict)] if isinstance(value, list) else []
    )


def malformed(what: str, given: Any) -> ModelResponseError:
    """The error for an answer that is none."""
    return ModelResponseError(f"{PROVIDER} answered with {what}: {given!r:.300}", provider=PROVIDER)


def _count(given: Mapping[str, Any], name: str) -> int | None:
    value = given.get(name)
    return value if isinstance(value, int) else None
