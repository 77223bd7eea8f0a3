# SPDX-License-Identifier: Apache-2.0
"""Where the command line keeps sessions."""

import os
from pathlib import Path

import click

from runwright.session import BaseSessionService

VARIABLE = "RUNWRIGHT_SESSIONS"
DEFAULT_STORE = os.path.join(".runwright", "sessions.db")
"""In the current folder, so that each project has its own."""

_DATABASE_SUFFIXES = (".db", ".sqlite", ".sqlite3")


def open_store(place: str | None, *, make: bool) -> BaseSessionService:
    """The store at a place: a URL, a SQLite file (``.db``, ``.sqlite``), or a folder with a log for each session.

    Args:
        place: The default where it is None.
        make: Whether it is made where it is missing.

    Raises:
        UsageError: There is none, and it is not to be made.
        ConfigurationError: The URL cannot be used.
    """
    place = place or DEFAULT_STORE
    if "://" in place:
        from runwright.sessions.database import DatabaseSessionService

        if not make and place.startswith("sqlite"):
            _must_exist(Path(place.partition(":///")[2]), place)
        return DatabaseSessionService(place)
    path = Path(place).expanduser()
    if not make:
        _must_exist(path, place)
    if path.is_file() or (not path.is_dir() and path.suffix in _DATABASE_SUFFIXES):
        from runwright.sessions.sqlite import SqliteSessionService

        if make:
            _make_folder(path.parent, hidden=place == DEFAULT_STORE)
        return SqliteSessionService(path)
    from runwright.sessions.file import FileSessionService

    return FileSessionService(path)


def _must_exist(path: Path, place: str) -> None:
    if not path.exists():
        raise click.UsageError(f"There are no sessions at {place!r}: name their place with --store or {VARIABLE}.")


def _make_folder(folder: Path, *, hidden: bool) -> None:
    if folder.is_dir():
        return
    folder.mkdir(parents=True)
    if hidden:  # what was said is nobody's source code
        (folder / ".gitignore").write_text("*\n", encoding="utf-8")
