# SPDX-License-Identifier: Apache-2.0
"""FunctionNode: a function as a node."""

import asyncio
import contextlib
import contextvars
import functools
import inspect
from collections.abc import AsyncGenerator, Callable, Generator
from concurrent.futures import Executor
from contextlib import aclosing
from typing import Any, NamedTuple, cast

from runwright.context import Context
from runwright.errors import ConfigurationError, InputValidationError, UnsupportedTypeError
from runwright.schema import schema_decoder
from runwright.schema.annotations import Resolver, members
from runwright.state import State
from runwright.workflow.base import BaseNode
from runwright.workflow.context import NodeContext
from runwright.workflow.values import read

_END = object()


class _Parameter(NamedTuple):
    """A parameter of a node's function: where its value comes from, and how it is made to fit."""

    name: str
    default: Any
    takes_context: bool
    kinds: tuple[type, ...]
    """What is taken as it is."""
    decode: Callable[[Any], Any] | None


class FunctionNode(BaseNode):
    """A function as a node: plain (run in a worker thread), ``async``, or a generator of either kind.

    The parameter ``node_input`` gets what the node before gave; one called ``ctx``, or annotated with a context, gets
    the :class:`NodeContext`; any other gets the state's value of its name, or its default. What the function returns
    is the output; a generator yields it, and events beside it.

    Attributes:
        func: The function.
    """

    func: Callable[..., Any]

    def __init__(self, **values: Any) -> None:
        func: Any = values.get("func")
        if not callable(func):
            raise ConfigurationError(f"{func!r} cannot be a node: give a function, an agent, a tool or a BaseNode")
        target: Any = cast("functools.partial[Any]", func).func if isinstance(func, functools.partial) else func
        name = values.get("name") or getattr(cast("Any", func), "__name__", None) or getattr(target, "__name__", None)
        doc = values.get("description") or inspect.getdoc(target) or ""
        values |= {"name": name or type(target).__name__, "description": doc}
        super().__init__(**values)
        is_function = inspect.isroutine(target)
        code: Any = target if is_function else type(target).__call__
        self._is_async = inspect.isasyncgenfunction(code) or inspect.iscoroutinefunction(code)
        self._is_generator = inspect.isasyncgenfunction(code) or inspect.isgeneratorfunction(code)
        self._parameters = self._read_parameters(func, code)

    def _read_parameters(self, func: Any, code: Any) -> list[_Parameter]:
        resolve = Resolver(inspect.unwrap(code))
        found: list[_Parameter] = []
        for each in inspect.signature(func).parameters.values():
            if each.kind in (each.VAR_POSITIONAL, each.VAR_KEYWORD):
                continue
            if each.kind is each.POSITIONAL_ONLY:
                raise ConfigurationError(
                    f"Node {self.name!r}: {each.name!r} is given by name; remove the '/' behind it"
                )
            annotation: Any = Any
            decode: Callable[[Any], Any] | None = None
            with contextlib.suppress(UnsupportedTypeError):  # Its values are passed as they are.
                annotation = Any if each.annotation is each.empty else resolve(each.annotation, each.name)
                if annotation not in (Any, object):
                    decode = schema_decoder(annotation, where=f"Parameter {each.name!r} of node {self.name!r}")
            kinds = tuple(part for part in members(annotation) if isinstance(part, type))
            takes_context = each.name == "ctx" or any(issubclass(kind, Context) for kind in kinds)
            found.append(_Parameter(each.name, each.default, takes_context, kinds, decode))
        return found

    def _arguments(self, ctx: NodeContext, node_input: Any) -> dict[str, Any]:
        values: dict[str, Any] = {}
        state: State = ctx.state
        for each in self._parameters:
            if each.takes_context:
                values[each.name] = ctx
            elif each.name == "node_input":
                values[each.name] = _fit(each, node_input)
            elif each.name in state:
                values[each.name] = _fit(each, state[each.name])
            elif each.default is inspect.Parameter.empty:
                raise InputValidationError(
                    f"Node {self.name!r} needs {each.name!r}, and the session's state has no such key: have a node "
                    f"before it write ctx.state[{each.name!r}], give the parameter a default, or call it node_input to "
                    "get what the node before gave"
                )
        return values

    async def run_node_impl(self, *, ctx: NodeContext, node_input: Any) -> AsyncGenerator[Any, None]:
        arguments = self._arguments(ctx, node_input)
        if self._is_generator:
            made = self.func(**arguments)
            items = made if self._is_async else _in_threads(made, ctx.invocation_context.executor)
            async with aclosing(items):
                async for item in items:
                    yield item
            return
        if self._is_async:
            result = await self.func(**arguments)
        else:
            call = functools.partial(contextvars.copy_context().run, self.func, **arguments)
            result = await asyncio.get_running_loop().run_in_executor(ctx.invocation_context.executor, call)
            result = await result if inspect.isawaitable(result) else result
        yield result


def _fit(parameter: _Parameter, value: Any) -> Any:
    if parameter.decode is None or isinstance(value, parameter.kinds):
        return value
    return read(value, parameter.decode)


async def _in_threads(items: Generator[Any, None, None], executor: Executor | None) -> AsyncGenerator[Any, None]:
    """What a plain generator yields, each step run in a worker thread."""
    loop, context = asyncio.get_running_loop(), contextvars.copy_context()
    in_step = False
    try:
        while True:
            in_step = True
            item = await loop.run_in_executor(executor, functools.partial(context.run, next, items, _END))
            in_step = False
            if item is _END:
                return
            yield item
    finally:
        if not in_step:  # A step that runs on in its thread cannot be closed from here.
            context.run(items.close)
