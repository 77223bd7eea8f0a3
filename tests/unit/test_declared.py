# SPDX-License-Identifier: Apache-2.0
"""Classes that are configured by keyword."""

import dataclasses
from typing import Any, ClassVar

import pydantic
import pytest

from runwright.declared import Declared
from runwright.errors import ConfigurationError


class Base(Declared):
    name: str
    items: list[int] = []
    options: dict[str, int] = {}
    kinds: ClassVar[int] = 3
    _hidden: int = 7


class Derived(Base):
    """One more field, and another default."""

    size: int = 1
    name: str = "derived"


class OwnInit(Base):
    extra: str

    def __init__(self, extra: str, **more: Any) -> None:
        super().__init__(name=f"of {extra}", extra=extra, **more)


def test_fields_of_all_bases_are_keywords_with_defaults():
    one = Derived(size=2, items=[1])
    assert (one.name, one.items, one.options, one.size, one._hidden, one.kinds) == ("derived", [1], {}, 2, 7, 3)
    assert list(Derived.declared) == ["name", "items", "options", "size"]


def test_an_init_of_ones_own():
    assert (OwnInit("x").name, OwnInit("x", items=[2]).items, OwnInit("x").extra) == ("of x", [2], "x")


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: Base(), "Base needs name="),
        (lambda: Base(name="n", item=[1]), "did you mean items="),
        (lambda: Base(name="n", qqq=1), "it takes name, items, options"),
        (lambda: Base(name="n", kinds=1), "takes no kinds="),
        (lambda: Base(name="n", _hidden=1), "takes no _hidden="),
        (lambda: Base(name="n").model_copy(update={"qqq": 1}), "has no qqq="),
    ],
)
def test_what_is_wrong_is_named(make, message):
    with pytest.raises(ConfigurationError, match=message):
        make()


def test_containers_are_each_instances_own():
    one, two = Derived(), Derived()
    one.items.append(1)
    one.options["a"] = 1
    assert (two.items, two.options, Derived().items) == ([], {}, [])


def test_field_objects_of_other_libraries_give_their_defaults():
    class Fields(Declared):
        a: list[int] = dataclasses.field(default_factory=lambda: [1])
        b: int = dataclasses.field(default=2)
        c: dict[str, int] = pydantic.Field(default_factory=dict)
        d: int = pydantic.Field(default=4, description="four")

    one = Fields()
    assert (one.a, one.b, one.c, one.d) == ([1], 2, {}, 4)
    assert Fields().a is not one.a


def test_field_objects_without_a_default_are_required():
    class Fields(Declared):
        a: int = pydantic.Field(description="a number")

    class Others(Declared):
        a: int = dataclasses.field(metadata={"x": 1})

    for kind in (Fields, Others):
        with pytest.raises(ConfigurationError, match="needs a="):
            kind()


def test_a_method_may_stand_for_a_field():
    class WithMethod(Base):
        def items(self):
            return [self.name]

    assert WithMethod(name="n").items() == ["n"]
    assert WithMethod(name="n", items=[1]).items == [1]


def test_a_field_whose_default_is_a_function_keeps_it_as_it_is():
    class WithFunction(Declared):
        key: Any = len

    assert WithFunction().key("abc") == 3


def test_copies_are_shallow_and_of_the_same_class():
    one = Derived(items=[1])
    twin = one.model_copy(update={"size": 9})
    assert type(twin) is Derived and (twin.size, one.size) == (9, 1) and twin.items is one.items
    assert repr(twin) == "Derived('derived')"


def test_a_hook_is_called_when_all_is_set():
    class Hooked(Base):
        def model_post_init(self, context):
            self.length = len(self.name)

    assert Hooked(name="abc").length == 3
