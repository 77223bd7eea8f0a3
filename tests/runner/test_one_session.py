# SPDX-License-Identifier: Apache-2.0
"""Many messages to one session: whole turns, one after another, none lost; and what others do to it meanwhile."""

import asyncio
import random
from collections.abc import Callable
from typing import Any

import pytest

from runwright import (
    Agent,
    Event,
    GetSessionConfig,
    InMemoryRunner,
    InMemorySessionService,
    LongRunningFunctionTool,
    ParallelAgent,
    RunConfig,
    Runner,
    RunnerConfig,
)
from runwright.errors import DeadlineExceededError, RunCancelledError, SessionBusyError, SessionNotFoundError
from runwright.testing import FunctionModel, ScriptedModel, call
from runwright.types import Content, FunctionResponse, Part, text_of
from tests.runner.scene import (
    HERE,
    PATIENCE,
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
    turns,
)

MESSAGES = 50


def turning_agent() -> Agent:
    """An agent whose turn takes two model calls and a tool that gives way."""

    async def count(tool_context: Any) -> int:
        """Counts the turns."""
        seen = tool_context.state.get("turns", 0)
        for _ in range(3):
            await asyncio.sleep(0)
        tool_context.state["turns"] = seen + 1
        return seen + 1

    async def answer(request: Any) -> Any:
        await asyncio.sleep(0)
        last = request.contents[-1].parts[0]
        if last.function_response is None:
            return call("count")
        said = [text_of(one) for one in request.contents if one.role == "user" and text_of(one)]
        if said[-1].startswith("fail"):
            raise ValueError(said[-1])
        return f"re: {said[-1]}"

    return Agent(name="turning", model=FunctionModel(answer), tools=[count])


async def test_fifty_messages_at_once_are_fifty_whole_turns_in_order() -> None:
    async with InMemoryRunner(turning_agent()) as runner:
        async with asyncio.timeout(PATIENCE):
            answered = await asyncio.gather(*(say(runner, f"m{number}") for number in range(MESSAGES)))
        assert [texts(events) for events in answered] == [[f"re: m{number}"] for number in range(MESSAGES)]
        session = await stored(runner)
        assert_sound(session)
        assert turns(session) == [(f"m{number}", [f"re: m{number}"]) for number in range(MESSAGES)]
        assert session.state["turns"] == MESSAGES


def test_fifty_messages_from_ten_loops_in_ten_threads() -> None:
    runner = InMemoryRunner(turning_agent())

    async def speak(thread: int) -> None:
        await asyncio.gather(*(say(runner, f"{thread}.{number}") for number in range(5)))

    in_threads(*[lambda thread=thread: asyncio.run(speak(thread)) for thread in range(10)])
    session = asyncio.run(stored(runner))
    assert_sound(session)
    found = turns(session)
    assert sorted(found) == sorted((f"{t}.{n}", [f"re: {t}.{n}"]) for t in range(10) for n in range(5))
    for thread in range(10):
        assert [said for said, _ in found if said.startswith(f"{thread}.")] == [f"{thread}.{n}" for n in range(5)]
    assert session.state["turns"] == 50
    runner.close()


async def test_failing_and_cancelled_ones_in_between_take_nothing_from_the_others() -> None:
    rng = random.Random(7)
    async with InMemoryRunner(turning_agent()) as runner:
        names = [f"fail{n}" if n % 7 == 3 else f"m{n}" for n in range(MESSAGES)]
        runs = [runner.start(**HERE, new_message=name) for name in names]
        doomed = [run for number, run in enumerate(runs) if number % 5 == 1]
        for run in doomed:
            for _ in range(rng.randrange(12)):
                await asyncio.sleep(0)
            run.cancel("not needed")
        errors = [await finished(run) for run in runs]
        for name, run, error in zip(names, runs, errors, strict=True):
            if isinstance(error, RunCancelledError):
                assert run in doomed
            elif name.startswith("fail"):
                assert isinstance(error, ValueError)
            else:
                assert error is None and run.text == f"re: {name}"
        session = await stored(runner)
        assert_sound(session)
        whole = [said for said, answered in turns(session) if answered]
        assert whole == [name for name, error in zip(names, errors, strict=True) if error is None]


