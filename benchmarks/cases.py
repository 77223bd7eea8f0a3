# SPDX-License-Identifier: Apache-2.0
"""The cases. Each runs in an interpreter of its own, and the last line that it prints is what it measured, as JSON:

    python -m benchmarks.cases runwright text_turn

Imports the standard library and the measured library only. Every model answers at once, so all that is measured is
the library. A case that does not get the answers it scripted fails instead of measuring something else.
"""

import argparse
import asyncio
import gc
import json
import logging
import statistics
import subprocess
import sys
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable
from itertools import cycle
from time import perf_counter
from typing import Any

from benchmarks.memory import MB, resident_bytes
from benchmarks.peers import LIBRARIES, OURS, load

APP, USER, QUESTION, ANSWER, WEATHER = "bench", "user", "What is new today?", "All is well.", "sunny"
Measured = dict[str, Any]

# Run by a fresh interpreter. Modules that were there before are the interpreter's own.
IMPORT_PROGRAM = """
import sys
before = set(sys.modules)
{line}
loaded = {{name.partition(".")[0] for name in set(sys.modules) - before}} - set(sys.stdlib_module_names)
loaded = [name for name in loaded if not name.startswith("_sysconfigdata")]  # the interpreter's, but named by platform
from benchmarks.memory import resident_bytes
print(resident_bytes(), *sorted(loaded))
"""


class Bench:
    """One agent of one library with a scripted model, its runner, and its sessions: in memory, or in `service`.

    `answer` makes the responses of one model call from the request. They are made anew for each call, since a
    library may write into them.
    """

    def __init__(
        self,
        library: str,
        answer: Callable[["Bench", Any], Iterable[Any]],
        *,
        tools: Iterable[Any] = (),
        service: Any = None,
    ):
        self.api = load(library)
        self.long_history = LIBRARIES[library].long_history
        self.service = service or self.api.InMemorySessionService()
        self.turns_run = 0
        bench = self

        class ScriptedLlm(self.api.BaseLlm):
            async def generate_content_async(self, llm_request: Any, stream: bool = False) -> AsyncIterator[Any]:
                for response in answer(bench, llm_request):
                    yield response

        agent = self.api.Agent(name="assistant", model=ScriptedLlm(model="scripted"), tools=list(tools))
        self.runner = self.api.Runner(app_name=APP, agent=agent, session_service=self.service)

    def text(self, text: str, *, partial: bool | None = None) -> Any:
        """Makes a model response of one text."""
        types = self.api.types
        content = types.Content(role="model", parts=[types.Part(text=text)])
        return self.api.LlmResponse(content=content, partial=partial)

    def call(self, tool: str, **args: Any) -> Any:
        """Makes a model response of one tool call."""
        types = self.api.types
        part = types.Part(function_call=types.FunctionCall(name=tool, args=args))
        return self.api.LlmResponse(content=types.Content(role="model", parts=[part]))

    async def create(self, session: str) -> None:
        await self.service.create_session(app_name=APP, user_id=USER, session_id=session)

    def events(self, session: str, **options: Any) -> Any:
        """Starts one turn; returns its stream of events."""
        types = self.api.types
        message = types.Content(role="user", parts=[types.Part(text=QUESTION)])
        return self.runner.run_async(user_id=USER, session_id=session, new_message=message, **options)

    async def turns(self, session: str, number: int) -> None:
        """Runs whole turns one after another."""
        for _ in range(number):
            last = None
            async for event in self.events(session):
                last = event
            if last is None or last.content.parts[0].text != ANSWER:
                raise RuntimeError(f"a turn ended with {last!r} in place of the scripted answer")
            self.turns_run += 1

    async def lengthen(self, session: str, number: int) -> None:
        """Adds turns to a session's history, in the cheapest way that the library has."""
        if self.long_history == "run" or number < 3:
            return await self.turns(session, number)
        await self.turns(session, 1)
        stored = await self.service.get_session(app_name=APP, user_id=USER, session_id=session)
        pattern = [event for event in stored.events if event.invocation_id == stored.events[-1].invocation_id]
        first = len(stored.events)
        for copy in range(number - 1):
            for position, event in enumerate(pattern):
                fresh = event.model_copy(deep=True)
                fresh.id, fresh.invocation_id = f"{session}-{first + copy}-{position}", f"{event.invocation_id}-{copy}"
                for part in fresh.content.parts:
                    for link in (part.function_call, part.function_response):
                        if link is not None:
                            link.id = f"{link.id}-{copy}"
                await self.service.append_event(stored, fresh)

    async def turn_cost(self, lengths: Iterable[int], *, blocks: int, block: int) -> dict[int, float]:
        """Measures turns of one growing session: history length -> ms a turn, the median of blocks of turns.

        A block of consecutive turns, not one turn, is timed: so garbage collection is in it as often as it happens.
        """
        await self.create("warm")
        await self.turns("warm", 5)
        await self.create("long")
        done, costs = 0, {}
        for length in lengths:
            await self.lengthen("long", length - done - 1)
            gc.collect()
            times = [await timed(self.turns("long", block)) / block * 1e3 for _ in range(blocks)]
            costs[length] = statistics.median(times)
            done = length - 1 + blocks * block
        return costs


