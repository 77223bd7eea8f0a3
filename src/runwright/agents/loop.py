# SPDX-License-Identifier: Apache-2.0
"""LoopAgent: its sub-agents run one after the other, again and again."""

from collections.abc import AsyncGenerator
from contextlib import aclosing

from runwright.agent import BaseAgent
from runwright.context import ToolContext
from runwright.errors import ConfigurationError
from runwright.event import Event
from runwright.invocation import InvocationContext


class LoopAgent(BaseAgent):
    """Runs its sub-agents in turn until one escalates, or ``max_iterations`` rounds are done; or one asks the user.

    An agent escalates by an event with ``actions.escalate``, which the tool :func:`exit_loop` makes.

    Attributes:
        max_iterations: How many rounds at most; 0 for none at all, None for no limit.
    """

    max_iterations: int | None = None

    def validate(self) -> None:
        super().validate()
        if self.max_iterations is not None and self.max_iterations < 0:
            raise ConfigurationError(f"max_iterations is 0 or more, or None for no limit, not {self.max_iterations}")

    async def _run_async_impl(self, ctx: InvocationContext) -> AsyncGenerator[Event, None]:
        rounds = 0
        while self.sub_agents and (self.max_iterations is None or rounds < self.max_iterations):
            for child in self.sub_agents:
                ends = False
                async with aclosing(child.run_async(ctx)) as events:
                    async for event in events:
                        yield event
                        ends = ends or bool(event.actions.escalate) or ctx.holds_up(event)
                if ends or ctx.end_invocation:
                    return
            rounds += 1


def exit_loop(tool_context: ToolContext) -> None:
    """Ends the loop. Call this only when you are told to."""
    tool_context.actions.escalate = True
    tool_context.actions.skip_summarization = True


exit_loop.on_resume = "replay"  # pyright: ignore[reportFunctionMemberAccess]
