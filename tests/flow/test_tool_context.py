# SPDX-License-Identifier: Apache-2.0
"""What a tool has in its ToolContext."""

import asyncio
import threading
from contextlib import aclosing
from typing import Any

import pytest

from runwright import Agent, Budget, FunctionTool, LoopAgent, RunConfig, ToolContext, types
from runwright.errors import DeadlineExceededError, RunCancelledError
from runwright.testing import ScriptedModel, call

SECONDS = 30.0


def agent(*replies: Any, tools: list[Any], name: str = "a", **options: Any) -> Agent:
    return Agent(name=name, model=ScriptedModel(list(replies)), tools=tools, **options)


def results(events: list[Any]) -> list[Any]:
    return [one.response for event in events if not event.partial for one in event.get_function_responses()]


async def test_state_files_memory_and_where_the_call_stands(chat: Any) -> None:
    async def work(tool_context: ToolContext) -> dict[str, Any]:
        """Uses all of it."""
        tool_context.state["seen"] = tool_context.state["given"] + 1
        version = await tool_context.save_artifact("note.txt", types.Part(text="noted"))
        loaded = await tool_context.load_artifact("note.txt")
        assert loaded is not None
        found = await tool_context.search_memory("harvest")
        return {
            "file": [version, loaded.text, await tool_context.list_artifacts()],
            "memory": [types.text_of(entry.content) for entry in found.memories],
            "call": tool_context.function_call_id,
            "agent": tool_context.agent_name,
            "user": tool_context.user_id,
            "limit": tool_context.run_config.max_llm_calls,
            "aborted": tool_context.is_aborted,
            "said": types.text_of(tool_context.user_content),
        }

    made = types.FunctionCall(id="c1", name="work", args={})
    talk = chat(agent("The harvest was good.", made, "done", tools=[work]))
    await talk.say("How was the harvest?", session_id="before")
    await talk.runner.memory_service.add_session_to_memory(await talk.session("before"))
    config = RunConfig(max_llm_calls=7)
    (answer,) = results(await talk.say("go", state_delta={"given": 1}, run_config=config))
    assert "The harvest was good." in answer.pop("memory")
    assert answer == {
        "file": [0, "noted", ["note.txt"]],
        "call": "c1",
        "agent": "a",
        "user": "ada",
        "limit": 7,
        "aborted": False,
        "said": "go",
    }
    assert await talk.state() == {"given": 1, "seen": 2}


async def test_a_tool_passes_the_conversation_on(chat: Any, said: Any) -> None:
    async def pass_on(tool_context: ToolContext) -> str:
        """Passes on."""
        tool_context.actions.transfer_to_agent = "expert"
        return "passed on"

    expert = agent("I know.", tools=[], name="expert")
    talk = chat(agent(call("pass_on"), tools=[pass_on], name="root", sub_agents=[expert]))
    assert said(await talk.say())[-1] == ("expert", "I know.")


async def test_a_tool_ends_a_loop(chat: Any) -> None:
    async def enough(tool_context: ToolContext) -> str:
        """Says that it is enough."""
        tool_context.actions.escalate = True
        return "enough"

    worker = agent("more", call("enough"), "over", "never", tools=[enough], name="worker")
    events = await chat(LoopAgent(name="loop", sub_agents=[worker], max_iterations=5)).say()
    texts = [types.text_of(event.content) for event in events]
    assert "more" in texts and "never" not in texts


async def test_each_call_has_its_own_idempotency_key(chat: Any) -> None:
    async def key(tool_context: ToolContext) -> str:
        """Tells its key."""
        return tool_context.idempotency_key

    same = types.FunctionCall(id="1", name="key", args={})
    events = await chat(agent(same, same, [call("key"), call("key")], "done", tools=[key])).say()
    keys = [one["result"] for one in results(events)]
    assert len(set(keys)) == len(keys) == 4
    assert keys[0] == f"{events[0].invocation_id}:1"


# --- how long it has


