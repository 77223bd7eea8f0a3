# SPDX-License-Identifier: Apache-2.0
"""An MCP server as a toolset asks it: over a connection for each event loop and set of headers."""

import asyncio
import threading
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any, Protocol, TypeAlias, TypeVar

from mcp import Client, MCPError
from mcp_types import (
    CONNECTION_CLOSED,
    INTERNAL_ERROR,
    INVALID_PARAMS,
    INVALID_REQUEST,
    REQUEST_TIMEOUT,
    Resource,
    Tool,
)

from runwright.errors import NotFoundError, ToolArgumentsError, ToolError, ToolExecutionError
from runwright.invocation import InvocationContext
from runwright.tools.mcp.connection import Connection, Route, reason_of
from runwright.tools.mcp.content import answer, dumped, messages, resource_part
from runwright.tools.mcp.parameters import Progress, StdioConnectionParams, shown
from runwright.tools.mcp.sampling import CALLER
from runwright.types import Content, Part

__all__ = ["Route", "Server"]

MOST_CONNECTIONS = 16
"""To one server from one event loop, for headers that differ. Beyond it the one that was idle longest is closed."""

CLOSE_SECONDS = 10.0
"""How long closing waits for connections of other event loops."""

_MOST_PAGES = 1000
_Answer = TypeVar("_Answer")
_Key: TypeAlias = tuple[asyncio.AbstractEventLoop, frozenset[tuple[str, str]]]


class _Page(Protocol):
    @property
    def next_cursor(self) -> str | None: ...


_PageT = TypeVar("_PageT", bound=_Page)


