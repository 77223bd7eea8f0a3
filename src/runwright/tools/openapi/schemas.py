# SPDX-License-Identifier: Apache-2.0
"""The schemas of an OpenAPI document as JSON Schema that stands for itself (pure)."""

import re
from collections import Counter
from collections.abc import Mapping
from typing import Any, cast

from runwright.tools.openapi.spec import Document, Json

_ROOT = "#/$defs/"
_DEEPEST = 20
"""How many references deep schemas are written into each other."""
_TYPES = frozenset(("array", "boolean", "integer", "null", "number", "object", "string"))
_PLAIN = frozenset(
    (
        "description", "enum", "const", "default", "format", "pattern", "minimum", "maximum", "multipleOf", "minLength",
        "maxLength", "minItems", "maxItems", "uniqueItems", "minProperties", "maxProperties",
    )
)  # fmt: skip
_FILE = "A file: 'artifact:NAME' sends a file of this session, 'data:TYPE;base64,...' these bytes, other text itself."


class Schemas:
    """The schemas of a document, each converted once for all tools that show it to a model.

    What is referred to once is written where it stands; what several parts share, or what contains itself, is put under
    ``$defs``, so that the whole does not grow with the number of ways to a schema. Chains of references may be of any
    length.

    Args:
        document: Where references lead.
    """

    def __init__(self, document: Document) -> None:
        self._document = document
        self._names: dict[str, str] = {}
        self._references: dict[str, str] = {}
        self._definitions: dict[str, Json] = {}
        self._uses: dict[str, Counter[str]] = {}

    def convert(self, schema: Any) -> Json:
        """One schema; its references are to ``$defs`` until ``finish``."""
        if not isinstance(schema, dict):
            return {"not": {}} if schema is False else {}
        given = cast("Json", schema)
        reference = given.get("$ref")
        if isinstance(reference, str):
            beside = {"description": given["description"]} if "description" in given else {}
            return {"$ref": _ROOT + self._name_of(reference), **beside}
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

    def check(self, schema: Json) -> None:
        """Follows all references of a tool's schema.

        Raises:
            ConfigurationError: One of them leads nowhere.
        """
        todo = list(_references_in(schema))
        for name in todo:
            if name not in self._definitions:
                self._definitions[name] = made = self.convert(self._document.at(self._references[name]))
                self._uses[name] = _references_in(made)
                todo.extend(self._uses[name])

    def finish(self, schema: Json) -> Json:
        """The whole schema of one tool, which was checked, with the definitions that it needs."""
        uses = _references_in(schema)
        todo = list(uses)
        for name in todo:
            todo.extend(inner for inner in self._uses[name] if inner not in uses)
            uses.update(self._uses[name])
        writer = _Writer(self._definitions, uses)
        made = writer.written(schema)
        return {**made, "$defs": writer.definitions} if writer.definitions else made

    def _name_of(self, reference: str) -> str:
        """The name under ``$defs`` of what a reference leads to."""
        name = self._names.get(reference)
        if name is None:
            wanted = re.sub(r"[^a-zA-Z0-9_.-]", "_", reference.rpartition("/")[2]) or "schema"
            name, number = wanted, 2
            while name in self._references:
                name, number = f"{wanted}_{number}", number + 1
            self._names[reference] = name
            self._references[name] = reference
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


class _Writer:
    """Writes the schema of one tool.

    Attributes:
        definitions: What is to stand under ``$defs``.
    """

    def __init__(self, known: Mapping[str, Json], uses: Mapping[str, int]) -> None:
        self.definitions: dict[str, Json] = {}
        self._known = known
        # A reference that is the only one to a schema cannot be part of a circle that is entered there.
        self._inline = {name for name, times in uses.items() if times == 1 or _is_leaf(known[name])}
        self._todo: list[str] = []

    def written(self, schema: Json) -> Json:
        """A schema, and with it the definitions that it needs."""
        made = self._written(schema, 0)
        for name in self._todo:
            self.definitions[name] = self._written(self._known[name], 0)
        return made

    def _written(self, value: Any, depth: int) -> Any:
        if isinstance(value, list):
            return [self._written(inner, depth) for inner in cast("list[Any]", value)]
        if not isinstance(value, dict):
            return value
        given = cast("Json", value)
        name = _referred_to(given)
        if name is None:
            return {key: self._written(inner, depth) for key, inner in given.items()}
        beside = {key: inner for key, inner in given.items() if key != "$ref"}
        if name in self._inline and depth < _DEEPEST:
            return {**self._written(self._known[name], depth + 1), **beside}
        if name not in self.definitions:
            self.definitions[name] = {}
            self._todo.append(name)
        return {"$ref": _ROOT + name, **beside}


def _references_in(value: Any) -> Counter[str]:
    """How often a converted schema refers to each name."""
    found: Counter[str] = Counter()
    todo: list[Any] = [value]
    while todo:
        one = todo.pop()
        if isinstance(one, dict):
            if (name := _referred_to(cast("Json", one))) is not None:
                found[name] += 1
            todo.extend(cast("Json", one).values())
        elif isinstance(one, list):
            todo.extend(cast("list[Any]", one))
    return found


def _referred_to(schema: Json) -> str | None:
    reference = schema.get("$ref")
    return reference.removeprefix(_ROOT) if isinstance(reference, str) and reference.startswith(_ROOT) else None


def is_file(schema: Json) -> bool:
    """Whether a schema is of bytes rather than of text."""
    if schema.get("format") == "binary":
        return True
    return schema.get("type") == "string" and "contentMediaType" in schema and "contentEncoding" not in schema


def _is_leaf(schema: Json) -> bool:
    return not any(isinstance(inner, dict | list) and key != "enum" for key, inner in schema.items())
