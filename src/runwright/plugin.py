# SPDX-License-Identifier: Apache-2.0
"""BasePlugin: hooks into all runs of an app; PluginManager and first_answer: the one place that calls every hook."""

import inspect
import weakref
from collections.abc import Awaitable, Callable, Iterable
from typing import TYPE_CHECKING, Any, cast

from runwright.errors import ConfigurationError, PluginError, RunwrightError

if TYPE_CHECKING:
    from runwright.agent import BaseAgent
    from runwright.context import CallbackContext, ToolContext
    from runwright.event import Event, LlmResponse
    from runwright.invocation import InvocationContext
    from runwright.model import LlmRequest
    from runwright.tool import BaseTool
    from runwright.types import Content


class BasePlugin:
    """Hooks into all runs of an app. Override the ones you need; each may be ``async`` or plain.

    A hook that returns something other than None decides: no later plugin and no callback of the agent is asked, and
    what it returned is used. The error hooks of the agent and the run are told and decide nothing.
    """

    def __init__(self, name: str) -> None:
        self.name = name

    async def on_user_message_callback(
        self, *, invocation_context: "InvocationContext", user_message: "Content"
    ) -> "Content | None":
        """A message came in; what is returned takes its place."""

    async def before_run_callback(self, *, invocation_context: "InvocationContext") -> "Content | None":
        """The run is about to start; a returned message ends it at once."""

    async def on_event_callback(self, *, invocation_context: "InvocationContext", event: "Event") -> "Event | None":
        """An event is about to be stored and passed on; a returned one takes its place."""

    async def after_run_callback(self, *, invocation_context: "InvocationContext") -> None:
        """The run ended, or its caller left."""

    async def close(self) -> None:
        """The runner is being closed."""

    async def before_agent_callback(
        self, *, agent: "BaseAgent", callback_context: "CallbackContext"
    ) -> "Content | None":
        """An agent is about to run; a returned message is its answer."""

    async def after_agent_callback(
        self, *, agent: "BaseAgent", callback_context: "CallbackContext"
    ) -> "Content | None":
        """An agent ended; a returned message is added to what it said."""

    async def before_model_callback(
        self, *, callback_context: "CallbackContext", llm_request: "LlmRequest"
    ) -> "LlmResponse | None":
        """A model is about to be asked; a returned response is its answer."""

    async def after_model_callback(
        self, *, callback_context: "CallbackContext", llm_response: "LlmResponse"
    ) -> "LlmResponse | None":
        """A model answered, whole or a chunk; a returned response takes its place."""

    async def on_model_error_callback(
        self, *, callback_context: "CallbackContext", llm_request: "LlmRequest", error: Exception
    ) -> "LlmResponse | None":
        """A model failed; a returned response is its answer, otherwise the error goes on."""

    async def before_tool_callback(
        self, *, tool: "BaseTool", tool_args: dict[str, Any], tool_context: "ToolContext"
    ) -> dict[str, Any] | None:
        """A tool is about to be called; a returned dict is its result. ``tool_args`` may be changed."""

    async def after_tool_callback(
        self, *, tool: "BaseTool", tool_args: dict[str, Any], tool_context: "ToolContext", result: dict[str, Any]
    ) -> dict[str, Any] | None:
        """A tool answered; a returned dict takes the result's place."""

    async def on_tool_error_callback(
        self, *, tool: "BaseTool", tool_args: dict[str, Any], tool_context: "ToolContext", error: Exception
    ) -> dict[str, Any] | None:
        """A tool failed; a returned dict is its result, otherwise the error goes on."""

    async def on_agent_error_callback(
        self, *, agent: "BaseAgent", callback_context: "CallbackContext", error: Exception
    ) -> None:
        """An agent failed."""

    async def on_run_error_callback(self, *, invocation_context: "InvocationContext", error: Exception) -> None:
        """The run failed, was cancelled or took too long."""


HOOKS = tuple(name for name in vars(BasePlugin) if name.endswith("_callback"))


