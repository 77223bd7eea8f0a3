# SPDX-License-Identifier: Apache-2.0
"""The cases of the wires: what a request costs through our adapters, beside the bare call of the provider's SDK.

    python -m benchmarks.wires gemini request

Each runs in an interpreter of its own, against a server on loopback in a child process. All ways ask the same model
the same: an instruction, two tools and a conversation that grows by two messages a turn, as an agent's does.
"""

import argparse
import asyncio
import gc
import json
import logging
import statistics
import subprocess
import sys
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from time import perf_counter, process_time
from typing import Any

from benchmarks.cases import imports
from benchmarks.peers import OURS, ROOT
from benchmarks.providers import (
    INSTRUCTION,
    PROVIDERS,
    QUESTION,
    TOOLS,
    Message,
    Provider,
    book_table,
    content_of,
    conversation,
    look_up_weather,
)
from benchmarks.wire_server import ANSWER

LENGTHS = (10, 100, 1000)
"""Messages of history: all are 4 more than a multiple of 6, as `conversation` makes them."""
TURNS = 5
BLOCKS = {10: 24, 100: 12, 1000: 3}


class Bare:
    """The SDK's own call, with the messages spelled once, as they came: in its types, or as JSON (`floor`)."""

    def __init__(self, provider: Provider, spoken: list[Message], *, stream: bool, floor: bool = False) -> None:
        self._spelled = (lambda message: provider.plain(provider.spelled(message))) if floor else provider.spelled
        self._history = [self._spelled(message) for message in spoken]
        if floor:
            self._ask = provider.floor_streamed if stream else provider.floor_whole
        else:
            self._ask = provider.streamed if stream else provider.whole

    async def turn(self) -> str:
        self._history.append(self._spelled(("user", QUESTION)))
        said = await self._ask(self._history)
        self._history.append(self._spelled(("model", said)))
        return said


class Adapted:
    """Our adapter by itself, with the same messages in our types."""

    def __init__(self, adapter: Any, spoken: list[Message], *, stream: bool) -> None:
        from runwright import LlmRequest, types

        functions = [
            types.FunctionDeclaration(name=name, description=told, parameters_json_schema=takes)
            for name, told, takes in TOOLS
        ]
        tools = [types.Tool(function_declarations=functions)]
        self._config = types.GenerateContentConfig(system_instruction=INSTRUCTION, tools=tools)
        self._request, self._types = LlmRequest, types
        self._adapter, self._stream = adapter, stream
        self._history = [content_of(message) for message in spoken]

    async def turn(self) -> str:
        self._history.append(self._types.Content(role="user", parts=[self._types.Part(text=QUESTION)]))
        request = self._request(model=self._adapter.model, contents=self._history, config=self._config)
        whole = None
        async for response in self._adapter.generate_content_async(request, self._stream):
            whole = response
        assert whole is not None and not whole.partial
        self._history.append(whole.content)
        return whole.content.parts[0].text


class Turn:
    """A whole turn of an agent, from the user's message to the stored answer, in sessions in memory."""

    def __init__(self, adapter: Any, *, stream: bool) -> None:
        from runwright import Agent, RunConfig, Runner, StreamingMode, types
        from runwright.sessions.in_memory import InMemorySessionService

        self._service = InMemorySessionService()
        agent = Agent(name="bench", model=adapter, instruction=INSTRUCTION, tools=[look_up_weather, book_table])
        self._runner = Runner(app_name="bench", agent=agent, session_service=self._service)
        self._config = RunConfig(streaming_mode=StreamingMode.SSE if stream else StreamingMode.NONE)
        self._types = types
        self._session = ""
        self._sessions = 0

    async def begin(self, spoken: list[Message]) -> None:
        """Begins a session with this conversation in it."""
        from runwright import Event

        self._sessions += 1
        self._session = f"session-{self._sessions}"
        session = await self._service.create_session(app_name="bench", user_id="user", session_id=self._session)
        for message in spoken:
            author = "user" if message[0] == "user" else "bench"
            await self._service.append_event(session, Event(author=author, content=content_of(message)))

    async def turn(self) -> str:
        message = self._types.Content(role="user", parts=[self._types.Part(text=QUESTION)])
        last = None
        async for event in self._runner.run_async(
            user_id="user", session_id=self._session, new_message=message, run_config=self._config
        ):
            last = event
        assert last is not None and not last.partial
        return last.content.parts[0].text

    async def close(self) -> None:
        await self._runner.close()


