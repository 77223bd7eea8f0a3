# SPDX-License-Identifier: Apache-2.0
"""How types are read into shapes, and classes into their fields."""

import collections.abc as abc
import dataclasses
import datetime
import enum
import inspect
import types
import typing
from collections.abc import Iterator
from typing import Annotated, Any, Literal, NoReturn, cast

import msgspec

from runwright.errors import UnsupportedTypeError
from runwright.schema.annotations import UNIONS, class_annotations, explained
from runwright.schema.docstring import class_docstring, parse_docstring
from runwright.schema.objects import NO_DEFAULT, Field, Model, Record
from runwright.schema.references import Schema
from runwright.schema.shapes import (
    LEAVES,
    Array,
    Choice,
    Constants,
    Dictionary,
    Leaf,
    Limits,
    Noted,
    Shape,
    is_native,
    limits_of,
)

_CONTAINERS: dict[Any, type] = {
    **dict.fromkeys((list, abc.Sequence, abc.MutableSequence, abc.Collection, abc.Iterable), list),
    **dict.fromkeys((set, abc.Set, abc.MutableSet), set),
    **dict.fromkeys((dict, abc.Mapping, abc.MutableMapping), dict),
    frozenset: frozenset,
    tuple: tuple,
}
_INSTEAD = {
    "complex": "two floats",
    "Path": "str",
    "deque": "list",
    "Callable": "a Literal or an Enum of what can be chosen",
}
_Declared = tuple[str, str, Any, bool, Any]  # A field: its name, its key, its type, whether required, its default.


class Reader:
    """Reads types into shapes.

    Attributes:
        native: Whether, as far as seen, a type that msgspec can convert is converted to what its shape would give.
    """

    def __init__(self) -> None:
        self.native = True
        self._classes: dict[Any, Shape] = {}
        self._aliases: set[Any] = set()

    def shape(self, tp: Any, where: str, limits: Limits | None = None) -> Shape:
        """The shape of a type, within the limits that an Annotated around it sets.

        Raises:
            UnsupportedTypeError: The type, or one inside it, has no JSON Schema. The message names ``where``.
        """
        limits = limits or {}
        origin = typing.get_origin(tp)
        if origin is Annotated:
            return self._annotated(tp, where, limits)
        if origin in UNIONS:
            return self._union(tp, where, limits)
        if isinstance(tp, typing.NewType):
            return self.shape(tp.__supertype__, where, limits)
        if type(tp).__name__ == "TypeAliasType":
            return self._alias(tp, where, limits)
        if limits and not _takes_limits(tp, limits):
            _refuse(tp, where, f"it without {' and '.join(limits)}")
        if tp is Any or tp is object:
            self.native &= tp is Any
            return Shape()
        if origin is Literal:
            pairs = [(each.value if isinstance(each, enum.Enum) else each, each) for each in typing.get_args(tp)]
            return _constants(tp, pairs, where)
        if isinstance(tp, type) and issubclass(tp, enum.Enum):
            return _constants(tp, [(member.value, member) for member in tp], where)
        if (origin or tp) in _CONTAINERS:
            return self._container(tp, where, limits)
        if tp is None or tp in LEAVES:
            self.native &= tp is not datetime.datetime  # msgspec would take numbers for one.
            return Leaf(types.NoneType if tp is None else tp, limits)
        return self._class(tp, where)

    def _annotated(self, tp: Any, where: str, limits: Limits) -> Shape:
        inner, *extras = typing.get_args(tp)
        notes: Schema = {}
        for extra in extras:
            is_meta = isinstance(extra, msgspec.Meta)
            if is_meta:
                notes |= {"examples": list(extra.examples)} if extra.examples else {}
                notes |= extra.extra_json_schema or {}
            found = limits_of(extra)
            self.native &= is_meta or not found
            limits = {**limits, **found}
            text: Any = extra if isinstance(extra, str) else getattr(extra, "description", None)
            if isinstance(text, str) and text:
                notes["description"] = text
        shape = self.shape(inner, where, limits)
        return Noted(shape, notes) if notes else shape

    def _union(self, tp: Any, where: str, limits: Limits) -> Shape:
        members = typing.get_args(tp)
        able = [member for member in members if limits and _takes_limits(member, limits)]
        if limits and not able:
            _refuse(tp, where, f"it without {' and '.join(limits)}")
        return Choice([self.shape(member, where, limits if member in able else None) for member in members])

    def _alias(self, tp: Any, where: str, limits: Limits) -> Shape:
        if tp in self._aliases:
            _refuse(tp, where, "a dataclass for what contains itself, or Any,")
        self._aliases.add(tp)
        shape = self.shape(tp.__value__, where, limits)
        self._aliases.remove(tp)
        return shape

    def _container(self, tp: Any, where: str, limits: Limits) -> Shape:
        origin: Any = typing.get_origin(tp) or tp
        kind = _CONTAINERS[origin]
        args = typing.get_args(tp)
        self.native &= origin is not abc.Iterable
        if kind is dict:
            key, value = args or (str, Any)
            return Dictionary(self.shape(key, where), self.shape(value, where), limits)
        if typing.get_origin(tp) is tuple and args[-1:] != (...,):
            return Array(kind, Shape(), {}, [self.shape(arg, where) for arg in args])
        return Array(kind, self.shape(args[0] if args else Any, where), limits)

    def _class(self, tp: Any, where: str) -> Shape:
        if tp in self._classes:
            return self._classes[tp]
        cls: Any = typing.get_origin(tp) or tp
        if not inspect.isclass(cls):
            _refuse(tp, where)
        if callable(getattr(cls, "model_json_schema", None)) and callable(getattr(cls, "model_validate", None)):
            shape = self._classes[tp] = Model(cls, where)
            return shape
        if issubclass(cls, msgspec.Struct) and cls.__struct_config__.array_like:
            _refuse(tp, where, "a Struct without array_like")
        if dataclasses.is_dataclass(cls):
            # msgspec would go round the constructor, and so round pydantic's own checks.
            self.native &= not hasattr(cls, "__pydantic_validator__")
            self.native &= all(field.init for field in dataclasses.fields(cls))
        elif not issubclass(cls, msgspec.Struct) and not typing.is_typeddict(cls):
            _refuse(tp, where)
        record = self._classes[tp] = Record(tp, cls)
        fields: list[Field] = []
        for name, key, annotation, required, default in _class_fields(tp, cls, where):
            place = ", ".join(filter(None, (where, f"field '{name}' of {cls.__name__}")))
            fields.append(Field(name, key, self.shape(annotation, place), required, default))
        record.fill(fields, parse_docstring(class_docstring(cls)).parameters)
        return record


