# SPDX-License-Identifier: Apache-2.0
"""The end of a runner: in plain code and in a loop, awaited or not, twice, and while runs are going."""

import asyncio
import gc
import threading
from typing import Any

import pytest

from runwright import (
    Agent,
    AgentTool,
    BasePlugin,
    BaseTool,
    BaseToolset,
    InMemoryMemoryService,
    InMemoryRunner,
    InMemorySessionService,
    Runner,
    SequentialAgent,
)
from runwright.errors import RunCancelledError, RunnerClosedError
from runwright.testing import FunctionModel, call
from tests.runner.scene import (
    HERE,
    PATIENCE,
    Blocked,
    HeldUp,
    assert_sound,
    echo,
    echo_agent,
    finished,
    in_threads,
    say,
    scripted_agent,
    stored,
    texts,
    until,
)


class Tools(BaseToolset):
    """A set without tools that counts how often it was closed."""

    def __init__(self, *, error: Exception | None = None) -> None:
        super().__init__()
        self.closed = 0
        self.error = error

    async def get_tools(self, readonly_context: Any = None) -> list[BaseTool]:
        return []

    async def close(self) -> None:
        self.closed += 1
        if self.error is not None:
            raise self.error


class Sessions(InMemorySessionService):
    closed = 0

    async def close(self) -> None:
        self.closed += 1


class Closing(BasePlugin):
    closed = 0

    async def close(self) -> None:
        self.closed += 1


def test_plain_code() -> None:
    tools = Tools()
    with InMemoryRunner(echo_agent(tools=[tools])) as runner:
        assert runner.run(user_id="u", session_id="s", new_message="hi").text == "re: hi"
    assert tools.closed == 1
    runner.close()
    assert tools.closed == 1
    with pytest.raises(RunnerClosedError):
        runner.run(user_id="u", session_id="s", new_message="hi")


def test_plain_code_that_never_ran_anything() -> None:
    runner = InMemoryRunner(echo_agent())
    before = threading.active_count()
    runner.close()
    assert threading.active_count() == before


async def test_in_a_loop() -> None:
    tools = Tools()
    async with InMemoryRunner(echo_agent(tools=[tools])) as runner:
        await say(runner)
    assert tools.closed == 1
    await runner.close()
    assert tools.closed == 1


def test_not_awaited_in_a_loop() -> None:
    tools = Tools()

    async def main() -> None:
        runner = InMemoryRunner(echo_agent(tools=[tools]))
        await say(runner)
        runner.close()
        await until(lambda: tools.closed == 1)

    asyncio.run(asyncio.wait_for(main(), PATIENCE))


async def test_two_that_close_it_both_find_it_closed() -> None:
    held = HeldUp()

    class Slow(Tools):
        async def close(self) -> None:
            await held.stop()
            await super().close()

    tools = Slow()
    runner = InMemoryRunner(echo_agent(tools=[tools]))

    async def close() -> int:
        await runner.close()
        return tools.closed

    tasks = [asyncio.create_task(close()) for _ in range(2)]
    await held.reached.wait()
    held.go.set()
    assert await asyncio.gather(*tasks) == [1, 1]


async def test_in_a_loop_after_use_from_plain_code() -> None:
    runner = InMemoryRunner(echo_agent())
    assert await asyncio.to_thread(lambda: runner.run(user_id="u", session_id="s", new_message="hi").text) == "re: hi"
    await runner.close()
    assert not [thread for thread in threading.enumerate() if thread.name.startswith("runwright")]


async def test_runs_that_are_going_are_cancelled() -> None:
    held = HeldUp()

    async def wait() -> None:
        """Waits."""
        await held.stop()

    runner = InMemoryRunner(scripted_agent(call("wait"), tools=[wait]))
    run, waiting = runner.start("u", "s", "go"), runner.start("u", "s", "in line")
    await held.reached.wait()
    await runner.close()
    for one in (run, waiting):
        error = await finished(one)
        assert isinstance(error, RunCancelledError) and error.reason == "the runner was closed"
    assert held.left
    assert_sound(await stored(runner))


def test_runs_in_the_runners_thread_are_cancelled_by_plain_code() -> None:
    reached = threading.Event()

    async def wait() -> None:
        """Waits."""
        reached.set()
        await asyncio.Event().wait()

    runner = InMemoryRunner(scripted_agent(call("wait"), tools=[wait]))
    run = runner.start("u", "s", "go")
    assert reached.wait(PATIENCE)
    runner.close()
    with pytest.raises(RunCancelledError, match="the runner was closed"):
        run.wait(PATIENCE)
    assert_sound(asyncio.run(stored(runner)))


async def test_a_blocked_thread_does_not_hold_it_up() -> None:
    with Blocked() as blocked:

        def block() -> None:
            """Blocks."""
            blocked.stop()

        runner = InMemoryRunner(scripted_agent(call("block"), tools=[block]))
        run = runner.start("u", "s", "go")
        await asyncio.to_thread(blocked.reached.wait, PATIENCE)
        async with asyncio.timeout(PATIENCE / 2):
            await runner.close()
        assert isinstance(await finished(run), RunCancelledError)


