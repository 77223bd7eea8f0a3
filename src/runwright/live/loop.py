# SPDX-License-Identifier: Apache-2.0
"""The live flow: an agent's model, its tools and its user, all at the same time."""

from collections.abc import AsyncGenerator
from contextlib import aclosing
from typing import TYPE_CHECKING

from runwright import clock
from runwright.event import Event, EventActions
from runwright.flow.answer import ask_hooks, event_of
from runwright.invocation import InvocationContext
from runwright.live.conversation import Conversation
from runwright.live.request import build_live_request

if TYPE_CHECKING:
    from runwright.agents.llm import LlmAgent


async def run_live_flow(agent: "LlmAgent", ctx: InvocationContext) -> AsyncGenerator[Event, None]:
    """Runs an agent's live conversation until its user or its model ends it, or it is passed on.

    Yields:
        What the user sends as messages, what the model says and does, and the responses to its calls. Each event that
        is not partial must be in the session when the next one is asked for.

    Raises:
        ModelError: The model failed, or its connection broke and could not be opened again.
        ToolError: The model made more mistakes in a row than ``RunConfig.max_tool_errors``.
        LlmCallsLimitExceededError: It took more turns than ``RunConfig.max_llm_calls``.
        BudgetExceededError: Too little is left of ``RunConfig.budget`` for another turn.
    """
    model = agent.canonical_model
    carried = EventActions()
    request = await build_live_request(agent, ctx, model, carried)
    if agent.before_model_callback is not None or ctx.plugin_manager.listens("before_model_callback"):
        response = await ask_hooks(agent, ctx, "before_model_callback", carried, llm_request=request)
        if response is not None:
            yield event_of(agent, ctx, request, response, clock.new_id(), carried)
            return
    async with aclosing(Conversation(agent, ctx, model, request, carried).events()) as events:
        async for event in events:
            yield event
