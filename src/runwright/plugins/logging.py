# SPDX-License-Identifier: Apache-2.0
"""LoggingPlugin: a line in the log for each step of a run."""

import logging
from typing import Any

import msgspec

from runwright.agent import BaseAgent
from runwright.context import CallbackContext, ToolContext
from runwright.event import Event, LlmResponse
from runwright.invocation import InvocationContext
from runwright.model import LlmRequest
from runwright.plugin import BasePlugin
from runwright.plugins.redaction import redacted
from runwright.tool import BaseTool
from runwright.types import Content

_logger = logging.getLogger(__name__)


class LoggingPlugin(BasePlugin):
    """Logs each step of each run in one line, to the logger ``runwright.plugins.logging``.

    Steps are of level INFO, chunks of a stream DEBUG, failures ERROR; ``logging.basicConfig(level=logging.INFO)`` shows
    them. Texts are shortened, the bytes of files are left out, and so are arguments and results whose names say that
    they are secret.

    Args:
        name: The plugin's name.
        max_length: How many characters of a text, of arguments and of results are shown.
    """

    def __init__(self, name: str = "logging_plugin", *, max_length: int = 200) -> None:
        super().__init__(name)
        self.max_length = max_length

    async def on_user_message_callback(self, *, invocation_context: InvocationContext, user_message: Content) -> None:
        session = invocation_context.session
        self._log(
            invocation_context.invocation_id,
            f"user {session.user_id!r} in session {session.id!r} says {self._message(user_message)}",
        )

    async def before_run_callback(self, *, invocation_context: InvocationContext) -> None:
        self._log(invocation_context.invocation_id, f"run starts with agent {invocation_context.agent.name}")

    async def on_event_callback(self, *, invocation_context: InvocationContext, event: Event) -> None:
        level = _level(event)
        if _logger.isEnabledFor(level):
            final = " (final)" if event.is_final_response() else ""
            self._log(invocation_context.invocation_id, f"event of {event.author}{final}: {self._answer(event)}", level)

    async def after_run_callback(self, *, invocation_context: InvocationContext) -> None:
        self._log(invocation_context.invocation_id, "run ended")

    async def on_run_error_callback(self, *, invocation_context: InvocationContext, error: Exception) -> None:
        self._log(invocation_context.invocation_id, f"run failed: {self._error(error)}", logging.ERROR)

    async def before_agent_callback(self, *, agent: BaseAgent, callback_context: CallbackContext) -> None:
        self._log(callback_context.invocation_id, f"agent {agent.name} starts")

    async def after_agent_callback(self, *, agent: BaseAgent, callback_context: CallbackContext) -> None:
        self._log(callback_context.invocation_id, f"agent {agent.name} ended")

    async def on_agent_error_callback(
        self, *, agent: BaseAgent, callback_context: CallbackContext, error: Exception
    ) -> None:
        self._log(callback_context.invocation_id, f"agent {agent.name} failed: {self._error(error)}", logging.ERROR)

    async def before_model_callback(self, *, callback_context: CallbackContext, llm_request: LlmRequest) -> None:
        agent, messages = callback_context.agent_name, len(llm_request.contents)
        tools = ", ".join(llm_request.tools_dict) or "none"
        self._log(
            callback_context.invocation_id,
            f"{agent} asks {llm_request.model}: {messages} messages, tools: {tools}",
        )

    async def after_model_callback(self, *, callback_context: CallbackContext, llm_response: LlmResponse) -> None:
        level = _level(llm_response)
        if not _logger.isEnabledFor(level):
            return
        usage = llm_response.usage_metadata
        used = f" ({usage.prompt_token_count or 0} tokens in, {usage.candidates_token_count or 0} out)" if usage else ""
        self._log(
            callback_context.invocation_id,
            f"{callback_context.agent_name} is told {self._answer(llm_response)}{used}",
            level,
        )

    async def on_model_error_callback(
        self, *, callback_context: CallbackContext, llm_request: LlmRequest, error: Exception
    ) -> None:
        self._log(callback_context.invocation_id, f"{llm_request.model} failed: {self._error(error)}", logging.ERROR)

    async def before_tool_callback(
        self, *, tool: BaseTool, tool_args: dict[str, Any], tool_context: ToolContext
    ) -> None:
        self._log(
            tool_context.invocation_id, f"{tool_context.agent_name} calls {tool.name} with {self._json(tool_args)}"
        )

    async def after_tool_callback(
        self, *, tool: BaseTool, tool_args: dict[str, Any], tool_context: ToolContext, result: dict[str, Any]
    ) -> None:
        self._log(tool_context.invocation_id, f"{tool.name} answers {self._json(result)}")

    async def on_tool_error_callback(
        self, *, tool: BaseTool, tool_args: dict[str, Any], tool_context: ToolContext, error: Exception
    ) -> None:
        self._log(tool_context.invocation_id, f"{tool.name} failed: {self._error(error)}", logging.ERROR)

    def _log(self, invocation_id: str, line: str, level: int = logging.INFO) -> None:
        _logger.log(level, "[%s] %s", invocation_id, line)

    def _answer(self, response: LlmResponse) -> str:
        if response.error_code:
            return f"error {response.error_code}: {self._quoted(response.error_message or '')}"
        return self._message(response.content)

    def _message(self, content: Content | None) -> str:
        said: list[str] = []
        for part in content.parts or () if content is not None else ():
            if part.text:
                said.append(f"{'(thought) ' if part.thought else ''}{self._quoted(part.text)}")
            elif (call := part.function_call) is not None:
                said.append(f"call {call.name}({self._json(call.args)})")
            elif (answer := part.function_response) is not None:
                said.append(f"{answer.name} -> {self._json(answer.response)}")
            elif (blob := part.inline_data) is not None:
                said.append(f"file {blob.display_name!r} ({blob.mime_type}, {len(blob.data or b'')} bytes)")
            elif (file := part.file_data) is not None:
                # What follows the question mark may be what gives access to the file.
                said.append(f"file at {(file.file_uri or '').partition('?')[0]!r}")
            elif part.executable_code is not None or part.code_execution_result is not None:
                said.append("code")
        return ", ".join(said) or "nothing"

    def _json(self, value: Any) -> str:
        return self._shortened(msgspec.json.encode(redacted(value or {})).decode())

    def _error(self, error: Exception) -> str:
        return f"{type(error).__name__}: {self._quoted(str(error))}"

    def _quoted(self, text: str) -> str:
        """The text in quotes, on one line whatever it holds."""
        return repr(self._shortened(text))

    def _shortened(self, text: str) -> str:
        return text if len(text) <= self.max_length else f"{text[: self.max_length]}..."


def _level(response: LlmResponse) -> int:
    """Chunks are many: they are logged only where everything is."""
    return logging.DEBUG if response.partial else logging.INFO
