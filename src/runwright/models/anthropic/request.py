# SPDX-License-Identifier: Apache-2.0
"""From an LlmRequest to the body that the Messages API takes.

The body's keys, tools and settings have a fixed order and the messages come behind all that stays, so that the request
of a turn starts with the bytes of the one before.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Literal

from runwright.errors import ConfigurationError
from runwright.model import LlmRequest
from runwright.models.anthropic.blocks import kept_container
from runwright.models.anthropic.messages import messages_of, system_text
from runwright.models.anthropic.schemas import answer_schema, tools_of
from runwright.models.anthropic.traits import Traits
from runwright.models.left_out import LeftOut
from runwright.models.tool_names import PLAIN_NAMES
from runwright.types import FunctionCallingConfigMode, GenerateContentConfig, ThinkingConfig

ANSWER_TOOL = "give_answer"
"""The tool that a model answers by calling which cannot be held to a form otherwise."""

LONGEST_UNSTREAMED = 21_000
"""The most tokens that an answer may have which is not streamed: the SDK's ten minutes, at the provider's pace."""

LEFT_OUT = LeftOut(
    "Anthropic", ("max_output_tokens", "service_tier", "stop_sequences", "temperature", "top_k", "top_p")
)

SAMPLING = frozenset({"temperature", "top_k", "top_p"})

SAMPLING_VERSION = "2023-06-01"
"""The newest version of the API that takes a temperature and the like."""

_COUNTED = frozenset(
    {"cache_control", "context_management", "mcp_servers", "messages", "model", "output_config", "system", "thinking"}
    | {"tool_choice", "tools"}
)
"""What counting tokens takes of a request."""

_NO_CALLS = {"type": "none"}
_MOST_MARKS = 4
_LEAST_BUDGET = 1024
_BESIDE_BUDGET = 4096
_BUDGETS = {"MINIMAL": 1024, "LOW": 2048, "MEDIUM": 8192, "HIGH": 16_384, "XHIGH": 24_576, "MAX": 32_768}
_EFFORTS = {"MINIMAL": "low", "LOW": "low", "MEDIUM": "medium", "HIGH": "high", "XHIGH": "xhigh", "MAX": "max"}


@dataclass(frozen=True, kw_only=True)
class PromptCache:
    """Where the provider is to keep what it has read, so that it need not read it again.

    Attributes:
        ttl: How long, since it was last used: ``"5m"`` or ``"1h"``.
        tools: Whether the tools are kept by themselves.
        system: Whether the tools and the system instruction are kept by themselves.
        messages: ``"automatic"``: the whole request is kept, and the messages themselves are sent unmarked. Where the
            provider's API does not have this, as in some clouds: how many of the last messages of the user are marked.

    Raises:
        ConfigurationError: There are more marks than the four that the provider takes, or ``ttl`` is another.
    """

    ttl: Literal["5m", "1h"] = "5m"
    tools: bool = True
    system: bool = True
    messages: Literal["automatic"] | int = "automatic"

    def __post_init__(self) -> None:
        if self.ttl not in ("5m", "1h"):
            raise ConfigurationError(f"PromptCache.ttl is '5m' or '1h', not {self.ttl!r}")
        if self.messages != "automatic" and (type(self.messages) is not int or self.messages < 0):
            raise ConfigurationError(f"PromptCache.messages is 'automatic' or 0 or more, not {self.messages!r}")
        if self.tools + self.system + (1 if self.messages == "automatic" else self.messages) > _MOST_MARKS:
            raise ConfigurationError(f"The provider takes {_MOST_MARKS} marks: set PromptCache.messages to 2 or fewer")

    def mark(self) -> dict[str, Any]:
        """The mark on what is kept up to there."""
        return {"type": "ephemeral"} if self.ttl == "5m" else {"type": "ephemeral", "ttl": self.ttl}


def model_name(name: str) -> str:
    """A model's name as the provider spells it."""
    return name.removeprefix("anthropic/")


