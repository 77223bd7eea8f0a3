# SPDX-License-Identifier: Apache-2.0
"""LangchainTool: a tool of LangChain under a name of one's own. Without one, put the tool itself into ``tools``."""

from typing import Any

from runwright.foreign_tool import ForeignTool


class LangchainTool(ForeignTool):
    """A tool of LangChain, or any object with a ``run`` method.

    Args:
        tool: The tool.
        name: Its name for the model, in place of its own.
        description: What the model is told about it.
    """

    def __init__(self, tool: Any, name: str | None = None, description: str | None = None) -> None:
        super().__init__(tool, name=name, description=description)
