# SPDX-License-Identifier: Apache-2.0
"""What can be wrong with a workflow's graph, found before it runs."""

from collections import defaultdict

from runwright.errors import ConfigurationError
from runwright.workflow.base import BaseNode
from runwright.workflow.graph import DEFAULT_ROUTE, START, Edge, Graph


def check_graph(graph: Graph) -> None:
    """Checks a graph.

    Raises:
        ConfigurationError: Something is wrong with it; the message says what to do.
    """
    _check_names(graph)
    for edge in graph.edges:
        _check_edge(edge)
    _check_reach(graph)
    _check_doubles(graph)
    _check_cycles(graph)


def _check_names(graph: Graph) -> None:
    seen: set[str] = set()
    for node in graph.nodes.values():
        if node.name in seen:
            raise ConfigurationError(
                f"Two nodes are called {node.name!r}: give one another name, node(..., name='other'), or use the same "
                "object in both places if it is to be one node"
            )
        seen.add(node.name)


def _check_edge(edge: Edge) -> None:
    source, target, route = edge
    if target is START:
        raise ConfigurationError(f"An edge leads from {source.name!r} back to START: lead it to the node to go on with")
    if source is START and route is not None:
        raise ConfigurationError(
            f"The edge from START to {target.name!r} has the route {route!r}, and START gives none: put a node between "
            "that does"
        )
    if isinstance(route, list) and (DEFAULT_ROUTE in route or not route):
        raise ConfigurationError(
            f"The edge from {source.name!r} to {target.name!r} has the routes {route!r}: give it one route or "
            "more, and DEFAULT_ROUTE an edge of its own"
        )
    if any(one is not None and not isinstance(one, str | int) for one in edge.routes):
        raise ConfigurationError(
            f"The edge from {source.name!r} to {target.name!r} has the route {route!r}: use a string, a number, a "
            "boolean, or a list of such"
        )
    given, taken = source.output_schema, target.input_schema
    if given is not None and taken is not None and given != taken:
        raise ConfigurationError(
            f"{source.name!r} gives {given!r}, and {target.name!r} behind it takes {taken!r}: make both the same, or "
            "put a function between them"
        )


def _check_reach(graph: Graph) -> None:
    reached: set[int] = set()
    waiting: list[BaseNode] = [START]
    while waiting:
        node = waiting.pop()
        if id(node) not in reached:
            reached.add(id(node))
            waiting.extend(edge.to_node for edge in graph.edges if edge.from_node is node)
    lost = [node.name for key, node in graph.nodes.items() if key not in reached]
    if lost:
        raise ConfigurationError(
            f"No way leads from START to {', '.join(map(repr, lost))}: begin a chain with START, (START, {lost[0]})"
        )


def _check_doubles(graph: Graph) -> None:
    seen: defaultdict[tuple[int, int], list[object]] = defaultdict(list)
    for edge in graph.edges:
        before = seen[id(edge.from_node), id(edge.to_node)]
        if before and (None in before or edge.route is None or any(route in before for route in edge.routes)):
            raise ConfigurationError(
                f"Two edges lead from {edge.from_node.name!r} to {edge.to_node.name!r}: leave one out, or give them "
                "different routes"
            )
        before.extend(edge.routes)


def _check_cycles(graph: Graph) -> None:
    """Looks for a way around that is always taken: it would never end."""
    done: set[int] = set()
    path: list[BaseNode] = []

    def visit(node: BaseNode) -> None:
        if any(one is node for one in path):
            names = [one.name for one in path]
            around = " -> ".join([*names[names.index(node.name) :], node.name])
            raise ConfigurationError(
                f"This goes around for ever: {around}. Give one of these edges a route that a node chooses, as in "
                f"{{'again': {node.name}}}"
            )
        if id(node) in done:
            return
        path.append(node)
        for edge in graph.edges:
            if edge.from_node is node and edge.route is None:
                visit(edge.to_node)
        path.pop()
        done.add(id(node))

    visit(START)
    for node in graph.nodes.values():
        visit(node)
