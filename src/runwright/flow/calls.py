# SPDX-License-Identifier: Apache-2.0
"""A model's function calls: run at the same time, answered in their order."""

import asyncio
import functools
from collections.abc import Coroutine, Iterable, Mapping
from typing import TYPE_CHECKING, Any, NamedTuple, cast

import msgspec

from runwright.context import ToolContext
from runwright.errors import ConfigurationError, ToolArgumentsError, ToolError, ToolExecutionError, UnknownToolError
from runwright.event import Event, EventActions
from runwright.invocation import InvocationContext
from runwright.plugin import first_answer
from runwright.record import copy_json
from runwright.tool import BaseTool
from runwright.types import Content, FunctionCall, FunctionResponse, Part

if TYPE_CHECKING:
    from runwright.agents.llm import LlmAgent


class Outcome(NamedTuple):
    """What came of one call.

    Attributes:
        response: What the model is told; None where the answer comes from outside, later.
        mistake: What the model did wrong, where it did.
    """

    response: FunctionResponse | None
    actions: EventActions
    mistake: ToolError | None


async def run_calls(
    agent: "LlmAgent", ctx: InvocationContext, calls: list[FunctionCall], tools: Mapping[str, BaseTool]
) -> list[Outcome]:
    """Runs the calls of one answer, all at the same time.

    Raises:
        Exception: What a tool raised and no hook made a result of; the other calls are cancelled.
    """
    if len(calls) == 1:
        return [await _run_call(agent, ctx, calls[0], tools)]
    return await _together([_run_call(agent, ctx, call, tools) for call in calls])


def response_event(agent: "LlmAgent", ctx: InvocationContext, outcomes: list[Outcome]) -> Event | None:
    """The one event with all responses, in the order of the calls; None where all answers come later."""
    parts = [Part(function_response=outcome.response) for outcome in outcomes if outcome.response is not None]
    actions = outcomes[0].actions
    for outcome in outcomes[1:]:
        actions.merge(outcome.actions)
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


async def _run_call(
    agent: "LlmAgent", ctx: InvocationContext, call: FunctionCall, tools: Mapping[str, BaseTool]
) -> Outcome:
    context = ToolContext(ctx, function_call_id=call.id)
    args: dict[str, Any] = copy_json(call.args) or {}
    tool = tools.get(call.name or "") or _UnknownTool(call.name or "", tools)
    ask = functools.partial(_asked, agent, tool, args, context)
    mistake: ToolError | None = None
    entry = ctx.ledger.open_calls.get(call.id or "")
    try:
        result = await ask("before_tool_callback")
        if result is None:
            if entry is not None and tool.runs_in_thread:
                entry.status = "unknown"
            result = await _bounded(tool, args, context)
        if result is None and tool.is_long_running:
            if entry is not None:
                entry.status = "pending"
            return Outcome(None, context.actions, None)
        result = _as_response(tool, result)
        has_result = True
    except Exception as error:
        if entry is not None:
            told = {"error": f"{type(error).__name__}: {error}"}
            entry.response = FunctionResponse(id=call.id, name=call.name, response=told)
        handled = await ask("on_tool_error_callback", error=error)
        # What a hook makes of a tool's failure is a result like any other; of a tool that does not exist there is none.
        has_result = handled is not None and not isinstance(error, UnknownToolError)
        if handled is not None:
            result = _as_response(tool, handled)
        elif isinstance(error, ToolError):
            mistake = error if isinstance(error, UnknownToolError | ToolArgumentsError) else None
            result = _told(error)
        else:
            raise
    if has_result:
        if entry is not None:
            entry.response = FunctionResponse(id=call.id, name=call.name, response=result)
        changed = await ask("after_tool_callback", result=result)
        result = result if changed is None else _as_response(tool, changed)
    response = FunctionResponse(id=call.id, name=call.name, response=result)
    if entry is not None:
        entry.response = response
    return Outcome(response, context.actions, mistake)


async def _bounded(tool: BaseTool, args: dict[str, Any], context: ToolContext) -> Any:
    seconds = tool.timeout if tool.timeout is not None else context.run_config.tool_timeout
    if seconds is None:
        return await tool.run_async(args=args, tool_context=context)
    limit = asyncio.timeout(seconds)
    try:
        async with limit:
            return await tool.run_async(args=args, tool_context=context)
    except TimeoutError as error:
        if not limit.expired():
            raise
        raise ToolExecutionError(f"{tool.name} took longer than {seconds:g} seconds", "DEADLINE_EXCEEDED") from error


async def _asked(
    agent: "LlmAgent", tool: BaseTool, args: dict[str, Any], context: ToolContext, hook: str, **outcome: Any
) -> Any:
    """Asks the plugins, then the agent's callbacks, which know a call's arguments and its result by other names."""
    plugins = context.invocation_context.plugin_manager
    answer = await plugins.first_answer(hook, tool=tool, tool_args=args, tool_context=context, **outcome)
    if answer is None:
        if "result" in outcome:
            outcome["tool_response"] = outcome.pop("result")
        answer = await first_answer(getattr(agent, hook), tool=tool, args=args, tool_context=context, **outcome)
    return answer


def _told(error: ToolError) -> dict[str, Any]:
    told = {"error": str(error)}
    if isinstance(error, ToolExecutionError) and error.error_type:
        told["error_type"] = error.error_type
    return told


def _as_response(tool: BaseTool, result: Any) -> dict[str, Any]:
    """A tool's result as the JSON object that the model is sent."""
    try:
        value: Any = msgspec.json.decode(msgspec.json.encode(result, enc_hook=_dumped))
    except (TypeError, ValueError, RecursionError) as error:
        raise ConfigurationError(
            f"Tool {tool.name!r} returned {type(result).__name__}, which JSON cannot hold ({error}): return strings, "
            "numbers, booleans, None, lists, dicts, dataclasses or models of such"
        ) from error
    return cast("dict[str, Any]", value) if isinstance(value, dict) else {"result": value}


def _dumped(value: Any) -> Any:
    dump = getattr(value, "model_dump", None)
    if dump is None:
        raise TypeError(f"a {type(value).__module__}.{type(value).__qualname__} is not JSON")
    return dump(mode="json")


class _UnknownTool(BaseTool):
    """Stands for a tool that does not exist, so that hooks see the call, and may answer it."""

    def __init__(self, name: str, known: Iterable[str]) -> None:
        super().__init__(name=name, description="")
        self.known = known

    async def run_async(self, *, args: dict[str, Any], tool_context: ToolContext) -> Any:
        raise UnknownToolError(f"There is no tool {self.name!r}. The tools are: {', '.join(self.known) or 'none'}")
