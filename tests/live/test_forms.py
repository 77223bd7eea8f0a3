# SPDX-License-Identifier: Apache-2.0
"""The forms of run_live, and what it says of input that cannot be run."""

import asyncio
from typing import Any

import pytest

from runwright import (
    Agent,
    BaseAgent,
    InMemoryRunner,
    LiveRequestQueue,
    LoopAgent,
    ParallelAgent,
    RunConfig,
    Runner,
    RunRequest,
    SandboxedCodeExecutor,
    SequentialAgent,
)
from runwright.errors import ConfigurationError, InputValidationError, RunnerClosedError
from runwright.testing import FunctionModel, ScriptedLiveModel, call, spoken
from runwright.types import text_of
from tests.live.scene import filled, live_agent, model_of, talk, wholes
from tests.runner.scene import HERE, PATIENCE, echo, in_threads, stored


@pytest.mark.parametrize(
    ("options", "complaint"),
    [
        ({}, "needs a queue"),
        ({"live_request_queue": asyncio.Queue}, "is a LiveRequestQueue, not type"),
        ({"live_request_queue": LiveRequestQueue(), "new_message": "Hi"}, "in place of a new_message"),
        ({"live_request_queue": LiveRequestQueue(), "resume": True}, "cannot be resumed"),
        ({"live_request_queue": LiveRequestQueue(), "invocation_id": "e"}, "cannot be resumed"),
        ({"live_request_queue": LiveRequestQueue(), "input_text": "Hi"}, "either input_text or a live_request_queue"),
        ({"live_request_queue": LiveRequestQueue(), "timeout": -1}, "positive number of seconds"),
        ({"live_request_queue": LiveRequestQueue(), "session_id": None}, "needs a session_id"),
        ({"live_request_queue": LiveRequestQueue(), "sesion": None}, "takes no sesion"),
        ({"live_request_queue": LiveRequestQueue(), "session": "s"}, "is a Session, or the agent"),
        ({"input_text": ""}, "message is empty"),
    ],
)
async def test_bad_input_is_named_before_anything_is_done(options: dict[str, Any], complaint: str) -> None:
    agent = live_agent("Hello")
    async with InMemoryRunner(agent) as runner:
        with pytest.raises(InputValidationError, match=complaint):
            runner.run_live(**{**HERE, **options})
        assert not model_of(agent).connections
        assert (await runner.session_service.list_sessions(app_name=runner.app_name)).sessions == []


class Custom(BaseAgent):
    """Has no live side."""


@pytest.mark.parametrize(
    ("agent", "complaint"),
    [
        (Agent(name="plain", model=FunctionModel(echo)), "its model, FunctionModel, has no live connection"),
        (live_agent(sub_agents=[Agent(name="plain", model=FunctionModel(echo))]), "'plain' cannot run live"),
        (live_agent(output_schema={"type": "object"}), "output_schema"),
        (live_agent(code_executor=SandboxedCodeExecutor()), "has a code_executor"),
        (Custom(name="custom"), "Custom does not override _run_live_impl"),
        (LoopAgent(name="loop", sub_agents=[live_agent()]), "LoopAgent does not override"),
        (ParallelAgent(name="parallel", sub_agents=[live_agent()]), "ParallelAgent does not override"),
        (SequentialAgent(name="both", sub_agents=[Custom(name="custom")]), "'custom' cannot run live"),
    ],
)
async def test_an_agent_that_cannot_run_live_is_named_before_anything_is_done(agent: BaseAgent, complaint: str) -> None:
    async with InMemoryRunner(agent) as runner:
        with pytest.raises(ConfigurationError, match=complaint):
            runner.run_live(**HERE, live_request_queue=filled("Hi"))
        assert (await runner.session_service.list_sessions(app_name=runner.app_name)).sessions == []


def test_a_request_shows_what_is_in_it() -> None:
    request = RunRequest(user_id="u", new_message="Hi")
    assert request.model_dump(exclude_defaults=True) == {"user_id": "u", "new_message": "Hi"}


