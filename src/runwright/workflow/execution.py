# SPDX-License-Identifier: Apache-2.0
"""Execution: one run of one node, from its input to what it gave, with its events on the way."""

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import aclosing
from typing import Any, Literal

from runwright.errors import ConfigurationError
from runwright.event import Event, NodeInfo
from runwright.invocation import InvocationContext
from runwright.workflow.base import BaseNode
from runwright.workflow.context import NodeContext
from runwright.workflow.past import PastRun, output_of, read_past
from runwright.workflow.retry import attempts
from runwright.workflow.values import listed, plain
from runwright.workflow.wrapped import AgentNode, as_node

Verdict = Literal["run", "recall", "wait"]


class NodePaused(BaseException):
    """Ends a node that runs another one, which waits for the user. No error: the node's code is not to catch it."""


class Execution:
    """One run of one node.

    Args:
        node: The node.
        ctx: The workflow's context; its path is that of who runs the node.
        author: Whose events the node's are.
        number: The how manieth run of the node this is.
        node_input: What it is given.
        branch: The line of the conversation that it belongs to.
        claims: The paths, beside its own, whose output its output is.
        past: What an earlier turn of the invocation did of this run.
        hand: Gives out an event in place of the node, for nodes that it runs itself.

    Attributes:
        output: What the node gave.
        route: Which way to go on.
        waits_for: The questions that somebody has to answer before it can go on.
    """

    def __init__(
        self,
        node: BaseNode,
        ctx: InvocationContext,
        *,
        author: str,
        number: int | str,
        node_input: Any,
        branch: str | None,
        claims: list[str],
        past: PastRun | None,
        hand: Callable[[Event], Awaitable[None]],
    ) -> None:
        self.node = node
        self.branch = branch
        self.path = f"{ctx.node_path}/{node.name}@{number}"
        self.output: Any = None
        self.route: Any = None
        self.waits_for: set[str] = set()
        self.past = past
        self._parent = ctx
        self._author = author
        self._input = node_input
        self._claims = claims
        self._hand = hand
        self._told = False

    # --- what an earlier turn left

    def verdict(self) -> Verdict:
        """Whether the node is to run; or did so in an earlier turn, and gives what it gave; or still waits.

        Raises:
            InputValidationError: An answer does not fit what was asked for.
        """
        past = self.past
        if past is None:
            return "run"
        reruns = self.node.rerun_on_resume or past.asked_below
        if past.open and not (reruns and past.has_news):
            self.waits_for = past.open
            return "wait"
        if past.ended is not None and not self._may_go_on(past):
            self.output, self.route = past.output, past.route
            return "recall"
        if past.answered >= 0 and not reruns:
            answers = past.answers()
            self.output = next(iter(answers.values())) if len(answers) == 1 else answers
            self.route = past.route
            return "recall"
        return "run"

    def _may_go_on(self, past: PastRun) -> bool:
        """Whether the run stopped, for all that the log tells, while the node had more to say: its agent goes on."""
        return (
            self._parent.replay is not None
            and not past.said_that_it_ended
            and isinstance(self.node, AgentNode)
            and self.node.may_say_more
        )

    @property
    def place(self) -> int:
        """Where in the log an earlier turn ended the node."""
        assert self.past is not None
        return max(self.past.answered, -1 if self.past.ended is None else self.past.ended)

    # --- the run

    async def events(self) -> AsyncGenerator[Event, None]:
        """Runs the node."""
        node = self.node
        tries = attempts(self._attempt, self._failed, name=node.name, retry=node.retry_config, timeout=node.timeout)
        async with aclosing(tries) as events:
            async for event in events:
                yield event

    async def _attempt(self, number: int) -> AsyncGenerator[Event, None]:
        node, past = self.node, self.past
        self.output, self.route, self.waits_for, self._told = None, None, set(), False
        ctx = self._parent.model_copy(update={"node_path": self.path, "branch": self.branch})
        children = _Children(self, ctx)
        context = NodeContext(
            ctx,
            attempt_count=number,
            resume_inputs={} if past is None else past.answers(),
            run_child=children.run,
        )
        if ctx.replay is not None:
            # What a function did is not told from the log: it runs again. Agents go on where they stopped, its own too.
            ctx.replay = ctx.replay.below(self.path) if number == 1 else None
        if isinstance(node, AgentNode):
            begin = len(ctx.session.events) if past is None else past.begin
            ctx.node_task = node.task(context, self._input, begin, self._claims)
        try:
            async with aclosing(node.run(ctx=context, node_input=self._input)) as events:
                async for event in events:
                    self._stamp(event, context)
                    yield event
        except (NodePaused, BaseExceptionGroup) as paused:
            if isinstance(paused, BaseExceptionGroup) and paused.split(NodePaused)[1] is not None:
                raise
        finally:
            await children.close()
        last = self._last_event(context)
        if last is not None:
            yield last

    def _last_event(self, context: NodeContext) -> Event | None:
        """What is left to say at the end: that there was one, where no event has said it."""
        task = context.invocation_context.node_task
        if task is not None and isinstance(self.node, AgentNode) and self.node.agent.resumes_below:
            self.waits_for |= task.waits_for
            context.output = None if task.output == self.output else task.output
        elif self.output is not None:
            context.output = None
        event = Event()
        if not self.waits_for:
            event.output = plain(context.output, f"output of node {self.node.name!r}")
        if context.actions or event.output is not None or not (self._told or self.waits_for):
            self._stamp(event, context)
            if not self._told and not self.waits_for:
                event.actions.end_of_agent = True
            return event
        return None

    def _stamp(self, event: Event, context: NodeContext) -> None:
        """Says in an event where it is from, and takes from it what the node gave."""
        event.invocation_id = event.invocation_id or self._parent.invocation_id
        if not isinstance(self.node, AgentNode) or not event.author:
            event.author = self._author
            event.node_info.path = self.path
            event.branch = event.branch or self.branch
        if context.actions and not event.partial:
            written = context.take_actions()
            written.merge(event.actions)
            event.actions = written
        if event.partial:
            return
        info = event.node_info
        own = info.path == self.path
        if (own and event.output is not None) or info.output_for == [self.path]:
            claims = [self.path, *self._claims]
            info = event.node_info = NodeInfo(
                path=info.path, output_for=claims, message_as_output=info.message_as_output
            )
        if self.path in (info.output_for or ()):
            if self.output is not None and not isinstance(self.node, AgentNode):
                raise ConfigurationError(f"Node {self.node.name!r} gave two outputs: it has one, which may be a list")
            self.output, self._told = output_of(event), True
        if own and event.actions.route is not None:
            self.route, self._told = _checked_route(event.actions.route, self.node.name), True
        replay, asked = self._parent.replay, event.long_running_tool_ids or set()
        is_past = replay is not None and event.id in replay.ids
        self.waits_for |= asked - self._parent.ledger.answered if is_past else asked

    def _failed(self, error: Exception) -> Event:
        return Event(
            invocation_id=self._parent.invocation_id,
            author=self._author,
            branch=self.branch,
            node_info=NodeInfo(path=self.path),
            error_code=type(error).__name__,
            error_message=str(error),
        )

    def child(self, node: BaseNode, ctx: InvocationContext, number: int | str, node_input: Any) -> "Execution":
        """The run of a node that this one runs itself."""
        runs = {} if self.past is None else read_past(ctx.session.events, ctx.invocation_id, self.path).runs
        return Execution(
            node,
            ctx,
            author=self._author,
            number=number,
            node_input=node_input,
            branch=self.branch,
            claims=[],
            past=runs.get(f"{node.name}@{number}"),
            hand=self._hand,
        )

    async def hand(self, event: Event) -> None:
        """Gives out an event of a node that this one runs itself."""
        await self._hand(event)


