# SPDX-License-Identifier: Apache-2.0
"""Which tools a request shows and whether they are to be called, and how much the model is to think."""

from collections.abc import Mapping
from typing import Any, Literal, NamedTuple, cast

from runwright.models.left_out import LeftOut
from runwright.models.openai.schemas import parameters, strict_schema
from runwright.models.tool_names import PLAIN_NAMES
from runwright.types import (
    FunctionCallingConfigMode,
    FunctionDeclaration,
    GenerateContentConfig,
    Tool,
    text_of,
    to_content,
)

_SEARCHES = ("google_search", "google_search_retrieval", "enterprise_web_search", "url_context")
_HERE = frozenset({*_SEARCHES, "code_execution", "computer_use", "file_search"})
_LEFT_OUT = LeftOut("OpenAI's Responses API", ())
_LEFT_OUT_OF_CHAT = LeftOut("Chat Completions", ())
_LITTLE, _SOME = 2048, 8192
"""Up to how many tokens of thought are low and medium effort."""


class ShownFunction(NamedTuple):
    """A function as both APIs show it."""

    name: str
    description: str | None
    parameters: dict[str, Any]
    strict: bool


class ToolChoice(NamedTuple):
    """Whether tools are to be called, and which."""

    mode: Literal["auto", "none", "required"]
    names: list[str]


def shown_tools(config: GenerateContentConfig, *, own: bool, runs_tools: bool) -> list[ShownFunction | dict[str, Any]]:
    """The request's tools in their order: functions, and tools of the provider's as they go into the request.

    Args:
        own: Whether the model is one of OpenAI's own, which can be held to schemas strictly.
        runs_tools: Whether the API has tools that the provider runs; where it has none, those of our vocabulary are
            left out, and those in the provider's own words passed on all the same.
    """
    shown: list[ShownFunction | dict[str, Any]] = []
    for tool in config.tools or ():
        if isinstance(tool, Mapping) and "type" in tool:
            shown.append(dict(cast("Mapping[str, Any]", tool)))
            continue
        known = Tool.model_validate(tool)
        shown.extend(_function(declaration, own) for declaration in known.function_declarations or ())
        native = _native(known) if runs_tools else []
        shown.extend(one for one in native if one not in shown)
        _tell_of_others(known, runs_tools)
    return shown


def _tell_of_others(tool: Tool, runs_tools: bool) -> None:
    for name in Tool.__struct_fields__:
        is_known = name == "function_declarations" or (runs_tools and name in _HERE)
        if not is_known and getattr(tool, name) is not None:
            (_LEFT_OUT if runs_tools else _LEFT_OUT_OF_CHAT).tell_of(f"tool {name}")


def _function(declaration: FunctionDeclaration, own: bool) -> ShownFunction:
    given = parameters(declaration)
    strict = strict_schema(given) if own else None
    schema = given if strict is None else strict
    name = PLAIN_NAMES.shown(declaration.name or "")
    return ShownFunction(name, declaration.description or None, schema, strict is not None)


def _native(tool: Tool) -> list[dict[str, Any]]:
    """The tools that the provider runs itself, by what is nearest to them."""
    native: list[dict[str, Any]] = []
    if any(getattr(tool, name) is not None for name in _SEARCHES):
        native.append({"type": "web_search"})  # their settings are Google's
    if tool.code_execution is not None:
        native.append({"type": "code_interpreter", "container": {"type": "auto"}, **tool.code_execution})
    if tool.file_search is not None:
        native.append({"type": "file_search", **tool.file_search})
    if tool.computer_use is not None:
        native.append({"type": "computer", **tool.computer_use})
    return native


def tool_choice(config: GenerateContentConfig) -> ToolChoice | None:
    """What the request says of calling tools; None where that is the model's to decide."""
    calling = config.tool_config.function_calling_config if config.tool_config is not None else None
    if calling is None or not config.tools:
        return None
    names = [PLAIN_NAMES.shown(name) for name in calling.allowed_function_names or ()]
    if calling.mode == FunctionCallingConfigMode.NONE:
        return ToolChoice("none", [])
    if calling.mode == FunctionCallingConfigMode.ANY:
        return ToolChoice("required", names)
    return ToolChoice("auto", names) if names else None


def effort(config: GenerateContentConfig) -> str | None:
    """How much the model is to think, in the provider's words; None for its own default."""
    thinking = config.thinking_config
    if thinking is None:
        return None
    if thinking.thinking_level:
        return thinking.thinking_level.lower()
    budget = thinking.thinking_budget
    if budget is None or budget < 0:
        return None
    if budget == 0:
        return "minimal"
    return "low" if budget <= _LITTLE else "medium" if budget <= _SOME else "high"


def wants_thoughts(config: GenerateContentConfig) -> bool:
    """Whether the model's thoughts are asked for."""
    return config.thinking_config is not None and bool(config.thinking_config.include_thoughts)


def instructions(config: GenerateContentConfig) -> str:
    """The system instruction as a text."""
    given = config.system_instruction
    return given if isinstance(given, str) else text_of(to_content(given)) if given else ""
