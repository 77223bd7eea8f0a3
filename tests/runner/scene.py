# SPDX-License-Identifier: Apache-2.0
"""What the tests of the runner share: agents and tools that can be held up, and what a sound session looks like."""

import asyncio
import threading
from collections import Counter
from collections.abc import AsyncGenerator, Callable
from typing import Any

from runwright import Agent, BaseAgent, BasePlugin, Event, InMemoryRunner, LlmRequest, Runner, RunnerConfig, Session
from runwright.flow.history import without_rewound
from runwright.testing import FunctionModel, ScriptedModel, call
from runwright.types import Content, Part, text_of

PATIENCE = 20.0
"""Seconds after which something that should have happened is taken to hang."""

HERE: dict[str, Any] = {"user_id": "u", "session_id": "s"}


class HeldUp:
    """A place where a run stops, in a loop, until the test lets it go on."""

    def __init__(self) -> None:
        self.reached = asyncio.Event()
        self.go = asyncio.Event()
        self.left = False

    async def stop(self) -> None:
        self.reached.set()
        try:
            await self.go.wait()
        finally:
            self.left = True


class Blocked:
    """A place where a thread stops until the test lets it go on, or has left the ``with`` block."""

    def __init__(self) -> None:
        self.reached = threading.Event()
        self.go = threading.Event()

    def stop(self) -> None:
        self.reached.set()
        assert self.go.wait(PATIENCE)

    def __enter__(self) -> "Blocked":
        return self

    def __exit__(self, *_: object) -> None:
        self.go.set()


def echo(request: LlmRequest) -> str:
    """A model that says what it was told."""
    return f"re: {text_of(request.contents[-1])}"


def echo_agent(name: str = "echo", **options: Any) -> Agent:
    return Agent(name=name, model=FunctionModel(echo), **options)


def scripted_agent(*replies: Any, name: str = "scripted", **options: Any) -> Agent:
    return Agent(name=name, model=ScriptedModel(list(replies)), **options)


def answering_agent(first: Callable[[LlmRequest], Any] | Any, **options: Any) -> Agent:
    """An agent whose first model call is ``first``, and which echoes from then on."""
    asked = 0

    def answer(request: LlmRequest) -> Any:
        nonlocal asked
        asked += 1
        if asked == 1:
            return first(request) if callable(first) else first
        return echo(request)

    return Agent(name=options.pop("name", "agent"), model=FunctionModel(answer), **options)


def calling(*tools: str) -> list[Any]:
    """A model's answer that calls tools."""
    return [call(tool) for tool in tools]


async def stored(runner: Runner, session_id: str = "s", user_id: str = "u") -> Session:
    """The session as the store has it."""
    session = await runner.session_service.get_session(app_name=runner.app_name, user_id=user_id, session_id=session_id)
    assert session is not None
    return session


def texts(events: list[Event]) -> list[str]:
    return [text for event in events if (text := text_of(event.content))]


def answers(session: Session) -> dict[str, Any]:
    """What each function, by name, answered in the log."""
    return {str(one.name): one.response for event in session.events for one in event.get_function_responses()}


def assert_sound(session: Session) -> None:
    """Each function call of the log has exactly one response, behind it; and the log is whole."""
    open_calls: list[str] = []
    calls: Counter[str] = Counter()
    responses: Counter[str] = Counter()
    for event in session.events:
        assert not event.partial
        for answer in event.get_function_responses():
            assert answer.id in open_calls, f"{answer.name} answers a call that was not made before it"
            responses[answer.id] += 1
        for one in event.get_function_calls():
            assert one.id
            open_calls.append(one.id)
            calls[one.id] += 1
    assert calls == responses
    assert session.seq == len(session.events)
    assert len({event.id for event in session.events}) == len(session.events)


def turns(session: Session) -> list[tuple[str, list[str]]]:
    """The log by run: what the user said, and what was said to it. A run that is not in one piece fails the test."""
    found: list[tuple[str, str, list[str]]] = []
    for event in without_rewound(session.events):
        if not found or found[-1][0] != event.invocation_id:
            assert event.invocation_id not in [one[0] for one in found], "two runs are mixed up"
            found.append((event.invocation_id, text_of(event.content) if event.author == "user" else "", []))
        elif text := text_of(event.content):
            found[-1][2].append(text)
    return [(said, answered) for _, said, answered in found]


async def say(runner: Runner, message: Any = "hello", **options: Any) -> list[Event]:
    """One whole turn through ``run_async``."""
    named = {**HERE, **options}
    return [event async for event in runner.run_async(new_message=message, **named)]


async def finished(run: Any) -> BaseException | None:
    """Waits for a run; gives what it failed with."""
    async with asyncio.timeout(PATIENCE):
        await run.ended()
    return run.error


async def until(condition: Callable[[], bool]) -> None:
    """Lets other tasks run until something is so."""
    async with asyncio.timeout(PATIENCE):
        while not condition():  # noqa: ASYNC110 - what is waited for sets no event
            await asyncio.sleep(0.001)


def in_threads(*works: Callable[[], Any]) -> list[Any]:
    """Runs plain functions at the same time, each in a thread; gives what they return, or raises what one raised."""
    results: list[Any] = [None] * len(works)
    barrier = threading.Barrier(len(works))

    def work(index: int) -> None:
        barrier.wait(PATIENCE)
        try:
            results[index] = works[index]()
        except BaseException as error:  # noqa: BLE001 - raised again in the test's thread
            results[index] = error

    threads = [threading.Thread(target=work, args=(index,)) for index in range(len(works))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(PATIENCE)
        assert not thread.is_alive(), "a thread hangs"
    for result in results:
        if isinstance(result, BaseException):
            raise result
    return results


class Recorder(BasePlugin):
    """Writes down which hooks were called."""

    def __init__(self, name: str = "recorder") -> None:
        super().__init__(name)
        self.seen: list[str] = []

    def count(self, hook: str) -> int:
        return self.seen.count(hook)


def _recording(hook: str) -> Any:
    async def record(self: Recorder, **offered: Any) -> None:
        event = offered.get("event")
        self.seen.append("on_event:partial" if event is not None and event.partial else hook)

    return record


for _hook in [name for name in vars(BasePlugin) if name.endswith("_callback")]:
    setattr(Recorder, _hook, _recording(_hook.removesuffix("_callback")))


def many_events(count: int) -> Any:
    """An agent that says ``count`` things; ``made`` counts them as they are made."""

    class Talker(BaseAgent):
        made: int = 0

        async def _run_async_impl(self, ctx: Any) -> AsyncGenerator[Event, None]:
            for number in range(count):
                self.made += 1
                yield Event(
                    author=self.name,
                    invocation_id=ctx.invocation_id,
                    content=Content(role="model", parts=[Part(text=str(number))]),
                )

    return Talker(name="talker")


def buffered(count: int, size: int) -> tuple[Runner, Any]:
    agent = many_events(count)
    return InMemoryRunner(agent, config=RunnerConfig(event_buffer_size=size)), agent
