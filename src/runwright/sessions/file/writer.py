# SPDX-License-Identifier: Apache-2.0
"""What is written to the logs of sessions, and who may write: a log's line, with the shared state that it changes.

Locks are taken in one order: first an app's, then a log's. Who writes shared state holds the app's lock from before the
state's line until the log's line stands; who merely appends holds the log's alone.
"""

import os
import weakref
from collections.abc import Callable, Generator
from contextlib import contextmanager, nullcontext
from typing import Any, NamedTuple, Self

import msgspec

from runwright import clock
from runwright.durable import RunStatus
from runwright.errors import LeaseLostError, SessionBusyError, SessionNotFoundError, StaleSessionError
from runwright.sessions.file.lines import Line, RunStep, encoded_line
from runwright.sessions.file.log import SessionLog
from runwright.sessions.file.opening import OpenFiles
from runwright.sessions.file.places import Places, SessionKey, SignOfLife, locked, places_of
from runwright.sessions.file.state import Committed, SharedState
from runwright.state import ScopedDelta


class Revision(NamedTuple):
    """Which session a copy is of, and which versions of the shared state it shows."""

    token: str
    app: int
    user: int


class Lease:
    """The right to write to one session. One that nobody has in hand any more is gone.

    Attributes:
        token: Which session.
        epoch: Which of its leases.
    """

    __slots__ = ("__weakref__", "epoch", "token")

    def __init__(self, token: str, epoch: int) -> None:
        self.token = token
        self.epoch = epoch

    def __copy__(self) -> Self:
        return self

    def __deepcopy__(self, memo: Any) -> Self:
        return self  # a copy of a session is the same writer

    def is_newest(self, log: SessionLog) -> bool:
        """Whether it is the newest lease of a log, and was not given back."""
        return log.writer is not None and (self.token, self.epoch) == (log.header.token, log.epoch)


class Copy(NamedTuple):
    """What a caller's session says of itself."""

    key: SessionKey
    seq: int
    revision: Any
    lease: Any


class Changes(NamedTuple):
    """The shared state that a copy did not show yet, and its new revision."""

    revision: Revision
    app: dict[str, bytes]
    user: dict[str, bytes]


