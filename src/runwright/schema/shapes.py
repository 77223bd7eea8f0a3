# SPDX-License-Identifier: Apache-2.0
"""Shapes: what a type looks like in JSON, and how a value of it is checked, within limits."""

import contextlib
import datetime
import decimal
import enum
import types
import uuid
from collections.abc import Iterable, Mapping
from typing import Annotated, Any, cast

import msgspec

from runwright.schema.references import Definitions, Schema
from runwright.schema.report import Report, at, choices, kind

Limits = Mapping[str, Any]

LEAVES: dict[Any, str] = {
    bool: "true or false",
    int: "an integer",
    float: "a number",
    str: "a string",
    types.NoneType: "null",
    bytes: "base64 text",
    bytearray: "base64 text",
    datetime.datetime: "a date and time such as 2025-01-31T09:30:00Z",
    datetime.date: "a date such as 2025-01-31",
    datetime.time: "a time such as 09:30:00",
    datetime.timedelta: "a duration such as PT1H30M",
    uuid.UUID: "a UUID",
    decimal.Decimal: "a decimal number",
}
_FORMATS = {datetime.datetime: {"format": "date-time"}, datetime.time: {"format": "time"}}
_LIMITS = ("gt", "ge", "lt", "le", "multiple_of", "pattern", "min_length", "max_length", "tz")


class Shape:
    """What a type looks like in JSON. This one takes anything.

    Attributes:
        expected: The type in words, for messages.
        keys: The keys of an object of this shape, where they are known.
        described: Whether the schema carries a description that was written for this place.
    """

    expected: str = "a value"
    keys: frozenset[str] | None = None
    described = False

    def schema(self, defs: Definitions) -> Schema:
        """The JSON Schema, which may refer to the definitions."""
        return {}

    def check(self, value: Any, path: str, report: Report) -> Any:
        """The Python value. If a problem was reported, what is returned means nothing."""
        return value


class Noted(Shape):
    """A shape with what an Annotated says about it."""

    def __init__(self, inner: Shape, notes: Schema) -> None:
        self._notes = notes
        self._inner = inner
        self.expected = inner.expected
        self.keys = inner.keys
        self.check = inner.check
        self.described = "description" in notes

    def schema(self, defs: Definitions) -> Schema:
        return {**self._inner.schema(defs), **self._notes}


class Leaf(Shape):
    """A type that msgspec reads from one JSON string, number, boolean or null."""

    def __init__(self, tp: Any, limits: Limits) -> None:
        self._tp = _limited(tp, limits)
        self._format = _FORMATS.get(tp, {})
        # Loosely read, "2025" would be 2025 seconds after 1970.
        self._exact = tp is datetime.datetime
        self.expected = _in_words(LEAVES[tp], tp, limits)

    def schema(self, defs: Definitions) -> Schema:
        return {**msgspec.json.schema(self._tp), **self._format}

    def check(self, value: Any, path: str, report: Report) -> Any:
        with contextlib.suppress(msgspec.ValidationError):
            return msgspec.convert(value, self._tp, strict=report.strict or self._exact)
        report.wrong(path, self.expected, value)


class Constants(Shape):
    """The values of a Literal or an Enum, each by its plain value."""

    def __init__(self, pairs: list[tuple[Any, Any]]) -> None:
        # With the type, as True equals 1.
        self._values: dict[tuple[Any, Any], Any] = {(type(plain), plain): value for plain, value in pairs}
        self._plain = [plain for plain, _ in pairs]
        self._members = [value for _, value in pairs if isinstance(value, enum.Enum)]
        self.expected = choices(self._plain)

    def schema(self, defs: Definitions) -> Schema:
        kinds = {kind(plain) for plain in self._plain}
        return {"type": kinds.pop(), "enum": self._plain} if len(kinds) == 1 else {"enum": self._plain}

    def check(self, value: Any, path: str, report: Report) -> Any:
        if isinstance(value, enum.Enum) and value in self._members:
            return value
        if isinstance(value, str | int | float | None):
            if (type(value), value) in self._values:
                return self._values[type(value), value]
            for plain in () if report.strict else self._plain:
                same_text = isinstance(value, str) and msgspec.json.encode(plain).decode() == value
                same_number = isinstance(value, float) and plain == value and isinstance(plain, int)
                if same_text or same_number:
                    return self._values[type(plain), plain]
        report.wrong(path, self.expected, value)


class _Container(Shape):
    """Several values within limits on the whole."""

    def __init__(self, tp: Any, limits: Limits, *, opening: str, taken: Any) -> None:
        self._bare = _limited(tp, limits)
        self._opening = opening
        self._taken = taken

    def check(self, value: Any, path: str, report: Report) -> Any:
        value = report.unpacked(value, self._opening)
        if isinstance(value, self._taken):
            before = len(report.problems)
            inner = self._inner(value, path, report)
            if len(report.problems) > before:
                return None
            with contextlib.suppress(msgspec.ValidationError, TypeError):  # A limit, or what a set cannot hold.
                return msgspec.convert(inner, self._bare)
        report.wrong(path, self.expected, value)

    def _inner(self, value: Any, path: str, report: Report) -> Any:
        raise NotImplementedError


