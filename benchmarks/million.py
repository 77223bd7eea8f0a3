# SPDX-License-Identifier: Apache-2.0
"""A million sessions, each with a key of state, made by SQL in the tables of our stores: there is nothing to measure in
how they got there."""

import os
import sqlite3
import time
from contextlib import closing
from pathlib import Path
from typing import Any

from benchmarks.cases import APP
from benchmarks.stores import IN_POSTGRES, POSTGRES

SESSIONS = 1_000_000
USERS = 1_000
PAGE = 50

# Users take turns, so that the sessions of one lie far apart.
SQLITE = (
    "INSERT INTO user (app, id) SELECT app.number, 'user-' || value FROM app, numbers WHERE app.name = :app "
    "AND value < :users",
    "INSERT INTO session (app, user, id, update_time, write_time, day) SELECT app.number, user.number, 'session-' || "
    "value, :now, :now, CAST(:now / 86400 AS INTEGER) FROM numbers, app JOIN user ON user.app = app.number AND "
    "user.id = 'user-' || (value % :users) WHERE app.name = :app",
    "INSERT INTO session_state (session, key, value) SELECT number, 'topic', '\"weather\"' FROM session",
)
NUMBERS = "CREATE TEMP TABLE numbers AS WITH RECURSIVE n(value) AS (SELECT 0 UNION ALL SELECT value + 1 FROM n "
POSTGRES_STATEMENTS = (
    "INSERT INTO runwright_scope (app_name, is_user, user_id) SELECT '{app}', true, 'user-' || value "
    "FROM generate_series(0, {users} - 1) value",
    "INSERT INTO runwright_session (app_name, user_id, id, token, app_scope, user_scope, update_time, written) SELECT "
    "'{app}', u.user_id, 'session-' || value, value, a.number, u.number, {now}, {now} FROM generate_series(0, {number} "
    "- 1) value JOIN runwright_scope u ON u.app_name = '{app}' AND u.is_user AND u.user_id = 'user-' || (value % "
    "{users}) JOIN runwright_scope a ON a.app_name = '{app}' AND NOT a.is_user ORDER BY value",
    "INSERT INTO runwright_session_state (session, key, data) SELECT number, 'topic', '\"weather\"' "
    "FROM runwright_session",
)


async def fill(store: str, folder: Path, number: int) -> list[str]:
    """Makes sessions; returns the users that have them, each as many."""
    users = min(USERS, number // 200)
    given = {"app": APP, "users": users, "number": number, "now": time.time()}
    if store == IN_POSTGRES:
        connection = await _postgres()
        for statement in POSTGRES_STATEMENTS:
            await connection.execute(statement.format(**given), timeout=200)
        await connection.execute("VACUUM ANALYZE", timeout=200)  # as the server itself does it after a while
        await connection.close()
    else:
        with closing(sqlite3.connect(folder / "sessions.db", isolation_level=None)) as connection:
            connection.execute(f"{NUMBERS} WHERE value < :number - 1) SELECT value FROM n", given)
            connection.execute("BEGIN")
            for statement in SQLITE:
                connection.execute(statement, given)
            connection.execute("COMMIT")
            connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    return [f"user-{user}" for user in range(users)]


async def tokens(store: str, folder: Path, user: str | None) -> dict[str, str | None]:
    """The page tokens of the first page, one in the middle, and the last: the number of the session before each."""
    if store == IN_POSTGRES:
        connection = await _postgres()
        of = "AND user_id = $2" if user else ""
        query = f"SELECT number FROM runwright_session WHERE app_name = $1 {of} ORDER BY number"
        numbers = [row[0] for row in await connection.fetch(query, APP, *([user] if user else []))]
        await connection.close()
    else:
        of = "AND user.id = ?" if user else ""
        query = (
            "SELECT session.number FROM session JOIN user ON user.number = session.user JOIN app ON "
            f"app.number = user.app WHERE app.name = ? {of} ORDER BY session.number"
        )
        with closing(sqlite3.connect(folder / "sessions.db")) as connection:
            numbers = [row[0] for row in connection.execute(query, [APP, *([user] if user else [])])]
    return {"first": None, "middle": str(numbers[len(numbers) // 2]), "last": str(numbers[-PAGE - 1])}


async def _postgres() -> Any:
    import asyncpg

    return await asyncpg.connect(os.environ[POSTGRES])
