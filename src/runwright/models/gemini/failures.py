# SPDX-License-Identifier: Apache-2.0
"""From what google-genai and the libraries below it raise to our errors."""

import re
import sys
from typing import Any

from runwright.errors import (
    ModelAuthError,
    ModelBadRequestError,
    ModelConnectionError,
    ModelError,
    ModelResponseError,
    ModelTimeoutError,
)
from runwright.models.failures import failure, read_retry_after
from runwright.models.gemini.response import PROVIDER

_PARSING = ("JSONDecodeError", "UnknownApiResponseError", "UnicodeDecodeError", "ValidationError")


def gemini_error(error: Exception, *, under_way: bool) -> ModelError | None:
    """The error of ours for one of the SDK's; None where it is none of the SDK's business.

    Args:
        error: What was raised while the model was asked.
        under_way: Whether a part of the answer had come.
    """
    if isinstance(error, ModelError):
        return None
    if _is_a(error, "google.genai.errors", "APIError"):
        return _api_error(error, under_way=under_way)
    if _is_a(error, "google.auth.exceptions", "TransportError"):
        return ModelConnectionError(f"Google's sign-in cannot be reached: {error}", provider=PROVIDER)
    if _is_a(error, "google.auth.exceptions", "GoogleAuthError"):
        return ModelAuthError(
            f"Google did not accept the credentials ({error}): give api_key=, or sign in for Vertex AI",
            provider=PROVIDER,
        )
    if isinstance(error, TimeoutError) or _is_http(error, "TimeoutException"):
        return ModelTimeoutError("Gemini took longer than the timeout it was given", provider=PROVIDER)
    if isinstance(error, OSError) or _is_http(error, "HTTPError", "ClientError", "InvalidURL"):
        if under_way:
            return ModelResponseError(
                f"Gemini's answer was cut off: {error or type(error).__name__}", provider=PROVIDER
            )
        return ModelConnectionError(f"Gemini cannot be reached: {error or type(error).__name__}", provider=PROVIDER)
    if type(error).__name__ in _PARSING or isinstance(error, TypeError | AttributeError | KeyError):
        return ModelResponseError(f"Gemini's answer cannot be read: {error!s:.300}", provider=PROVIDER)
    if isinstance(error, ValueError):  # the SDK found something wrong with what is asked
        return ModelBadRequestError(f"google-genai does not take the request: {error}", provider=PROVIDER)
    return None


def _api_error(error: Any, *, under_way: bool) -> ModelError:
    message, kind = str(error.message or ""), error.status
    code: Any = error.code
    if not isinstance(code, int) or not 400 <= code < 600:
        return ModelResponseError(f"Gemini's answer cannot be read: {error!s:.300}", provider=PROVIDER)
    if code == 400 and ("api key" in message.lower() or "API_KEY_INVALID" in str(error.details)):
        return ModelAuthError(f"Gemini answered 400: {message} (check the API key)", status=400, provider=PROVIDER)
    if under_way:
        return ModelResponseError(
            f"Gemini's answer was cut off by {code} {kind}: {message}", status=code, provider=PROVIDER
        )
    headers = getattr(error.response, "headers", None)
    seconds = read_retry_after(headers)
    if seconds is None:
        seconds = _retry_info(str(error.details))
    return failure(PROVIDER, code, message, retry_after=seconds, kind=kind if isinstance(kind, str) else None)


def _retry_info(details: str) -> float | None:
    """The wait that Google's errors name in their body: ``"retryDelay": "33.5s"``."""
    found = re.search(r"retryDelay\W+(\d+(?:\.\d+)?)s", details)
    return float(found[1]) if found else None


def _is_a(error: Exception, module: str, name: str) -> bool:
    kind = getattr(sys.modules.get(module), name, None)
    return kind is not None and isinstance(error, kind)


def _is_http(error: Exception, *names: str) -> bool:
    """Whether it is an error of the HTTP library that the SDK uses here: httpx2, httpx or aiohttp."""
    return any(_is_a(error, module, name) for module in ("httpx2", "httpx", "aiohttp") for name in names)
