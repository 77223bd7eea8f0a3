# SPDX-License-Identifier: Apache-2.0
"""Schedule: which node of a workflow runs when."""

import heapq
from collections import defaultdict
from collections.abc import AsyncGenerator
from contextlib import aclosing
from typing import Any, NamedTuple

from runwright.event import Event
from runwright.flow.branches import Branches
from runwright.invocation import InvocationContext
from runwright.workflow.base import BaseNode
from runwright.workflow.execution import Execution
from runwright.workflow.graph import START, Graph
from runwright.workflow.past import PastRun


class _Trigger(NamedTuple):
    """A node that is to run."""

    node: BaseNode
    input: Any
    branch: str | None
    forks: bool


class Schedule:
    """One run of a workflow's graph.

    What an earlier turn of the invocation did is not done again: the nodes that ended then are ended anew, in the order
    of the log, so that what follows them is what followed then; and the run goes on from there.

    Args:
        graph: The graph.
        ctx: The workflow's context.
        author: The workflow's name.
        claims: The paths whose output the workflow's output is, its own first.
        past: The runs of its nodes in earlier turns.
        max_concurrency: How many nodes run at the same time, at the most.

    Attributes:
        outputs: What the nodes at the graph's ends gave, by name.
        waits_for: The questions that somebody has to answer before the workflow can go on.
    """

    def __init__(
        self,
        graph: Graph,
        ctx: InvocationContext,
        *,
        author: str,
        claims: list[str],
        past: dict[str, PastRun],
        max_concurrency: int | None,
    ) -> None:
        self.outputs: dict[str, Any] = {}
        self.waits_for: set[str] = set()
        self._graph = graph
        self._ctx = ctx
        self._author = author
        self._claims = claims
        self._past = past
        self._limit = max_concurrency or len(graph.nodes)
        self._branches: Branches[Execution] = Branches(self._ended)
        self._triggers: list[_Trigger] = []
        self._numbers: defaultdict[str, int] = defaultdict(int)
        self._busy: set[str] = set()
        self._running = 0
        self._recalled: list[tuple[int, int, Execution]] = []
        self._arrived: defaultdict[str, dict[str, tuple[Any, str | None]]] = defaultdict(dict)

    async def events(self, node_input: Any) -> AsyncGenerator[Event, None]:
        """Runs the graph on ``node_input``, until no node can go on."""
        try:
            self._follow(START, node_input, None, self._ctx.branch)
            self._go_on()
            async with aclosing(self._branches.events()) as events:
                async for event in events:
                    yield event
        finally:
            await self._branches.close()

    def _ended(self, execution: Execution) -> None:
        self._running -= 1
        self._take(execution)
        self._go_on()

    def _go_on(self) -> None:
        """Starts what can run. What an earlier turn did ends here and now, the first to end first."""
        self._start_ready()
        while self._recalled:
            self._take(heapq.heappop(self._recalled)[2])
            self._start_ready()

    def _take(self, execution: Execution) -> None:
        """Takes note of what a node gave, and of the nodes that come next."""
        node = execution.node
        if execution.waits_for:
            self.waits_for |= execution.waits_for  # and stays busy: its next run comes after this one
            return
        self._busy.discard(node.name)
        if self._ctx.end_invocation:
            self._triggers.clear()
            return
        if node.name in self._graph.ends and execution.output is not None:
            self.outputs[node.name] = execution.output
        self._follow(node, execution.output, execution.route, execution.branch)

    def _follow(self, node: BaseNode, output: Any, route: Any, branch: str | None) -> None:
        following = self._graph.after(node, route)
        for target in following:
            if not target.waits_for_all:
                self._triggers.append(_Trigger(target, output, branch, len(following) > 1))
                continue
            arrived = self._arrived[target.name]
            arrived[node.name] = (output, branch)
            names = self._graph.before(target)
            if all(name in arrived for name in names):
                inputs = {name: arrived[name][0] for name in names}
                common = _common_branch([arrived[name][1] for name in names])
                self._arrived[target.name] = {START.name: arrived[START.name]} if START.name in arrived else {}
                self._triggers.append(_Trigger(target, inputs, common, forks=False))

    def _start_ready(self) -> None:
        waiting, self._triggers = self._triggers, []
        for trigger in waiting:
            if trigger.node.name in self._busy or self._running >= self._limit:
                self._triggers.append(trigger)
            else:
                self._start(trigger)

    def _start(self, trigger: _Trigger) -> None:
        node = trigger.node
        self._busy.add(node.name)
        self._numbers[node.name] += 1
        run = f"{node.name}@{self._numbers[node.name]}"
        branch = trigger.branch
        if trigger.forks:
            branch = f"{branch}.{run}" if branch else run
        execution = Execution(
            node,
            self._ctx,
            author=self._author,
            number=self._numbers[node.name],
            node_input=trigger.input,
            branch=branch,
            claims=self._claims if node.name in self._graph.ends else [],
            past=self._past.get(run),
            hand=self._branches.hand,
        )
        match execution.verdict():
            case "recall":
                heapq.heappush(self._recalled, (execution.place, self._numbers[node.name], execution))
            case "wait":
                self.waits_for |= execution.waits_for
            case "run":
                self._running += 1
                self._branches.start(execution, execution.events(), note=f"raised in node {execution.path!r}")


def _common_branch(branches: list[str | None]) -> str | None:
    """The branch that several have come from."""
    common: list[str] = []
    for steps in zip(*((branch or "").split(".") for branch in branches), strict=False):
        if len(set(steps)) > 1:
            break
        common.append(steps[0])
    return ".".join(common) or None
