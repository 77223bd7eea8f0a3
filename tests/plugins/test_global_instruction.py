# SPDX-License-Identifier: Apache-2.0
"""GlobalInstructionPlugin: all agents of an app are told the same first."""

import pytest

from runwright import (
    Agent,
    BaseAgent,
    CallbackContext,
    GlobalInstructionPlugin,
    LlmRequest,
    ReadonlyContext,
    SequentialAgent,
)
from runwright.errors import ConfigurationError, TemplateError
from runwright.testing import ScriptedModel
from tests.plugins.conversation import Chats


async def test_every_agent_is_told_before_its_own_instruction(chat: Chats) -> None:
    models = [ScriptedModel(["one"]), ScriptedModel(["two"])]
    agents: list[BaseAgent] = [
        Agent(name=f"a{at}", model=model, instruction=f"do {at}") for at, model in enumerate(models)
    ]
    await chat(SequentialAgent(name="both", sub_agents=agents), GlobalInstructionPlugin("Be brief.")).say("go")
    for at, model in enumerate(models):
        assert str(model.requests[0].config.system_instruction).startswith(f"Be brief.\n\ndo {at}")


async def test_its_places_are_filled_from_state(chat: Chats) -> None:
    model = ScriptedModel(["one"])
    one = chat(Agent(name="a", model=model), GlobalInstructionPlugin("Call the user {user:name}, {title?}."))
    events = one.runner.run_async(user_id="u", session_id="s", new_message="hi", state_delta={"user:name": "Ada"})
    _ = [event async for event in events]
    assert str(model.requests[0].config.system_instruction).startswith("Call the user Ada, .")


async def test_a_missing_value_is_named(chat: Chats) -> None:
    with pytest.raises(TemplateError, match="'mood'"):
        await chat(Agent(name="a", model=ScriptedModel(["one"])), GlobalInstructionPlugin("Be {mood}.")).say("go")


async def test_a_function_gives_the_text_as_it_is_to_be(chat: Chats) -> None:
    async def told(context: ReadonlyContext) -> str:
        return f"{context.user_id} says {{nothing}}"

    model = ScriptedModel(["one"])
    await chat(Agent(name="a", model=model), GlobalInstructionPlugin(told)).say("go")
    assert str(model.requests[0].config.system_instruction).startswith("u says {nothing}")


async def test_an_empty_one_changes_nothing(chat: Chats) -> None:
    models = [ScriptedModel(["one"]), ScriptedModel(["one"])]
    await chat(Agent(name="a", model=models[0], instruction="do it"), GlobalInstructionPlugin()).say("go")
    await chat(Agent(name="a", model=models[1], instruction="do it")).say("go")
    assert models[0].requests[0].config.system_instruction == models[1].requests[0].config.system_instruction


async def test_an_instruction_that_is_no_text_is_named(chat: Chats) -> None:
    class Earlier(GlobalInstructionPlugin):
        async def before_model_callback(self, *, callback_context: CallbackContext, llm_request: LlmRequest) -> None:
            llm_request.config.system_instruction = ["a", "list"]

    agent = Agent(name="a", model=ScriptedModel(["one"]))
    with pytest.raises(ConfigurationError, match="not list"):
        await chat(agent, Earlier(name="earlier"), GlobalInstructionPlugin("Be brief.")).say("go")
