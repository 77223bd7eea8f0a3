# SPDX-License-Identifier: Apache-2.0
"""PostgresDatabase: connections to a PostgreSQL for whichever event loop asks, its tables brought up to date."""

import asyncio
import contextlib
import random
import threading
import time
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import AbstractAsyncContextManager
from typing import TypeVar

from runwright.errors import StorageError
from runwright.storage.migrations import migrations, newer_schema
from runwright.storage.postgres_driver import Connection, ConnectionLostError, Driver, read_url
from runwright.storage.postgres_pool import CLOSE_SECONDS, LoopConnections, settle

RETRY_SECONDS = 30.0
"""How long an operation waits for a server that was reached before and is gone."""

FIRST_RETRY_SECONDS = 3.0
"""How long it waits for one that was never reached: a wrong address is more likely."""

_CONNECT_SECONDS = 10.0
_COMMAND_SECONDS = 120.0
_MIGRATION_LOCK = 0x72756E77726974  # one for all our migrations of a database

_HAS_VERSIONS = "SELECT to_regclass('runwright_schema') IS NOT NULL"
_VERSION = "SELECT version FROM runwright_schema WHERE name = $1"
_MAKE_VERSIONS = "CREATE TABLE IF NOT EXISTS runwright_schema (name text PRIMARY KEY, version integer NOT NULL)"
_SET_VERSION = """
INSERT INTO runwright_schema (name, version) VALUES ($1, $2)
ON CONFLICT (name) DO UPDATE SET version = excluded.version
"""

Answer = TypeVar("Answer")
_Loan = tuple[LoopConnections, Connection]


