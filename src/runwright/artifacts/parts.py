# SPDX-License-Identifier: Apache-2.0
"""What can be saved of a part: the same in every store."""

from collections.abc import Callable
from typing import TypeVar

import msgspec

from runwright.errors import InputValidationError
from runwright.types import Part

Value = TypeVar("Value")

_UNENCODABLE = (TypeError, ValueError, OverflowError, RecursionError, msgspec.EncodeError)


def mime_type_of(filename: str, part: Part) -> str | None:
    """The type of what is saved of a part.

    Raises:
        InputValidationError: There is nothing in it to save.
    """
    if part.inline_data is not None:
        return part.inline_data.mime_type
    if part.text is not None:
        return "text/plain"
    if part.file_data is not None:
        return part.file_data.mime_type
    raise InputValidationError(
        f"There is nothing to save as {filename!r}: give a part with inline_data, text or file_data"
    )


def encoded(filename: str, encode: Callable[[Value], bytes], value: Value) -> bytes:
    """``encode(value)``.

    Raises:
        InputValidationError: It cannot be encoded.
    """
    try:
        return encode(value)
    except _UNENCODABLE as error:
        raise InputValidationError(f"The artifact {filename!r} cannot be saved: {error}") from error
