# SPDX-License-Identifier: Apache-2.0
"""Callables as tools: what a model is shown of them, and how its arguments are checked."""

import datetime
import functools
import types
from typing import (
    TYPE_CHECKING,
    Annotated,
    Any,
)

import pytest

from runwright.errors import ConfigurationError, ToolArgumentsError, UnsupportedTypeError
from runwright.schema import Signature, json_schema
from tests.unit.schema_samples import (
    INTEGER,
    ITEM_SCHEMA,
    NULL,
    STRING,
    Cat,
    Color,
    Item,
    Kennel,
    Mixed,
    Movie,
    NotAType,
    Order,
    User,
    signature_for,
)

if TYPE_CHECKING:
    from nowhere import OnlyForTheTypeChecker  # pyright: ignore[reportMissingImports]


class TestSignature:
    def test_a_whole_function(self) -> None:
        async def order(
            item: Item, count: int = 1, *, gift: bool | None = None, color=Color.RED, tool_context=None
        ) -> Order:
            """Orders something.

            It takes a while.

            Args:
                item: What to order.
                count (int, optional): How many,
                    at least one.
                tool_context: Not for the model.

            Returns:
                Order: What was ordered.

            Note:
                Costs money.
            """
            raise NotImplementedError

        signature = Signature.of(order, hidden=("tool_context", "other"))
        assert signature.name == "order"
        assert signature.description == "Orders something.\n\nIt takes a while.\n\nNote:\n    Costs money."
        assert signature.hidden == {"tool_context"}
        assert not signature.takes_any_keyword
        assert signature.parameters == {
            "type": "object",
            "properties": {
                "item": {**ITEM_SCHEMA, "description": "What to order."},
                "count": {"type": "integer", "description": "How many, at least one.", "default": 1},
                "gift": {"anyOf": [{"type": "boolean"}, NULL], "default": None},
                "color": {"default": "red"},
            },
            "required": ["item"],
        }
        assert signature.returns == json_schema(Order)
        values = signature.decode({"item": {"name": "pen"}, "count": "2"})
        assert values == {"item": Item("pen"), "count": 2}

    def test_every_problem_is_told_at_once(self) -> None:
        def book(city: str, days: int, when: datetime.date, *, guests: int = 1) -> None: ...

        with pytest.raises(ToolArgumentsError) as caught:
            Signature.of(book).decode({"days": "few", "guests": [], "cite": "Rome", "when": "2025-01-31"})
        assert str(caught.value) == (
            "The arguments do not fit tool 'book'. Correct them and call it again:\n"
            "- city: missing, expected a string\n"
            '- days: expected an integer, got "few"\n'
            "- guests: expected an integer, got []\n"
            "- cite: unknown, the keys are city, days, when, guests"
        )

    def test_without_parameters(self) -> None:
        def ping() -> str: ...

        signature = Signature.of(ping)
        assert signature.parameters == {"type": "object", "properties": {}, "required": []}
        assert signature.decode({}) == {}
        with pytest.raises(ToolArgumentsError, match="a: unknown, there are none"):
            signature.decode({"a": 1})

    @pytest.mark.parametrize("arguments", [None, "text", [1], 3])
    def test_arguments_that_are_no_object(self, arguments: Any) -> None:
        def ping(host: str = "") -> str: ...

        with pytest.raises(ToolArgumentsError, match="expected an object, got"):
            Signature.of(ping).decode(arguments)

    def test_any_mapping_is_taken_and_not_changed(self) -> None:
        def add(a: int, b: int = 2) -> int: ...

        given_arguments = types.MappingProxyType({"a": "1"})
        assert Signature.of(add).decode(given_arguments) == {"a": 1}
        assert given_arguments == {"a": "1"}

    def test_a_long_value_is_shortened(self) -> None:
        with pytest.raises(ToolArgumentsError) as caught:
            signature_for(int).decode({"x": "y" * 1000})
        assert len(str(caught.value)) < 200

    def test_a_value_that_is_not_json(self) -> None:
        with pytest.raises(ToolArgumentsError, match="x: expected an integer, got <object object"):
            signature_for(int).decode({"x": object()})

    def test_instances_are_taken_as_they_are(self) -> None:
        kennel = Kennel(Cat("Tom"))
        assert signature_for(Kennel).decode({"x": kennel})["x"] is kennel
        assert signature_for(Mixed).decode({"x": Mixed.HALF})["x"] is Mixed.HALF

    def test_null_for_a_default(self) -> None:
        def search(
            query: str,
            limit: int = 10,
            within: list[str] = None,  # noqa: RUF013  # type: ignore[assignment]
            near: Annotated[str, "a town"] = None,  # noqa: RUF013  # type: ignore[assignment]
        ) -> None: ...

        signature = Signature.of(search)
        assert signature.parameters["properties"]["within"] == {
            "anyOf": [{"type": "array", "items": STRING}, NULL],
            "default": None,
        }
        assert signature.parameters["properties"]["near"]["description"] == "a town"
        decoded = signature.decode({"query": "q", "limit": None, "within": None, "near": None})
        assert decoded == {"query": "q", "within": None, "near": None}
        with pytest.raises(ToolArgumentsError, match="query: expected a string, got null"):
            signature.decode({"query": None})

    def test_null_for_a_default_inside_of_an_argument(self) -> None:
        assert signature_for(Item).decode({"x": {"name": "pen", "tags": None}}) == {"x": Item("pen")}
        assert signature_for(Movie).decode({"x": {"title": "M", "year": None}}) == {"x": {"title": "M"}}
        with pytest.raises(ToolArgumentsError, match=r"x\.name: expected a string, got null"):
            signature_for(Item).decode({"x": {"name": None}})

    def test_defaults_that_json_cannot_hold_are_left_out(self) -> None:
        def wait(a: Any = object(), b: float = float("inf"), c: Item = Item("pen"), d: User = User(name="Ann")): ...  # noqa: B008

        shown = Signature.of(wait).parameters["properties"]
        assert "default" not in shown["a"]
        assert "default" not in shown["b"]
        assert shown["c"]["default"] == {"name": "pen", "price": 1.5, "tags": []}
        assert shown["d"]["default"] == {"name": "Ann", "age": 3}

    def test_args_and_kwargs(self) -> None:
        def log(level: int, *values: str, tool_context: Any = None, **extra: str) -> None: ...

        signature = Signature.of(log, hidden=["tool_context"])
        assert signature.takes_any_keyword
        assert signature.parameters == {
            "type": "object",
            "properties": {"level": INTEGER},
            "required": ["level"],
            "additionalProperties": True,
        }
        assert signature.decode({"level": "3", "who": ["me"]}) == {"level": 3, "who": ["me"]}
        with pytest.raises(ToolArgumentsError, match="tool_context: unknown"):
            signature.decode({"level": 3, "tool_context": {}})

    def test_kwargs_cannot_reach_what_is_filled_already(self) -> None:
        class Tools:
            def send(self, to: str, *, key: str, **extra: Any) -> dict[str, Any]:
                return {"to": to, "key": key, **extra}

        bound = functools.partial(Tools().send, "me", key="secret")
        signature = Signature.of(bound)
        assert bound(**signature.decode({"kwargs": 1})) == {"to": "me", "key": "secret", "kwargs": 1}
        for name in ("self", "to", "key"):
            with pytest.raises(ToolArgumentsError, match=f"{name}: unknown"):
                signature.decode({name: "other"})

    def test_positional_only_is_refused(self) -> None:
        def add(a: int, /) -> int: ...

        with pytest.raises(ConfigurationError, match=r"tool 'add', parameter 'a'.*remove the '/'"):
            Signature.of(add)

    def test_a_callable_that_cannot_be_read(self) -> None:
        with pytest.raises(ConfigurationError, match=r"tool 'dict'.*Wrap it in a function"):
            Signature.of(dict)

    @pytest.mark.parametrize(
        ("annotation", "schema"),
        [
            (int, INTEGER),
            (None, NULL),
            ("list[str]", {"type": "array", "items": STRING}),
            (NotAType, None),
            ("Nowhere", None),
            ("OnlyForTheTypeChecker", None),
        ],
    )
    def test_returns(self, annotation: Any, schema: Any) -> None:
        def tool(): ...

        assert Signature.of(tool).returns is None
        tool.__annotations__ = {"return": annotation}
        assert Signature.of(tool).returns == schema


