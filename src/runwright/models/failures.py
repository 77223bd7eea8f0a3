# SPDX-License-Identifier: Apache-2.0
"""From what a provider answers when it does not answer to our errors: what is the same for all of them."""

import email.utils
import math
from collections.abc import Callable, Mapping

from runwright import clock
from runwright.errors import (
    ContextTooLongError,
    ModelAuthError,
    ModelBadRequestError,
    ModelError,
    ModelOverloadedError,
    ModelRateLimitedError,
    ModelTimeoutError,
)

_BY_STATUS: dict[int, tuple[Callable[..., ModelError], str]] = {
    401: (ModelAuthError, "check the API key"),
    403: (ModelAuthError, "check the API key and what it may use"),
    404: (ModelBadRequestError, "check the model's name, the region and the API's version"),
    408: (ModelTimeoutError, "ask for less, or give it more time"),
    413: (ContextTooLongError, "shorten or compact the conversation"),
    504: (ModelTimeoutError, "ask for less, or give it more time"),
}
_TOO_LONG = (
    "context length",
    "context_length_exceeded",
    "context window",
    "exceeds the maximum number of tokens",
    "input is too long",
    "maximum context",
    "prompt is too long",
    "too many tokens",
)


def failure(
    provider: str, status: int, message: str, *, retry_after: float | None = None, kind: str | None = None
) -> ModelError:
    """The error for an HTTP status that is none of success.

    Args:
        provider: Which provider it was, as in ``"gemini"``.
        status: The HTTP status.
        message: What the provider said.
        retry_after: In how many seconds to ask again, where it said so.
        kind: The provider's own name for the failure, to be shown.
    """
    shown = f"{provider} answered {status}{f' {kind}' if kind else ''}: {message.strip() or 'it did not say why'}"
    if status == 429:
        return ModelRateLimitedError(shown, retry_after=retry_after, status=status, provider=provider)
    if status in _BY_STATUS:
        make, advice = _BY_STATUS[status]
        return make(f"{shown} ({advice})", status=status, provider=provider)
    if status >= 500:
        return ModelOverloadedError(shown, retry_after=retry_after, status=status, provider=provider)
    if is_too_long(message):
        return ContextTooLongError(f"{shown} (shorten or compact the conversation)", status=status, provider=provider)
    return ModelBadRequestError(shown, status=status, provider=provider)


def is_too_long(message: str) -> bool:
    """Whether a provider's words say that the request has more tokens than the model can read."""
    words = message.lower()
    return any(sign in words for sign in _TOO_LONG)


def read_retry_after(headers: Mapping[str, str] | None) -> float | None:
    """In how many seconds a ``Retry-After`` (or ``retry-after-ms``) says to ask again; None where it says nothing.

    Args:
        headers: The answer's headers, which are found by name in any case if it is an SDK's, else in lower case.
    """
    if not headers:
        return None
    if (milliseconds := _seconds(headers.get("retry-after-ms"))) is not None:
        return milliseconds / 1000
    value = headers.get("retry-after") or headers.get("Retry-After")
    if (seconds := _seconds(value)) is not None:
        return seconds
    if value:
        try:
            return max(0.0, email.utils.parsedate_to_datetime(value).timestamp() - clock.now())
        except ValueError:
            return None
    return None


def _seconds(value: str | None) -> float | None:
    try:
        seconds = float(value or "")
    except ValueError:
        return None
    return max(0.0, seconds) if math.isfinite(seconds) else None
