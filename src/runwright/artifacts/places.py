# SPDX-License-Identifier: Apache-2.0
"""Where a file lies in a store that has paths, and names that every file system and bucket can hold.

Small letters, digits, ``.`` and ``-`` stand for themselves, ``_x`` is a capital X, ``__`` an underscore, and ``=2f``
any other byte. So two names are never one, not even where capitals do not count; none leads out of its folder; and none
is one that a system keeps for itself. A name too long for a file system is cut and ends in ``==`` and its SHA-256; the
whole name is in the records of its versions.
"""

import hashlib
import re
from typing import NamedTuple

from runwright.artifact import USER_NAMESPACE
from runwright.artifacts.names import owning_session
from runwright.errors import InputValidationError

_LONGEST = 160
_KEPT_OF_LONG = 80
_CUT = "=="
_PLAIN = frozenset("abcdefghijklmnopqrstuvwxyz0123456789.-")
_RESERVED = re.compile(r"(con|prn|aux|nul|com\d|lpt\d)(\.|$)")
_ENCODED = re.compile(r"_([a-z_])|=([0-9a-f]{2})")


def safe_name(name: str) -> str:
    """``name`` as one component of a path, different for each name.

    Raises:
        InputValidationError: It holds half of a surrogate pair, which no path can.
    """
    try:
        name.encode()
    except UnicodeEncodeError as error:
        raise InputValidationError(f"The name {name!r} is not valid Unicode, so no file can have it") from error
    safe = "".join(map(_safe, name)) or "="
    if safe[0] == "." or _RESERVED.match(safe):
        safe = f"={ord(safe[0]):02x}{safe[1:]}"
    if safe[-1] == ".":
        safe = f"{safe[:-1]}=2e"
    if len(safe) > _LONGEST:
        return f"{safe[:_KEPT_OF_LONG]}{_CUT}{hashlib.sha256(name.encode()).hexdigest()}"
    return safe


def plain_name(safe: str) -> str | None:
    """The name that :func:`safe_name` was given; None where it was cut, or where this is nothing that it gives."""
    if is_cut(safe):
        return None
    data = b"".join(_plain(match) for match in re.finditer(rf"{_ENCODED.pattern}|.", safe, re.DOTALL))
    try:
        name = data.decode()
    except UnicodeDecodeError:
        return None
    return name if safe_name(name) == safe else None


def is_cut(safe: str) -> bool:
    """Whether the whole name is to be looked up in a record."""
    return _CUT in safe


def _safe(character: str) -> str:
    if character in _PLAIN:
        return character
    if character == "_":
        return "__"
    if "A" <= character <= "Z":
        return f"_{character.lower()}"
    return "".join(f"={byte:02x}" for byte in character.encode())


def _plain(match: re.Match[str]) -> bytes:
    letter, byte = match[1], match[2]
    if byte is not None:
        return bytes.fromhex(byte)
    if letter is not None:
        return letter.upper().encode()
    return b"" if match[0] == "=" else match[0].encode()


class Place(NamedTuple):
    """Where files lie; those of the user have no session."""

    app_name: str
    user_id: str
    session_id: str | None

    @property
    def path(self) -> str:
        """The place as a relative path with ``/``."""
        session = "" if self.session_id is None else f"/sessions/{safe_name(self.session_id)}"
        return f"apps/{safe_name(self.app_name)}/users/{safe_name(self.user_id)}{session}"

    def file_name(self, plain: str) -> str:
        """What a file here is called by those who save and load it."""
        return USER_NAMESPACE + plain if self.session_id is None else plain


class Home(NamedTuple):
    """Where one file's versions lie.

    Attributes:
        place: Whose it is.
        filename: Its name, with ``user:`` where it is the user's.
    """

    place: Place
    filename: str

    @property
    def safe_name(self) -> str:
        return safe_name(self.filename.removeprefix(USER_NAMESPACE) if self.place.session_id is None else self.filename)


def home_of(app_name: str, user_id: str, session_id: str | None, filename: str) -> Home:
    """Where a file's versions lie.

    Raises:
        InputValidationError: The name is empty or leads out of its place, or a session's file comes without a session.
    """
    return Home(Place(app_name, user_id, owning_session(filename, session_id)), filename)


def places_of(app_name: str, user_id: str, session_id: str | None) -> list[Place]:
    """Where the files lie that a session sees: the user's, and its own."""
    places = [Place(app_name, user_id, None)]
    if session_id:
        places.append(Place(app_name, user_id, session_id))
    return places
