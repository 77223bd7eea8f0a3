# SPDX-License-Identifier: Apache-2.0
"""Writer: how a PostgreSQL session service is known to the others, and how they see that it lives."""

import asyncio
import contextlib
import logging
import threading
import weakref
from typing import Any

from runwright.errors import StorageError
from runwright.sessions.postgres import statements as sql
from runwright.storage.postgres import PostgresDatabase
from runwright.storage.postgres_driver import Connection
from runwright.storage.writers import Lease, Leases, Sightings, new_identity, retire

_BEATS_A_LEASE = 3
_logger = logging.getLogger(__name__)


class Writer:
    """One service among the writers of a database: its row, its leases, its signs of life.

    Args:
        lease_seconds: After how long without a sign of life a writer is gone.
    """

    def __init__(self, database: PostgresDatabase, lease_seconds: float) -> None:
        self.leases = Leases()
        self._database = database
        self._seconds = lease_seconds / _BEATS_A_LEASE
        self._identity = new_identity()
        weakref.finalize(self, retire, self._identity)
        self._sightings = Sightings(lease_seconds)
        self._number: int | None = None
        self._given: set[tuple[int, int]] = set()
        self._hearts: dict[asyncio.AbstractEventLoop, asyncio.Task[None]] = {}
        self._lock = threading.Lock()

    async def number(self) -> int:
        """Which writer this is, as the database counts them. From now on it shows that it lives."""
        number = self._number
        if number is None:
            number = await self._register()
        loop = asyncio.get_running_loop()
        heart = self._hearts.get(loop)
        if heart is None or heart.done():
            with self._lock:
                for ended in [one for one in self._hearts if one.is_closed()]:
                    del self._hearts[ended]
                self._hearts[loop] = loop.create_task(self._beat(), name="runwright-heart")
        return number

    def note_given(self, lease: Lease) -> None:
        """Notes that it was stored: if nobody holds it any more, it is given back."""
        with self._lock:
            self._given.add((lease.session, lease.epoch))

    def note_ended(self, lease: Lease) -> None:
        """Notes that it was given back."""
        with self._lock:
            self._given.discard((lease.session, lease.epoch))

    def is_gone(self, session: int, row: Any) -> bool:
        """Whether the writer of a session is known to be gone.

        Args:
            row: What is known of the session and its writer: ``writer``, ``epoch``, ``identity``, ``beat``.
        """
        if row["identity"] is None:
            return True
        if row["writer"] == self._number:
            return not self.leases.is_held(session, row["epoch"])
        return self._sightings.is_gone(row["writer"], row["identity"], row["beat"])

    async def close(self) -> None:
        """Writes no more. The leases that it still has count as gone."""
        with self._lock:
            hearts, self._hearts = self._hearts, {}
            number, self._number = self._number, None
        for loop, heart in hearts.items():
            if loop is asyncio.get_running_loop():
                heart.cancel()
                await asyncio.wait([heart])
            elif not loop.is_closed():
                with contextlib.suppress(RuntimeError):  # it was closed just now
                    loop.call_soon_threadsafe(heart.cancel)
        retire(self._identity)
        if number is not None:
            # A row that stays is no harm: its process will be seen to be gone.
            with contextlib.suppress(StorageError):
                async with self._database.connection() as connection:
                    await connection.execute(sql.RETIRE, number)

    async def _register(self) -> int:
        async def register(connection: Connection) -> int:
            return await connection.fetchval(sql.REGISTER, self._identity.encoded())

        number = await self._database.run(register)
        with self._lock:
            if self._number is None:
                self._number = number
            return self._number

    async def _beat(self) -> None:
        """Shows that this writer lives, until it has no more leases."""
        while True:
            await asyncio.sleep(self._seconds)
            try:
                if not await self._showed_life():
                    return
            except StorageError:
                _logger.warning("A sign of life could not be stored; it is tried again", exc_info=True)

    async def _showed_life(self) -> bool:
        with self._lock:
            abandoned = [one for one in self._given if not self.leases.is_held(*one)]
            self._given.difference_update(abandoned)
            is_needed = bool(self._given) or bool(self.leases)

        async def beat(connection: Connection) -> Any:
            for session, epoch in abandoned:
                await connection.execute(sql.GIVE_BACK, session, epoch)
            return await connection.fetchval(sql.BEAT, self._number)

        if (is_needed or abandoned) and await self._database.run(beat) is None:
            # Others took this writer for gone, as after a long stall. It starts anew as another one.
            with self._lock:
                self._number = None
        return is_needed
