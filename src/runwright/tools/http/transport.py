# SPDX-License-Identifier: Apache-2.0
"""How requests reach the network: over connections to addresses that were checked. Needs the extra ``openapi``."""

import ssl
from collections.abc import AsyncIterator, Iterable, MutableMapping
from contextlib import aclosing
from http.cookiejar import CookieJar, DefaultCookiePolicy
from pathlib import Path
from typing import Any, cast

import httpcore2
import httpx2

from runwright.tools.http.guard import AddressGuard

ERRORS = (
    httpx2.HTTPError,
    httpx2.InvalidURL,
    httpcore2.NetworkError,
    httpcore2.ProtocolError,
    httpcore2.TimeoutException,
    httpcore2.UnsupportedProtocol,
)
"""What a request may fail with."""

_SECONDS_TO_TRY = 5.0
"""For one of several addresses, before the next one is tried."""


class CheckedBackend(httpcore2.AsyncNetworkBackend):
    """Opens connections. A host is looked up once, and what was checked is what is connected to.

    The name stays what certificates are checked for, and what the server is told.
    """

    def __init__(self, guard: AddressGuard) -> None:
        self._guard = guard
        # The package's own type of it is undeclared where its optional dependency might be missing.
        self._inner: httpcore2.AsyncNetworkBackend = cast("Any", httpcore2).AnyIOBackend()

    async def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,
        local_address: str | None = None,
        socket_options: Iterable[httpcore2.SOCKET_OPTION] | None = None,
    ) -> httpcore2.AsyncNetworkStream:
        try:
            addresses = await self._guard.addresses(host, port)
        except (OSError, UnicodeError) as error:
            raise httpcore2.ConnectError(f"{host} cannot be found: {error}") from error
        failure: Exception = httpcore2.ConnectError(f"{host} has no address")
        for address in addresses:
            seconds = timeout if address == addresses[-1] else min(timeout or _SECONDS_TO_TRY, _SECONDS_TO_TRY)
            try:
                return await self._inner.connect_tcp(address, port, seconds, local_address, socket_options)
            except (httpcore2.ConnectError, httpcore2.ConnectTimeout) as error:
                failure = error
        raise failure

    async def sleep(self, seconds: float) -> None:
        await self._inner.sleep(seconds)


class CheckedTransport(httpx2.AsyncBaseTransport):
    """What ``httpx2`` sends requests through."""

    def __init__(self, guard: AddressGuard, *, ssl_context: ssl.SSLContext) -> None:
        self._pool = httpcore2.AsyncConnectionPool(
            ssl_context=ssl_context,
            max_connections=100,
            max_keepalive_connections=20,
            keepalive_expiry=30.0,
            network_backend=CheckedBackend(guard),
        )

    async def handle_async_request(self, request: httpx2.Request) -> httpx2.Response:
        assert isinstance(request.stream, httpx2.AsyncByteStream)
        url = request.url
        sent = httpcore2.Request(
            method=request.method,
            url=httpcore2.URL(scheme=url.raw_scheme, host=url.raw_host, port=url.port, target=url.raw_path),
            headers=request.headers.raw,
            content=request.stream,
            extensions=request.extensions,
        )
        answer = await self._pool.handle_async_request(sent)
        extensions = cast("MutableMapping[str, Any]", cast("Any", answer).extensions)
        return httpx2.Response(answer.status, headers=answer.headers, stream=_Stream(answer), extensions=extensions)

    async def aclose(self) -> None:
        await self._pool.aclose()


class _Stream(httpx2.AsyncByteStream):
    def __init__(self, answer: httpcore2.Response) -> None:
        self._answer = answer

    async def __aiter__(self) -> AsyncIterator[bytes]:
        async with aclosing(self._answer.aiter_stream()) as chunks:
            async for chunk in chunks:
                yield chunk

    async def aclose(self) -> None:
        await self._answer.aclose()


def ssl_context(verify: ssl.SSLContext | str | bool) -> ssl.SSLContext:
    """How certificates are checked; they are read from disk."""
    if isinstance(verify, str):
        is_folder = Path(verify).is_dir()
        return ssl.create_default_context(capath=verify if is_folder else None, cafile=None if is_folder else verify)
    return verify if isinstance(verify, ssl.SSLContext) else httpx2.create_ssl_context(verify=verify)


def new_client(guard: AddressGuard, *, ssl_context: ssl.SSLContext) -> httpx2.AsyncClient:
    """A client that follows no redirects, keeps no cookies, and takes no proxy from the environment."""
    # What one user's call was given must not go with another's.
    no_cookies = CookieJar(DefaultCookiePolicy(allowed_domains=[]))
    return httpx2.AsyncClient(
        transport=CheckedTransport(guard, ssl_context=ssl_context),
        follow_redirects=False,
        timeout=None,
        trust_env=False,
        cookies=no_cookies,
    )
