# SPDX-License-Identifier: Apache-2.0
"""Bad input is named before any work is done, with a message that says what to do; and nothing of it is stored."""

import asyncio
import socket
from collections.abc import Callable
from typing import Any

import pytest

from runwright import (
    Agent,
    InMemoryRunner,
    InMemorySessionService,
    LlmAgent,
    LongRunningFunctionTool,
    RunConfig,
    Runner,
    RunnerConfig,
    ToolThreadPoolConfig,
    types,
)
from runwright.errors import (
    ConfigurationError,
    InputValidationError,
    InvalidStateError,
    InvocationNotFoundError,
    ModelNotFoundError,
    RunnerClosedError,
    RunwrightError,
    SessionNotFoundError,
    UnsupportedTypeError,
)
from runwright.request import RunRequest
from runwright.testing import call
from runwright.types import Content, FunctionCall, FunctionResponse, Part
from tests.runner.scene import HERE, Recorder, assert_sound, echo_agent, say, scripted_agent, stored, texts


async def nothing_stored(runner: Runner) -> bool:
    return not (await runner.session_service.list_sessions(app_name=runner.app_name)).sessions


# --- messages

MESSAGES: dict[str, tuple[Any, str]] = {
    "none": (None, "needs a message, new_message=..., or an invocation_id"),
    "empty text": ("", "The message is empty: give a text"),
    "no parts": (Content(role="user", parts=[]), "The message is empty"),
    "parts left out": (Content(role="user"), "The message is empty"),
    "empty parts": ([Part(text=""), Part()], "The message is empty"),
    "an empty dict of parts": ({"parts": [{"text": ""}]}, "The message is empty"),
    "a number": (42, "A message cannot be made of int: give a text, a types.Content"),
    "a function call": (
        [Part(function_call=FunctionCall(name="f"))],
        "cannot hold a function call: only a model makes those",
    ),
    "a call beside text": (
        [Part(text="run"), Part(function_call=FunctionCall(name="f"))],
        "cannot hold a function call",
    ),
    "an answer beside text": (
        [Part(text="here"), Part(function_response=FunctionResponse(id="1", name="f", response={}))],
        "either answers function calls or says something else: send two messages",
    ),
    "an answer to no call": (
        [Part(function_response=FunctionResponse(id="nobody-1", name="f", response={}))],
        "answers function call 'nobody-1', which the session does not hold: take the id from the event",
    ),
    "an answer without an id": (
        [Part(function_response=FunctionResponse(name="f", response={}))],
        "which the session does not hold",
    ),
}


@pytest.mark.parametrize("message", MESSAGES)
async def test_a_message_that_cannot_be_run(message: str) -> None:
    given, says = MESSAGES[message]
    recorder = Recorder()
    async with InMemoryRunner(echo_agent(), plugins=[recorder]) as runner:
        await say(runner, "before")
        recorder.seen.clear()
        count = len((await stored(runner)).events)
        for use in (say, run_and_wait, runner_simple):
            with pytest.raises(InputValidationError) as caught:
                await use(runner, given)
            assert says in str(caught.value)
        assert recorder.seen == [] and len((await stored(runner)).events) == count
        assert texts(await say(runner, "after")) == ["re: after"]


async def run_and_wait(runner: Runner, message: Any) -> Any:
    return await runner.run("u", "s", message)


async def runner_simple(runner: Runner, message: Any) -> Any:
    return await runner.run_simple("u", "s", message)


async def test_a_message_that_cannot_be_run_is_refused_when_run_is_called_and_not_when_it_is_iterated() -> None:
    async with InMemoryRunner(echo_agent()) as runner:
        for use in (runner.run, runner.start, runner.run_async):
            with pytest.raises(InputValidationError, match="empty"):
                use(user_id="u", session_id="s", new_message="")
        assert await nothing_stored(runner)


async def test_answers_to_calls_of_several_runs_at_once() -> None:
    def job() -> None:
        """Starts a job."""

    agent = scripted_agent(call("job"), call("job"), "done", tools=[LongRunningFunctionTool(job)])
    async with InMemoryRunner(agent) as runner:
        calls = [
            one for number in range(2) for event in await say(runner, f"{number}") for one in event.get_function_calls()
        ]
        parts = [Part(function_response=FunctionResponse(id=one.id, name="job", response={})) for one in calls]
        with pytest.raises(InputValidationError, match="answer each in a message of its own"):
            await say(runner, parts)
        with pytest.raises(InputValidationError, match="leave invocation_id out"):
            await say(runner, parts[:1], invocation_id="another")
        assert texts(await say(runner, parts[:1])) == ["done"]


async def test_an_invocation_that_does_not_exist() -> None:
    async with InMemoryRunner(echo_agent()) as runner:
        await say(runner)
        with pytest.raises(InvocationNotFoundError, match="holds no invocation 'e-none'"):
            await say(runner, None, invocation_id="e-none")


