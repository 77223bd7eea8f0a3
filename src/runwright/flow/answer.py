# SPDX-License-Identifier: Apache-2.0
"""What a model answered: the hooks that hear it, and the event that it makes."""

from operator import attrgetter
from typing import TYPE_CHECKING

from runwright import clock
from runwright.context import CallbackContext
from runwright.event import Event, EventActions, LlmResponse, NodeInfo
from runwright.flow.history import CLIENT_CALL_ID_PREFIX
from runwright.invocation import InvocationContext
from runwright.model import LlmRequest
from runwright.plugin import first_answer
from runwright.types import copy_content

if TYPE_CHECKING:
    from runwright.agents.llm import LlmAgent

_of_response = attrgetter(*LlmResponse.__struct_fields__)


async def ask_hooks(
    agent: "LlmAgent", ctx: InvocationContext, hook: str, actions: EventActions, **offered: object
) -> LlmResponse | None:
    """Asks the plugins, then the agent's callbacks; what they write goes to ``actions``."""
    context = CallbackContext(ctx, event_actions=actions)
    answer = await ctx.plugin_manager.first_answer(hook, callback_context=context, **offered)
    if answer is None:
        answer = await first_answer(getattr(agent, hook), callback_context=context, **offered)
    context.state.record_changes_in_place()
    return answer


async def heard(agent: "LlmAgent", ctx: InvocationContext, actions: EventActions, response: LlmResponse) -> LlmResponse:
    """The response, or what the hooks put in its place."""
    answer = await ask_hooks(agent, ctx, "after_model_callback", actions, llm_response=response)
    if answer is None:
        return response
    if bool(answer.partial) is bool(response.partial):
        return answer
    # What takes a chunk's place is a chunk, though it does not say so: only the whole answer is to be stored.
    return answer.model_copy(update={"partial": response.partial})


def event_of(
    agent: "LlmAgent",
    ctx: InvocationContext,
    request: LlmRequest,
    response: LlmResponse,
    event_id: str,
    actions: EventActions,
) -> Event:
    """The event of one response."""
    event = Event(
        invocation_id=ctx.invocation_id,
        author=agent.name,
        actions=actions,
        node_info=NodeInfo(path=ctx.node_path),
        branch=ctx.branch,
        id=event_id,
    )
    for name, value in zip(LlmResponse.__struct_fields__, _of_response(response), strict=True):
        if value is not None:
            setattr(event, name, value)
    if response.content is None or response.partial:
        return event
    # The response is its giver's, who may keep it and give it again.
    content = event.content = copy_content(response.content)
    if agent.planner is not None:
        context = CallbackContext(ctx, event_actions=actions)
        parts = agent.planner.process_planning_response(context, content.parts or [])
        content.parts = content.parts if parts is None else parts
        context.state.record_changes_in_place()
    calls = event.get_function_calls()
    if calls:
        event.long_running_tool_ids = set()
        ids: set[str] = set()
        for call in calls:
            if not call.id or call.id in ids:
                call.id = f"{CLIENT_CALL_ID_PREFIX}{clock.new_id()}"
            ids.add(call.id)
            tool = request.tools_dict.get(call.name or "")
            if tool is not None and tool.is_long_running:
                event.long_running_tool_ids.add(call.id)
    return event
