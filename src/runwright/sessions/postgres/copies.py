# SPDX-License-Identifier: Apache-2.0
"""What PostgreSQL gives and takes, and sessions as callers know them: rows to copies, names and state to parameters."""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from runwright.errors import InputValidationError, InvalidStateError
from runwright.event import Event
from runwright.session import Session
from runwright.sessions.coding import decode_values
from runwright.state import ScopedDelta, merge

MAX_NAME_BYTES = 2000
"""How long the names of a session, a run or a call may be together, or a state key: indexes hold no longer ones."""

_ESCAPED = re.compile(r"\\(\\|0|u[0-9a-f]{4})")


@dataclass(slots=True)
class Revision:
    """Which stored session a copy is of, and which versions of the shared state it shows.

    Attributes:
        epoch: The newest lease that this process has seen; a guess, which saves a question when it is right.
    """

    number: int
    token: int
    app_scope: int
    user_scope: int
    app: int
    user: int
    epoch: int = field(compare=False)

    def showing(self, app: int, user: int) -> "Revision":
        """The revision of the same session with newer shared state."""
        return replace(self, app=app, user=user)


def stored_name(name: str) -> str:
    """A name or key as PostgreSQL can hold it: NUL and lone surrogates are escaped, and the backslash with them."""
    if name.isascii() and "\\" not in name and "\0" not in name:
        return name
    return name.replace("\\", "\\\\").replace("\0", "\\0").encode("utf-8", "backslashreplace").decode()


def shown_name(text: str) -> str:
    """What :func:`stored_name` was given."""
    return _ESCAPED.sub(_unescaped, text) if "\\" in text else text


def stored_names(*names: str) -> tuple[str, ...]:
    """Names that tell a session, a run or a call, checked to fit into an index together.

    Raises:
        InputValidationError: They are too long.
    """
    stored = tuple(stored_name(name) for name in names)
    if sum(map(len, stored)) * 4 > MAX_NAME_BYTES and sum(len(name.encode()) for name in stored) > MAX_NAME_BYTES:
        raise InputValidationError(
            f"The names {[name[:40] for name in names]} are longer than {MAX_NAME_BYTES} bytes together: PostgreSQL "
            "cannot index them; give shorter ones"
        )
    return stored


def state_parameters(delta: ScopedDelta) -> dict[str, object]:
    """A change of state, encoded, as the statements take it.

    Raises:
        InvalidStateError: A key is too long.
    """
    return {
        "keys": _stored_keys(delta.session),
        "values": _texts(delta.session),
        "app_keys": _stored_keys(delta.app),
        "app_values": _texts(delta.app),
        "user_keys": _stored_keys(delta.user),
        "user_values": _texts(delta.user),
    }


def shown_state(pairs: Iterable[Any] | None) -> dict[str, Any]:
    """State from rows of a key and its JSON."""
    return decode_values({shown_name(key): data for key, data in pairs}) if pairs else {}


def copy_of(row: Any, app_state: dict[str, Any], user_state: dict[str, Any], events: list[Event]) -> Session:
    """A session as it is handed out."""
    return Session(
        id=shown_name(row["id"]),
        app_name=shown_name(row["app_name"]),
        user_id=shown_name(row["user_id"]),
        state=merge(app_state, user_state, shown_state(row["state"])),
        events=events,
        last_update_time=row["update_time"],
        seq=row["head"],
        revision=Revision(
            number=row["number"],
            token=row["token"],
            app_scope=row["app_scope"],
            user_scope=row["user_scope"],
            app=row["app_version"],
            user=row["user_version"],
            epoch=row["epoch"],
        ),
    )


def _unescaped(found: re.Match[str]) -> str:
    what = found[1]
    return "\\" if what == "\\" else "\0" if what == "0" else chr(int(what[1:], 16))


def _stored_keys(delta: Mapping[str, bytes]) -> list[str]:
    keys = [stored_name(key) for key in delta]
    for key in keys:
        if len(key) * 4 > MAX_NAME_BYTES and len(key.encode()) > MAX_NAME_BYTES:
            raise InvalidStateError(
                f"The state key {key[:40]!r}... is longer than {MAX_NAME_BYTES} bytes; nothing was written"
            )
    return keys


def _texts(delta: Mapping[str, bytes]) -> list[str]:
    return [data.decode() for data in delta.values()]
