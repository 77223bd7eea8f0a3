# SPDX-License-Identifier: Apache-2.0
"""An agent for the tests of the MCP server, and what it does: each request is a word, and what belongs to it."""

import os
import subprocess
import sys
import time
from pathlib import Path

import anyio

from runwright import START, Agent, FunctionTool, RequestInput, Workflow
from runwright.testing import FunctionModel, call, stream
from runwright.types import Content, Part

PIXEL = b"\x89PNG\r\n\x1a\n-not-quite"

print("printed while it is loaded")  # noqa: T201
os.system("echo printed by a child")


def note(folder: str, name: str, text: str = "yes") -> None:
    Path(folder, name).write_text(text, encoding="utf-8")


async def wait(folder: str) -> str:
    """Waits, and says by files that it has begun and that it was cancelled."""
    note(folder, "started")
    try:
        await anyio.sleep_forever()
    finally:
        note(folder, "cancelled")
    return "never"


def stuck(folder: str) -> str:
    """Waits where it cannot be cancelled, beside a child that ends when this process does."""
    child = subprocess.Popen([sys.executable, "-c", "import sys; sys.stdin.read()"], stdin=subprocess.PIPE)
    note(folder, "child", str(child.pid))
    note(folder, "started")
    time.sleep(600)
    return "never"


def delete(path: str) -> str:
    """Deletes a file."""
    print("printed by a tool")  # noqa: T201
    return f"deleted {path}"


async def count():
    """Counts, and tells so."""
    yield 1
    yield {"done": 2}


def answer(request):
    last = request.contents[-1].parts[-1]
    if last.function_response:
        response = last.function_response.response
        return stream("It says ", response.get("result") or response.get("error"))
    word, _, rest = last.text.partition(" ")
    match word:
        case "wait" | "stuck":
            return call(word, folder=rest)
        case "count":
            return call("count")
        case "delete":
            return call("delete", path=rest)
        case "fail":
            raise ValueError(rest)
        case "draw":
            picture = Part.from_bytes(data=PIXEL, mime_type="image/png")
            sound = Part.from_bytes(data=b"la", mime_type="audio/wav")
            paper = Part.from_bytes(data=b"%PDF", mime_type="application/pdf")
            return Content(role="model", parts=[Part.from_text(text="Here:"), picture, sound, paper])
    said = [part.text for one in request.contents if one.role == "user" for part in one.parts if part.text]
    return stream("You said ", ", ".join(said))


root_agent = Agent(
    name="helper",
    description="Helps.",
    model=FunctionModel(answer),
    tools=[wait, stuck, count, FunctionTool(delete, require_confirmation=True)],
)


def ask():
    return RequestInput(message="How old are you?", response_schema=int)


def told(node_input: int) -> str:
    return f"You are {node_input}"


asking = Workflow(name="asking", description="Asks.", edges=[(START, ask, told)])
