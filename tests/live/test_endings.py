# SPDX-License-Identifier: Apache-2.0
"""However a live run ends: its connection is closed, its session sound, the hooks saw one end, the next run works."""

import asyncio
import gc
from collections.abc import AsyncGenerator
from contextlib import AsyncExitStack, aclosing, asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from runwright import Agent, Event, InMemoryRunner, LiveRequestQueue, RunConfig, Runner, SqliteSessionService
from runwright.errors import (
    DeadlineExceededError,
    InputValidationError,
    ModelConnectionError,
    ModelOverloadedError,
    RunCancelledError,
    SessionBusyError,
)
from runwright.event import LlmResponse
from runwright.testing import ScriptedLiveModel, ScriptedModel, call, delay, hang_up, heard, spoken
from runwright.types import Content, FunctionResponse, Part, text_of
from tests.live.scene import SOUND, SPEECH, filled, live_agent, log, model_of, said, talk, texts_sent, wholes
from tests.runner.scene import (
    HERE,
    PATIENCE,
    HeldUp,
    Recorder,
    answers,
    assert_sound,
    finished,
    say,
    stored,
    texts,
    until,
)

HANDLE = LlmResponse(live_session_resumption_update={"newHandle": "h1", "resumable": True})
DROP = ModelConnectionError("the connection broke")


async def quick() -> str:
    """Is done at once."""
    return "quick result"


async def assert_next_runs_work(runner: Runner, agent: Agent) -> None:
    """A run of either kind goes on with the session."""
    assert_sound(await stored(runner))
    agent.model = ScriptedLiveModel(["Live again.", "And again."])  # a history that ends with the user is answered too
    await talk(runner, filled("Go on"))
    agent.model = ScriptedModel(["In writing."])
    assert texts(await say(runner, "Still there?")) == ["In writing."]
    assert_sound(await stored(runner))


def talkative(held: HeldUp, **options: Any) -> Agent:
    """An agent in whose conversation all kinds of events come; its second tool is held up."""

    async def slow() -> str:
        """Takes its time."""
        await held.stop()
        return "slow result"

    return live_agent(
        [HANDLE, "Hel", "lo", SOUND, *spoken("spo", "ken")],
        [*heard("you"), call("quick"), call("slow")],
        ["Both ", "done.", LlmResponse(interrupted=True)],
        tools=[quick, slow],
        **options,
    )


async def length() -> int:
    held = HeldUp()
    held.go.set()
    async with InMemoryRunner(talkative(held)) as runner:
        queue = filled("Hi", closed=False)
        return len(await talk(runner, queue, react))


def react(event: Event, queue: LiveRequestQueue) -> None:
    if event.turn_complete:
        queue.send_content("Use your tools")
    if event.interrupted:
        queue.close()


async def test_the_whole_conversation() -> None:
    held = HeldUp()
    held.go.set()
    async with InMemoryRunner(talkative(held)) as runner:
        events = await talk(runner, filled("Hi", closed=False), react)
        assert wholes(events) == [
            "live: Hello",
            "live spoke: spoken",
            "live done",
            "user heard: you",
            "live calls quick, slow",
            "live answers quick {'result': 'quick result'}, slow {'result': 'slow result'}",
            "live: Both done.",
            "live interrupted",
        ]


@pytest.mark.parametrize("how", ["close", "cancel", "hang up", "handle", "deadline"])
async def test_it_may_end_at_each_event(how: str) -> None:
    for at in range(await length()):
        held, recorder = HeldUp(), Recorder()
        held.go.set()
        agent = talkative(held)
        connections = model_of(agent).connections
        async with InMemoryRunner(agent, plugins=[recorder]) as runner:
            await ENDINGS[how](runner, at)
            assert all(connection.closed for connection in connections)
            ends = [hook for hook in recorder.seen if hook in ("after_run", "on_run_error")]
            assert len(ends) == 1, (how, at)
            await assert_next_runs_work(runner, agent)


async def close_at(runner: Runner, at: int) -> None:
    queue = filled("Hi", closed=False)
    seen = 0
    async with aclosing(runner.run_live(**HERE, live_request_queue=queue)) as events:
        async for event in events:
            react(event, queue)
            seen += 1
            if seen > at:
                return


async def cancel_at(runner: Runner, at: int) -> None:
    seen = 0
    reached = asyncio.Event()

    def count(event: Event, queue: LiveRequestQueue) -> None:
        nonlocal seen
        react(event, queue)
        seen += 1
        if seen > at:
            reached.set()

    task = asyncio.create_task(talk(runner, filled("Hi", closed=False), count))
    await reached.wait()
    task.cancel()
    # The last events may end the run before the cancellation comes.
    await asyncio.wait([task])
    assert task.cancelled() or at + 2 >= seen


