# SPDX-License-Identifier: Apache-2.0
"""Whose a file is, by its name: the rule is the same in every store, whether or not it has paths."""

import re

from runwright.artifact import USER_NAMESPACE
from runwright.errors import InputValidationError

_DRIVE = re.compile(r"[A-Za-z]:[/\\]")


def owning_session(filename: str, session_id: str | None) -> str | None:
    """The session that a file belongs to, None where it is the user's.

    Raises:
        InputValidationError: The name is empty or leads out of its place, or a session's file comes without a session.
    """
    name = filename.removeprefix(USER_NAMESPACE)
    if not name.strip():
        raise InputValidationError(f"An artifact needs a file name, not {filename!r}")
    if "\0" in name:
        raise InputValidationError(f"The artifact name {filename!r} holds a NUL character: leave it out")
    try:
        name.encode()
    except UnicodeEncodeError as error:
        raise InputValidationError(f"The artifact name {filename!r} is not valid Unicode: {error}") from error
    if name.startswith(("/", "\\")) or _DRIVE.match(name) or ".." in re.split(r"[/\\]", name):
        raise InputValidationError(f"The artifact name {filename!r} leads elsewhere: give a relative one without ..")
    if filename.startswith(USER_NAMESPACE):
        return None
    if not session_id:
        raise InputValidationError(
            f"The artifact {filename!r} belongs to a session: give session_id, or put {USER_NAMESPACE!r} before its "
            "name to keep it for all sessions of the user"
        )
    return session_id
