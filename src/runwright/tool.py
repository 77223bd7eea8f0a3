# SPDX-License-Identifier: Apache-2.0
"""BaseTool, FunctionTool, LongRunningFunctionTool: what a model may call; BaseToolset: tools that come as a set."""

import asyncio
import contextvars
import copy
import functools
import inspect
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from contextlib import aclosing
from typing import Any, ClassVar, Literal, Protocol, cast

from runwright.context import Context, ReadonlyContext, ToolContext
from runwright.errors import ConfigurationError, ToolArgumentsError
from runwright.model import LlmRequest
from runwright.schema import Signature
from runwright.types import FunctionDeclaration

OnResume = Literal["replay", "ask", "never"]

RequireConfirmation = bool | Callable[..., Any]
"""Whether the user has to allow each call, or a function of a call's arguments that tells; it may be a coroutine's."""


class BaseTool(ABC):
    """Something a model may call.

    Attributes:
        name: What the model calls it by.
        description: What the model is told about it.
        is_long_running: Its answer comes from outside, later; what it returns now is a first word on it, or None.
        timeout: Seconds that one call may take; None for ``RunConfig.tool_timeout``.
        on_resume: What becomes of a call that was under way when the process stopped. ``"never"``: it is not repeated,
            and the model is told that nobody knows whether it took effect; ``"replay"``: it is made again; ``"ask"``:
            the user is asked, which is the default where calls need confirmation. A call that had answered is never
            repeated.
        require_confirmation: Whether the user has to allow a call before it is made. The engine asks, and does not
            make the call unless the answer is plainly yes. An answer is for one call, with its arguments, once.
        reports_progress: Whether a call may report how far it is (``ToolContext.report_progress``), for which it gets a
            task of its own. Say False of a tool that never does.
    """

    on_resume: OnResume = "never"
    require_confirmation: RequireConfirmation = False
    reports_progress: bool = True

    def __init__(
        self,
        *,
        name: str,
        description: str,
        is_long_running: bool = False,
        custom_metadata: dict[str, Any] | None = None,
        timeout: float | None = None,
        on_resume: OnResume | None = None,
        require_confirmation: RequireConfirmation = False,
    ) -> None:
        if require_confirmation:
            self.require_confirmation = require_confirmation
            self.on_resume = "ask"
        if on_resume is not None:
            if on_resume not in ("replay", "ask", "never"):
                raise ConfigurationError(f"on_resume of tool {name!r} is 'replay', 'ask' or 'never', not {on_resume!r}")
            self.on_resume = on_resume
        self.name = name
        self.description = description
        self.is_long_running = is_long_running
        self.custom_metadata = custom_metadata
        self.timeout = timeout

    @property
    def runs_in_thread(self) -> bool:
        """Whether a call, once begun, cannot be stopped."""
        return False

    def get_declaration(self) -> FunctionDeclaration | None:
        """The tool as a model is shown it, by its name; None for one that the model does not call by name."""
        declaration = self._get_declaration()
        if declaration is None or declaration.name == self.name:
            return declaration
        return declaration.model_copy(update={"name": self.name})

    def _get_declaration(self) -> FunctionDeclaration | None:
        """What a tool of one's own overrides to be shown to the model."""
        return None

    async def check_require_confirmation(self, args: dict[str, Any], tool_context: ToolContext) -> bool:
        """Whether the user has to allow this call. Override it to decide in another way.

        Raises:
            ToolArgumentsError: The arguments do not fit; the model is told, and the user is not asked.
        """
        needed = self.require_confirmation
        if not callable(needed):
            return bool(needed)
        named = _named_by(needed, {**args, "tool_context": tool_context})
        try:
            inspect.signature(needed).bind(**named)
        except TypeError as error:
            raise ToolArgumentsError(f"Whether {self.name} may be called cannot be told: {error}") from error
        answer = needed(**named)
        return bool(await answer if inspect.isawaitable(answer) else answer)

    @abstractmethod
    async def run_async(self, *, args: dict[str, Any], tool_context: ToolContext) -> Any:
        """Does it.

        Args:
            args: The arguments as the model gave them.
            tool_context: State, artifacts, memory and actions.

        Returns:
            A dict, or any other JSON value, which goes to the model as ``{"result": value}``.

        Raises:
            ToolArgumentsError: The arguments do not fit; the model is told and may try again.
        """

    async def process_llm_request(self, *, tool_context: ToolContext, llm_request: LlmRequest) -> None:
        """Puts the tool into a request. Override it to change the request in another way."""
        llm_request.append_tools([self])


