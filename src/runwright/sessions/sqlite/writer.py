# SPDX-License-Identifier: Apache-2.0
"""Sessions in SQLite as they are written: what runs in the writer's thread, each method in one transaction."""

import sqlite3
import time
from collections.abc import Callable
from typing import Any, NamedTuple

from runwright.errors import (
    AlreadyExistsError,
    LeaseLostError,
    SessionBusyError,
    SessionNotFoundError,
    StaleSessionError,
)
from runwright.sessions.sqlite import statements as sql
from runwright.sessions.sqlite.rows import SEQ_BITS, Names, Revision, find, packed_id
from runwright.state import ScopedDelta
from runwright.storage.writers import Lease, Leases, Sightings, WriterIdentity, process_is_gone

_DAY = 86_400
_FOLLOWED = "it was interrupted, and another run followed"
_Connection = sqlite3.Connection


class Copy(NamedTuple):
    """What a caller knows of a session that it writes to."""

    names: Names
    revision: Any
    seq: int
    lease: Lease | None


class Entry(NamedTuple):
    """An event as it is stored."""

    timestamp: float
    data: str
    delta: ScopedDelta


class Changes(NamedTuple):
    """The shared state that a copy does not show yet."""

    revision: Revision
    app: dict[str, str]
    user: dict[str, str]


class _Current(NamedTuple):
    head: int
    epoch: int
    writer: int | None
    day: int
    app_version: int
    user_version: int