async def test_a_closed_runner_runs_nothing() -> None:
    runner = InMemoryRunner(live_agent("Hello"))
    await runner.close()
    with pytest.raises(RunnerClosedError):
        runner.run_live(**HERE, live_request_queue=filled("Hi"))


async def test_a_queue_that_was_closed_before_ends_the_run_at_once() -> None:
    queue = LiveRequestQueue()
    queue.close()
    async with InMemoryRunner(live_agent("Hello")) as runner:
        assert await talk(runner, queue) == []
        assert (await stored(runner)).events == []


async def test_a_handle_is_followed_and_awaited() -> None:
    async with InMemoryRunner(live_agent("Hello")) as runner:
        run = runner.start(**HERE, live_request_queue=filled("Hi"))
        assert wholes([event async for event in run if not event.partial]) == ["live: Hello", "live done"]
        assert wholes(await run) == ["live: Hello", "live done"]
        assert (run.status, run.text) == ("completed", "Hello")


def test_plain_code_talks_from_its_own_thread() -> None:
    agent = live_agent("Hello", "Fine.")
    with InMemoryRunner(agent) as runner:
        queue = LiveRequestQueue()
        queue.send_content("Hi")
        seen: list[str] = []
        for event in runner.run(**HERE, live_request_queue=queue):
            if not event.partial:
                seen += wholes([event])
            if event.turn_complete:
                queue.send_content("How are you?") if len(seen) == 2 else queue.close()
        assert seen == ["live: Hello", "live done", "live: Fine.", "live done"]


async def test_the_queue_is_filled_from_other_threads() -> None:
    agent = live_agent(*map(str, range(40)))
    async with InMemoryRunner(agent) as runner:
        queue = LiveRequestQueue()
        run = asyncio.create_task(talk(runner, queue, timeout=PATIENCE))

        def send(who: int) -> None:
            for number in range(10):
                queue.send_content(f"{who}:{number}")

        await asyncio.to_thread(in_threads, *[lambda who=who: send(who) for who in range(4)])
        queue.close(after_answer=True)
        await run
        sent = [text_of(one).split(":") for one in model_of(agent).sent]
        assert len(sent) == 40
        for who in "0123":
            assert [number for speaker, number in sent if speaker == who] == list("0123456789")


# --- a text that is answered as text


def test_a_text_is_answered_in_chunks_in_a_session_of_its_own_or_a_named_one() -> None:
    with Runner() as runner:
        assert list(runner.run_live(live_agent(["Once ", "upon"]), input_text="Tell")) == ["Once ", "upon"]
    agent = live_agent(["Once ", "upon"], "The end.")
    with InMemoryRunner(agent) as runner:
        assert list(runner.run_live(input_text="Tell")) == ["Once ", "upon"]
        assert list(runner.run_live(**HERE, input_text="More")) == ["The end."]
        assert len(asyncio.run(stored(runner)).events) == 3


def test_what_is_spoken_is_text_too() -> None:
    agent = live_agent(spoken("Once ", "upon"))
    with Runner() as runner:
        config = RunConfig(response_modalities=["AUDIO"])
        assert list(runner.run_live(agent, input_text="Tell", run_config=config)) == ["Once ", "upon"]
    connect = model_of(agent).connections[0].request.live_connect_config
    assert connect.response_modalities == ["AUDIO"]


async def test_a_text_is_answered_after_the_tools_have_ended() -> None:
    async def add(a: int, b: int) -> int:
        """Adds."""
        return a + b

    agent = live_agent(["Let me see. ", call("add", a=1, b=2)], "It is 3.", tools=[add])
    async with Runner() as runner:
        chunks = [chunk async for chunk in runner.run_live(agent, input_text="Add")]
        assert chunks == ["Let me see. ", "It is 3."]


async def test_who_stops_reading_chunks_stops_the_run() -> None:
    agent = Agent(name="live", model=ScriptedLiveModel([["a", "b", "c"]]))
    async with Runner() as runner:
        chunks = runner.run_live(agent, input_text="Tell")
        async for chunk in chunks:
            assert chunk == "a"
            break
        await chunks.run.ended()
        assert chunks.run.status in ("cancelled", "completed")
        assert model_of(agent).connections[0].closed
