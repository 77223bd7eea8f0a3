# SPDX-License-Identifier: Apache-2.0
"""MCP toolsets over stdio, opened and closed many times, in turn and at once: they leave nothing behind.

Each is used in one of several ways: closed by another task than it was opened in, cancelled half way through
connecting, closed with a call under way, or with a server that dies.
"""

import asyncio
import gc
import os
import random
import sys
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from runwright.errors import ToolExecutionError
from runwright.tools.mcp import McpToolset, StdioConnectionParams, StdioServerParameters

pytest.importorskip("mcp", reason="the extra mcp is not installed")

TOOLS = Path(__file__).parents[1] / "tools"
COMMANDS = {"bare": ["mcp_bare_server.py"], "sdk": ["mcp_server.py", "stdio"]}
UNANSWERED: dict[str, tuple[str, dict[str, Any]]] = {
    "bare": ("never", {}),
    "sdk": ("wait", {"started": os.devnull, "cancelled": os.devnull}),
}
HOW_MANY = {("bare", False): 20, ("sdk", False): 5, ("bare", True): 100, ("sdk", True): 100}
AT_ONCE = 10
LONGEST_WAIT = {"bare": 0.05, "sdk": 0.6}
"""Seconds before one who connects is cancelled, at most: about what connecting takes."""


def children() -> set[int]:
    """The processes that this one has started, those that have ended and were not waited for among them."""
    mine: set[int] = set()
    for status in Path("/proc").glob("[0-9]*/stat"):
        try:
            parent = int(status.read_text().rpartition(")")[2].split()[1])
        except (FileNotFoundError, ProcessLookupError):  # it ended meanwhile
            continue
        if parent == os.getpid():
            mine.add(int(status.parent.name))
    return mine


def open_files() -> int:
    """How many files and pipes this process has open."""
    return len(list(Path("/proc/self/fd").iterdir()))


@contextmanager
def nothing_left() -> Iterator[None]:
    """Fails where there is a process, a task, a file or an error more than before."""
    loop = asyncio.get_running_loop()
    errors: list[dict[str, Any]] = []
    loop.set_exception_handler(lambda _, context: errors.append(context))
    before, files, processes = asyncio.all_tasks(), open_files(), children()
    yield
    gc.collect()
    assert errors == []
    assert asyncio.all_tasks() == before
    assert children() == processes
    assert open_files() == files


def pid_in(result: dict[str, Any]) -> int:
    return int(result["content"][0]["text"])


async def closed_elsewhere(tools: McpToolset, kind: str) -> None:
    assert len(await tools.get_tools()) > 1
    assert pid_in(await tools.call_tool("pid", {}))
    await asyncio.create_task(tools.close())


async def cancelled_while_it_connects(tools: McpToolset, kind: str) -> None:
    connecting = asyncio.create_task(tools.get_tools())
    await asyncio.sleep(random.uniform(0, LONGEST_WAIT[kind]))
    connecting.cancel()
    await asyncio.wait([connecting])
    await asyncio.create_task(tools.close())


async def closed_while_it_connects(tools: McpToolset, kind: str) -> None:
    connecting = asyncio.create_task(tools.get_tools())
    await asyncio.sleep(random.uniform(0, LONGEST_WAIT[kind]))
    await tools.close()
    await asyncio.wait([connecting])
    assert isinstance(connecting.exception(), ToolExecutionError | None)
    await tools.close()  # it may have connected again, having asked after it was closed


async def with_a_server_that_dies(tools: McpToolset, kind: str) -> None:
    with pytest.raises(ToolExecutionError, match="Whether the call took effect is not known"):
        await tools.call_tool("die", {})
    assert pid_in(await tools.call_tool("pid", {}))
    await asyncio.create_task(tools.close())


async def with_a_call_under_way(tools: McpToolset, kind: str) -> None:
    await tools.get_tools()
    waiting = asyncio.create_task(tools.call_tool(*UNANSWERED[kind]))
    await asyncio.sleep(0.01)
    await asyncio.create_task(tools.close())
    with pytest.raises(ToolExecutionError, match="Whether the call took effect is not known"):
        await waiting


WAYS: list[Callable[[McpToolset, str], Awaitable[None]]] = [
    closed_elsewhere,
    cancelled_while_it_connects,
    with_a_server_that_dies,
    with_a_call_under_way,
    closed_while_it_connects,
]


async def churn(kind: str, number: int) -> None:
    """One toolset from its start to its end."""
    script, *words = COMMANDS[kind]
    command = StdioServerParameters(command=sys.executable, args=[str(TOOLS / script), *words])
    params = StdioConnectionParams(server_params=command, timeout=60)
    await WAYS[number % len(WAYS)](McpToolset(connection_params=params), kind)


@pytest.mark.skipif(not Path("/proc/self/fd").exists(), reason="what a process has open is read from /proc")
@pytest.mark.parametrize("at_once", [1, AT_ONCE], ids=["in turn", "ten at a time"])
@pytest.mark.parametrize("kind", ["bare", "sdk"])
async def test_toolsets_that_were_closed_leave_nothing(
    kind: str, at_once: int, full: bool, caplog: pytest.LogCaptureFixture
) -> None:
    if kind == "sdk" and at_once == 1 and not full:
        pytest.skip("a server of the SDK takes a second to start: make faults")
    random.seed(f"{kind} {at_once}")
    places = asyncio.Semaphore(at_once)
    await churn(kind, 0)  # what is opened once and kept, as the watcher of child processes

    async def one(number: int) -> None:
        async with places:
            await churn(kind, number)

    with nothing_left():
        await asyncio.gather(*(one(number) for number in range(HOW_MANY[kind, full])))
    assert "cancel scope" not in caplog.text