class SqliteWriter:
    """Writes sessions, and knows which leases its service has given out.

    Args:
        identity: Who writes.
        lease_seconds: After how long without a sign of life another writer is gone.
    """

    def __init__(self, identity: WriterIdentity, lease_seconds: float) -> None:
        self.leases = Leases()
        self.beat_seconds = lease_seconds / 3
        self.number = 0
        self._identity = identity
        self._sightings = Sightings(lease_seconds)
        self._store = ""
        self._beat_at = 0.0

    # --- sessions -----------------------------------------------------------------------------------------------

    def create(self, connection: _Connection, names: Names, delta: ScopedDelta, now: float) -> None:
        app = _found_or_made(connection, sql.FIND_APP, sql.MAKE_APP, (names.app,))
        user = _found_or_made(connection, sql.FIND_USER, sql.MAKE_USER, (app, names.user))
        if find(connection, names) is not None:
            raise AlreadyExistsError(
                f"User {names.user!r} of app {names.app!r} has a session {names.session!r} already: "
                "read it with get_session, or choose another id"
            )
        made = connection.execute(sql.MAKE_SESSION, (app, user, names.session, now, now, _day(now)))
        number = made.lastrowid
        assert number is not None
        _write_state(connection, (number, app, user), delta)

    def append(self, connection: _Connection, copy: Copy, entry: Entry, now: float) -> Changes | None:
        """Appends an event. Gives what the copy does not show of the shared state; None where it shows all."""
        revision, lease = copy.revision, copy.lease
        own = self._is_own(connection, revision)
        if own and not entry.delta.app and not entry.delta.user:
            _, number, app, user, app_version, user_version = revision
            known = (entry.timestamp, now, number, copy.seq, _day(now), app, app_version, user, user_version)
            if lease is None:
                done = connection.execute(sql.ADVANCE, known)
            else:
                done = connection.execute(sql.ADVANCE_LEASED, (*known, lease.epoch, self.number))
            if done.rowcount == 1:
                _add_event(connection, revision, copy.seq + 1, entry)
                return None
        current = self._checked(connection, copy, own=own)
        _set_head(connection, revision.number, current, copy.seq + 1, entry.timestamp, now)
        _add_event(connection, revision, copy.seq + 1, entry)
        return _changes(connection, revision)

    def delete(self, connection: _Connection, number: int) -> None:
        owner = connection.execute(sql.SESSION_OWNER, (number,)).fetchone()
        if owner is None:
            return
        start = number << SEQ_BITS
        connection.execute(sql.DELETE_EVENTS, (start, start + (1 << SEQ_BITS)))
        for statement in (sql.DELETE_STATE, sql.DELETE_CALLS, sql.DELETE_RUNS, sql.DELETE_SESSION):
            connection.execute(statement, (number,))
        connection.execute(sql.DELETE_USER, (owner[0], owner[0]))

    def delete_idle(self, connection: _Connection, numbers: list[int], before: float) -> int:
        """Deletes those of the sessions that are idle still and do not run. Gives how many."""
        deleted = 0
        for number in numbers:
            row = connection.execute(sql.IS_IDLE, (number, before)).fetchone()
            if row is not None and not self.holds(connection, number, *row):
                self.delete(connection, number)
                deleted += 1
        return deleted

    # --- runs ---------------------------------------------------------------------------------------------------

    def start_run(
        self,
        connection: _Connection,
        copy: Copy,
        invocation_id: str,
        entry: Entry | None,
        now: float,
        *,
        take_over: bool,
    ) -> tuple[Lease, Changes | None]:
        """Gives the lease, records the run and appends the event."""
        revision, seq, stored_id = copy.revision, copy.seq, packed_id(invocation_id)
        own = self._is_own(connection, revision)
        changes: Changes | None = None
        epoch = 0
        timestamp = None if entry is None else entry.timestamp
        head = seq + (entry is not None)
        if own and (entry is None or not (entry.delta.app or entry.delta.user)):
            _, number, app, user, app_version, user_version = revision
            known = (number, seq, _day(now), app, app_version, user, user_version)
            row = connection.execute(sql.ADVANCE_FREE, (head - seq, timestamp, now, self.number, *known)).fetchone()
            epoch = 0 if row is None else row[0]
            if epoch and entry is not None:
                _add_event(connection, revision, head, entry)
        if not epoch:
            current = self._checked(connection, copy._replace(lease=None), own=own, must_be_free=not take_over)
            number, epoch = revision.number, current.epoch + 1
            connection.execute(sql.GIVE_LEASE, (epoch, self.number, number))
            _set_head(connection, number, current, head, timestamp, now)
            if entry is not None:
                _add_event(connection, revision, head, entry)
            changes = _changes(connection, revision)
            # A lease that was given back, as above, leaves no run that is recorded as running.
            connection.execute(sql.CANCEL_RUNNING, (_FOLLOWED, now, number, stored_id))
        connection.execute(sql.START_RUN, (revision.number, stored_id, epoch, epoch, now, now))
        self._beat_when_due(connection)
        lease = Lease(revision.number, self.number)
        self.leases.give(lease, epoch)
        return lease, changes

    def end_run(
        self, connection: _Connection, lease: Lease, invocation_id: str, status: int, error: str | None, now: float
    ) -> None:
        # Should this not be stored, the session is free all the same, though the traceback of an error holds the lease.
        self.leases.forget(lease)
        freed = connection.execute(sql.FREE_LEASE, (lease.session, lease.epoch, lease.writer))
        if freed.rowcount:
            connection.execute(sql.END_RUN, (status, error, now, lease.session, packed_id(invocation_id), lease.epoch))

    def record_call(self, connection: _Connection, copy: Copy, invocation_id: str, call_id: str, data: str) -> None:
        self._checked(connection, copy, own=self._is_own(connection, copy.revision), any_head=True)
        connection.execute(sql.RECORD_CALL, (copy.revision.number, invocation_id, call_id, data))

    def holds(self, connection: _Connection, session: int, epoch: int, writer: int | None) -> bool:
        """Whether a session has a writer that is not known to be gone."""
        if writer is None:
            return False
        row = None if writer == self.number else connection.execute(sql.READ_WRITER, (writer,)).fetchone()
        return self.is_alive(session, epoch, writer, row)

    def is_alive(self, session: int, epoch: int, writer: int, row: tuple[str, int] | None) -> bool:
        """The same, with the writer's row, which is None where it has none."""
        if writer == self.number:
            return self.leases.is_held(session, epoch)
        return row is not None and not self._sightings.is_gone(writer, *row)

    # --- who may write ------------------------------------------------------------------------------------------

    def _is_own(self, connection: _Connection, revision: Any) -> bool:
        if not self._store:
            self._store = connection.execute(sql.STORE_ID).fetchone()[0]
        return type(revision) is Revision and revision.store == self._store

    def _checked(
        self,
        connection: _Connection,
        copy: Copy,
        *,
        own: bool,
        any_head: bool = False,
        must_be_free: bool = False,
    ) -> _Current:
        """How a session stands, if the copy's holder may write to it.

        Args:
            own: Whether the copy came from this store.
            any_head: Whether it may be behind.
            must_be_free: Whether nobody may run it.
        """
        row = connection.execute(sql.CURRENT, (copy.revision.number,)).fetchone() if own else None
        name = copy.names.session
        if row is None:
            raise self._not_current(connection, copy.names)
        current = _Current(*row)
        lease = copy.lease
        if lease is not None and (lease.epoch, self.number) != (current.epoch, current.writer):
            raise LeaseLostError(f"Somebody else became the writer of session {name!r}: this run is over")
        if must_be_free and self.holds(connection, copy.revision.number, current.epoch, current.writer):
            raise SessionBusyError(
                f"Session {name!r} is running another message: wait until it has ended, or take the session over"
            )
        if current.head != copy.seq and not any_head:
            raise StaleSessionError(
                f"Session {name!r} holds {current.head} events and this copy knows {copy.seq}: somebody else "
                "appended; read it again with get_session, then append"
            )
        return current

    def _not_current(self, connection: _Connection, names: Names) -> SessionNotFoundError | StaleSessionError:
        if find(connection, names) is None:
            return SessionNotFoundError(
                f"User {names.user!r} of app {names.app!r} has no session {names.session!r}: make it with "
                "create_session"
            )
        return StaleSessionError(
            f"This copy of session {names.session!r} is not of the session stored now (it was made again, or the "
            "copy did not come from this store): read it again with get_session, then append"
        )

    # --- this writer --------------------------------------------------------------------------------------------

    def register(self, connection: _Connection) -> int:
        """Makes this writer known, and forgets those that are gone. Gives its number; the same one each time."""
        for number, identity in connection.execute(sql.ALL_WRITERS).fetchall():
            if process_is_gone(WriterIdentity.decoded(identity)):
                connection.execute(sql.REMOVE_WRITER, (number,))
        identity = self._identity.encoded()
        connection.execute(sql.ADD_WRITER, (identity,))
        return connection.execute(sql.FIND_WRITER, (identity,)).fetchone()[0]

    def beat(self) -> Callable[[_Connection], None] | None:
        """The sign of life that is due; None where nobody waits for one."""
        return self._beat_when_due if self.number and self.leases else None

    def _beat_when_due(self, connection: _Connection) -> None:
        now = time.monotonic()
        if now - self._beat_at < self.beat_seconds * 0.9:
            return
        self._beat_at = now
        if connection.execute(sql.BEAT, (self.number,)).rowcount == 0:
            connection.execute(sql.RETURN_WRITER, (self.number, self._identity.encoded()))

    def leave(self, connection: _Connection) -> None:
        """What it holds is free from now on."""
        connection.execute(sql.REMOVE_WRITER, (self.number,))


