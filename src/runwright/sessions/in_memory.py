# SPDX-License-Identifier: Apache-2.0
"""Sessions in this process's memory: fast, complete, and gone when it ends.

Everything is kept as encoded bytes: an event as one JSON text, a state value as one JSON text per key. So nothing that
a caller holds leads into the store, and what can be kept here can be kept by a store on disk.
"""

import itertools
import os
import threading
from bisect import bisect_left, bisect_right
from collections.abc import Mapping
from operator import attrgetter
from typing import Any, NamedTuple

from runwright import clock
from runwright.errors import AlreadyExistsError, SessionNotFoundError, StaleSessionError
from runwright.event import Event
from runwright.session import BaseSessionService, GetSessionConfig, ListSessionsResponse, Session, take_temp_state
from runwright.sessions.coding import (
    decode_events,
    decode_values,
    encode_event_change,
    encode_state,
    read_config,
    read_page,
)
from runwright.state import ScopedDelta, merge


class _Revision(NamedTuple):
    """Which session a copy is of, and which versions of the shared state it shows."""

    service: str
    number: int
    app: int
    user: int


class _Scope:
    """What the sessions of one app, or of one user of it, share: state, and the order in which they were made."""

    __slots__ = ("sessions", "state", "version")

    def __init__(self) -> None:
        self.sessions: list[_Stored] = []
        self.state: dict[str, tuple[int, bytes]] = {}
        self.version = 0

    def write(self, delta: Mapping[str, bytes]) -> None:
        self.version += 1
        for key, data in delta.items():
            # Taken out first, so that the newest stand last and a reader of changes need not pass over the rest.
            self.state.pop(key, None)
            self.state[key] = (self.version, data)

    def written_since(self, version: int) -> dict[str, bytes]:
        changed: dict[str, bytes] = {}
        for key, (written, data) in reversed(self.state.items()):
            if written <= version:
                break
            changed[key] = data
        return changed

    def remove(self, stored: "_Stored") -> None:
        del self.sessions[bisect_left(self.sessions, stored.number, key=_number)]


class _Stored:
    """One session as it is kept. ``number`` counts all that were ever made, so no two have the same."""

    __slots__ = ("app", "events", "key", "last_update_time", "number", "state", "user")

    def __init__(self, key: tuple[str, str, str], number: int, app: _Scope, user: _Scope) -> None:
        self.key = key
        self.number = number
        self.app = app
        self.user = user
        self.events: list[bytes] = []
        self.state: dict[str, bytes] = {}
        self.last_update_time = 0.0

    def write(self, delta: ScopedDelta) -> None:
        self.state.update(delta.session)
        if delta.app:
            self.app.write(delta.app)
        if delta.user:
            self.user.write(delta.user)


_number = attrgetter("number")


class _Found(NamedTuple):
    """A session's bytes, taken under the lock to be decoded outside of it."""

    stored: _Stored
    state: tuple[dict[str, bytes], dict[str, bytes], dict[str, bytes]]
    events: list[bytes]
    last_update_time: float
    seq: int
    revision: _Revision


