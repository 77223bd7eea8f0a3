# SPDX-License-Identifier: Apache-2.0
"""DebugLoggingPlugin: writes down all that happens in runs, as lines of JSON."""

import functools
import os
import threading
from collections.abc import Callable
from typing import Any, BinaryIO

import msgspec

from runwright import clock
from runwright.context import Context
from runwright.invocation import InvocationContext
from runwright.model import LlmRequest
from runwright.plugin import HOOKS, BasePlugin
from runwright.plugins.redaction import redacted


class DebugLoggingPlugin(BasePlugin):
    """Appends a line of JSON to a file for each hook: its name, the time, the invocation, and what the hook was given.

    Values whose keys name a secret are hidden, and the bytes of files are left out; texts are written whole, so the
    file is as private as the conversations in it. Only the owner may read a file that the plugin creates.

    Args:
        output_path: The file. It is opened when something is first written, and closed with the runner.
        name: The plugin's name.
    """

    def __init__(self, output_path: str | os.PathLike[str], name: str = "debug_logging_plugin") -> None:
        super().__init__(name)
        self.output_path = output_path
        self._file: BinaryIO | None = None
        self._lock = threading.Lock()
        for hook in HOOKS:
            setattr(self, hook, functools.partial(self._write, hook.removesuffix("_callback")))

    async def close(self) -> None:
        with self._lock:
            file, self._file = self._file, None
        if file is not None:
            file.close()

    def _write(self, hook: str, **offered: Any) -> None:
        line: dict[str, Any] = {"time": clock.now(), "hook": hook}
        for name, value in offered.items():
            line.update(_described(name, value))
        data = msgspec.json.encode(redacted(line)) + b"\n"
        with self._lock:
            if self._file is None:
                # Unbuffered: what was written is there though the process is killed.
                self._file = open(self.output_path, "ab", buffering=0, opener=_private)  # noqa: SIM115 - see close()
            self._file.write(data)


def _private(path: str, flags: int) -> int:
    return os.open(path, flags, 0o600)


def _described(name: str, value: Any) -> dict[str, Any]:
    """What one of a hook's arguments adds to the line."""
    if isinstance(value, Exception):
        return {"error": {"type": type(value).__name__, "message": str(value)}}
    if isinstance(value, LlmRequest):
        config = value.config.model_dump(mode="json", exclude_none=True, exclude={"tools", "response_schema"})
        return {
            "llmRequest": {"model": value.model, "contents": list(value.contents), "config": config},
            "tools": list(value.tools_dict),
        }
    describe = _DESCRIBED.get(name)
    return {_camel(name): value} if describe is None else describe(value)


def _run(ctx: InvocationContext) -> dict[str, Any]:
    session = ctx.session
    return {
        "invocationId": ctx.invocation_id,
        "appName": session.app_name,
        "userId": session.user_id,
        "sessionId": session.id,
    }


def _call(context: Context) -> dict[str, Any]:
    return {"invocationId": context.invocation_id, "agent": context.agent_name, "callId": context.function_call_id}


_DESCRIBED: dict[str, Callable[[Any], dict[str, Any]]] = {
    "invocation_context": _run,
    "callback_context": lambda context: {"invocationId": context.invocation_id, "agent": context.agent_name},
    "tool_context": _call,
    "agent": lambda agent: {"agent": agent.name},
    "tool": lambda tool: {"tool": tool.name},
}


def _camel(name: str) -> str:
    first, *rest = name.split("_")
    return first + "".join(word.capitalize() for word in rest)
