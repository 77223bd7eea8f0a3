# SPDX-License-Identifier: Apache-2.0
"""The HTTP connections below google-genai, of which no stream is left open.

The SDK forgets the stream of an answer that is not read to its end: it stays open, with its connection, until Python
collects garbage, and an event loop that ends before that complains on the user's terminal. So the SDK is given an HTTP
client of ours, which notes the streams, and they are closed here.
"""

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from contextvars import ContextVar
from typing import Any

_noted: ContextVar[list[Any] | None] = ContextVar("noted", default=None)
"""Gets the streams that are opened; None where they are read whole at once."""


class Connection:
    """A ``google.genai.Client`` with the HTTP client that it uses.

    Attributes:
        client: The SDK's client.
    """

    def __init__(self, client: Any, http: Any) -> None:
        self.client = client
        self._http = http

    async def close(self) -> None:
        """Closes both."""
        try:
            await self.client.aio.aclose()
        finally:
            await self._http.aclose()


def http_client(httpx: Any, seconds: float | None) -> Any:
    """An HTTP client for the SDK, of the library that it uses.

    Args:
        httpx: The library.
        seconds: How long a request waits for a connection, or for the next byte, where it has no time limit of its own.
            The SDK would tell the server too, which refuses limits that it finds too short.
    """
    limits = httpx.Timeout(seconds).as_dict()

    async def limit(request: Any) -> None:
        given: dict[str, float | None] = request.extensions.get("timeout") or {}
        if all(value is None for value in given.values()):
            request.extensions["timeout"] = limits

    return httpx.AsyncClient(
        follow_redirects=True,
        limits=httpx.Limits(max_connections=1000, max_keepalive_connections=100),
        event_hooks={"request": [limit], "response": [_note]},
    )


async def _note(response: Any) -> None:
    """Keeps hold of what a stream is read through, which only the SDK would know."""
    noted = _noted.get()
    if noted is None:
        return
    reading = response.aiter_bytes()
    response.aiter_bytes = lambda: reading
    noted.append(reading)
    noted.append(response)


class Stream:
    """A stream of the SDK's chunks, which is closed with all that it is made of."""

    def __init__(self, chunks: AsyncGenerator[Any, None]) -> None:
        self._chunks = chunks
        self._opened: list[Any] = []

    async def next(self) -> Any:
        """The next chunk; None where there are no more."""
        if self._opened:  # all was noted when the first chunk came
            return await anext(self._chunks, None)
        token = _noted.set(self._opened)
        try:
            return await anext(self._chunks, None)
        finally:
            _noted.reset(token)

    async def close(self) -> None:
        """Closes it, from the outside in: nothing is being read any more when the connection is let go."""
        await self._chunks.aclose()
        for opened in self._opened:
            await opened.aclose()


@asynccontextmanager
async def stream_of(chunks: AsyncGenerator[Any, None]) -> AsyncGenerator[Stream]:
    """A stream that is closed at the end of the block."""
    stream = Stream(chunks)
    try:
        yield stream
    finally:
        await stream.close()
