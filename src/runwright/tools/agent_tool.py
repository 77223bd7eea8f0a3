# SPDX-License-Identifier: Apache-2.0
"""AgentTool: an agent as another agent's tool."""

from typing import Any

import msgspec

from runwright.agent import BaseAgent
from runwright.context import ToolContext
from runwright.errors import ConfigurationError, InputValidationError, ToolArgumentsError, ToolExecutionError
from runwright.event import Event, ToolConfirmation
from runwright.invocation import QUESTIONS, REQUEST_CREDENTIAL, call_asked_about, questions_to_user
from runwright.schema import json_schema, read_answer, schema_decoder
from runwright.tool import BaseTool
from runwright.types import Content, FunctionCall, FunctionDeclaration, FunctionResponse, Part, text_of, to_content


class AgentTool(BaseTool):
    """Runs an agent apart and gives its answer to the model that called it.

    The agent sees its arguments as the user's message, in a session of its own that starts with the caller's state;
    what it writes to state is written to the caller's too. Its events are not in the caller's session.

    What the agent's own tools ask the user, whether a call may be made or for a credential, is asked in the caller's
    session; with the answer the agent goes on where it was, in another process too. Other questions cannot be passed
    on. Both share a user's credentials.

    A call that was under way when the process stopped is made again where all tools of the agent, and of those below
    it, may be, and none of them runs code; otherwise it is not, see ``BaseTool.on_resume``.

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
        past = [Event.model_validate(event) for event in tool_context.memo or ()]
        asked = _open_question(past, self.name)
        message = to_content(self._message(args)) if asked is None else _answer(asked, tool_context)
        events = await tool_context.run_agent(self.agent, message, past=past)
        question = _open_question([*past, *events], self.name)
        if question is not None:
            self._pass_up(question, [*past, *events], tool_context)
            return None
        return self._result([event for event in events if event.author != "user"])

    def _pass_up(self, question: FunctionCall, events: list[Event], tool_context: ToolContext) -> None:
        """Asks the user what a tool of the agent asks; the agent's log waits with the question for the answer."""
        log = [event.model_dump(mode="json", by_alias=True, exclude_none=True) for event in events]
        if question.name == REQUEST_CREDENTIAL:
            # As the agent's tool has made it: a request of one's own would have another state and verifier.
            config: dict[str, Any] = (question.args or {}).get("authConfig") or {}
            tool_context.actions.requested_auth_configs[tool_context.function_call_id or ""] = config
            tool_context.request_confirmation(memo=log)
            return
        about = call_asked_about(question)
        asked: dict[str, Any] = (question.args or {}).get("toolConfirmation") or {}
        shown = f"{about.name}({msgspec.json.encode(about.args or {}).decode()})"
        tool_context.request_confirmation(
            hint=f"{self.name} asks about {shown}: {asked.get('hint') or 'may it be called?'}",
            payload=asked.get("payload"),
            memo=log,
        )

    def _result(self, events: list[Event]) -> Any:
        """What the agent answered."""
        answer = next((event for event in reversed(events) if text_of(event.content)), None)
        if answer is None:
            waiting = next((event for event in reversed(events) if event.long_running_tool_ids), None)
            if waiting is not None:
                called = ", ".join(str(call.name) for call in waiting.get_function_calls())
                raise ToolExecutionError(
                    f"{self.name} waits for an answer from outside to {called}, which cannot reach it here", "PENDING"
                )
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


def _open_question(events: list[Event], name: str) -> FunctionCall | None:
    """The first call of the engine that nobody has answered, which asks the user about a tool's call.

    Raises:
        ConfigurationError: It asks something else.
    """
    answered = {answer.id for event in events if event.author == "user" for answer in event.get_function_responses()}
    for event in events:
        for call in questions_to_user(event):
            if call.id in answered:
                continue
            if call.name not in QUESTIONS:
                raise ConfigurationError(
                    f"{name!r} asks the user something ({call.name}), which an AgentTool cannot pass on: make it a "
                    "sub-agent that the conversation is transferred to, or a node of a Workflow"
                )
            return call
    return None


def _answer(question: FunctionCall, tool_context: ToolContext) -> Content:
    """What the user said, as the answer to the agent's own question."""
    response: dict[str, Any]
    if question.name == REQUEST_CREDENTIAL:
        config: dict[str, Any] = (question.args or {}).get("authConfig") or {}
        is_given = config.get("credentialKey") in tool_context.auth_responses
        response = {"status": "given" if is_given else "declined"}
    else:
        said = tool_context.tool_confirmation or ToolConfirmation()
        response = {"confirmed": said.confirmed, "payload": said.payload}
    answer = FunctionResponse(id=question.id, name=question.name, response=response)
    return Content(role="user", parts=[Part(function_response=answer)])


def _repeats_no_harm(agent: BaseAgent) -> bool:
    """Whether an agent that is run twice does nothing twice that its tools forbid, and runs no code twice."""
    tools: list[Any] = [tool for one in agent.tree() for tool in getattr(one, "tools", ())]
    executors: list[Any] = [getattr(one, "code_executor", None) for one in agent.tree()]
    return (
        all(one.takes_handover or one.sub_agents for one in agent.tree())
        and all(getattr(tool, "on_resume", "never") == "replay" for tool in tools)
        and all(executor is None or executor.runs_at_provider for executor in executors)
    )
