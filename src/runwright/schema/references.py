# SPDX-License-Identifier: Apache-2.0
"""JSON Schemas of types that contain themselves: these are referred to, all others are written where they stand."""

import itertools
from collections.abc import Callable
from typing import Any, cast

Schema = dict[str, Any]

_ROOT = "#/$defs/"


class Definitions:
    """The definitions that the parts of one schema share."""

    def __init__(self) -> None:
        self._schemas: dict[str, Schema] = {}
        self._names: dict[Any, str] = {}
        self._open: set[Any] = set()

    def place(self, key: Any, wanted: str, make: Callable[[], Schema]) -> Schema:
        """The schema of a type, or a reference to it if the type contains itself.

        Args:
            key: What tells the type from all others.
            wanted: A name for its definition, made unique.
            make: Makes the schema. Met again on the way, the key gives a reference.
        """
        if key not in self._names and key in self._open:
            taken = self._names.values()
            names = itertools.chain([wanted], (f"{wanted}_{number}" for number in itertools.count(2)))
            self._names[key] = next(name for name in names if name not in taken)
        elif key not in self._names:
            self._open.add(key)
            schema = make()
            self._open.remove(key)
            if key not in self._names:
                return schema
            self._schemas[self._names[key]] = schema
        return {"$ref": _ROOT + self._names[key]}

    def finish(self, schema: Schema) -> Schema:
        """The whole schema. Providers want the object itself at the top, also where it is a reference further down."""
        if "$ref" in schema:
            rest = {key: value for key, value in schema.items() if key != "$ref"}
            schema = {**self._schemas[schema["$ref"].removeprefix(_ROOT)], **rest}
        return {**schema, "$defs": self._schemas} if self._schemas else schema

    def adopt(self, owner: Any, schema: Schema) -> Schema:
        """A schema that its owner made, with the definitions of its own placed, and without titles."""
        own: dict[str, Schema] = schema.get("$defs", {})

        def placed(part: Schema) -> Schema:
            found = _map_inner(part, placed)
            # The mapping of an OpenAPI discriminator points at definitions that are gone.
            for key in ("title", "discriminator", "$defs"):
                found.pop(key, None)
            name = found.pop("$ref", "").removeprefix(_ROOT)
            return {**self.place((owner, name), name, lambda: placed(own[name])), **found} if name else found

        return placed(schema)


def _map_inner(schema: Schema, change: Callable[[Schema], Schema]) -> Schema:
    """A copy of the schema in which each schema directly inside is changed. Data (defaults, enums) is not touched."""
    found = dict(schema)
    for key, value in schema.items():
        if key in ("properties", "patternProperties") and isinstance(value, dict):
            found[key] = {name: change(inner) for name, inner in cast(Schema, value).items()}
        elif key in ("anyOf", "oneOf", "allOf", "prefixItems") and isinstance(value, list):
            found[key] = [change(inner) for inner in cast(list[Schema], value)]
        elif key in ("items", "additionalProperties", "propertyNames", "contains", "not") and isinstance(value, dict):
            found[key] = change(cast(Schema, value))
    return found
