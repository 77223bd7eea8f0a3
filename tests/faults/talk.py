# SPDX-License-Identifier: Apache-2.0
"""An agent that calls a tool and answers, and programs that talk to it from processes of their own."""

import asyncio
import itertools
import os
import time
from collections.abc import AsyncGenerator, Callable
from contextlib import aclosing, nullcontext
from pathlib import Path
from typing import Any

from runwright import Agent, Run, Runner, ToolContext, clock, types
from runwright.config import RunConfig, WhenBusy
from runwright.durable import RunRecord
from runwright.errors import LeaseLostError, RunwrightError, SessionBusyError
from runwright.model import BaseLlm, LlmRequest, LlmResponse
from tests.faults.stores import APP, Place

USER = "u"
SESSION = "s"


def talker(work: Callable[[str], Any] | None = None) -> Agent:
    """Calls ``count`` with what the user said, and then says it back: four events a turn."""

    async def count(text: str, tool_context: ToolContext) -> dict[str, str]:
        """Counts what was said."""
        tool_context.state["turns"] = tool_context.state.get("turns", 0) + 1
        if work is not None:
            await work(text)
        return {"counted": text}

    return Agent(name="talker", model=Talk(model="talk"), tools=[count])


class Talk(BaseLlm):
    """Says what :func:`talker` says, and keeps nothing of what it was asked."""

    async def generate_content_async(
        self, llm_request: LlmRequest, stream: bool = False
    ) -> AsyncGenerator[LlmResponse, None]:
        said = next(
            part.text
            for content in reversed(llm_request.contents)
            for part in content.parts or ()
            if content.role == "user" and part.text is not None
        )
        last = (llm_request.contents[-1].parts or [types.Part()])[0]
        part = types.Part(function_call=types.FunctionCall(name="count", args={"text": said}))
        if last.function_response is not None:
            part = types.Part(text=f"re: {said}")
        yield LlmResponse(content=types.Content(role="model", parts=[part]))


def send_all(place: Any, name: str, messages: int, gate: str) -> None:
    """Sends messages to one session, all at once, when the gate is opened."""
    asyncio.run(_send_all(Place(*place), name, messages, Path(gate)))


async def _send_all(place: Place, name: str, messages: int, gate: Path) -> None:
    service = place.open()
    async with Runner(APP, talker(), service, auto_create_session=True) as runner:
        gate.with_name(f"{gate.name}-{name}").touch()
        await _opened(gate)
        who: dict[str, Any] = {"user_id": USER, "session_id": SESSION}
        runs = [runner.start(**who, new_message=f"{name} {number}") for number in range(messages)]
        for run in runs:
            await run
    await service.close()


def barge_in(place: Any, name: str, messages: int, when_busy: WhenBusy, gate: str) -> dict[str, int]:
    """Sends messages to one session, each of which stops what runs there. Gives how many ended in which way."""
    return asyncio.run(_barge_in(Place(*place), name, messages, RunConfig(when_busy=when_busy), Path(gate)))


async def _barge_in(place: Place, name: str, messages: int, config: RunConfig, gate: Path) -> dict[str, int]:
    async def linger(text: str) -> None:
        await asyncio.sleep(0.003)

    service = place.open()
    ends: dict[str, int] = {}
    async with Runner(APP, talker(linger), service, auto_create_session=True) as runner:
        gate.with_name(f"{gate.name}-{name}").touch()
        await _opened(gate)
        who: dict[str, Any] = {"user_id": USER, "session_id": SESSION}
        runs: list[Run] = []
        for number in range(messages):
            runs.append(runner.start(**who, new_message=f"{name} {number}", run_config=config))
            await asyncio.sleep(0.004)
        for run in runs:
            try:
                await run
            except RunwrightError as error:
                ends[type(error).__name__] = ends.get(type(error).__name__, 0) + 1
            else:
                ends["completed"] = ends.get("completed", 0) + 1
    await service.close()
    return ends


