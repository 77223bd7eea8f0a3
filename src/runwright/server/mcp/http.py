# SPDX-License-Identifier: Apache-2.0
"""Serves an MCP server over streamable HTTP until it is told to stop."""

import re
import socket
from collections.abc import Generator
from contextlib import contextmanager
from typing import Any

import uvicorn
from mcp.server.mcpserver import MCPServer
from starlette.datastructures import Headers
from starlette.responses import Response

from runwright.errors import ConfigurationError

PATH = "/mcp"
_THIS_MACHINE = re.compile(r"https?://(127\.0\.0\.1|localhost|\[::1\])(:\d+)?", re.ASCII)
CLOSE_SECONDS = 3
"""How long answers under way have when the server ends."""


def _without_websites(app: Any) -> Any:
    """An ASGI app that answers no page of a website in a browser of this network, whatever name that has for us.

    The SDK looks at who asks where it listens on loopback alone.
    """

    async def asked(scope: Any, receive: Any, send: Any) -> None:
        origin = Headers(scope=scope).get("origin") if scope["type"] == "http" else None
        if origin is None or _THIS_MACHINE.fullmatch(origin):
            await app(scope, receive, send)
        else:
            await Response("Websites may not use this server", status_code=403)(scope, receive, send)

    return asked


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
        app = _without_websites(server.streamable_http_app(host=host, streamable_http_path=PATH))
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
