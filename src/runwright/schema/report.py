# SPDX-License-Identifier: Apache-2.0
"""How the problems of a value are told, so that a model can correct them."""

import contextlib
import types
from collections.abc import Mapping
from typing import Any, cast

import msgspec

_KINDS: dict[Any, str] = {types.NoneType: "null", bool: "boolean", int: "integer", float: "number", str: "string"}


class Report:
    """Collects the problems of one check.

    Attributes:
        problems: One line each, with the path of the value.
        strict: Whether values must have exactly the right JSON type. Used to find the best member of a union.
    """

    def __init__(self, strict: bool = False) -> None:
        self.problems: list[str] = []
        self.strict = strict

    def add(self, path: str, problem: str) -> None:
        """Notes a problem of the value at the path."""
        self.problems.append(f"{path}: {problem}" if path else problem)

    def wrong(self, path: str, expected: str, value: Any) -> None:
        """Notes that a value is not what was expected."""
        self.add(path, f"expected {expected}, got {shown(value)}")

    def unpacked(self, value: Any, opening: str) -> Any:
        """The value, taken out of the JSON text that models write now and then in place of an object or array."""
        if not self.strict and isinstance(value, str) and value.lstrip().startswith(opening):
            with contextlib.suppress(msgspec.DecodeError):
                return msgspec.json.decode(value)
        return value


def listed(head: str, problems: list[str]) -> str:
    """A message with every problem on a line of its own."""
    return "\n- ".join([head, *problems])


def at(path: str, key: Any) -> str:
    """The path of what is inside."""
    if isinstance(key, int):
        return f"{path}[{key}]"
    return f"{path}.{key}" if path else str(key)


def shown(value: Any) -> str:
    """A value as a model wrote it, not longer than a line."""
    try:
        text = msgspec.json.encode(value).decode()
    except (TypeError, ValueError):
        text = repr(value)
    return text if len(text) <= 60 else f"{text[:57]}..."


def choices(values: list[Any]) -> str:
    """The values that may be chosen, as JSON."""
    return f"one of {', '.join(msgspec.json.encode(value).decode() for value in values)}"


def kind(value: Any) -> str:
    """The JSON type of a JSON value."""
    return _KINDS.get(cast(Any, type(value)), "object" if isinstance(value, Mapping) else "array")
