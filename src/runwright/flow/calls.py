# SPDX-License-Identifier: Apache-2.0
"""A model's function calls: run at the same time, answered in their order."""

import asyncio
from collections.abc import Coroutine, Mapping
from typing import TYPE_CHECKING, Any

from runwright.event import Event, EventActions
from runwright.flow.call import Call, Outcome
from runwright.flow.pause import Word, word_on
from runwright.invocation import InvocationContext
from runwright.tool import BaseTool
from runwright.types import Content, FunctionCall, Part

if TYPE_CHECKING:
    from runwright.agents.llm import LlmAgent


async def run_calls(
    agent: "LlmAgent",
    ctx: InvocationContext,
    calls: list[FunctionCall],
    tools: Mapping[str, BaseTool],
    words: Mapping[str | None, Word],
) -> list[Outcome]:
    """Runs the calls of one answer, all at the same time.

    Args:
        words: What the user has said to questions about the calls, by their ids.

    Raises:
        Exception: What a tool raised and no hook made a result of; the other calls are cancelled.
    """
    if len(calls) == 1:
        call = calls[0]
        return [await Call(agent, ctx, call, tools, word_on(call, words) if words else None).outcome()]
    return await _together([Call(agent, ctx, call, tools, word_on(call, words)).outcome() for call in calls])


def response_event(agent: "LlmAgent", ctx: InvocationContext, outcomes: list[Outcome]) -> Event | None:
    """The one event with all responses, in the order of the calls; None where all answers come later.

    What tools wrote that ask the user first is with the question.
    """
    parts = [Part(function_response=outcome.response) for outcome in outcomes if outcome.response is not None]
    given = [outcome.actions for outcome in outcomes if outcome.question is None]
    actions = given[0] if given else EventActions()
    for more in given[1:]:
        actions.merge(more)
    if not parts and not actions:
        return None
    return Event(
        invocation_id=ctx.invocation_id,
        author=agent.name,
        branch=ctx.branch,
        content=Content(role="user", parts=parts) if parts else None,
        actions=actions,
    )


async def _together(runs: list[Coroutine[Any, Any, Outcome]]) -> list[Outcome]:
    try:
        async with asyncio.TaskGroup() as group:
            tasks = [group.create_task(run) for run in runs]
    except BaseExceptionGroup as failures:
        # One failure stands for all, as it would have had the calls run one after the other.
        raise failures.exceptions[0] from None
    return [task.result() for task in tasks]
