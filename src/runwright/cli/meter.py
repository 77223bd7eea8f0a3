# SPDX-License-Identifier: Apache-2.0
"""What a run costs: its model calls, tokens and tool calls, and how long each tool took."""

import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from runwright.plugin import BasePlugin

if TYPE_CHECKING:
    from runwright.context import CallbackContext, ToolContext
    from runwright.event import LlmResponse
    from runwright.tool import BaseTool


@dataclass(slots=True)
class Cost:
    """What was used. Agents that run as tools are counted too."""

    model_calls: int = 0
    tool_calls: int = 0
    tokens_in: int = 0
    tokens_out: int = 0
    seconds: float = 0.0

    def __add__(self, other: "Cost") -> "Cost":
        return Cost(
            self.model_calls + other.model_calls,
            self.tool_calls + other.tool_calls,
            self.tokens_in + other.tokens_in,
            self.tokens_out + other.tokens_out,
            self.seconds + other.seconds,
        )

    def __str__(self) -> str:
        tokens = f"{self.tokens_in + self.tokens_out:,} tokens ({self.tokens_in:,} in, {self.tokens_out:,} out)"
        calls = f"{_many(self.model_calls, 'model call')} · {_many(self.tool_calls, 'tool call')}"
        return f"{calls} · {tokens} · {self.seconds:.1f} s"


class Meter(BasePlugin):
    """Measures runs, one after the other. It is put before an app's own plugins, and decides nothing.

    Attributes:
        cost: Of the run so far.
    """

    def __init__(self) -> None:
        super().__init__("runwright_cli_meter")
        self.start()

    def start(self) -> None:
        """Begin a run."""
        self.cost = Cost()
        self._began = time.perf_counter()
        self._calls: dict[str, list[float]] = {}

    def stop(self) -> Cost:
        """End it, and give what it cost."""
        self.cost.seconds = time.perf_counter() - self._began
        return self.cost

    def seconds_of(self, call_id: str | None) -> float | None:
        """Tell how long a tool call took, or runs already; None where it never began."""
        times = self._calls.get(call_id or "")
        if times is None:
            return None
        return (times[1] if len(times) > 1 else time.perf_counter()) - times[0]

    async def after_model_callback(self, *, callback_context: "CallbackContext", llm_response: "LlmResponse") -> None:
        if llm_response.partial:
            return
        self.cost.model_calls += 1
        if (usage := llm_response.usage_metadata) is not None:
            read = usage.prompt_token_count or 0
            self.cost.tokens_in += read
            self.cost.tokens_out += max(0, (usage.total_token_count or 0) - read) or usage.candidates_token_count or 0

    async def before_tool_callback(
        self, *, tool: "BaseTool", tool_args: dict[str, Any], tool_context: "ToolContext"
    ) -> None:
        self.cost.tool_calls += 1
        self._calls[tool_context.function_call_id or ""] = [time.perf_counter()]

    async def after_tool_callback(
        self, *, tool: "BaseTool", tool_args: dict[str, Any], tool_context: "ToolContext", result: dict[str, Any]
    ) -> None:
        self._ended(tool_context)

    async def on_tool_error_callback(
        self, *, tool: "BaseTool", tool_args: dict[str, Any], tool_context: "ToolContext", error: Exception
    ) -> None:
        self._ended(tool_context)

    def _ended(self, tool_context: "ToolContext") -> None:
        times = self._calls.get(tool_context.function_call_id or "")
        if times is not None:  # otherwise it was declined, or answered before it began
            times.append(time.perf_counter())


def _many(number: int, thing: str) -> str:
    return f"{number:,} {thing}{'s' * (number != 1)}"
