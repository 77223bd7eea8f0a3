# SPDX-License-Identifier: Apache-2.0
"""Agents and tools as nodes; ``node()``, which makes a node of anything that can be one."""

import contextlib
from collections.abc import AsyncGenerator, Callable
from contextlib import aclosing
from typing import Any, cast

import msgspec

from runwright.agent import BaseAgent
from runwright.agents.llm import LlmAgent
from runwright.durable import CallRecord
from runwright.errors import ConfigurationError, InputValidationError, ToolExecutionError
from runwright.event import Event, NodeInfo
from runwright.flow.pause import what_became
from runwright.invocation import NodeTask
from runwright.tool import BaseTool
from runwright.types import Content, FunctionResponse, text_of
from runwright.workflow.base import BaseNode
from runwright.workflow.context import NodeContext
from runwright.workflow.function import FunctionNode
from runwright.workflow.retry import RetryConfig
from runwright.workflow.values import message_of, plain


class AgentNode(BaseNode):
    """An agent as a node: it works on the node's input as its user's message, in the same session.

    Its output is the text of its last answer, or the data where it has an ``output_schema``. Unless its
    ``include_contents`` says otherwise, it sees nothing of the conversation before.
    """

    agent: BaseAgent
    rerun_on_resume: bool = True

    @property
    def may_say_more(self) -> bool:
        """Whether there may be more to come after what looks like its answer."""
        agent = self.agent
        if agent.resumes_below:
            return False
        return not isinstance(agent, LlmAgent) or bool(agent.sub_agents) or agent.after_agent_callback is not None

    def task(self, ctx: NodeContext, node_input: Any, begin: int, claims: list[str]) -> NodeTask:
        """What the agent is to do."""
        message = message_of(node_input) if not self.agent.resumes_below else None
        return NodeTask(node_input, message, begin, claims)

    async def run_node_impl(self, *, ctx: NodeContext, node_input: Any) -> AsyncGenerator[Any, None]:
        # The task is in the context already: whoever runs the node put it there.
        path = ctx.node_path
        async with aclosing(self.agent.run_async(ctx.invocation_context)) as events:
            async for event in events:
                if not event.node_info.path:
                    event.node_info = NodeInfo(path=path)
                if not self.agent.resumes_below and _is_answer(event):
                    event.output = self._data(event)
                    event.node_info = NodeInfo(
                        path=event.node_info.path,
                        output_for=[path],
                        message_as_output=True if event.output is None else None,
                    )
                yield event

    def _data(self, event: Event) -> Any:
        agent = self.agent
        if not isinstance(agent, LlmAgent) or agent.output_schema is None or event.author != agent.name:
            return None
        return agent.read_output(text_of(event.content))


def _is_answer(event: Event) -> bool:
    if event.partial or event.author == "user" or event.get_function_calls() or event.get_function_responses():
        return False
    if event.get_code_to_run() is not None:
        return False
    return bool(text_of(event.content))


class ToolNode(BaseNode):
    """A tool as a node: its arguments are the node's input, a dict or the value of its one parameter.

    Required arguments that the input leaves out come from the state. What the tool returns is the output.
    """

    tool: BaseTool

    async def run_node_impl(self, *, ctx: NodeContext, node_input: Any) -> AsyncGenerator[Any, None]:
        tool, plugins = self.tool, ctx.invocation_context.plugin_manager
        ctx.function_call_id = ctx.node_path  # the same when the run goes on after a stop
        args = self._arguments(ctx, node_input)
        result = await plugins.first_answer("before_tool_callback", tool=tool, tool_args=args, tool_context=ctx)
        if result is None:
            if await tool.check_require_confirmation(args, ctx):
                raise ConfigurationError(
                    f"Tool {tool.name!r} needs the user's confirmation, which a node of a workflow cannot ask for: "
                    "give it to an agent, or put a node before it that asks (RequestInput)"
                )
            try:
                result = await self._called(ctx, args)
            except Exception as error:
                result = await plugins.first_answer(
                    "on_tool_error_callback", tool=tool, tool_args=args, tool_context=ctx, error=error
                )
                if result is None:
                    raise
        changed = await plugins.first_answer(
            "after_tool_callback", tool=tool, tool_args=args, tool_context=ctx, result=result
        )
        yield result if changed is None else changed

    async def _called(self, ctx: NodeContext, args: dict[str, Any]) -> Any:
        """What the tool gives, or gave before the run stopped; its call has a row in the ledger, where there is one."""
        tool, run = self.tool, ctx.invocation_context
        past = run.recorded_calls.get(ctx.node_path)
        if past is not None:
            told, question = what_became(past, tool)
            if past.status == "finished":
                answered = (told.response if told is not None else None) or {}
                if "result" in answered:
                    ctx.actions.merge(past.actions)
                    return answered["result"]
                # It had failed, and with it the run: going on means to try again.
            elif told is not None or question is not None:
                unknown = f"The call of {tool.name} was interrupted: whether it took effect is not known"
                raise ToolExecutionError(f"{unknown}; it is not repeated", "UNKNOWN")
        if run.record_call is None:
            return await tool.run_async(args=args, tool_context=ctx)
        row = CallRecord(invocation_id=run.invocation_id, call_id=ctx.node_path, name=tool.name)
        await run.record_call(row)
        given: dict[str, Any] = {}
        try:
            result = await tool.run_async(args=args, tool_context=ctx)
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


def as_node(value: Any) -> BaseNode:
    """The node that a function, an agent, a tool or a node makes.

    Raises:
        ConfigurationError: It makes none.
    """
    if isinstance(value, BaseNode):
        return value
    if isinstance(value, BaseAgent):
        return AgentNode(name=value.name, description=value.description, agent=value)
    if isinstance(value, BaseTool):
        return ToolNode(name=value.name, description=value.description, tool=value)
    if isinstance(value, type) or not callable(value):
        raise ConfigurationError(
            f"{value!r} cannot be a node: give a function, an agent, a tool, a Workflow or a BaseNode object"
        )
    return FunctionNode(func=value)


def node(
    node_like: Any = None,
    *,
    name: str | None = None,
    rerun_on_resume: bool | None = None,
    retry_config: RetryConfig | None = None,
    timeout: float | None = None,
) -> Any:
    """Makes a node of a function, an agent, a tool or another node, with some of its settings; also as a decorator.

    ::

        @node(name="lookup", retry_config=RetryConfig(max_attempts=3), timeout=10)
        async def look_up(node_input: str) -> dict: ...

    Args:
        name: Its name in the workflow; an agent keeps its own.
        rerun_on_resume: Whether it is run again when what it asked the user was answered.
        retry_config: How it is tried again when it fails.
        timeout: Seconds that one attempt may take.
    """
    given = {"name": name, "rerun_on_resume": rerun_on_resume, "retry_config": retry_config, "timeout": timeout}
    settings = {key: value for key, value in given.items() if value is not None}

    def made(value: Any) -> BaseNode:
        if isinstance(value, BaseAgent) and name is not None and name != value.name:
            value = value.clone({"name": name})
        if callable(value) and not isinstance(value, BaseAgent | BaseTool | BaseNode | type):
            return FunctionNode(func=value, **settings)
        twin = as_node(value).model_copy(update=settings)
        twin.model_post_init(None)
        return twin

    decorate: Callable[[Any], BaseNode] = made
    return decorate if node_like is None else made(node_like)
