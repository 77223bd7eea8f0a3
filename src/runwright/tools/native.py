# SPDX-License-Identifier: Apache-2.0
"""Tools that the model's provider runs itself: they are named in the request, and nothing is called here.

Which of them a model has, its adapter knows: it takes each for the nearest that the provider has, or leaves it out.
"""

from collections.abc import Mapping
from typing import Any

from runwright.context import ToolContext
from runwright.errors import ToolExecutionError
from runwright.model import LlmRequest
from runwright.tool import BaseTool
from runwright.types import Tool


class NativeTool(BaseTool):
    """A tool that the provider runs.

    Args:
        tool: What goes into ``config.tools``: a ``types.Tool``, or in the provider's own words a dict with a ``type``.
        name: What it is called here; made of ``tool`` where it is missing.
    """

    on_resume = "replay"

    def __init__(self, tool: Tool | Mapping[str, Any], *, name: str | None = None) -> None:
        given: Any = tool if isinstance(tool, Tool) else dict(tool)
        shown = given.model_dump(exclude_none=True) if isinstance(given, Tool) else given
        called = name or (shown.get("name") or shown.get("type") if "type" in shown else next(iter(shown), "")) or ""
        super().__init__(name=str(called), description="Run by the model's provider.")
        self._tool = given

    async def run_async(self, *, args: dict[str, Any], tool_context: ToolContext) -> Any:
        """Is not called, unless a model takes it for a function.

        Raises:
            ToolExecutionError: Always; the model is told.
        """
        raise ToolExecutionError(f"{self.name} is run by the model's provider, and cannot be called as a function")

    async def process_llm_request(self, *, tool_context: ToolContext, llm_request: LlmRequest) -> None:
        tools = llm_request.config.tools = [] if llm_request.config.tools is None else llm_request.config.tools
        # A copy: what a callback does to it does not reach the next request.
        tools.append(self._tool.model_copy(deep=True) if isinstance(self._tool, Tool) else dict(self._tool))


class GoogleSearchTool(NativeTool):
    """Google Search, by Gemini; other providers search the web with what they have.

    Args:
        bypass_multi_tools_limit: Taken for the sake of ADK's programs; it goes beside other tools anyway.
        model: The model to ask in place of the agent's.
    """

    def __init__(self, *, bypass_multi_tools_limit: bool = False, model: str | None = None) -> None:
        super().__init__(Tool(google_search={}))
        self.bypass_multi_tools_limit = bypass_multi_tools_limit
        self.model = model

    async def process_llm_request(self, *, tool_context: ToolContext, llm_request: LlmRequest) -> None:
        if self.model is not None:
            llm_request.model = self.model
        await super().process_llm_request(tool_context=tool_context, llm_request=llm_request)


class UrlContextTool(NativeTool):
    """Reads the web addresses that are named in the conversation."""

    def __init__(self) -> None:
        super().__init__(Tool(url_context={}))


class GoogleMapsGroundingTool(NativeTool):
    """Google Maps, by Gemini on Vertex AI."""

    def __init__(self) -> None:
        super().__init__(Tool(google_maps={}))


class EnterpriseWebSearchTool(NativeTool):
    """Google's search for enterprises, by Gemini on Vertex AI."""

    def __init__(self) -> None:
        super().__init__(Tool(enterprise_web_search={}))


google_search = GoogleSearchTool()
url_context = UrlContextTool()
google_maps_grounding = GoogleMapsGroundingTool()
enterprise_web_search = EnterpriseWebSearchTool()
