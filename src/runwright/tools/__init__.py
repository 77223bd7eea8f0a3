# SPDX-License-Identifier: Apache-2.0
"""The tools that come with Runwright."""

from runwright.tools.agent_tool import AgentTool

__all__ = ["AgentTool"]
