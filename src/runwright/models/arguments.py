# SPDX-License-Identifier: Apache-2.0
"""The schema of a function's arguments, as providers take it: at the top it is of one object, and nothing else.

Schemas of tools from elsewhere may be choices between objects there, or joined of several, which some providers refuse
together with all that is asked.
"""

from collections.abc import Mapping
from typing import Any, cast

Json = dict[str, Any]

_CHOICES = ("anyOf", "oneOf")
_REFUSED = frozenset({*_CHOICES, "$ref", "allOf", "else", "enum", "if", "not", "then"})
_MOST_STEPS = 20


def object_schema(schema: Json) -> Json:
    """A schema with the arguments of all objects that the given one chooses from or joins.

    What all choices require is required. The given schema is not changed; it is given back where it is of one object.
    """
    if _REFUSED.isdisjoint(schema) and schema.get("type") == "object" and "properties" in schema:
        return schema
    properties, required = _arguments(schema, schema, 0)
    made = {key: value for key, value in schema.items() if key not in _REFUSED}
    made |= {"type": "object", "properties": properties}
    made.pop("required", None)
    if kept := [name for name in properties if name in required]:
        made["required"] = kept
    return made


def _arguments(schema: Any, root: Json, depth: int) -> tuple[Json, set[str]]:
    """The arguments that a schema names, and which of them it requires."""
    if not isinstance(schema, Mapping) or depth > _MOST_STEPS:
        return {}, set()
    given = cast("Json", schema)
    properties: Json = dict(given.get("properties") or {})
    required = set(cast("list[str]", given.get("required") or ()))
    joined: list[Any] = [*(given.get("allOf") or ())]
    if isinstance(reference := given.get("$ref"), str):
        joined.append(_at(reference, root))
    for one in joined:
        more, must = _arguments(one, root, depth + 1)
        properties = {**more, **properties}
        required |= must
    for key in _CHOICES:
        found = [_arguments(one, root, depth + 1) for one in given.get(key) or ()]
        for more, _ in found:
            properties = {**more, **properties}
        if found:
            required |= set[str].intersection(*(must for _, must in found))
    return properties, required


def _at(reference: str, root: Json) -> Any:
    """What a reference within the schema leads to."""
    value: Any = root
    for step in reference.removeprefix("#").split("/")[1:]:
        value = cast("Json", value).get(step.replace("~1", "/").replace("~0", "~")) if isinstance(value, dict) else None
    return value
