# SPDX-License-Identifier: Apache-2.0
"""Workflows: agents made of steps and the ways between them.

The parts, each standing on those below it:

- `workflow`: `Workflow`, the agent.
- `schedule`: which node runs when. `execution`: one run of one node. `past`: what the log tells of earlier runs.
- `checks`, `graph`: the edges, and what can be wrong with them.
- `wrapped`, `function`, `base`: agents, tools and functions as nodes.
- `context`, `pause`, `retry`, `values`: what a node's code is given, asks, tries again, and gives.
"""

from runwright.workflow.base import BaseNode, JoinNode
from runwright.workflow.context import NodeContext
from runwright.workflow.function import FunctionNode
from runwright.workflow.graph import DEFAULT_ROUTE, START, Edge
from runwright.workflow.pause import RequestInput
from runwright.workflow.retry import RetryConfig
from runwright.workflow.workflow import Workflow
from runwright.workflow.wrapped import AgentNode, ToolNode, node

Node = BaseNode
"""ADK's name for a base class of one's own nodes."""

__all__ = [
    "DEFAULT_ROUTE",
    "START",
    "AgentNode",
    "BaseNode",
    "Edge",
    "FunctionNode",
    "JoinNode",
    "Node",
    "NodeContext",
    "RequestInput",
    "RetryConfig",
    "ToolNode",
    "Workflow",
    "node",
]