def build_body(
    request: LlmRequest,
    *,
    model: str,
    takes: Traits,
    max_tokens: int | None,
    cache: PromptCache | None,
    server_tools: list[dict[str, Any]],
    parallel_tool_calls: bool | None,
    shape: Callable[[dict[str, Any]], dict[str, Any]],
) -> dict[str, Any]:
    """The body of a request, without ``stream``.

    Args:
        model: The model's name as the provider spells it.
        takes: What the model takes.
        max_tokens: How long an answer may be where the request does not say.
        cache: What is to be kept; None: nothing.
        server_tools: Tools that the provider runs, in its own words, beside those of the request.
        parallel_tool_calls: Whether several tools may be called at once; None leaves that to the provider.
        shape: Makes a JSON Schema one that the provider takes.

    Raises:
        ModelBadRequestError: It holds a file that Claude cannot read.
        UnsupportedTypeError: The type of the answer has no JSON Schema.
    """
    config = request.config
    thinking, effort = _thinking(config.thinking_config, takes)
    most = config.max_output_tokens or max_tokens or _default_max_tokens(takes, thinking)
    body: dict[str, Any] = {"model": model, "max_tokens": most, **_settings(config, takes, model)}
    if cache is not None and cache.messages == "automatic":
        body["cache_control"] = cache.mark()
    if thinking is not None:
        body["thinking"] = thinking
    body |= _tools_and_form(config, takes, thinking, effort, server_tools, shape)
    if parallel_tool_calls is not None and body.get("tool_choice", _NO_CALLS) != _NO_CALLS:
        body["tool_choice"] = {**body["tool_choice"], "disable_parallel_tool_use": not parallel_tool_calls}
    if system := system_text(config.system_instruction):
        body["system"] = system
    if cache is not None:
        _mark_head(body, cache)
    body["messages"] = messages_of(request.contents)
    if cache is not None and isinstance(cache.messages, int):
        _mark_last(body["messages"], cache.messages, cache.mark())
    runs_there = any("input_schema" not in tool for tool in body.get("tools", ()))
    if runs_there and (container := kept_container(request.contents)) is not None:
        body["container"] = {"id": container}
    return body


def _tools_and_form(
    config: GenerateContentConfig,
    takes: Traits,
    thinking: Mapping[str, Any] | None,
    effort: str | None,
    server_tools: list[dict[str, Any]],
    shape: Callable[[dict[str, Any]], dict[str, Any]],
) -> dict[str, Any]:
    """What may be called, and what form the answer is to have: by the provider's own way, or else by a tool for it."""
    functions, others = tools_of(config.tools, takes.code_execution)
    choice = _tool_choice(config, functions)
    tools = [*functions, *others, *map(dict, server_tools)]
    schema = answer_schema(config)
    output: dict[str, Any] = {} if effort is None else {"effort": effort}
    if schema is not None and takes.formats:
        output["format"] = {"type": "json_schema", "schema": shape(schema)}
    elif schema is not None:
        tools.append(_answer_tool(schema))
        choice = _answer_choice(functions, thinking)
    made = {"output_config": output, "tool_choice": choice, "tools": tools}
    return {name: value for name, value in made.items() if value}


def _mark_head(body: dict[str, Any], cache: PromptCache) -> None:
    """Marks what comes before the messages."""
    if cache.tools and "tools" in body:
        body["tools"][-1] = {**body["tools"][-1], "cache_control": cache.mark()}
    if cache.system and "system" in body:
        body["system"] = [{"type": "text", "text": body["system"], "cache_control": cache.mark()}]


def count_body(body: Mapping[str, Any]) -> dict[str, Any]:
    """The body that asks how many tokens a request has."""
    return {name: value for name, value in body.items() if name in _COUNTED}


def _default_max_tokens(takes: Traits, thinking: Mapping[str, Any] | None) -> int:
    """What is thought counts, so there is room for an answer beside it."""
    budget: int = (thinking or {}).get("budget_tokens", 0)
    return max(takes.max_tokens, budget + _BESIDE_BUDGET)


