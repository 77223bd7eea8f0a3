# SPDX-License-Identifier: Apache-2.0
"""Workflow: an agent made of steps and the ways between them."""

from collections.abc import AsyncGenerator, Mapping
from contextlib import aclosing
from typing import Any, ClassVar, Self

from runwright.agent import BaseAgent
from runwright.errors import ConfigurationError
from runwright.event import Event, NodeInfo
from runwright.invocation import InvocationContext, NodeTask
from runwright.schema import schema_decoder
from runwright.workflow.base import check_node
from runwright.workflow.checks import check_graph
from runwright.workflow.graph import Graph
from runwright.workflow.past import known_path, read_past
from runwright.workflow.retry import RetryConfig, attempts
from runwright.workflow.schedule import Schedule
from runwright.workflow.values import read


class Workflow(BaseAgent):
    """Runs functions, agents, tools and other workflows as the nodes of a graph.

    ::

        Workflow(name="flow", edges=[(START, classify, {"bug": fix, DEFAULT_ROUTE: answer})])

    Nodes whose turn has come run at the same time, each in a branch of its own. A node that fails cancels the others. A
    node that asks the user something (:class:`RequestInput`) ends the run once the others are done; with the answer it
    goes on, and what was done is not done again. Its output is that of the node nothing comes after; of several that
    gave one, a dict by their names.

    Attributes:
        edges: Chains of nodes and :class:`Edge` objects; the agents among them become the workflow's sub-agents.
        max_concurrency: How many nodes run at the same time, at the most; no limit where it is None.
        input_schema: What it takes: a type, or JSON Schema as a dict.
        output_schema: What it gives.
        retry_config: How it is tried again when it fails; nodes that had given their output are not run again.
        timeout: Seconds that one attempt may take.
    """

    resumes_below: ClassVar[bool] = True

    edges: list[Any] = []
    max_concurrency: int | None = None
    input_schema: Any = None
    output_schema: Any = None
    retry_config: RetryConfig | None = None
    timeout: float | None = None

    def model_post_init(self, context: Any, /) -> None:
        if self.sub_agents:
            raise ConfigurationError(f"{self.name!r}: a workflow's agents are those in its edges; leave out sub_agents")
        if not self.edges:
            raise ConfigurationError(f"Workflow {self.name!r} has nothing to run: give it edges=[(START, ...)]")
        if self.max_concurrency is not None and self.max_concurrency < 1:
            raise ConfigurationError(f"max_concurrency is 1 or more, or None for no limit, not {self.max_concurrency}")
        check_node(self.name, self.retry_config, self.timeout)
        self.graph = Graph(self.edges)
        try:
            check_graph(self.graph)
        except ConfigurationError as error:
            raise ConfigurationError(f"Workflow {self.name!r}: {error}") from None
        self.sub_agents = self.graph.agents

    def clone(self, update: Mapping[str, Any] | None = None) -> Self:
        twin = super().clone(update)
        if update and "edges" in update:
            raise ConfigurationError(
                "A clone has the edges of the workflow that it is cloned from: make a new Workflow"
            )
        agents = dict(zip(map(id, self.sub_agents), twin.sub_agents, strict=True))
        twin.graph = self.graph.replaced(agents)
        return twin

    async def _run_async_impl(self, ctx: InvocationContext) -> AsyncGenerator[Event, None]:
        task = self._begin(ctx)
        replay = ctx.replay
        if replay is not None:
            replay = ctx.replay = replay.below(ctx.node_path)
            for event in replay.events if task is None else ():
                yield event.private_copy()
        tries = attempts(
            lambda _: self._attempt(ctx, task),
            lambda error: self._failed(ctx, error),
            name=self.name,
            retry=self.retry_config,
            timeout=self.timeout,
        )
        async with aclosing(tries) as events:
            async for event in events:
                if replay is None or task is not None or event.id not in replay.ids:  # those were given above
                    yield event

    def _begin(self, ctx: InvocationContext) -> NodeTask | None:
        """Finds where in the run this is; gives what the workflow is to do, where another one runs it."""
        if ctx.node_task is not None and ctx.node_path.rpartition("/")[2].partition("@")[0] == self.name:
            return ctx.node_task
        path = f"{ctx.node_path}/{self.name}" if ctx.node_path else self.name
        runs = ctx.ledger.workflow_runs
        known = None
        if not ctx.node_path and path not in runs:
            if ctx.replay is not None:
                known = known_path(ctx.replay.events, ctx.invocation_id, self.name, newest=False)
            known = known or known_path(ctx.session.events, ctx.invocation_id, self.name, newest=True)
        if known is not None:
            path, _, number = known.rpartition("@")
            runs[path] = int(number)
        else:
            runs[path] = runs.get(path, 0) + 1
        ctx.node_path = f"{path}@{runs[path]}"
        ctx.node_task = None
        return None

    async def _attempt(self, ctx: InvocationContext, task: NodeTask | None) -> AsyncGenerator[Event, None]:
        past = read_past(ctx.session.events, ctx.invocation_id, ctx.node_path)
        given = task.input if task is not None else past.message or ctx.user_content
        if self.input_schema is not None:
            given = read(given, schema_decoder(self.input_schema, where=f"{self.name}'s input"))
        schedule = Schedule(
            self.graph,
            ctx,
            author=self.name,
            claims=self._claims(ctx, task),
            past=past.runs,
            max_concurrency=self.max_concurrency,
        )
        async with aclosing(schedule.events(given)) as events:
            async for event in events:
                yield event
        found = schedule.outputs
        output = next(iter(found.values())) if len(found) == 1 else found or None
        if self.output_schema is not None and not schedule.waits_for:
            schema_decoder(self.output_schema, where=f"{self.name}'s output")(output)
        if task is not None:
            task.output, task.waits_for = output, schedule.waits_for

    def _claims(self, ctx: InvocationContext, task: NodeTask | None) -> list[str]:
        """The paths whose output is that of a node at an end of the graph."""
        if task is None:
            return [ctx.node_path]
        # Where there are several ends, one of them does not end the workflow: who runs it says in the log when it does.
        return [ctx.node_path, *task.claims] if len(self.graph.ends) == 1 else []

    def _failed(self, ctx: InvocationContext, error: Exception) -> Event:
        return Event(
            invocation_id=ctx.invocation_id,
            author=self.name,
            branch=ctx.branch,
            node_info=NodeInfo(path=ctx.node_path),
            error_code=type(error).__name__,
            error_message=str(error),
        )
