# SPDX-License-Identifier: Apache-2.0
"""NodeContext: what the code of a node works with."""

from collections.abc import Awaitable, Callable
from typing import Any

from runwright.context import Context
from runwright.event import EventActions
from runwright.invocation import InvocationContext

RunChild = Callable[[Any, Any, str | None], Awaitable[Any]]
"""Runs a node below this one: what it is, its input, and its number, if it is to have one; gives its output."""

_MAPS = ("state_delta", "artifact_delta", "requested_auth_configs", "requested_tool_confirmations")


class NodeContext(Context):
    """What the code of a node works with.

    Attributes:
        node_path: Where the node is, as ``flow@1/node@2``: the second run of ``node`` in the first of ``flow``.
        attempt_count: The how manieth attempt of this run this is, from 1.
        resume_inputs: The user's answers to what this run of the node asked, by ``interrupt_id``.
        output: What the node gives; another way to return it.
    """

    __slots__ = ("_run_child", "attempt_count", "node_path", "output", "resume_inputs")

    def __init__(
        self,
        invocation_context: InvocationContext,
        *,
        attempt_count: int,
        resume_inputs: dict[str, Any],
        run_child: RunChild,
    ) -> None:
        super().__init__(invocation_context)
        self.node_path = invocation_context.node_path
        self.attempt_count = attempt_count
        self.resume_inputs = resume_inputs
        self.output: Any = None
        self._run_child = run_child

    @property
    def route(self) -> Any:
        """Which of the node's edges are taken: a string, number or boolean, or a list of such."""
        return self.actions.route

    @route.setter
    def route(self, value: Any) -> None:
        self.actions.route = value

    async def run_node(self, node: Any, node_input: Any = None, *, run_id: str | None = None) -> Any:
        """Runs another node below this one and gives its output.

        Where it asks the user something, this node ends here and is run again when the answer comes; what it ran before
        is then not run again but gives what it gave, so it must run the same nodes in the same order.

        Args:
            node: A function, an agent, a tool, a workflow or a node.
            run_id: What to call this run of it, where that should not be the how manieth it is.
        """
        return await self._run_child(node, node_input, run_id)

    def take_actions(self) -> EventActions:
        """What was written so far, for the event that is about to be stored; what is written from now on is new."""
        taken = self.actions.private_copy()
        for name in EventActions.__struct_fields__:
            if name in _MAPS:
                getattr(self.actions, name).clear()
            else:
                setattr(self.actions, name, None)
        return taken