async def hang_up_at(runner: Runner, at: int) -> None:
    seen = 0

    def count(event: Event, queue: LiveRequestQueue) -> None:
        nonlocal seen
        react(event, queue)
        seen += 1
        if seen > at:
            queue.close()

    await talk(runner, filled("Hi", closed=False), count)


async def cancel_handle_at(runner: Runner, at: int) -> None:
    queue = filled("Hi", closed=False)
    run = runner.start(**HERE, live_request_queue=queue)
    seen = 0
    with pytest.raises(RunCancelledError):
        async for event in run:
            react(event, queue) if seen <= at and not event.interrupted else None
            seen += 1
            if seen > at:
                run.cancel("enough")
                queue.send_content("not any more")
    assert run.status == "cancelled"


async def miss_the_deadline_at(runner: Runner, at: int) -> None:
    queue = filled("Hi", closed=False)
    seen = 0
    with pytest.raises(DeadlineExceededError):
        async for event in runner.run_live(**HERE, live_request_queue=queue, timeout=0.05):
            react(event, queue) if not event.interrupted else None
            seen += 1
            if seen > at:
                await asyncio.sleep(0.06)


ENDINGS = {
    "close": close_at,
    "cancel": cancel_at,
    "hang up": hang_up_at,
    "handle": cancel_handle_at,
    "deadline": miss_the_deadline_at,
}


@pytest.mark.parametrize("how", ["cancel", "handle", "hang up", "newer"])
async def test_a_tool_under_way_is_cancelled_and_what_is_there_kept(how: str) -> None:
    held = HeldUp()
    agent = talkative(held)
    async with InMemoryRunner(agent) as runner:
        queue = filled("Hi", closed=False)
        run = runner.start(**HERE, live_request_queue=queue)
        follower = asyncio.create_task(follow(run, queue))
        await held.reached.wait()
        if how == "cancel":
            run.cancel("enough")
        elif how == "handle":
            await runner.close()
        elif how == "hang up":
            queue.close()
        else:
            agent.model = ScriptedLiveModel(["An answer to the history.", "The newer one."])
            await talk(runner, filled("Newer"), run_config=RunConfig(when_busy="interrupt"))
        error = await finished(run)
        assert (error is None) == (how == "hang up")
        await asyncio.wait([follower])
        assert follower.done() and (follower.exception() is None) == (how == "hang up")
        assert held.left
        assert answers(await stored(runner)) == {"quick": {"result": "quick result"}, "slow": {"error": "cancelled"}}
        if how != "handle":
            await assert_next_runs_work(runner, agent)


async def follow(run: Any, queue: LiveRequestQueue) -> None:
    async for event in run:
        react(event, queue)


# --- the model


async def test_a_model_that_cannot_be_reached_fails_the_run() -> None:
    agent = Agent(name="live", model=ScriptedLiveModel(["Hello"], refusals=[ModelOverloadedError("busy"), DROP]))
    recorder = Recorder()
    async with InMemoryRunner(agent, plugins=[recorder]) as runner:
        with pytest.raises(ModelOverloadedError, match="busy"):
            await talk(runner, filled("Hi"))
        with pytest.raises(ModelConnectionError, match="broke"):
            await talk(runner, filled("Hi"))
        assert recorder.count("on_run_error") == 2 and recorder.count("on_model_error") == 2
        assert [event.error_code for event in (await stored(runner)).events] == [
            "ModelOverloadedError",
            "ModelConnectionError",
        ]
        assert wholes(await talk(runner, filled("Hi"))) == ["live: Hello", "live done"]


async def test_a_model_that_fails_in_the_midst_fails_the_run() -> None:
    agent = live_agent(["Hel", ModelOverloadedError("busy")], tools=[quick])
    async with InMemoryRunner(agent) as runner:
        with pytest.raises(ModelOverloadedError):
            await talk(runner, filled("Hi"))
        await assert_next_runs_work(runner, agent)
    agent = live_agent([call("quick"), ValueError("not even a model's error")], tools=[quick])
    async with InMemoryRunner(agent) as runner:
        with pytest.raises(ValueError, match="not even"):
            await talk(runner, filled("Hi"))
        await assert_next_runs_work(runner, agent)


