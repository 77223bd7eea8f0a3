# SPDX-License-Identifier: Apache-2.0
"""One function call of a model: its hooks, its tool, its row in the ledger, and what the model is told of it."""

import asyncio
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any, NamedTuple

from runwright.context import ToolContext
from runwright.durable import CallRecord
from runwright.errors import (
    LeaseLostError,
    ToolArgumentsError,
    ToolError,
    ToolExecutionError,
    UnknownToolError,
)
from runwright.event import EventActions
from runwright.flow.credentials import given_credentials
from runwright.flow.pause import Asking, Word, approval, asked_by_tool, declined, what_became
from runwright.flow.progress import Progress, Reporter
from runwright.flow.result import Told, told, told_of
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
    question: Asking | None = None


class Call:
    """One function call.

    Args:
        agent: Whose model calls.
        ctx: The agent's context.
        call: The call.
        tools: What the model may call, by name.
        word: What the user has said of this call.
        progress: What passes on what the tool reports, where it is one that can.
    """

    __slots__ = ("_agent", "_args", "_call", "_context", "_ctx", "_entry", "_reporter", "_tool", "_word")

    def __init__(
        self,
        agent: "LlmAgent",
        ctx: InvocationContext,
        call: FunctionCall,
        tools: Mapping[str, BaseTool],
        word: Word | None,
        progress: Progress | None = None,
    ) -> None:
        self._agent = agent
        self._ctx = ctx
        self._call = call
        self._word = word
        self._tool = tools.get(call.name or "") or _UnknownTool(call.name or "", tools)
        self._args: dict[str, Any] = copy_json(call.args) or {}
        self._reporter: Reporter | None = None if progress is None else progress.reporter(call, self._tool)
        self._context = ToolContext(ctx, function_call_id=call.id, progress=self._reporter)
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
                    # A question makes it wait when it is stored, and not before: nobody else could answer it.
                    self._entry.status = "pending" if question is None else "cancelled"
                return Outcome(None, self._context.actions, question=question)
            given = told(self._tool, result)
            is_result = True
        except LeaseLostError:
            raise  # It is the run that failed, not the tool.
        except Exception as error:
            given = told_of(error)
            self._answer(given)
            handled = await self._ask("on_tool_error_callback", error=error)
            # What a hook makes of a tool's failure is a result like any other; of a tool that does not exist none is.
            is_result = handled is not None and not isinstance(error, UnknownToolError)
            if handled is not None:
                given = told(self._tool, handled)
            elif isinstance(error, ToolError):
                mistake = error if isinstance(error, UnknownToolError | ToolArgumentsError) else None
            else:
                raise
        if is_result:
            self._answer(given)
            changed = await self._ask("after_tool_callback", result=given.response)
            given = given if changed is None else self._changed(given, changed)
        return Outcome(self._answer(given), self._context.actions, mistake)

    def _changed(self, given: Told, changed: Any) -> Told:
        """What a hook puts in a result's place; where it gives back the same object, changed, the files stay."""
        instead = told(self._tool, changed)
        return Told(instead.response, given.files) if changed is given.response else instead

    async def _result(self) -> tuple[Any, Asking | None]:
        """What the tool, or a hook in its place, gives; and what the user is to be asked before it can."""
        word, entry, write = self._word, self._entry, self._ctx.record_call
        past = self._ctx.recorded_calls.get(entry.key) if entry is not None else None
        has_leave = False
        if word is not None:
            if word.is_no:
                return declined(word), None
            if word.credential_keys:
                self._context.auth_responses = await given_credentials(self._ctx, word.credential_keys)
            has_leave = word.holds_for(past, has_ledger=write is not None)
            past = self._past_of(word, past, has_leave)
        if past is not None and not has_leave:
            result, question = what_became(past, self._tool, was_asked=word is not None)
            if past.status == "finished" or result is not None or question is not None:
                self._context.actions.merge(past.actions)
                return result, question
        if has_leave and word is not None:
            self._context.tool_confirmation = word.told
            self._context.memo = word.memo
            if entry is not None:
                entry.status = "cancelled"  # It waits for nobody any more.
        result = await self._ask("before_tool_callback")
        if result is not None:
            return result, None
        attempts = 0 if past is None else past.attempts
        if not has_leave and await self._tool.check_require_confirmation(self._args, self._context):
            return None, approval(self._tool, attempts)
        if write is None or entry is None:
            result = await self._run()
        else:
            row = CallRecord(
                invocation_id=self._ctx.invocation_id, call_id=entry.key, name=self._tool.name, attempts=attempts + 1
            )
            await write(row)
            result = await self._run_recorded(row)
        return result, asked_by_tool(self._context.actions, attempts + 1)

    def _past_of(self, word: Word, past: CallRecord | None, has_leave: bool) -> CallRecord | None:
        """What is known of the call where the store has no ledger: whether a word was used, nobody knows."""
        if self._ctx.record_call is not None or self._entry is None:
            return past
        if has_leave:
            return None
        return CallRecord(invocation_id=self._ctx.invocation_id, call_id=self._entry.key, name=self._tool.name)

    async def _run_recorded(self, row: CallRecord) -> Any:
        """Runs the tool and writes into the ledger what it gave, before anything else is done with it."""
        write = self._ctx.record_call
        assert write is not None
        try:
            result = await self._run()
            asks = asked_by_tool(self._context.actions, row.attempts) is not None
            comes_later = asks or (result is None and self._tool.is_long_running)
            given = None if comes_later else told(self._tool, result)
        except Exception as error:
            await write(self._finished(row, told_of(error)))
            raise
        await write(self._finished(row, given))
        return result

    def _finished(self, row: CallRecord, given: Told | None) -> CallRecord:
        response = None if given is None else self._answer(given)
        actions = self._context.actions.private_copy()
        actions.state_delta = without_temp(actions.state_delta)
        return row.model_copy(update={"status": "finished", "response": response, "actions": actions})

    async def _run(self) -> Any:
        if self._entry is not None and self._tool.runs_in_thread:
            self._entry.status = "unknown"
        return await run_tool(self._tool, self._args, self._context, self._reporter)

    def _answer(self, given: Told) -> FunctionResponse:
        """The call's response; it is what the log gets, too, should the run end before it is stored."""
        response = FunctionResponse(id=self._call.id, name=self._call.name, response=given.response, parts=given.files)
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


