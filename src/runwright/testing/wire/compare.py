# SPDX-License-Identifier: Apache-2.0
"""What differs between the request that came and the one that was recorded."""

import difflib
import fnmatch
from collections.abc import Callable, Iterable, Mapping
from typing import Any, cast
from urllib.parse import parse_qsl, urlsplit

import msgspec

from runwright.testing.wire.exchange import WireRequest


class Comparison:
    """How requests are compared: method, path, query and JSON body. Objects' keys and queries have no order.

    Args:
        ignore: Paths in the body that do not count, each a pattern such as ``"tools.*.strict"``: names and places
            joined by dots, ``*`` for any one and ``**`` for any number of them.
        ignore_query: Names in the query that do not count, as patterns.
        normalise: Called with each side's body; what it returns is compared. It gets a body of its own to change.
    """

    def __init__(
        self,
        *,
        ignore: Iterable[str] = (),
        ignore_query: Iterable[str] = ("key",),
        normalise: Callable[[Any], Any] | None = None,
    ) -> None:
        self._ignore = tuple(ignore)
        self._ignore_query = tuple(ignore_query)
        self._normalise = normalise

    def difference(self, recorded: WireRequest, came: WireRequest) -> str:
        """A readable diff, ``-`` recorded and ``+`` sent; empty where there is none."""
        before, after = self._shown(recorded), self._shown(came)
        return _diff(before, after)

    def json_difference(self, recorded: Any, came: Any) -> str:
        """The same for two messages that are JSON."""
        return _diff(self._shown_json(recorded), self._shown_json(came))

    def _shown(self, request: WireRequest) -> list[str]:
        split = urlsplit(request.target)
        query = sorted(
            f"{name}={value}"
            for name, value in parse_qsl(split.query, keep_blank_values=True)
            if not any(fnmatch.fnmatchcase(name, pattern) for pattern in self._ignore_query)
        )
        target = split.path + ("?" + "&".join(query) if query else "")
        return [f"{request.method} {target}", *self._shown_body(request)]

    def _shown_body(self, request: WireRequest) -> list[str]:
        if not request.body:
            return []
        body = request.json()
        return [repr(request.body)] if body is None else self._shown_json(body)

    def _shown_json(self, body: Any) -> list[str]:
        if self._normalise is not None:
            body = self._normalise(body)
        body = _even(self._without_ignored(body, ""))
        return msgspec.json.format(msgspec.json.encode(body, order="sorted"), indent=2).decode().splitlines()

    def _without_ignored(self, value: Any, path: str) -> Any:
        if isinstance(value, Mapping):
            pairs = [(f"{path}.{name}" if path else name, name, item) for name, item in _pairs(value)]
            return {
                name: self._without_ignored(item, below) for below, name, item in pairs if not self._is_ignored(below)
            }
        if isinstance(value, list):
            places = [
                (f"{path}.{place}" if path else str(place), item) for place, item in enumerate(cast("list[Any]", value))
            ]
            return [self._without_ignored(item, below) for below, item in places if not self._is_ignored(below)]
        return value

    def _is_ignored(self, path: str) -> bool:
        return any(_matches(pattern.split("."), path.split(".")) for pattern in self._ignore)


def spelled_alike(message: Any) -> Any:
    """A message of a live conversation without what is only spelling.

    Names are camelCase, and bytes in base64 are of the standard alphabet. Providers take either. What is a program's
    own (arguments, schemas, what tools answer) is left as it is.
    """
    if isinstance(message, Mapping):
        made: dict[str, Any] = {}
        for name, value in _pairs(message):
            first, *rest = name.split("_")
            name = first + "".join(word.capitalize() for word in rest)
            if name in _BYTES and isinstance(value, str):
                made[name] = value.replace("-", "+").replace("_", "/")
            else:
                made[name] = value if name in _FREE_FORM else spelled_alike(value)
        return made
    if isinstance(message, list):
        return [spelled_alike(item) for item in cast("list[Any]", message)]
    return message


_BYTES = frozenset({"audio", "data", "thoughtSignature"})
_FREE_FORM = frozenset(
    {"args", "arguments", "output", "parameters", "parametersJsonSchema", "response", "responseJsonSchema"}
)


def _diff(recorded: list[str], sent: list[str]) -> str:
    return "\n".join(difflib.unified_diff(recorded, sent, "recorded", "sent", lineterm="", n=3))


def _pairs(value: Any) -> Iterable[tuple[str, Any]]:
    return cast("Mapping[str, Any]", value).items()


def _matches(pattern: list[str], path: list[str]) -> bool:
    """Whether a path is what a pattern names; ``**`` stands for any number of steps."""
    if not pattern:
        return not path
    if pattern[0] == "**":
        return any(_matches(pattern[1:], path[skipped:]) for skipped in range(len(path) + 1))
    return bool(path) and fnmatch.fnmatchcase(path[0], pattern[0]) and _matches(pattern[1:], path[1:])


def _even(value: Any) -> Any:
    """The same JSON where clients write the same number in two ways: ``1.0`` is ``1``."""
    if isinstance(value, float) and value.is_integer():
        return int(value)
    if isinstance(value, Mapping):
        return {name: _even(item) for name, item in _pairs(value)}
    if isinstance(value, list):
        return [_even(item) for item in cast("list[Any]", value)]
    return value
