# SPDX-License-Identifier: Apache-2.0
"""LoopConnections: the connections to a PostgreSQL that one event loop keeps, and gives up when it ends."""

import asyncio
import contextlib
from collections.abc import AsyncGenerator

from runwright.storage.postgres_driver import Connection

CLOSE_SECONDS = 5.0
"""How long a server is waited for that is told good-bye."""


class LoopConnections:
    """The connections that one event loop keeps."""

    __slots__ = ("_all", "_ended", "_free", "_listening", "keeper", "places")

    def __init__(self, max_size: int) -> None:
        self.places = asyncio.Semaphore(max_size)
        self._all: set[Connection] = set()
        self._free: list[Connection] = []
        self._listening: list[Connection] = []
        self._ended = False
        self.keeper = self._until_the_loop_ends()

    def take(self) -> Connection | None:
        """One that is free and open, the one used last first."""
        while self._free:
            connection = self._free.pop()
            if not connection.is_closed():
                return connection
            self.drop(connection)
        return None

    def keep_listening(self, connection: Connection) -> None:
        """Keeps one aside until the loop ends."""
        self._listening = [one for one in self._listening if not one.is_closed()]
        self._listening.append(connection)
        self._all.add(connection)

    def add(self, connection: Connection) -> None:
        self._all.add(connection)

    def give_back(self, connection: Connection) -> None:
        # A loop that is ending keeps nothing; what its last tasks need is opened for them alone.
        if self._ended or connection.is_closed() or connection.is_in_transaction():
            self.drop(connection)
        else:
            self._free.append(connection)
        self.places.release()

    def terminate(self) -> None:
        """Drops all without a word to the server."""
        for connection in list(self._all):
            self.drop(connection)

    def drop(self, connection: Connection) -> None:
        """Closes one without a word to the server."""
        self._all.discard(connection)
        connection.terminate()

    async def _until_the_loop_ends(self) -> AsyncGenerator[None, None]:
        """Begun and left: a loop that ends closes its generators, and so does whoever forgets their owner."""
        try:
            yield
        finally:
            self._ended = True
            free, self._free, self._listening = self._free + self._listening, [], []
            try:
                async with asyncio.timeout(CLOSE_SECONDS):
                    await asyncio.gather(*(connection.close() for connection in free), return_exceptions=True)
            finally:
                for connection in free:
                    self.drop(connection)


async def settle(connection: Connection) -> None:
    """Waits until the server has given up, or finished, what a task was cancelled in: then its outcome can be read."""
    if connection.is_closed():
        return
    with contextlib.suppress(Exception):
        async with asyncio.timeout(CLOSE_SECONDS):
            await connection.execute("")
            return
    connection.terminate()