@contextmanager
def answering_server() -> Iterator[int]:
    """The server in its process; its port."""
    command = [sys.executable, "-m", "benchmarks.wire_server"]
    process = subprocess.Popen(command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    assert process.stdin is not None and process.stdout is not None
    try:
        yield int(process.stdout.readline())
    finally:
        process.stdin.close()
        process.wait(10)
        process.stdout.close()


async def request(provider: str, quick: bool) -> dict[str, float]:
    """What a request costs by each of the ways, whole and streamed, by the length of the history."""
    measured: dict[str, float] = {}
    with answering_server() as port:
        chosen = PROVIDERS[provider](port)
        adapter = chosen.adapter()
        for mode in ("whole", "stream"):
            for length in LENGTHS:
                blocks = max(2, BLOCKS[length] // (4 if quick else 1))
                costs = await ways(chosen, adapter, length, blocks, stream=mode == "stream")
                measured |= {f"{provider}.{mode}.{length}.{name}": value for name, value in costs.items()}
        await adapter.close()
        await chosen.close()
    return measured


async def ways(chosen: Provider, adapter: Any, length: int, blocks: int, *, stream: bool) -> dict[str, float]:
    """The cost of a turn by each way, in ms of the clock and of this process's CPU, and what ours add to the bare call.

    The ways alternate turn by turn. Of each block of turns the medians are taken, whose median is the result: of what
    is added, that of the blocks' differences.
    """
    agent = Turn(adapter, stream=stream)
    found: dict[str, list[float]] = {}
    for block in range(blocks + 1):
        spoken = conversation(length - 6)
        await agent.begin(spoken)
        turns: dict[str, Callable[[], Awaitable[str]]] = {
            "bare": Bare(chosen, spoken, stream=stream).turn,
            "floor": Bare(chosen, spoken, stream=stream, floor=True).turn,
            "adapter": Adapted(adapter, spoken, stream=stream).turn,
            "agent": agent.turn,
        }
        gc.collect()
        times = await one_block(turns)
        if not block:
            continue  # the first warms up
        for name, (wall, cpu) in times.items():
            found.setdefault(f"{name}_ms", []).append(wall)
            found.setdefault(f"{name}_cpu_ms", []).append(cpu)
            if name in ("adapter", "agent"):
                for below in ("bare", "floor"):
                    found.setdefault(f"{name}_over_{below}_ms", []).append(wall - times[below][0])
                    found.setdefault(f"{name}_over_{below}_cpu_ms", []).append(cpu - times[below][1])
    await agent.close()
    return {name: statistics.median(values) for name, values in found.items()}


async def timed(call: Callable[[], Awaitable[Any]]) -> tuple[Any, float, float]:
    """What a call gave, and its milliseconds of the clock and of this process's CPU."""
    wall, cpu = perf_counter(), process_time()
    given = await call()
    return given, (perf_counter() - wall) * 1e3, (process_time() - cpu) * 1e3


async def one_block(turns: dict[str, Callable[[], Awaitable[str]]]) -> dict[str, tuple[float, float]]:
    """The median milliseconds, of the clock and of the CPU, of each way's turns but the first."""
    taken: dict[str, list[tuple[float, float]]] = {name: [] for name in turns}
    for number in range(TURNS + 1):
        for name, turn in turns.items():
            said, *spent = await timed(turn)
            if said != ANSWER:
                raise RuntimeError(f"{name} answered {said!r} in place of the scripted answer")
            if number:
                taken[name].append((spent[0], spent[1]))
    medians = {}
    for name, spent in taken.items():
        walls, cpus = zip(*spent, strict=True)
        medians[name] = (statistics.median(walls), statistics.median(cpus))
    return medians


async def mcp_call(subject: str, quick: bool) -> dict[str, float]:
    """A call of a tool of an MCP server over stdio: of the SDK's client, and through McpToolset."""
    from mcp import Client, StdioServerParameters, stdio_client

    from runwright.tools.mcp import McpToolset, StdioConnectionParams

    command = StdioServerParameters(command=sys.executable, args=["-m", "benchmarks.mcp_server"], cwd=ROOT)
    toolset = McpToolset(connection_params=StdioConnectionParams(server_params=command, timeout=60))
    (tool,) = await toolset.get_tools()
    spent: dict[str, list[tuple[float, float]]] = {"bare": [], "ours": []}
    async with Client(stdio_client(command)) as client:

        async def bare() -> Any:
            return (await client.call_tool("add", {"a": 1, "b": 2})).structured_content

        async def ours() -> Any:
            return (await tool.run_async(args={"a": 1, "b": 2}, tool_context=None))["structuredContent"]

        for number in range(50 if quick else 300):
            for name, call in (("bare", bare), ("ours", ours)):
                answer, wall, cpu = await timed(call)
                if answer != {"result": 3}:
                    raise RuntimeError(f"{name} answered {answer!r}")
                if number > 10:
                    spent[name].append((wall, cpu))
    await toolset.close()
    measured: dict[str, float] = {}
    for index, kind in enumerate(("ms", "cpu_ms")):
        bares, all_ours = ([one[index] for one in spent[name]] for name in ("bare", "ours"))
        measured[f"mcp.bare_{kind}"] = statistics.median(bares)
        added = (mine - theirs for mine, theirs in zip(all_ours, bares, strict=True))
        measured[f"mcp.added_{kind}"] = statistics.median(added)
    return measured


async def core_import(subject: str, quick: bool) -> dict[str, Any]:
    """The import of the core, beside the wires that must not make it slower."""
    return await imports(OURS, quick)


CASES: dict[str, Callable[[str, bool], Awaitable[dict[str, Any]]]] = {
    "request": request,
    "mcp_call": mcp_call,
    "core_import": core_import,
}
SUBJECTS = {"request": tuple(PROVIDERS), "mcp_call": ("mcp",), "core_import": ("core",)}
"""What each case is run for."""


async def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.wires", description="Runs one case right here.")
    parser.add_argument("subject", choices=[one for subjects in SUBJECTS.values() for one in subjects])
    parser.add_argument("case", choices=[*CASES])
    parser.add_argument("--quick", action="store_true")
    options = parser.parse_args()
    logging.disable(logging.WARNING)
    print(json.dumps(await CASES[options.case](options.subject, options.quick)))


if __name__ == "__main__":
    asyncio.run(main())
