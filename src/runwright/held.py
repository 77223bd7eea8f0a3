# SPDX-License-Identifier: Apache-2.0
"""The sessions that a runner holds, so that a turn does not read again what this process wrote itself."""

import threading
from collections import OrderedDict
from collections.abc import Awaitable, Callable
from typing import Any

from runwright.record import copy_json
from runwright.session import Session
from runwright.state import APP_PREFIX, TEMP_PREFIX, USER_PREFIX, without_temp

SessionKey = tuple[str, str, str]
"""(app name, user id, session id)"""


class HeldSession:
    """A session as it is stored, with what was derived from its events.

    A run works on ``session.state`` as it likes. What is stored is kept apart in here, and each run starts from it: a
    write that never was part of an event, or a list changed in place, does not outlive its run.
    """

    __slots__ = ("_applied", "_revision", "_stored_state", "session", "size", "views", "was_reset")

    def __init__(self, session: Session) -> None:
        self.session = session
        self.views: dict[Any, Any] = {}
        self.size = 0
        self.reset(session)
        self.was_reset = False

    def reset(self, fresh: Session) -> None:
        """Takes over what was read from the store, in the same session object, which contexts hold."""
        session = self.session
        temporary = {key: value for key, value in session.state.items() if key.startswith(TEMP_PREFIX)}
        session.events[:] = fresh.events
        session.seq, session.revision = fresh.seq, fresh.revision
        session.last_update_time = fresh.last_update_time
        state = copy_json(fresh.state)
        session.state.clear()
        session.state.update(state)
        session.state.update(temporary)
        self._stored_state: dict[str, Any] = copy_json(fresh.state)
        self._applied = len(session.events)
        self._revision = session.revision
        self.views.clear()
        self.was_reset = True
        """Whether it was read again since the run began: somebody else wrote to it."""

    def advance(self, fresh: Session) -> bool:
        """Takes over what others wrote: the events after the last one that is here, and the state.

        Args:
            fresh: What was read from the store, from the last event that is here on.

        Returns:
            False where it does not go on from what is here, and has to be read whole.
        """
        session = self.session
        if not session.events or not fresh.events or fresh.events[0].id != session.events[-1].id:
            return False
        views = self.views.copy()
        events = [*session.events, *fresh.events[1:]]
        self.reset(fresh)
        session.events[:] = events
        self._applied = len(events)
        self.views.update(views)
        return True

    def begin_run(self) -> Session:
        """The session, with the state that is stored."""
        self.catch_up()
        self.session.state = copy_json(self._stored_state)
        self.was_reset = False
        return self.session

    def stored_value(self, key: str) -> Any:
        """A value of the state as it is stored; None where there is none."""
        return copy_json(self._stored_state.get(key))

    async def write(self, store: Callable[[Session], Awaitable[Any]]) -> None:
        """Has ``store`` write to the session.

        It is given a session without state to bring up to date, so that what it changes can be told from what the run
        wrote and has not stored.
        """
        session = self.session
        bare = Session(
            id=session.id,
            app_name=session.app_name,
            user_id=session.user_id,
            events=session.events,
            last_update_time=session.last_update_time,
            seq=session.seq,
            revision=session.revision,
            lease=session.lease,
        )
        await store(bare)
        session.seq, session.last_update_time, session.lease = bare.seq, bare.last_update_time, bare.lease
        if bare.state:
            self._stored_state.update(copy_json(without_temp(bare.state)))
            session.state.update(bare.state)
        if session.revision is self._revision:
            self._revision = bare.revision
        session.revision = bare.revision
        self.catch_up()

    def catch_up(self) -> None:
        """Takes note of the events that were appended since the last time, whoever appended them."""
        events = self.session.events
        for index in range(self._applied, len(events)):
            delta = events[index].actions.state_delta
            if delta:
                self._stored_state.update(copy_json(without_temp(delta)))
        self._applied = len(events)
        if self.session.revision is not self._revision:
            # Other sessions of the user or the app changed what is shared.
            for key, value in self.session.state.items():
                if key.startswith((APP_PREFIX, USER_PREFIX)):
                    self._stored_state[key] = copy_json(value)
            self._revision = self.session.revision


class HeldSessions:
    """The sessions that are not running, the least recently used given up first.

    Args:
        limit: How many to hold.
        max_events: How many events all of them may have together, the newest session aside.
    """

    def __init__(self, limit: int, *, max_events: int = 100_000) -> None:
        self._limit = limit
        self._max_events = max_events
        self._events = 0
        self._held: OrderedDict[SessionKey, HeldSession] = OrderedDict()
        self._lock = threading.Lock()

    def take(self, key: SessionKey) -> HeldSession | None:
        """The session, for its one writer, if it is here."""
        with self._lock:
            held = self._held.pop(key, None)
            if held is not None:
                self._events -= held.size
            return held

    def put(self, key: SessionKey, held: HeldSession) -> None:
        """Gives it back."""
        with self._lock:
            held.size = len(held.session.events)
            self._held[key] = held
            self._events += held.size
            while len(self._held) > self._limit or (self._events > self._max_events and len(self._held) > 1):
                _, given_up = self._held.popitem(last=False)
                self._events -= given_up.size

    def clear(self) -> None:
        """Forgets all."""
        with self._lock:
            self._held.clear()
            self._events = 0
