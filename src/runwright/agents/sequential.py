# SPDX-License-Identifier: Apache-2.0
"""SequentialAgent: its sub-agents run one after the other."""

from collections.abc import AsyncGenerator
from contextlib import aclosing

from runwright import live
from runwright.agent import BaseAgent
from runwright.event import Event
from runwright.invocation import InvocationContext


class SequentialAgent(BaseAgent):
    """Runs its sub-agents one after the other, each seeing what those before it said.

    After one that asks the user something, no other one runs. Live, each has the user for itself until it says that its
    part is done.
    """

    async def _run_async_impl(self, ctx: InvocationContext) -> AsyncGenerator[Event, None]:
        for child in self.sub_agents:
            held_up = False
            async with aclosing(child.run_async(ctx)) as events:
                async for event in events:
                    yield event
                    held_up = held_up or ctx.holds_up(event)
            if held_up or ctx.end_invocation:
                return

    async def _run_live_impl(self, ctx: InvocationContext) -> AsyncGenerator[Event, None]:
        """Each agent has the user for itself until it says, by the tool ``task_completed``, that its part is done."""
        for child in self.sub_agents:
            is_last = child is self.sub_agents[-1]
            part = ctx.model_copy(update={"completes_task": not is_last or ctx.completes_task})
            is_done = False
            async with aclosing(child.run_live(part)) as events:
                async for event in events:
                    yield event
                    is_done = is_done or live.is_task_completed(event)
            queue = ctx.live_request_queue
            if ctx.end_invocation or (not is_done and queue is not None and queue.closed):
                return
