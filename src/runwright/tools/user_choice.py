# SPDX-License-Identifier: Apache-2.0
"""get_user_choice: the user picks one of some options."""

from runwright.context import ToolContext
from runwright.tool import LongRunningFunctionTool


def _get_user_choice(options: list[str], tool_context: ToolContext) -> None:
    """Shows the user some options and waits until the user has chosen one.

    Args:
        options: What there is to choose from.
    """
    tool_context.actions.skip_summarization = True


get_user_choice = LongRunningFunctionTool(
    _get_user_choice, name="get_user_choice", on_resume="replay", run_in_thread=False
)
"""The run ends with the call; the user's choice comes as its function response."""