async def run_tool(tool: BaseTool, args: dict[str, Any], context: ToolContext, reporter: Reporter | None) -> Any:
    """What a tool gives, within its time.

    Raises:
        ToolExecutionError: It took longer.
        Exception: What it raised.
    """
    seconds = tool.timeout if tool.timeout is not None else context.run_config.tool_timeout
    limit = None if seconds is None else asyncio.timeout(seconds)
    if reporter is not None:
        reporter.limit = limit
    try:
        if limit is None:
            return await tool.run_async(args=args, tool_context=context)
        async with limit:
            return await tool.run_async(args=args, tool_context=context)
    except asyncio.CancelledError:
        context.cancellation.cancel()  # its thread, if it has one, runs on
        raise
    except TimeoutError as error:
        if limit is None or not limit.expired():
            raise
        context.cancellation.cancel()
        raise ToolExecutionError(f"{tool.name} took longer than {seconds:g} seconds", "DEADLINE_EXCEEDED") from error


class _UnknownTool(BaseTool):
    """Stands for a tool that does not exist, so that hooks see the call, and may answer it."""

    reports_progress = False

    def __init__(self, name: str, known: Iterable[str]) -> None:
        super().__init__(name=name, description="")
        self.known = known

    async def run_async(self, *, args: dict[str, Any], tool_context: ToolContext) -> Any:
        raise UnknownToolError(f"There is no tool {self.name!r}. The tools are: {', '.join(self.known) or 'none'}")