async def test_a_hook_answers_for_a_model_that_fails() -> None:
    sorry = LlmResponse(content=Content(role="model", parts=[Part(text="Sorry.")]))
    agent = live_agent([ModelOverloadedError("busy")], on_model_error_callback=lambda llm_request, error: sorry)
    async with InMemoryRunner(agent) as runner:
        assert wholes(await talk(runner, filled("Hi"))) == ["live: Sorry."]


async def test_a_tool_that_raises_fails_the_run() -> None:
    async def broken() -> None:
        """Breaks."""
        raise ValueError("broken")

    agent = live_agent([call("quick"), call("broken")], tools=[quick, broken])
    async with InMemoryRunner(agent) as runner:
        with pytest.raises(ValueError, match="broken"):
            await talk(runner, filled("Hi"))
        assert answers(await stored(runner))["quick"] == {"result": "quick result"}
        await assert_next_runs_work(runner, agent)


async def test_a_connection_that_does_not_open_in_time() -> None:
    class Slow(ScriptedLiveModel):
        @asynccontextmanager
        async def connect(self, llm_request: Any) -> AsyncGenerator[Any]:
            await asyncio.Event().wait()
            yield

    async with InMemoryRunner(Agent(name="live", model=Slow([]))) as runner:
        with pytest.raises(DeadlineExceededError, match="open a live connection"):
            await talk(runner, filled("Hi"), run_config=RunConfig(model_timeout=0.01))


class Reluctant(ScriptedLiveModel):
    """A model whose connections take their time to close."""

    closing: int = 0

    @asynccontextmanager
    async def connect(self, llm_request: Any) -> AsyncGenerator[Any]:
        try:
            async with super().connect(llm_request) as connection:
                yield connection
        finally:
            self.closing += 1
            await asyncio.Event().wait()


