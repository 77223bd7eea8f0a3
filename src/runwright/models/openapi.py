# SPDX-License-Identifier: Apache-2.0
"""The schemas of the Gemini API, a subset of OpenAPI's, as JSON Schema (pure)."""

from collections.abc import Mapping
from typing import Any, cast


def json_schema_of(schema: Mapping[str, Any]) -> dict[str, Any]:
    """JSON Schema that says what a schema of the Gemini API's says, but for its examples and the order of properties.

    Source: https://ai.google.dev/api/caching#Schema.
    """
    made: dict[str, Any] = {}
    for key, value in schema.items():
        if key == "type":
            made[key] = str(value).lower()
        elif key == "properties":
            made[key] = {name: json_schema_of(one) for name, one in value.items()}
        elif key in ("items", "additionalProperties") and isinstance(value, Mapping):
            made[key] = json_schema_of(cast("Mapping[str, Any]", value))
        elif key == "anyOf":
            made[key] = [json_schema_of(one) for one in value]
        elif key not in ("nullable", "propertyOrdering", "example"):
            made[key] = value
    return {"anyOf": [made, {"type": "null"}]} if schema.get("nullable") else made
