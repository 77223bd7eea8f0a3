# SPDX-License-Identifier: Apache-2.0
"""Sends requests: one client for each event loop, redirects looked at, answers not longer than allowed."""

import asyncio
import codecs
import importlib
import re
import ssl
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from types import ModuleType
from typing import Any
from urllib.parse import SplitResult, quote, urljoin, urlsplit

from runwright.clients import LoopClients
from runwright.errors import MissingDependencyError, ToolExecutionError
from runwright.tools.http.guard import AddressGuard
from runwright.tools.http.reading import read_json

Verify = ssl.SSLContext | str | bool

_TRANSPORT = "runwright.tools.http.transport"
_MOST_REDIRECTS = 5
# What another server than the one that was asked may see; keys have names of all kinds.
_FOR_ALL = frozenset(("accept", "user-agent"))
_WHO = re.compile(r"//[^/@]*@")
_HEADER = re.compile(r"(?:[\x21-\x7e](?:[\t\x20-\x7e]*[\x21-\x7e])?)?")
_PORTS = {"http": 80, "https": 443}


@dataclass(slots=True)
class Outgoing:
    """A request before it is sent.

    Attributes:
        query: Pairs, quoted already.
        cookies: Pairs, quoted already.
        body: Keywords of ``httpx2.AsyncClient.build_request``.
    """

    method: str
    url: str
    query: list[str] = field(default_factory=list[str])
    headers: dict[str, str] = field(default_factory=dict[str, str])
    cookies: list[str] = field(default_factory=list[str])
    body: dict[str, Any] = field(default_factory=dict[str, Any])

    @property
    def whole_url(self) -> str:
        """The URL with its query."""
        if not self.query:
            return self.url
        return f"{self.url}{'&' if '?' in self.url else '?'}{'&'.join(self.query)}"


@dataclass(frozen=True, slots=True)
class Answer:
    """What a server answered.

    Attributes:
        headers: Their names are in lower case.
        encoding: The charset of a text.
    """

    status: int
    headers: Mapping[str, str]
    content: bytes
    url: str
    encoding: str = "utf-8"

    @property
    def media_type(self) -> str:
        """The content's type, without its parameters, in lower case."""
        return self.headers.get("content-type", "").partition(";")[0].strip().lower()

    def json(self) -> Any:
        """The content as JSON.

        Raises:
            msgspec.DecodeError: It is none, or nested so deeply that nobody could work with it.
        """
        return read_json(self.content.removeprefix(codecs.BOM_UTF8))

    @property
    def text(self) -> str:
        """The content as text."""
        try:
            return self.content.decode(self.encoding, errors="replace")
        except LookupError:
            return self.content.decode(errors="replace")


class HttpClients:
    """The clients of one toolset, one for each event loop that calls its tools.

    Args:
        guard: Which addresses may be connected to.
        verify: How certificates are checked: True, False, the path of a bundle, or a context.
        factory: Makes the clients in place of ours. Which addresses these connect to is then theirs to decide (through
            a proxy it is the proxy's): hosts are looked up and checked before, where they can be.
        longest: Of an answer, in bytes.
    """

    def __init__(
        self,
        guard: AddressGuard,
        *,
        verify: Verify | None = None,
        factory: Callable[[], Any] | None = None,
        longest: int = 4_000_000,
    ) -> None:
        optional("httpx2")
        self.verify: Verify = True if verify is None else verify
        self._guard = guard
        self._factory = factory
        self._longest = longest
        self._certificates: ssl.SSLContext | None = None
        self._clients: LoopClients[Any] = LoopClients(self._new, _closed)

    async def send(self, request: Outgoing, *, follow: bool = True, longest: int | None = None) -> Answer:
        """Sends a request, and follows where it is redirected to.

        Args:
            request: What is sent.
            follow: Whether redirects are followed.
            longest: How long the answer may be, in bytes, where that is not what all answers may.

        What authenticates goes to the request's own server only, and nothing goes from https to http.

        Raises:
            ToolExecutionError: There was no answer, or one that may not or cannot be taken.
        """
        errors: tuple[type[Exception], ...] = optional(_TRANSPORT).ERRORS
        client = await self._client()
        try:
            answer = await self._once(client, request, longest or self._longest)
            for _ in range(_MOST_REDIRECTS):
                target = answer.headers.get("location")
                if not follow or target is None or answer.status not in (301, 302, 303, 307, 308):
                    return answer
                request = _redirected(request, answer.status, _target(answer.url, target))
                answer = await self._once(client, request, longest or self._longest)
        except errors as error:
            told = f"{request.method} {shown_url(request.url)} failed: {type(error).__name__}: {error}"
            raise ToolExecutionError(told, "CONNECTION_FAILED") from error
        raise ToolExecutionError(f"{shown_url(request.url)} redirects again and again", "TOO_MANY_REDIRECTS")

    async def close(self) -> None:
        """Closes the clients, each in its own loop where that one runs. The next request makes a new one."""
        await self._clients.close()

    async def _client(self) -> Any:
        if self._factory is None and self._certificates is None:
            # Reading them takes a while.
            self._certificates = await asyncio.to_thread(optional(_TRANSPORT).ssl_context, self.verify)
        return self._clients.get()

    def _new(self) -> Any:
        if self._factory is not None:
            return self._factory()
        return optional(_TRANSPORT).new_client(self._guard, ssl_context=self._certificates)

    async def _once(self, client: Any, request: Outgoing, longest: int) -> Answer:
        url = request.whole_url
        parts = _parts(url)
        if parts is None or parts.scheme not in _PORTS or not parts.hostname:
            told = f"{shown_url(url)!r} is no http or https URL: give the toolset a base_url"
            raise ToolExecutionError(told, "BAD_URL")
        if self._factory is not None:
            await self._check(parts.hostname, _port(url))
        headers = dict(request.headers)
        if request.cookies:
            headers["Cookie"] = "; ".join(request.cookies)
        for name, value in headers.items():
            check_header(name, value)
        built = client.build_request(request.method, url, headers=headers, **request.body)
        response = await client.send(built, stream=True, follow_redirects=False)
        try:
            content = bytearray()
            async for chunk in response.aiter_bytes():
                content += chunk
                if len(content) > longest:
                    raise ToolExecutionError(
                        f"The answer is longer than {longest} bytes: ask for less of it", "ANSWER_TOO_LONG"
                    )
        finally:
            await response.aclose()
        headers = {name.lower(): value for name, value in response.headers.items()}
        return Answer(response.status_code, headers, bytes(content), url, response.charset_encoding or "utf-8")

    async def _check(self, host: str, port: int) -> None:
        try:
            await self._guard.addresses(host, port)
        except OSError:
            return  # Only the proxy knows the host.


