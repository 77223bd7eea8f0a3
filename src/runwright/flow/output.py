# SPDX-License-Identifier: Apache-2.0
"""An agent's answer as data: ``output_schema``, alone or beside tools, and ``output_key``."""

from typing import TYPE_CHECKING, Any

import msgspec

from runwright.context import ToolContext
from runwright.errors import InputValidationError, ToolArgumentsError
from runwright.event import Event
from runwright.schema import json_schema, schema_decoder
from runwright.tool import BaseTool
from runwright.types import Content, FunctionDeclaration, Part, text_of

if TYPE_CHECKING:
    from runwright.agents.llm import LlmAgent

TOOL_NAME = "set_model_response"
INSTRUCTION = (
    f"Use the other tools as you need them. Give your final answer by calling `{TOOL_NAME}` with all the fields that "
    "it asks for, and not as text."
)


class SetModelResponseTool(BaseTool):
    """Takes an agent's answer as data where it has tools too: the model answers by calling it."""

    on_resume = "replay"
    reports_progress = False

    def __init__(self, schema: Any) -> None:
        super().__init__(name=TOOL_NAME, description="Gives your final answer, in the form that is asked for.")
        self.decode = schema_decoder(schema)
        shape = json_schema(schema, where="output_schema")
        self._wrapped = shape.get("type") != "object"
        self._schema = (
            {"type": "object", "properties": {"answer": shape}, "required": ["answer"]} if self._wrapped else shape
        )

    def _get_declaration(self) -> FunctionDeclaration:
        return FunctionDeclaration(name=self.name, description=self.description, parameters_json_schema=self._schema)

    async def run_async(self, *, args: dict[str, Any], tool_context: ToolContext) -> Any:
        answer = args.get("answer") if self._wrapped else args
        try:
            self.decode(answer)
        except InputValidationError as error:
            raise ToolArgumentsError(str(error)) from error
        tool_context.actions.set_model_response = answer
        return args


def answer_event(event: Event) -> Event | None:
    """The answer that a ``set_model_response`` call gave, as the agent's last word; None without such a call."""
    answer = event.actions.set_model_response
    if answer is None:
        return None
    text = msgspec.json.encode(answer).decode()
    return Event(
        invocation_id=event.invocation_id,
        author=event.author,
        branch=event.branch,
        node_info=event.node_info,
        content=Content(role="model", parts=[Part(text=text)]),
    )


class OutputKeeper:
    """Puts what an agent answers into state under its ``output_key``."""

    def __init__(self, agent: "LlmAgent") -> None:
        self._agent = agent
        self._said = ""

    def keep(self, event: Event) -> None:
        """Adds the state change to an event of the agent that has its answer.

        Raises:
            ModelError: The answer does not fit the agent's ``output_schema``.
        """
        agent = self._agent
        if agent.output_key is None or event.partial or event.author != agent.name:
            return
        text = text_of(event.content)
        if not text:
            return
        if agent.output_schema is None:
            self._said += text
            event.actions.state_delta[agent.output_key] = self._said
        elif event.is_final_response() and text.strip():
            event.actions.state_delta[agent.output_key] = agent.read_output(text)