# --- who and where

CALLS: dict[str, tuple[Callable[[Runner], Any], str]] = {
    "no user": (lambda runner: runner.run_async(session_id="s", new_message="x"), "needs a user_id"),
    "an empty user": (lambda runner: runner.run_async(user_id="", session_id="s", new_message="x"), "needs a user_id"),
    "no session": (lambda runner: runner.run_async(user_id="u", new_message="x"), "needs a session_id"),
    "run without a user": (lambda runner: runner.run(session_id="s", new_message="x"), "needs a user_id"),
    "run with too much": (
        lambda runner: runner.run("u", "s", "x", "y"),
        "takes (agent, message), (user_id, session_id",
    ),
    "run with one thing twice": (lambda runner: runner.run("u", "s", "x", user_id="v"), "takes (agent, message)"),
    "run with an unknown keyword": (
        lambda runner: runner.run("u", "s", "x", sesion="t"),
        "run takes no sesion; it takes agent",
    ),
    "run with a text for an agent": (
        lambda runner: runner.run(agent="echo", new_message="x", **HERE),
        "'echo' is none",
    ),
    "an agent and too much": (lambda runner: runner.run(echo_agent(), "x", "y"), "takes (agent, message)"),
    "a timeout that is none": (lambda runner: runner.run("u", "s", "x", timeout=0), "timeout is a positive number"),
    "a negative timeout": (
        lambda runner: runner.run_async(**HERE, new_message="x", timeout=-1),
        "timeout is a positive",
    ),
    "state that is no dict": (
        lambda runner: runner.run("u", "s", "x", state_delta=[("a", 1)]),
        "state_delta is a dict",
    ),
}


@pytest.mark.parametrize("wrong", CALLS)
async def test_a_call_that_does_not_say_who_or_where(wrong: str) -> None:
    use, says = CALLS[wrong]
    async with InMemoryRunner(echo_agent()) as runner:
        with pytest.raises(InputValidationError) as caught:
            use(runner)
        assert says in str(caught.value)
        assert await nothing_stored(runner)


async def test_no_agent() -> None:
    async with InMemoryRunner() as runner:
        with pytest.raises(InputValidationError, match=r"give one to Runner\(agent=\.\.\.\), or with the run"):
            runner.run_async(**HERE, new_message="x")


def test_something_that_is_no_agent() -> None:
    with pytest.raises(ConfigurationError, match="is no agent: give Runner an Agent"):
        Runner(app_name="app", agent="echo")  # type: ignore[arg-type]
    with pytest.raises(ConfigurationError, match=r"write Runner\(agent=\.\.\.\)"):
        Runner(echo_agent())  # type: ignore[arg-type]


async def test_a_session_that_does_not_exist() -> None:
    service = InMemorySessionService()
    async with Runner(app_name="app", agent=echo_agent(), session_service=service) as runner:
        with pytest.raises(SessionNotFoundError) as caught:
            await say(runner)
        assert "Session not found: s" in str(caught.value) and "auto_create_session=True" in str(caught.value)
        assert isinstance(caught.value, ValueError | LookupError)
        assert await nothing_stored(runner)
    async with Runner(app_name="app", agent=echo_agent(), session_service=service, auto_create_session=True) as runner:
        assert texts(await say(runner)) == ["re: hello"]


async def test_a_model_that_nobody_answers_for() -> None:
    async with InMemoryRunner(Agent(name="a", model="no-such-model-1")) as runner:
        with pytest.raises(ModelNotFoundError, match="no-such-model-1"):
            await say(runner)
        assert not (await stored(runner)).events


# --- agents and tools


def test_an_agent_has_one_parent() -> None:
    child = echo_agent("child")
    Agent(name="one", model="m", sub_agents=[child])
    with pytest.raises(ConfigurationError, match=r"has a parent already, 'one'.*child\.clone\(\)"):
        Agent(name="two", model="m", sub_agents=[child])


@pytest.mark.parametrize("name", ["", "two words", "1st", "a-b", "user", None])
def test_a_name_that_cannot_be_an_agents(name: Any) -> None:
    with pytest.raises(ConfigurationError, match=r"name|called 'user'"):
        Agent(name=name, model="m")


def test_names_are_unique_in_a_tree() -> None:
    with pytest.raises(ConfigurationError, match="Two agents below 'root' are called 'twin'"):
        Agent(
            name="root",
            model="m",
            sub_agents=[echo_agent("twin"), Agent(name="other", model="m", sub_agents=[echo_agent("twin")])],
        )


async def test_a_tool_without_a_docstring_works() -> None:
    def plain(x: int) -> int:
        return x + 1

    async with InMemoryRunner(scripted_agent(call("plain", x=1), "done", tools=[plain])) as runner:
        await say(runner)
        [answer] = [one for event in (await stored(runner)).events for one in event.get_function_responses()]
        assert answer.response == {"result": 2}