class InMemorySessionService(BaseSessionService):
    """Keeps sessions in memory. Threads and event loops may share it: each call is one short step under a lock."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._service = os.urandom(16).hex()
        self._numbers = itertools.count(1)
        self._sessions: dict[tuple[str, str, str], _Stored] = {}
        self._apps: dict[str, _Scope] = {}
        self._users: dict[tuple[str, str], _Scope] = {}

    async def create_session(
        self, *, app_name: str, user_id: str, state: dict[str, Any] | None = None, session_id: str | None = None
    ) -> Session:
        scoped = encode_state(state)
        session_id = (session_id or "").strip() or clock.new_id()
        key = (app_name, user_id, session_id)
        with self._lock:
            if key in self._sessions:
                raise AlreadyExistsError(
                    f"User {user_id!r} of app {app_name!r} has a session {session_id!r} already: "
                    "read it with get_session, or choose another id"
                )
            app = self._apps.setdefault(app_name, _Scope())
            user = self._users.setdefault((app_name, user_id), _Scope())
            stored = _Stored(key, next(self._numbers), app, user)
            stored.last_update_time = clock.now()
            stored.write(scoped)
            self._sessions[key] = stored
            app.sessions.append(stored)
            user.sessions.append(stored)
            found = self._found(stored, [])
        return _session(found, [])

    async def get_session(
        self, *, app_name: str, user_id: str, session_id: str, config: GetSessionConfig | None = None
    ) -> Session | None:
        newest, since, start = read_config(config)
        with self._lock:
            stored = self._sessions.get((app_name, user_id, session_id))
            if stored is None:
                return None
            if newest is not None and since is None:
                start = max(start, len(stored.events) - newest)
            found = self._found(stored, stored.events[start:])
        events = decode_events(found.events, f"session {session_id!r}")
        if since is not None:
            events = [event for event in events if event.timestamp >= since]
            if newest is not None:
                events = events[max(0, len(events) - newest) :]
        return _session(found, events)

    async def list_sessions(
        self, *, app_name: str, user_id: str | None = None, page_size: int | None = None, page_token: str | None = None
    ) -> ListSessionsResponse:
        after = read_page(page_size, page_token)
        with self._lock:
            scope = self._apps.get(app_name) if user_id is None else self._users.get((app_name, user_id))
            if scope is None:
                return ListSessionsResponse()
            start = bisect_right(scope.sessions, after, key=_number)
            end = len(scope.sessions) if page_size is None else start + page_size
            page = [self._found(stored, []) for stored in scope.sessions[start:end]]
            more = end < len(scope.sessions)
        return ListSessionsResponse(
            sessions=[_session(found, []) for found in page],
            next_page_token=str(page[-1].stored.number) if more else None,
        )

    async def delete_session(self, *, app_name: str, user_id: str, session_id: str) -> None:
        with self._lock:
            stored = self._sessions.pop((app_name, user_id, session_id), None)
            if stored is None:
                return
            stored.app.remove(stored)
            stored.user.remove(stored)
            # State outlives its sessions; a scope that holds nothing need not.
            if not stored.user.sessions and not stored.user.state:
                del self._users[app_name, user_id]
            if not stored.app.sessions and not stored.app.state:
                del self._apps[app_name]

    async def append_event(self, session: Session, event: Event) -> Event:
        if event.partial:
            return event
        take_temp_state(session, event)
        data, scoped = encode_event_change(event)
        with self._lock:
            stored = self._current(session)
            stored.events.append(data)
            stored.last_update_time = event.timestamp
            if event.actions.state_delta:
                stored.write(scoped)
            changes = _changes_of_others(session, stored)
        if scoped.session:
            session.state.update(decode_values(scoped.session))
        if changes is not None:
            session.revision, app_changes, user_changes = changes
            session.state.update(merge(decode_values(app_changes), decode_values(user_changes), {}))
        session.events.append(event)
        session.seq += 1
        session.last_update_time = event.timestamp
        return event

    async def get_user_state(self, *, app_name: str, user_id: str) -> dict[str, Any]:
        with self._lock:
            scope = self._users.get((app_name, user_id))
            data = scope.written_since(0) if scope is not None else {}
        return decode_values(data)

    def _current(self, session: Session) -> _Stored:
        """The stored session, if ``session`` is an up to date copy of it."""
        stored = self._sessions.get((session.app_name, session.user_id, session.id))
        if stored is None:
            raise SessionNotFoundError(
                f"User {session.user_id!r} of app {session.app_name!r} has no session {session.id!r}: "
                "make it with create_session"
            )
        known = session.revision
        if not isinstance(known, _Revision) or known.number != stored.number or known.service != self._service:
            raise StaleSessionError(
                f"This copy of session {session.id!r} is not of the session stored now (it was made again, or the "
                "copy did not come from this service): read it again with get_session, then append"
            )
        if session.seq != len(stored.events):
            raise StaleSessionError(
                f"Session {session.id!r} holds {len(stored.events)} events and this copy knows {session.seq}: somebody "
                "else appended; read it again with get_session, then append"
            )
        return stored

    def _found(self, stored: _Stored, events: list[bytes]) -> _Found:
        state = (stored.app.written_since(0), stored.user.written_since(0), stored.state.copy())
        revision = _Revision(self._service, stored.number, stored.app.version, stored.user.version)
        return _Found(stored, state, events, stored.last_update_time, len(stored.events), revision)


def _changes_of_others(
    session: Session, stored: _Stored
) -> tuple[_Revision, dict[str, bytes], dict[str, bytes]] | None:
    """The shared state that ``session`` does not show yet, its own writes included; None where it shows all."""
    known: _Revision = session.revision
    app, user = stored.app, stored.user
    if app.version == known.app and user.version == known.user:
        return None
    revision = known._replace(app=app.version, user=user.version)
    return revision, app.written_since(known.app), user.written_since(known.user)


def _session(found: _Found, events: list[Event]) -> Session:
    app_name, user_id, session_id = found.stored.key
    app, user, own = found.state
    return Session(
        id=session_id,
        app_name=app_name,
        user_id=user_id,
        state=merge(decode_values(app), decode_values(user), decode_values(own)),
        events=events,
        last_update_time=found.last_update_time,
        seq=found.seq,
        revision=found.revision,
    )