def _constants(tp: Any, pairs: list[tuple[Any, Any]], where: str) -> Shape:
    if not all(isinstance(plain, str | int | float | None) for plain, _ in pairs):
        _refuse(tp, where, "values that are strings, numbers, booleans or None")
    return Constants(pairs)


def _takes_limits(tp: Any, limits: Limits) -> bool:
    """Whether the limits make sense with a type: a container counts whatever it holds."""
    if typing.get_origin(tp) is Annotated:
        return _takes_limits(typing.get_args(tp)[0], limits)
    base = _CONTAINERS.get(typing.get_origin(tp) or tp, tp)
    return (base in LEAVES or base in _CONTAINERS) and is_native(base, limits)


def _refuse(tp: Any, where: str, instead: str = "") -> NoReturn:
    origin = typing.get_origin(tp) or tp
    instead = "the type itself, not its name," if isinstance(tp, str | typing.ForwardRef) else instead
    instead = instead or _INSTEAD.get(
        getattr(origin, "__name__", ""), "a dataclass, a TypedDict, a msgspec.Struct or a pydantic model"
    )
    shown = inspect.formatannotation(tp)
    raise UnsupportedTypeError(f"{where or 'type'}: {shown} cannot be shown to a model. Use {instead} instead.")


def _class_fields(tp: Any, cls: Any, where: str) -> Iterator[_Declared]:
    """The fields that a class takes, with the parameters of a generic class filled in."""
    if issubclass(cls, msgspec.Struct):
        return _struct_fields(tp, where)
    read = _typed_dict_fields if typing.is_typeddict(cls) else _dataclass_fields
    return read(cls, class_annotations(tp, cls, where))


def _struct_fields(tp: Any, where: str) -> Iterator[_Declared]:
    with explained(where):
        fields = msgspec.structs.fields(tp)
    for field in fields:
        default = _default(field.default, field.default_factory, msgspec.NODEFAULT)
        yield field.name, field.encode_name, field.type, field.required, default


def _typed_dict_fields(cls: Any, hints: dict[str, Any]) -> Iterator[_Declared]:
    for key, hint in hints.items():
        required = key in cls.__required_keys__
        # Under ``from __future__ import annotations`` the class itself does not know.
        while typing.get_origin(hint) in (typing.Required, typing.NotRequired):
            required = typing.get_origin(hint) is typing.Required
            (hint,) = typing.get_args(hint)
        yield key, key, hint, required, NO_DEFAULT


def _dataclass_fields(cls: Any, hints: dict[str, Any]) -> Iterator[_Declared]:
    missing = dataclasses.MISSING
    for field in dataclasses.fields(cls):
        if not field.init:
            continue
        hint, required = hints[field.name], field.default is missing and field.default_factory is missing
        default = _default(field.default, field.default_factory, missing)
        if callable(getattr(default, "is_required", None)):  # The Field of a pydantic dataclass.
            hint, required = Annotated[hint, default], default.is_required()
            default = NO_DEFAULT if required or default.default_factory else default.default
        yield field.name, field.name, hint, required, default


def _default(value: Any, factory: Any, missing: Any) -> Any:
    if value is not missing:
        return value
    return cast(Any, factory()) if factory in (list, dict, set) else NO_DEFAULT
