# SPDX-License-Identifier: Apache-2.0
"""ReflectAndRetryToolPlugin: a tool that fails tells the model how to do better."""

import enum
import threading
from typing import Any

from runwright.context import ToolContext
from runwright.errors import ConfigurationError, ToolError, ToolExecutionError
from runwright.invocation import InvocationContext
from runwright.plugin import BasePlugin
from runwright.tool import BaseTool

REFLECT_AND_RETRY_RESPONSE_TYPE = "ERROR_HANDLED_BY_REFLECT_AND_RETRY_PLUGIN"
"""The ``response_type`` of the results that the plugin gives."""


class TrackingScope(enum.Enum):
    """Over what failures are counted: one run, or all that the plugin sees."""

    INVOCATION = "invocation"
    GLOBAL = "global"


class ReflectAndRetryToolPlugin(BasePlugin):
    """Makes of a tool's failure a result that says what went wrong and how often, so that the model tries better.

    Failures in a row are counted for each tool by its name; a success sets its count back. Unknown tools and arguments
    that do not fit count too, in place of ``RunConfig.max_tool_errors``.

    Args:
        name: The plugin's name.
        max_retries: How many failures in a row of one tool the model may answer with another try.
        throw_exception_if_retry_exceeded: One failure more ends the run with the tool's error. Where this is False, the
            model is told to leave the tool alone.
        tracking_scope: Over what failures are counted.

    Raises:
        ConfigurationError: ``max_retries`` is negative.
    """

    def __init__(
        self,
        name: str = "reflect_retry_tool_plugin",
        max_retries: int = 3,
        throw_exception_if_retry_exceeded: bool = True,
        tracking_scope: TrackingScope = TrackingScope.INVOCATION,
    ) -> None:
        super().__init__(name)
        if max_retries < 0:
            raise ConfigurationError(f"max_retries is 0 or more, not {max_retries}")
        self.max_retries = max_retries
        self.throw_exception_if_retry_exceeded = throw_exception_if_retry_exceeded
        self.tracking_scope = tracking_scope
        self._failures: dict[str | None, dict[str, int]] = {}
        self._lock = threading.Lock()

    async def extract_error_from_result(
        self, *, tool: BaseTool, tool_args: dict[str, Any], tool_context: ToolContext, result: dict[str, Any]
    ) -> Any:
        """What is wrong with a result, where a tool says so rather than raises; None for nothing. To be overridden."""
        return None

    async def after_tool_callback(
        self, *, tool: BaseTool, tool_args: dict[str, Any], tool_context: ToolContext, result: dict[str, Any]
    ) -> dict[str, Any] | None:
        if result.get("response_type") == REFLECT_AND_RETRY_RESPONSE_TYPE:
            return None  # The plugin's own, made of an error: no success.
        error = await self.extract_error_from_result(
            tool=tool, tool_args=tool_args, tool_context=tool_context, result=result
        )
        if error:
            answer = self._guidance(tool, tool_context, error)
            if answer is None:
                raise ToolExecutionError(f"{tool.name} failed: {error}")
            return answer
        with self._lock:
            self._failures.get(self._scope(tool_context), {}).pop(tool.name, None)
        return None

    async def on_tool_error_callback(
        self, *, tool: BaseTool, tool_args: dict[str, Any], tool_context: ToolContext, error: Exception
    ) -> dict[str, Any] | None:
        answer = self._guidance(tool, tool_context, error)
        if answer is None and isinstance(error, ToolError):
            # Unanswered, the model would be told of it once more; any other error ends the run as it is.
            raise error
        return answer

    async def after_run_callback(self, *, invocation_context: InvocationContext) -> None:
        self._forget(invocation_context)

    async def on_run_error_callback(self, *, invocation_context: InvocationContext, error: Exception) -> None:
        self._forget(invocation_context)

    def _forget(self, ctx: InvocationContext) -> None:
        with self._lock:
            self._failures.pop(ctx.invocation_id, None)

    def _scope(self, context: ToolContext) -> str | None:
        return context.invocation_id if self.tracking_scope is TrackingScope.INVOCATION else None

    def _guidance(self, tool: BaseTool, context: ToolContext, error: Any) -> dict[str, Any] | None:
        """Counts a failure and gives what the model is told; None where the run is to end."""
        with self._lock:
            counts = self._failures.setdefault(self._scope(context), {})
            count = counts[tool.name] = counts.get(tool.name, 0) + 1
        if count > self.max_retries and self.throw_exception_if_retry_exceeded:
            return None
        return {
            "response_type": REFLECT_AND_RETRY_RESPONSE_TYPE,
            "error_type": type(error).__name__ if isinstance(error, Exception) else "ToolError",
            "error_details": str(error),
            "retry_count": min(count, self.max_retries),
            "reflection_guidance": self._advice(tool.name, count),
        }

    def _advice(self, tool_name: str, count: int) -> str:
        if count > self.max_retries:
            return (
                f"{tool_name} has failed {count} times in a row. Do not call it again for this request: reach the goal "
                "in another way, or tell the user what cannot be done and why."
            )
        return (
            f"{tool_name} failed; you have try {count} of {self.max_retries} now. The same call would fail again: read "
            "the error, compare your arguments with what the tool declares, and ask yourself whether something has to "
            "be done first, whether another tool fits better, or whether smaller steps would work."
        )