class Array(_Container):
    """An array: a list, a set, or a tuple, which may hold just the items of given shapes."""

    def __init__(self, tp: Any, item: Shape, limits: Limits, own: list[Shape] | None = None) -> None:
        if own is not None:
            limits = {"min_length": len(own), "max_length": len(own)}
        super().__init__(tp, limits, opening="[", taken=list | tuple | set | frozenset)
        self._item = item
        self._own = own
        self.expected = _in_words("an array", tp, limits)
        if own is not None:
            self.expected = f"an array of {len(own)}: {', '.join(item.expected for item in own)}"

    def schema(self, defs: Definitions) -> Schema:
        schema = msgspec.json.schema(self._bare)
        if self._own is not None:
            prefix = {"prefixItems": [item.schema(defs) for item in self._own]} if self._own else {}
            return {**schema, **prefix, "items": False}
        items = self._item.schema(defs)
        return {**schema, "items": items} if items else schema

    def _inner(self, value: Any, path: str, report: Report) -> Any:
        own = dict(enumerate(self._own or ()))
        pairs = enumerate(cast(Iterable[Any], value))
        return [own.get(number, self._item).check(each, at(path, number), report) for number, each in pairs]


class Dictionary(_Container):
    """An object with any keys."""

    def __init__(self, key: Shape, value: Shape, limits: Limits) -> None:
        super().__init__(dict, limits, opening="{", taken=Mapping)
        self._key = key
        self._value = value
        self.expected = _in_words("an object", dict, limits)

    def schema(self, defs: Definitions) -> Schema:
        values = self._value.schema(defs)
        schema = msgspec.json.schema(self._bare)
        return {**schema, "additionalProperties": values} if values else schema

    def _inner(self, value: Any, path: str, report: Report) -> Any:
        # The keys of JSON objects are text, also those that stand for numbers.
        loose = Report()
        found: dict[Any, Any] = {}
        for key, each in cast(Mapping[Any, Any], value).items():
            place = at(path, str(key))
            found[self._key.check(key, f"{place}, its key", loose)] = self._value.check(each, place, report)
        report.problems += loose.problems
        return found


class Choice(Shape):
    """A union."""

    def __init__(self, options: list[Shape]) -> None:
        self._options = options
        self.expected = " or ".join(dict.fromkeys(option.expected for option in options))

    def schema(self, defs: Definitions) -> Schema:
        return {"anyOf": [option.schema(defs) for option in self._options]}

    def check(self, value: Any, path: str, report: Report) -> Any:
        options = self._options
        if isinstance(value, Mapping):
            # Of several objects that fit, the one that loses the least of what was given.
            given = cast(Mapping[str, Any], value).keys()
            options = sorted(options, key=lambda option: 0 if option.keys is None else len(given - option.keys))
        for strict in (True,) if report.strict else (True, False):
            for option in options:
                trial = Report(strict)
                found = option.check(value, path, trial)
                if not trial.problems:
                    return found
        objects = [option for option in options if option.keys is not None]
        if isinstance(value, Mapping) and len(objects) == 1:
            objects[0].check(value, path, report)
        else:
            report.wrong(path, self.expected, value)


def limits_of(extra: Any) -> dict[str, Any]:
    """The limits that a msgspec.Meta, an annotated_types object or a pydantic Field sets."""
    parts = getattr(extra, "metadata", ())
    found: dict[str, Any] = {}
    for part in (extra, *(cast(list[Any], parts) if isinstance(parts, list | tuple) else ())):
        said = {name: getattr(part, name, None) for name in _LIMITS}
        found |= {name: limit for name, limit in said.items() if isinstance(limit, str | int | float)}
    return found


def _limited(tp: Any, limits: Limits) -> Any:
    """The type within the limits, as msgspec understands it."""
    return Annotated[tp, msgspec.Meta(**limits)] if limits else tp


def _in_words(base: str, tp: Any, limits: Limits) -> str:
    """The words for a type, and its limits in those of JSON Schema."""
    if not limits:
        return base
    bare, schema = msgspec.json.schema(tp), msgspec.json.schema(_limited(tp, limits))
    said = [f"{name} {limit}" for name, limit in schema.items() if name not in bare]
    return f"{base} with {' and '.join(said)}" if said else base


def is_native(tp: Any, limits: Limits | None = None) -> bool:
    """Whether msgspec can convert to the type, within the limits."""
    try:
        msgspec.json.Decoder(_limited(tp, limits or {}))
    except (NameError, TypeError, ValueError):
        return False
    return True
