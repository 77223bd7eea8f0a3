# SPDX-License-Identifier: Apache-2.0
"""ReflectAndRetryToolPlugin: failures become guidance, are counted, and end the run when there are too many."""

from typing import Any

import pytest

from runwright import Agent, BaseTool, Event, ReflectAndRetryToolPlugin, RunConfig, ToolContext, TrackingScope
from runwright.errors import ConfigurationError, ToolArgumentsError, ToolExecutionError, UnknownToolError
from runwright.plugins import REFLECT_AND_RETRY_RESPONSE_TYPE
from runwright.testing import ScriptedModel, call
from tests.plugins.conversation import Chats, results, text


def half(number: int) -> int:
    """Halves an even number."""
    if number % 2:
        raise ArithmeticError(f"{number} is odd")
    return number // 2


def other(number: int) -> int:
    """Fails on odd numbers too."""
    return half(number)


def counts(answers: list[dict[str, Any]]) -> list[int | None]:
    return [answer.get("retry_count") for answer in answers]


def halving(*replies: Any) -> Agent:
    return Agent(name="a", model=ScriptedModel(list(replies)), tools=[half, other])


async def test_a_failure_becomes_guidance_and_the_model_tries_better(chat: Chats) -> None:
    agent = halving(call("half", number=3), call("half", number=4), "2")
    events = await chat(agent, ReflectAndRetryToolPlugin()).say("halve")
    guidance, result = results(events)
    assert guidance["response_type"] == REFLECT_AND_RETRY_RESPONSE_TYPE
    assert (guidance["error_type"], guidance["error_details"]) == ("ArithmeticError", "3 is odd")
    assert "half failed; you have try 1 of 3" in guidance["reflection_guidance"]
    assert result == {"result": 2}
    assert text(events) == "2"


async def test_one_failure_too_many_ends_the_run_with_the_tools_own_error(chat: Chats) -> None:
    one = chat(halving(*[call("half", number=3)] * 4), ReflectAndRetryToolPlugin(max_retries=2))
    with pytest.raises(ArithmeticError, match="3 is odd"):
        await one.say("halve")
    told = results((await one.session()).events)
    assert counts(told) == [1, 2, None]


async def test_or_the_model_is_told_to_leave_the_tool_alone(chat: Chats) -> None:
    plugin = ReflectAndRetryToolPlugin(max_retries=1, throw_exception_if_retry_exceeded=False)
    events = await chat(halving(*[call("half", number=3)] * 2, "I cannot"), plugin).say("halve")
    told = results(events)
    assert counts(told) == [1, 1]
    assert "Do not call it again" not in told[0]["reflection_guidance"]
    assert "Do not call it again" in told[1]["reflection_guidance"]
    assert text(events) == "I cannot"


async def test_a_success_sets_the_count_back(chat: Chats) -> None:
    bad, good = call("half", number=3), call("half", number=4)
    events = await chat(halving(bad, good, bad, good, bad, "done"), ReflectAndRetryToolPlugin(max_retries=1)).say("x")
    assert counts(results(events)) == [1, None, 1, None, 1]


async def test_each_tool_has_its_own_count(chat: Chats) -> None:
    both = [call("half", number=3), call("other", number=3)]
    events = await chat(halving(both, call("other", number=4), both, "done"), ReflectAndRetryToolPlugin()).say("x")
    assert counts(results(events)) == [1, 1, None, 2, 1]


async def test_each_run_starts_anew_and_the_global_scope_does_not(chat: Chats) -> None:
    for scope, second in ((TrackingScope.INVOCATION, 1), (TrackingScope.GLOBAL, 2)):
        agent = halving(call("half", number=3), "no", call("half", number=3), "no")
        one = chat(agent, ReflectAndRetryToolPlugin(tracking_scope=scope))
        assert counts(results(await one.say("x"))) == [1]
        assert counts(results(await one.say("x"))) == [second]


async def test_a_run_that_ended_leaves_no_count_to_one_that_goes_on_with_it(chat: Chats) -> None:
    bad = call("half", number=3)
    one = chat(halving(bad, "no", bad, bad, bad, "no"), ReflectAndRetryToolPlugin(max_retries=1))

    async def go_on(invocation_id: str) -> list[Event]:
        events = one.runner.run_async(user_id="u", session_id="s", invocation_id=invocation_id, new_message="x")
        return [event async for event in events]

    first = await one.say("x")
    with pytest.raises(ArithmeticError):
        await go_on(first[0].invocation_id)
    assert counts(results(await go_on(first[0].invocation_id))) == [1]


@pytest.mark.parametrize(
    ("reply", "error"),
    [(call("third", number=3), UnknownToolError), (call("half", number="three"), ToolArgumentsError)],
)
async def test_wrong_calls_count_too_and_end_the_run_alike(chat: Chats, reply: Any, error: type[Exception]) -> None:
    one = chat(halving(*[reply] * 3), ReflectAndRetryToolPlugin(max_retries=2))
    with pytest.raises(error):
        await one.say("x", RunConfig(max_tool_errors=1))
    assert counts(results((await one.session()).events)) == [1, 2, None]


async def test_without_retries_the_first_failure_ends_the_run(chat: Chats) -> None:
    with pytest.raises(ArithmeticError):
        await chat(halving(call("half", number=3)), ReflectAndRetryToolPlugin(max_retries=0)).say("x")


class Strict(ReflectAndRetryToolPlugin):
    """Takes a status of "bad" as a failure."""

    async def extract_error_from_result(
        self, *, tool: BaseTool, tool_args: dict[str, Any], tool_context: ToolContext, result: dict[str, Any]
    ) -> Any:
        return result.get("why") if result.get("status") == "bad" else None


def fetch(page: str) -> dict[str, str]:
    """Fetches a page."""
    return {"status": "bad", "why": f"no {page}"} if page == "x" else {"status": "good"}


async def test_a_result_that_tells_of_a_failure_can_count_as_one(chat: Chats) -> None:
    model = ScriptedModel([call("fetch", page="x"), call("fetch", page="y"), "done"])
    events = await chat(Agent(name="a", model=model, tools=[fetch]), Strict()).say("go")
    guidance, result = results(events)
    assert (guidance["error_details"], guidance["retry_count"]) == ("no x", 1)
    assert result == {"status": "good"}


async def test_and_too_many_of_them_end_the_run(chat: Chats) -> None:
    model = ScriptedModel([call("fetch", page="x")] * 2)
    with pytest.raises(ToolExecutionError, match="fetch failed: no x"):
        await chat(Agent(name="a", model=model, tools=[fetch]), Strict(max_retries=1)).say("go")


def test_a_negative_number_of_retries_is_refused() -> None:
    with pytest.raises(ConfigurationError, match="max_retries"):
        ReflectAndRetryToolPlugin(max_retries=-1)
