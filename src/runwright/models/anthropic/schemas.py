# SPDX-License-Identifier: Apache-2.0
"""Tools and forms of answers as Claude takes them: JSON Schema."""

from collections.abc import Mapping
from typing import Any, cast

from runwright.models.openapi import json_schema_of
from runwright.schema import json_schema
from runwright.types import FunctionDeclaration, GenerateContentConfig, Schema, Tool

_SERVER_TOOLS: dict[str, dict[str, Any]] = {
    "google_search": {"type": "web_search_20250305", "name": "web_search"},
    "url_context": {"type": "web_fetch_20250910", "name": "web_fetch"},
}
"""What the provider runs itself, by the names that these tools have in our vocabulary."""


def tools_of(given: list[Any] | None, code_execution: str) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    """The functions that a request declares, and the tools in it that the provider runs itself.

    A dict with a ``type`` is such a tool, in the provider's own words.

    Args:
        code_execution: The version of code execution that the model takes.
    """
    functions: list[dict[str, Any]] = []
    server: list[dict[str, Any]] = []
    for one in given or ():
        if isinstance(one, Mapping) and "type" in one:
            server.append(dict(cast("Mapping[str, Any]", one)))
            continue
        tool = Tool.model_validate(one)
        functions.extend(_function(declaration) for declaration in tool.function_declarations or ())
        server.extend(dict(shown) for name, shown in _SERVER_TOOLS.items() if getattr(tool, name) is not None)
        if tool.code_execution is not None:
            server.append({"type": code_execution, "name": "code_execution", **tool.code_execution})
    return functions, server


def answer_schema(config: GenerateContentConfig) -> dict[str, Any] | None:
    """The JSON Schema that an answer is to have; None where any text will do."""
    wanted: Any = config.response_schema if config.response_schema is not None else config.response_json_schema
    if wanted is None:
        return None
    if isinstance(wanted, Schema):
        return json_schema_of(wanted.model_dump(mode="json", by_alias=True, exclude_none=True))
    if isinstance(wanted, Mapping) and str(cast("Mapping[str, Any]", wanted).get("type", "")).isupper():
        return json_schema_of(cast("Mapping[str, Any]", wanted))
    return json_schema(wanted, where="output_schema")


def _function(declaration: FunctionDeclaration) -> dict[str, Any]:
    schema: dict[str, Any] = {"type": "object", "properties": {}}
    if declaration.parameters_json_schema is not None:
        schema = declaration.parameters_json_schema
    elif declaration.parameters is not None:
        schema = json_schema_of(declaration.parameters.model_dump(mode="json", by_alias=True, exclude_none=True))
    return {"name": declaration.name or "", "description": declaration.description or "", "input_schema": schema}
