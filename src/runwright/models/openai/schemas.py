# SPDX-License-Identifier: Apache-2.0
"""JSON Schema as OpenAI takes it: a function's parameters, and the form of an answer; strict where that is possible.

A model that is held strictly to a schema cannot answer with anything else. It takes only a part of JSON Schema, in
which each object names all its properties, all of them required.
"""

import functools
import re
from collections.abc import Mapping
from typing import Any, NamedTuple, cast

import msgspec

from runwright.models.arguments import object_schema
from runwright.models.openapi import json_schema_of
from runwright.record import Record
from runwright.schema import json_schema
from runwright.types import FunctionDeclaration, GenerateContentConfig

_DEEPEST = 10
_KEPT = frozenset(
    {"$ref", "const", "description", "enum", "exclusiveMaximum", "exclusiveMinimum", "maxItems", "maximum", "minItems"}
    | {"minimum", "multipleOf", "pattern", "title", "type"}
)
"""What says something of a value alone, and may stand in a strict schema."""
_FORMATS = frozenset({"date", "date-time", "duration", "email", "hostname", "ipv4", "ipv6", "time", "uuid"})
_SAYS_WHAT = frozenset({"$ref", "anyOf", "const", "enum", "type"})
_NOT_IN_NAMES = re.compile(r"[^A-Za-z0-9_-]+")

ANSWER = "answer"
"""The property that holds an answer which is no object."""


class OutputForm(NamedTuple):
    """The form that an answer is to have.

    Attributes:
        name: What the form is called.
        schema: Its schema, of an object; None for any JSON.
        strict: Whether the model can be held to it strictly.
        wrapped: Whether the answer is the object's one property, since only objects can be asked for.
    """

    name: str
    schema: dict[str, Any] | None
    strict: bool = False
    wrapped: bool = False


def parameters(declaration: FunctionDeclaration) -> dict[str, Any]:
    """A function's parameters as JSON Schema."""
    if declaration.parameters_json_schema is not None:
        return object_schema(declaration.parameters_json_schema)
    if declaration.parameters is not None:
        return json_schema_of(declaration.parameters.model_dump(mode="json", by_alias=True, exclude_none=True))
    return {"type": "object", "properties": {}}


def strict_schema(schema: Mapping[str, Any], *, narrow: bool = False) -> dict[str, Any] | None:
    """The same schema in the strict part of JSON Schema; None where there it cannot be said.

    Args:
        schema: The schema of an object.
        narrow: Whether properties that may be left out may be made required. That is right for an answer, which fits
            all the same, and wrong for arguments, whose defaults would never be used.
    """
    made = _strict(schema, narrow, 0) if schema.get("type") == "object" else None
    definitions = schema.get("$defs")
    if made is None or definitions is None:
        return made
    made["$defs"] = {}
    for name, definition in cast("Mapping[str, Any]", definitions).items():
        strict = _strict(definition, narrow, 1)
        if strict is None:
            return None
        made["$defs"][name] = strict
    return made


def output_form(config: GenerateContentConfig) -> OutputForm | None:
    """The form that a request asks its answer to have; None where it asks for text."""
    wanted: Any = config.response_schema if config.response_schema is not None else config.response_json_schema
    if wanted is None:
        return OutputForm("json", None) if config.response_mime_type == "application/json" else None
    if isinstance(wanted, Record):
        return _form(json_schema_of(wanted.model_dump(mode="json", by_alias=True, exclude_none=True)), None)
    if not isinstance(wanted, Mapping):
        return _form_of_type(wanted)
    schema = cast("Mapping[str, Any]", wanted)
    # In the Gemini API's words types are written in capitals.
    return _form(json_schema_of(schema) if str(schema.get("type")).isupper() else dict(schema), None)


@functools.lru_cache(maxsize=256)
def _form_of_type(wanted: Any) -> OutputForm:
    """The form that a type stands for; making its schema takes most of the time that a short request takes."""
    return _form(json_schema(wanted, where="output_schema"), getattr(wanted, "__name__", None))


def _form(schema: dict[str, Any], name: str | None) -> OutputForm:
    title = schema.pop("title", None) or name
    wrapped = schema.get("type") != "object"
    if wrapped:
        definitions = schema.pop("$defs", None)
        schema = {"type": "object", "properties": {ANSWER: schema}, "required": [ANSWER]}
        if definitions is not None:
            schema["$defs"] = definitions
    strict = strict_schema(schema, narrow=True)
    shown = "" if wrapped else _NOT_IN_NAMES.sub("_", str(title or "")).strip("_")[:64]
    return OutputForm(shown or "result", schema if strict is None else strict, strict is not None, wrapped)


def unwrapped(text: str) -> str:
    """An answer without the object around it; the text as it is where that is not what was asked for."""
    try:
        found = msgspec.json.decode(text)
    except msgspec.DecodeError:
        return text
    if not isinstance(found, dict) or ANSWER not in found:
        return text
    return msgspec.json.encode(cast("dict[str, Any]", found)[ANSWER]).decode()


def _strict(schema: Any, narrow: bool, depth: int) -> dict[str, Any] | None:
    if not isinstance(schema, Mapping) or depth > _DEEPEST:
        return None
    given = cast("Mapping[str, Any]", schema)
    if _SAYS_WHAT.isdisjoint(given):
        return None
    made: dict[str, Any] = {}
    for key, value in given.items():
        if key in _KEPT or (key == "format" and value in _FORMATS):
            made[key] = value
        elif key == "items":
            made[key] = _strict(value, narrow, depth + 1)
        elif key == "anyOf":
            made[key] = [_strict(one, narrow, depth + 1) for one in value]
        elif not (key in ("$defs", "additionalProperties", "properties", "required") or (key == "default" and narrow)):
            return None
    if ("items" in made and made["items"] is None) or None in made.get("anyOf", ()):
        return None
    if "$ref" in made and len(made) > 1:
        made = {"anyOf": [{"$ref": made.pop("$ref")}], **made}  # beside a reference nothing else may stand
    types = given.get("type")
    if (types == "array" or (isinstance(types, list) and "array" in types)) and "items" not in made:
        return None
    if types == "object":
        return _strict_object(given, made, narrow, depth)
    return None if "properties" in given or (isinstance(types, list) and "object" in types) else made


def _strict_object(given: Mapping[str, Any], made: dict[str, Any], narrow: bool, depth: int) -> dict[str, Any] | None:
    properties: Mapping[str, Any] | None = given.get("properties")
    if properties is None or given.get("additionalProperties") not in (None, False):
        return None
    if not narrow and set(given.get("required", ())) != set(properties):
        return None
    made["properties"] = {name: _strict(one, narrow, depth + 1) for name, one in properties.items()}
    if None in made["properties"].values():
        return None
    made["required"] = list(properties)
    made["additionalProperties"] = False
    return made
