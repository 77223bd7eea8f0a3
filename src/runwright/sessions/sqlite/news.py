# SPDX-License-Identifier: Apache-2.0
"""Who waits for news of a session in SQLite: woken at once by this process, and by a look now and then at others'."""

import asyncio
import contextlib
import json
import sqlite3
import time

from runwright.durable import FOLLOW_SECONDS
from runwright.sessions.sqlite import statements as sql
from runwright.storage.sqlite import SqliteDatabase

_Waiting = dict["asyncio.Future[None]", int]


class SqliteNews:
    """Those who wait for news of sessions. However many they are, one of them looks for all."""

    def __init__(self, database: SqliteDatabase) -> None:
        self._database = database
        self._waiting: dict[int, _Waiting] = {}
        self._looked_at = 0.0

    def tell(self, session: int) -> None:
        """Wakes those who wait for a session that this process has written to."""
        if self._waiting and (waiting := self._waiting.get(session)):
            for news in tuple(waiting):
                _wake(news)

    async def wait(self, session: int, seq: int) -> None:
        """Returns when the newest event of a session is not the one with this number."""
        news: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        waiting = self._waiting.setdefault(session, {})
        waiting[news] = seq
        try:
            if await self._database.read(lambda connection: _heads(connection, [session])) != {session: seq}:
                return
            while not news.done():
                await asyncio.wait({news}, timeout=FOLLOW_SECONDS)
                if not news.done() and time.monotonic() - self._looked_at >= FOLLOW_SECONDS:
                    await self._look()
        finally:
            del waiting[news]
            if not waiting:
                self._waiting.pop(session, None)

    async def _look(self) -> None:
        self._looked_at = time.monotonic()
        sessions = list(self._waiting)
        heads = await self._database.read(lambda connection: _heads(connection, sessions))
        for session in sessions:
            for news, seq in tuple(self._waiting.get(session, {}).items()):
                if heads.get(session) != seq:
                    _wake(news)


def _heads(connection: sqlite3.Connection, sessions: list[int]) -> dict[int, int]:
    return dict(connection.execute(sql.READ_HEADS, (json.dumps(sessions),)))


def _wake(news: "asyncio.Future[None]") -> None:
    with contextlib.suppress(RuntimeError):  # its loop was closed
        news.get_loop().call_soon_threadsafe(_set, news)


def _set(news: "asyncio.Future[None]") -> None:
    if not news.done():
        news.set_result(None)
