# SPDX-License-Identifier: Apache-2.0
"""The tools that come with Runwright. Each name is loaded when it is first used."""

from typing import TYPE_CHECKING

from runwright.lazy import lazy_names
from runwright.tool import BaseTool, BaseToolset, FunctionTool, LongRunningFunctionTool
from runwright.tools.agent_tool import AgentTool

if TYPE_CHECKING:
    from runwright.tools.artifacts import load_artifacts
    from runwright.tools.authenticated_function_tool import AuthenticatedFunctionTool
    from runwright.tools.mcp import McpToolset
    from runwright.tools.memory import load_memory, preload_memory
    from runwright.tools.native import enterprise_web_search, google_maps_grounding, google_search, url_context
    from runwright.tools.openapi import OpenAPIToolset
    from runwright.tools.user_choice import get_user_choice

__all__ = [
    "AgentTool",
    "AuthenticatedFunctionTool",
    "BaseTool",
    "BaseToolset",
    "FunctionTool",
    "LongRunningFunctionTool",
    "McpToolset",
    "OpenAPIToolset",
    "enterprise_web_search",
    "get_user_choice",
    "google_maps_grounding",
    "google_search",
    "load_artifacts",
    "load_memory",
    "preload_memory",
    "url_context",
]

_HOMES = {
    "AuthenticatedFunctionTool": "authenticated_function_tool",
    "McpToolset": "mcp",
    "OpenAPIToolset": "openapi",
    "enterprise_web_search": "native",
    "get_user_choice": "user_choice",
    "google_maps_grounding": "native",
    "google_search": "native",
    "load_artifacts": "artifacts",
    "load_memory": "memory",
    "preload_memory": "memory",
    "url_context": "native",
}

__getattr__ = lazy_names(__name__, _HOMES)
