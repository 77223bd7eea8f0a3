# SPDX-License-Identifier: Apache-2.0
"""From an agent and its session to the request that opens a live conversation."""

from itertools import takewhile
from typing import TYPE_CHECKING, Any

from runwright.context import ToolContext
from runwright.event import Event, EventActions
from runwright.flow.request import build_request
from runwright.invocation import InvocationContext
from runwright.live_types import LiveConnectConfig, SessionResumptionConfig
from runwright.model import BaseLlm, LlmRequest
from runwright.record import Record
from runwright.tool import BaseTool
from runwright.types import FunctionDeclaration

if TYPE_CHECKING:
    from runwright.agents.llm import LlmAgent

TASK_COMPLETED = "task_completed"
_TASK_INSTRUCTION = (
    f"When the user has what you are here for, or wants to go on to something else, call `{TASK_COMPLETED}` and say "
    "nothing more: another agent goes on."
)


async def build_live_request(
    agent: "LlmAgent", ctx: InvocationContext, model: BaseLlm, actions: EventActions
) -> LlmRequest:
    """The request that opens an agent's live conversation: its contents are what was said before.

    Args:
        actions: Gets what the tools and the planner write while they change the request.

    Raises:
        TemplateError: An instruction names state or an artifact that is not there.
        ConfigurationError: Two tools have the same name.
    """
    request = await build_request(agent, ctx, model, actions)
    config = request.live_connect_config = _connect_config(ctx)
    if config.session_resumption is not None and config.session_resumption.handle is not None:
        request.contents = []  # The model has them.
    if ctx.completes_task:
        request.append_tools([_TaskCompletedTool()])
        request.append_instructions([_TASK_INSTRUCTION])
    return request


def resumed(request: LlmRequest, handle: str) -> LlmRequest:
    """The request that goes on with the conversation which a model gave ``handle`` for: nothing is told again."""
    config: LiveConnectConfig = request.live_connect_config
    resumption = config.session_resumption or SessionResumptionConfig()
    resumption = resumption.model_copy(update={"handle": handle})
    return request.model_copy(
        update={"contents": [], "live_connect_config": config.model_copy(update={"session_resumption": resumption})}
    )


def _connect_config(ctx: InvocationContext) -> LiveConnectConfig:
    run_config = ctx.run_config
    modalities = run_config.response_modalities or ["AUDIO"]
    given: dict[str, Any] = {"response_modalities": [str(one) for one in modalities]}
    for name in LiveConnectConfig.__struct_fields__:
        value = getattr(run_config, name, None)
        if name not in given and value is not None:
            given[name] = value.model_dump(mode="json", exclude_none=True) if isinstance(value, Record) else value
    config = LiveConnectConfig.model_validate(given)
    if config.session_resumption is not None and _has_begun(ctx):
        # The caller's handle is of the conversation that it had; this is a new one, with another agent.
        config.session_resumption.handle = None
    return config


def _has_begun(ctx: InvocationContext) -> bool:
    """Whether an agent has said something in this run."""
    of_run = takewhile(lambda event: event.invocation_id == ctx.invocation_id, reversed(ctx.session.events))
    return any(event.author != "user" for event in of_run)


class _TaskCompletedTool(BaseTool):
    """``task_completed()``, by which an agent of a sequence says that the next one is to go on."""

    on_resume = "replay"

    def __init__(self) -> None:
        super().__init__(name=TASK_COMPLETED, description="Says that your part is done: another agent goes on.")

    def _get_declaration(self) -> FunctionDeclaration:
        return FunctionDeclaration(name=self.name, description=self.description)

    async def run_async(self, *, args: dict[str, Any], tool_context: ToolContext) -> str:
        return "The next agent goes on."


def is_task_completed(event: Event) -> bool:
    """Whether an agent of a sequence has said that its part is done."""
    return any(answer.name == TASK_COMPLETED for answer in event.get_function_responses())