def _day(now: float) -> int:
    return int(now // _DAY)


def _found_or_made(connection: _Connection, find: str, make: str, values: tuple[Any, ...]) -> int:
    row = connection.execute(find, values).fetchone()
    if row is not None:
        return row[0]
    number = connection.execute(make, values).lastrowid
    assert number is not None
    return number


def _add_event(connection: _Connection, revision: Revision, seq: int, entry: Entry) -> None:
    place = (revision.number << SEQ_BITS) + seq
    connection.execute(sql.ADD_EVENT, (place, entry.data))
    delta = entry.delta
    if delta.session or delta.app or delta.user:
        _write_state(connection, (revision.number, revision.app, revision.user), delta)


def _set_head(
    connection: _Connection, number: int, current: _Current, head: int, timestamp: float | None, now: float
) -> None:
    connection.execute(sql.SET_HEAD, (head, timestamp, now, number))
    if current.day != _day(now):
        connection.execute(sql.SET_DAY, (_day(now), number))


def _write_state(connection: _Connection, places: tuple[int, int, int], delta: ScopedDelta) -> None:
    session, app, user = places
    for key, value in delta.session.items():
        connection.execute(sql.WRITE_SESSION_STATE, (session, key, value.decode()))
    if delta.app:
        (version,) = connection.execute(sql.NEXT_APP_VERSION, (app,)).fetchone()
        for key, value in delta.app.items():
            connection.execute(sql.WRITE_APP_STATE, (app, key, value.decode(), version))
    if delta.user:
        (version,) = connection.execute(sql.NEXT_USER_VERSION, (user,)).fetchone()
        for key, value in delta.user.items():
            connection.execute(sql.WRITE_USER_STATE, (user, key, value.decode(), version))


def _changes(connection: _Connection, known: Revision) -> Changes | None:
    current = _Current(*connection.execute(sql.CURRENT, (known.number,)).fetchone())
    if (current.app_version, current.user_version) == (known.app_version, known.user_version):
        return None
    revision = known._replace(app_version=current.app_version, user_version=current.user_version)
    app = dict(connection.execute(sql.STATE_OF_APP, (known.app, known.app_version)))
    user = dict(connection.execute(sql.STATE_OF_USER, (known.user, known.user_version)))
    return Changes(revision, app, user)
