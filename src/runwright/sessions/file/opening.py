# SPDX-License-Identifier: Apache-2.0
"""The files of a store that are open, with what was read of them: the least recently used are given up first."""

import os
from collections import OrderedDict
from collections.abc import Generator
from contextlib import contextmanager, nullcontext

from runwright.sessions.file.log import SessionLog
from runwright.sessions.file.places import LOG_SUFFIX, Places, SessionKey, file_name, locked, places_of
from runwright.sessions.file.state import SharedState

_LOGS = 128
_STATES = 1024


class OpenFiles:
    """Logs and shared state below a folder. It is used by one thread."""

    def __init__(self, folder: str) -> None:
        self._folder = folder
        self._logs: OrderedDict[str, SessionLog] = OrderedDict()
        self._states: OrderedDict[str, SharedState] = OrderedDict()

    def path(self, key: SessionKey) -> str:
        """Where a session's log lies, whether it is there or not."""
        return os.path.join(places_of(self._folder, key[0], key[1]).user, file_name(key[2]) + LOG_SUFFIX)

    @contextmanager
    def opened(self, key: SessionKey, *, writing: bool, keep: bool = True) -> Generator[SessionLog | None]:
        """A session's log, locked and read to its end; None where there is none.

        Args:
            keep: Whether it stays open if it was not open already.
        """
        path = self.path(key)
        while True:
            log = self._logs.pop(path, None)
            was_open = log is not None
            log = log or SessionLog.open(path, key)
            if log is None:
                yield None
                return
            log.lock(exclusive=writing)
            if log.is_current():
                break
            log.close()  # it was deleted, and perhaps made again
        is_sound = False
        try:
            log.refresh()
            if writing:
                log.cut()
            is_sound = True
            yield log
        finally:
            if is_sound and (keep or was_open):
                log.unlock()
                self._logs[path] = log
                if len(self._logs) > _LOGS:
                    self._logs.popitem(last=False)[1].close()
            else:
                log.close()

    def shared(self, places: Places) -> tuple[SharedState, SharedState]:
        """The state of an app and of a user of it, as it was read last."""
        found: list[SharedState] = []
        for path in (places.app_state, places.user_state):
            state = self._states.pop(path, None)
            self._states[path] = state = state or SharedState(path, places.app)
            found.append(state)
        while len(self._states) > _STATES:
            self._states.popitem(last=False)
        return found[0], found[1]

    def fresh(self, places: Places) -> tuple[SharedState, SharedState]:
        """The same as it is now."""
        app, user = self.shared(places)
        if app.is_fresh() and user.is_fresh():
            return app, user
        is_there = os.path.isdir(places.app)
        with locked(places.lock, exclusive=False) if is_there else nullcontext():
            app.refresh()
            user.refresh()
        return app, user

    def give_up(self, key: SessionKey) -> None:
        """Closes a session's log."""
        if (log := self._logs.pop(self.path(key), None)) is not None:
            log.close()

    def close(self) -> None:
        """Closes them all."""
        while self._logs:
            self._logs.popitem()[1].close()
        self._states.clear()
