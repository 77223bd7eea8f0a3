# SPDX-License-Identifier: Apache-2.0
"""OpenAI's failures, whether its SDK raises them or an answer reports them, as our errors."""

from collections.abc import Mapping
from typing import Any, cast

from runwright.errors import (
    ContentBlockedError,
    ContextTooLongError,
    ModelAuthError,
    ModelBadRequestError,
    ModelConnectionError,
    ModelError,
    ModelOverloadedError,
    ModelRateLimitedError,
    ModelResponseError,
    ModelTimeoutError,
)
from runwright.models.failures import failure, is_too_long, read_retry_after
from runwright.models.loading import load_now
from runwright.models.openai.names import PROVIDER

_BLOCKED = frozenset(
    {"bio_policy", "content_filter", "content_policy_violation", "image_content_policy_violation", "invalid_prompt"}
    | {"misalignment_policy_violation", "moderation_blocked"}
)
_PASSING = frozenset(
    {"server_error", "vector_store_timeout", "internal_error", "overloaded_error", "server_is_overloaded"}
)
_REFUSED_KEY = frozenset({"authentication_error", "invalid_api_key"})
_TOO_LONG = frozenset({"context_length_exceeded", "exceed_context_size_error"})
_LIMITED = frozenset({"rate_limit_exceeded", "rate_limit_error", "tokens", "requests"})


_SPENT = "insufficient_quota"


def sdk() -> Any:
    """The SDK, which somebody has loaded."""
    return load_now(PROVIDER, PROVIDER)


def sdk_failures() -> tuple[type[Exception], ...]:
    """What the SDK raises: its own errors, and those of JSON that is none."""
    return (sdk().OpenAIError, ValueError)


def sdk_failure(error: Exception, *, begun: bool = False) -> ModelError:
    """The error for what the SDK raised.

    Args:
        begun: Whether part of the answer was given already.
    """
    openai = sdk()
    if isinstance(error, openai.APIStatusError):
        return _by_status(cast("Any", error))
    if isinstance(error, openai.APIResponseValidationError) or not isinstance(error, openai.OpenAIError):
        return ModelResponseError(f"{PROVIDER} answered with what is no JSON: {error}", provider=PROVIDER)
    if isinstance(error, openai.APITimeoutError):
        return ModelTimeoutError(f"{PROVIDER} took longer than it was given", provider=PROVIDER)
    if isinstance(error, openai.APIConnectionError):
        cause = error.__cause__ or error
        shown = f"{type(cause).__name__}: {cause}".rstrip(": ")
        if begun:
            return ModelResponseError(f"{PROVIDER}'s answer was cut off ({shown})", provider=PROVIDER)
        return ModelConnectionError(f"There is no way to {PROVIDER}, or it broke ({shown})", provider=PROVIDER)
    if isinstance(error, openai.APIError):
        given = cast("Any", error)
        return reported_failure({"code": given.code, "type": given.type, "message": given.message})
    return ModelError(f"{PROVIDER}'s SDK: {error}", provider=PROVIDER)


def reported_failure(error: Mapping[str, Any]) -> ModelError:
    """The error for a failure that an answer reports, which has no HTTP status of its own."""
    kind, message = _kind(error), str(error.get("message") or "it did not say why")
    shown = f"{PROVIDER} failed{f' ({kind})' if kind else ''}: {message}"
    if (known := _by_kind(error, shown)) is not None:
        return known
    names = _names(error)
    if names & _LIMITED:
        return ModelRateLimitedError(shown, provider=PROVIDER)
    if names & _REFUSED_KEY:
        return ModelAuthError(f"{shown} (check the API key)", provider=PROVIDER)
    if names & _PASSING or not kind:
        return ModelOverloadedError(shown, provider=PROVIDER)
    code = error.get("code")
    if isinstance(code, int | str) and str(code).isdecimal() and 400 <= int(code) < 600:
        return failure(PROVIDER, int(code), message)
    return ModelBadRequestError(shown, provider=PROVIDER)


def _by_status(error: Any) -> ModelError:
    status = int(error.status_code)
    body: Any = error.body
    given: dict[str, Any] = {"code": error.code, "type": error.type}
    if isinstance(body, dict):
        given |= cast("dict[str, Any]", body)
    kind = _kind(given)
    message = given.get("message") or (body if isinstance(body, str) else error.message)
    is_spent = _SPENT in _names(given)
    if is_spent or (400 <= status < 500 and status not in (401, 403, 429)):
        shown = f"{PROVIDER} answered {status}{f' {kind}' if kind else ''}: {message}"
        if (known := _by_kind(given, shown, status=status)) is not None:
            return known
    return failure(
        PROVIDER, status, str(message)[:1000], retry_after=read_retry_after(error.response.headers), kind=kind or None
    )


def _by_kind(error: Mapping[str, Any], shown: str, *, status: int | None = None) -> ModelError | None:
    """The error that the provider's own name for it tells; None where the status says as much."""
    names = _names(error)
    if _SPENT in names:  # sent as a rate limit, but waiting does not end it
        told = f"{shown} (the account has nothing left to spend: check its plan, credit and limits at {PROVIDER})"
        return ModelAuthError(told, status=status, provider=PROVIDER)
    if names & _BLOCKED:
        return ContentBlockedError(shown, status=status, provider=PROVIDER)
    if names & _TOO_LONG or is_too_long(str(error.get("message") or "")):
        return ContextTooLongError(f"{shown} (shorten or compact the conversation)", status=status, provider=PROVIDER)
    return None


def _names(error: Mapping[str, Any]) -> set[str]:
    return {str(error[name]) for name in ("code", "type") if error.get(name)}


def _kind(error: Mapping[str, Any]) -> str:
    return str(error.get("code") or error.get("type") or "")