class LogWriter:
    """Writes to the logs below a folder. It is used by one thread.

    Args:
        files: The files that are open.
        sync: Whether a line is on the disk before it is acknowledged.
    """

    def __init__(self, folder: str, files: OpenFiles, *, sync: bool) -> None:
        self._folder = folder
        self._files = files
        self._sync = sync
        self._life = SignOfLife(folder)
        self._leases: weakref.WeakValueDictionary[tuple[str, int], Lease] = weakref.WeakValueDictionary()

    def append(self, copy: Copy, data: bytes, delta: ScopedDelta) -> Changes | None:
        """Appends an event, and gives the shared state that the copy does not show yet."""

        def line(log: SessionLog) -> Line:
            epoch = 0
            if copy.lease is not None:
                epoch = _check_lease(log, copy)
            _check_current(log, copy)
            return Line(time=clock.now(), epoch=epoch, seq=log.seq + 1, event=msgspec.Raw(data))

        return self._write_event(copy, line, delta)

    def start_run(
        self, copy: Copy, invocation_id: str, data: bytes | None, delta: ScopedDelta, *, take_over: bool
    ) -> tuple[Lease, Changes | None]:
        """Gives the copy's holder a new lease, and records the run, with its event if there is one."""
        self._life.show()
        given: list[Lease] = []

        def line(log: SessionLog) -> Line:
            is_own = isinstance(copy.lease, Lease) and copy.lease.is_newest(log)
            if not is_own and not take_over and self.is_held(log):
                raise SessionBusyError(
                    f"Session {copy.key[2]!r} is running {log.running!r} already: wait for its end, or take it over"
                )
            _check_current(log, copy)
            given.append(lease := Lease(log.header.token, log.epoch + 1))
            return Line(
                time=clock.now(),
                epoch=lease.epoch,
                writer=self._life.token,
                run=RunStep(invocation_id=invocation_id, status="running"),
                seq=log.seq + 1 if data is not None else 0,
                event=msgspec.Raw(data) if data is not None else None,
            )

        changes = self._write_event(copy, line, delta)
        (lease,) = given
        self._leases.pop((lease.token, lease.epoch - 1), None)
        self._leases[lease.token, lease.epoch] = lease
        return lease, changes

    def end_run(self, copy: Copy, invocation_id: str, status: RunStatus, error: str | None) -> None:
        """Records how a run stands, and takes the lease back, if the copy still has it."""
        lease = copy.lease
        if not isinstance(lease, Lease):
            return
        self._leases.pop((lease.token, lease.epoch), None)
        with self._files.opened(copy.key, writing=True) as log:
            if log is None or not lease.is_newest(log):
                return
            step = RunStep(invocation_id=invocation_id, status=status, error=error)
            line = Line(time=clock.now(), epoch=log.epoch, released=True, run=step)
            log.write(line, encoded_line(line), sync=False)

    def record_call(self, copy: Copy, call: bytes) -> None:
        """Writes a row of the ledger."""
        with self._files.opened(copy.key, writing=True) as log:
            if log is None:
                raise _not_found(copy.key)
            epoch = _check_lease(log, copy)
            line = Line(time=clock.now(), epoch=epoch, call=msgspec.Raw(call))
            log.write(line, encoded_line(line), sync=self._sync)

    def is_held(self, log: SessionLog) -> bool:
        """Whether the session has a writer that lives."""
        if log.writer is None:
            return False
        if log.writer == self._life.token:
            return (log.header.token, log.epoch) in self._leases
        return self._life.is_alive(log.writer)

    @contextmanager
    def sharing(
        self,
        places: Places,
        path: str,
        states: tuple[SharedState, SharedState],
        delta: ScopedDelta,
        start: int,
        data: bytes,
    ) -> Generator[None]:
        """Stores the shared part of a change together with the line of the log that the block writes."""
        committed = Committed(os.path.relpath(path, places.app), start, data)
        app, user = states
        with (
            app.written(delta.app, committed, sync=self._sync) if delta.app else nullcontext(),
            user.written(delta.user, committed, sync=self._sync) if delta.user else nullcontext(),
        ):
            yield

    def _write_event(self, copy: Copy, make: Callable[[SessionLog], Line], delta: ScopedDelta) -> Changes | None:
        """Writes a line that may have an event, and the shared state with it, or nothing of both."""
        places = places_of(self._folder, copy.key[0], copy.key[1])
        if not delta.app and not delta.user:
            app, user = self._files.fresh(places)
            with self._files.opened(copy.key, writing=True) as log:
                if log is None:
                    raise _not_found(copy.key)
                line = make(log)
                log.write(line, encoded_line(line), sync=self._sync)
            return _changes(copy.revision, app, user)
        if not os.path.isdir(places.user):
            raise _not_found(copy.key)
        app, user = self._files.shared(places)
        with locked(places.lock, exclusive=True):
            app.refresh()
            user.refresh()
            with self._files.opened(copy.key, writing=True) as log:
                if log is None:
                    raise _not_found(copy.key)
                line = make(log)
                data = encoded_line(line)
                with self.sharing(places, log.path, (app, user), delta, log.size, data):
                    log.write(line, data, sync=self._sync)
        return _changes(copy.revision, app, user)

    def close(self) -> None:
        """Gives the leases back. Runs that did not end are found interrupted."""
        self._leases.clear()
        self._life.end()

    def drop(self) -> None:
        """Lets go of what the parent of this process holds."""
        self._leases.clear()
        self._life.drop()
        self._life = SignOfLife(self._folder)


def _not_found(key: SessionKey) -> SessionNotFoundError:
    """What is raised where a session is not there."""
    return SessionNotFoundError(
        f"User {key[1]!r} of app {key[0]!r} has no session {key[2]!r}: make it with create_session"
    )


def _check_lease(log: SessionLog, copy: Copy) -> int:
    """The epoch of a copy's lease, which must be the session's."""
    if not isinstance(copy.lease, Lease) or not copy.lease.is_newest(log):
        raise LeaseLostError(
            f"This copy of session {copy.key[2]!r} is not its writer's (any more): the run that it belongs to is over"
        )
    return copy.lease.epoch


def _check_current(log: SessionLog, copy: Copy) -> None:
    if not isinstance(copy.revision, Revision) or copy.revision.token != log.header.token:
        raise StaleSessionError(
            f"This copy of session {copy.key[2]!r} is not of the session stored now (it was made again, or the copy "
            "did not come from this store): read it again with get_session, then append"
        )
    if copy.seq != log.seq:
        raise StaleSessionError(
            f"Session {copy.key[2]!r} holds {log.seq} events and this copy knows {copy.seq}: somebody else appended; "
            "read it again with get_session, then append"
        )


def _changes(known: Revision, app: SharedState, user: SharedState) -> Changes | None:
    if app.version == known.app and user.version == known.user:
        return None
    revision = known._replace(app=app.version, user=user.version)
    return Changes(revision, app.written_since(known.app), user.written_since(known.user))
