# SPDX-License-Identifier: Apache-2.0
"""CrewaiTool: a tool of CrewAI under a name of one's own. Without one, put the tool itself into ``tools``."""

from typing import Any

from runwright.foreign_tool import ForeignTool


class CrewaiTool(ForeignTool):
    """A tool of CrewAI.

    Args:
        tool: The tool.
        name: Its name for the model; its own in small letters, with ``_`` for blanks, where it is missing.
        description: What the model is told about it.
    """

    def __init__(self, tool: Any, *, name: str = "", description: str = "") -> None:
        own = str(getattr(tool, "name", "") or "").replace(" ", "_").lower()
        # Older releases put name and arguments before what its author wrote.
        about = str(getattr(tool, "description", "") or "").rpartition("Tool Description: ")[2]
        super().__init__(tool, name=name or own or None, description=description or about)
