# SPDX-License-Identifier: Apache-2.0
"""One function call of a model: its hooks, its tool, its row in the ledger, and what the model is told of it."""

import asyncio
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any, NamedTuple, cast

import msgspec

from runwright.context import ToolContext
from runwright.durable import CallRecord
from runwright.errors import (
    ConfigurationError,
    LeaseLostError,
    ToolArgumentsError,
    ToolError,
    ToolExecutionError,
    UnknownToolError,
)
from runwright.event import EventActions, ToolConfirmation
from runwright.flow.pause import declined, what_became
from runwright.invocation import InvocationContext
from runwright.plugin import first_answer
from runwright.record import copy_json
from runwright.state import without_temp
from runwright.tool import BaseTool
from runwright.types import FunctionCall, FunctionResponse

if TYPE_CHECKING:
    from runwright.agents.llm import LlmAgent


class Outcome(NamedTuple):
    """What came of one call.

    Attributes:
        response: What the model is told; None where the answer comes from outside, later.
        mistake: What the model did wrong, where it did.
        question: What the user is asked before the call is made.
    """

    response: FunctionResponse | None
    actions: EventActions
    mistake: ToolError | None = None
    question: ToolConfirmation | None = None


class Call:
    """One function call.

    Args:
        agent: Whose model calls.
        ctx: The agent's context.
        call: The call.
        tools: What the model may call, by name.
        word: What the user has said to a question about this call.
    """

    __slots__ = ("_agent", "_args", "_call", "_context", "_ctx", "_entry", "_tool", "_word")

    def __init__(
        self,
        agent: "LlmAgent",
        ctx: InvocationContext,
        call: FunctionCall,
        tools: Mapping[str, BaseTool],
        word: ToolConfirmation | None,
    ) -> None:
        self._agent = agent
        self._ctx = ctx
        self._call = call
        self._word = word
        self._tool = tools.get(call.name or "") or _UnknownTool(call.name or "", tools)
        self._args: dict[str, Any] = copy_json(call.args) or {}
        self._context = ToolContext(ctx, function_call_id=call.id, tool_confirmation=word)
        self._entry = ctx.ledger.find(ctx.branch, call.id)

    async def outcome(self) -> Outcome:
        """Makes the call, unless it was made before the run stopped.

        Raises:
            Exception: What the tool raised and no hook made a result of.
        """
        mistake: ToolError | None = None
        try:
            result, question = await self._result()
            if question is not None or (result is None and self._tool.is_long_running):
                if self._entry is not None:
                    self._entry.status = "pending"
                return Outcome(None, self._context.actions, question=question)
            result = _as_response(self._tool, result)
            is_result = True
        except LeaseLostError:
            raise  # It is the run that failed, not the tool.
        except Exception as error:
            self._answer(_told(error))
            handled = await self._ask("on_tool_error_callback", error=error)
            # What a hook makes of a tool's failure is a result like any other; of a tool that does not exist none is.
            is_result = handled is not None and not isinstance(error, UnknownToolError)
            if handled is not None:
                result = _as_response(self._tool, handled)
            elif isinstance(error, ToolError):
                mistake = error if isinstance(error, UnknownToolError | ToolArgumentsError) else None
                result = _told(error)
            else:
                raise
        if is_result:
            self._answer(result)
            changed = await self._ask("after_tool_callback", result=result)
            result = result if changed is None else _as_response(self._tool, changed)
        return Outcome(self._answer(result), self._context.actions, mistake)

    async def _result(self) -> tuple[Any, ToolConfirmation | None]:
        """What the tool, or a hook in its place, gives; and what the user is to be asked before it can."""
        if self._word is not None and not self._word.confirmed:
            return declined(), None
        entry = self._entry
        past = self._ctx.recorded_calls.get(entry.key) if entry is not None else None
        if past is not None:
            result, question = what_became(past, self._tool, self._word)
            self._context.actions.merge(past.actions)
            if past.status == "finished" or result is not None or question is not None:
                return result, question
        result = await self._ask("before_tool_callback")
        if result is None:
            write = self._ctx.record_call
            if write is None or entry is None:
                result = await self._run()
            else:
                row = CallRecord(
                    invocation_id=self._ctx.invocation_id,
                    call_id=entry.key,
                    name=self._tool.name,
                    attempts=1 if past is None else past.attempts + 1,
                )
                await write(row)
                result = await self._run_recorded(row)
        return result, None

    async def _run_recorded(self, row: CallRecord) -> Any:
        """Runs the tool and writes into the ledger what it gave, before anything else is done with it."""
        write = self._ctx.record_call
        assert write is not None
        try:
            result = await self._run()
            given = None if result is None and self._tool.is_long_running else _as_response(self._tool, result)
        except Exception as error:
            await write(self._finished(row, _told(error)))
            raise
        await write(self._finished(row, given))
        return result

    def _finished(self, row: CallRecord, given: dict[str, Any] | None) -> CallRecord:
        response = None if given is None else self._answer(given)
        actions = self._context.actions.private_copy()
        actions.state_delta = without_temp(actions.state_delta)
        return row.model_copy(update={"status": "finished", "response": response, "actions": actions})

    async def _run(self) -> Any:
        tool, context = self._tool, self._context
        if self._entry is not None and tool.runs_in_thread:
            self._entry.status = "unknown"
        seconds = tool.timeout if tool.timeout is not None else context.run_config.tool_timeout
        if seconds is None:
            return await tool.run_async(args=self._args, tool_context=context)
        limit = asyncio.timeout(seconds)
        try:
            async with limit:
                return await tool.run_async(args=self._args, tool_context=context)
        except TimeoutError as error:
            if not limit.expired():
                raise
            raise ToolExecutionError(
                f"{tool.name} took longer than {seconds:g} seconds", "DEADLINE_EXCEEDED"
            ) from error

    def _answer(self, told: dict[str, Any]) -> FunctionResponse:
        """The call's response; it is what the log gets, too, should the run end before it is stored."""
        response = FunctionResponse(id=self._call.id, name=self._call.name, response=told)
        if self._entry is not None:
            self._entry.response = response
        return response

    async def _ask(self, hook: str, **outcome: Any) -> Any:
        """Asks the plugins, then the agent's callbacks, which know arguments and result by other names."""
        tool, args, context = self._tool, self._args, self._context
        plugins = self._ctx.plugin_manager
        answer = await plugins.first_answer(hook, tool=tool, tool_args=args, tool_context=context, **outcome)
        if answer is None:
            if "result" in outcome:
                outcome["tool_response"] = outcome.pop("result")
            callbacks = getattr(self._agent, hook)
            answer = await first_answer(callbacks, tool=tool, args=args, tool_context=context, **outcome)
        return answer


def _told(error: Exception) -> dict[str, Any]:
    if not isinstance(error, ToolError):
        return {"error": f"{type(error).__name__}: {error}"}
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
