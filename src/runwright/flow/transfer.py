# SPDX-License-Identifier: Apache-2.0
"""Passing the conversation on: to whom an agent may, how its model is told, and the tool that does it."""

from typing import TYPE_CHECKING, Any

from runwright.agent import BaseAgent
from runwright.context import ToolContext
from runwright.errors import ToolArgumentsError
from runwright.tool import BaseTool
from runwright.types import FunctionDeclaration

if TYPE_CHECKING:
    from runwright.agents.llm import LlmAgent

TOOL_NAME = "transfer_to_agent"


def targets(agent: "LlmAgent") -> list[BaseAgent]:
    """The agents that ``agent`` may pass the conversation on to: its children, its parent, its siblings."""
    found = list(agent.sub_agents)
    parent = agent.parent_agent
    if parent is None or not parent.takes_handover:
        return found
    if not agent.disallow_transfer_to_parent:
        found.append(parent)
    if not agent.disallow_transfer_to_peers:
        found.extend(peer for peer in parent.sub_agents if peer is not agent)
    return found


def instruction(agent: "LlmAgent", reachable: list[BaseAgent]) -> str:
    """What the model is told about them."""
    listed = "\n".join(f"- {target.name}: {target.description or 'no description'}" for target in reachable)
    lines = [
        "You can pass the conversation on to one of these agents:",
        listed,
        f"If one of them is better placed to answer than you are, call `{TOOL_NAME}` with its name and write nothing "
        "else. If you are, answer yourself.",
    ]
    parent = agent.parent_agent
    if parent is not None and parent in reachable:
        lines.append(f"If none of them is, and neither are you, pass it to your parent agent, {parent.name}.")
    return "\n".join(lines)


def transfer_to_agent(agent_name: str, tool_context: ToolContext) -> None:
    """Passes the conversation on to another agent, for a tool of one's own."""
    tool_context.actions.transfer_to_agent = agent_name


class TransferTool(BaseTool):
    """``transfer_to_agent(agent_name)``, for the agents that can be reached."""

    on_resume = "replay"
    reports_progress = False

    def __init__(self, names: tuple[str, ...]) -> None:
        super().__init__(name=TOOL_NAME, description="Passes the conversation on to another agent.")
        self.names = names

    def _get_declaration(self) -> FunctionDeclaration:
        name = {"type": "string", "enum": list(self.names), "description": "The agent's name."}
        return FunctionDeclaration(
            name=self.name,
            description=self.description,
            parameters_json_schema={"type": "object", "properties": {"agent_name": name}, "required": ["agent_name"]},
        )

    async def run_async(self, *, args: dict[str, Any], tool_context: ToolContext) -> None:
        name = args.get("agent_name")
        if name not in self.names:
            raise ToolArgumentsError(
                f"There is no agent {name!r} to transfer to: choose one of {', '.join(self.names)}"
            )
        transfer_to_agent(name, tool_context)