# --- when it is busy


def held_agent(held: dict[str, HeldUp], **options: Any) -> Agent:
    """An agent that is held up at the messages named, and echoes."""

    async def answer(request: Any) -> str:
        said = text_of(request.contents[-1])
        if said in held:
            await held[said].stop()
        return f"re: {said}"

    return Agent(name="held", model=FunctionModel(answer), **options)


async def test_reject() -> None:
    held = {"first": HeldUp()}
    async with InMemoryRunner(held_agent(held)) as runner:
        first = runner.start(**HERE, new_message="first")
        await held["first"].reached.wait()
        with pytest.raises(SessionBusyError, match="enqueue"):
            await say(runner, "second", run_config=RunConfig(when_busy="reject"))
        held["first"].go.set()
        assert await finished(first) is None
        await say(runner, "third", run_config=RunConfig(when_busy="reject"))
        assert [said for said, _ in turns(await stored(runner))] == ["first", "third"]


async def test_interrupt_comes_before_those_that_wait() -> None:
    held = {"first": HeldUp()}
    async with InMemoryRunner(held_agent(held)) as runner:
        first = runner.start(**HERE, new_message="first")
        await held["first"].reached.wait()
        patient = runner.start(**HERE, new_message="patient")
        await asyncio.sleep(0)
        await say(runner, "urgent", run_config=RunConfig(when_busy="interrupt"))
        error = await finished(first)
        assert isinstance(error, RunCancelledError) and "newer message" in error.reason
        assert await finished(patient) is None
        session = await stored(runner)
        assert_sound(session)
        assert turns(session) == [("first", []), ("urgent", ["re: urgent"]), ("patient", ["re: patient"])]


async def test_rollback_takes_back_what_was_said_and_changed() -> None:
    held = {"first": HeldUp()}

    async def answer(request: Any) -> Any:
        said = text_of(request.contents[-1])
        if said == "first":
            return call("write")
        if request.contents[-1].parts[0].function_response is not None:
            await held["first"].stop()
        return f"re: {said}"

    async def write(tool_context: Any) -> str:
        """Writes state in all scopes."""
        tool_context.state.update({"old": 2, "new": 2, "user:old": 2, "user:new": 2, "app:old": 2, "temp:x": 2})
        return "written"

    model = FunctionModel(answer)
    async with InMemoryRunner(Agent(name="a", model=model, tools=[write], output_key="said")) as runner:
        before = {"old": 1, "user:old": 1, "app:old": 1}
        await say(runner, "zeroth", state_delta=before)
        first = runner.start(**HERE, new_message="first", state_delta={"by_message": 1})
        await held["first"].reached.wait()
        assert (await stored(runner)).state["user:new"] == 2
        await say(runner, "second", run_config=RunConfig(when_busy="rollback"))
        assert isinstance(await finished(first), RunCancelledError) and first.status == "cancelled"

        session = await stored(runner)
        assert_sound(session)
        assert {key: value for key, value in session.state.items() if value is not None} == before | {
            "said": "re: second"
        }
        assert [text_of(one) for one in model.requests[-1].contents] == ["zeroth", "re: zeroth", "second"]
        assert turns(session) == [("zeroth", ["re: zeroth"]), ("second", ["re: second"])]


async def test_rollback_of_a_run_that_passed_the_conversation_on_takes_that_back_too() -> None:
    held = HeldUp()

    async def below(request: Any) -> str:
        await held.stop()
        return "from below"

    child = Agent(name="child", model=FunctionModel(below))
    root = Agent(
        name="root",
        model=ScriptedModel([call("transfer_to_agent", agent_name="child"), "from above"]),
        sub_agents=[child],
    )
    async with InMemoryRunner(root) as runner:
        first = runner.start(**HERE, new_message="first")
        await held.reached.wait()
        answered = await say(runner, "second", run_config=RunConfig(when_busy="rollback"))
        await finished(first)
        assert texts(answered) == ["from above"]


