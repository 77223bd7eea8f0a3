# SPDX-License-Identifier: Apache-2.0
"""How OpenAPI writes values into paths, queries, headers and cookies (pure)."""

from collections.abc import Iterator, Mapping
from typing import Any, cast
from urllib.parse import quote

import msgspec

_RESERVED = ":/?#[]@!$&'()*+,;="


def text(value: Any) -> str:
    """A value as it is written where there is no JSON: ``true``, ``3``, or JSON for lists and objects."""
    if isinstance(value, str):
        return value
    if value is None:
        return ""
    if isinstance(value, float) and value.is_integer():
        return str(int(value))  # Some models write each number as a float.
    return msgspec.json.encode(value).decode()


def in_path(name: str, value: Any, *, style: str, explode: bool) -> str:
    """A value in a path: ``simple``, ``label`` or ``matrix``."""
    if style == "matrix":
        return _in_matrix(name, value, explode)
    lead, between = (".", "." if explode else ",") if style == "label" else ("", ",")
    return lead + between.join(_items(value, explode, _quoted))


def in_header(value: Any, *, explode: bool) -> str:
    """A value in a header: always ``simple``, and nothing is quoted."""
    return ",".join(_items(value, explode, text))


def in_query(name: str, value: Any, *, style: str, explode: bool, allow_reserved: bool = False) -> list[str]:
    """A value in a query, a form or a cookie: its pairs ``name=value``, quoted.

    Args:
        name: The parameter's name.
        value: A JSON value.
        style: ``form``, ``spaceDelimited``, ``pipeDelimited`` or ``deepObject``.
        explode: Whether each item has a pair of its own.
        allow_reserved: Whether characters with a meaning in URLs stay as they are.
    """

    def written(item: Any) -> str:
        # What ends a pair or a query is quoted even there.
        return (
            quote(text(item), safe=_RESERVED.replace("&", "").replace("#", "").replace("+", ""))
            if (allow_reserved)
            else _quoted(item)
        )

    key = _quoted(name)
    if isinstance(value, Mapping):
        given = cast("Mapping[str, Any]", value)
        if style == "deepObject":
            return [f"{where}={written(item)}" for where, item in _deep(key, given)]
        if explode:
            return [f"{_quoted(inner)}={written(item)}" for inner, item in given.items()]
        return [f"{key}={','.join(_items(given, False, written))}"]
    if isinstance(value, list):
        items = cast("list[Any]", value)
        if explode or style == "deepObject":
            return [f"{key}={written(item)}" for item in items]
        between = {"spaceDelimited": "%20", "pipeDelimited": "%7C"}.get(style, ",")
        return [f"{key}={between.join(map(written, items))}"]
    return [f"{key}={written(value)}"]


def _in_matrix(name: str, value: Any, explode: bool) -> str:
    key = _quoted(name)
    if explode and isinstance(value, Mapping):
        return "".join(f";{item}" for item in _items(value, True, _quoted))
    if explode and isinstance(value, list):
        return "".join(f";{key}={_quoted(item)}" for item in cast("list[Any]", value))
    return f";{key}={','.join(_items(value, False, _quoted))}"


def _items(value: Any, explode: bool, written: Any) -> Iterator[str]:
    if isinstance(value, Mapping):
        for key, item in cast("Mapping[str, Any]", value).items():
            if explode:
                yield f"{written(key)}={written(item)}"
            else:
                yield written(key)
                yield written(item)
    elif isinstance(value, list):
        yield from map(written, cast("list[Any]", value))
    else:
        yield written(value)


def _deep(where: str, value: Any) -> Iterator[tuple[str, Any]]:
    if isinstance(value, Mapping):
        for key, item in cast("Mapping[str, Any]", value).items():
            yield from _deep(f"{where}[{_quoted(key)}]", item)
    elif isinstance(value, list):
        for index, item in enumerate(cast("list[Any]", value)):
            yield from _deep(f"{where}[{index}]", item)
    else:
        yield where, value


def _quoted(value: Any) -> str:
    return quote(text(value), safe="")