class _Children:
    """The nodes that a node runs itself."""

    def __init__(self, execution: Execution, ctx: InvocationContext) -> None:
        self._execution = execution
        self._ctx = ctx
        self._runs: dict[str, int] = {}
        self._tasks: set[asyncio.Task[Any]] = set()

    async def run(self, node_like: Any, node_input: Any, run_id: str | None) -> Any:
        """Runs one and gives its output."""
        node = as_node(node_like)
        self._runs[node.name] = self._runs.get(node.name, 0) + 1
        child = self._execution.child(node, self._ctx, run_id or self._runs[node.name], node_input)
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        verdict = child.verdict()
        if verdict == "run":
            async with aclosing(child.events()) as events:
                async for event in events:
                    await self._execution.hand(event)
        if child.waits_for:
            self._execution.waits_for |= child.waits_for
            raise NodePaused
        return child.output

    async def close(self) -> None:
        """Stops those that run on in tasks which the node started and did not wait for."""
        left = [task for task in self._tasks if task is not asyncio.current_task() and not task.done()]
        for task in left:
            task.cancel()
        await asyncio.gather(*left, return_exceptions=True)


def _checked_route(route: Any, name: str) -> Any:
    if not all(isinstance(one, str | int) for one in listed(route)):
        raise ConfigurationError(f"Node {name!r} gave the route {route!r}: a string, number, boolean or a list of such")
    return route
