# SPDX-License-Identifier: Apache-2.0
"""What does not fit is explained, what nearly fits is accepted, and types without a schema are refused."""

import dataclasses
import datetime
import decimal
import pathlib
import uuid
from collections import deque
from collections.abc import Callable
from typing import (
    TYPE_CHECKING,
    Annotated,
    Any,
    Literal,
)

import msgspec
import pydantic
import pydantic.dataclasses
import pytest

from runwright.errors import InputValidationError, ToolArgumentsError, UnsupportedTypeError
from runwright.schema import json_schema, schema_decoder
from tests.unit.schema_samples import (
    Box,
    Cat,
    Checked,
    Circle,
    Color,
    Crew,
    Dog,
    Even,
    Item,
    Kennel,
    Level,
    Mixed,
    Movie,
    NotAType,
    Order,
    Point,
    T,
    User,
    signature_for,
)

if TYPE_CHECKING:
    from nowhere import OnlyForTheTypeChecker  # pyright: ignore[reportMissingImports]


# type, a JSON value that does not fit, the problem as it is told
WRONG: list[tuple[Any, Any, str]] = [
    (int, "abc", 'x: expected an integer, got "abc"'),
    (int, 5.5, "x: expected an integer, got 5.5"),
    (int, True, "x: expected an integer, got true"),
    (int, None, "x: expected an integer, got null"),
    (str, 1, "x: expected a string, got 1"),
    (str, None, "x: expected a string, got null"),
    (float, "much", 'x: expected a number, got "much"'),
    (bool, "maybe", 'x: expected true or false, got "maybe"'),
    (bool, 2, "x: expected true or false, got 2"),
    (list[int], "abc", 'x: expected an array, got "abc"'),
    (list[int], [1, "a", 2.5], 'x[1]: expected an integer, got "a"\n- x[2]: expected an integer, got 2.5'),
    (dict[str, int], {"a": "b"}, 'x.a: expected an integer, got "b"'),
    (dict[int, int], {"a": 1}, 'x.a, its key: expected an integer, got "a"'),
    (tuple[int, str], [1], "x: expected an array of 2: an integer, a string, got [1]"),
    (set[Any], [[1]], "x: expected an array, got [[1]]"),
    (Literal["a", "b"], "c", 'x: expected one of "a", "b", got "c"'),
    (Literal[1], True, "x: expected one of 1, got true"),
    (Color, "RED", 'x: expected one of "red", "blue", got "RED"'),
    (Mixed, "two", 'x: expected one of 1, "word", 0.5, got "two"'),
    (int | None, "abc", 'x: expected an integer or null, got "abc"'),
    (Movie, {"year": "soon"}, 'x.title: missing, expected a string\n- x.year: expected an integer, got "soon"'),
    (Order, {"items": [{"price": "a"}, 3]}, "x.items[0].name: missing, expected a string"),
    (Order, {"items": [{"price": "a"}, 3]}, 'x.items[0].price: expected a number, got "a"'),
    (Order, {"items": [{"price": "a"}, 3]}, "x.items[1]: expected an object with name, got 3"),
    (Order | None, {"color": "red"}, "x.items: missing, expected an array"),
    (Even, {"number": 3}, "x: number must be even"),
    (Point, {"gridX": 1, "gridY": -1}, "x.gridY: expected an integer with minimum 0, got -1"),
    (Point, {"grid_x": 1}, "x.gridX: missing, expected an integer"),
    (Circle, {"radius": 1, "name": "c"}, "x.name: unknown, the keys are type, radius"),
    (Circle, {"type": "square", "radius": 1}, 'x.type: expected one of "circle", got "square"'),
    (Crew, {"users": []}, "x: Value error, nobody, got {"),
    (User, {"age": "old"}, "x.name: Field required"),
    (User, {"age": "old"}, "x.age: Input should be a valid integer"),
    (list[User], [{"name": "a"}, {}], "x[1].name: Field required"),
    (Annotated[int, pydantic.Field(ge=1, le=5)], 9, "x: expected an integer with minimum 1 and maximum 5, got 9"),
    (Annotated[list[int], msgspec.Meta(min_length=1)], [], "x: expected an array with minItems 1, got []"),
    (Annotated[dict[str, int], pydantic.Field(max_length=0)], {"a": 1}, "x: expected an object with maxProperties 0"),
    (Crew, {"users": [{"name": "a"}, {"name": 1}]}, "x.users[1].name: Input should be a valid string, got 1"),
    (datetime.datetime, "2025", "x: expected a date and time such as 2025-01-31T09:30:00Z"),
    (datetime.datetime, 2025, "x: expected a date and time"),
    (datetime.date, "tomorrow", 'x: expected a date such as 2025-01-31, got "tomorrow"'),
    (uuid.UUID, "1", 'x: expected a UUID, got "1"'),
    (decimal.Decimal, "much", 'x: expected a decimal number, got "much"'),
    (bytes, "%", 'x: expected base64 text, got "%"'),
]


@pytest.mark.parametrize(("tp", "value", "problem"), WRONG, ids=[f"{tp}-{value}" for tp, value, _ in WRONG])
def test_what_is_wrong_is_explained(tp: Any, value: Any, problem: str) -> None:
    with pytest.raises(ToolArgumentsError) as of_an_argument:
        signature_for(tp).decode({"x": value})
    assert f"- {problem}" in str(of_an_argument.value)
    with pytest.raises(InputValidationError) as of_a_value:
        schema_decoder(tp)(value)
    for line in problem.split("\n- "):
        assert f"- {line.removeprefix('x: ').removeprefix('x.').removeprefix('x')}" in str(of_a_value.value)


