# SPDX-License-Identifier: Apache-2.0
"""AgentTool: an agent as another agent's tool."""

from typing import Any

import msgspec

from runwright.agent import BaseAgent
from runwright.context import ToolContext
from runwright.errors import InputValidationError, ToolArgumentsError, ToolExecutionError
from runwright.schema import json_schema, read_answer, schema_decoder
from runwright.tool import BaseTool
from runwright.types import FunctionDeclaration, text_of, to_content


class AgentTool(BaseTool):
    """Runs an agent apart and gives its answer to the model that called it.

    The agent sees its arguments as the user's message, in a session of its own that starts with the caller's state;
    what it writes to state is written to the caller's too. Its events are not in the caller's session.

    A call that was under way when the process stopped is made again where all tools of the agent, and of those below
    it, may be; otherwise it is not, see ``BaseTool.on_resume``.

    Args:
        agent: The agent. Its ``input_schema`` says what arguments it takes; without one it takes a ``request``.
        skip_summarization: Whether its answer ends the turn, rather than going back to the model.
    """

    def __init__(self, agent: BaseAgent, *, skip_summarization: bool = False) -> None:
        super().__init__(name=agent.name, description=agent.description)
        self.agent = agent
        self.skip_summarization = skip_summarization
        self._input_schema: Any = getattr(agent, "input_schema", None)
        self._decode = None if self._input_schema is None else schema_decoder(self._input_schema)
        if _repeats_no_harm(agent):
            self.on_resume = "replay"

    def _get_declaration(self) -> FunctionDeclaration:
        if self._input_schema is None:
            request = {"type": "string", "description": "What the agent is to do, with all that it needs to know."}
            parameters: dict[str, Any] = {"type": "object", "properties": {"request": request}, "required": ["request"]}
        else:
            parameters = json_schema(self._input_schema, where=f"agent {self.agent.name!r}, input_schema")
        return FunctionDeclaration(
            name=self.name, description=self.description or None, parameters_json_schema=parameters
        )

    async def run_async(self, *, args: dict[str, Any], tool_context: ToolContext) -> Any:
        if self.skip_summarization:
            tool_context.actions.skip_summarization = True
        events = await tool_context.run_agent(self.agent, to_content(self._message(args)))
        answer = next((event for event in reversed(events) if text_of(event.content)), None)
        if answer is None:
            failed = next((event for event in reversed(events) if event.error_code), None)
            if failed is not None:
                raise ToolExecutionError(f"{self.name} failed: {failed.error_message}", failed.error_code)
            return ""
        text = text_of(answer.content)
        schema: Any = getattr(self.agent, "output_schema", None)
        if schema is None:
            return text
        try:
            return read_answer(text, schema_decoder(schema))
        except InputValidationError as error:
            raise ToolExecutionError(f"The answer of {self.name} does not fit its output_schema: {error}") from error

    def _message(self, args: dict[str, Any]) -> str:
        if self._decode is None:
            if not isinstance(request := args.get("request"), str):
                raise ToolArgumentsError(f"{self.name} needs 'request', a text")
            return request
        try:
            self._decode(args)
        except InputValidationError as error:
            raise ToolArgumentsError(str(error)) from error
        return msgspec.json.encode(args).decode()


def _repeats_no_harm(agent: BaseAgent) -> bool:
    """Whether an agent that is run twice does nothing twice that its tools forbid."""
    tools: list[Any] = [tool for one in agent.tree() for tool in getattr(one, "tools", ())]
    return all(one.takes_handover or one.sub_agents for one in agent.tree()) and all(
        getattr(tool, "on_resume", "never") == "replay" for tool in tools
    )
