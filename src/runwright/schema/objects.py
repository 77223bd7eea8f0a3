# SPDX-License-Identifier: Apache-2.0
"""The shapes of objects with named fields: arguments, classes, pydantic models, JSON Schemas written by hand."""

import functools
import inspect
import math
import typing
from collections.abc import Mapping
from typing import Any, Literal, NamedTuple, cast

import msgspec

from runwright.errors import UnsupportedTypeError
from runwright.schema.docstring import class_docstring, parse_docstring
from runwright.schema.references import Definitions, Schema
from runwright.schema.report import Report, at, choices, kind, shown
from runwright.schema.shapes import Constants, Shape

NO_DEFAULT: Any = inspect.Parameter.empty


class Field(NamedTuple):
    """A field of an object: its Python name, its key in JSON, what it holds, and its default or `NO_DEFAULT`."""

    name: str
    key: str
    shape: Shape
    required: bool
    default: Any = NO_DEFAULT


class Object(Shape):
    """An object with fields. Keys that are none of them are refused, dropped or kept; those barred are refused."""

    expected = "an object"

    def __init__(self, others: Literal["refuse", "drop", "keep"], barred: frozenset[str] = frozenset()) -> None:
        self.others = others
        self._barred = barred

    def fill(self, fields: list[Field], said: Mapping[str, str]) -> None:
        """Gives the object its fields, which may hold the object itself."""
        self._fields = fields
        self._said = said
        self.keys = frozenset(field.key for field in fields)
        if needed := [field.key for field in fields if field.required]:
            self.expected = f"an object with {', '.join(needed)}"

    def schema(self, defs: Definitions) -> Schema:
        properties: Schema = {}
        for field in self._fields:
            schema = field.shape.schema(defs)
            if field.name in self._said and not field.shape.described:
                schema = {**schema, "description": self._said[field.name]}
            properties[field.key] = _with_default(schema, field.default)
        required = [field.key for field in self._fields if field.required]
        return {"type": "object", "properties": properties, "required": required}

    def check(self, value: Any, path: str, report: Report) -> Any:
        value = report.unpacked(value, "{")
        if not isinstance(value, Mapping):
            return report.wrong(path, self.expected, value)
        given = cast(Mapping[str, Any], value)
        found: dict[str, Any] = {}
        for field in self._fields:
            place = at(path, field.key)
            if field.key in given:
                trial = Report(report.strict)
                inner = field.shape.check(given[field.key], place, trial)
                if not trial.problems:
                    found[field.name] = inner
                # Models write null for what they leave out.
                elif report.strict or field.required or given[field.key] is not None:
                    report.problems += trial.problems
            elif field.required:
                report.add(place, f"missing, expected {field.shape.expected}")
        for key in (key for key in given if key not in (self.keys or ())):
            if self.others == "refuse" or key in self._barred:
                known = ", ".join(field.key for field in self._fields)
                report.add(at(path, key), f"unknown, the keys are {known}" if known else "unknown, there are none")
            elif self.others == "keep":
                found[key] = given[key]
        return found


class Record(Object):
    """A dataclass, a TypedDict or a Struct."""

    def __init__(self, tp: Any, cls: Any) -> None:
        self._tp = tp
        self._cls = cls
        self._tag = ""
        self._tag_fields: list[Field] = []
        config: Any = getattr(cls, "__struct_config__", None)
        if config and config.tag is not None:
            self._tag = config.tag_field
            self._tag_fields.append(Field(self._tag, self._tag, Constants([(config.tag, config.tag)]), True))
        super().__init__("refuse" if config and config.forbid_unknown_fields else "drop")

    def fill(self, fields: list[Field], said: Mapping[str, str]) -> None:
        super().fill([*self._tag_fields, *fields], said)

    def schema(self, defs: Definitions) -> Schema:
        words = [self._cls.__name__, *(getattr(arg, "__name__", "of") for arg in typing.get_args(self._tp))]
        return defs.place(self._tp, "_".join(words), lambda: self._body(defs))

    def _body(self, defs: Definitions) -> Schema:
        description = parse_docstring(class_docstring(self._cls)).description
        schema = {**({"description": description} if description else {}), **super().schema(defs)}
        if not schema["required"]:  # Not all dialects of JSON Schema take an empty list here.
            del schema["required"]
        return {**schema, "additionalProperties": False} if self.others == "refuse" else schema

    def check(self, value: Any, path: str, report: Report) -> Any:
        is_dict = typing.is_typeddict(self._cls)
        if not is_dict and isinstance(value, self._cls):
            return value
        before = len(report.problems)
        found = super().check(value, path, report)
        if is_dict or len(report.problems) > before:
            return found
        found.pop(self._tag, None)
        try:
            return self._cls(**found)
        except (TypeError, ValueError) as error:  # What __post_init__ has against the values.
            report.add(path, str(error))


