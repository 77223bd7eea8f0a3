# SPDX-License-Identifier: Apache-2.0
"""An MCP server for the tests: ``stdio``, or on loopback ``http PORT``, ``legacy PORT``, ``sse PORT`` (0: any).

The legacy one knows nothing of the protocol without sessions.
"""

import os
import signal
import socket
import sys
from pathlib import Path
from typing import Annotated, Any

import anyio
import uvicorn
from mcp.server.mcpserver import Context, Image, MCPServer, Resolve, Sample
from mcp.server.mcpserver.exceptions import ToolError
from mcp.server.mcpserver.resolve import Elicit
from mcp_types import (
    CreateMessageResult,
    CreateMessageResultWithTools,
    SamplingMessage,
    TextContent,
    Tool,
    ToolChoice,
    ToolResultContent,
    ToolUseContent,
)
from pydantic import BaseModel
from starlette.responses import PlainTextResponse

PIXEL = b"\x89PNG\r\n\x1a\n-not-quite"
server = MCPServer("Tests", log_level="ERROR")


@server.tool()
def add(a: int, b: int) -> int:
    """Adds two numbers."""
    return a + b


@server.tool(structured_output=False)
def greet(name: str) -> str:
    """Greets somebody."""
    return f"Hello, {name}!"


@server.tool()
def fail(why: str) -> str:
    """Fails."""
    raise ToolError(why)


@server.tool()
def picture() -> Image:
    """Gives a picture."""
    return Image(data=PIXEL, format="png")


@server.tool()
def pid() -> int:
    """The process of the server."""
    return os.getpid()


@server.tool()
def die() -> str:
    """Takes the server down in the middle of the call."""
    os.kill(os.getpid(), signal.SIGKILL)
    return "never"


@server.tool()
def header(name: str, ctx: Context) -> str:
    """A header of the request that made the call."""
    return (ctx.headers or {}).get(name, "none")


@server.tool()
async def wait(started: str, cancelled: str, ctx: Context) -> str:
    """Says by files that it has begun, and that it was cancelled."""
    await ctx.report_progress(1, 2, "waiting")
    write(started)
    try:
        await anyio.sleep_forever()
    finally:
        write(cancelled)
    return "never"


@server.tool()
async def climb(steps: int, ctx: Context) -> int:
    """Tells of each step."""
    for step in range(1, steps + 1):
        await ctx.report_progress(step, steps, f"step {step}")
    return steps


def write(path: str) -> None:
    Path(path).write_text("yes", encoding="utf-8")


def ask_model(topic: str) -> Sample:
    content = TextContent(type="text", text=f"A word on {topic}?")
    return Sample([SamplingMessage(role="user", content=content)], max_tokens=20, system_prompt="Be brief.")


@server.tool()
def ask(topic: str, word: Annotated[CreateMessageResult, Resolve(ask_model)]) -> str:
    """Asks the client's model."""
    return f"The model says: {word.content.text}"


WEATHER = Tool(name="weather", description="Tells the weather.", input_schema={"type": "object", "properties": {}})


def plan_with_tools(city: str) -> Sample:
    content = TextContent(type="text", text=f"What to wear in {city}?")
    used = ToolUseContent(id="1", name="weather", input={"city": city}, _meta={"runwright/thoughtSignature": "YWJj"})
    told = ToolResultContent(tool_use_id="1", content=[TextContent(type="text", text="Rain")])
    messages = [
        SamplingMessage(role="user", content=content),
        SamplingMessage(role="assistant", content=[used]),
        SamplingMessage(role="user", content=[told]),
    ]
    return Sample(messages, max_tokens=20, tools=[WEATHER], tool_choice=ToolChoice(mode="required"))


@server.tool()
def plan(city: str, answer: Annotated[CreateMessageResultWithTools, Resolve(plan_with_tools)]) -> str:
    """Asks the client's model, which may use a tool."""
    return answer.model_dump_json(by_alias=True, exclude_none=True)


class Name(BaseModel):
    name: str


def ask_name() -> Elicit[Name]:
    return Elicit("Who are you?", Name)


@server.tool()
def who(given: Annotated[Name, Resolve(ask_name)]) -> str:
    """Asks the user."""
    return f"You are {given.name}"


@server.resource("memo://note", name="note", mime_type="text/plain")
def note() -> str:
    """A note."""
    return "Buy milk"


@server.resource("memo://pixel", name="pixel", mime_type="image/png")
def pixel() -> bytes:
    """A picture."""
    return PIXEL


@server.prompt()
def review(code: str) -> str:
    """Asks for a review."""
    return f"Review this: {code}"


def without_discovery(app: Any) -> Any:
    async def answer(scope: Any, receive: Any, send: Any) -> None:
        if (b"mcp-method", b"server/discover") in scope.get("headers", ()):
            app_here: Any = PlainTextResponse("no such method", status_code=404)
        else:
            app_here = app
        await app_here(scope, receive, send)

    return answer


def serve(kind: str, port: int) -> None:
    app: Any = server.sse_app() if kind == "sse" else server.streamable_http_app()
    listening = socket.create_server(("127.0.0.1", port))
    config = uvicorn.Config(
        without_discovery(app) if kind == "legacy" else app, log_level="error", timeout_graceful_shutdown=1
    )
    sys.stdout.write(f"{listening.getsockname()[1]}\n")
    sys.stdout.flush()
    uvicorn.Server(config).run(sockets=[listening])


if __name__ == "__main__":
    if sys.argv[1] == "stdio":
        server.run()
    else:
        serve(sys.argv[1], int(sys.argv[2]))
