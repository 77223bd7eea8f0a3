# SPDX-License-Identifier: Apache-2.0
"""Log: how events get into PostgreSQL, once each, and what a copy learns by it."""

import asyncio
import time
from typing import Any, NamedTuple, NoReturn

from runwright import clock
from runwright.errors import (
    LeaseLostError,
    SessionBusyError,
    SessionNotFoundError,
    StaleSessionError,
    StorageError,
)
from runwright.event import Event
from runwright.session import Session, take_temp_state
from runwright.sessions.coding import decode_values, encode_event_change
from runwright.sessions.postgres import statements as sql
from runwright.sessions.postgres.copies import Revision, shown_name, state_parameters, stored_names
from runwright.sessions.postgres.statements import Statement
from runwright.sessions.postgres.writer import Writer
from runwright.state import ScopedDelta, merge
from runwright.storage.postgres import RETRY_SECONDS, PostgresDatabase
from runwright.storage.postgres_driver import Connection, ConnectionLostError
from runwright.storage.writers import Lease

_SECONDS_TO_LOOK_AGAIN = 0.005


class Write(NamedTuple):
    """An event that is about to be stored."""

    event: Event
    data: str
    delta: ScopedDelta


class Versions(NamedTuple):
    """The versions of the shared state after a write."""

    app: int
    user: int


class _Attempts:
    """One write, from the first try to the last.

    Attributes:
        is_unsure: Whether a try was cut off: it may have been done, or be done yet.
    """

    def __init__(self) -> None:
        self.is_unsure = False
        self._give_up_at = time.monotonic() + RETRY_SECONDS

    def cut_off(self, error: ConnectionLostError) -> None:
        self.is_unsure = True
        self.again(error)

    def again(self, error: StorageError | None = None) -> None:
        if time.monotonic() > self._give_up_at:
            raise error or StorageError("The session changed hands again and again: nothing was written; try later")