async def test_rollback_while_the_caller_leaves() -> None:
    async with InMemoryRunner(held_agent({})) as runner:
        events = runner.run_async(**HERE, new_message="first", state_delta={"x": 1})
        await anext(events)
        second = asyncio.create_task(say(runner, "second", run_config=RunConfig(when_busy="rollback")))
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        await events.aclose()
        await second
        session = await stored(runner)
        assert session.state.get("x") is None
        assert turns(session) == [("second", ["re: second"])]


@pytest.mark.parametrize("how", ["cancel", "timeout", "task"])
async def test_a_run_that_waits_in_line_can_be_stopped_and_stores_nothing(how: str) -> None:
    held = {"first": HeldUp()}
    async with InMemoryRunner(held_agent(held)) as runner:
        first = runner.start(**HERE, new_message="first")
        await held["first"].reached.wait()
        if how == "task":
            task = asyncio.create_task(say(runner, "waiting"))
            await asyncio.sleep(0)
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task
        else:
            run = runner.start(**HERE, new_message="waiting", timeout=0.02 if how == "timeout" else None)
            await asyncio.sleep(0)
            if how == "cancel":
                run.cancel("never mind")
            error = await finished(run)
            assert isinstance(error, DeadlineExceededError if how == "timeout" else RunCancelledError)
        last = asyncio.create_task(say(runner, "last"))
        held["first"].go.set()
        assert await finished(first) is None
        assert texts(await last) == ["re: last"]
        assert [said for said, _ in turns(await stored(runner))] == ["first", "last"]


# --- so many sessions at once


async def test_no_more_sessions_run_at_once_than_allowed_and_they_come_in_order() -> None:
    running, most, begun = 0, 0, []

    async def answer(request: Any) -> str:
        nonlocal running, most
        begun.append(text_of(request.contents[-1]))
        running += 1
        most = max(most, running)
        for _ in range(5):
            await asyncio.sleep(0)
        running -= 1
        return "done"

    agent = Agent(name="a", model=FunctionModel(answer))
    async with InMemoryRunner(agent, config=RunnerConfig(max_concurrent_sessions=3)) as runner:
        async with asyncio.timeout(PATIENCE):
            await asyncio.gather(*(say(runner, f"{number}", session_id=f"s{number}") for number in range(20)))
    assert most == 3
    assert begun == [str(number) for number in range(20)]


async def test_no_place_is_lost_when_waiting_runs_are_cancelled() -> None:
    rng = random.Random(11)
    async with InMemoryRunner(turning_agent(), config=RunnerConfig(max_concurrent_sessions=2)) as runner:
        for _ in range(15):
            runs = [runner.start("u", f"s{number % 4}", f"m{number}") for number in range(12)]
            for run in rng.sample(runs, 8):
                for _ in range(rng.randrange(6)):
                    await asyncio.sleep(0)
                run.cancel()
            for run in runs:
                await finished(run)
        async with asyncio.timeout(PATIENCE):
            await asyncio.gather(*(say(runner, "m", session_id=f"t{number}") for number in range(5)))
        for number in range(4):
            assert_sound(await stored(runner, f"s{number}"))


# --- what others do to the session


def message(text: str, author: str = "user", **options: Any) -> Event:
    return Event(author=author, content=Content(role="user", parts=[Part(text=text)]), **options)


async def write(runner: Runner, event: Event) -> None:
    session = await stored(runner)
    await runner.session_service.append_event(session, event)


async def test_what_others_append_between_turns_is_seen() -> None:
    model = FunctionModel(echo)
    async with InMemoryRunner(Agent(name="a", model=model, instruction="{note?}")) as runner:
        await say(runner, "one")
        other = message("from elsewhere")
        other.actions.state_delta["note"] = "noted"
        await write(runner, other)
        await say(runner, "two")
        assert [text_of(one) for one in model.requests[-1].contents] == ["one", "re: one", "from elsewhere", "two"]
        assert "noted" in str(model.requests[-1].config.system_instruction)
        session = await stored(runner)
        assert_sound(session)
        assert len(session.events) == 5


