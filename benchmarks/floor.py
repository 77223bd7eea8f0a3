# SPDX-License-Identifier: Apache-2.0
"""What a store's turns cost at the least: its own statements, with the same rows, and nothing around them.

No agent, no runner, no request, no contract, no check, and no object that is kept. Since the rows are to be the same,
a dict with new ids and the time is written as JSON for each event. What a turn does is what `SqliteSessionService` and
`PostgresSessionService` do for a turn of one text:

1. Start: the session's head and lease, the user's event, the run's row. Waited for.
2. Append: the head again, the model's event. Waited for.
3. End: the lease given back, the run's status. In SQLite nobody waits for it, in PostgreSQL the turn does.
"""

import asyncio
import json
import queue
import sqlite3
import threading
from collections.abc import Iterable, Sequence
from pathlib import Path
from time import time
from typing import Any
from uuid import UUID, uuid4

BATCH = 512
SESSION = """
SELECT session.number, head, epoch, day, session.app, app.version, session.user, user.version
FROM session JOIN app ON app.number = session.app JOIN user ON user.number = session.user ORDER BY session.number
"""
Statements = Sequence[tuple[str, tuple[Any, ...]]]
Job = tuple[Statements, "asyncio.Future[None] | None"]


class GroupCommit:
    """A thread that writes what waits, all of it in one transaction, and then tells those who wait.

    As `SqliteDatabase` does it, without what that does for errors, time limits, several loops and several processes.

    Attributes:
        commits: How many transactions there were.
    """

    def __init__(self, path: Path) -> None:
        self.commits = 0
        self._jobs: queue.SimpleQueue[Job | None] = queue.SimpleQueue()
        self._loop = asyncio.get_running_loop()
        self._thread = threading.Thread(target=self._run, args=(path,), daemon=True)
        self._thread.start()

    async def write(self, statements: Statements) -> None:
        """Writes, and returns once it is committed."""
        future: asyncio.Future[None] = self._loop.create_future()
        self._jobs.put((statements, future))
        await future

    def write_behind(self, statements: Statements) -> None:
        self._jobs.put((statements, None))

    def close(self) -> None:
        self._jobs.put(None)
        self._thread.join()

    def _run(self, path: Path) -> None:
        connection = sqlite3.connect(path, isolation_level=None, cached_statements=256)
        connection.execute("PRAGMA synchronous = NORMAL")
        connection.execute("PRAGMA wal_autocheckpoint = 4000")
        go_on = True
        while go_on:
            jobs = [self._jobs.get()]
            while len(jobs) < BATCH and not self._jobs.empty():
                jobs.append(self._jobs.get())
            waiting: list[asyncio.Future[None]] = []
            connection.execute("BEGIN IMMEDIATE")
            for job in jobs:
                if job is None:
                    go_on = False
                    break
                statements, future = job
                for statement, values in statements:
                    connection.execute(statement, values).fetchone()
                if future is not None:
                    waiting.append(future)
            connection.execute("COMMIT")
            self.commits += 1
            if waiting:
                self._loop.call_soon_threadsafe(_tell, waiting)
        connection.close()


def _tell(waiting: Iterable["asyncio.Future[None]"]) -> None:
    for future in waiting:
        future.set_result(None)


def written(event: dict[str, Any], run: UUID, now: float) -> str:
    """An event with a new id, of this run and this moment, as JSON."""
    return json.dumps(
        {**event, "id": str(uuid4()), "invocationId": f"e-{run}", "timestamp": now}, separators=(",", ":")
    )


class SqliteFloor:
    """Turns in sessions that `SqliteSessionService` has made, written by hand.

    Args:
        path: The file of the sessions.
        events: The data of the two events of a turn, to be stored with new ids.
    """

    def __init__(self, path: Path, events: tuple[str, str]) -> None:
        from runwright.sessions.sqlite import statements as sqlite_statements
        from runwright.sessions.sqlite.rows import SEQ_BITS

        self._sql, self._bits, self._events = sqlite_statements, SEQ_BITS, [json.loads(event) for event in events]
        self.group = GroupCommit(path)

    async def turns(self, session: Sequence[Any], writer: int, number: int) -> None:
        """Runs turns of one session.

        Args:
            session: How it stands, as `SESSION` reads it.
            writer: Whose leases they are to be.
            number: How many turns.
        """
        sql, (place, head, epoch, *shared) = self._sql, session
        events = place << self._bits
        for _ in range(number):
            now, run = time(), uuid4()
            asked, answered = (written(event, run, now) for event in self._events)
            epoch, head = epoch + 1, head + 1
            await self.group.write(
                [
                    (sql.ADVANCE_FREE, (1, now, now, writer, place, head - 1, *shared)),
                    (sql.ADD_EVENT, (events + head, asked)),
                    (sql.START_RUN, (place, run.bytes, epoch, now)),
                ]
            )
            head += 1
            await self.group.write(
                [
                    (sql.ADVANCE_LEASED, (now, now, place, head - 1, *shared, epoch, writer)),
                    (sql.ADD_EVENT, (events + head, answered)),
                ]
            )
            self.group.write_behind(
                [
                    (sql.FREE_LEASE, (place, epoch, writer)),
                    (sql.END_RUN, (2, None, now, place, run.bytes, epoch)),
                ]
            )


class PostgresFloor:
    """Turns of one session in PostgreSQL as its bare round trips, over one connection.

    Args:
        connection: Of asyncpg.
        session: The row of a session that `PostgresSessionService` has made and nobody runs.
        writer: Whose leases they are to be.
        events: The data of the two events of a turn, to be stored with new ids.
    """

    ROUND_TRIPS = 3

    def __init__(self, connection: Any, session: Any, *, writer: int, events: tuple[str, str]) -> None:
        from runwright.sessions.postgres import statements as postgres_statements

        self._sql, self._connection = postgres_statements, connection
        self._events = [json.loads(event) for event in events]
        self._number, self._token, self._writer = session["number"], session["token"], writer
        self._head, self._epoch = session["head"], session["epoch"]

    async def turn(self) -> None:
        """Three statements, each a round trip and a commit; each has to find its row."""
        sql, connection, now, run = self._sql, self._connection, time(), uuid4()
        given = {"number": self._number, "token": self._token, "writer": self._writer, "now": now, "timestamp": now}
        asked, answered = (written(event, run, now) for event in self._events)
        start = {"head": self._head, "epoch": self._epoch, "invocation": f"e-{run}", "may_take": False, "data": asked}
        started = await connection.fetchrow(sql.START_APPEND.text, *sql.START_APPEND.values(given | start))
        self._epoch += 1
        append = {"head": self._head + 1, "epoch": self._epoch, "data": answered}
        appended = await connection.fetchrow(sql.APPEND.text, *sql.APPEND.values(given | append))
        self._head += 2
        lease = (self._number, self._token, self._epoch, self._writer)
        ended = await connection.execute(sql.END, *lease, f"e-{run}", "completed", None, now)
        if started is None or appended is None or ended != "UPDATE 1":
            raise RuntimeError("a statement of the floor found no row")
