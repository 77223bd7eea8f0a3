# SPDX-License-Identifier: Apache-2.0
"""Types as JSON Schema, and JSON back as values of them."""

import dataclasses
import datetime
import decimal
import json
import re
import sys
import uuid
from collections.abc import Iterable, Mapping, Sequence
from typing import (  # noqa: UP035  (the old spellings are under test)
    Annotated,
    Any,
    Dict,
    List,
    Literal,
    Optional,
    Tuple,
    Union,
)

import msgspec
import pydantic
import pydantic.dataclasses
import pytest

from runwright.errors import UnsupportedTypeError
from runwright.schema import Signature, json_schema, schema_decoder
from tests.unit.schema_samples import (
    INTEGER,
    ITEM_SCHEMA,
    NULL,
    STRING,
    UTC,
    Box,
    Circle,
    Color,
    Counted,
    Husband,
    Item,
    Level,
    Mixed,
    Movie,
    Node,
    Options,
    Order,
    Pair,
    Point,
    Sparse,
    Square,
    Team,
    Tree,
    User,
    UserId,
    Wife,
    Words,
    signature_for,
)

USER_SCHEMA = {
    "type": "object",
    "description": "Somebody.",
    "properties": {
        "name": {"type": "string", "description": "the whole name"},
        "age": {"type": "integer", "default": 3, "minimum": 0},
    },
    "required": ["name"],
}
ID = uuid.UUID("6b820120-a85c-4549-8d49-b44f74bab003")