async def test_what_others_append_during_a_run_is_kept() -> None:
    held = {"one": HeldUp()}
    async with InMemoryRunner(held_agent(held, output_key="answer")) as runner:
        run = runner.start(**HERE, new_message="one")
        await held["one"].reached.wait()
        other = message("meanwhile")
        other.actions.state_delta["note"] = 1
        await write(runner, other)
        held["one"].go.set()
        assert await finished(run) is None
        await say(runner, "two")
        session = await stored(runner)
        assert_sound(session)
        assert [text_of(event.content) for event in session.events] == ["one", "meanwhile", "re: one", "two", "re: two"]
        assert session.state == {"note": 1, "answer": "re: two"}


async def test_two_runners_take_turns_in_one_session() -> None:
    service = InMemorySessionService()
    first, second = (
        Runner(app_name="app", agent=echo_agent(), session_service=service, auto_create_session=True) for _ in range(2)
    )
    for number in range(6):
        await say((first, second)[number % 2], f"m{number}", state_delta={"n": number})
    session = await stored(first)
    assert_sound(session)
    assert turns(session) == [(f"m{number}", [f"re: m{number}"]) for number in range(6)]
    assert session.state["n"] == 5
    await first.close()
    await second.close()


def long_job() -> None:
    """Starts something."""


async def test_a_call_that_another_runner_made_is_answered_here() -> None:
    service = InMemorySessionService()

    def runner_of(*replies: Any) -> Runner:
        agent = scripted_agent(*replies, tools=[LongRunningFunctionTool(long_job)])
        return Runner(app_name="app", agent=agent, session_service=service, auto_create_session=True)

    here, there = runner_of("hello", "it is done"), runner_of(call("long_job"), "under way")
    await say(here, "hi")
    asked = next(one for event in await say(there, "start") for one in event.get_function_calls())
    answer = Part(function_response=FunctionResponse(id=asked.id, name=asked.name, response={"result": 1}))
    assert texts(await say(here, [answer])) == ["it is done"]
    await here.close()
    await there.close()


async def test_a_conversation_that_another_runner_passed_on_goes_on_there() -> None:
    service = InMemorySessionService()

    def runner_of(*replies: Any) -> Runner:
        child = echo_agent("child")
        root = Agent(name="root", model=ScriptedModel(list(replies)), sub_agents=[child])
        return Runner(app_name="app", agent=root, session_service=service, auto_create_session=True)

    here, there = runner_of("hello", "wrong"), runner_of(call("transfer_to_agent", agent_name="child"))
    await say(here, "hi")
    await say(there, "pass me on")
    events = await say(here, "who answers?")
    assert [event.author for event in events] == ["child"]
    await here.close()
    await there.close()


async def test_a_session_that_was_deleted_between_turns() -> None:
    service = InMemorySessionService()
    strict = Runner(app_name="app", agent=echo_agent(), session_service=service)
    easy = Runner(app_name="app", agent=echo_agent(), session_service=service, auto_create_session=True)
    key: dict[str, Any] = {"app_name": "app", **HERE}
    await service.create_session(**key)
    for runner in (strict, easy):
        await say(runner, "before")
    await service.delete_session(**key)
    with pytest.raises(SessionNotFoundError, match=r"create_session"):
        await say(strict, "gone")
    assert await service.get_session(**key) is None
    assert texts(await say(easy, "anew")) == ["re: anew"]
    assert texts(await say(strict, "too")) == ["re: too"]
    assert [said for said, _ in turns(await stored(easy))] == ["anew", "too"]
    await strict.close()
    await easy.close()


