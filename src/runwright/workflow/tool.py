# SPDX-License-Identifier: Apache-2.0
"""Tools as nodes."""

import contextlib
from collections.abc import AsyncGenerator
from contextlib import aclosing
from typing import Any, cast

import msgspec

from runwright.durable import CallRecord
from runwright.errors import InputValidationError, ToolExecutionError
from runwright.flow.call import run_tool
from runwright.flow.credentials import given_credentials
from runwright.flow.pause import (
    Asking,
    approval,
    asked_by_tool,
    declined,
    question_events,
    what_became,
    word_on,
    words,
)
from runwright.flow.progress import Progress, Reporter
from runwright.tool import BaseTool
from runwright.types import Content, FunctionCall, FunctionResponse, text_of
from runwright.workflow.base import BaseNode
from runwright.workflow.context import NodeContext
from runwright.workflow.values import plain


class ToolNode(BaseNode):
    """A tool as a node: its arguments are the node's input, a dict or the value of its one parameter.

    Required arguments that the input leaves out come from the state. What the tool returns is the output. Where the
    user has to allow the call, the run ends with the question and goes on with the answer; after a no the output is
    ``{"error": ...}``, as a model is told it. What the tool reports while it runs comes as partial events. A call that
    takes longer than the tool's ``timeout``, or ``RunConfig.tool_timeout``, fails.
    """

    tool: BaseTool

    async def run_node_impl(self, *, ctx: NodeContext, node_input: Any) -> AsyncGenerator[Any, None]:
        run, tool = ctx.invocation_context, self.tool
        ctx.function_call_id = ctx.node_path  # the same when the run goes on after a stop
        args = self._arguments(ctx, node_input)
        call = FunctionCall(id=ctx.node_path, name=tool.name, args=plain(args, f"arguments of {tool.name}"))
        given: list[tuple[Any, Asking | None]] = []
        reporter: Reporter | None = None

        async def make() -> None:
            result, question = await self._result(ctx, call, args, reporter)
            if question is None:
                changed = await run.plugin_manager.first_answer(
                    "after_tool_callback", tool=tool, tool_args=args, tool_context=ctx, result=result
                )
                result = result if changed is None else changed
            given.append((result, question))

        if tool.reports_progress:
            progress = Progress(run)
            ctx.progress = reporter = progress.reporter(call, tool)
            async with aclosing(progress.events(make())) as reports:
                async for report in reports:
                    yield report
        else:
            await make()
        result, question = given[0]
        if question is None:
            yield result
            return
        for event in question_events(run, [(call, question)], []):
            yield event

    async def _result(
        self, ctx: NodeContext, call: FunctionCall, args: dict[str, Any], reporter: Reporter | None
    ) -> tuple[Any, Asking | None]:
        """What the tool, or a hook in its place, gives; or what the user is to be asked before it can."""
        run, tool = ctx.invocation_context, self.tool
        past = run.recorded_calls.get(ctx.node_path)
        word = word_on(call, words(run))
        if word is not None and word.is_no:
            return declined(word), None
        if word is not None and word.credential_keys:
            ctx.auth_responses = await given_credentials(run, word.credential_keys)
        has_leave = word is not None and word.holds_for(past, has_ledger=run.record_call is not None)
        if word is not None and has_leave:
            ctx.tool_confirmation = word.told
            ctx.memo = word.memo
        elif past is not None:
            told, question = what_became(past, tool, was_asked=word is not None)
            answered = (told.response if told is not None else None) or {}
            if question is not None or (past.status == "finished" and "result" in answered):
                ctx.actions.merge(past.actions)
                return answered.get("result"), question
            # Where it had failed, and with it the run, going on means to try again.
            if past.status != "finished" and told is not None:
                unknown = f"The call of {tool.name} was interrupted: whether it took effect is not known"
                raise ToolExecutionError(f"{unknown}; it is not repeated", "UNKNOWN")
        hooks, offered = run.plugin_manager, {"tool": tool, "tool_args": args, "tool_context": ctx}
        result = await hooks.first_answer("before_tool_callback", **offered)
        if result is not None:
            return result, None
        attempts = 0 if past is None else past.attempts
        if not has_leave and await tool.check_require_confirmation(args, ctx):
            return None, approval(tool, attempts)
        try:
            result = await self._called(ctx, args, reporter, attempts + 1)
        except Exception as error:
            result = await hooks.first_answer("on_tool_error_callback", **offered, error=error)
            if result is None:
                raise
        return result, asked_by_tool(ctx.actions, attempts + 1)

    async def _called(self, ctx: NodeContext, args: dict[str, Any], reporter: Reporter | None, attempt: int) -> Any:
        """What the tool gives; its call has a row in the ledger, where there is one."""
        tool, run = self.tool, ctx.invocation_context
        if run.record_call is None:
            return await run_tool(tool, args, ctx, reporter)
        row = CallRecord(invocation_id=run.invocation_id, call_id=ctx.node_path, name=tool.name, attempts=attempt)
        await run.record_call(row)
        given: dict[str, Any] = {}
        try:
            result = await run_tool(tool, args, ctx, reporter)
            given["result"] = plain(result, f"result of {tool.name}")
        except Exception as error:
            given["error"] = f"{type(error).__name__}: {error}"
            raise
        finally:
            if given:  # otherwise it was cancelled, and nobody knows
                response = FunctionResponse(name=tool.name, response=given)
                done = {"status": "finished", "response": response, "actions": ctx.actions.private_copy()}
                await run.record_call(row.model_copy(update=done))
        return result

    def _arguments(self, ctx: NodeContext, node_input: Any) -> dict[str, Any]:
        declaration = self.tool.get_declaration()
        schema: dict[str, Any] = (declaration.parameters_json_schema if declaration is not None else None) or {}
        required: list[str] = list(schema.get("required") or ())
        names = list(schema.get("properties") or ())
        value = text_of(node_input) if isinstance(node_input, Content) else node_input
        if isinstance(value, str) and value.lstrip().startswith("{"):
            with contextlib.suppress(msgspec.DecodeError):  # a text that happens to start so
                value = msgspec.json.decode(value)
        if value is None or isinstance(value, dict):
            args = dict(cast("dict[str, Any]", value or {}))
        elif len(names) == 1 or len(required) == 1:
            args = {(names if len(names) == 1 else required)[0]: value}
        else:
            raise InputValidationError(
                f"Node {self.name!r} takes the tool's arguments as a dict ({', '.join(names) or 'none'}), and the node "
                f"before it gave {value!r:.80}: put a function between them that makes the dict"
            )
        return {**{name: ctx.state[name] for name in required if name not in args and name in ctx.state}, **args}
