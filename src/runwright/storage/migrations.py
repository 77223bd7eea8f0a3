# SPDX-License-Identifier: Apache-2.0
"""Numbered migrations: the files ``sql/<database>/<schema>/NNNN_name.sql``, and how they are applied to SQLite.

A file that was released is never changed: a change of the schema is a new file with the next number.
"""

import functools
import sqlite3
from collections.abc import Iterator
from importlib import resources
from typing import NamedTuple

from runwright.errors import ConfigurationError, StorageError

_VERSION = "SELECT version FROM runwright_schema WHERE name = ?"
_HAS_VERSIONS = "SELECT 1 FROM sqlite_schema WHERE type = 'table' AND name = 'runwright_schema'"
_MAKE_VERSIONS = (
    "CREATE TABLE IF NOT EXISTS runwright_schema (name TEXT PRIMARY KEY, version INTEGER NOT NULL) WITHOUT ROWID"
)
_SET_VERSION = "INSERT OR REPLACE INTO runwright_schema (name, version) VALUES (?, ?)"


class Migration(NamedTuple):
    """One step: what brings a schema to version ``number`` from the one before."""

    number: int
    name: str
    sql: str


@functools.cache
def migrations(database: str, schema: str) -> tuple[Migration, ...]:
    """The migrations of a schema, in order.

    Args:
        database: ``"sqlite"`` or ``"postgres"``.
        schema: The folder below it.

    Raises:
        ConfigurationError: There are none, or their numbers have a gap.
    """
    folder = resources.files("runwright.storage") / "sql" / database / schema
    if not folder.is_dir():
        raise ConfigurationError(f"There is no schema {schema!r} for {database}")
    files = sorted((file for file in folder.iterdir() if file.name.endswith(".sql")), key=lambda file: file.name)
    found = tuple(Migration(int(file.name[:4]), file.name, file.read_text(encoding="utf-8")) for file in files)
    if not found or [one.number for one in found] != list(range(1, len(found) + 1)):
        raise ConfigurationError(f"The migrations of {database}/{schema} are not numbered 1, 2, 3, ...: {files}")
    return found


def newer_schema(schema: str, *, stored: int, known: int, place: object) -> StorageError:
    """The error for a database that a later version has migrated."""
    return StorageError(
        f"{place} was written by a newer Runwright: its schema {schema!r} has version {stored}, and this one knows "
        f"{known}. Install the newer version, or give another database"
    )


def migrate_sqlite(connection: sqlite3.Connection, schema: str, *, place: object) -> None:
    """Brings a SQLite database up to date. Of several processes that try at once, one does it and the others wait.

    Raises:
        StorageError: A later version has migrated it.
    """
    steps = migrations("sqlite", schema)
    if _version(connection, schema) != len(steps):
        connection.execute("BEGIN IMMEDIATE")
        try:
            _apply(connection, schema, steps, place)
            connection.execute("COMMIT")
        finally:
            if connection.in_transaction:
                connection.execute("ROLLBACK")


def _apply(connection: sqlite3.Connection, schema: str, steps: tuple[Migration, ...], place: object) -> None:
    version = _version(connection, schema)  # again: another process may have been faster
    if version > len(steps):
        raise newer_schema(schema, stored=version, known=len(steps), place=place)
    connection.execute(_MAKE_VERSIONS)
    for step in steps[version:]:
        for statement in _statements(step.sql):
            connection.execute(statement)
    connection.execute(_SET_VERSION, (schema, len(steps)))


def _version(connection: sqlite3.Connection, schema: str) -> int:
    if connection.execute(_HAS_VERSIONS).fetchone() is None:
        return 0
    row = connection.execute(_VERSION, (schema,)).fetchone()
    return 0 if row is None else row[0]


def _statements(sql: str) -> Iterator[str]:
    """The statements of a script. ``executescript`` would end the transaction."""
    statement = ""
    for line in sql.splitlines(keepends=True):
        statement += line
        if sqlite3.complete_statement(statement):
            yield statement
            statement = ""
    if statement.strip() and not all(line.startswith("--") for line in statement.split("\n") if line.strip()):
        raise ConfigurationError(f"A migration ends in the middle of a statement: {statement.strip()[-80:]!r}")
