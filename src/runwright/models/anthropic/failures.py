# SPDX-License-Identifier: Apache-2.0
"""From what Anthropic's SDK raises to our errors."""

from collections.abc import Mapping
from typing import Any, cast

from runwright.errors import (
    ContentBlockedError,
    ContextTooLongError,
    ModelAuthError,
    ModelConnectionError,
    ModelError,
    ModelResponseError,
    ModelTimeoutError,
)
from runwright.models.failures import failure, read_retry_after

PROVIDER = "anthropic"

_STATUS_OF = {
    "invalid_request_error": 400,
    "authentication_error": 401,
    "billing_error": 402,
    "permission_error": 403,
    "not_found_error": 404,
    "request_too_large": 413,
    "rate_limit_error": 429,
    "api_error": 500,
    "timeout_error": 504,
    "overloaded_error": 529,
}
"""The status of each kind of failure, for those that come in a stream, which began with 200."""


def failure_of(error: Exception, sdk: Any, http: Any, *, began: bool = False) -> ModelError:
    """Our error for one of the SDK or of the HTTP client below it.

    Args:
        error: What was raised.
        sdk: The module ``anthropic``.
        http: The module ``httpx2``.
        began: Whether some of the answer had come.
    """
    if isinstance(error, sdk.APIStatusError):
        return _status_failure(error)
    if isinstance(error, sdk.APITimeoutError | http.TimeoutException):
        return ModelTimeoutError(
            "anthropic took longer than it was given (ask for less, or set timeout=)", provider=PROVIDER
        )
    if isinstance(error, sdk.APIResponseValidationError | ValueError):
        return ModelResponseError(f"anthropic's answer cannot be read: {error}", provider=PROVIDER)
    if isinstance(error, sdk.APIConnectionError | http.HTTPError):
        cause = error.__cause__ or error
        told = str(cause) or type(cause).__name__
        if began:
            return ModelResponseError(f"anthropic's answer was cut off: {told}", provider=PROVIDER)
        return ModelConnectionError(f"anthropic cannot be reached: {told}", provider=PROVIDER)
    if isinstance(error, sdk.CredentialsError):
        return ModelAuthError(f"anthropic's credentials cannot be loaded: {error}", provider=PROVIDER)
    return ModelError(f"anthropic could not be asked: {error}", provider=PROVIDER)


def cut_off() -> ModelResponseError:
    """The error for a stream that ends before its answer does."""
    return ModelResponseError("anthropic's answer was cut off: the stream ended before it did", provider=PROVIDER)


def _status_failure(error: Any) -> ModelError:
    kind, message = _told(error.body)
    status: int = error.status_code
    if status < 400:
        status = _STATUS_OF.get(kind or "", 500)
    message = message or str(error)
    words = message.lower()
    if "content filtering policy" in words:
        return ContentBlockedError(f"anthropic blocked the answer: {message}", status=status, provider=PROVIDER)
    if "context limit" in words:
        return ContextTooLongError(
            f"anthropic answered {status}: {message} (shorten or compact the conversation, or lower max_tokens)",
            status=status,
            provider=PROVIDER,
        )
    return failure(PROVIDER, status, message, retry_after=read_retry_after(error.response.headers), kind=kind)


def _told(body: Any) -> tuple[str | None, str]:
    """The provider's own name for a failure, and its words."""
    inner: Any = cast("Mapping[str, Any]", body).get("error") if isinstance(body, Mapping) else None
    if not isinstance(inner, Mapping):
        return None, body if isinstance(body, str) else ""
    told = cast("Mapping[str, Any]", inner)
    return told.get("type"), str(told.get("message") or "")