async def timed(work: Awaitable[Any]) -> float:
    """Awaits; returns the seconds it took."""
    started = perf_counter()
    await work
    return perf_counter() - started


def with_growth(prefix: str, costs: dict[int, float]) -> Measured:
    """Names the costs by history length, and adds how the longest compares with the shortest."""
    measured = {f"{prefix}.{length}": cost for length, cost in costs.items()}
    if len(costs) > 1:
        measured[f"{prefix}.growth"] = costs[max(costs)] / costs[min(costs)]
    return measured


async def imports(library: str, quick: bool) -> Measured:
    """A fresh interpreter that imports Runner and Agent, next to one that imports nothing."""
    program = IMPORT_PROGRAM.format(line=LIBRARIES[library].import_line)

    def run(code: str) -> tuple[float, str]:
        started = perf_counter()
        done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
        seconds = perf_counter() - started
        if done.returncode != 0:
            raise RuntimeError(f"the import failed: {done.stderr.strip().splitlines()[-1]}")
        return seconds, done.stdout

    run(program)  # compiles to bytecode
    pairs = [(run("pass"), run(program)) for _ in range(3 if quick else 5)]
    resident, *loaded = pairs[0][1][1].split()
    foreign = sorted(set(loaded) - LIBRARIES[library].own_modules)
    return {
        "import.seconds": statistics.median(importing[0] for _, importing in pairs),
        "import.over_bare": statistics.median(importing[0] - bare[0] for bare, importing in pairs),
        "import.rss": int(resident) / MB,
        "import.foreign": len(foreign),
        "import.foreign_names": foreign,
    }


def answer_blindly(bench: Bench, request: Any) -> Iterable[Any]:
    yield bench.text(ANSWER)


def answer_reading(bench: Bench, request: Any) -> Iterable[Any]:
    if len(request.contents) < 1 or request.contents[-1].parts[-1].text != QUESTION:
        raise RuntimeError("the model was not shown the question")
    yield bench.text(ANSWER)


async def text_turn(library: str, quick: bool) -> Measured:
    """A turn of one text by history length; the model reads nothing, or the history's length and last text."""
    lengths = (50, 300) if quick else (50, 300, 600, 1000, 5000)
    ours = library == OURS
    measured: Measured = {}
    for name, answer in (("text", answer_blindly), ("text_read", answer_reading)):
        bench = Bench(library, answer)
        costs = await bench.turn_cost(
            lengths if ours else lengths[:4], blocks=20 if ours else 5, block=5 if ours else 1 if quick else 2
        )
        measured |= with_growth(name, costs)
    return measured


