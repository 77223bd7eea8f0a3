# SPDX-License-Identifier: Apache-2.0
"""The runs of sessions in SQLite, as they are read."""

import sqlite3
from collections.abc import Callable, Collection, Iterable
from typing import Any, NamedTuple

from runwright.durable import RunRecord, RunStatus
from runwright.sessions.sqlite import statements as sql
from runwright.sessions.sqlite.rows import Names, find, unpacked_id

RUN_STATUSES: tuple[RunStatus, ...] = ("running", "paused", "completed", "failed", "cancelled")
"""Each at the place that the column ``run.status`` holds."""

_OPEN = frozenset(RUN_STATUSES[:2])
_WriterIsAlive = Callable[[int, int, int, tuple[str, int] | None], bool]


class RunPlace(NamedTuple):
    """Whose runs are asked for; None for those of all."""

    app: str
    user: str | None
    session: str | None


def list_runs(
    connection: sqlite3.Connection, place: RunPlace, status: Collection[RunStatus], *, is_alive: _WriterIsAlive
) -> list[RunRecord]:
    """The runs at a place that stand as asked, those of one session oldest first."""
    alive: dict[tuple[int, int], bool] = {}
    records: list[RunRecord] = []
    for found in _rows(connection, place, status):
        user, session, invocation, code, error, started, updated, number, newest, epoch, writer, identity, beat = found
        stands: RunStatus = RUN_STATUSES[int(code)]
        if stands not in status or (place.session is not None and session != place.session):
            continue
        interrupted = False
        if stands == "running":
            key = (number, epoch)
            if newest and writer is not None and key not in alive:
                alive[key] = is_alive(number, epoch, writer, None if identity is None else (identity, beat))
            interrupted = not (newest and alive.get(key, False))
        records.append(
            RunRecord(
                app_name=place.app,
                user_id=user,
                session_id=session,
                invocation_id=unpacked_id(invocation),
                status=stands,
                error=error,
                interrupted=interrupted,
                start_time=started,
                update_time=updated,
            )
        )
    return records


def _rows(connection: sqlite3.Connection, place: RunPlace, status: Collection[RunStatus]) -> Iterable[Any]:
    app = connection.execute(sql.FIND_APP, (place.app,)).fetchone()
    if app is None:
        return ()
    if place.user is None:
        return connection.execute(sql.OPEN_RUNS_OF_APP if _OPEN.issuperset(status) else sql.RUNS_OF_APP, app)
    if place.session is None:
        user = connection.execute(sql.FIND_USER, (*app, place.user)).fetchone()
        return () if user is None else connection.execute(sql.RUNS_OF_USER, user)
    number = find(connection, Names(place.app, place.user, place.session))
    return () if number is None else connection.execute(sql.RUNS_OF_SESSION, (number,))