class Model(Shape):
    """A pydantic model, known by its two methods."""

    def __init__(self, cls: Any, where: str) -> None:
        self._cls = cls
        try:
            self._schema: Schema = cls.model_json_schema()
        except Exception as error:  # The class is the user's: anything may come, and all of it says what is wrong.
            raise UnsupportedTypeError(f"{where or 'type'}: {cls.__name__} gives no JSON Schema: {error}") from error
        if "properties" in self._schema:
            self.keys = frozenset(self._schema["properties"])
        needed = self._schema.get("required", ())
        self.expected = f"an object with {', '.join(needed)}" if needed else "an object"

    def schema(self, defs: Definitions) -> Schema:
        return defs.adopt(self._cls, self._schema)

    def check(self, value: Any, path: str, report: Report) -> Any:
        if not isinstance(value, self._cls):
            value = report.unpacked(value, "{")
        try:
            return self._cls.model_validate(value)
        except ValueError as error:
            for problem in (problems := cast(list[Any], getattr(error, "errors", list)())):
                came = "" if problem["type"] == "missing" else f", got {shown(problem['input'])}"
                report.add(functools.reduce(at, problem["loc"], path), f"{problem['msg']}{came}")
            if not problems:
                report.add(path, str(error))


class WrittenSchema(Shape):
    """A JSON Schema that was written by hand. Its basics are checked; the value is given back as it is."""

    def __init__(self, schema: Mapping[str, Any]) -> None:
        kinds: Any = schema.get("type") or ()
        # Gemini's dialect writes types in capitals and has ``nullable``.
        self._kinds = [str(kind).lower() for kind in ([kinds] if isinstance(kinds, str) else kinds)]
        if schema.get("nullable") and self._kinds:
            self._kinds.append("null")
        self._enum: list[Any] | None = schema.get("enum")
        self._object = Object("refuse" if schema.get("additionalProperties") is False else "drop")
        inner = {name: WrittenSchema(each) for name, each in schema.get("properties", {}).items()}
        needed = schema.get("required", ())
        shapes = {**inner, **{name: Shape() for name in needed if name not in inner}}
        self._object.fill([Field(name, name, shape, name in needed) for name, shape in shapes.items()], {})
        items = schema.get("items")
        self._items = WrittenSchema(cast(Mapping[str, Any], items)) if isinstance(items, Mapping) else Shape()
        self.expected = " or ".join(self._kinds) or "a value"

    def check(self, value: Any, path: str, report: Report) -> Any:
        own = kind(value)
        whole = own == "integer" or (isinstance(value, float) and value.is_integer())
        kinds = {own, "number", "integer"} if whole else {own}
        if self._kinds and not kinds.intersection(self._kinds):
            report.wrong(path, self.expected, value)
        elif self._enum is not None and not any(kind(each) == own and each == value for each in self._enum):
            report.wrong(path, choices(self._enum), value)
        elif isinstance(value, Mapping):
            self._object.check(value, path, report)
        elif isinstance(value, list):
            for number, item in enumerate(cast(list[Any], value)):
                self._items.check(item, at(path, number), report)
        return cast(Any, value)


def _with_default(schema: Schema, default: Any) -> Schema:
    """The schema with the default, if there is one that JSON can hold."""
    if default is NO_DEFAULT or (isinstance(default, float) and not math.isfinite(default)):
        return schema
    try:
        encoded = msgspec.json.encode(default, enc_hook=lambda model: model.model_dump(mode="json"))
    except (TypeError, ValueError, AttributeError, OverflowError):
        return schema
    return {**schema, "default": msgspec.json.decode(encoded)}
