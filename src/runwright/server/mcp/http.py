# SPDX-License-Identifier: Apache-2.0
"""Serves an MCP server over streamable HTTP until it is told to stop."""

import socket
from collections.abc import Generator
from contextlib import contextmanager

import uvicorn
from mcp.server.mcpserver import MCPServer

from runwright.errors import ConfigurationError

PATH = "/mcp"
CLOSE_SECONDS = 3
"""How long answers under way have when the server ends."""


class HttpServer(uvicorn.Server):
    """The SDK's ASGI app on a port. Whoever runs it hears the signals, and calls :meth:`stop`.

    Args:
        port: 0 for any that is free.

    Attributes:
        url: Where it is reached.

    Raises:
        ConfigurationError: There is no listening there.
    """

    def __init__(self, server: MCPServer, host: str, port: int) -> None:
        app = server.streamable_http_app(host=host, streamable_http_path=PATH)
        super().__init__(
            uvicorn.Config(app, log_config=None, access_log=False, timeout_graceful_shutdown=CLOSE_SECONDS)
        )
        try:
            family = socket.AF_INET6 if ":" in host else socket.AF_INET
            self._socket = socket.create_server((host, port), family=family)
        except OSError as error:
            raise ConfigurationError(f"Cannot listen on {host}, port {port}: {error.strerror or error}") from error
        shown = f"[{host}]" if ":" in host else host
        self.url = f"http://{shown}:{self._socket.getsockname()[1]}{PATH}"

    async def run_until_stopped(self) -> None:
        """Serves until :meth:`stop`."""
        await self.serve(sockets=[self._socket])

    def stop(self) -> None:
        """Ends it: no new requests; those under way have a moment."""
        self.should_exit = True

    @contextmanager
    def capture_signals(self) -> Generator[None]:
        yield