class FunctionTool(BaseTool):
    """A function as a tool: its signature and docstring are what the model is shown.

    A parameter called ``tool_context``, or annotated with ``ToolContext``, is not shown and gets the context. A plain
    ``def`` runs in a worker thread, an ``async def`` in the event loop. What an async generator yields is passed on to
    the caller at once, see ``ToolContext.deliver_progress``; its last value is the result too.

    Args:
        func: The function.
        name: Its name for the model, where that should be another.
        run_in_thread: False runs a plain ``def`` in the event loop: right for one that returns at once.
        timeout: Seconds that one call may take.
        on_resume: What becomes of a call that was under way when the process stopped: ``"never"`` repeated, made again
            (``"replay"``: right where repeating does no harm), or the user is asked (``"ask"``).
        require_confirmation: Whether the user has to allow each call; or a function that gets of the call's arguments
            those that it names, and ``tool_context``, and tells.

    Raises:
        UnsupportedTypeError: A parameter's type cannot be shown to a model.
    """

    hidden_parameters: ClassVar[tuple[str, ...]] = ("tool_context",)
    """The names of parameters that the model is not shown."""

    def __init__(
        self,
        func: Callable[..., Any],
        *,
        name: str | None = None,
        description: str | None = None,
        is_long_running: bool = False,
        custom_metadata: dict[str, Any] | None = None,
        run_in_thread: bool = True,
        timeout: float | None = None,
        on_resume: OnResume | None = None,
        require_confirmation: RequireConfirmation = False,
    ) -> None:
        if not callable(func):
            raise ConfigurationError(f"{func!r} cannot be a tool: give a function, a BaseTool or a BaseToolset")
        self.func = func
        self.signature = Signature.of(func, name=name, hidden=self.hidden_parameters, hidden_type=_is_context)
        super().__init__(
            name=self.signature.name,
            description=self.signature.description if description is None else description,
            is_long_running=is_long_running,
            custom_metadata=custom_metadata,
            timeout=timeout,
            on_resume=getattr(func, "on_resume", None) if on_resume is None else on_resume,
            require_confirmation=require_confirmation,
        )
        is_function = inspect.isroutine(func) or isinstance(cast("Any", func), functools.partial)
        target: Any = func if is_function else cast("Any", type(cast("Any", func))).__call__
        self._is_generator = inspect.isasyncgenfunction(target)
        self.reports_progress = self._is_generator or bool(self.signature.hidden)
        self._in_loop = not run_in_thread or self._is_generator or inspect.iscoroutinefunction(target)
        self._declaration = FunctionDeclaration(
            name=self.name, description=self.description or None, parameters_json_schema=self.signature.parameters
        )

    @property
    def runs_in_thread(self) -> bool:
        return not self._in_loop

    def _get_declaration(self) -> FunctionDeclaration:
        return self._declaration

    async def check_require_confirmation(self, args: dict[str, Any], tool_context: ToolContext) -> bool:
        if not self.require_confirmation:
            return False
        values = self.signature.decode(args)
        if callable(self.require_confirmation):
            parameters = inspect.signature(self.func).parameters.values()
            values = {one.name: one.default for one in parameters if one.default is not one.empty} | values
        return await super().check_require_confirmation(values, tool_context)

    async def run_async(self, *, args: dict[str, Any], tool_context: ToolContext) -> Any:
        return await self.invoke(args, tool_context, {})

    async def invoke(self, args: dict[str, Any], tool_context: ToolContext, hidden: Mapping[str, Any]) -> Any:
        """Calls the function.

        Args:
            args: The arguments as the model gave them.
            tool_context: For the parameters that take it.
            hidden: The values of other parameters that the model is not shown.
        """
        values = self.signature.decode(args)
        for name in self.signature.hidden:
            values[name] = hidden.get(name, tool_context)
        if self._is_generator:
            result = None
            async with aclosing(self.func(**values)) as steps:
                async for step in steps:
                    result = step
                    await tool_context.deliver_progress(step)
            return result
        if self._in_loop:
            result = self.func(**values)
        else:
            call = functools.partial(contextvars.copy_context().run, self.func, **values)
            executor = tool_context.invocation_context.executor
            result = await asyncio.get_running_loop().run_in_executor(executor, call)
        return await result if inspect.isawaitable(result) else result


