# SPDX-License-Identifier: Apache-2.0
"""ContextFilterPlugin: what is left of a long conversation in a request."""

import pytest

from runwright import Agent, ContextFilterPlugin, LoopAgent
from runwright.errors import ConfigurationError
from runwright.testing import ScriptedModel, call
from tests.plugins.conversation import Chats, shown


def look(place: str) -> str:
    """Looks at a place."""
    return f"nothing in {place}"


async def test_the_newest_invocations_are_sent_and_all_are_kept_in_the_session(chat: Chats) -> None:
    model = ScriptedModel(["one", "two", "three"])
    one = chat(Agent(name="a", model=model), ContextFilterPlugin(num_invocations_to_keep=2))
    for message in ("1", "2", "3"):
        await one.say(message)
    assert [shown(request) for request in model.requests] == [["1"], ["1", "one", "2"], ["2", "two", "3"]]
    assert len((await one.session()).events) == 6


async def test_a_call_stays_with_its_response_and_with_the_question_it_was_made_for(chat: Chats) -> None:
    model = ScriptedModel(
        ["one", call("look", place="here"), [call("look", place="a"), call("look", place="b")], "two"]
    )
    one = chat(Agent(name="a", model=model, tools=[look]), ContextFilterPlugin(1))
    await one.say("1")
    await one.say("2")
    assert shown(model.requests[1]) == ["2"]
    assert shown(model.requests[2]) == ["2", "call look", "answer look"]
    assert shown(model.requests[3]) == [*shown(model.requests[2]), *["call look"] * 2, *["answer look"] * 2]


async def test_earlier_calls_are_kept_with_the_invocation_that_made_them(chat: Chats) -> None:
    model = ScriptedModel([call("look", place="here"), "one", "two", "three"])
    one = chat(Agent(name="a", model=model, tools=[look]), ContextFilterPlugin(2))
    for message in ("1", "2", "3"):
        await one.say(message)
    assert shown(model.requests[2]) == ["1", "call look", "answer look", "one", "2"]
    assert shown(model.requests[3]) == ["2", "two", "3"]


async def test_what_another_agent_says_starts_no_invocation(chat: Chats) -> None:
    writing = ScriptedModel(["draft", "better", "best"])
    writer = Agent(name="writer", model=writing)
    critic = Agent(name="critic", model=ScriptedModel(["hm"], repeat=True))
    one = chat(LoopAgent(name="desk", sub_agents=[writer, critic], max_iterations=3), ContextFilterPlugin(1))
    await one.say("write")
    assert shown(writing.requests[2]) == [
        "write",
        "draft",
        "For context:",
        "[critic] said: hm",
        "better",
        "For context:",
        "[critic] said: hm",
    ]


async def test_an_instruction_that_is_sent_as_a_message_does_not_push_the_question_out(chat: Chats) -> None:
    model = ScriptedModel(["one", call("look", place="here"), "two"])
    agent = Agent(name="a", model=model, tools=[look], static_instruction="always", instruction="now")
    one = chat(agent, ContextFilterPlugin(1))
    await one.say("1")
    await one.say("2")
    assert shown(model.requests[1]) == ["now", "2"]
    assert shown(model.requests[2]) == ["now", "2", "call look", "answer look"]


async def test_a_filter_of_ones_own_gets_what_is_left(chat: Chats) -> None:
    model = ScriptedModel(["one", "two", "three"])
    plugin = ContextFilterPlugin(2, custom_filter=lambda contents: [one for one in contents if one.role == "user"])
    one = chat(Agent(name="a", model=model), plugin)
    for message in ("1", "2", "3"):
        await one.say(message)
    assert shown(model.requests[2]) == ["2", "3"]


async def test_without_settings_nothing_is_left_out(chat: Chats) -> None:
    model = ScriptedModel(["one", "two"])
    one = chat(Agent(name="a", model=model), ContextFilterPlugin())
    await one.say("1")
    await one.say("2")
    assert shown(model.requests[1]) == ["1", "one", "2"]


@pytest.mark.parametrize("count", [0, -1])
def test_keeping_nothing_is_refused(count: int) -> None:
    with pytest.raises(ConfigurationError, match="at least 1"):
        ContextFilterPlugin(num_invocations_to_keep=count)
