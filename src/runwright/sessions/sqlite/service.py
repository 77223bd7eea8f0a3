# SPDX-License-Identifier: Apache-2.0
"""SqliteSessionService: sessions and their runs in a SQLite file."""

import sqlite3
import weakref
from collections.abc import Collection
from pathlib import Path
from typing import Any

from runwright import clock
from runwright.durable import CallRecord, DurableSessionService, RunRecord, RunStatus
from runwright.errors import ConfigurationError, InputValidationError, InvalidStateError
from runwright.event import Event
from runwright.session import GetSessionConfig, ListSessionsResponse, Session, take_temp_state
from runwright.sessions.coding import (
    decode_call,
    decode_values,
    encode_call,
    encode_event_change,
    encode_state,
    read_config,
    read_page,
)
from runwright.sessions.sqlite import rows
from runwright.sessions.sqlite import statements as sql
from runwright.sessions.sqlite.news import SqliteNews
from runwright.sessions.sqlite.rows import Names, Revision
from runwright.sessions.sqlite.runs import RUN_STATUSES, RunPlace, list_runs
from runwright.sessions.sqlite.writer import Changes, Copy, Entry, SqliteWriter
from runwright.state import merge
from runwright.storage.sqlite import SqliteDatabase
from runwright.storage.sqlite_opening import Durability
from runwright.storage.writers import Lease, new_identity, retire

_MOST_BYTES = 999_000_000
_IDLE_CHUNK = 50


