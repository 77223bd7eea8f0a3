# SPDX-License-Identifier: Apache-2.0
"""What a run and a runner may be told: deadlines, metadata, services, memory, and what ``run_debug`` prints."""

import asyncio
import threading
from typing import Any

import pytest

from runwright import (
    Agent,
    FunctionTool,
    InMemoryArtifactService,
    InMemoryMemoryService,
    InMemoryRunner,
    InMemorySessionService,
    LlmResponse,
    RunConfig,
    Runner,
    RunnerConfig,
    StreamingMode,
    ToolThreadPoolConfig,
    run_agent,
)
from runwright.errors import DeadlineExceededError
from runwright.testing import FunctionModel, ScriptedModel, call, stream
from runwright.types import Blob, Content, Part, text_of
from tests.runner.scene import (
    HERE,
    PATIENCE,
    Blocked,
    HeldUp,
    answers,
    assert_sound,
    echo,
    echo_agent,
    finished,
    say,
    scripted_agent,
    stored,
    texts,
    until,
)

# --- deadlines


async def never(*_: Any, **__: Any) -> str:
    """Does not come back."""
    await asyncio.Event().wait()
    return "never"


async def test_the_run_has_a_deadline() -> None:
    async with InMemoryRunner(Agent(name="a", model=FunctionModel(never))) as runner:
        with pytest.raises(TimeoutError, match=r"longer than its 0\.01 seconds") as caught:
            await say(runner, timeout=0.01)
        assert isinstance(caught.value, DeadlineExceededError)
        assert (await stored(runner)).events[-1].error_code == "DeadlineExceededError"


async def test_the_runner_has_one_for_runs_without() -> None:
    config = RunnerConfig(default_timeout=0.01)
    async with InMemoryRunner(Agent(name="a", model=FunctionModel(never)), config=config) as runner:
        with pytest.raises(DeadlineExceededError, match=r"0\.01"):
            await say(runner)
        with pytest.raises(DeadlineExceededError, match=r"0\.02"):
            await say(runner, timeout=0.02)


@pytest.mark.parametrize("mode", [StreamingMode.NONE, StreamingMode.SSE])
async def test_the_model_has_one_for_its_whole_stream(mode: StreamingMode) -> None:
    async def chunks(_: Any) -> Any:
        yield "some "
        await never()
        yield "more"

    config = RunConfig(model_timeout=0.02, streaming_mode=mode)
    async with InMemoryRunner(Agent(name="slow", model=FunctionModel(chunks, model="tortoise"))) as runner:
        with pytest.raises(DeadlineExceededError, match=r"'tortoise' took longer than 0\.02 seconds"):
            await say(runner, run_config=config)


async def test_what_the_caller_takes_over_the_chunks_is_not_the_models_time() -> None:
    async def chunks(_: Any) -> Any:
        for text in "abc":
            await asyncio.sleep(0)
            yield text

    config = RunConfig(model_timeout=0.1, streaming_mode=StreamingMode.SSE)
    async with InMemoryRunner(Agent(name="quick", model=FunctionModel(chunks))) as runner:
        seen = []
        async for event in runner.run_async(**HERE, new_message="go", run_config=config):
            seen.append(event)
            await asyncio.sleep(0.06)
        assert texts(seen) == ["a", "b", "c", "abc"]


async def test_a_model_that_is_too_slow_is_an_error_that_a_callback_may_answer() -> None:
    def instead(callback_context: Any, llm_request: Any, error: Exception) -> LlmResponse:
        assert isinstance(error, DeadlineExceededError)
        return LlmResponse(content=Content(role="model", parts=[Part(text="in short: no")]))

    agent = Agent(name="a", model=FunctionModel(never), on_model_error_callback=instead)
    async with InMemoryRunner(agent) as runner:
        assert texts(await say(runner, run_config=RunConfig(model_timeout=0.01))) == ["in short: no"]


@pytest.mark.parametrize("own", [True, False], ids=["of its own", "of the run"])
async def test_a_tool_has_one_and_the_model_is_told(own: bool) -> None:
    tool = FunctionTool(never, timeout=0.01) if own else FunctionTool(never)
    config = RunConfig() if own else RunConfig(tool_timeout=0.01)
    async with InMemoryRunner(scripted_agent(call("never"), "without it then", tools=[tool])) as runner:
        assert texts(await say(runner, run_config=config)) == ["without it then"]
        assert answers(await stored(runner)) == {
            "never": {"error": "never took longer than 0.01 seconds", "error_type": "DEADLINE_EXCEEDED"}
        }


async def test_a_tool_that_blocks_its_thread_has_one_too_and_does_not_stall_the_loop() -> None:
    with Blocked() as blocked:

        def block() -> str:
            """Blocks."""
            blocked.stop()
            return "late"

        agent = scripted_agent(call("block"), "without it then", tools=[FunctionTool(block, timeout=0.05)])
        async with InMemoryRunner(agent) as runner:
            task = asyncio.create_task(say(runner))
            await until(blocked.reached.is_set)  # the loop goes on while the tool blocks
            assert not task.done()
            assert texts(await task) == ["without it then"]
            assert not blocked.go.is_set()