@pytest.mark.parametrize(
    ("tp", "value", "expected"),
    [
        (int, "5", 5),
        (int, 5.0, 5),
        (int, "5.0", 5),
        (float, 5, 5.0),
        (float, "5.5", 5.5),
        (bool, "true", True),
        (bool, 0, False),
        (Level, "2", Level.HIGH),
        (Level, 2.0, Level.HIGH),
        (Mixed, "1", Mixed.ONE),
        (list[int], '["1", 2]', [1, 2]),
        (Item, '{"name": "pen"}', Item("pen")),
        (User, '{"name": "Ann"}', User(name="Ann")),
        (dict[str, int], '{"a": 1}', {"a": 1}),
        (tuple[int, str], '[1, "a"]', (1, "a")),
        (int | None, "5", 5),
        (int | str, "5", "5"),
        (str | list[str], '["a"]', '["a"]'),
        (Item, Item("pen"), Item("pen")),
        (Color, Color.RED, Color.RED),
        (Even | None, '{"number": "2"}', Even(2)),
    ],
)
def test_what_models_get_slightly_wrong_is_accepted(tp: Any, value: Any, expected: Any) -> None:
    found = signature_for(tp).decode({"x": value})["x"]
    assert found == expected
    assert type(found) is type(expected)


def test_a_union_of_objects_takes_the_one_that_keeps_everything() -> None:
    decode = schema_decoder(Cat | Dog)
    assert decode({"name": "Rex", "breed": "pug"}) == Dog("Rex", "pug")
    assert decode({"name": "Tom"}) == Cat("Tom")
    kennel = schema_decoder(Kennel)
    assert kennel({"pet": {"name": "Rex", "breed": "pug"}, "since": "2025-01-31"}) == Kennel(
        Dog("Rex", "pug"), datetime.date(2025, 1, 31)
    )
    assert kennel({"pet": {"name": "Tom"}, "since": "long ago"}) == Kennel(Cat("Tom"), "long ago")
    with pytest.raises(InputValidationError, match="pet: expected an object with name or an object with name, breed"):
        kennel({"pet": {"breed": "pug"}})
    assert schema_decoder(User | Cat | int)({"name": "Ann", "age": 4}) == User(name="Ann", age=4)


def test_a_pydantic_dataclass_is_checked_by_pydantic() -> None:
    schema = json_schema(Checked)
    assert schema["properties"]["low"] == {"type": "integer", "minimum": 1, "description": "at least one"}
    assert schema["properties"]["high"] == {"type": "integer", "maximum": 9, "default": 3}
    assert schema["required"] == ["low"]
    decode = schema_decoder(list[Checked])
    assert decode([{"low": 1}]) == [Checked(low=1)]
    with pytest.raises(InputValidationError, match=r"\[0\]\.low: expected an integer with minimum 1, got 0"):
        decode([{"low": 0}])
    with pytest.raises(InputValidationError, match=r"\[0\]: (.|\n)*odd numbers only"):
        decode([{"low": 2}])


@pytest.mark.parametrize(
    ("tp", "instead"),
    [
        (complex, "two floats"),
        (NotAType, "a dataclass, a TypedDict, a msgspec.Struct or a pydantic model"),
        (pathlib.Path, "Use str instead"),
        (deque[int], "Use list instead"),
        (Callable[[], int], "a Literal or an Enum"),
        (T, "a dataclass"),
        (list[NotAType], "NotAType"),
        (int | NotAType, "NotAType"),
        (dict[str, NotAType], "NotAType"),
        (Box[NotAType], "field 'content' of Box"),
        (Annotated[int, pydantic.Field(min_length=1)], "without min_length"),
        (Annotated[int | None, pydantic.Field(min_length=1)], "without min_length"),
        (Annotated[Item, msgspec.Meta(ge=1)], "without ge"),
        (Literal[b"x"], "values that are strings"),
        ("Nowhere", "names 'Nowhere'"),
        (list["Nowhere"], "names 'Nowhere'"),  # type: ignore[name-defined]  # noqa: F821
        ("int[", "cannot be read"),
        ("enum.nothing", "cannot be read"),
    ],
)
def test_an_unsupported_type_is_named(tp: Any, instead: str) -> None:
    with pytest.raises(UnsupportedTypeError) as caught:
        signature_for(tp)
    assert str(caught.value).startswith("tool 'tool', parameter 'x'")
    assert instead in str(caught.value)


def test_other_types_without_a_schema() -> None:
    class Flat(msgspec.Struct, array_like=True):
        x: int

    class Odd(pydantic.BaseModel):
        call: Callable[[], int]

    class Lost(msgspec.Struct):
        x: "OnlyForTheTypeChecker"

    @dataclasses.dataclass
    class Gone:
        x: "OnlyForTheTypeChecker"

    with pytest.raises(UnsupportedTypeError, match=r"input: .*Flat.* without array_like"):
        json_schema(Flat, where="input")
    with pytest.raises(UnsupportedTypeError, match=r"input: Odd gives no JSON Schema: .*Callable"):
        json_schema(Odd, where="input")
    for lost in (Lost, Gone):
        with pytest.raises(UnsupportedTypeError, match=r"^type: .*'OnlyForTheTypeChecker'.*TYPE_CHECKING"):
            json_schema(lost)