# type, its JSON Schema, a JSON value, the Python value of it
TYPES: list[tuple[Any, Any, Any, Any]] = [
    (int, INTEGER, 5, 5),
    (str, STRING, "five", "five"),
    (float, {"type": "number"}, 5.5, 5.5),
    (bool, {"type": "boolean"}, True, True),
    (None, NULL, None, None),
    (Any, {}, {"a": [1]}, {"a": [1]}),
    (object, {}, 3, 3),
    (list, {"type": "array"}, [1, "a"], [1, "a"]),
    (list[int], {"type": "array", "items": INTEGER}, [1, 2], [1, 2]),
    (List[int], {"type": "array", "items": INTEGER}, [1], [1]),  # noqa: UP006
    (Sequence[int], {"type": "array", "items": INTEGER}, [1], [1]),
    (Iterable[int], {"type": "array", "items": INTEGER}, [1], [1]),
    (dict, {"type": "object"}, {"a": 1}, {"a": 1}),
    (Dict[str, int], {"type": "object", "additionalProperties": INTEGER}, {"a": 1}, {"a": 1}),  # noqa: UP006
    (Mapping[str, int], {"type": "object", "additionalProperties": INTEGER}, {"a": 1}, {"a": 1}),
    (dict[int, str], {"type": "object", "additionalProperties": STRING}, {"1": "a"}, {1: "a"}),
    (tuple, {"type": "array"}, [1, "a"], (1, "a")),
    (tuple[int, ...], {"type": "array", "items": INTEGER}, [1, 2], (1, 2)),
    (
        Tuple[int, str],  # noqa: UP006
        {"type": "array", "prefixItems": [INTEGER, STRING], "items": False, "minItems": 2, "maxItems": 2},
        [1, "a"],
        (1, "a"),
    ),
    (set[int], {"type": "array", "items": INTEGER, "uniqueItems": True}, [1, 2, 2], {1, 2}),
    (frozenset[int], {"type": "array", "items": INTEGER, "uniqueItems": True}, [1], frozenset({1})),
    (Literal["a", "b"], {"type": "string", "enum": ["a", "b"]}, "b", "b"),
    (Literal[1, 2], {"type": "integer", "enum": [1, 2]}, 2, 2),
    (Literal["a", None, 1], {"enum": ["a", None, 1]}, None, None),
    (Literal[Color.RED], {"type": "string", "enum": ["red"]}, "red", Color.RED),
    (Color, {"type": "string", "enum": ["red", "blue"]}, "blue", Color.BLUE),
    (Level, {"type": "integer", "enum": [1, 2]}, 2, Level.HIGH),
    (Mixed, {"enum": [1, "word", 0.5]}, 0.5, Mixed.HALF),
    (Optional[int], {"anyOf": [INTEGER, NULL]}, None, None),  # noqa: UP045
    (Union[int, str], {"anyOf": [INTEGER, STRING]}, "a", "a"),  # noqa: UP007
    (int | list[int] | None, {"anyOf": [INTEGER, {"type": "array", "items": INTEGER}, NULL]}, [1], [1]),
    (Color | None, {"anyOf": [{"type": "string", "enum": ["red", "blue"]}, NULL]}, "red", Color.RED),
    (
        datetime.date | Literal["today"],
        {"anyOf": [{"type": "string", "format": "date"}, {"type": "string", "enum": ["today"]}]},
        "today",
        "today",
    ),
    (
        list[int] | set[str],
        {"anyOf": [{"type": "array", "items": INTEGER}, {"type": "array", "items": STRING, "uniqueItems": True}]},
        ["a"],
        {"a"},
    ),
    (
        Movie,
        {"type": "object", "properties": {"title": STRING, "year": INTEGER}, "required": ["title"]},
        {"title": "M"},
        {"title": "M"},
    ),
    (
        Sparse,
        {"type": "object", "properties": {"key": STRING, "note": STRING}, "required": ["key"]},
        {"key": "k", "note": "n"},
        {"key": "k", "note": "n"},
    ),
    (Item, ITEM_SCHEMA, {"name": "pen", "price": 2}, Item("pen", 2.0)),
    (Options, {"type": "object", "properties": {"loud": {"type": "boolean", "default": False}}}, {}, Options()),
    (
        Order,
        {
            "type": "object",
            "description": "What somebody buys.",
            "properties": {
                "items": {"type": "array", "items": ITEM_SCHEMA, "description": "What is in the basket."},
                "color": {"type": "string", "enum": ["red", "blue"], "default": "red"},
            },
            "required": ["items"],
        },
        {"items": [{"name": "pen"}], "color": "blue"},
        Order([Item("pen")], Color.BLUE),
    ),
    (
        Tree,
        {
            "type": "object",
            "properties": {
                "value": INTEGER,
                "children": {"type": "array", "items": {"$ref": "#/$defs/Tree"}, "default": []},
            },
            "required": ["value"],
            "$defs": {
                "Tree": {
                    "type": "object",
                    "properties": {
                        "value": INTEGER,
                        "children": {"type": "array", "items": {"$ref": "#/$defs/Tree"}, "default": []},
                    },
                    "required": ["value"],
                }
            },
        },
        {"value": 1, "children": [{"value": 2}]},
        Tree(1, [Tree(2)]),
    ),
    (
        Box[int],
        {
            "type": "object",
            "properties": {"content": INTEGER, "more": {"type": "array", "items": INTEGER}},
            "required": ["content", "more"],
        },
        {"content": 1, "more": [2]},
        Box(1, [2]),
    ),
    (
        Point,
        {
            "type": "object",
            "description": "A place on the map.",
            "properties": {
                "gridX": INTEGER,
                "gridY": {"type": "integer", "minimum": 0, "description": "upwards", "default": 0},
            },
            "required": ["gridX"],
        },
        {"gridX": 1, "gridY": 2},
        Point(1, 2),
    ),
    (
        Pair[str],
        {"type": "object", "properties": {"left": STRING, "right": STRING}, "required": ["left", "right"]},
        {"left": "a", "right": "b"},
        Pair("a", "b"),
    ),
    (
        Circle | Square,
        {
            "anyOf": [
                {
                    "type": "object",
                    "properties": {"type": {"type": "string", "enum": ["circle"]}, "radius": {"type": "number"}},
                    "required": ["type", "radius"],
                    "additionalProperties": False,
                },
                {
                    "type": "object",
                    "properties": {"type": {"type": "string", "enum": ["square"]}, "side": {"type": "number"}},
                    "required": ["type", "side"],
                },
            ]
        },
        {"type": "square", "side": 2},
        Square(2.0),
    ),
    (User, USER_SCHEMA, {"name": "Ann", "age": "4"}, User(name="Ann", age=4)),
    (list[User], {"type": "array", "items": USER_SCHEMA}, [{"name": "Ann"}], [User(name="Ann")]),
    (User | None, {"anyOf": [USER_SCHEMA, NULL]}, {"name": "Ann"}, User(name="Ann")),
    (
        Team,
        {
            "type": "object",
            "properties": {"lead": USER_SCHEMA, "title": {"type": "string", "default": "none"}},
            "required": ["lead"],
        },
        {"lead": {"name": "Ann"}, "title": "t"},
        Team(lead=User(name="Ann"), title="t"),
    ),
    (
        Node,
        {
            "type": "object",
            "properties": {"next": {"anyOf": [{"$ref": "#/$defs/Node"}, NULL], "default": None}},
            "$defs": {
                "Node": {
                    "type": "object",
                    "properties": {"next": {"anyOf": [{"$ref": "#/$defs/Node"}, NULL], "default": None}},
                }
            },
        },
        {"next": {"next": None}},
        Node(next=Node()),
    ),
    (Annotated[int, "how many"], {"type": "integer", "description": "how many"}, 1, 1),
    (
        Annotated[int, msgspec.Meta(description="how many", ge=1, examples=[3])],
        {"type": "integer", "description": "how many", "minimum": 1, "examples": [3]},
        1,
        1,
    ),
    (
        Annotated[int, pydantic.Field(description="how many", ge=1)],
        {"type": "integer", "description": "how many", "minimum": 1},
        1,
        1,
    ),
    (
        Annotated[list[int] | None, pydantic.Field(max_length=2)],
        {"anyOf": [{"type": "array", "items": INTEGER, "maxItems": 2}, NULL]},
        [1],
        [1],
    ),
    (
        list[Annotated[str, "a word"]],
        {"type": "array", "items": {"type": "string", "description": "a word"}},
        ["a"],
        ["a"],
    ),
    (UserId, INTEGER, 7, 7),
    (tuple[()], {"type": "array", "items": False, "minItems": 0, "maxItems": 0}, [], ()),
    (
        Counted,
        {"type": "object", "properties": {"name": STRING}, "required": ["name"]},
        {"name": "pen"},
        Counted("pen"),
    ),
    (
        datetime.datetime,
        {"type": "string", "format": "date-time"},
        "2025-01-31T09:30:00Z",
        datetime.datetime(2025, 1, 31, 9, 30, tzinfo=UTC),
    ),
    (datetime.date, {"type": "string", "format": "date"}, "2025-01-31", datetime.date(2025, 1, 31)),
    (datetime.time, {"type": "string", "format": "time"}, "09:30:00", datetime.time(9, 30)),
    (datetime.timedelta, {"type": "string", "format": "duration"}, "PT90S", datetime.timedelta(seconds=90)),
    (uuid.UUID, {"type": "string", "format": "uuid"}, str(ID), ID),
    (decimal.Decimal, {"type": "string", "format": "decimal"}, "1.50", decimal.Decimal("1.50")),
    (bytes, {"type": "string", "contentEncoding": "base64"}, "aGk=", b"hi"),
]
NAMES = [str(each[0]) for each in TYPES]


