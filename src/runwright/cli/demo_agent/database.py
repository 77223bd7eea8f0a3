# SPDX-License-Identifier: Apache-2.0
"""Read-only SQL over one SQLite file, as tools: JSON in, JSON out, from several threads at once."""

import math
import os
import re
import sqlite3
import time
from contextlib import closing
from pathlib import Path
from typing import Any

from runwright.cli.demo_agent.texts import printable

_READING_PRAGMAS = frozenset({"table_info", "foreign_key_list", "index_list", "data_version"})
_KEYWORD_LIST = (
    "add all alter and as asc between by case check column commit create cross current default delete desc"
    " distinct drop else end except exists from full group having if in index inner insert into is join key"
    " left like limit natural not null of offset on or order outer over primary references right row rows"
    " select set table then to transaction union unique update using values view when where with"
)
_KEYWORDS = frozenset(_KEYWORD_LIST.split())
_MAX_VALUE_CHARACTERS = 1_000
_MAX_TABLES = 100


class ReadOnlyDatabase:
    """Read-only SQL over one SQLite file.

    Three things keep it to reading: the file is opened for reading, every statement passes an authorizer that knows
    nothing but reading, and one call runs one statement. Rows, values and time are bounded. Each call has a connection
    of its own and sees the file as it is then.

    Args:
        path: The database file.
        max_rows: No query returns more rows, whatever it asks for.
        time_limit: Seconds after which a query is stopped.

    Raises:
        FileNotFoundError: There is no such file.
        ValueError: It is not an SQLite database, it holds no tables, or it cannot be opened.
    """

    def __init__(self, path: str | os.PathLike[str], *, max_rows: int = 200, time_limit: float = 5.0) -> None:
        shown = os.fspath(path)
        self._path = Path(os.path.realpath(os.path.expanduser(path)))
        self._max_rows = max_rows
        self._time_limit = time_limit
        if not self._path.exists():
            raise FileNotFoundError(f"There is no database {shown!r}. Name an SQLite file that exists.")
        if not self._path.is_file():
            raise ValueError(f"{shown!r} is not a file. Name an SQLite file.")
        try:
            with closing(self._connect()) as connection:
                names = _table_names(connection)
        except sqlite3.Error as error:
            raise ValueError(f"{shown!r} cannot be read as an SQLite database: {error}.") from error
        if not names:
            raise ValueError(f"The database {shown!r} holds no tables.")

    def list_tables(self) -> dict[str, Any]:
        """List the tables and views of the database with their columns and numbers of rows. Call it before a query.

        Returns:
            ``tables``: each with ``name``, ``type``, ``columns`` and ``rows`` (null where counting takes too long).
        """
        try:
            with closing(self._connect()) as connection:
                names = _table_names(connection)
                tables: list[dict[str, Any]] = [
                    {"name": name, "type": kind, "columns": _columns(connection, name)}
                    for name, kind in list(names.items())[:_MAX_TABLES]
                ]
                for table in tables:
                    table["rows"] = _row_count(connection, table["name"])
        except sqlite3.Error as error:
            return {"error": f"The database cannot be read: {error}."}
        result: dict[str, Any] = {"database": printable(self._path.name), "tables": tables}
        if len(names) > len(tables):
            result["note"] = f"The database has {len(names)} tables; the first {len(tables)} are listed."
        return result

    def query_database(self, sql: str, max_rows: int = 50) -> dict[str, Any]:
        """Run one SQL query that reads (SELECT, or WITH ... SELECT) in SQLite's dialect and return its rows.

        Args:
            sql: The query: one statement, without placeholders.
            max_rows: How many rows to return at most, 1 to 200.

        Returns:
            ``columns``, ``rows`` (lists in the columns' order), ``row_count``, and ``truncated`` when there are more.
        """
        if not sql.strip(" \t\r\n;"):
            return self._failure("The query is empty.")
        limit = max(1, min(max_rows, self._max_rows))
        try:
            with closing(self._connect()) as connection, closing(connection.cursor()) as cursor:
                cursor.execute(printable(sql).replace("\0", " "))
                if cursor.description is None:
                    return self._failure("The statement returns no rows. Write one SELECT.")
                columns = [printable(str(column[0])) for column in cursor.description]
                found = cursor.fetchmany(limit + 1)
        # Python 3.11 raises the Warning, later versions an Error, when there is more than one statement.
        except (sqlite3.Error, sqlite3.Warning, MemoryError) as error:
            return self._failure(self._explained(error))
        rows = [[_json_value(value) for value in row] for row in found[:limit]]
        return {"columns": columns, "rows": rows, "row_count": len(rows), "truncated": len(found) > limit}

    def _connect(self) -> sqlite3.Connection:
        connection = sqlite3.connect(f"{self._path.as_uri()}?mode=ro", uri=True, timeout=1.0, isolation_level=None)
        try:
            connection.text_factory = _decode_text
            connection.setlimit(sqlite3.SQLITE_LIMIT_LENGTH, 10_000_000)
            deadline = time.monotonic() + self._time_limit
            connection.set_progress_handler(lambda: time.monotonic() > deadline, 1_000)
            # Virtual tables declare themselves when they are first named; the authorizer would take that for a change.
            for (name,) in connection.execute("SELECT name FROM sqlite_master WHERE sql LIKE 'CREATE VIRTUAL%'"):
                _columns(connection, name)
            connection.set_authorizer(_authorize)
        except BaseException:
            connection.close()
            raise
        return connection

    def _explained(self, error: BaseException) -> str:
        text = str(error)
        if text == "interrupted":
            return f"The query was stopped after {self._time_limit:g} seconds. Narrow it with WHERE or LIMIT."
        if re.search("not authorized|denied|prohibited", text):
            return f"Only reading is allowed ({text}). Write one SELECT."
        if "one statement" in text:
            return "Only one statement at a time is allowed. Write one SELECT."
        return f"The query failed: {text or type(error).__name__}."

    def _failure(self, message: str) -> dict[str, Any]:
        """Say what went wrong, and which tables with which columns there are to ask for."""
        listed = self.list_tables()
        if "error" in listed:
            return listed
        return {
            "error": message,
            "tables": {table["name"]: [column["name"] for column in table["columns"]] for table in listed["tables"]},
        }