class Server:
    """Asks a server, connecting when there is something to ask and when the connection before has ended.

    Requests with different headers never share a connection, since a server may bind its session to who opened it.
    """

    def __init__(self, route: Route) -> None:
        self._route = route
        self._lock = threading.Lock()
        self._connections: dict[_Key, Connection] = {}
        self._not_ended: set[Connection] = set()

    async def list_tools(self, headers: Mapping[str, str]) -> list[Tool]:
        """All tools."""
        pages = await self._pages(headers, lambda client, cursor: client.list_tools(cursor=cursor))
        return [tool for page in pages for tool in page.tools]

    async def call_tool(
        self,
        headers: Mapping[str, str],
        name: str,
        arguments: dict[str, Any],
        *,
        progress: Progress | None = None,
        caller: InvocationContext | None = None,
    ) -> dict[str, Any]:
        """Calls a tool, once: a call that may have reached the server is not made again.

        Args:
            progress: Is told how far it is.
            caller: The run whose call it is.
        """

        async def called(client: Client) -> dict[str, Any]:
            return answer(await client.call_tool(name, arguments, progress_callback=progress), name)

        before = CALLER.set(caller)
        try:
            return await self._ask(headers, called, repeatable=False, caller=caller)
        finally:
            CALLER.reset(before)

    async def has_resources(self, headers: Mapping[str, str]) -> bool:
        """Whether it says that it has some."""

        async def says(client: Client) -> bool:
            return client.server_capabilities.resources is not None

        return await self._ask(headers, says)

    async def list_resources(self, headers: Mapping[str, str]) -> list[Resource]:
        """All resources."""
        pages = await self._pages(headers, lambda client, cursor: client.list_resources(cursor=cursor))
        return [resource for page in pages for resource in page.resources]

    async def resource_info(self, headers: Mapping[str, str], name: str) -> dict[str, Any]:
        """What the server says of the resource of this name."""
        resources = await self.list_resources(headers)
        found = next((resource for resource in resources if resource.name == name), None)
        if found is None:
            names = ", ".join(resource.name for resource in resources) or "none"
            where = shown(self._route.params)
            raise NotFoundError(f"The MCP server {where} has no resource {name!r}; it has: {names}")
        return dumped(found)

    async def read_resource(self, headers: Mapping[str, str], uri: str) -> list[Part]:
        """What a resource holds."""

        async def read(client: Client) -> list[Part]:
            return [resource_part(piece) for piece in (await client.read_resource(uri)).contents]

        return await self._ask(headers, read)

    async def list_prompts(self, headers: Mapping[str, str]) -> list[dict[str, Any]]:
        """All prompts."""
        pages = await self._pages(headers, lambda client, cursor: client.list_prompts(cursor=cursor))
        return [dumped(prompt) for page in pages for prompt in page.prompts]

    async def get_prompt(self, headers: Mapping[str, str], name: str, arguments: dict[str, str]) -> list[Content]:
        """A prompt, filled in."""

        async def filled_in(client: Client) -> list[Content]:
            return messages(await client.get_prompt(name, arguments))

        return await self._ask(headers, filled_in)

    async def close(self) -> None:
        """Ends all connections and waits until what they hold is given back. The next request opens a new one."""
        with self._lock:
            connections = list(self._not_ended)
        here = asyncio.get_running_loop()
        ending: list[asyncio.Future[None]] = []
        for connection in connections:
            if connection.loop is here:
                connection.leave()
            elif connection.loop.is_running():
                connection.loop.call_soon_threadsafe(connection.leave)
            else:
                self._forget(connection)  # its loop was ended, and with it the connection
                continue
            ending.append(asyncio.wrap_future(connection.ended))
        elsewhere = any(connection.loop is not here for connection in connections)
        if ending:
            await asyncio.wait(ending, timeout=CLOSE_SECONDS if elsewhere else None)

    async def _pages(
        self, headers: Mapping[str, str], page: Callable[[Client, str | None], Awaitable[_PageT]]
    ) -> Sequence[_PageT]:
        async def all_pages(client: Client) -> list[_PageT]:
            pages = [await page(client, None)]
            while (cursor := pages[-1].next_cursor) is not None:
                if len(pages) == _MOST_PAGES:
                    raise ToolExecutionError(f"The MCP server {shown(self._route.params)} lists without an end")
                pages.append(await page(client, cursor))
            return pages

        return await self._ask(headers, all_pages)

    async def _ask(
        self,
        headers: Mapping[str, str],
        request: Callable[[Client], Awaitable[_Answer]],
        *,
        repeatable: bool = True,
        caller: InvocationContext | None = None,
    ) -> _Answer:
        """Makes a request, a second time where the first one had no effect and a new connection may help.

        Raises:
            ToolArgumentsError: The server did not like what it was given.
            ToolExecutionError: It could not be reached, or refused, or gave no proper answer.
        """
        first = True
        while True:
            connection = self._connection(headers)
            connection.users += 1
            if not repeatable:
                connection.callers.append(caller)
            try:
                return await request(await connection.client())
            except ToolError:
                raise
            except MCPError as error:
                broken = error.code == CONNECTION_CLOSED and error.message == "Connection closed"
                # A server that does not know the session has not looked at the request.
                expired = connection.expired and error.code == INVALID_REQUEST
                if broken or expired:
                    connection.leave()
                if first and (expired or (broken and repeatable)):
                    first = False
                    continue
                if broken:
                    await connection.ending()
                    raise self._cut_off(connection, repeatable) from error
                raise self._refused(connection, error) from error
            except Exception as error:  # the SDK raises what it likes for an answer that breaks the protocol
                raise ToolExecutionError(
                    f"The MCP server {shown(self._route.params)} gave no proper answer: {reason_of(error)}",
                    "MCP_BAD_ANSWER",
                ) from error
            finally:
                connection.users -= 1
                if not repeatable:
                    connection.callers.remove(caller)

    def _cut_off(self, connection: Connection, repeatable: bool) -> ToolExecutionError:
        error = connection.lost()
        if repeatable:
            return error
        return ToolExecutionError(f"{error}. Whether the call took effect is not known.", error.error_type)

    def _refused(self, connection: Connection, error: MCPError) -> ToolError:
        where = shown(self._route.params)
        if error.code == INVALID_PARAMS:
            return ToolArgumentsError(error.message)
        if error.code == REQUEST_TIMEOUT:
            return ToolExecutionError(f"The MCP server {where} took too long: {error.message}", "DEADLINE_EXCEEDED")
        if error.code == INTERNAL_ERROR and connection.status is not None:
            status = connection.status
            return ToolExecutionError(f"The MCP server {where} answered with HTTP status {status}", f"HTTP_{status}")
        return ToolExecutionError(f"The MCP server {where} refused: {error.message}", f"MCP_{error.code}")

    def _connection(self, headers: Mapping[str, str]) -> Connection:
        loop = asyncio.get_running_loop()
        with self._lock:
            gone = [one for one in self._not_ended if one.loop.is_closed()]
        for one in gone:
            self._forget(one)
        # A child process gets no headers: one serves all.
        is_stdio = isinstance(self._route.params, StdioConnectionParams)
        key: _Key = (loop, frozenset({} if is_stdio else headers.items()))
        with self._lock:
            connection = self._connections.pop(key, None)
            if connection is None or not connection.is_open:
                connection = Connection(self._route, headers, self._forget)
                self._not_ended.add(connection)
            self._connections[key] = connection  # the last in line, as the one used last
            mine = [one for one in self._connections.values() if one.loop is loop and one is not connection]
        idle = [one for one in mine if not one.users]
        for one in idle[: max(0, len(mine) + 1 - MOST_CONNECTIONS)]:
            one.leave()
        return connection

    def _forget(self, connection: Connection) -> None:
        with self._lock:
            self._not_ended.discard(connection)
            for key in [key for key, one in self._connections.items() if one is connection]:
                del self._connections[key]
