# SPDX-License-Identifier: Apache-2.0
"""Which sessions an app has, in the order in which they were made, from the headers of their files.

The headers of a folder are read again only when files came into it or went.
"""

import logging
import os
import time
from typing import NamedTuple

from runwright.errors import CorruptedDataError
from runwright.sessions.file.lines import read_header
from runwright.sessions.file.places import LOG_SUFFIX, SessionKey

_SETTLED_SECONDS = 2.0
"""How old a folder's last change must be, so that another one would show: file systems count time in steps."""

_logger = logging.getLogger(__name__)


class Entry(NamedTuple):
    """A session, as it is ordered among the others of its app: by its number, and by its file where two have one."""

    number: int
    path: str
    key: SessionKey


class _Listed(NamedTuple):
    changed: int
    entries: list[Entry]


class SessionIndex:
    """The sessions of a store, read as they are asked for. It is used by one thread."""

    def __init__(self) -> None:
        self._folders: dict[str, _Listed] = {}

    def of_user(self, folder: str) -> list[Entry]:
        """The sessions in the folder of one user. What cannot be read is left out, with a warning in the log."""
        try:
            changed = os.stat(folder).st_mtime_ns
        except (FileNotFoundError, NotADirectoryError):
            self._folders.pop(folder, None)
            return []
        listed = self._folders.get(folder)
        if listed is not None and listed.changed == changed:
            return listed.entries
        entries = sorted(entry for name in _names(folder) if (entry := _entry(os.path.join(folder, name))) is not None)
        if time.time_ns() - changed > _SETTLED_SECONDS * 1e9:
            self._folders[folder] = _Listed(changed, entries)
        return entries

    def of_app(self, folder: str) -> list[Entry]:
        """The sessions of all users of an app."""
        try:
            names = sorted(os.listdir(folder))
        except (FileNotFoundError, NotADirectoryError):
            return []
        users = [os.path.join(folder, name) for name in names if not name.startswith("~")]
        return sorted(entry for user in users for entry in self.of_user(user))


def _names(folder: str) -> list[str]:
    try:
        return [name for name in os.listdir(folder) if name.endswith(LOG_SUFFIX) and not name.startswith("~")]
    except FileNotFoundError:
        return []


def _entry(path: str) -> Entry | None:
    try:
        header = read_header(path)
    except FileNotFoundError:
        return None
    except (CorruptedDataError, OSError) as error:
        _logger.warning("A session is left out: %s", error)
        return None
    return Entry(header.number, path, (header.app_name, header.user_id, header.id))