async def tool_turn(library: str, quick: bool) -> Measured:
    """A turn of model, one tool call, model; the tool a plain `def` or an `async def`."""
    calls = []

    def plain(city: str) -> str:
        """Tells the weather."""
        calls.append(city)
        return WEATHER

    async def asynchronous(city: str) -> str:
        """Tells the weather."""
        calls.append(city)
        return WEATHER

    ours = library == OURS
    measured: Measured = {}
    for name, tool in (("tool_def", plain), ("tool_async", asynchronous)):
        step = cycle((True, False))

        def answer(bench: Bench, request: Any, tool: Any = tool, step: Any = step) -> Iterable[Any]:
            yield bench.call(tool.__name__, city="Zurich") if next(step) else bench.text(ANSWER)

        bench = Bench(library, answer, tools=[tool])
        calls.clear()
        costs = await bench.turn_cost((20,) if quick else (20, 500), blocks=20 if ours else 5, block=5 if ours else 2)
        if len(calls) != bench.turns_run:
            raise RuntimeError(f"the tool ran {len(calls)} times in {bench.turns_run} turns")
        measured |= with_growth(name, costs)
    return measured


async def streamed_chunk(library: str, quick: bool) -> Measured:
    """A model that streams 2,000 chunks of text and then the whole, and a caller that takes them one by one."""
    chunks = 500 if quick else 2_000

    def answer(bench: Bench, request: Any) -> Iterable[Any]:
        for _ in range(chunks):
            yield bench.text("word ", partial=True)
        yield bench.text("word " * chunks)

    async def stream(session: str) -> float:
        await bench.create(session)
        gc.collect()
        partial = 0
        started = perf_counter()
        async for event in bench.events(session, run_config=streaming):
            partial += bool(event.partial)
        seconds = perf_counter() - started
        if partial != chunks:
            raise RuntimeError(f"{partial} chunks arrived of {chunks}")
        return seconds / chunks * 1e6

    bench = Bench(library, answer)
    streaming = bench.api.RunConfig(streaming_mode=bench.api.StreamingMode.SSE)
    await stream("warm")
    per_chunk = [await stream(f"session-{number}") for number in range(3 if quick else 5)]
    started = perf_counter()
    for _ in answer(bench, None):
        pass
    making = (perf_counter() - started) / chunks * 1e6
    return {"chunk.us": statistics.median(per_chunk), "chunk.made_by_model": making}


async def many_sessions(library: str, quick: bool) -> Measured:
    """Many sessions at once, five turns in each."""
    bench, number, turns = Bench(library, answer_blindly), 100 if quick else 1_000, 5
    await bench.create("warm")
    await bench.turns("warm", 20)
    gc.collect()
    before = resident_bytes()
    for session in range(number):
        await bench.create(f"session-{session}")
    seconds = await timed(asyncio.gather(*(bench.turns(f"session-{session}", turns) for session in range(number))))
    added = resident_bytes() - before
    return {"many.turns_per_s": number * turns / seconds, "many.rss": added / MB}


async def idle_session(library: str, quick: bool) -> Measured:
    """What a session of four turns that waits for its next message holds in memory."""
    number = 200 if quick else 2_000 if library == OURS else 500
    bench = Bench(library, answer_blindly)
    await bench.create("warm")
    await bench.turns("warm", 20)
    gc.collect()
    before = resident_bytes()
    for session in range(number):
        await bench.create(f"session-{session}")
        await bench.turns(f"session-{session}", 4)
    gc.collect()
    return {"idle.kb": (resident_bytes() - before) / number / 1024}


CASES: dict[str, Callable[[str, bool], Awaitable[Measured]]] = {
    "import": imports,
    "text_turn": text_turn,
    "tool_turn": tool_turn,
    "streamed_chunk": streamed_chunk,
    "many_sessions": many_sessions,
    "idle_session": idle_session,
}


async def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.cases", description="Runs one case right here.")
    parser.add_argument("library", choices=LIBRARIES)
    parser.add_argument("case", choices=CASES)
    parser.add_argument("--quick", action="store_true")
    options = parser.parse_args()
    logging.disable(logging.WARNING)  # a warning every turn would be measured too
    print(json.dumps(await CASES[options.case](options.library, options.quick)))


if __name__ == "__main__":
    asyncio.run(main())
