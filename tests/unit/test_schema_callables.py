# SPDX-License-Identifier: Apache-2.0
"""The kinds of callables that can be tools, and how the annotations of each are resolved."""

import enum
import functools
import json
import pathlib
import sys
import types
from typing import (
    Any,
)

import pytest

from runwright.errors import ToolArgumentsError
from runwright.schema import Signature
from tests.unit.schema_samples import Color, Item


def logged(func):
    @functools.wraps(func)
    def wrapper(*args, **kwargs):
        return func(*args, **kwargs)

    return wrapper


class Weather:
    """Tells the weather."""

    def __init__(self, unit: str = "c") -> None:
        """Starts.

        Args:
            unit: Of the temperature.
        """
        self.unit = unit

    def today(self, city: "str") -> str:
        """Today's weather."""
        return f"{city}: {self.unit}"

    @classmethod
    def world(cls, city: str) -> str:
        return city

    @staticmethod
    def moon(city: str) -> str:
        return city

    def __call__(self, city: str, color: "Color" = Color.RED) -> str:
        """Asks the station.

        Args:
            city: Where.
        """
        return f"{city} {color.value}"


class Silent:
    """Says something about itself."""

    def __call__(self, city: str) -> str:
        return city


class TestCallables:
    @pytest.mark.parametrize(
        ("func", "name", "description"),
        [
            (Weather().today, "today", "Today's weather."),
            (Weather.world, "world", ""),
            (Weather.moon, "moon", ""),
            (Weather(), "Weather", "Asks the station."),
            (Silent(), "Silent", "Says something about itself."),
            (logged(Weather().today), "today", "Today's weather."),
            (logged(logged(Weather.moon)), "moon", ""),
            (functools.partial(Weather().today), "today", "Today's weather."),
            (functools.partial(Weather()), "Weather", "Asks the station."),
        ],
    )
    def test_kinds(self, func: Any, name: str, description: str) -> None:
        signature = Signature.of(func)
        assert (signature.name, signature.description) == (name, description)
        assert signature.parameters["properties"]["city"]["type"] == "string"
        assert signature.parameters["required"] == ["city"]
        assert func(**signature.decode({"city": "Rome"})).startswith("Rome")

    def test_a_callable_object_resolves_in_its_own_module(self) -> None:
        signature = Signature.of(Weather())
        assert signature.parameters["properties"]["city"]["description"] == "Where."
        assert signature.decode({"city": "Rome", "color": "blue"})["color"] is Color.BLUE

    def test_a_class(self) -> None:
        signature = Signature.of(Weather)
        assert signature.name == "Weather"
        assert signature.description == "Tells the weather."
        assert signature.parameters["properties"] == {
            "unit": {"type": "string", "description": "Of the temperature.", "default": "c"}
        }
        assert Signature.of(Item).description == ""
        assert Item(**Signature.of(Item).decode({"name": "pen"})) == Item("pen")

    def test_what_a_partial_binds_is_not_shown(self) -> None:
        def send(to: str, text: str, key: str, loud: bool = False) -> str:
            return f"{to}{text}{key}{loud}"

        bound = functools.partial(functools.partial(send, "me"), key="secret")
        signature = Signature.of(bound, name="tell_me")
        assert signature.name == "tell_me"
        assert list(signature.parameters["properties"]) == ["text", "loud"]
        assert "secret" not in json.dumps(signature.parameters)
        assert bound(**signature.decode({"text": "hi"})) == "mehisecretFalse"
        with pytest.raises(ToolArgumentsError, match="key: unknown"):
            signature.decode({"text": "hi", "key": "other"})

    def test_text_annotations_see_what_the_function_sees(self) -> None:
        class Local(enum.Enum):
            A = "a"

        def tool(x: "Local", y: "list[Color]") -> Local:
            return Local.A

        assert Signature.of(logged(tool)).decode({"x": "a", "y": ["red"]}) == {"x": Local.A, "y": [Color.RED]}

    def test_future_annotations(self, tmp_path: pathlib.Path) -> None:
        source = tmp_path / "written_later.py"
        source.write_text(
            "from __future__ import annotations\n"
            "import dataclasses\n"
            "from typing import TYPE_CHECKING, NotRequired, TypedDict\n"
            "if TYPE_CHECKING:\n"
            "    from nowhere import ToolContext\n"
            "class Options(TypedDict):\n"
            "    depth: int\n"
            "    wide: NotRequired[bool]\n"
            "@dataclasses.dataclass\n"
            "class Person:\n"
            "    name: str\n"
            "    friends: list[Person] = dataclasses.field(default_factory=list)\n"
            "def find(person: Person, options: Options | None, ctx: ToolContext) -> Person: ...\n"
        )
        module = types.ModuleType("written_later")
        sys.modules["written_later"] = module
        try:
            exec(compile(source.read_text(), str(source), "exec"), vars(module))
            signature = Signature.of(module.find, hidden=["ctx"])
            options = signature.parameters["properties"]["options"]["anyOf"][0]
            found = signature.decode({"person": {"name": "a", "friends": [{"name": "b"}]}, "options": {"depth": 1}})
        finally:
            del sys.modules["written_later"]
        assert options["required"] == ["depth"]
        assert found["person"].friends[0].name == "b"
        assert found["options"] == {"depth": 1}