class Log:
    """Writes to the sessions of one database as one writer."""

    def __init__(self, database: PostgresDatabase, writer: Writer) -> None:
        self._database = database
        self._writer = writer

    async def append(self, session: Session, write: Write) -> Versions | None:
        """Stores an event; None where it is stored and what else changed is not known."""
        revision, lease, head = known_revision(session), session.lease, session.seq
        held = (lease.epoch, lease.writer) if isinstance(lease, Lease) else (None, None)
        given = _parameters(session, revision, write) | {"epoch": held[0], "writer": held[1]}
        delta = write.delta
        statement = sql.APPEND_SHARED if delta.app or delta.user else sql.APPEND_OWN if delta.session else sql.APPEND
        attempts = _Attempts()
        while True:
            versions = await self._tried(statement, given, attempts)
            if versions is not None:
                return versions
            standing = await self._standing(session)
            if attempts.is_unsure and await self._has(revision, head + 1, write.data):
                return None
            if lease is not None and (standing["epoch"], standing["writer"]) != held:
                raise LeaseLostError(
                    f"Somebody else became the writer of session {session.id!r}: this run is over; nothing was written"
                )
            _check_head(session, standing, head)
            attempts.again()

    async def start_run(
        self, session: Session, invocation_id: str, write: Write | None, *, take_over: bool
    ) -> tuple[Lease, Versions | None]:
        """Gives the lease, records the run and appends the event."""
        revision, writer = known_revision(session), await self._writer.number()
        held = session.lease
        given = _parameters(session, revision, write) | {
            "writer": writer,
            "epoch": revision.epoch,
            "may_take": isinstance(held, Lease) and held.epoch == revision.epoch,
            "invocation": stored_names(invocation_id)[0],
        }
        statement = sql.START if write is None else sql.START_APPEND_SHARED if any(write.delta) else sql.START_APPEND
        attempts = _Attempts()
        while True:
            lease, epoch, versions = Lease(revision.number, writer), revision.epoch + 1, None
            is_being_taken = self._writer.leases.is_held(revision.number, epoch)
            try:
                if not is_being_taken:
                    # Noted before it is stored: who sees it in the database finds it held.
                    self._writer.leases.give(lease, epoch)
                    versions = await self._tried(statement, given, attempts)
                standing = None if versions is not None else await self._standing(session)
            except BaseException:
                self._writer.leases.forget(lease)
                raise
            if standing is None or (attempts.is_unsure and _is_ours(standing, given, epoch)):
                revision.epoch = epoch
                self._writer.note_given(lease)
                return lease, versions
            del lease  # nobody's, or the next step would find it held
            self._prepare_next(session, standing, given, take_over=take_over)
            await asyncio.sleep(_SECONDS_TO_LOOK_AGAIN if is_being_taken else 0)
            attempts.again()

    async def show(self, session: Session, write: Write, versions: Versions | None) -> None:
        """Brings a copy up to date with an event that was stored."""
        delta, revision = write.delta, known_revision(session)
        session.state.update(merge(*(decode_values(part) for part in delta)))
        session.events.append(write.event)
        session.seq += 1
        session.last_update_time = write.event.timestamp
        if versions is None or versions == (revision.app, revision.user):
            return
        if versions == (revision.app + bool(delta.app), revision.user + bool(delta.user)):
            session.revision = revision.showing(*versions)
            return
        try:
            await self._show_changes(session, revision)
        except ConnectionLostError:
            return  # the event is stored; the next append finds that this copy is behind

    async def raise_lost(self, session: Session) -> NoReturn:
        """Says why a copy that had a lease has it no more."""
        await self._standing(session)
        raise LeaseLostError(f"Somebody else became the writer of session {session.id!r}: this run is over")

    async def _show_changes(self, session: Session, revision: Revision) -> None:
        async def read(connection: Connection) -> list[Any]:
            scopes, known = [revision.app_scope, revision.user_scope], [revision.app, revision.user]
            return await connection.fetch(sql.CHANGES, scopes, known)

        versions: dict[int, int] = {}
        changed: dict[int, dict[str, str]] = {revision.app_scope: {}, revision.user_scope: {}}
        for scope, version, key, data in await self._database.run(read):
            versions[scope] = version
            if key is not None:
                changed[scope][shown_name(key)] = data
        app, user = decode_values(changed[revision.app_scope]), decode_values(changed[revision.user_scope])
        session.state.update(merge(app, user, {}))
        session.revision = revision.showing(versions[revision.app_scope], versions[revision.user_scope])

    async def _tried(self, statement: Statement, given: dict[str, object], attempts: _Attempts) -> Versions | None:
        """Tries it once; None where it was not done, or is not known to be."""
        values = statement.values(given)

        async def write(connection: Connection) -> Any:
            return await connection.fetchrow(statement.text, *values)

        try:
            row = await self._database.run(write, may_repeat=False)
        except ConnectionLostError as error:
            attempts.cut_off(error)
            return None
        return None if row is None else Versions(row[0], row[1])

    async def _standing(self, session: Session) -> Any:
        """How the session of a copy stands.

        Raises:
            SessionNotFoundError: There is none any more.
            StaleSessionError: Another one was made in its place.
        """
        revision = known_revision(session)
        names = stored_names(session.app_name, session.user_id, session.id)

        async def read(connection: Connection) -> tuple[Any, Any]:
            row = await connection.fetchrow(sql.STANDING, revision.number, revision.token)
            return row, None if row is not None else await connection.fetchval(sql.IS_THERE, *names)

        row, other = await self._database.run(read)
        if row is not None:
            return row
        if other is not None:
            raise _foreign(session)
        raise SessionNotFoundError(
            f"User {session.user_id!r} of app {session.app_name!r} has no session {session.id!r}: "
            "make it with create_session"
        )

    async def _has(self, revision: Revision, seq: int, data: str) -> bool:
        """Whether the log holds this event there: ids are random, so no two are the same."""

        async def read(connection: Connection) -> Any:
            return await connection.fetchval(sql.STORED_EVENT, revision.number, seq)

        return await self._database.run(read) == data

    def _prepare_next(self, session: Session, standing: Any, given: dict[str, object], *, take_over: bool) -> None:
        """Prepares the next try to take a session that could not be taken, or raises why there is none."""
        revision, held = known_revision(session), session.lease
        is_ours = isinstance(held, Lease) and held.epoch == standing["epoch"]
        is_free = standing["writer"] is None or is_ours or self._writer.is_gone(revision.number, standing)
        is_being_taken = self._writer.leases.is_held(revision.number, standing["epoch"] + 1)
        if not take_over and (is_being_taken or not is_free):
            raise SessionBusyError(
                f"Session {session.id!r} is running another message: wait until it has ended, or take the session over"
            )
        _check_head(session, standing, given["head"])
        given["epoch"] = revision.epoch = standing["epoch"]
        given["may_take"] = True


def encoded_write(session: Session, event: Event) -> Write:
    """An event as it is stored, its ``temp:`` keys moved to the copy.

    Raises:
        InvalidStateError: It cannot be stored.
    """
    take_temp_state(session, event)
    data, delta = encode_event_change(event)
    return Write(event, data.decode(), delta)


def known_revision(session: Session) -> Revision:
    """Which stored session a copy is of.

    Raises:
        StaleSessionError: It did not come from such a store.
    """
    if not isinstance(session.revision, Revision):
        raise _foreign(session)
    return session.revision


def _parameters(session: Session, revision: Revision, write: Write | None) -> dict[str, object]:
    given: dict[str, object] = {
        "number": revision.number,
        "token": revision.token,
        "head": session.seq,
        "now": clock.now(),
    }
    if write is not None:
        given |= {"timestamp": write.event.timestamp, "data": write.data}
        if any(write.delta):
            given |= state_parameters(write.delta)
    return given


def _is_ours(standing: Any, given: dict[str, object], epoch: int) -> bool:
    """Whether the session is held as a try that was cut off would have left it."""
    return (standing["writer"], standing["epoch"], standing["run"]) == (given["writer"], epoch, given["invocation"])


def _check_head(session: Session, standing: Any, known: object) -> None:
    if standing["head"] != known:
        raise StaleSessionError(
            f"Session {session.id!r} holds {standing['head']} events and this copy knew {known}: somebody else "
            "appended; read it again with get_session, then append"
        )


def _foreign(session: Session) -> StaleSessionError:
    return StaleSessionError(
        f"This copy of session {session.id!r} is not of the session stored now (it was made again, or the copy did not "
        "come from this store): read it again with get_session, then append"
    )