class LongRunningFunctionTool(FunctionTool):
    """A function that starts something whose outcome comes later, as a function response from outside."""

    def __init__(self, func: Callable[..., Any], **options: Any) -> None:
        super().__init__(func, is_long_running=True, **options)
        note = "This starts something that takes long: do not call it again when it has answered that it is under way."
        self.description = f"{self.description}\n\n{note}" if self.description else note
        self._declaration.description = self.description


ToolFilter = Sequence[str] | Callable[[BaseTool, ReadonlyContext | None], bool]
"""The names of the tools to keep, or what says of each whether to keep it."""


class BaseToolset(ABC):
    """Tools that come as a set, perhaps from elsewhere, asked for anew in each run.

    Args:
        tool_filter: Which of them to keep.
        tool_name_prefix: Put before each name, with ``_`` between.
    """

    def __init__(self, *, tool_filter: ToolFilter | None = None, tool_name_prefix: str | None = None) -> None:
        self.tool_filter = tool_filter
        self.tool_name_prefix = tool_name_prefix

    @abstractmethod
    async def get_tools(self, readonly_context: ReadonlyContext | None = None) -> list[BaseTool]:
        """The tools, before the filter and the prefix."""

    async def get_selected_tools(self, readonly_context: ReadonlyContext | None = None) -> list[BaseTool]:
        """The tools, filtered, under the names that the model sees."""
        tools = await self.get_tools(readonly_context)
        chosen = [tool for tool in tools if self._selects(tool, readonly_context)]
        if not self.tool_name_prefix:
            return chosen
        return [_renamed(tool, f"{self.tool_name_prefix}_{tool.name}") for tool in chosen]

    def _selects(self, tool: BaseTool, readonly_context: ReadonlyContext | None) -> bool:
        if self.tool_filter is None:
            return True
        if callable(self.tool_filter):
            return self.tool_filter(tool, readonly_context)
        return tool.name in self.tool_filter

    async def process_llm_request(self, *, tool_context: ToolContext, llm_request: LlmRequest) -> None:
        """Changes a request beside adding the tools. The default does nothing."""

    async def close(self) -> None:
        """Gives back what the set holds."""


class ForeignToolLike(Protocol):
    """What a tool of another framework has; and one of ``ainvoke``, ``invoke``, ``arun``, ``run``, ``_run``."""

    name: str
    description: str
    args_schema: Any


ToolUnion = BaseTool | BaseToolset | Callable[..., Any] | ForeignToolLike
"""What an agent's ``tools`` may hold."""


def _renamed(tool: BaseTool, name: str) -> BaseTool:
    """The tool under another name: a copy, so that it is still of its own kind, and changes requests as it does."""
    twin = copy.copy(tool)
    twin.name = name
    return twin


def _named_by(function: Callable[..., Any], values: dict[str, Any]) -> dict[str, Any]:
    """Those of the values that a function has parameters for."""
    parameters = inspect.signature(function).parameters
    if any(one.kind is inspect.Parameter.VAR_KEYWORD for one in parameters.values()):
        return values
    return {name: value for name, value in values.items() if name in parameters}


def _is_context(annotation: Any) -> bool:
    return isinstance(annotation, type) and issubclass(annotation, Context)
