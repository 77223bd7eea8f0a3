# SPDX-License-Identifier: Apache-2.0
"""A workflow's edges, and the graph that they make."""

import itertools
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, Final, NamedTuple, cast

from runwright.agent import BaseAgent
from runwright.errors import ConfigurationError
from runwright.workflow.base import BaseNode
from runwright.workflow.values import listed
from runwright.workflow.wrapped import AgentNode, as_node

START: Final = BaseNode(name="__START__")
"""Where a workflow begins. It is no step: what comes right behind it gets what the workflow is given."""

DEFAULT_ROUTE: Final = "__DEFAULT__"
"""The route that is taken where no other one is."""


class Edge(NamedTuple):
    """A way from one node to another.

    Attributes:
        from_node: Where it begins: a node, or what makes one.
        to_node: Where it leads.
        route: It is taken where ``from_node`` gave this route, or one of these; always, where it is None.
    """

    from_node: Any
    to_node: Any
    route: Any = None

    @property
    def routes(self) -> list[Any]:
        return listed(self.route)


class Graph:
    """The nodes of a workflow and the edges between them.

    Args:
        items: Edges, and chains of nodes: ``(START, a, (b, c), join, {"again": a, DEFAULT_ROUTE: d})``.
    """

    def __init__(self, items: Iterable[Any]) -> None:
        self._made: dict[int, tuple[Any, BaseNode]] = {}
        self.edges: list[Edge] = [edge for item in items for edge in self._edges_of(item)]
        self.nodes: dict[int, BaseNode] = {}
        for edge in self.edges:
            for node in (edge.from_node, edge.to_node):
                self.nodes.setdefault(id(node), node)
        leaving = {id(edge.from_node) for edge in self.edges}
        self.ends: set[str] = {node.name for node in self.nodes.values() if id(node) not in leaving}
        """The names of the nodes that nothing comes after: what they give is what the workflow gives."""

    @property
    def agents(self) -> list[BaseAgent]:
        """The agents among the nodes, each once."""
        found = [node.agent for node in self.nodes.values() if isinstance(node, AgentNode)]
        return list({id(agent): agent for agent in found}.values())

    def replaced(self, agents: Mapping[int, BaseAgent]) -> "Graph":
        """The same graph with other agents in place of some, given by the ids of those."""
        twins: dict[int, BaseNode] = {}
        for key, node in self.nodes.items():
            agent = agents.get(id(node.agent)) if isinstance(node, AgentNode) else None
            twins[key] = node if agent is None else node.model_copy(update={"agent": agent, "name": agent.name})
        return Graph(Edge(twins[id(edge.from_node)], twins[id(edge.to_node)], edge.route) for edge in self.edges)

    def before(self, node: BaseNode) -> list[str]:
        """The names of the nodes that lead to a node, each once, in the order of the edges."""
        return list(dict.fromkeys(edge.from_node.name for edge in self.edges if edge.to_node is node))

    def after(self, node: BaseNode, route: Any) -> list[BaseNode]:
        """The nodes that come next where a node gave ``route``."""
        given = listed(route)
        leaving = [edge for edge in self.edges if edge.from_node is node]
        always = [edge.to_node for edge in leaving if edge.route is None]
        matches = [edge.to_node for edge in leaving if any(one is not None and one in given for one in edge.routes)]
        otherwise = [] if matches else [edge.to_node for edge in leaving if edge.route == DEFAULT_ROUTE]
        chosen = {id(one) for one in (*matches, *always, *otherwise)}
        return [*{id(edge.to_node): edge.to_node for edge in leaving if id(edge.to_node) in chosen}.values()]

    # --- from what is written to edges

    def _node(self, value: Any) -> BaseNode:
        if value is START or (isinstance(value, str) and value == "START"):
            return START
        if id(value) not in self._made:
            self._made[id(value)] = (value, as_node(value))  # kept, so that its id stays its own
        return self._made[id(value)][1]

    def _edges_of(self, item: Any) -> Iterator[Edge]:
        if isinstance(item, Edge):
            yield Edge(self._node(item.from_node), self._node(item.to_node), item.route)
            return
        if not isinstance(item, tuple):
            raise ConfigurationError(f"An edge is a chain of nodes as a tuple, (START, a, b), or an Edge, not {item!r}")
        steps = cast("tuple[Any, ...]", item)
        if len(steps) < 2:
            raise ConfigurationError(
                f"The chain {steps!r} leads nowhere: it needs two nodes at least, as in (START, a)"
            )
        for left, right in itertools.pairwise(steps):
            if isinstance(left, dict) and isinstance(right, dict):
                raise ConfigurationError(
                    "Two routing maps stand one behind the other in a chain: make two chains of it"
                )
            targets = cast("dict[Any, Any]", right) if isinstance(right, dict) else {None: right}
            if not targets:
                raise ConfigurationError("A routing map is empty: give it a node for each route, {'yes': a, 'no': b}")
            for route, target in targets.items():
                for source in _members(left):
                    for one in _members(target):
                        yield Edge(self._node(source), self._node(one), route)


def _members(step: Any) -> list[Any]:
    """The nodes of one step of a chain."""
    if isinstance(step, dict):
        return [node for target in cast("dict[Any, Any]", step).values() for node in _members(target)]
    return list(cast("tuple[Any, ...]", step)) if isinstance(step, tuple) and not isinstance(step, Edge) else [step]
