# SPDX-License-Identifier: Apache-2.0
"""How a SQLite file is opened, and what its errors mean."""

import sqlite3
import time
from collections.abc import Callable
from pathlib import Path
from typing import Literal

from runwright.errors import ConfigurationError, CorruptedDataError, RunwrightError, StorageError
from runwright.storage.migrations import migrate_sqlite

Durability = Literal["normal", "full"]
Connect = Callable[..., sqlite3.Connection]

BUSY_SECONDS = 15.0
"""How long a write waits for another process that writes."""

_OLDEST_SQLITE = (3, 38, 0)
_CACHED_STATEMENTS = 256
_CHECKPOINT_PAGES = 4_000
_JOURNAL_BYTES = 64 * 1024 * 1024
_WAL_RETRY_SECONDS = 0.01
_LOCKED = {sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED}
_DAMAGED = {sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB}
_ADVICE = {
    sqlite3.SQLITE_FULL: "the disk is full. Nothing of this write was stored; make room and try again",
    sqlite3.SQLITE_BUSY: (
        f"another process kept it locked for {BUSY_SECONDS:g} seconds. Nothing of this write was stored; find what "
        "holds a transaction open (a backup, a shell) and try again"
    ),
    sqlite3.SQLITE_READONLY: "it may not be written to. Give the process the right to write to the file and its folder",
    sqlite3.SQLITE_CANTOPEN: "it cannot be opened. Look whether its folder exists and may be read and written to",
    sqlite3.SQLITE_PERM: "access is denied. Look at the rights of the file and its folder",
    sqlite3.SQLITE_IOERR: "reading or writing failed below SQLite. Whether this write was stored is not known",
    sqlite3.SQLITE_TOOBIG: "a value is larger than SQLite can hold. Keep large files as artifacts",
}


def storage_error(error: sqlite3.Error, path: Path) -> StorageError:
    """What an error of SQLite means, as an error of ours that says what to do. The caller chains the cause."""
    code = _primary_code(error)
    if code in _DAMAGED:
        return CorruptedDataError(
            f"The database {path} is damaged ({error}). Copy it, and what stands beside it with -wal and -shm, to a "
            "safe place; then restore a backup, or save what can be read with 'sqlite3 FILE .recover'"
        )
    advice = _ADVICE.get(sqlite3.SQLITE_BUSY if code in _LOCKED else code)
    return StorageError(f"The database {path}: {advice} ({error})" if advice else f"The database {path}: {error}")


def open_for_writing(path: Path, schema: str, durability: Durability, connect: Connect) -> sqlite3.Connection:
    """A connection to a file, which is made where it is missing, with its schema up to date."""
    _make_folder(path)
    connection = _connected(path, connect)
    try:
        _check_version(connection)
        _write_ahead(connection)
        connection.execute(f"PRAGMA synchronous = {'FULL' if durability == 'full' else 'NORMAL'}")
        connection.execute(f"PRAGMA wal_autocheckpoint = {_CHECKPOINT_PAGES}")
        connection.execute(f"PRAGMA journal_size_limit = {_JOURNAL_BYTES}")
        migrate_sqlite(connection, schema, place=path)
    except sqlite3.Error as error:
        connection.close()
        raise storage_error(error, path) from error
    except BaseException:
        connection.close()
        raise
    return connection


def open_for_reading(path: Path, connect: Connect) -> sqlite3.Connection:
    """A connection to a file that :func:`open_for_writing` has opened before."""
    connection = _connected(path, connect)
    try:
        connection.execute("PRAGMA query_only = ON")
    except sqlite3.Error as error:
        connection.close()
        raise storage_error(error, path) from error
    return connection


def _connected(path: Path, connect: Connect) -> sqlite3.Connection:
    try:
        # Each connection stays in one thread, but may be closed by another when the interpreter ends.
        return connect(
            str(path),
            timeout=BUSY_SECONDS,
            isolation_level=None,
            check_same_thread=False,
            cached_statements=_CACHED_STATEMENTS,
        )
    except sqlite3.Error as error:
        raise storage_error(error, path) from error


def _make_folder(path: Path) -> None:
    try:
        if path.is_dir():
            raise ConfigurationError(f"{path} is a folder: give the path of a database file")
        path.parent.mkdir(parents=True, exist_ok=True)
    except RunwrightError:
        raise
    except (OSError, ValueError) as error:
        raise StorageError(f"The folder of the database {path} cannot be made: {error}") from error


def _check_version(connection: sqlite3.Connection) -> None:
    (version,) = connection.execute("SELECT sqlite_version()").fetchone()
    if tuple(int(part) for part in version.split(".")) < _OLDEST_SQLITE:
        oldest = ".".join(map(str, _OLDEST_SQLITE))
        raise ConfigurationError(f"SQLite {oldest} or newer is needed, and this Python has {version}: use a newer one")


def _write_ahead(connection: sqlite3.Connection) -> None:
    """Turns the write-ahead log on. SQLite does not wait for other processes that do the same, so this does."""
    give_up_at = time.monotonic() + BUSY_SECONDS
    while True:
        try:
            (mode,) = connection.execute("PRAGMA journal_mode = WAL").fetchone()
        except sqlite3.OperationalError as error:
            if _primary_code(error) not in _LOCKED or time.monotonic() > give_up_at:
                raise
            time.sleep(_WAL_RETRY_SECONDS)
        else:
            if mode != "wal":
                raise sqlite3.OperationalError(f"the file system allows no write-ahead log (journal mode {mode})")
            return


def _primary_code(error: sqlite3.Error) -> int:
    # Errors of the Python module itself, as for a closed connection, have no code.
    return getattr(error, "sqlite_errorcode", 0) & 0xFF
