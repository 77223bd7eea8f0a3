# SPDX-License-Identifier: Apache-2.0
"""The threads that read and write a SQLite file."""

import asyncio
import atexit
import contextlib
import logging
import os
import sqlite3
import threading
import time
import weakref
from collections.abc import Callable
from pathlib import Path
from queue import Empty, SimpleQueue
from typing import Any, TypeVar

from runwright.errors import RunwrightError, StorageError
from runwright.storage.sqlite_opening import Connect, Durability, open_for_reading, open_for_writing, storage_error

T = TypeVar("T")
Work = Callable[[sqlite3.Connection], T]

_Job = tuple[Work[Any], "asyncio.Future[Any] | None"]
_Outcome = tuple["asyncio.Future[Any] | None", Any, BaseException | None]

_BATCH = 512
_READERS = 4
_SECONDS_TO_STOP = 5.0
_log = logging.getLogger("runwright.storage")


class SqliteThreads:
    """The threads of one database. They hold this, and not the database, which can so be collected while they run.

    A job is its work and who waits for it; None for nobody.

    Attributes:
        opened: Whether the file was opened.
        stopped: Whether no more jobs are taken.
        repeated: What the writer does every so many seconds, see :meth:`SqliteDatabase.repeat`.
    """

    def __init__(self, path: Path, schema: str, durability: Durability, connect: Connect) -> None:
        self.opened = False
        self.stopped = False
        self.repeated: tuple[float, Callable[[], Work[object] | None]] | None = None
        self._path = path
        self._schema = schema
        self._durability: Durability = durability
        self._connect = connect
        self._lock = threading.Lock()
        self._process = 0
        self._writer: threading.Thread | None = None
        self._writes: SimpleQueue[_Job | None] = SimpleQueue()
        self._readers: list[threading.Thread] = []
        self._reads: SimpleQueue[_Job | None] = SimpleQueue()
        self._repeat_at = 0.0
        self._failure: BaseException | None = None
        self._ended: asyncio.Future[None] | None = None

    # --- any thread -------------------------------------------------------------------------------------------------

    def submit_write(self, job: _Job) -> None:
        """Hands a job to the writer, who is started with the first one."""
        with self._lock:
            self._check_usable()
            if self._writer is None:
                self._process = os.getpid()
                self._writer = self._started(self._write_until_stopped, "writer")
            self._writes.put(job)

    def submit_read(self, job: _Job) -> None:
        """Hands a job to a reader; another one is started where jobs wait."""
        with self._lock:
            self._check_usable()
            if not self._readers or (len(self._readers) < _READERS and not self._reads.empty()):
                self._readers.append(self._started(self._read_until_stopped, "reader"))
            self._reads.put(job)

    def stop(self, ended: "asyncio.Future[None] | None" = None) -> bool:
        """Tells the threads to finish what waits and end. Gives whether ``ended`` will be resolved then."""
        with self._lock:
            running = self._writer is not None and self._process == os.getpid()
            if self.stopped or not running:
                self.stopped = True
                return False
            self.stopped = True
            self._ended = ended
            for _ in self._readers:
                self._reads.put(None)
            self._writes.put(None)
            return True

    def join(self, seconds: float) -> None:
        """Waits until the writer has ended, so long at the most."""
        if self._writer is not None and self._process == os.getpid():
            self._writer.join(seconds)

    def raise_failure(self) -> None:
        """Raises what a job failed with that nobody waited for, once."""
        failure, self._failure = self._failure, None
        if failure is not None:
            raise failure

    def _check_usable(self) -> None:
        if self.stopped:
            raise StorageError(f"The database {self._path} was closed: make a new service")
        if self._process and self._process != os.getpid():
            raise StorageError(
                f"The database {self._path} was opened before this process was forked, and SQLite does not survive "
                "that: start processes with 'spawn', or fork before the first use"
            )

    def _started(self, run: Callable[[], None], role: str) -> threading.Thread:
        thread = threading.Thread(target=run, name=f"runwright-sqlite-{role}", daemon=True)
        _running.add(self)
        thread.start()
        return thread

    # --- the writer's thread ----------------------------------------------------------------------------------------

    def _write_until_stopped(self) -> None:
        connection: sqlite3.Connection | None = None
        go_on = True
        while go_on:
            jobs, go_on = self._waiting_writes()
            if jobs:
                connection = self._run(connection, jobs)
            del jobs  # nor what they hold, until the next write, which may be long in coming
        if connection is not None:
            self._close_file(connection)
        if self._ended is not None:
            _deliver([(self._ended, None, None)])

    def _run(self, connection: sqlite3.Connection | None, jobs: list[_Job]) -> sqlite3.Connection | None:
        """Runs the jobs and tells those who wait. Gives the connection, which the first of them opens."""
        try:
            if connection is None:
                connection = open_for_writing(self._path, self._schema, self._durability, self._connect)
                self.opened = True
        except BaseException as error:  # noqa: BLE001 - whoever waits for it gets it
            self._deliver([(future, None, _copied(error)) for _, future in jobs])
        else:
            self._deliver(self._committed(connection, jobs))
        return connection

    def _waiting_writes(self) -> tuple[list[_Job], bool]:
        """All that waits, once something does; and whether more may come."""
        writes, jobs = self._writes, list[_Job]()
        try:
            job = writes.get(timeout=self._seconds_to_repeat())
            while job is not None:
                jobs.append(job)
                if len(jobs) == _BATCH or writes.empty():
                    break
                job = writes.get_nowait()
            go_on = job is not None
        except Empty:
            go_on = True
        if self.repeated is not None and self.opened and time.monotonic() >= self._repeat_at:
            self._repeat_at = time.monotonic() + self.repeated[0]
            work = self.repeated[1]()
            if work is not None:
                jobs.append((work, None))
        return jobs, go_on

    def _seconds_to_repeat(self) -> float | None:
        if self.repeated is None or not self.opened:
            return None
        return max(0.0, self._repeat_at - time.monotonic())

    def _committed(self, connection: sqlite3.Connection, jobs: list[_Job]) -> list[_Outcome]:
        """Runs the jobs in one transaction, or each in its own where one fails after it wrote something."""
        outcomes: list[_Outcome] = []
        try:
            connection.execute("BEGIN IMMEDIATE")
            for work, future in jobs:
                before = connection.total_changes
                try:
                    outcomes.append((future, work(connection), None))
                except BaseException as error:  # noqa: BLE001 - whoever waits for it gets it
                    if connection.total_changes == before and connection.in_transaction:
                        outcomes.append((future, None, self._own(error)))
                        continue
                    _roll_back(connection)
                    if len(jobs) > 1:
                        return [outcome for job in jobs for outcome in self._committed(connection, [job])]
                    return [(future, None, self._own(error))]
            connection.execute("COMMIT")
        except sqlite3.Error as error:
            _roll_back(connection)
            failed = [failure for _, _, failure in outcomes] or [None] * len(jobs)
            return [(job[1], None, own or self._own(error)) for job, own in zip(jobs, failed, strict=True)]
        return outcomes

    def _close_file(self, connection: sqlite3.Connection) -> None:
        for reader in self._readers:
            reader.join(_SECONDS_TO_STOP)
        try:
            connection.execute("PRAGMA busy_timeout = 100")
            connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()
        except sqlite3.Error as error:
            _log.info("The log of %s stays beside it until it is opened again: %s", self._path, error)
        connection.close()

    # --- a reader's thread ------------------------------------------------------------------------------------------

    def _read_until_stopped(self) -> None:
        connection: sqlite3.Connection | None = None
        while (job := self._reads.get()) is not None:
            work, future = job
            try:
                connection = connection or open_for_reading(self._path, self._connect)
                connection.execute("BEGIN")
                try:
                    outcome: _Outcome = (future, work(connection), None)
                finally:
                    _roll_back(connection)
            except BaseException as error:  # noqa: BLE001 - whoever waits for it gets it
                outcome = (future, None, self._own(error))
            self._deliver([outcome])
            del work, job, outcome  # not held until the next read, which may be long in coming
        if connection is not None:
            connection.close()

    # --- both -------------------------------------------------------------------------------------------------------

    def _own(self, error: BaseException) -> BaseException:
        """An error as the caller gets it."""
        if isinstance(error, sqlite3.Error):
            own = storage_error(error, self._path)
            own.__cause__ = error
            return own
        if isinstance(error, StopIteration):
            return RuntimeError(f"A write raised {error!r}")  # no future takes it
        return error

    def _deliver(self, outcomes: list[_Outcome]) -> None:
        for future, _, error in outcomes:
            if future is None and error is not None:
                _log.error("A write behind to %s failed", self._path, exc_info=error)
                self._failure = error
        _deliver(outcomes)


