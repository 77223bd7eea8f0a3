# SPDX-License-Identifier: Apache-2.0
"""One connection to an MCP server, and the task that owns it: it enters and leaves the SDK's contexts."""

import asyncio
import concurrent.futures
import contextvars
import sys
from collections.abc import AsyncGenerator, Callable, Iterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from types import TracebackType
from typing import Any, Self, TextIO, TypeAlias

import httpx2
from mcp import Client, SamplingCapability, StdioServerParameters, stdio_client
from mcp.client import Transport
from mcp.client.session import ElicitationFnT, SamplingFnT
from mcp.client.sse import sse_client
from mcp.client.streamable_http import streamable_http_client
from mcp.shared.message import SessionMessage
from mcp_types import SamplingToolsCapability

from runwright.errors import ToolExecutionError
from runwright.invocation import InvocationContext
from runwright.model import BaseLlm
from runwright.tools.http.client import check_header
from runwright.tools.mcp.parameters import (
    ConnectionParams,
    SseConnectionParams,
    StdioConnectionParams,
    StreamableHTTPConnectionParams,
    shown,
)
from runwright.tools.mcp.sampling import sampling_by

CONNECTION_FAILED = "MCP_CONNECTION_FAILED"
"""The kind of failure of a server that could not be reached, or went away."""

_UNAUTHORIZED = 401
_NOT_FOUND = 404
_FIRST_BAD_STATUS = 400
_GRACE_SECONDS = 5.0
"""How much longer the HTTP client waits than the request does, so that one late answer ends its request alone."""

_Item: TypeAlias = SessionMessage | Exception
_Streams: TypeAlias = tuple[Any, Any]
"""What messages are read from and written to: streams of classes that the SDK keeps to itself."""


@dataclass(frozen=True, kw_only=True)
class Route:
    """How a server is reached, and who answers what it asks.

    Attributes:
        errlog: Where a child process's standard error goes; None for this process's.
    """

    params: ConnectionParams
    errlog: TextIO | None = None
    sampling_model: BaseLlm | None = None
    sampling_callback: SamplingFnT | None = None
    sampling_capabilities: SamplingCapability | None = None
    elicitation_callback: ElicitationFnT | None = None


