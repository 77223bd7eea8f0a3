# SPDX-License-Identifier: Apache-2.0
"""Agents as nodes; ``node()``, which makes a node of anything that can be one."""

from collections.abc import AsyncGenerator, Callable
from contextlib import aclosing
from typing import Any

from runwright.agent import BaseAgent
from runwright.agents.llm import LlmAgent
from runwright.errors import ConfigurationError
from runwright.event import Event, NodeInfo
from runwright.invocation import NodeTask
from runwright.tool import BaseTool
from runwright.types import text_of
from runwright.workflow.base import BaseNode
from runwright.workflow.context import NodeContext
from runwright.workflow.function import FunctionNode
from runwright.workflow.retry import RetryConfig
from runwright.workflow.tool import ToolNode
from runwright.workflow.values import message_of


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