def test_a_type_that_no_model_can_be_shown_is_named_when_the_agent_is_made() -> None:
    def connect(line: socket.socket) -> None:
        """Takes a socket."""

    with pytest.raises(UnsupportedTypeError, match="line"):
        LlmAgent(name="a", model="m", tools=[connect])


def test_tools_with_the_same_name() -> None:
    def look() -> None:
        """Looks."""

    with pytest.raises(ConfigurationError, match="two tools called 'look': rename one"):
        LlmAgent(name="a", model="m", tools=[look, LongRunningFunctionTool(look)])


# --- state


async def test_state_that_is_not_json_given_with_the_message() -> None:
    recorder = Recorder()
    async with InMemoryRunner(echo_agent(), plugins=[recorder]) as runner:
        for wrong in ({"x": object()}, {"x": {1: 2}}, {"x": float("nan")}, {1: "x"}):
            with pytest.raises(InvalidStateError, match=r"'x' cannot be stored|use a string"):
                await say(runner, state_delta=wrong)
        assert recorder.seen == [] and await nothing_stored(runner)
        await say(runner, state_delta={"x": [1, {"y": None}]})
        assert (await stored(runner)).state == {"x": [1, {"y": None}]}


def write_wrong(context: Any) -> None:
    context.state["good"] = 1
    context.state["bad"] = {"deep": [object()]}


async def test_state_that_is_not_json_written_by_a_callback() -> None:
    def before(callback_context: Any) -> None:
        if callback_context.user_content.parts[0].text == "wrong":
            write_wrong(callback_context)

    async with InMemoryRunner(echo_agent(before_agent_callback=before)) as runner:
        with pytest.raises(
            InvalidStateError, match=r"State 'bad' cannot be stored: bad\['deep'\]\[0\].*builtins\.object"
        ):
            await say(runner, "wrong")
        session = await stored(runner)
        assert session.state == {}
        assert [event.error_code for event in session.events] == [None, "InvalidStateError"]
        assert texts(await say(runner, "right")) == ["re: right"]


async def test_state_that_is_not_json_written_by_a_tool() -> None:
    async def write(tool_context: Any) -> str:
        """Writes."""
        write_wrong(tool_context)
        return "written"

    async with InMemoryRunner(scripted_agent(call("write"), "next", tools=[write])) as runner:
        with pytest.raises(InvalidStateError, match="'bad'"):
            await say(runner, "go")
        session = await stored(runner)
        assert_sound(session)
        assert session.state == {}
        assert texts(await say(runner, "more")) == ["next"]
        assert (await stored(runner)).state == {}


# --- settings

SETTINGS: dict[str, tuple[Callable[[], Any], str]] = {
    "when_busy": (lambda: RunConfig(when_busy="wait"), "'enqueue', 'reject', 'interrupt' or 'rollback', not 'wait'"),  # type: ignore[arg-type]
    "model_timeout": (lambda: RunConfig(model_timeout=0), "RunConfig.model_timeout is a positive number"),
    "tool_timeout": (lambda: RunConfig(tool_timeout=-1), "RunConfig.tool_timeout is a positive number"),
    "max_tool_errors": (lambda: RunConfig(max_tool_errors=-1), "RunConfig.max_tool_errors is 0 or more"),
    "max_workers": (lambda: ToolThreadPoolConfig(max_workers=0), "max_workers is at least 1"),
    "event_buffer_size": (lambda: RunnerConfig(event_buffer_size=0), "event_buffer_size is at least 1"),
    "max_concurrent_sessions": (lambda: RunnerConfig(max_concurrent_sessions=-1), "0 (no limit) or more"),
    "default_timeout": (lambda: RunnerConfig(default_timeout=0), "default_timeout is a positive number"),
    "held_sessions": (lambda: RunnerConfig(held_sessions=-1), "held_sessions is 0 or more"),
}


@pytest.mark.parametrize("setting", SETTINGS)
def test_a_setting_that_cannot_be(setting: str) -> None:
    make, says = SETTINGS[setting]
    with pytest.raises(ConfigurationError) as caught:
        make()
    assert says in str(caught.value)


# --- after the end


async def test_running_after_close() -> None:
    runner = InMemoryRunner(echo_agent())
    await say(runner)
    await runner.close()
    for use in (runner.run_async, runner.run, runner.start):
        with pytest.raises(RunnerClosedError, match="make a new one"):
            use(**HERE, new_message="more")
    with pytest.raises(RunnerClosedError):
        await runner.run_debug("more", quiet=True)


def test_every_one_of_them_is_caught_by_one_name() -> None:
    with InMemoryRunner(echo_agent()) as runner, pytest.raises(RunwrightError):
        runner.run(RunRequest(new_message=""))
    with pytest.raises(RunwrightError):
        asyncio.run(runner.run_simple("u", "s", types.Content(parts=[])))