async def _closed(client: Any) -> None:
    await client.aclose()


def optional(module: str) -> ModuleType:
    """A module of what the extra ``openapi`` brings, or one that needs it.

    Raises:
        MissingDependencyError: It is not installed.
    """
    try:
        return importlib.import_module(module)
    except ImportError as error:
        raise MissingDependencyError(
            f"{module} cannot be imported ({error}): pip install 'runwright[openapi]'"
        ) from error


def cookie_pair(name: str, value: str) -> str:
    """A cookie as it is sent."""
    return f"{quote(name, safe='')}={quote(value, safe='')}"


def _redirected(request: Outgoing, status: int, url: str) -> Outgoing:
    """The request that a redirect asks for."""
    if urlsplit(request.url).scheme == "https" and urlsplit(url).scheme != "https":
        raise ToolExecutionError("The server redirects from https to http, which is not followed", "BAD_REDIRECT")
    headers, body, method = request.headers, request.body, request.method
    if status == 303 or (status in (301, 302) and method == "POST"):
        method, body = ("GET" if method != "HEAD" else method), {}
        headers = {name: value for name, value in headers.items() if name.lower() != "content-type"}
    cookies = request.cookies
    if _origin(request.url) != _origin(url):
        if body:
            raise ToolExecutionError(
                f"The server redirects to {shown_url(url)}, and a body is not sent to another server", "BAD_REDIRECT"
            )
        headers = {name: value for name, value in headers.items() if name.lower() in _FOR_ALL}
        cookies = []
    return replace(request, method=method, url=url, query=[], headers=headers, cookies=cookies, body=body)


def _target(base: str, location: str) -> str:
    """The URL that a redirect leads to."""
    try:
        url = urljoin(base, location)
    except ValueError:
        url = ""
    if _parts(url) is None:
        raise ToolExecutionError("The server redirects to what is no URL", "BAD_REDIRECT")
    return url


def _parts(url: str) -> SplitResult | None:
    """The parts of a URL; None where it is none."""
    try:
        parts = urlsplit(url)
        _ = parts.port  # looked at only here
    except ValueError:
        return None
    return parts if url else None


def _origin(url: str) -> tuple[str, str | None, int]:
    parts = urlsplit(url)
    return parts.scheme, parts.hostname, _port(url)


def _port(url: str) -> int:
    parts = urlsplit(url)
    return parts.port or _PORTS.get(parts.scheme, 0)


def check_header(name: str, value: str) -> None:
    """Sees to it that a header can be sent: what finds out later may tell the value, which may be a secret.

    Raises:
        ToolExecutionError: It cannot. The message has only the name.
    """
    if not _HEADER.fullmatch(value):
        raise ToolExecutionError(
            f"The value of the header {name!r} must not be sent: it has to be plain ASCII on one line, without spaces "
            "around it. Where it is a credential, check that",
            "BAD_HEADER",
        )


def shown_url(url: str) -> str:
    """A URL without what may hold a secret: who asks, and the query."""
    return _WHO.sub("//", url.partition("?")[0], count=1)
