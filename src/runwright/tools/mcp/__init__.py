# SPDX-License-Identifier: Apache-2.0
"""Tools, resources and prompts of MCP servers, over the official SDK (extra ``mcp``), which is imported when used."""

from runwright.tools.mcp.parameters import (
    SseConnectionParams,
    StdioConnectionParams,
    StdioServerParameters,
    StreamableHTTPConnectionParams,
)
from runwright.tools.mcp.tool import McpTool
from runwright.tools.mcp.toolset import McpToolset

__all__ = [
    "McpTool",
    "McpToolset",
    "SseConnectionParams",
    "StdioConnectionParams",
    "StdioServerParameters",
    "StreamableHTTPConnectionParams",
]
