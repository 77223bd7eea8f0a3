# SPDX-License-Identifier: Apache-2.0
"""An MCP server for the tests that wants a bearer token which a service on loopback takes: ``SERVICE_URL [calls]``.

With ``calls``, it lists its tools to anybody.
"""

import asyncio
import hashlib
import socket
import sys
from http.client import HTTPConnection
from typing import Any
from urllib.parse import urlsplit

import uvicorn
from mcp.server.mcpserver import Context, MCPServer
from starlette.responses import PlainTextResponse

server = MCPServer("Guarded", log_level="ERROR")


@server.tool()
def greet(name: str) -> str:
    """Greets somebody."""
    return f"Hello, {name}!"


@server.tool()
def token(ctx: Context) -> str:
    """Tells the token of the request that made the call apart from others, without saying it."""
    return hashlib.sha256((ctx.headers or {}).get("authorization", "").encode()).hexdigest()


def is_known(service: str, authorization: str) -> bool:
    connection = HTTPConnection(urlsplit(service).netloc)
    try:
        connection.request("GET", "/pets", headers={"authorization": authorization})
        return connection.getresponse().status == 200
    finally:
        connection.close()


def guarded(app: Any, service: str, *, calls_only: bool) -> Any:
    async def answer(scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] != "http":
            await app(scope, receive, send)
            return
        body, again = await read(receive)
        authorization = dict(scope["headers"]).get(b"authorization", b"").decode()
        is_free = calls_only and b'"tools/call"' not in body
        if is_free or await asyncio.to_thread(is_known, service, authorization):
            await app(scope, again, send)
        else:
            await PlainTextResponse("who are you?", status_code=401)(scope, again, send)

    return answer


async def read(receive: Any) -> tuple[bytes, Any]:
    """A request's body, and what gives it once more."""
    messages, body = [await receive()], b""
    while messages[-1].get("more_body"):
        messages.append(await receive())
    body = b"".join(message.get("body", b"") for message in messages)

    async def again() -> Any:
        return messages.pop(0) if messages else await receive()

    return body, again


if __name__ == "__main__":
    listening = socket.create_server(("127.0.0.1", 0))
    app = guarded(server.streamable_http_app(), sys.argv[1], calls_only="calls" in sys.argv[2:])
    sys.stdout.write(f"{listening.getsockname()[1]}\n")
    sys.stdout.flush()
    uvicorn.Server(uvicorn.Config(app, log_level="error", timeout_graceful_shutdown=1)).run(sockets=[listening])
