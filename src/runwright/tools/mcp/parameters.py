# SPDX-License-Identifier: Apache-2.0
"""How an MCP server is reached: as a child process, over streamable HTTP, or over SSE."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal, Protocol, TypeAlias
from urllib.parse import urlsplit

from runwright.errors import ConfigurationError


class ServerCommand(Protocol):
    """What starts a server: :class:`StdioServerParameters`, or the class of that name of the SDK."""

    @property
    def command(self) -> str: ...
    @property
    def args(self) -> Sequence[str]: ...
    @property
    def env(self) -> Mapping[str, str] | None: ...
    @property
    def cwd(self) -> str | Path | None: ...
    @property
    def encoding(self) -> str: ...
    @property
    def encoding_error_handler(self) -> Literal["strict", "ignore", "replace"]: ...


@dataclass(frozen=True, kw_only=True)
class StdioServerParameters:
    """A server that is a child process.

    Attributes:
        command: What to start.
        args: Its arguments.
        env: Variables beside the few that a child inherits (``PATH``, ``HOME`` and their like).
        cwd: Where it is started.
        encoding: How it writes and reads text.
        encoding_error_handler: What becomes of bytes that are no text; by default the line that they are in is lost,
            where the SDK's own class ends the connection.
    """

    command: str
    args: Sequence[str] = ()
    env: Mapping[str, str] | None = field(default=None, repr=False)
    cwd: str | Path | None = None
    encoding: str = "utf-8"
    encoding_error_handler: Literal["strict", "ignore", "replace"] = "replace"


@dataclass(frozen=True, kw_only=True)
class StdioConnectionParams:
    """A connection to a server that is a child process.

    Attributes:
        server_params: What to start.
        timeout: Seconds in which it must be ready.
    """

    server_params: ServerCommand
    timeout: float = 30.0


@dataclass(frozen=True, kw_only=True)
class StreamableHTTPConnectionParams:
    """A connection over streamable HTTP.

    Attributes:
        url: The server's endpoint.
        headers: Sent with each request.
        timeout: Seconds in which the server must be ready, and take a request.
        sse_read_timeout: Seconds that one answer may take.
        terminate_on_close: Whether the server is told that the session is over.
        httpx_client_factory: Makes the ``httpx2.AsyncClient``; called with ``headers``, ``timeout`` and ``auth``.
    """

    url: str
    headers: Mapping[str, str] | None = field(default=None, repr=False)
    timeout: float = 30.0
    sse_read_timeout: float = 300.0
    terminate_on_close: bool = True
    httpx_client_factory: Callable[..., Any] | None = None


@dataclass(frozen=True, kw_only=True)
class SseConnectionParams:
    """A connection over SSE, the way of older servers.

    Attributes:
        url: Where the server's events are read.
        headers: Sent with each request.
        timeout: Seconds in which the server must be ready, and take a request.
        sse_read_timeout: Seconds that one answer may take, and without an event after which the connection is broken.
        httpx_client_factory: Makes the ``httpx2.AsyncClient``; called with ``headers``, ``timeout`` and ``auth``.
    """

    url: str
    headers: Mapping[str, str] | None = field(default=None, repr=False)
    timeout: float = 30.0
    sse_read_timeout: float = 300.0
    httpx_client_factory: Callable[..., Any] | None = None


ConnectionParams: TypeAlias = StdioConnectionParams | StreamableHTTPConnectionParams | SseConnectionParams


class Progress(Protocol):
    """Is told how far a call is; ``total`` and ``message`` are None where the server does not say."""

    async def __call__(self, progress: float, total: float | None, message: str | None) -> None: ...


def to_connection_params(given: Any) -> ConnectionParams:
    """The parameters as they were given, a bare command as a connection over stdio.

    Raises:
        ConfigurationError: They are none.
    """
    if isinstance(given, StdioConnectionParams | StreamableHTTPConnectionParams | SseConnectionParams):
        return given
    if hasattr(given, "command") and hasattr(given, "args"):
        return StdioConnectionParams(server_params=given)
    raise ConfigurationError(
        f"connection_params cannot be {type(given).__name__}: give StdioConnectionParams, "
        "StreamableHTTPConnectionParams or SseConnectionParams"
    )


def shown(params: ConnectionParams) -> str:
    """A server's name for messages, without what may be secret: arguments, queries, passwords."""
    if isinstance(params, StdioConnectionParams):
        return repr(params.server_params.command)
    url = urlsplit(params.url)
    return f"{url.scheme}://{url.hostname or ''}{f':{url.port}' if url.port else ''}{url.path}"
