# SPDX-License-Identifier: Apache-2.0
"""A type by itself: its JSON Schema, and JSON checked against it."""

import contextlib
import dataclasses
from collections.abc import Callable, Mapping
from typing import Any, cast

import msgspec

from runwright.errors import InputValidationError
from runwright.schema.objects import WrittenSchema
from runwright.schema.reading import Reader
from runwright.schema.references import Definitions, Schema
from runwright.schema.report import Report, listed
from runwright.schema.shapes import is_native


def json_schema(tp: Any, *, where: str = "") -> Schema:
    """The JSON Schema of a type, as a model is shown it.

    References are inlined, save those of a type that contains itself. Titles are left out.

    Args:
        tp: A type, or a dict that already is a JSON Schema (given back as it is).
        where: What the type belongs to, for the error message, e.g. ``"tool 'f', parameter 'x'"``.

    Raises:
        UnsupportedTypeError: The type, or one inside it, has no JSON Schema.
    """
    if isinstance(tp, Mapping):
        return dict(cast(Mapping[str, Any], tp))
    defs = Definitions()
    return defs.finish(Reader().shape(tp, where).schema(defs))


def schema_decoder(tp: Any, *, where: str = "") -> Callable[[Any], Any]:
    """Makes a function that checks JSON against a type and gives the Python value.

    The function takes a JSON value or JSON text (``str`` or ``bytes``). A ``str`` that is no JSON text, or whose JSON
    does not fit, is also tried as a string value itself. It raises `InputValidationError` listing every problem.

    Args:
        tp: Any type that `json_schema` supports, or a dict holding a JSON Schema. Of such a dict ``type``, ``enum``,
            ``required``, ``properties``, ``items`` and ``additionalProperties: false`` are checked, and the value is
            given back unchanged.
        where: What the type belongs to, for error messages.

    Raises:
        UnsupportedTypeError: The type, or one inside it, has no JSON Schema.
    """
    reader = Reader()
    written = isinstance(tp, Mapping)
    shape = WrittenSchema(cast(Mapping[str, Any], tp)) if written else reader.shape(tp, where)
    native = not written and reader.native and is_native(tp)

    def read(value: Any) -> tuple[Any, list[str]]:
        if native:
            # Where this fails, the walk says why.
            with contextlib.suppress(msgspec.ValidationError, TypeError):
                return msgspec.convert(value, tp, strict=False, dec_hook=validate_model), []
        report = Report(strict=written)
        return shape.check(value, "", report), report.problems

    def decode(value: Any) -> Any:
        problems: list[str] = []
        if isinstance(value, str | bytes | bytearray):
            try:
                found, problems = read(msgspec.json.decode(value))
            except (msgspec.DecodeError, UnicodeDecodeError) as error:
                problems = [f"expected {shape.expected}, but the text is not JSON: {error}"]
            else:
                if not problems:
                    return found
        if not isinstance(value, bytes | bytearray):
            found, as_value = read(value)
            if not as_value:
                return found
            meant_as_json = isinstance(value, str) and value.lstrip().startswith(("{", "["))
            problems = problems if meant_as_json else as_value
        raise InputValidationError(listed(f"{where or 'The value'} does not fit its schema:", problems))

    return decode


def validate_model(tp: Any, value: Any) -> Any:
    """What msgspec asks about a type that is not its own: only pydantic models get so far."""
    return tp.model_validate(value)


def read_answer(text: str, decode: Callable[[Any], Any]) -> Any:
    """What a model answered in JSON, as JSON data that is as its type has it: converted, and with its defaults.

    A code fence around the whole, as models are fond of, is taken off. Of a pydantic model, what is None is left out.

    Args:
        text: What the model said.
        decode: What `schema_decoder` made of the type.

    Raises:
        InputValidationError: It is no JSON, or does not fit.
    """
    try:
        value = msgspec.json.decode(_unfenced(text))
    except msgspec.DecodeError as error:
        raise InputValidationError(str(error)) from error
    return _plain(decode(value))


def _unfenced(text: str) -> str:
    stripped = text.strip()
    if len(stripped) < 6 or not (stripped.startswith("```") and stripped.endswith("```")):
        return text
    language, newline, rest = stripped[3:-3].partition("\n")
    return rest if newline and language.strip().isalnum() else f"{language}{newline}{rest}"


def _plain(value: Any) -> Any:
    return msgspec.to_builtins(_spread(value), str_keys=True, enc_hook=_spread)


def _spread(value: Any) -> Any:
    """Models and dataclasses as dicts. msgspec leaves the defaults out of a dataclass that it made itself."""
    if hasattr(value, "model_dump"):
        return value.model_dump(mode="json", exclude_none=True)
    if dataclasses.is_dataclass(value):
        return {field.name: _spread(getattr(value, field.name)) for field in dataclasses.fields(value)}
    if isinstance(value, list):
        return [_spread(item) for item in cast(list[Any], value)]
    if isinstance(value, dict):
        return {key: _spread(item) for key, item in cast(dict[Any, Any], value).items()}
    return value
