# SPDX-License-Identifier: Apache-2.0
"""BaseNode: what a workflow is made of; JoinNode, which waits for several others."""

from collections.abc import AsyncGenerator
from contextlib import aclosing
from typing import Any, ClassVar

from runwright.declared import Declared
from runwright.errors import ConfigurationError
from runwright.event import Event
from runwright.schema import schema_decoder
from runwright.types import Content
from runwright.workflow.context import NodeContext
from runwright.workflow.pause import RequestInput
from runwright.workflow.retry import RetryConfig
from runwright.workflow.values import plain, read


class BaseNode(Declared):
    """A step of a workflow. A subclass overrides :meth:`run_node_impl`.

    Attributes:
        name: A Python identifier, unique in its workflow.
        rerun_on_resume: Whether the node is run again when what it asked the user was answered, with the answer in
            ``ctx.resume_inputs``; otherwise the answer is its output.
        retry_config: How it is tried again when it fails; it is not where this is None.
        timeout: Seconds that one attempt may take.
        input_schema: What it takes: a type, or JSON Schema as a dict.
        output_schema: What it gives.
    """

    waits_for_all: ClassVar[bool] = False
    """Whether a node of this kind runs once all nodes before it did, on what they gave, by their names."""

    name: str
    description: str = ""
    rerun_on_resume: bool = False
    retry_config: RetryConfig | None = None
    timeout: float | None = None
    input_schema: Any = None
    output_schema: Any = None

    def model_post_init(self, context: Any, /) -> None:
        check_node(self.name, self.retry_config, self.timeout)

    def run_node_impl(self, *, ctx: NodeContext, node_input: Any) -> AsyncGenerator[Any, None]:
        """What the node does: an ``async`` generator of events, of a :class:`RequestInput`, or of its output."""
        raise NotImplementedError(f"{type(self).__name__} does not override run_node_impl")

    def _run_impl(self, *, ctx: NodeContext, node_input: Any) -> AsyncGenerator[Any, None]:
        """The same under the name that ADK's nodes give it."""
        return self.run_node_impl(ctx=ctx, node_input=node_input)

    async def run(self, *, ctx: NodeContext, node_input: Any) -> AsyncGenerator[Event, None]:
        """Runs the node once; what it yields comes as events.

        Raises:
            InputValidationError: Its input or its output does not fit its schema.
        """
        if self.input_schema is not None:
            node_input = self.read_input(node_input, schema_decoder(self.input_schema, where=f"{self.name}'s input"))
        async with aclosing(self._run_impl(ctx=ctx, node_input=node_input)) as items:
            async for item in items:
                if item is not None:
                    yield self._event(item)

    def read_input(self, node_input: Any, decode: Any) -> Any:
        """The input as ``input_schema`` has it."""
        return read(node_input, decode)

    def _event(self, item: Any) -> Event:
        if isinstance(item, RequestInput):
            return item.event()
        if isinstance(item, Content):
            return Event(content=item)
        event = item if isinstance(item, Event) else Event(output=item)
        if event.output is not None:
            event.output = plain(event.output, f"output of node {self.name!r}")
            if self.output_schema is not None:
                schema_decoder(self.output_schema, where=f"{self.name}'s output")(event.output)
        return event


def check_node(name: Any, retry_config: Any, timeout: Any) -> None:
    """Checks what all nodes have.

    Raises:
        ConfigurationError: Something cannot be so.
    """
    if not isinstance(name, str) or not name.isidentifier():
        raise ConfigurationError(
            f"{name!r} cannot be a node's name: use letters, digits and '_', and do not start with a digit; a function "
            "without such a name is given one by node(func, name=...)"
        )
    if retry_config is not None and not isinstance(retry_config, RetryConfig):
        raise ConfigurationError(f"Node {name!r}: retry_config is a RetryConfig, not {retry_config!r}")
    if timeout is not None and not (isinstance(timeout, int | float) and timeout > 0):
        raise ConfigurationError(f"Node {name!r}: timeout is a positive number of seconds, not {timeout!r}")


class JoinNode(BaseNode):
    """Waits for all nodes before it; its output is what they gave, in a dict by their names.

    A node before it that is never reached, because another route was taken, is waited for in vain.
    """

    waits_for_all = True

    def read_input(self, node_input: Any, decode: Any) -> Any:
        return {name: read(value, decode) for name, value in node_input.items()}

    async def run_node_impl(self, *, ctx: NodeContext, node_input: Any) -> AsyncGenerator[Any, None]:
        yield {name: plain(value, f"output of {name!r}") for name, value in node_input.items()}