@pytest.mark.parametrize(("tp", "schema", "value", "expected"), TYPES, ids=NAMES)
class TestEveryType:
    def test_its_schema(self, tp: Any, schema: Any, value: Any, expected: Any) -> None:
        assert json_schema(tp) == schema
        json.dumps(json_schema(tp))

    def test_an_argument_of_it(self, tp: Any, schema: Any, value: Any, expected: Any) -> None:
        found = signature_for(tp).decode({"x": value})["x"]
        assert found == expected
        assert type(found) is type(expected)

    def test_its_decoder_takes_values_and_text(self, tp: Any, schema: Any, value: Any, expected: Any) -> None:
        decode = schema_decoder(tp)
        for given_value in (value, json.dumps(value), json.dumps(value).encode()):
            found = decode(given_value)
            assert found == expected
            assert type(found) is type(expected)


def test_named_types() -> None:
    assert json_schema(dict[str, Words]) == {
        "type": "object",
        "additionalProperties": {"type": "array", "items": STRING},
    }
    assert signature_for(Words).decode({"x": ["a"]}) == {"x": ["a"]}
    with pytest.raises(UnsupportedTypeError, match="the type itself"):
        json_schema(list["Words"])


def test_types_within_types_keep_their_definitions_apart() -> None:
    def make(field: type) -> type:
        @dataclasses.dataclass
        class Leaf:
            value: field  # type: ignore[valid-type]
            below: "list[Leaf]"

        return Leaf

    def tool(a, b):
        return None

    tool.__annotations__ = {"a": make(int), "b": make(str)}
    signature = Signature.of(tool)
    assert set(signature.parameters["$defs"]) == {"Leaf", "Leaf_2"}
    assert signature.parameters["properties"]["b"] == {"$ref": "#/$defs/Leaf_2"}
    assert signature.parameters["$defs"]["Leaf_2"]["properties"]["value"] == STRING
    found = signature.decode(
        {"a": {"value": 1, "below": []}, "b": {"value": "x", "below": [{"value": "y", "below": []}]}}
    )
    assert found["b"].below[0].value == "y"


def test_generic_dataclasses_within_themselves() -> None:
    schema = json_schema(Box[Box[int]])
    assert schema["properties"]["content"]["properties"]["content"] == INTEGER
    assert "$defs" not in schema


def test_definitions_stand_at_the_root_where_references_look() -> None:
    for tp in (Tree, Node):
        parameters = signature_for(tp).parameters
        assert parameters["properties"]["x"] == {"$ref": f"#/$defs/{tp.__name__}"}
        assert parameters["$defs"] == json_schema(tp)["$defs"]


def test_models_that_contain_each_other() -> None:
    schema = json_schema(dict[str, Wife | Husband])
    text = json.dumps(schema)
    assert set(re.findall(r"#/\$defs/(\w+)", text)) == schema["$defs"].keys() == {"Wife", "Husband"}
    wife = schema["$defs"]["Wife"]["properties"]["of"]["anyOf"][0]
    assert wife["properties"]["of"]["anyOf"] == [{"$ref": "#/$defs/Wife"}, NULL]


@pytest.mark.skipif(sys.version_info < (3, 12), reason="an alias can contain itself since Python 3.12")
def test_an_alias_that_contains_itself_is_refused() -> None:
    names: dict[str, Any] = {}
    exec("type Endless = list[Endless]", names)
    with pytest.raises(UnsupportedTypeError, match="a dataclass for what contains itself"):
        json_schema(names["Endless"])
