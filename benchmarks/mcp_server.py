# SPDX-License-Identifier: Apache-2.0
"""An MCP server of one tool, over stdio, written with the official SDK: `python -m benchmarks.mcp_server`."""

from mcp.server.mcpserver import MCPServer

server = MCPServer("bench", log_level="ERROR")


@server.tool()
def add(a: int, b: int) -> int:
    """Adds two numbers."""
    return a + b


if __name__ == "__main__":
    server.run()
