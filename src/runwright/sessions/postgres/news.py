# SPDX-License-Identifier: Apache-2.0
"""News: waits until a session's log may have grown, in whichever process."""

import asyncio
from collections.abc import Generator
from contextlib import contextmanager

from runwright.durable import FOLLOW_SECONDS
from runwright.errors import StorageError
from runwright.sessions.postgres import statements as sql
from runwright.sessions.postgres.copies import Revision
from runwright.storage.postgres import PostgresDatabase
from runwright.storage.postgres_driver import Connection

_SECONDS_BETWEEN_LOOKS = 20.0
"""How long who is told of news waits without them, before it looks all the same."""


class News:
    """What is told about sessions, for those who wait for it.

    Appends tell only of sessions that are marked as followed, since telling costs: transactions that tell are committed
    one after the other. Sixteen connections that insert and tell made 2,900 commits a second where 8,700 were made
    without. The mark is a time in the session's own row, which an append has in hand; who follows renews it.
    """

    def __init__(self, database: PostgresDatabase) -> None:
        self._database = database
        self._ears: dict[asyncio.AbstractEventLoop, _Ear] = {}

    async def wait(self, revision: Revision, seq: int) -> None:
        """Returns when the log holds more than ``seq`` events, the session is gone, or it is time to look again."""
        loop = asyncio.get_running_loop()
        ear = self._ears.get(loop)
        if ear is None:
            for ended in [one for one in list(self._ears) if one.is_closed()]:
                self._ears.pop(ended, None)
            ear = self._ears[loop] = _Ear()
        with ear.waiting(revision.number) as news:
            await ear.open(self._database)

            async def follow(connection: Connection) -> int | None:
                return await connection.fetchval(sql.FOLLOW, revision.number, revision.token)

            head = await self._database.run(follow)
            if head is not None and head <= seq:
                seconds = _SECONDS_BETWEEN_LOOKS if ear.is_open else FOLLOW_SECONDS
                await asyncio.wait([news], timeout=seconds)


class _Ear:
    """What one event loop hears."""

    def __init__(self) -> None:
        self.is_open = False
        self._opening = asyncio.Lock()
        self._waiting: dict[int, set[asyncio.Future[None]]] = {}

    async def open(self, database: PostgresDatabase) -> None:
        """Listens, if it does not yet. Where that cannot be, who waits looks every now and then."""
        if self.is_open:
            return
        async with self._opening:
            if self.is_open:
                return
            try:
                await database.listen(sql.CHANNEL, self._heard, self._lost)
            except StorageError:
                return
            self.is_open = True

    @contextmanager
    def waiting(self, session: int) -> Generator["asyncio.Future[None]"]:
        news: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        waiting = self._waiting.setdefault(session, set())
        waiting.add(news)
        try:
            yield news
        finally:
            news.cancel()
            waiting.discard(news)
            if not waiting:
                self._waiting.pop(session, None)

    def _heard(self, told: str) -> None:
        for news in self._waiting.get(int(told), ()):
            if not news.done():
                news.set_result(None)

    def _lost(self) -> None:
        self.is_open = False
        for session in list(self._waiting):
            self._heard(str(session))