_running: "weakref.WeakSet[SqliteThreads]" = weakref.WeakSet()


@atexit.register
def _stop_all() -> None:
    """Lets the writers finish what was not waited for. Their threads would not survive the interpreter."""
    running = list(_running)
    for threads in running:
        threads.stop()
    for threads in running:
        threads.join(_SECONDS_TO_STOP)


def _roll_back(connection: sqlite3.Connection) -> None:
    if connection.in_transaction:
        with contextlib.suppress(sqlite3.Error):  # a failed disk ends the transaction by itself
            connection.execute("ROLLBACK")


def _copied(error: BaseException) -> BaseException:
    """An error for each caller: a traceback grows with each place that an error is raised in."""
    if not isinstance(error, RunwrightError):
        return error
    own = type(error)(*error.args)
    own.__cause__ = error.__cause__
    return own


def _deliver(outcomes: list[_Outcome]) -> None:
    """Hands the outcomes over, waking each event loop once."""
    by_loop: dict[asyncio.AbstractEventLoop, list[_Outcome]] = {}
    for outcome in outcomes:
        if outcome[0] is not None:
            by_loop.setdefault(outcome[0].get_loop(), []).append(outcome)
    for loop, own in by_loop.items():
        with contextlib.suppress(RuntimeError):  # the loop was closed: nobody waits any more
            loop.call_soon_threadsafe(_resolve, own)


def _resolve(outcomes: list[_Outcome]) -> None:
    for future, value, error in outcomes:
        if future is None or future.done():
            continue
        if error is None:
            future.set_result(value)
        else:
            future.set_exception(error)