async def test_a_tools_own_timeout_error_is_not_taken_for_the_deadline() -> None:
    async def slow_server() -> None:
        """Talks to a server."""
        raise TimeoutError("the server is slow")

    async with InMemoryRunner(scripted_agent(call("slow_server"), tools=[slow_server])) as runner:
        with pytest.raises(TimeoutError, match="the server is slow"):
            await say(runner, run_config=RunConfig(tool_timeout=PATIENCE))


async def test_plain_tools_run_at_the_same_time_so_many_at_the_most() -> None:
    together = threading.Barrier(3)

    def meet() -> str:
        """Waits for two others."""
        together.wait(PATIENCE)
        return "met"

    config = RunConfig(tool_thread_pool_config=ToolThreadPoolConfig(max_workers=3))
    async with InMemoryRunner(scripted_agent([call("meet")] * 3, "done", tools=[meet])) as runner:
        assert texts(await say(runner, run_config=config)) == ["done"]


# --- what a run is told


async def test_custom_metadata_is_on_every_event() -> None:
    async def look() -> str:
        """Looks."""
        return "seen"

    agent = scripted_agent(call("look"), stream("a", "b"), ValueError("boom"), tools=[look])
    config = RunConfig(custom_metadata={"trace": "t1"}, streaming_mode=StreamingMode.SSE)
    async with InMemoryRunner(agent) as runner:
        events = await say(runner, run_config=config, yield_user_message=True)
        assert events[0].author == "user"
        assert len(events) == 6
        assert [event.custom_metadata for event in events] == [{"trace": "t1"}] * 6
        with pytest.raises(ValueError, match="boom"):
            await say(runner, run_config=config)
        assert [event.custom_metadata for event in (await stored(runner)).events] == [{"trace": "t1"}] * 6
    assert config.custom_metadata == {"trace": "t1"}


async def test_the_user_message_is_yielded_where_asked_for() -> None:
    async with InMemoryRunner(echo_agent()) as runner:
        assert texts(await say(runner, "hi", yield_user_message=True)) == ["hi", "re: hi"]
        assert texts(await say(runner, "hi")) == ["re: hi"]


async def test_messages_that_the_model_sees_and_nobody_stores() -> None:
    model = FunctionModel(echo)
    context = [Content(role="user", parts=[Part(text="it is raining")])]
    async with InMemoryRunner(Agent(name="a", model=model)) as runner:
        await say(runner, "one", run_config=RunConfig(model_input_context=context))
        assert [text_of(one) for one in model.requests[-1].contents] == ["it is raining", "one"]
        await say(runner, "two")
        assert [text_of(one) for one in model.requests[-1].contents] == ["one", "re: one", "two"]


async def test_without_event_processing_the_changes_are_the_callers() -> None:
    config = RunnerConfig(enable_event_processing=False)
    agent = echo_agent(output_key="answer")
    async with InMemoryRunner(agent, config=config) as runner:
        [event] = await say(runner, "hi", state_delta={"x": 1})
        assert event.actions.state_delta == {"answer": "re: hi"}
        session = await stored(runner)
        assert session.state == {} and texts(session.events) == ["hi", "re: hi"]
        assert all(not one.actions.state_delta for one in session.events)


async def test_files_in_the_message_are_saved_where_asked_for() -> None:
    artifacts = InMemoryArtifactService()
    model = FunctionModel(lambda request: f"{len(request.contents[-1].parts)} parts")
    async with InMemoryRunner(Agent(name="a", model=model)) as runner:
        runner.artifact_service = artifacts
        picture = Part(inline_data=Blob(data=b"png", mime_type="image/png", display_name="a.png"))
        config = RunConfig(save_input_blobs_as_artifacts=True)
        await say(runner, [Part(text="look"), picture], run_config=config)
        saved = await artifacts.load_artifact(app_name=runner.app_name, **HERE, filename="a.png")
        assert saved is not None and saved.inline_data is not None and saved.inline_data.data == b"png"
        [message, _] = (await stored(runner)).events
        assert message.actions.artifact_delta == {"a.png": 0}
        assert message.content is not None and not any(part.inline_data for part in message.content.parts or ())


async def test_the_abort_signal_that_is_never_set_changes_nothing() -> None:
    signal = asyncio.Event()
    async with InMemoryRunner(echo_agent()) as runner:
        assert texts(await say(runner, "hi", abort_signal=signal)) == ["re: hi"]


# --- what a runner has


async def test_memory_is_added_to_after_each_run_that_ended_well() -> None:
    memory = InMemoryMemoryService()
    agent = scripted_agent("noted", ValueError("boom"))
    config = RunnerConfig(save_to_memory=True)
    async with Runner(app_name="app", agent=agent, memory_service=memory, config=config) as runner:
        await say(runner, "the colour is teal")
        with pytest.raises(ValueError, match="boom"):
            await say(runner, "the shape is round", session_id="t")
        found = await memory.search_memory(app_name="app", user_id="u", query="teal round")
        assert [text_of(one.content) for one in found.memories] == ["the colour is teal"]