class Context:
    pass


class TestHiddenParameters:
    def test_by_type(self) -> None:
        def tool(
            a: int, ctx: Context, maybe: "Context | None" = None, noted: "Annotated[Context, 1] | None" = None
        ): ...

        signature = Signature.of(tool, hidden_type=lambda tp: tp is Context)
        assert signature.hidden == {"ctx", "maybe", "noted"}
        assert list(signature.parameters["properties"]) == ["a"]
        with pytest.raises(ToolArgumentsError, match="ctx: unknown, the keys are a"):
            signature.decode({"a": 1, "ctx": {}})

    def test_annotations_for_the_type_checker_only(self) -> None:
        def tool(a: "int", ctx: "OnlyForTheTypeChecker"): ...

        assert Signature.of(tool, hidden=["ctx"]).hidden == {"ctx"}
        assert Signature.of(tool, hidden_type=lambda tp: tp == "OnlyForTheTypeChecker").hidden == {"ctx"}
        with pytest.raises(UnsupportedTypeError, match=r"parameter 'ctx'.*'OnlyForTheTypeChecker'"):
            Signature.of(tool, hidden_type=lambda tp: False)

    def test_a_type_that_no_schema_can_show(self) -> None:
        def tool(a: int, ctx: NotAType): ...

        assert Signature.of(tool, hidden={"ctx"}).decode({"a": 1}) == {"a": 1}