class PostgresDatabase:
    """Connections to one database, kept for each event loop that uses them.

    A loop that ends takes its connections with it. A connection that broke is replaced by the next operation, which
    waits for a server that is being restarted.

    Args:
        url: ``postgresql://user:password@host:port/database``, also with ``postgres://`` or ``postgresql+asyncpg://``.
        schema: Which numbered migrations its tables come from: the name of a folder in ``storage/sql/postgres``.
        max_size: How many connections a loop has at the most; who finds none free waits.
        retry_seconds: How long an operation waits for a server that is gone.

    Raises:
        ConfigurationError: The URL is not that of a PostgreSQL.
        MissingDependencyError: asyncpg is not installed.
    """

    def __init__(self, url: str, *, schema: str, max_size: int = 10, retry_seconds: float = RETRY_SECONDS) -> None:
        self._driver = Driver()
        self._url, self.place = read_url(url)
        self._schema = schema
        self._steps = migrations("postgres", schema)
        self._max_size = max_size
        self._retry_seconds = retry_seconds
        self._loops: dict[asyncio.AbstractEventLoop, LoopConnections] = {}
        self._lock = threading.Lock()
        self._was_reached = False
        self._is_migrated = False
        self._is_closed = False

    def __repr__(self) -> str:
        return f"PostgresDatabase({self.place!r}, schema={self._schema!r})"

    def connection(self) -> AbstractAsyncContextManager[Connection]:
        """A connection that the running loop keeps, to a database whose tables are up to date.

        What goes wrong with it inside the block is raised as :class:`StorageError`, the cause chained.

        Raises:
            ConnectionLostError: It broke inside the block.
            StorageError: The server is not reached, refuses us, or could not do what it was asked.
        """
        return _Borrowed(self._lend, self._take_back)

    async def run(self, work: Callable[[Connection], Awaitable[Answer]], *, may_repeat: bool = True) -> Answer:
        """Does ``work`` on a connection, and again where the server asks for that: it broke up a deadlock.

        Args:
            may_repeat: Whether it is also done again after the connection broke, when the first time may have been
                done: right for what only reads, and for what comes to the same when done twice.

        Raises:
            ConnectionLostError: The connection broke and ``work`` may not be repeated, or broke again and again.
            StorageError: The server is not reached, refuses us, or could not do what it was asked.
        """
        give_up_at = time.monotonic() + self._retry_seconds
        while True:
            try:
                async with self.connection() as connection:
                    return await work(connection)
            except StorageError as error:
                asked = self._driver.asks_again(error.__cause__)
                if not (asked or (may_repeat and isinstance(error, ConnectionLostError))):
                    raise
                if time.monotonic() > give_up_at:
                    raise
            await asyncio.sleep(random.uniform(0.001, 0.02))

    async def listen(self, channel: str, heard: Callable[[str], None], lost: Callable[[], None]) -> None:
        """Listens to a channel in the running loop, over a connection of its own, until that breaks or the loop ends.

        Args:
            heard: Called with what was told there.
            lost: Called once when nothing more is heard.

        Raises:
            StorageError: The server is not reached, or refuses us. It is tried once.
        """
        kept = await self._of_this_loop()
        try:
            connection = await self._connected()
        except self._driver.failures as error:
            raise self._driver.told(error, self.place) from error
        kept.keep_listening(connection)
        try:
            connection.add_termination_listener(lambda _: lost())
            await connection.add_listener(channel, lambda _connection, _pid, _channel, told: heard(told))
        except self._driver.failures as error:
            kept.drop(connection)
            raise self._driver.told(error, self.place, connection) from error

    async def close(self) -> None:
        """Closes the connections of all loops. The object cannot be used after it."""
        with self._lock:
            self._is_closed = True
            loops, self._loops = self._loops, {}
        for loop, kept in loops.items():
            if loop is asyncio.get_running_loop():
                await kept.keeper.aclose()
            elif loop.is_running():
                closing = asyncio.run_coroutine_threadsafe(_closed(kept.keeper), loop)
                with contextlib.suppress(TimeoutError):
                    await asyncio.wait_for(asyncio.wrap_future(closing), 2 * CLOSE_SECONDS)
            elif not loop.is_closed():
                loop.call_soon(kept.terminate)

    async def _lend(self) -> _Loan:
        kept = await self._of_this_loop()
        loan = kept, await self._open(kept)
        if not self._is_migrated:
            try:
                await self._migrate(loan[1])
            except BaseException as error:
                await self._take_back(loan, error)
                raise
        return loan

    async def _take_back(self, loan: _Loan, error: BaseException | None) -> None:
        kept, connection = loan
        try:
            if isinstance(error, asyncio.CancelledError):
                await settle(connection)
            elif isinstance(error, self._driver.failures):
                told = self._driver.told(error, self.place, connection)
                if isinstance(told, ConnectionLostError):
                    connection.terminate()
                raise told from error
        finally:
            kept.give_back(connection)

    async def _of_this_loop(self) -> LoopConnections:
        loop = asyncio.get_running_loop()
        kept = self._loops.get(loop)
        if kept is not None:
            return kept
        if self._is_closed:
            raise StorageError(f"The connections to {self.place} were closed: make a new service")
        kept = LoopConnections(self._max_size)
        with self._lock:
            for ended in [one for one in self._loops if one.is_closed()]:
                del self._loops[ended]
            self._loops[loop] = kept
        await anext(kept.keeper)
        return kept

    async def _open(self, kept: LoopConnections) -> Connection:
        """A connection that is open, after waiting for the server where it is gone."""
        await kept.places.acquire()
        try:
            connection = kept.take()
            if connection is None:
                connection = await self._reached()
                kept.add(connection)
            return connection
        except BaseException:
            kept.places.release()
            raise

    async def _reached(self) -> Connection:
        start, delay = time.monotonic(), 0.02
        while True:
            try:
                return await self._connected()
            except self._driver.failures as error:
                patience = self._retry_seconds if self._was_reached else min(self._retry_seconds, FIRST_RETRY_SECONDS)
                if not self._driver.may_pass(error) or time.monotonic() - start > patience:
                    raise self._driver.told(error, self.place) from error
            await asyncio.sleep(delay * random.uniform(0.5, 1.0))
            delay = min(1.0, delay * 2)

    async def _connected(self) -> Connection:
        connection = await self._driver.connect(self._url, timeout=_CONNECT_SECONDS, command_timeout=_COMMAND_SECONDS)
        self._was_reached = True
        return connection

    async def _migrate(self, connection: Connection) -> None:
        """Brings the tables up to date. Of several processes that try at once, one does it and the others wait."""
        version = await self._version(connection)
        if version < len(self._steps):
            async with connection.transaction():
                await connection.execute("SELECT pg_advisory_xact_lock($1)", _MIGRATION_LOCK)
                # Made before it is read: that it is not there may be remembered from before the wait.
                await connection.execute(_MAKE_VERSIONS)
                version = await self._version(connection)
                for step in self._steps[version:]:
                    await connection.execute(step.sql)
                if version < len(self._steps):
                    await connection.execute(_SET_VERSION, self._schema, len(self._steps))
        if version > len(self._steps):
            raise newer_schema(self._schema, stored=version, known=len(self._steps), place=self.place)
        self._is_migrated = True

    async def _version(self, connection: Connection) -> int:
        if not await connection.fetchval(_HAS_VERSIONS):
            return 0
        return await connection.fetchval(_VERSION, self._schema) or 0


class _Borrowed:
    """A connection for the time of a block. No generator: those cannot be begun any more when a loop is ending."""

    __slots__ = ("_lend", "_loan", "_take_back")

    def __init__(
        self,
        lend: Callable[[], Awaitable[_Loan]],
        take_back: Callable[[_Loan, BaseException | None], Awaitable[None]],
    ) -> None:
        self._lend = lend
        self._take_back = take_back

    async def __aenter__(self) -> Connection:
        self._loan = await self._lend()
        return self._loan[1]

    async def __aexit__(self, kind: type[BaseException] | None, error: BaseException | None, _: object) -> None:
        await self._take_back(self._loan, error)


async def _closed(keeper: AsyncGenerator[None, None]) -> None:
    await keeper.aclose()