async def test_services_may_be_replaced_between_runs() -> None:
    first, second = InMemorySessionService(), InMemorySessionService()
    async with Runner(app_name="app", agent=echo_agent(), session_service=first, auto_create_session=True) as runner:
        await say(runner, "one")
        runner.session_service = second
        await say(runner, "two")
        assert texts((await stored(runner)).events) == ["two", "re: two"]
        runner.session_service = first
        await say(runner, "three")
        assert texts((await stored(runner)).events) == ["one", "re: one", "three", "re: three"]


async def test_a_run_keeps_the_services_that_it_began_with() -> None:
    held = HeldUp()

    async def wait(request: Any) -> str:
        await held.stop()
        return echo(request)

    first, second = InMemorySessionService(), InMemorySessionService()
    agent = Agent(name="a", model=FunctionModel(wait))
    async with Runner(app_name="app", agent=agent, session_service=first, auto_create_session=True) as runner:
        run = runner.start("u", "s", "one")
        await held.reached.wait()
        runner.session_service = second
        held.go.set()
        assert await finished(run) is None
        await say(runner, "two")
        for service, said in ((first, ["one", "re: one"]), (second, ["two", "re: two"])):
            session = await service.get_session(app_name="app", **HERE)
            assert session is not None and texts(session.events) == said
            assert_sound(session)


@pytest.mark.parametrize("held_sessions", [0, 1, 256])
async def test_sessions_that_the_runner_does_not_hold_are_read_again(held_sessions: int) -> None:
    config = RunnerConfig(held_sessions=held_sessions)
    async with InMemoryRunner(echo_agent(), config=config) as runner:
        for number in range(3):
            for session_id in ("s", "t"):
                await say(runner, f"{number}", session_id=session_id)
        for session_id in ("s", "t"):
            session = await stored(runner, session_id)
            assert_sound(session)
            assert texts(session.events) == [text for n in range(3) for text in (f"{n}", f"re: {n}")]


async def test_an_agent_of_its_own_for_a_run() -> None:
    async with InMemoryRunner(echo_agent()) as runner:
        other = scripted_agent("from the other")
        assert (await runner.run(other, "hi", **HERE))[0].author == "scripted"
        assert texts(await say(runner, "hi")) == ["re: hi"]
        assert (await stored(runner)).seq == 4


async def test_run_simple_and_run_agent_give_the_text() -> None:
    async with InMemoryRunner(echo_agent()) as runner:
        assert await runner.run_simple("u", "s", "hi") == "re: hi"
    assert await run_agent(echo_agent(), "hi") == "re: hi"


# --- run_debug


def sums_agent() -> Agent:
    async def add(a: int, b: int) -> int:
        """Adds."""
        return a + b

    return Agent(name="sums", model=ScriptedModel([call("add", a=1, b=2), "It is 3.", "Bye."]), tools=[add])


OUTPUT = {
    "plain": ({}, "user > 1 + 2?\nsums > It is 3.\nuser > Thanks\nsums > Bye.\n"),
    "verbose": (
        {"verbose": True},
        'user > 1 + 2?\nsums > calls add({"a":1,"b":2})\nsums > add answered {"result":3}\nsums > It is 3.\n'
        "user > Thanks\nsums > Bye.\n",
    ),
    "quiet": ({"quiet": True}, ""),
}


@pytest.mark.parametrize("how", OUTPUT)
async def test_run_debug_prints_what_is_said(how: str, capsys: pytest.CaptureFixture[str]) -> None:
    options, printed = OUTPUT[how]
    async with InMemoryRunner(sums_agent()) as runner:
        events = await runner.run_debug(["1 + 2?", "Thanks"], **options)
        assert texts(events) == ["It is 3.", "Bye."]
        assert len(events) == 4
        session = await stored(runner, "debug_session_id", "debug_user_id")
        assert_sound(session)
        assert session.seq == 6
    assert capsys.readouterr().out == printed


async def test_run_debug_takes_one_message_and_goes_on_in_the_session(capsys: pytest.CaptureFixture[str]) -> None:
    async with Runner(app_name="app", agent=echo_agent(), session_service=InMemorySessionService()) as runner:
        for said in ("hi", "again"):
            await runner.run_debug(said, user_id="u", session_id="s")
        assert texts((await stored(runner)).events) == ["hi", "re: hi", "again", "re: again"]
    assert capsys.readouterr().out.count("echo > ") == 2


async def test_run_debug_prints_the_error_that_it_raises(capsys: pytest.CaptureFixture[str]) -> None:
    async with InMemoryRunner(scripted_agent(ValueError("boom"))) as runner:
        with pytest.raises(ValueError, match="boom"):
            await runner.run_debug("hi")
    assert "scripted > error ValueError: boom" in capsys.readouterr().out
