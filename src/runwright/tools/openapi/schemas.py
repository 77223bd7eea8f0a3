# SPDX-License-Identifier: Apache-2.0
"""The schemas of an OpenAPI document as JSON Schema that stands for itself (pure)."""

import re
from typing import Any, cast

from runwright.tools.openapi.spec import Document, Json

_ROOT = "#/$defs/"
_TYPES = frozenset(("array", "boolean", "integer", "null", "number", "object", "string"))
_PLAIN = frozenset(
    (
        "description", "enum", "const", "default", "format", "pattern", "minimum", "maximum", "multipleOf", "minLength",
        "maxLength", "minItems", "maxItems", "uniqueItems", "minProperties", "maxProperties",
    )
)  # fmt: skip
_FILE = "A file: 'artifact:NAME' sends a file of this session, 'data:TYPE;base64,...' these bytes, other text itself."


class Schemas:
    """Converts the schemas that one tool shows to a model.

    What is referred to once is written where it stands; what several parts share, or what contains itself, is put under
    ``$defs``, so that the whole does not grow with the number of ways to a schema.

    Args:
        document: Where references lead.
    """

    def __init__(self, document: Document) -> None:
        self._document = document
        self._names: dict[str, str] = {}
        self._definitions: dict[str, Json] = {}
        self._uses: dict[str, int] = {}

    def convert(self, schema: Any) -> Json:
        """One schema; its references are to ``$defs`` until ``finish``."""
        if not isinstance(schema, dict):
            return {"not": {}} if schema is False else {}
        given = cast("Json", schema)
        reference = given.get("$ref")
        if isinstance(reference, str):
            beside = {"description": given["description"]} if "description" in given else {}
            return {"$ref": _ROOT + self._define(reference), **beside}
        made = {key: value for key, value in given.items() if key in _PLAIN}
        self._put_type(given, made)
        self._put_inner(given, made)
        for limit, exclusive in (("minimum", "exclusiveMinimum"), ("maximum", "exclusiveMaximum")):
            value = given.get(exclusive)
            if value is True and limit in made:
                made[exclusive] = made.pop(limit)
            elif isinstance(value, int | float) and not isinstance(value, bool):
                made[exclusive] = value
        if is_file(given):
            made.pop("format", None)
            made["description"] = f"{given['description']} ({_FILE})" if given.get("description") else _FILE
        return {"anyOf": [made, {"type": "null"}]} if given.get("nullable") is True and "type" not in made else made

    def finish(self, schema: Json) -> Json:
        """The whole schema, with the definitions that it needs."""
        needed: dict[str, Json] = {}
        made = self._inlined(schema, needed)
        return {**made, "$defs": needed} if needed else made

    def _define(self, reference: str) -> str:
        name = self._names.get(reference)
        if name is None:
            wanted = re.sub(r"[^a-zA-Z0-9_.-]", "_", reference.rpartition("/")[2]) or "schema"
            name, number = wanted, 2
            while name in self._definitions:
                name, number = f"{wanted}_{number}", number + 1
            self._names[reference] = name
            self._definitions[name] = {}
            self._uses[name] = 0
            self._definitions[name] = self.convert(self._document.at(reference))
        self._uses[name] += 1
        return name

    def _put_type(self, given: Json, made: Json) -> None:
        kinds: Any = given.get("type")
        listed = cast("list[Any]", kinds) if isinstance(kinds, list) else [kinds]
        types = [kind.lower() for kind in listed if isinstance(kind, str) and kind.lower() in _TYPES]
        if not types:
            return
        if given.get("nullable") is True and "null" not in types:
            types.append("null")
            if "enum" in made and None not in made["enum"]:
                made["enum"] = [*made["enum"], None]
        made["type"] = types[0] if len(types) == 1 else types

    def _put_inner(self, given: Json, made: Json) -> None:
        properties: Any = given.get("properties")
        if isinstance(properties, dict):
            shown = {str(name): inner for name, inner in cast("Json", properties).items() if not self._read_only(inner)}
            made["properties"] = {name: self.convert(inner) for name, inner in shown.items()}
            hidden = set(map(str, cast("Json", properties))) - set(shown)
        else:
            hidden = set[str]()
        required = [name for name in cast("list[str]", given.get("required") or []) if name not in hidden]
        if required:
            made["required"] = required
        for key in ("allOf", "anyOf", "oneOf", "prefixItems"):
            if isinstance(given.get(key), list):
                made[key] = [self.convert(inner) for inner in given[key]]
        for key in ("items", "not"):
            if key in given:
                made[key] = self.convert(given[key])
        rest: Any = given.get("additionalProperties")
        if rest is not None:
            made["additionalProperties"] = rest if isinstance(rest, bool) else self.convert(rest)

    def _read_only(self, schema: Any) -> bool:
        return isinstance(schema, dict) and self._document.follow(schema).get("readOnly") is True

    def _inlined(self, value: Any, needed: dict[str, Json]) -> Any:
        if isinstance(value, list):
            return [self._inlined(inner, needed) for inner in cast("list[Any]", value)]
        if not isinstance(value, dict):
            return value
        given = cast("Json", value)
        reference = given.get("$ref")
        if not isinstance(reference, str) or not reference.startswith(_ROOT):
            return {key: self._inlined(inner, needed) for key, inner in given.items()}
        name = reference.removeprefix(_ROOT)
        definition = self._definitions[name]
        beside = {key: inner for key, inner in given.items() if key != "$ref"}
        # A reference that is the only one to a schema cannot be part of a circle that is entered here.
        if self._uses[name] == 1 or _is_leaf(definition):
            return {**self._inlined(definition, needed), **beside}
        if name not in needed:
            needed[name] = {}
            needed[name] = self._inlined(definition, needed)
        return {"$ref": reference, **beside}


def is_file(schema: Json) -> bool:
    """Whether a schema is of bytes rather than of text."""
    if schema.get("format") == "binary":
        return True
    return schema.get("type") == "string" and "contentMediaType" in schema and "contentEncoding" not in schema


def _is_leaf(schema: Json) -> bool:
    return not any(isinstance(inner, dict | list) and key != "enum" for key, inner in schema.items())