class PluginManager:
    """The plugins of an app, in order.

    Raises:
        ConfigurationError: Two have the same name, or one is no plugin.
    """

    def __init__(self, plugins: Iterable[BasePlugin] = ()) -> None:
        self.plugins: list[BasePlugin] = []
        self._hooks: dict[str, tuple[tuple[BasePlugin, Callable[..., Any]], ...]] = dict.fromkeys(HOOKS, ())
        for plugin in plugins:
            self.register_plugin(plugin)

    def register_plugin(self, plugin: BasePlugin) -> None:
        """Adds a plugin after those that are there."""
        if not isinstance(plugin, BasePlugin):
            raise ConfigurationError(f"{plugin!r} is no plugin: make it of a class that derives from BasePlugin")
        if self.get_plugin(plugin.name) is not None:
            raise ConfigurationError(f"Two plugins are called {plugin.name!r}: give one another name")
        self.plugins.append(plugin)
        for hook in HOOKS:
            if getattr(type(plugin), hook) is not getattr(BasePlugin, hook) or hook in vars(plugin):
                self._hooks[hook] += ((plugin, getattr(plugin, hook)),)

    def get_plugin(self, name: str) -> BasePlugin | None:
        """The plugin of this name."""
        return next((plugin for plugin in self.plugins if plugin.name == name), None)

    def listens(self, hook: str) -> bool:
        """Whether any plugin overrides this hook: the quick way around the hot ones."""
        return bool(self._hooks[hook])

    async def first_answer(self, hook: str, **offered: Any) -> Any:
        """Calls a hook of all plugins in order until one returns something other than None, and gives that.

        Raises:
            PluginError: A hook raised something that is not Runwright's own; the cause is chained.
        """
        for plugin, function in self._hooks[hook]:
            answer = await _asked(plugin, hook, function, offered)
            if answer is not None:
                return answer
        return None

    async def tell(self, hook: str, **offered: Any) -> None:
        """Calls a hook of all plugins, whatever they return. Raises what :meth:`first_answer` raises."""
        for plugin, function in self._hooks[hook]:
            await _asked(plugin, hook, function, offered)


async def _asked(plugin: BasePlugin, hook: str, function: Callable[..., Any], offered: dict[str, Any]) -> Any:
    try:
        answer = function(**offered)
        return await answer if inspect.isawaitable(answer) else answer
    except RunwrightError:
        raise
    except Exception as error:
        raise PluginError(f"Plugin {plugin.name!r} failed in {hook}: {error}") from error


Callback = Callable[..., Any | Awaitable[Any]]
Callbacks = Callback | list[Callback] | None
"""One callable or a list of them, plain or async."""


async def first_answer(callbacks: Callbacks, **offered: Any) -> Any:
    """Calls an agent's callbacks in order until one returns something other than None, and gives that.

    A callback takes what it names of what is offered, by keyword; one with other names takes it by position.
    """
    if callbacks is None:
        return None
    listed: list[Callback] = cast("list[Callback]", callbacks) if isinstance(callbacks, list) else [callbacks]
    for callback in listed:
        names, positions = _binding(callback, tuple(offered))
        if names is None:
            answer = callback(*list(offered.values())[:positions])
        else:
            answer = callback(**{name: offered[name] for name in names})
        if inspect.isawaitable(answer):
            answer = await answer
        if answer is not None:
            return answer
    return None


_Binding = tuple[tuple[str, ...] | None, int | None]
"""The names to call a callback with; where it goes by position, None and how many it takes (None: all)."""

_bindings: "weakref.WeakKeyDictionary[Any, dict[Any, _Binding]]" = weakref.WeakKeyDictionary()
"""What is known of callbacks, as long as they live."""


def _binding(callback: Callback, offered: tuple[str, ...]) -> _Binding:
    function: Any = getattr(callback, "__func__", callback)
    try:
        known = _bindings.setdefault(function, {})
    except TypeError:  # an object without a hash is looked at anew each time
        known = {}
    key = (offered, function is callback)
    binding = known.get(key)
    if binding is None:
        binding = known[key] = _bound(callback, offered)
    return binding


def _bound(callback: Callback, offered: tuple[str, ...]) -> _Binding:
    parameters = list(inspect.signature(callback).parameters.values())
    named = [one for one in parameters if one.kind not in (one.VAR_POSITIONAL, one.VAR_KEYWORD)]
    by_name = {one.name for one in named if one.kind is not one.POSITIONAL_ONLY}
    if {one.name for one in named if one.default is one.empty} <= by_name & set(offered):
        if any(one.kind is one.VAR_KEYWORD for one in parameters):
            return offered, None
        taken = tuple(name for name in offered if name in by_name)
        if taken or not parameters:
            return taken, None
    if any(one.kind is one.VAR_POSITIONAL for one in parameters):
        return None, None
    return None, sum(one.kind in (one.POSITIONAL_ONLY, one.POSITIONAL_OR_KEYWORD) for one in named)
