# SPDX-License-Identifier: Apache-2.0
"""SequentialAgent: its sub-agents run one after the other."""

from collections.abc import AsyncGenerator
from contextlib import aclosing

from runwright.agent import BaseAgent
from runwright.event import Event
from runwright.invocation import InvocationContext


class SequentialAgent(BaseAgent):
    """Runs its sub-agents one after the other, each seeing what those before it said.

    After one that asks the user something, no other one runs.
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
