# SPDX-License-Identifier: Apache-2.0
"""What is put before the user's newest message never comes between a call and its response."""

from typing import Any

import pytest

from runwright import Agent, CallbackContext, InMemoryRunner, LlmRequest, LlmResponse, RunConfig, types
from runwright.testing import ScriptedModel, call


def look() -> str:
    """Looks."""
    return "nothing"


def shown(request: LlmRequest) -> list[str]:
    parts = [part for content in request.contents for part in content.parts or ()]
    return [part.text or ("call" if part.function_call is not None else "response") for part in parts]


async def run(agent: Agent, *messages: str, config: RunConfig | None = None) -> list[Any]:
    async with InMemoryRunner(agent=agent) as runner:
        runner.auto_create_session = True
        for message in messages:
            events = runner.run_async(user_id="u", session_id="s", new_message=message, run_config=config)
            _ = [event async for event in events]
        session = await runner.session_service.get_session(app_name=runner.app_name, user_id="u", session_id="s")
    assert session is not None
    return [event.actions.state_delta for event in session.events]


@pytest.mark.parametrize("by", ["static_instruction", "model_input_context"])
async def test_it_stands_at_the_start_of_the_turn_in_each_of_its_requests(by: str) -> None:
    model = ScriptedModel(["one", call("look"), call("look"), "two"])
    agent, config = Agent(name="a", model=model, tools=[look]), None
    if by == "static_instruction":
        agent.static_instruction, agent.instruction = "always", "here"
    else:
        config = RunConfig(model_input_context=[types.UserContent("here")])
    await run(agent, "1", "2", config=config)
    turn = ["1", "one", "here", "2"]
    assert [shown(request) for request in model.requests] == [
        ["here", "1"],
        turn,
        [*turn, "call", "response"],
        [*turn, "call", "response", "call", "response"],
    ]


async def test_state_that_is_written_when_a_model_fails_is_stored_with_the_answer() -> None:
    def answer(callback_context: CallbackContext, llm_request: LlmRequest, error: Exception) -> LlmResponse:
        callback_context.state["failed"] = str(error)
        return LlmResponse(content=types.ModelContent("sorry"))

    agent = Agent(name="a", model=ScriptedModel([ValueError("no")]), on_model_error_callback=answer)
    assert await run(agent, "1") == [{}, {"failed": "no"}]