async def test_a_run_may_close_its_own_runner() -> None:
    async def close() -> None:
        """Closes the runner."""
        await runner.close()

    runner = InMemoryRunner(scripted_agent(call("close"), "never", tools=[close]))
    run = runner.start("u", "s", "go")
    assert isinstance(await finished(run), RunCancelledError)
    async with asyncio.timeout(PATIENCE):
        await runner.close()


def test_threads_that_run_while_another_closes_it_end_too() -> None:
    for _ in range(20):
        runner = InMemoryRunner(echo_agent())
        outcomes: list[str] = []

        def speak(number: int, runner: Runner = runner, outcomes: list[str] = outcomes) -> None:
            try:
                while True:
                    outcomes.append(runner.run(user_id="u", session_id=f"{number}", new_message="hi").text)
            except (RunnerClosedError, RunCancelledError) as error:
                outcomes.append(type(error).__name__)

        in_threads(lambda: speak(1), lambda: speak(2), runner.close)
        assert set(outcomes) <= {"re: hi", "RunnerClosedError", "RunCancelledError"}


async def test_everything_is_closed_once_and_only_what_is_the_runners_own() -> None:
    shared, child, inner, of_guest = Tools(), Tools(), Tools(), Tools()
    below = Agent(name="below", model=FunctionModel(echo), tools=[shared, child])
    as_tool = AgentTool(Agent(name="inner", model=FunctionModel(echo), tools=[inner]))
    root = Agent(name="root", model=FunctionModel(echo), tools=[shared, as_tool], sub_agents=[below])
    plugin, given, memory = Closing("p"), Sessions(), InMemoryMemoryService()
    runner = Runner(app_name="app", agent=root, plugins=[plugin], session_service=given, memory_service=memory)
    await given.create_session(app_name="app", user_id="u", session_id="s")
    guest = SequentialAgent(name="guests", sub_agents=[echo_agent("guest", tools=[of_guest])])
    for _ in range(2):
        await runner.run(guest, "hi")
    await say(runner)
    await runner.close()
    assert (shared.closed, child.closed, of_guest.closed, plugin.closed, given.closed) == (1, 1, 1, 1, 0)
    assert inner.closed == 1, "the toolset of an agent that is a tool"


async def test_the_services_that_it_made_are_closed(monkeypatch: pytest.MonkeyPatch) -> None:
    closed: list[object] = []

    async def close(service: object) -> None:
        closed.append(service)

    monkeypatch.setattr(InMemorySessionService, "close", close)
    runner = InMemoryRunner(echo_agent())
    service = runner.session_service
    await runner.close()
    assert closed == [service]


async def test_one_that_fails_to_close_keeps_none_of_the_others_from_it() -> None:
    broken, other, last = Tools(error=ValueError("stuck")), Tools(error=KeyError("lost")), Tools()
    plugin = Closing("p")
    runner = InMemoryRunner(echo_agent(tools=[broken, other, last]), plugins=[plugin])
    with pytest.raises(ExceptionGroup, match="failed to close") as caught:
        await runner.close()
    assert [str(one) for one in caught.value.exceptions] == ["stuck", "'lost'"]
    assert (last.closed, plugin.closed) == (1, 1)


async def test_a_plugin_has_so_long_to_close() -> None:
    class Slow(BasePlugin):
        async def close(self) -> None:
            await asyncio.Event().wait()

    after = Closing("after")
    runner = InMemoryRunner(echo_agent(), plugins=[Slow("slow"), after], plugin_close_timeout=0.01)
    with pytest.raises(TimeoutError):
        await runner.close()
    assert after.closed == 1


async def test_a_plugin_may_close_in_plain_code() -> None:
    class Plain(BasePlugin):
        closed = 0

        def close(self) -> None:  # type: ignore[override]
            self.closed += 1

    plugin = Plain("plain")
    await InMemoryRunner(echo_agent(), plugins=[plugin]).close()
    assert plugin.closed == 1


async def test_close_session_adds_it_to_memory() -> None:
    async with InMemoryRunner(echo_agent()) as runner:
        await say(runner, "the colour is teal")
        await runner.close_session(await stored(runner))
        assert runner.memory_service is not None
        found = await runner.memory_service.search_memory(app_name=runner.app_name, user_id="u", query="teal")
        assert any("teal" in (part.text or "") for one in found.memories for part in one.content.parts or ())
        assert texts(await say(runner, "more")) == ["re: more"], "the session may go on"


async def test_close_session_without_a_memory() -> None:
    async with Runner(agent=echo_agent()) as runner:
        await say(runner)
        await runner.close_session(await stored(runner))
        assert (await stored(runner)).seq == 2


async def test_the_caller_of_run_async_may_finish_what_it_began() -> None:
    """A generator is its caller's own: closing the runner stops what the runner drives, and leaves this alone."""
    async with InMemoryRunner(echo_agent()) as runner:
        events = runner.run_async(**HERE, new_message="hi")
        assert texts([await anext(events)]) == ["re: hi"]
    assert [event async for event in events] == []
    assert_sound(await stored(runner))


def test_a_runner_that_nobody_holds_any_more_leaves_no_thread() -> None:
    runner = InMemoryRunner(echo_agent())
    assert runner.run(user_id="u", session_id="s", new_message="hi").text == "re: hi"
    assert [thread for thread in threading.enumerate() if thread.name.startswith("runwright")]
    del runner
    gc.collect()
    assert not [thread for thread in threading.enumerate() if thread.name.startswith("runwright")]