class Connection:
    """A connection, made in the event loop that it belongs to; any task of that loop may use it.

    One task opens it, waits, and closes it, because the SDK's cancel scopes must be left in the task that entered them.

    Args:
        on_end: Called in the connection's loop once it is closed.

    Attributes:
        users: How many requests are under way.
        callers: The runs whose calls of tools are under way, one for each call; None for a call outside of a run.
        expired: The server has answered that it does not know the session any more.
        status: The HTTP status of the last answer, where it was a refusal.
        ended: Done when all is given back; it may be waited for in any thread.
    """

    def __init__(self, route: Route, headers: Mapping[str, str], on_end: Callable[["Connection"], None]) -> None:
        self.loop = asyncio.get_running_loop()
        self.ended: concurrent.futures.Future[None] = concurrent.futures.Future()
        self.users = 0
        self.callers: list[InvocationContext | None] = []
        self.expired = False
        self.status: int | None = None
        self._route = route
        self._headers = dict(headers)
        self._on_end = on_end
        self._opened: asyncio.Future[Client | None] = self.loop.create_future()
        self._leave = asyncio.Event()
        self._failure: BaseException | None = None
        self._gave_up = False
        self._unwinding = False
        seconds = route.params.timeout
        late = TimeoutError(f"it was not ready within {seconds:g} seconds")
        self._timer = self.loop.call_later(seconds, self._give_up, late)
        # What the first caller has in its context is not the connection's.
        self._task = self.loop.create_task(self._own(), name="mcp connection", context=contextvars.Context())
        # Not at the end of what the task runs: one that is cancelled before it has begun runs nothing.
        self._task.add_done_callback(self._over)

    @property
    def is_open(self) -> bool:
        """Whether it can be used, now or once it is opened."""
        return not self._leave.is_set()

    async def client(self) -> Client:
        """The SDK's client.

        Raises:
            ToolExecutionError: The server could not be reached, or the connection was closed.
        """
        client = await asyncio.shield(self._opened)
        if client is None or not self.is_open:
            raise self.lost() from self._failure
        return client

    def leave(self) -> None:
        """Has the connection closed, soon; to be called in its loop."""
        self._leave.set()
        if not self._opened.done():
            self._give_up(None)

    async def ending(self) -> None:
        """Waits until a connection that is being closed is closed."""
        await asyncio.shield(asyncio.wrap_future(self.ended))

    def lost(self) -> ToolExecutionError:
        """What to raise for a request that the connection's end left without an answer."""
        where = shown(self._route.params)
        if self._failure is None:
            reason = "the connection was closed, or the server went away"
        else:
            reason = reason_of(self._failure)
        if self.status is not None:
            reason += f" (HTTP status {self.status})"
        kind = f"HTTP_{self.status}" if self.status == _UNAUTHORIZED else CONNECTION_FAILED
        return ToolExecutionError(f"The MCP server {where} cannot be reached: {reason}", kind)

    def _give_up(self, why: TimeoutError | None) -> None:
        # Never in the shutdown, be it after a failure or the first cancellation: it would leave a process behind.
        if not self._gave_up and not self._unwinding and not self._opened.done():
            self._gave_up = True
            self._failure = why
            self._task.cancel()

    def _unwind(self) -> None:
        self._unwinding = True
        self._leave.set()

    async def _own(self) -> None:
        try:
            async with self._client() as client:
                self._timer.cancel()
                self._opened.set_result(client)
                await self._leave.wait()
        except (asyncio.CancelledError, Exception) as error:
            if not self._gave_up:
                self._failure = error  # kept for those who wait for the connection
                if isinstance(error, asyncio.CancelledError):
                    raise

    def _over(self, _: asyncio.Task[None]) -> None:
        self._timer.cancel()
        self._leave.set()
        if not self._opened.done():
            self._opened.set_result(None)
        self._on_end(self)
        self.ended.set_result(None)

    def _client(self) -> Client:
        route = self._route
        seconds = None if isinstance(route.params, StdioConnectionParams) else route.params.sse_read_timeout
        sampling, capabilities = route.sampling_callback, route.sampling_capabilities
        if route.sampling_model is not None:
            sampling = sampling_by(route.sampling_model, lambda: self.callers)
            capabilities = SamplingCapability(tools=SamplingToolsCapability())
        return Client(
            _watched(self._transport(), self._leave.set, self._unwind),
            read_timeout_seconds=seconds,
            sampling_callback=sampling,
            sampling_capabilities=capabilities,
            elicitation_callback=route.elicitation_callback,
        )

    def _transport(self) -> Transport:
        params = self._route.params
        if isinstance(params, StdioConnectionParams):
            given = params.server_params
            command = StdioServerParameters(
                command=given.command,
                args=list(given.args),
                env=None if given.env is None else dict(given.env),
                cwd=given.cwd,
                encoding=given.encoding,
                encoding_error_handler=given.encoding_error_handler,
            )
            return stdio_client(command, errlog=_error_output(self._route.errlog))
        headers = {**(params.headers or {}), **self._headers}
        for name, value in headers.items():
            check_header(name, value)
        if isinstance(params, StreamableHTTPConnectionParams):
            return self._streamable_http(params, headers)
        return self._sse(params, headers)

    @asynccontextmanager
    async def _streamable_http(
        self, params: StreamableHTTPConnectionParams, headers: dict[str, str]
    ) -> AsyncGenerator[_Streams]:
        timeout = httpx2.Timeout(params.timeout, read=params.sse_read_timeout + _GRACE_SECONDS)
        async with (
            self._http_client(params, headers=headers, timeout=timeout, auth=None) as client,
            streamable_http_client(
                params.url, http_client=client, terminate_on_close=params.terminate_on_close
            ) as streams,
        ):
            yield streams

    def _sse(self, params: SseConnectionParams, headers: dict[str, str]) -> Transport:
        def client(
            headers: dict[str, str] | None = None,
            timeout: httpx2.Timeout | None = None,
            auth: httpx2.Auth | None = None,
        ) -> httpx2.AsyncClient:
            return self._http_client(params, headers=headers, timeout=timeout, auth=auth)

        seconds = params.sse_read_timeout
        return sse_client(
            params.url,
            headers=headers,
            timeout=params.timeout,
            sse_read_timeout=seconds + _GRACE_SECONDS,
            httpx_client_factory=client,
        )

    def _http_client(
        self, params: StreamableHTTPConnectionParams | SseConnectionParams, **settings: Any
    ) -> httpx2.AsyncClient:
        client: httpx2.AsyncClient = (params.httpx_client_factory or httpx2.AsyncClient)(**settings)
        client.event_hooks["response"].append(self._look_at)
        return client

    async def _look_at(self, response: httpx2.Response) -> None:
        """Keeps what the SDK's errors do not tell: the status, and that the session is gone."""
        if response.request.method == "POST":
            self.status = response.status_code if response.status_code >= _FIRST_BAD_STATUS else None
            if response.status_code == _NOT_FOUND and "mcp-session-id" in response.request.headers:
                self.expired = True


class _WatchedStream:
    """A stream of messages that tells when it is over: the server has gone."""

    def __init__(self, inner: Any, on_end: Callable[[], None]) -> None:
        self._inner = inner
        self._on_end = on_end

    @property
    def last_context(self) -> contextvars.Context | None:
        """The context in which the last message was sent, which the SDK hands on."""
        return getattr(self._inner, "last_context", None)

    async def receive(self) -> _Item:
        return await self._inner.receive()

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> _Item:
        try:
            return await self._inner.__anext__()
        except StopAsyncIteration:
            self._on_end()
            raise

    async def aclose(self) -> None:
        await self._inner.aclose()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        await self.aclose()


@asynccontextmanager
async def _watched(
    transport: Transport, on_end: Callable[[], None], on_leave: Callable[[], None]
) -> AsyncGenerator[_Streams]:
    async with transport as (read, write):
        try:
            yield _WatchedStream(read, on_end), write
        finally:
            on_leave()


def _error_output(given: TextIO | None) -> TextIO:
    """Where a child process can write: a stream with a file behind it, which a notebook's or a test's may not have."""
    stream = given or sys.stderr
    try:
        stream.fileno()
    except (AttributeError, OSError, ValueError):
        return sys.__stderr__ or stream
    return stream


def reason_of(error: BaseException) -> str:
    """What went wrong, in words: the first failure, where there are several, and nothing of a URL's secrets."""
    first = next(_leaves(error))
    if isinstance(first, httpx2.HTTPStatusError):
        return f"it answered with HTTP status {first.response.status_code}"  # its own text has the whole URL
    return str(first) or type(first).__name__


def _leaves(error: BaseException) -> Iterator[BaseException]:
    if isinstance(error, BaseExceptionGroup):
        for inner in error.exceptions:  # pyright: ignore[reportUnknownMemberType, reportUnknownVariableType]
            yield from _leaves(inner)  # pyright: ignore[reportUnknownArgumentType]
    else:
        yield error