async def test_a_session_that_is_deleted_during_a_run_is_not_made_again() -> None:
    held = {"one": HeldUp()}
    async with InMemoryRunner(held_agent(held)) as runner:
        run = runner.start(**HERE, new_message="one")
        await held["one"].reached.wait()
        key: dict[str, Any] = {"app_name": runner.app_name, **HERE}
        await runner.session_service.delete_session(**key)
        held["one"].go.set()
        assert isinstance(await finished(run), SessionNotFoundError)
        assert await runner.session_service.get_session(**key) is None
        assert texts(await say(runner, "two")) == ["re: two"]


async def test_state_of_the_user_and_the_app_is_seen_in_other_sessions() -> None:
    model = FunctionModel(echo)
    agent = Agent(name="a", model=model, instruction="u={user:x?} a={app:x?} s={x?}")
    async with InMemoryRunner(agent) as runner:
        for session_id, user_id in (("s1", "u"), ("s2", "u"), ("s3", "v")):
            await say(runner, "hi", session_id=session_id, user_id=user_id)
        await say(runner, "set", session_id="s1", state_delta={"user:x": 1, "app:x": 2, "x": 3})
        seen = []
        for session_id, user_id in (("s1", "u"), ("s2", "u"), ("s3", "v")):
            await say(runner, "look", session_id=session_id, user_id=user_id)
            seen.append(str(model.requests[-1].config.system_instruction).split("\n")[0])
        assert seen == ["u=1 a=2 s=3", "u=1 a=2 s=", "u= a=2 s="]


@pytest.mark.parametrize("key", ["x", "user:x", "app:x", "temp:x"])
async def test_what_was_written_and_never_stored_does_not_outlive_its_run(key: str) -> None:
    """A tool writes and fails, while another agent's write, of the same scope, is stored."""
    held = HeldUp()

    async def write_and_fail(tool_context: Any) -> None:
        """Writes, and then fails."""
        tool_context.state[key] = "never stored"
        held.reached.set()
        await held.go.wait()
        raise ValueError("broken")

    async def other(request: Any) -> str:
        await held.reached.wait()
        return "other"

    seen: list[Any] = []

    def look(callback_context: Any) -> None:
        seen.append(callback_context.state.get(key))
        callback_context.state[key.replace("x", "y")] = 1

    async def release(callback_context: Any) -> None:
        held.go.set()

    one = Agent(name="one", model=ScriptedModel([call("write_and_fail"), "later"]), tools=[write_and_fail])
    two = Agent(
        name="two",
        model=FunctionModel(other),
        output_key=key.replace("x", "z"),
        before_agent_callback=look,
        after_agent_callback=release,
    )
    async with InMemoryRunner(ParallelAgent(name="both", sub_agents=[one, two])) as runner:
        with pytest.raises(ValueError, match="broken"):
            await say(runner, "go")
        await say(runner, "again")
        assert seen[-1] is None
        assert key not in (await stored(runner)).state


PARTS: dict[str, tuple[GetSessionConfig, Callable[[list[str]], list[str]]]] = {
    "none": (GetSessionConfig(num_recent_events=0), lambda said: said[-1:]),
    "two": (GetSessionConfig(num_recent_events=2), lambda said: said[-3:]),
    "after a sequence number": (GetSessionConfig(after_seq=2), lambda said: said[2:]),
}


@pytest.mark.parametrize("part", PARTS)
async def test_a_run_may_load_a_part_of_the_session_and_the_next_one_has_all_of_it(part: str) -> None:
    config, seen = PARTS[part]
    model = FunctionModel(echo)
    async with InMemoryRunner(Agent(name="a", model=model)) as runner:
        await say(runner, "one")
        await say(runner, "two")
        await say(runner, "three", run_config=RunConfig(get_session_config=config))
        said = ["one", "re: one", "two", "re: two", "three", "re: three", "four"]
        assert [text_of(one) for one in model.requests[-1].contents] == seen(said[:5])
        await say(runner, "four")
        assert [text_of(one) for one in model.requests[-1].contents] == said
        assert_sound(await stored(runner))