def talk_until_killed(place: Any, name: str, sessions: int, folder: str) -> None:
    """Sends messages to sessions in turn, without end, and notes the ids of the events that it was given."""
    asyncio.run(_talk_until_killed(Place(*place), name, sessions, Path(folder) / name))


async def _talk_until_killed(place: Place, name: str, sessions: int, acknowledged: Path) -> None:
    file = os.open(acknowledged, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    async with Runner(APP, talker(), place.open(), auto_create_session=True) as runner:

        async def talk(session_id: str) -> None:
            for number in itertools.count():
                text = f"{name} {number}"
                stream = runner.run_async(
                    user_id=USER, session_id=session_id, new_message=text, yield_user_message=True
                )
                async with aclosing(stream):
                    async for event in stream:
                        os.write(file, f"{session_id} {event.id}\n".encode())

        async with asyncio.TaskGroup() as group:
            for number in range(sessions):
                group.create_task(talk(f"s{number}"))


def stall(place: Any, folder: str) -> str:
    """Sends a message whose tool waits for the file ``go``, and says how the run ended."""
    return asyncio.run(_stall(Place(*place), Path(folder)))


async def _stall(place: Place, folder: Path) -> str:
    async def wait(text: str) -> None:
        (folder / "waits").touch()
        await _opened(folder / "go")

    service = place.open()
    try:
        async with Runner(APP, talker(wait), service, auto_create_session=True) as runner:
            await runner.run_async(user_id=USER, session_id=SESSION, new_message="stalled")
    except LeaseLostError:
        return "lease lost"
    finally:
        await service.close()
    return "ended"


def send(
    place: Any,
    messages: list[str],
    clock_of: str = "true",
    resume_first: bool = False,
    when_busy: WhenBusy = "enqueue",
    session_id: str = SESSION,
) -> list[str]:
    """Sends messages one after the other, and gives the texts that came back.

    Args:
        clock_of: What this process takes for the time: ``true``, ``late`` by an hour, ``backward`` from call to call,
            or always the ``same``.
        resume_first: Waits until there is an interrupted run, and goes on with it before.
        when_busy: What is done while another process runs the session.
    """
    with _clock(clock_of):
        config = RunConfig(when_busy=when_busy)
        return asyncio.run(_send(Place(*place), session_id, messages, resume_first, config))


def _clock(kind: str) -> Any:
    if kind == "true":
        return nullcontext()
    if kind == "same":
        return clock.replaced(now=lambda: 1_000_000_000.0)
    start, steps = time.time(), itertools.count()
    offsets: dict[str, Callable[[], float]] = {"late": lambda: -3600.0, "backward": lambda: -60.0 * next(steps)}
    return clock.replaced(now=lambda: start + offsets[kind]())


async def _send(place: Place, session_id: str, messages: list[str], resume_first: bool, config: RunConfig) -> list[str]:
    service = place.open()
    texts: list[str] = []
    who: dict[str, Any] = {"user_id": USER, "session_id": session_id}
    async with Runner(APP, talker(), service, auto_create_session=True) as runner:
        if resume_first:
            texts.extend(text_of(await runner.resume(await _interrupted(runner, who))))
        for message in messages:
            try:
                events = await runner.run_async(**who, new_message=message, run_config=config)
            except SessionBusyError:
                texts.append("busy")
            else:
                texts.extend(text_of(events))
    await service.close()
    return texts


async def _interrupted(runner: Runner, who: dict[str, Any]) -> RunRecord:
    """The run that was interrupted, as soon as that is known."""
    while True:
        if stopped := await runner.recover(**who):
            return stopped[0]
        await asyncio.sleep(0.05)


async def _opened(gate: Path) -> None:
    """Returns when another process has made this file."""
    while not os.path.exists(gate):  # noqa: ASYNC110, ASYNC240 - nothing tells of it
        await asyncio.sleep(0.002)


def text_of(events: Any) -> list[str]:
    """The texts that the agent said."""
    said = [event.content for event in events if event.author != "user" and event.content is not None]
    return [part.text for content in said for part in content.parts or () if part.text]