class SqliteSessionService(DurableSessionService):
    """Keeps sessions in a SQLite file, which several processes of one machine may share.

    Appends of concurrent sessions share transactions; each returns once its own is committed.

    Args:
        db_path: The file; it and its folders are made at the first use.
        durability: What an acknowledged write survives. ``"normal"``: the process being killed. ``"full"``: the power
            failing too; with ``"normal"`` the newest writes may be missing then, and nothing is damaged.
        lease_seconds: After how long without a sign of life another machine's (or container's) writer is taken to be
            gone. A process of this machine is known to be gone at once.

    Raises:
        ConfigurationError: ``db_path`` is no file's, or an argument is not what it may be.
    """

    def __init__(self, db_path: str | Path, *, durability: Durability = "normal", lease_seconds: float = 15.0) -> None:
        if lease_seconds <= 0:
            raise ConfigurationError(f"lease_seconds is {lease_seconds}: give more than 0")
        self._database = SqliteDatabase(db_path, schema="sessions", durability=durability)
        identity = new_identity()
        weakref.finalize(self, retire, identity)
        self._identity = identity
        self._writer = SqliteWriter(identity, lease_seconds)
        self._database.repeat(self._writer.beat_seconds, self._writer.beat)
        self._news = SqliteNews(self._database)

    # --- sessions -----------------------------------------------------------------------------------------------

    async def create_session(
        self, *, app_name: str, user_id: str, state: dict[str, Any] | None = None, session_id: str | None = None
    ) -> Session:
        delta = encode_state(state)
        names = _names(app_name, user_id, (session_id or "").strip() or clock.new_id())
        now = clock.now()
        nothing = read_config(GetSessionConfig(num_recent_events=0))

        def work(connection: sqlite3.Connection) -> Session | None:
            self._writer.create(connection, names, delta, now)
            return rows.load(connection, names, nothing)

        session = await self._database.write(work)
        assert session is not None
        return session

    async def get_session(
        self, *, app_name: str, user_id: str, session_id: str, config: GetSessionConfig | None = None
    ) -> Session | None:
        wanted = read_config(config)
        names = _names(app_name, user_id, session_id)
        return await self._database.read(lambda connection: rows.load(connection, names, wanted))

    async def list_sessions(
        self, *, app_name: str, user_id: str | None = None, page_size: int | None = None, page_token: str | None = None
    ) -> ListSessionsResponse:
        after = read_page(page_size, page_token)
        _names(app_name, user_id or "", "")
        return await self._database.read(
            lambda connection: rows.list_page(connection, app_name, user_id, after=after, size=page_size)
        )

    async def delete_session(self, *, app_name: str, user_id: str, session_id: str) -> None:
        names = _names(app_name, user_id, session_id)

        def work(connection: sqlite3.Connection) -> int | None:
            number = rows.find(connection, names)
            if number is not None:
                self._writer.delete(connection, number)
            return number

        number = await self._database.write(work)
        if number is not None:
            self._news.tell(number)

    async def append_event(self, session: Session, event: Event) -> Event:
        if event.partial:
            return event
        take_temp_state(session, event)
        entry, now = _entry(event), clock.now()
        copy = Copy(_names_of(session), session.revision, session.seq, session.lease)
        changes = await self._database.write(lambda connection: self._writer.append(connection, copy, entry, now))
        self._bring_up_to_date(session, event, entry, changes)
        return event

    async def get_user_state(self, *, app_name: str, user_id: str) -> dict[str, Any]:
        _names(app_name, user_id, "")
        return await self._database.read(lambda connection: rows.user_state(connection, app_name, user_id))

    async def flush(self) -> None:
        await self._database.flush()

    async def close(self) -> None:
        """Gives the leases back, takes the write-ahead log into the file, and ends the threads."""
        try:
            if self._writer.number and not self._database.closed:
                await self._database.write(self._writer.leave)
        finally:
            retire(self._identity)
            await self._database.close()

    # --- runs ---------------------------------------------------------------------------------------------------

    async def start_run(
        self, session: Session, invocation_id: str, event: Event | None = None, *, take_over: bool = False
    ) -> None:
        _check_text(invocation_id, "invocation id")
        entry = None
        if event is not None:
            take_temp_state(session, event)
            entry = _entry(event)
        if not self._writer.number:
            self._writer.number = await self._database.write(self._writer.register)
        copy, now = Copy(_names_of(session), session.revision, session.seq, None), clock.now()

        def work(connection: sqlite3.Connection) -> tuple[Lease, Changes | None]:
            return self._writer.start_run(connection, copy, invocation_id, entry, now, take_over=take_over)

        session.lease, changes = await self._database.write(work)
        self._bring_up_to_date(session, event, entry, changes)

    async def end_run(
        self, session: Session, invocation_id: str, status: RunStatus, *, error: str | None = None
    ) -> None:
        lease, session.lease = session.lease, None
        if not isinstance(lease, Lease):
            return
        _check_text(invocation_id, "invocation id")
        code, now = RUN_STATUSES.index(status), clock.now()
        reason = None if error is None else error.encode("utf-8", "backslashreplace").decode()
        self._database.write_behind(
            lambda connection: self._writer.end_run(connection, lease, invocation_id, code, reason, now)
        )

    async def record_call(self, session: Session, call: CallRecord) -> None:
        data = _text(encode_call(call), f"The call {call.call_id!r}")
        copy = Copy(_names_of(session), session.revision, session.seq, session.lease)
        await self._database.write(
            lambda connection: self._writer.record_call(connection, copy, call.invocation_id, call.call_id, data)
        )

    async def list_calls(self, session: Session, invocation_id: str) -> list[CallRecord]:
        _check_text(invocation_id, "invocation id")
        revision = session.revision
        if type(revision) is not Revision:
            return []
        place = f"run {invocation_id!r} of session {session.id!r}"

        def work(connection: sqlite3.Connection) -> list[CallRecord]:
            found = connection.execute(sql.CALLS, (revision.number, invocation_id))
            return [decode_call(data, place) for (data,) in found]

        return await self._database.read(work)

    async def list_runs(
        self,
        *,
        app_name: str,
        user_id: str | None = None,
        session_id: str | None = None,
        status: Collection[RunStatus] | None = None,
    ) -> list[RunRecord]:
        _names(app_name, user_id or "", session_id or "")
        wanted = frozenset(RUN_STATUSES if status is None else status)
        place = RunPlace(app_name, user_id, session_id)
        await self._database.write(_nothing)  # the ends of runs are written behind
        return await self._database.read(
            lambda connection: list_runs(connection, place, wanted, is_alive=self._writer.is_alive)
        )

    async def wait_for_news(self, session: Session) -> None:
        revision = session.revision
        if type(revision) is Revision:
            await self._news.wait(revision.number, session.seq)
        else:
            await super().wait_for_news(session)

    async def delete_idle_sessions(self, *, app_name: str, idle_seconds: float) -> int:
        before = clock.now() - idle_seconds
        _names(app_name, "", "")

        def candidates(connection: sqlite3.Connection) -> list[int]:
            app = connection.execute(sql.FIND_APP, (app_name,)).fetchone()
            found = connection.execute(sql.IDLE_SESSIONS, (*app, before // 86_400, before)) if app else ()
            return [number for (number,) in found]

        deleted = 0
        numbers = await self._database.read(candidates)
        for start in range(0, len(numbers), _IDLE_CHUNK):
            some = numbers[start : start + _IDLE_CHUNK]
            deleted += await self._database.write(
                lambda connection, some=some: self._writer.delete_idle(connection, some, before)
            )
        for number in numbers:
            self._news.tell(number)
        return deleted

    def _bring_up_to_date(
        self, session: Session, event: Event | None, entry: Entry | None, changes: Changes | None
    ) -> None:
        if entry is not None and entry.delta.session:
            session.state.update(decode_values(entry.delta.session))
        if changes is not None:
            session.revision = changes.revision
            session.state.update(merge(decode_values(changes.app), decode_values(changes.user), {}))
        if event is not None:
            session.events.append(event)
            session.seq += 1
            session.last_update_time = event.timestamp
            self._news.tell(session.revision.number)


def _entry(event: Event) -> Entry:
    data, delta = encode_event_change(event)
    return Entry(event.timestamp, _text(data, f"Event {event.id!r}"), delta)


def _text(data: bytes, what: str) -> str:
    if len(data) > _MOST_BYTES:
        raise InvalidStateError(
            f"{what} cannot be stored: it has {len(data)} bytes, and SQLite holds {_MOST_BYTES} in one value. Keep "
            "large files as artifacts; nothing was written"
        )
    return data.decode()


def _names(app_name: str, user_id: str, session_id: str) -> Names:
    _check_text(app_name, "app name")
    _check_text(user_id, "user id")
    _check_text(session_id, "session id")
    return Names(app_name, user_id, session_id)


def _names_of(session: Session) -> Names:
    return Names(session.app_name, session.user_id, session.id)


def _check_text(name: str, what: str) -> None:
    try:
        name.encode()
    except UnicodeEncodeError as error:
        raise InputValidationError(f"The {what} {name!r} is no text: it holds half of a surrogate pair") from error


def _nothing(connection: sqlite3.Connection) -> None:
    """The work that only waits for all that came before."""
