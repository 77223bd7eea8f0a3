# SPDX-License-Identifier: Apache-2.0
"""ForeignTool: a tool of another framework, by what it has; as_tool: the tool that an entry of ``tools`` makes."""

import asyncio
import contextvars
import functools
import inspect
import re
from collections.abc import Callable, Mapping
from typing import Any, cast

from runwright.context import ToolContext
from runwright.errors import ConfigurationError, InputValidationError, ToolArgumentsError, ToolExecutionError
from runwright.schema import Signature, json_schema, schema_decoder
from runwright.tool import BaseTool, BaseToolset, FunctionTool, ToolUnion
from runwright.types import FunctionDeclaration

_TAKE_DICT = ("ainvoke", "invoke")
_TAKE_KEYWORDS = ("arun", "run", "_run")
_ENDS_TURN = ("return_direct", "result_as_answer")
"""What LangChain and CrewAI call it that a tool's result is the answer."""


class ForeignTool(BaseTool):
    """A tool of another framework, such as LangChain or CrewAI, of which nothing is imported.

    What counts is what it has: a ``name``, a ``description``, an ``args_schema`` (a pydantic model or JSON Schema), and
    a way to call it. That is the first of ``ainvoke`` and ``invoke``, which take the arguments in a dict, ``arun``,
    ``run`` and ``_run``, which take keywords. The asynchronous ones count only where the tool has code of its own for
    them; the others are called in a worker thread. Without an ``args_schema`` the signature says what it takes.

    Its ``ToolException`` is told to the model; ``return_direct`` and ``result_as_answer`` end the turn.

    Args:
        tool: The tool.
        name: Its name for the model; its own, with ``_`` for what providers do not take, where it is missing.
        description: What the model is told about it.

    Raises:
        ConfigurationError: It cannot be called in any of these ways.
    """

    reports_progress = False

    def __init__(self, tool: Any, *, name: str | None = None, description: str | None = None) -> None:
        self.tool = tool
        self._method = _method_of(tool)
        called = name or re.sub(r"[^A-Za-z0-9_-]+", "_", str(getattr(tool, "name", "") or "")).strip("_")
        schema = _args_schema_of(tool)
        self._decode: Callable[[Any], Any] | None = None
        self._signature: Signature | None = None
        if schema is None:
            self._signature = Signature.of(getattr(tool, self._method), name=called or None)
            parameters = self._signature.parameters
        else:
            parameters = json_schema(schema, where=f"args_schema of tool {called!r}")
            self._decode = schema_decoder(schema, where=f"The arguments of {called}")
        called = called or (self._signature.name if self._signature is not None else type(tool).__name__)
        about = description if description is not None else str(getattr(tool, "description", "") or "")
        super().__init__(name=called, description=about)
        self._declaration = FunctionDeclaration(
            name=called, description=about or None, parameters_json_schema=parameters
        )

    @property
    def runs_in_thread(self) -> bool:
        return self._method not in ("ainvoke", "arun")

    def _get_declaration(self) -> FunctionDeclaration:
        return self._declaration

    async def run_async(self, *, args: dict[str, Any], tool_context: ToolContext) -> Any:
        call = functools.partial(getattr(self.tool, self._method), *self._positional(args), **self._keywords(args))
        try:
            if self.runs_in_thread:
                executor = tool_context.invocation_context.executor
                in_context = functools.partial(contextvars.copy_context().run, call)
                result = await asyncio.get_running_loop().run_in_executor(executor, in_context)
            else:
                result = call()
            result = await result if inspect.isawaitable(result) else result
        except Exception as error:
            if any(kind.__name__ == "ToolException" for kind in type(error).__mro__):
                raise ToolExecutionError(str(error)) from error  # as its author means it: the model is to read it
            raise
        if any(getattr(self.tool, name, False) is True for name in _ENDS_TURN):
            tool_context.actions.skip_summarization = True
        return result

    def _positional(self, args: dict[str, Any]) -> tuple[Any, ...]:
        if self._decode is not None:
            try:
                self._decode(args)  # it makes what it needs of them itself
            except InputValidationError as error:
                raise ToolArgumentsError(str(error)) from error
        return (args,) if self._method in _TAKE_DICT else ()

    def _keywords(self, args: dict[str, Any]) -> dict[str, Any]:
        if self._method in _TAKE_DICT:
            return {}
        return args if self._signature is None else self._signature.decode(args)


def as_tool(tool: ToolUnion, owner: str) -> BaseTool | BaseToolset:
    """A tool of what an agent was given.

    Raises:
        ConfigurationError: It cannot be one; the message names the agent.
    """
    if isinstance(tool, BaseTool | BaseToolset):
        return tool
    if _is_foreign(tool):
        return ForeignTool(tool)
    if not callable(tool):
        raise ConfigurationError(
            f"Agent {owner!r} has {tool!r} among its tools: give functions, BaseTool or BaseToolset objects, or tools "
            "of LangChain or CrewAI"
        )
    return FunctionTool(tool)


def _is_foreign(tool: Any) -> bool:
    """Whether it is an object with all that a tool of another framework has."""
    if isinstance(tool, type) or inspect.isroutine(tool):
        return False
    named = all(isinstance(getattr(tool, name, None), str) for name in ("name", "description"))
    return named and hasattr(tool, "args_schema") and _callable_ways(tool) != []


def _callable_ways(tool: Any) -> list[str]:
    return [name for name in (*_TAKE_DICT, *_TAKE_KEYWORDS) if callable(getattr(tool, name, None))]


def _method_of(tool: Any) -> str:
    """The method to call a tool by."""
    ways = [name for name in _callable_ways(tool) if _is_async(tool) or name not in ("ainvoke", "arun")]
    if not ways:
        raise ConfigurationError(
            f"{tool!r} cannot be a tool: it has none of {', '.join((*_TAKE_DICT, *_TAKE_KEYWORDS))} to call it by"
        )
    return ways[0]


def _is_async(tool: Any) -> bool:
    """Whether a tool has asynchronous code of its own, rather than what its base class makes of the plain one."""
    if hasattr(tool, "coroutine"):
        return tool.coroutine is not None
    if callable(wrapped := getattr(tool, "func", None)):
        return inspect.iscoroutinefunction(wrapped)
    kinds = type(tool).__mro__
    depth = {
        name: next((at for at, kind in enumerate(kinds) if name in vars(kind)), len(kinds))
        for name in ("_run", "_arun")
    }
    return depth["_arun"] <= depth["_run"]


def _args_schema_of(tool: Any) -> Any:
    """What a tool takes: a type, or JSON Schema; None where only its signature tells."""
    given = getattr(tool, "args_schema", None)
    if given is None:
        properties: Any = getattr(tool, "args", None)  # what LangChain's tools tell that were given none
        if not isinstance(properties, Mapping) or not properties:
            return None
        shown = {
            name: {key: value for key, value in one.items() if key != "title"}
            for name, one in cast("Mapping[str, dict[str, Any]]", properties).items()
        }
        required = [name for name, one in shown.items() if "default" not in one]
        return {"type": "object", "properties": shown, "required": required}
    # LangChain's own view of it leaves out what the model is not to give.
    schema = getattr(tool, "tool_call_schema", None) or given
    if isinstance(schema, type) and not hasattr(schema, "model_json_schema") and hasattr(schema, "schema"):
        return cast("Any", schema).schema()  # a model of pydantic 1
    return schema