def _settings(config: GenerateContentConfig, takes: Traits, model: str) -> dict[str, Any]:
    settings: dict[str, Any] = {}
    sampling = {
        "temperature": config.temperature,
        "top_k": None if config.top_k is None else int(config.top_k),
        "top_p": config.top_p,
    }
    for name, value in sampling.items():
        if value is not None and takes.samples:
            settings[name] = value
        elif value is not None:
            LEFT_OUT.tell_of(f"{name} for {model}")
    if config.stop_sequences:
        settings["stop_sequences"] = list(config.stop_sequences)
    if config.service_tier in ("auto", "standard_only"):
        settings["service_tier"] = config.service_tier
    elif config.service_tier is not None:
        LEFT_OUT.tell_of(f"service_tier {config.service_tier!r}")
    return settings


def _thinking(config: ThinkingConfig | None, takes: Traits) -> tuple[dict[str, Any] | None, str | None]:
    """How the model is to think, and with what effort it is to answer."""
    if config is None:
        return None, None
    budget, level = config.thinking_budget, (config.thinking_level or "").upper()
    if budget == 0:
        if takes.always_thinks:
            return None, "low"  # the least that it does
        return {"type": "between_tools" if takes.thinks_between else "disabled"}, None
    if budget is not None and budget > 0 and takes.budgets:
        made: dict[str, Any] = {"type": "enabled", "budget_tokens": max(budget, _LEAST_BUDGET)}
    elif takes.adapts:
        if budget is None and not level and not config.include_thoughts:
            return None, None
        made = {"type": "adaptive"}
    elif budget is not None or level or config.include_thoughts:
        made = {"type": "enabled", "budget_tokens": _BUDGETS.get(level, _BUDGETS["MEDIUM"])}
    else:
        return None, None
    if config.include_thoughts is False:
        made["display"] = "omitted"
    elif config.include_thoughts and takes.hides_thoughts:
        made["display"] = "summarized"
    return made, _EFFORTS.get(level) if takes.adapts else None


def _tool_choice(config: GenerateContentConfig, functions: list[dict[str, Any]]) -> dict[str, Any] | None:
    if not functions:
        return None
    calling = config.tool_config.function_calling_config if config.tool_config is not None else None
    mode = calling.mode if calling is not None else None
    if mode == FunctionCallingConfigMode.NONE:
        return dict(_NO_CALLS)
    if mode != FunctionCallingConfigMode.ANY or calling is None:
        return {"type": "auto"}
    allowed = [PLAIN_NAMES.shown(name) for name in calling.allowed_function_names or ()]
    if len(allowed) == 1:
        return {"type": "tool", "name": allowed[0]}
    if allowed:
        functions[:] = [function for function in functions if function["name"] in allowed]
    return {"type": "any"}


def _answer_tool(schema: dict[str, Any]) -> dict[str, Any]:
    wrapped = schema if schema.get("type") == "object" else _wrapped(schema)
    return {"name": ANSWER_TOOL, "description": "Gives your final answer.", "input_schema": wrapped}


def _wrapped(schema: dict[str, Any]) -> dict[str, Any]:
    inner = {name: value for name, value in schema.items() if name != "$defs"}
    made: dict[str, Any] = {"type": "object", "properties": {"answer": inner}, "required": ["answer"]}
    return {**made, "$defs": schema["$defs"]} if "$defs" in schema else made


def _answer_choice(functions: list[dict[str, Any]], thinking: Mapping[str, Any] | None) -> dict[str, Any]:
    """A model that thinks by a budget cannot be made to call."""
    if thinking is not None and thinking["type"] == "enabled":
        return {"type": "auto"}
    return {"type": "any"} if functions else {"type": "tool", "name": ANSWER_TOOL}


def _mark_last(messages: list[dict[str, Any]], count: int, mark: dict[str, Any]) -> None:
    """Marks the last messages of the user. The one before the newest is where the provider looks for what it has."""
    for message in reversed(messages):
        if count == 0:
            return
        if message["role"] == "user":
            message["content"][-1] = {**message["content"][-1], "cache_control": mark}
            count -= 1
