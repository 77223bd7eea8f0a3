# SPDX-License-Identifier: Apache-2.0
"""The tools that come with Runwright."""

from typing import TYPE_CHECKING

from runwright.lazy import lazy_names
from runwright.tools.agent_tool import AgentTool

if TYPE_CHECKING:
    from runwright.tools.authenticated_function_tool import AuthenticatedFunctionTool

__all__ = ["AgentTool", "AuthenticatedFunctionTool"]

__getattr__ = lazy_names(__name__, {"AuthenticatedFunctionTool": "authenticated_function_tool"})
