# SPDX-License-Identifier: Apache-2.0
"""What nodes give each other: JSON values, and messages read as such."""

from collections.abc import Callable
from typing import Any, cast

import msgspec

from runwright.errors import ConfigurationError
from runwright.types import Content, Part, text_of


def plain(value: Any, what: str) -> Any:
    """A value as JSON holds it, which is how it is stored and given to the next node.

    Raises:
        ConfigurationError: JSON cannot hold it; the message names ``what`` it is.
    """
    if value is None or type(value) in (str, int, bool):
        return value
    try:
        return msgspec.json.decode(msgspec.json.encode(value, enc_hook=_dumped))
    except (TypeError, ValueError, RecursionError) as error:
        raise ConfigurationError(
            f"The {what} is a {type(value).__name__}, which JSON cannot hold ({error}): give strings, numbers, "
            "booleans, None, lists, dicts, dataclasses or models of such"
        ) from error


def _dumped(value: Any) -> Any:
    dump = getattr(value, "model_dump", None)
    if dump is None:
        raise TypeError(f"a {type(value).__module__}.{type(value).__qualname__} is not JSON")
    return dump(mode="json")


def read(value: Any, decode: Callable[[Any], Any]) -> Any:
    """A node's input as ``decode`` has it; of a message, its text."""
    return decode(text_of(value) if isinstance(value, Content) else value)


def listed(route: Any) -> list[Any]:
    """The routes of an edge or an event: one, or several in a list."""
    return cast("list[Any]", route) if isinstance(route, list) else [route]


def message_of(value: Any) -> Content | None:
    """A node's input as a user's message; None where it is nothing."""
    if value is None:
        return None
    if isinstance(value, Content):
        return value if value.role == "user" else Content(role="user", parts=value.parts)
    text = value if isinstance(value, str) else msgspec.json.encode(plain(value, "input of an agent")).decode()
    return Content(role="user", parts=[Part(text=text)])
