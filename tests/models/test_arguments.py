# SPDX-License-Identifier: Apache-2.0
"""Schemas of arguments that are choices or joined at the top, which providers refuse."""

from typing import Any

import pytest

from runwright import LlmRequest, types
from runwright.models.arguments import object_schema
from runwright.testing.wire import FaultServer
from tests.models.test_settings import good, model_of

TEXT = {"type": "string"}
BY_ID = {"type": "object", "properties": {"id": TEXT, "kind": TEXT}, "required": ["id", "kind"]}
BY_NAME = {"type": "object", "properties": {"name": TEXT, "kind": TEXT}, "required": ["name", "kind"]}
ALL = {"id": TEXT, "name": TEXT, "kind": TEXT}


@pytest.mark.parametrize("key", ["anyOf", "oneOf"])
def test_of_choices_all_arguments_are_taken_and_those_of_each_are_required(key: str) -> None:
    made = object_schema({"type": "object", key: [BY_ID, BY_NAME], "description": "By one of two."})
    assert made["properties"] == ALL and made["required"] == ["kind"]
    assert made["type"] == "object" and key not in made and made["description"] == "By one of two."


def test_what_is_joined_is_taken_whole() -> None:
    made = object_schema({"allOf": [BY_ID, {"$ref": "#/$defs/name"}], "$defs": {"name": BY_NAME}})
    assert made["properties"] == ALL and set(made["required"]) == {"id", "name", "kind"}


def test_a_reference_is_followed_but_not_in_circles() -> None:
    node = {**BY_ID, "properties": {**BY_ID["properties"], "next": {"$ref": "#/$defs/node"}}}
    made = object_schema({"$ref": "#/$defs/node", "$defs": {"node": node}})
    assert made["properties"] == node["properties"] and made["$defs"] == {"node": node}
    circle = object_schema({"$ref": "#/$defs/a", "$defs": {"a": {"$ref": "#/$defs/a"}}})
    assert circle["properties"] == {}
    assert object_schema({"$ref": "#/nowhere"}) == {"type": "object", "properties": {}}


def test_an_objects_schema_is_given_back() -> None:
    assert object_schema(BY_ID) is BY_ID
    assert object_schema({"type": "object"}) == {"type": "object", "properties": {}}


@pytest.mark.parametrize("provider", ["claude", "responses", "chat"])
async def test_the_provider_is_shown_an_object(provider: str) -> None:
    schema: dict[str, Any] = {"type": "object", "oneOf": [BY_ID, BY_NAME]}
    tool = types.Tool(function_declarations=[types.FunctionDeclaration(name="find", parameters_json_schema=schema)])
    request = LlmRequest(contents=[types.UserContent("Hi")], config=types.GenerateContentConfig(tools=[tool]))
    with FaultServer([good(provider)]) as server:
        model = model_of(provider, server.url)
        assert [one async for one in model.generate_content_async(request)]
        await model.close()
        [shown] = server.requests[0].json()["tools"]
    given = {"claude": shown, "responses": shown, "chat": shown.get("function")}[provider]
    made = given["input_schema" if provider == "claude" else "parameters"]
    assert made["type"] == "object" and set(made["properties"]) == set(ALL) and "oneOf" not in made
