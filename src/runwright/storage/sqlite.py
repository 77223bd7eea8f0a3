# SPDX-License-Identifier: Apache-2.0
"""SqliteDatabase: a SQLite file with one writer thread, whose concurrent writes share transactions."""

import asyncio
import sqlite3
import weakref
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

from runwright.errors import ConfigurationError
from runwright.storage.migrations import migrations
from runwright.storage.sqlite_opening import Connect, Durability
from runwright.storage.sqlite_threads import SqliteThreads, Work

T = TypeVar("T")


class SqliteDatabase:
    """A SQLite file. Event loops and threads may share it, and several processes may have it open.

    Writes go through one thread. Whatever waits there shares one transaction (group commit), in the order in which it
    came, and each caller goes on once its own write is committed. Reads have threads of their own and never wait for
    writes. Nothing touches the disk before the first use.

    A process that is forked after the first use cannot use it in the child: start the child with ``spawn``.

    Args:
        path: The file; it and its folders are made where they are missing.
        schema: The folder of migrations that it needs. Several schemas may live in one file.
        durability: What a write that was acknowledged survives. ``"normal"``: the process being killed; when the power
            fails the newest writes may be missing, but the file is sound and nothing older is. ``"full"``: the power
            failing too, for one flush of the disk a transaction.
        connect: In place of ``sqlite3.connect``, with the same arguments.

    Raises:
        ConfigurationError: There is no such schema, or the path is no file's.
    """

    def __init__(
        self, path: str | Path, *, schema: str, durability: Durability = "normal", connect: Connect | None = None
    ) -> None:
        if not str(path) or str(path).startswith((":memory:", "file:")):
            raise ConfigurationError(
                f"{str(path)!r} is not the path of a file. For what need not last use the services in memory, such as "
                "InMemorySessionService"
            )
        if durability not in ("normal", "full"):
            raise ConfigurationError(f"durability is {durability!r}: give 'normal' or 'full'")
        migrations("sqlite", schema)
        self.path = Path(path)
        self._threads = SqliteThreads(self.path, schema, durability, connect or sqlite3.connect)
        weakref.finalize(self, self._threads.stop).atexit = False  # there, _stop_all waits for the threads

    @property
    def closed(self) -> bool:
        """Whether it was closed."""
        return self._threads.stopped

    async def write(self, work: Work[T]) -> T:
        """Runs ``work`` in a transaction and gives what it returns, once that is committed.

        ``work`` runs in the writer's thread, perhaps more than once: another write of the same transaction may fail.
        What it raises is raised here, and nothing that it did is stored. A caller that is cancelled meanwhile does not
        know whether its write was stored.

        Raises:
            StorageError: The database could not do it.
            CorruptedDataError: The file is damaged.
        """
        future: asyncio.Future[T] = asyncio.get_running_loop().create_future()
        self._threads.submit_write((work, future))
        return await future

    def write_behind(self, work: Work[object]) -> None:
        """Runs ``work`` as :meth:`write` does, without waiting: after all writes so far, before all that come later.

        What goes wrong is logged, and raised by the next :meth:`flush`.
        """
        self._threads.submit_write((work, None))

    async def read(self, work: Work[T]) -> T:
        """Runs ``work`` in a reader's thread, on one snapshot of the database, and gives what it returns.

        It sees all writes that were acknowledged before.

        Raises:
            StorageError: The database could not do it.
            CorruptedDataError: The file is damaged.
        """
        if not self._threads.opened:
            await self.write(_nothing)
        future: asyncio.Future[T] = asyncio.get_running_loop().create_future()
        self._threads.submit_read((work, future))
        return await future

    def repeat(self, seconds: float, work: Callable[[], Work[object] | None]) -> None:
        """Runs what ``work`` gives in the writer's thread every so many seconds; nothing where it gives None.

        It must not hold the owner of this database, which could then never be collected.
        """
        self._threads.repeated = (seconds, work)

    async def flush(self) -> None:
        """Returns when all writes so far are committed.

        Raises:
            StorageError: A write behind had failed.
        """
        if self._threads.opened and not self._threads.stopped:
            await self.write(_nothing)
        self._threads.raise_failure()

    async def close(self) -> None:
        """Commits what waits, takes the write-ahead log into the file, and ends the threads."""
        ended: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        if self._threads.stop(ended):
            await ended
        self._threads.raise_failure()


def _nothing(connection: sqlite3.Connection) -> None:
    """The work that only waits for all that came before."""