async def test_a_connection_that_does_not_close_is_left_to_itself(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("runwright.live.line.CLOSE_SECONDS", 0.01)
    agent = Agent(name="live", model=Reluctant(["Hello"]))
    async with InMemoryRunner(agent) as runner:
        assert wholes(await talk(runner, filled("Hi"))) == ["live: Hello", "live done"]
        await assert_next_runs_work(runner, agent)


async def test_a_task_that_is_cancelled_twice_still_waits_for_the_connection_to_close(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("runwright.live.line.CLOSE_SECONDS", 0.05)
    model = Reluctant([["Hello", call("quick")], delay(PATIENCE, "never")])
    agent = Agent(name="live", model=model, tools=[quick])
    async with InMemoryRunner(agent) as runner:
        task = asyncio.create_task(talk(runner, filled("Hi", closed=False)))
        await until(lambda: bool(model.connections) and len(model.connections[0].sent) == 2)
        task.cancel()
        await until(lambda: model.closing == 1)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        await assert_next_runs_work(runner, agent)


async def test_what_was_said_before_the_model_hung_up_is_kept() -> None:
    piece = LlmResponse(partial=True, content=Content(role="model", parts=[Part(text="By")]))
    async with InMemoryRunner(live_agent([piece, hang_up])) as runner:
        assert wholes(await talk(runner, filled("Hi", closed=False))) == ["live: By"]


# --- connections that break


async def test_a_broken_connection_is_made_anew_and_told_the_history() -> None:
    agent = live_agent("Hello", DROP, "Here again.")
    async with InMemoryRunner(agent) as runner:
        queue = filled("Hi", closed=False)
        turns = 0

        def again(event: Event, queue: LiveRequestQueue) -> None:
            nonlocal turns
            if event.turn_complete:
                turns += 1
                queue.send_content("Still there?") if turns == 1 else queue.close()

        events = await talk(runner, queue, again)
        assert wholes(events) == ["live: Hello", "live done", "live: Here again.", "live done"]
        model = model_of(agent)
        history = model.connections[1].history
        assert history is not None and [text_of(one) for one in history] == ["Hi", "Hello", "Still there?"]
        assert texts_sent(model) == ["Hi", "Still there?"], "the history told it, so it is not sent again"
        assert_sound(await stored(runner))


async def test_a_broken_connection_goes_on_with_its_handle() -> None:
    agent = live_agent([HANDLE, "Hello"], DROP, "Here again.")
    async with InMemoryRunner(agent) as runner:
        queue = filled("Hi", closed=False)

        def again(event: Event, queue: LiveRequestQueue) -> None:
            if event.turn_complete:
                queue.send_content("Still there?")
                queue.send_content("Hello?")
            if said(event) == "live: Here again.":
                queue.close()

        events = await talk(runner, queue, again)
        assert wholes(events)[-1] == "live: Here again."
        second = model_of(agent).connections[1]
        assert second.history is None
        assert second.request.live_connect_config.session_resumption.handle == "h1"


async def test_a_handle_of_an_earlier_run_goes_on_with_its_conversation() -> None:
    agent = live_agent("Hello", "Again.")
    async with InMemoryRunner(agent) as runner:
        await talk(runner, filled("Hi"))
        config = RunConfig(session_resumption={"handle": "h0"})
        await talk(runner, filled("Hi again"), run_config=config)
        second = model_of(agent).connections[1]
        assert second.history is None and second.request.live_connect_config.session_resumption.handle == "h0"


async def test_a_message_that_could_not_be_sent_goes_over_the_next_connection() -> None:
    agent = live_agent([HANDLE, "Hello"], "Here again.")
    async with InMemoryRunner(agent) as runner:
        queue = filled("Hi", closed=False)
        turns = 0

        def again(event: Event, queue: LiveRequestQueue) -> None:
            nonlocal turns
            if event.turn_complete:
                turns += 1
                if turns == 1:
                    model_of(agent).connections[0].broken = True
                    queue.send_realtime(SPEECH)
                    queue.send_content("Still there?")
                else:
                    queue.close()

        assert wholes(await talk(runner, queue, again))[-2:] == ["live: Here again.", "live done"]
        assert [len(one.sent) for one in model_of(agent).connections] == [1, 2]


async def test_a_model_that_leaves_is_gone_back_to_when_its_turn_is_over() -> None:
    leaving = LlmResponse(go_away={"timeLeft": "10s"})
    agent = live_agent([HANDLE, "Hel", leaving, "lo"], "Here again.")
    async with InMemoryRunner(agent) as runner:
        queue = filled("Hi", closed=False)
        turns = 0

        def again(event: Event, queue: LiveRequestQueue) -> None:
            nonlocal turns
            if event.turn_complete:
                turns += 1
                queue.send_content("And?") if turns == 1 else queue.close()

        events = await talk(runner, queue, again)
        assert wholes(events) == ["live: Hel", "live: lo", "live done", "live: Here again.", "live done"] or wholes(
            events
        ) == ["live: Hello", "live done", "live: Here again.", "live done"]
        assert len(model_of(agent).connections) == 2


async def test_a_tool_ends_before_the_history_is_told_anew() -> None:
    held = HeldUp()

    async def slow() -> str:
        """Takes its time."""
        await held.stop()
        return "done"

    def close(event: Event, queue: LiveRequestQueue) -> None:
        if event.turn_complete:
            queue.close()

    agent = live_agent(call("slow"), "Thanks.", tools=[slow])
    async with InMemoryRunner(agent) as runner:
        task = asyncio.create_task(talk(runner, filled("Go", closed=False), close))
        await held.reached.wait()
        await model_of(agent).connections[0].close()
        model_of(agent).connections[0].broken = True
        # Closed by the model: that is the end, and not a break.
        events = await task
        assert wholes(events) == ["live calls slow", "live answers slow {'error': 'cancelled'}"]
        assert_sound(await stored(runner))

    agent = live_agent([call("slow"), call("slow"), lambda _: held.go.set(), DROP], "Thanks.", tools=[slow])
    held.go.clear()
    async with InMemoryRunner(agent) as runner:
        await talk(runner, filled("Go", closed=False), close)
        history = model_of(agent).connections[1].history
        assert history is not None and [len(one.parts or ()) for one in history] == [1, 2, 2]
        assert_sound(await stored(runner))


async def test_connections_are_not_tried_for_ever(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("runwright.live.line._FIRST_PAUSE", 0)
    agent = Agent(name="live", model=ScriptedLiveModel([["Hello", DROP]], refusals=[None, *[DROP] * 10]))
    async with InMemoryRunner(agent) as runner:
        with pytest.raises(ModelConnectionError):
            await talk(runner, filled("Hi", closed=False))
        assert len(model_of(agent)._refusals) == 5


# --- several runs of one session


async def test_two_live_runs_on_one_session_wait_for_each_other() -> None:
    agent = live_agent("first", "second")
    async with InMemoryRunner(agent) as runner:
        first, second = filled("1", closed=False), filled("2")
        one = asyncio.create_task(talk(runner, first))
        await until(lambda: bool(model_of(agent).connections and model_of(agent).connections[0].sent))
        two = asyncio.create_task(talk(runner, second))
        with pytest.raises(SessionBusyError):
            await talk(runner, filled("3"), run_config=RunConfig(when_busy="reject"))
        assert not two.done()
        first.close(after_answer=True)
        await one
        assert wholes(await two) == ["live: second", "live done"]
        assert_sound(await stored(runner))


async def test_a_newer_run_may_interrupt() -> None:
    agent = live_agent("first", "second")
    async with InMemoryRunner(agent) as runner:
        given: list[Event] = []
        one = asyncio.create_task(talk(runner, filled("1", closed=False), lambda event, _: given.append(event)))
        # Stored, or the next model would be told of a message that nobody has answered, and answer that first.
        await until(lambda: "live done" in wholes(given))
        events = await talk(runner, filled("2"), run_config=RunConfig(when_busy="interrupt"))
        assert wholes(events) == ["live: second", "live done"]
        with pytest.raises(RunCancelledError):
            await one


# --- on disk


async def test_a_live_run_on_disk_is_recorded_and_found_sound_by_the_next_process(tmp_path: Path) -> None:
    held = HeldUp()
    held.go.set()
    agent = talkative(held)
    service = SqliteSessionService(tmp_path / "sessions.db")
    async with AsyncExitStack() as stack:
        stack.push_async_callback(service.close)
        runner = Runner(agent=agent, session_service=service, auto_create_session=True)
        async with runner:
            await talk(runner, filled("Hi", closed=False), react)
            runs = await service.list_runs(app_name=runner.app_name, user_id="u", session_id="s")
            assert [run.status for run in runs] == ["completed"]
            assert_sound(await stored(runner))
            before = await log(runner)
    held = HeldUp()
    agent = talkative(held)
    service = SqliteSessionService(tmp_path / "sessions.db")
    async with AsyncExitStack() as stack:
        stack.push_async_callback(service.close)
        runner = Runner(agent=agent, session_service=service, auto_create_session=True)
        async with runner:
            assert await log(runner) == before
            queue = filled("Hi", closed=False)
            run = runner.start(**HERE, live_request_queue=queue)
            follower = asyncio.create_task(follow(run, queue))
            await held.reached.wait()
            run.cancel("enough")
            await finished(run)
            await asyncio.wait([follower])
            assert isinstance(follower.exception(), RunCancelledError)
            runs = await service.list_runs(app_name=runner.app_name, user_id="u", session_id="s")
            assert [run.status for run in runs] == ["completed", "cancelled"]
            rows = await service.list_calls(await stored(runner), runs[-1].invocation_id)
            assert {row.name: row.status for row in rows} == {"quick": "finished", "slow": "started"}
            await assert_next_runs_work(runner, agent)


# --- what the user sends is wrong


async def test_an_answer_to_a_call_that_was_never_made_fails_the_run() -> None:
    agent = live_agent("Hello")
    async with InMemoryRunner(agent) as runner:
        queue = filled(Part(function_response=FunctionResponse(id="no", name="no", response={})))
        with pytest.raises(InputValidationError, match="'no', which the session does not hold"):
            await talk(runner, queue)
        assert_sound(await stored(runner))


async def test_what_was_not_used_of_the_queue_is_there_for_the_next_run() -> None:
    agent = live_agent("Hello", "As I said: hello", "And hello to you")
    async with InMemoryRunner(agent) as runner:
        queue = filled("Hi", closed=False)
        async with aclosing(runner.run_live(**HERE, live_request_queue=queue)) as events:
            async for _ in events:
                break
        queue.send_content("Hi again")
        queue.close(after_answer=True)
        await talk(runner, queue)
        assert texts_sent(model_of(agent)) == ["Hi", "Hi again"]


async def test_back_pressure_reaches_the_connection() -> None:
    made = 0

    def count(_: Any) -> None:
        nonlocal made
        made += 1

    agent = live_agent([item for _ in range(50) for item in (count, SOUND)])
    async with InMemoryRunner(agent) as runner:
        seen = 0
        async for event in runner.run_live(**HERE, live_request_queue=filled("Hi")):
            seen += event.content is not None
            for _ in range(20):
                await asyncio.sleep(0)
            assert made <= seen + 2
        assert seen == made == 50


async def test_a_run_that_is_dropped_leaves_nothing_behind() -> None:
    """The caller breaks out and forgets the generator."""
    agent = live_agent(delay(0, "Hello"))
    async with InMemoryRunner(agent) as runner:
        async for _ in runner.run_live(**HERE, live_request_queue=filled("Hi")):
            break
        gc.collect()
        await until(lambda: model_of(agent).connections[0].closed)
        async with asyncio.timeout(PATIENCE):
            agent.model = ScriptedModel(["Fine."])
            assert texts(await say(runner, "Next")) == ["Fine."]
        assert_sound(await stored(runner))
