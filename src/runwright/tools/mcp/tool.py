# SPDX-License-Identifier: Apache-2.0
"""McpTool: a tool of an MCP server; McpResourceTool: what reads its resources."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from runwright.context import ToolContext
from runwright.errors import NotFoundError, ToolArgumentsError
from runwright.tool import BaseTool, OnResume, RequireConfirmation
from runwright.types import FunctionDeclaration

if TYPE_CHECKING:
    from mcp_types import Tool

    from runwright.tools.mcp.toolset import McpToolset


class McpTool(BaseTool):
    """A tool of an MCP server; :class:`McpToolset` makes them.

    Its result is ``{"content": [...]}`` as the protocol has it, with ``structuredContent`` where the server gives
    some; images, audio and other bytes go along as files. A failure that the tool reports is told to the model as an
    error, with the tool's own words.

    Attributes:
        mcp_tool: The tool as the server describes it.
    """

    def __init__(
        self,
        mcp_tool: "Tool",
        toolset: "McpToolset",
        *,
        on_resume: OnResume | None = None,
        require_confirmation: RequireConfirmation = False,
    ) -> None:
        super().__init__(
            name=mcp_tool.name,
            description=mcp_tool.description or "",
            on_resume=on_resume,
            require_confirmation=require_confirmation,
        )
        self.mcp_tool = mcp_tool
        self._toolset = toolset
        self._declaration = FunctionDeclaration(
            name=mcp_tool.name,
            description=mcp_tool.description,
            parameters_json_schema=mcp_tool.input_schema,
            response_json_schema=mcp_tool.output_schema,
        )

    @property
    def raw_mcp_tool(self) -> "Tool":
        """What ADK calls ``mcp_tool``."""
        return self.mcp_tool

    def _get_declaration(self) -> FunctionDeclaration:
        return self._declaration

    async def run_async(self, *, args: dict[str, Any], tool_context: ToolContext) -> Any:
        return await self._toolset.call_tool(self.mcp_tool.name, args, tool_context)


class McpResourceTool(BaseTool):
    """Reads the resources of an MCP server, which its description names."""

    on_resume: OnResume = "replay"

    def __init__(self, names: Sequence[str], toolset: "McpToolset") -> None:
        described = f"Reads a resource. The resources are: {', '.join(sorted(names)) or 'none'}."
        super().__init__(name="load_mcp_resource", description=described)
        self._toolset = toolset
        self._declaration = FunctionDeclaration(
            name=self.name,
            description=described,
            parameters_json_schema={
                "type": "object",
                "properties": {"resource_name": {"type": "string", "description": "Its name, or its URI."}},
                "required": ["resource_name"],
            },
        )

    def _get_declaration(self) -> FunctionDeclaration:
        return self._declaration

    async def run_async(self, *, args: dict[str, Any], tool_context: ToolContext) -> Any:
        name = args.get("resource_name")
        if not isinstance(name, str):
            raise ToolArgumentsError(f"{self.name} needs 'resource_name', a text")
        try:
            parts = await self._toolset.read_resource(name, tool_context)
        except NotFoundError as error:
            raise ToolArgumentsError(str(error)) from error
        return {"contents": [part if part.text is None else part.text for part in parts]}
