# SPDX-License-Identifier: Apache-2.0
"""State: what a session remembers beside its events, in four scopes told apart by the key's prefix.

``key`` belongs to the session, ``user:key`` to the user in all sessions of the app, ``app:key`` to all users of the
app, and ``temp:key`` to the running invocation alone: it is never stored.
"""

import math
from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple, cast

from runwright.errors import InvalidStateError
from runwright.record import copy_json

APP_PREFIX = "app:"
USER_PREFIX = "user:"
TEMP_PREFIX = "temp:"

_PLAIN = frozenset({str, int, bool, type(None)})


class ScopedDelta(NamedTuple):
    """A change of state, by scope, with the prefixes of the keys taken off."""

    app: dict[str, Any]
    user: dict[str, Any]
    session: dict[str, Any]


def split(delta: Mapping[str, Any]) -> ScopedDelta:
    """Splits a change by scope. ``temp:`` keys are in none of them."""
    parts = ScopedDelta({}, {}, {})
    for key, value in delta.items():
        if key.startswith(APP_PREFIX):
            parts.app[key[len(APP_PREFIX) :]] = value
        elif key.startswith(USER_PREFIX):
            parts.user[key[len(USER_PREFIX) :]] = value
        elif not key.startswith(TEMP_PREFIX):
            parts.session[key] = value
    return parts


def merge(app: Mapping[str, Any], user: Mapping[str, Any], session: Mapping[str, Any]) -> dict[str, Any]:
    """The state as a session shows it: all scopes in one dict, with their prefixes."""
    merged = dict(session)
    for key, value in app.items():
        merged[APP_PREFIX + key] = value
    for key, value in user.items():
        merged[USER_PREFIX + key] = value
    return merged


def without_temp(delta: Mapping[str, Any]) -> dict[str, Any]:
    """The part of a change that is stored."""
    return {key: value for key, value in delta.items() if not is_temp(key)}


def is_temp(key: object) -> bool:
    """Whether a key is of the running invocation alone. A key that is no string is not: it is refused when stored."""
    return isinstance(key, str) and key.startswith(TEMP_PREFIX)


def check_storable(delta: Mapping[str, Any]) -> None:
    """Checks that each value of a change comes back from JSON as it went in.

    Raises:
        InvalidStateError: One would not; the message names the key and the place in the value.
    """
    for key, value in cast("Mapping[Any, Any]", delta).items():
        if not isinstance(key, str):
            raise InvalidStateError(f"The state key {key!r} is a {type(key).__qualname__}: use a string")
        try:
            _check_value(key, value, "")
        except RecursionError:
            raise _not_storable(key, "", "it is nested too deeply, or holds itself") from None


def _check_value(key: str, value: Any, place: str) -> None:
    kind = cast("type[Any]", type(value))
    if kind in _PLAIN:
        return
    if kind is float:
        if not math.isfinite(value):
            raise _not_storable(key, place, f"{value} is not a JSON number")
    elif isinstance(value, dict):
        for name, item in cast("dict[Any, Any]", value).items():
            if not isinstance(name, str):
                raise _not_storable(key, place, f"its key {name!r} is not a string")
            _check_value(key, item, f"{place}[{name!r}]")
    elif isinstance(value, list | tuple):
        for index, item in enumerate(cast("list[Any]", value)):
            _check_value(key, item, f"{place}[{index}]")
    elif not isinstance(value, str | int | float):
        raise _not_storable(key, place, f"a {kind.__module__}.{kind.__qualname__} is not JSON")


def _not_storable(key: str, place: str, why: str) -> InvalidStateError:
    return InvalidStateError(
        f"State {key!r} cannot be stored: {key}{place}: {why}. Store strings, finite numbers, booleans, None, and "
        "lists and dicts of them; keep files as artifacts"
    )


class State:
    """The state as user code sees it: reads see the writes of this invocation, and each write is recorded.

    A list or a dict that was read and changed in place is a write too, once :meth:`record_changes_in_place` was called.

    Args:
        value: The state so far. Writes go here too, so that all who share it see them at once.
        delta: Where writes are recorded; the next event stores them.
    """

    APP_PREFIX = APP_PREFIX
    USER_PREFIX = USER_PREFIX
    TEMP_PREFIX = TEMP_PREFIX

    __slots__ = ("_delta", "_read", "_value")

    def __init__(self, value: dict[str, Any], delta: dict[str, Any]) -> None:
        self._value = value
        self._delta = delta
        self._read: dict[str, tuple[Any, Any]] = {}

    def __getitem__(self, key: str) -> Any:
        value: Any = self._delta[key] if key in self._delta else self._value[key]
        if type(value) in (dict, list) and key not in self._read:
            self._read[key] = (value, copy_json(value))
        return value

    def __setitem__(self, key: str, value: Any) -> None:
        self._value[key] = value
        self._delta[key] = value

    def __contains__(self, key: object) -> bool:
        return key in self._value or key in self._delta

    def __iter__(self) -> Iterator[str]:
        return iter(self.to_dict())

    def __len__(self) -> int:
        return len(self.to_dict())

    def __repr__(self) -> str:
        return f"State({self.to_dict()!r})"

    def get(self, key: str, default: Any = None) -> Any:
        try:
            return self[key]
        except KeyError:
            return default

    def setdefault(self, key: str, default: Any = None) -> Any:
        if key not in self:
            self[key] = default
        return self[key]

    def update(self, delta: Mapping[str, Any]) -> None:
        for key, value in delta.items():
            self[key] = value

    def keys(self) -> list[str]:
        return list(self.to_dict())

    def record_changes_in_place(self) -> None:
        """Records the lists and dicts that were read and have changed since."""
        for key, (value, before) in self._read.items():
            if value != before and self._value.get(key) is value:
                self._delta[key] = value
        self._read.clear()

    def has_delta(self) -> bool:
        """Whether anything was written since the last event."""
        return bool(self._delta)

    def to_dict(self) -> dict[str, Any]:
        """All keys and values, writes included, as a new dict."""
        return {**self._value, **self._delta}
