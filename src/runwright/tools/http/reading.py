# SPDX-License-Identifier: Apache-2.0
"""JSON of servers that are not trusted."""

from typing import Any, cast

import msgspec

DEEPEST = 200
"""How many lists and objects may stand in each other: whoever walks through more of them reaches Python's own limit."""


def read_json(content: bytes | str) -> Any:
    """A JSON value.

    Raises:
        msgspec.DecodeError: It is none, or nested deeper than :data:`DEEPEST`.
    """
    try:
        value: Any = msgspec.json.decode(content)
    except RecursionError as error:
        raise msgspec.DecodeError(f"it is nested deeper than {DEEPEST} levels") from error
    level, depth = [value], 0
    while level := [inner for one in level for inner in _inner(one)]:
        depth += 1
        if depth > DEEPEST:
            raise msgspec.DecodeError(f"it is nested deeper than {DEEPEST} levels")
    return value


def _inner(value: Any) -> list[Any]:
    if isinstance(value, dict):
        return list(cast("dict[str, Any]", value).values())
    return cast("list[Any]", value) if isinstance(value, list) else []