def _authorize(action: int, first: str | None, second: str | None, _database: str | None, _source: str | None) -> int:
    match action:
        case sqlite3.SQLITE_SELECT | sqlite3.SQLITE_READ | sqlite3.SQLITE_RECURSIVE:
            return sqlite3.SQLITE_OK
        case sqlite3.SQLITE_FUNCTION if second != "load_extension":
            return sqlite3.SQLITE_OK
        case sqlite3.SQLITE_PRAGMA if first in _READING_PRAGMAS:
            return sqlite3.SQLITE_OK
        case _:
            return sqlite3.SQLITE_DENY


def _decode_text(data: bytes) -> str:
    return data.decode("utf-8", "replace")


def _table_names(connection: sqlite3.Connection) -> dict[str, str]:
    """Give the names of tables and views with their kind, without SQLite's own and those behind virtual tables."""
    rows = connection.execute(
        "SELECT name, type, coalesce(sql, '') FROM sqlite_master WHERE type IN ('table', 'view') ORDER BY name"
    ).fetchall()
    behind = tuple(f"{name}_" for name, _, sql in rows if sql.upper().startswith("CREATE VIRTUAL"))
    return {name: kind for name, kind, _ in rows if not name.startswith(("sqlite_", *behind))}


def _columns(connection: sqlite3.Connection, table: str) -> list[dict[str, Any]]:
    name = quoted(table)
    try:
        targets = {row[3]: f"{row[2]}.{row[4]}" for row in connection.execute(f"PRAGMA foreign_key_list({name})")}
        rows = connection.execute(f"PRAGMA table_info({name})").fetchall()
    except sqlite3.OperationalError:  # a view over a table that is gone
        return []
    columns: list[dict[str, Any]] = []
    for _number, column_name, kind, _required, _default, key in rows:
        column: dict[str, Any] = {"name": column_name, "type": kind}
        if key:
            column["primary_key"] = True
        if column_name in targets:
            column["references"] = targets[column_name]
        columns.append(column)
    return columns


def _row_count(connection: sqlite3.Connection, table: str) -> int | None:
    try:
        return connection.execute(f"SELECT count(*) FROM {quoted(table)}").fetchone()[0]
    except sqlite3.OperationalError:
        return None


def quoted(name: str) -> str:
    """Give a name as SQL takes it: as it is where it is plain and no keyword."""
    plain = re.fullmatch(r"[A-Za-z_]\w*", name, re.ASCII) and name.casefold() not in _KEYWORDS
    return name if plain else '"' + name.replace('"', '""') + '"'


def _json_value(value: Any) -> Any:
    if isinstance(value, bytes):
        return f"<{len(value)} bytes>"
    if isinstance(value, float) and not math.isfinite(value):
        return str(value)
    if isinstance(value, str) and len(value) > _MAX_VALUE_CHARACTERS:
        return value[:_MAX_VALUE_CHARACTERS] + "…"
    return value