@pytest.mark.parametrize(
    ("options", "timeout", "most"),
    [
        ({}, None, None),
        ({"timeout": 1000}, None, 1000),
        ({"timeout": 1000}, 500, 500),
        ({"timeout": 1000, "run_config": RunConfig(tool_timeout=300)}, None, 300),
        ({"timeout": 1000, "run_config": RunConfig(budget=Budget(seconds=200), tool_timeout=300)}, 400, 200),
    ],
    ids=["no limit", "the run's", "the tool's", "all tools'", "the budget's"],
)
@pytest.mark.parametrize("in_thread", [False, True], ids=["coroutine", "thread"])
async def test_a_tool_knows_how_long_it_has(
    chat: Any, in_thread: bool, options: dict[str, Any], timeout: float | None, most: float | None
) -> None:
    def ask(tool_context: ToolContext) -> float | None:
        return tool_context.seconds_left

    async def ask_in_loop(tool_context: ToolContext) -> float | None:
        return tool_context.seconds_left

    tool = FunctionTool(ask if in_thread else ask_in_loop, name="ask", timeout=timeout)
    (answer,) = results(await chat(agent(call("ask"), "ok", tools=[tool])).say(**options))
    left = answer["result"]
    assert left is None if most is None else 0.9 * most < left <= most


# --- how it knows that nobody waits for it any more


class Sleeper:
    """A tool in a thread that sleeps until its call is cancelled."""

    def __init__(self) -> None:
        self.began, self.told = threading.Event(), threading.Event()

    def sleep(self, tool_context: ToolContext) -> str:
        """Sleeps."""
        assert not tool_context.cancellation.is_cancelled and not tool_context.cancellation.wait(0)
        self.began.set()
        if tool_context.cancellation.wait(SECONDS) and tool_context.cancellation.is_cancelled:
            self.told.set()
        return "woke"

    async def fail(self) -> None:
        """Fails once the other sleeps."""
        await asyncio.to_thread(self.began.wait, SECONDS)
        raise OSError("broken")

    async def ended(self) -> bool:
        return await asyncio.to_thread(self.told.wait, SECONDS)


async def test_a_thread_is_told_when_the_run_is_cancelled(chat: Any) -> None:
    sleeper = Sleeper()
    run = chat(agent(call("sleep"), tools=[sleeper.sleep])).runner.start(
        user_id="ada", session_id="s", new_message="go"
    )
    await asyncio.to_thread(sleeper.began.wait, SECONDS)
    run.cancel("enough")
    with pytest.raises(RunCancelledError):
        await run
    assert await sleeper.ended()


async def test_a_thread_is_told_when_the_runs_time_is_over(chat: Any) -> None:
    sleeper = Sleeper()
    await chat(agent(call("sleep"), tools=[sleeper.sleep])).fails(DeadlineExceededError, timeout=0.5)
    assert not sleeper.began.is_set() or await sleeper.ended()


async def test_a_thread_is_told_when_its_own_time_is_over_and_the_run_goes_on(chat: Any) -> None:
    sleeper = Sleeper()
    tool = FunctionTool(sleeper.sleep, timeout=0.1)
    events = await chat(agent(call("sleep"), "ok", tools=[tool])).say()
    assert results(events)[0]["error_type"] == "DEADLINE_EXCEEDED"
    assert await sleeper.ended()


async def test_a_thread_is_told_when_another_call_failed(chat: Any) -> None:
    sleeper = Sleeper()
    await chat(agent([call("sleep"), call("fail")], tools=[sleeper.sleep, sleeper.fail])).fails(OSError)
    assert await sleeper.ended()


async def test_a_thread_is_told_when_the_caller_left(chat: Any) -> None:
    sleeper = Sleeper()

    def tell_and_sleep(tool_context: ToolContext) -> str:
        """Sleeps after a report."""
        tool_context.report_progress("began")
        return sleeper.sleep(tool_context)

    talk = chat(agent(call("tell_and_sleep"), tools=[tell_and_sleep]))
    async with aclosing(talk.runner.run_async(user_id="ada", session_id="s", new_message="go")) as stream:
        async for event in stream:
            if event.partial:
                break
    assert await sleeper.ended()


async def test_a_tool_that_ran_to_its_end_was_not_cancelled(chat: Any) -> None:
    kept: list[ToolContext] = []

    def keep(tool_context: ToolContext) -> bool:
        """Keeps its context."""
        kept.append(tool_context)
        return tool_context.cancellation.is_cancelled

    assert results(await chat(agent(call("keep"), "ok", tools=[keep])).say()) == [{"result": False}]
    assert not kept[0].cancellation.is_cancelled and kept[0].cancellation is kept[0].cancellation
