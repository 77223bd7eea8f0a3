# SPDX-License-Identifier: Apache-2.0
"""ParallelAgent: its sub-agents run at the same time."""

from collections.abc import AsyncGenerator
from contextlib import aclosing

from runwright.agent import BaseAgent
from runwright.event import Event
from runwright.flow.branches import Branches
from runwright.invocation import InvocationContext


class ParallelAgent(BaseAgent):
    """Runs its sub-agents at the same time, each in a branch of its own that sees nothing of the others.

    Events come as they are made. A branch goes on only when its event was taken, so a slow caller slows all branches.
    A branch that fails cancels the others, and its error is raised.
    """

    async def _run_async_impl(self, ctx: InvocationContext) -> AsyncGenerator[Event, None]:
        branches: Branches[str] = Branches()
        for child in self.sub_agents:
            name = f"{self.name}.{child.name}"
            branch = ctx.model_copy(update={"branch": f"{ctx.branch}.{name}" if ctx.branch else name})
            note = f"raised in branch {branch.branch!r} of ParallelAgent {self.name!r}"
            branches.start(child.name, child.run_async(branch), note=note)
        async with aclosing(branches.events()) as events:
            async for event in events:
                yield event
