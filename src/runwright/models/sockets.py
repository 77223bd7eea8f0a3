# SPDX-License-Identifier: Apache-2.0
"""The WebSockets of live models: opened within a deadline, closed once, and what their failures mean."""

import asyncio
import sys
from contextlib import AbstractAsyncContextManager, AsyncExitStack
from typing import Any, TypeVar, cast

import msgspec

from runwright.errors import (
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
from runwright.scope import shielded

OPENING_SECONDS = 30.0
"""How long a connection may take to be open and set up."""
NORMAL_CLOSURE = 1000
ABNORMAL_CLOSURE = 1006
"""The code that a client tells of where the connection broke without one (RFC 6455, 7.4.1)."""

_CLOSING_SECONDS = 15.0
_BROKEN = frozenset({1001, 1005, ABNORMAL_CLOSURE, 1012, 1014})
_REFUSED_KEY = ("api key", "api_key", "credential", "unauthenticated", "unauthorized", "permission")
_LIMITED = ("quota", "rate limit", "rate_limit", "resource exhausted", "resource_exhausted")

_Session = TypeVar("_Session")


class LiveSocket:
    """An SDK's connection to a live model, whose context it holds.

    Args:
        provider: Which provider it is, for errors.

    Attributes:
        closed: Whether it was closed by us.
    """

    def __init__(self, provider: str) -> None:
        self.closed = False
        self._provider = provider
        self._context = AsyncExitStack()

    async def open(self, context: AbstractAsyncContextManager[_Session], seconds: float) -> _Session:
        """Enters the SDK's context.

        Raises:
            ModelTimeoutError: It took longer than ``seconds``.
        """
        try:
            async with asyncio.timeout(seconds):
                return await self._context.enter_async_context(context)
        except TimeoutError as error:
            raise ModelTimeoutError(
                f"There was no live connection to {self._provider} within {seconds:g} seconds", provider=self._provider
            ) from error

    async def close(self) -> None:
        """Leaves it, also while the task is being cancelled; another time this does nothing."""
        if not self.closed:
            self.closed = True
            await shielded(self._leave(), None)

    async def _leave(self) -> None:
        try:
            async with asyncio.timeout(_CLOSING_SECONDS):
                await self._context.aclose()
        except Exception as error:
            if not isinstance(error, TimeoutError | OSError) and closing_of(error) is None:
                raise  # what is closed or gone needs no closing


def closing_of(error: BaseException) -> tuple[int, str] | None:
    """The code and the reason with which a WebSocket was closed, where that is what the error says."""
    kind = getattr(sys.modules.get("websockets.exceptions"), "ConnectionClosed", None)
    if kind is None or not isinstance(error, kind):
        return None
    received: Any = cast("Any", error).rcvd
    return (ABNORMAL_CLOSURE, "") if received is None else (int(received.code), str(received.reason))


def socket_failure(provider: str, error: BaseException) -> ModelError | None:
    """The error of ours for what the library below the SDKs raises; None where it is another's."""
    if (closing := closing_of(error)) is not None:
        return closed_failure(provider, *closing)
    library: Any = sys.modules.get("websockets.exceptions")
    if library is not None and isinstance(error, library.InvalidStatus):
        return _refused(provider, cast("Any", error).response)
    if library is not None and isinstance(error, library.InvalidURI):
        return ModelBadRequestError(f"This is no address of a live connection: {error}", provider=provider)
    if isinstance(error, TimeoutError):
        return ModelTimeoutError(f"{provider} took longer than it was given", provider=provider)
    if isinstance(error, OSError) or (library is not None and isinstance(error, library.WebSocketException)):
        shown = f"{type(error).__name__}: {error}".rstrip(": ")
        return ModelConnectionError(f"There is no live connection to {provider} ({shown})", provider=provider)
    return None


def closed_failure(provider: str, code: int, reason: str) -> ModelError:
    """The error for a connection that was closed with a code other than that of success.

    The codes are those of RFC 6455, and of the providers' own from 3000 on. They say little: Gemini closes with 1011
    for a quota that is used up as for a fault of its own, so the reason is read too.
    """
    words = reason.lower()
    shown = f"{provider} closed the live connection ({code}{f': {reason}' if reason else ''})"
    if any(sign in words for sign in _LIMITED):
        return ModelRateLimitedError(shown, provider=provider)
    if any(sign in words for sign in _REFUSED_KEY):
        return ModelAuthError(f"{shown} (check the API key and what it may use)", provider=provider)
    if is_too_long(reason):
        return ContextTooLongError(f"{shown} (shorten or compact the conversation)", provider=provider)
    if code in _BROKEN:
        return ModelConnectionError(f"The live connection to {provider} broke ({code}: {reason})", provider=provider)
    if code in (1011, 1013):
        return ModelOverloadedError(shown, provider=provider)
    if code == NORMAL_CLOSURE:
        return ModelConnectionError(shown, provider=provider)
    if code == 1002:
        return ModelResponseError(shown, provider=provider)
    return ModelBadRequestError(shown, provider=provider)


def _refused(provider: str, response: Any) -> ModelError:
    """The error for an HTTP status in place of a connection."""
    body = bytes(response.body or b"")
    message, kind = body.decode(errors="replace"), ""
    try:
        given: Any = msgspec.json.decode(body)
    except msgspec.DecodeError:
        given = None
    error: Any = cast("dict[str, Any]", given).get("error") if isinstance(given, dict) else None
    if isinstance(error, dict):
        named = cast("dict[str, Any]", error)
        message, kind = str(named.get("message") or ""), str(named.get("code") or named.get("status") or "")
    status = int(response.status_code)
    retry_after = read_retry_after(response.headers)
    return failure(provider, status, message[:1000], retry_after=retry_after, kind=kind or None)
