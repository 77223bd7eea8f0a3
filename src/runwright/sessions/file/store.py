# SPDX-License-Identifier: Apache-2.0
"""The work of :class:`FileSessionService`, as plain blocking calls from one thread."""

import logging
import os
from bisect import bisect_right
from collections.abc import Collection, Mapping
from contextlib import suppress
from operator import attrgetter
from typing import Any

import msgspec

from runwright import clock
from runwright.durable import CallRecord, RunRecord, RunStatus
from runwright.errors import (
    AlreadyExistsError,
    CorruptedDataError,
)
from runwright.session import ListSessionsResponse, Session
from runwright.sessions.coding import Wanted, decode_values
from runwright.sessions.file.index import Entry, SessionIndex
from runwright.sessions.file.lines import FORMAT, VERSION, Header, encoded_line, last_write_time
from runwright.sessions.file.log import SessionLog
from runwright.sessions.file.opening import OpenFiles
from runwright.sessions.file.places import (
    Places,
    SessionKey,
    locked,
    places_of,
    sync_folder,
    write_whole,
)
from runwright.sessions.file.state import SharedState
from runwright.sessions.file.writer import LogWriter, Revision
from runwright.state import ScopedDelta, merge

_logger = logging.getLogger(__name__)
_number = attrgetter("number")


class FileStore:
    """The files below a folder.

    Args:
        folder: An absolute path.
        sync: Whether a line is on the disk before it is acknowledged.

    Attributes:
        writer: Writes to their logs.
    """

    def __init__(self, folder: str, *, sync: bool) -> None:
        self._folder = folder
        self._sync = sync
        self._index = SessionIndex()
        self._files = OpenFiles(folder)
        self.writer = LogWriter(folder, self._files, sync=sync)

    # --- sessions

    def create(self, key: SessionKey, delta: ScopedDelta) -> Session:
        """Makes a session with the given state, each value as JSON."""
        places = places_of(self._folder, key[0], key[1])
        path = self._files.path(key)
        app, user = self._files.shared(places)
        token = os.urandom(8).hex()
        os.makedirs(places.app, exist_ok=True)
        with locked(places.lock, exclusive=True) as file:
            os.makedirs(places.user, exist_ok=True)
            if os.path.lexists(path):
                raise AlreadyExistsError(
                    f"User {key[1]!r} of app {key[0]!r} has a session {key[2]!r} already: "
                    "read it with get_session, or choose another id"
                )
            app.refresh()
            user.refresh()
            state = {name: msgspec.Raw(value) for name, value in delta.session.items()}
            header = Header(
                format=FORMAT, version=VERSION, app_name=key[0], user_id=key[1], id=key[2],
                number=self._next_number(file, places.app), token=token, time=clock.now(), state=state,
            )  # fmt: skip
            data = encoded_line(header)
            with self.writer.sharing(places, path, (app, user), delta, 0, data):
                self._put(places, path, data)
        return Session(
            id=key[2],
            app_name=key[0],
            user_id=key[1],
            state=_merged(app, user, delta.session),
            last_update_time=header.time,
            revision=Revision(token, app.version, user.version),
        )

    def read(self, key: SessionKey, wanted: Wanted) -> Session | None:
        """A session with the events that are asked for; None where there is none."""
        with self._files.opened(key, writing=False) as log:
            if log is None:
                return None
            start = wanted.after
            if wanted.newest is not None and wanted.since is None:
                start = max(start, log.seq - wanted.newest)
            events = log.events(start)
        # After the log, so that what its events change is there; and unlocked, for locks have an order.
        session = _session(log, *self._files.fresh(places_of(self._folder, key[0], key[1])))
        if wanted.since is not None:
            events = [event for event in events if event.timestamp >= wanted.since]
            if wanted.newest is not None:
                events = events[max(0, len(events) - wanted.newest) :]
        session.events = events
        return session

    def page(self, app_name: str, user_id: str | None, size: int | None, after: int) -> ListSessionsResponse:
        """Sessions in order, after a number. A damaged one is left out, with a warning in the log."""
        entries = self._entries(app_name, user_id)
        sessions: list[Session] = []
        last = after
        for entry in entries[bisect_right(entries, after, key=_number) :]:
            if (session := self._listed(entry)) is None:
                continue
            if len(sessions) == size:
                return ListSessionsResponse(sessions=sessions, next_page_token=str(last))
            sessions.append(session)
            last = entry.number
        return ListSessionsResponse(sessions=sessions)

    def delete(self, key: SessionKey) -> bool:
        """Deletes a session, a damaged one too; false where there is none."""
        places = places_of(self._folder, key[0], key[1])
        if not os.path.isdir(places.user):
            return False
        with locked(places.lock, exclusive=True):
            return self._delete(places, key)

    def delete_idle(self, app_name: str, before: float) -> int:
        """Deletes the sessions that were not written to since a time, but for those that run."""
        deleted = 0
        for entry in self._entries(app_name, None):
            try:
                if last_write_time(entry.path) >= before:
                    continue
                places = places_of(self._folder, app_name, entry.key[1])
                with (
                    locked(places.lock, exclusive=True),
                    self._files.opened(entry.key, writing=True, keep=False) as log,
                ):
                    if log is None or log.last_write_time >= before or self.writer.is_held(log):
                        continue
                    self._unlink(places, log)
            except FileNotFoundError:
                continue
            except CorruptedDataError as error:
                _logger.warning("A session is not looked at: %s", error)
                continue
            deleted += 1
        return deleted

    def user_state(self, app_name: str, user_id: str) -> dict[str, Any]:
        """What a user's sessions share."""
        _, user = self._files.fresh(places_of(self._folder, app_name, user_id))
        return decode_values(user.written_since(0))

    # --- runs

    def calls(self, key: SessionKey, invocation_id: str) -> list[CallRecord]:
        """The ledger of one run."""
        with self._files.opened(key, writing=False) as log:
            return log.calls_of(invocation_id) if log is not None else []

    def runs(
        self, app_name: str, user_id: str | None, session_id: str | None, status: Collection[RunStatus] | None
    ) -> list[RunRecord]:
        """The runs of an app, a user or a session."""
        if user_id is not None and session_id is not None:
            keys = [(app_name, user_id, session_id)]
        else:
            keys = [entry.key for entry in self._entries(app_name, user_id)]
        found: list[RunRecord] = []
        for key in keys:
            if session_id is not None and key[2] != session_id:
                continue
            try:
                with self._files.opened(key, writing=False, keep=False) as log:
                    found.extend(self._runs_of(log, status) if log is not None else ())
            except CorruptedDataError as error:
                if len(keys) == 1:
                    raise
                _logger.warning("A session is left out: %s", error)
        return found

    def _runs_of(self, log: SessionLog, status: Collection[RunStatus] | None) -> list[RunRecord]:
        is_held = self.writer.is_held(log)
        app_name, user_id, session_id = log.key
        return [
            RunRecord(
                app_name=app_name,
                user_id=user_id,
                session_id=session_id,
                invocation_id=invocation_id,
                status=run.status,
                error=run.error,
                interrupted=run.status == "running" and not (is_held and run.epoch == log.epoch),
                start_time=run.start_time,
                update_time=run.update_time,
            )
            for invocation_id, run in log.runs.items()
            if status is None or run.status in status
        ]

    # --- the end

    def close(self) -> None:
        """Gives back what is held."""
        self._files.close()
        self.writer.close()

    def drop(self) -> None:
        """Lets go of what the parent of this process holds."""
        self._files.close()
        self.writer.drop()

    # --- parts

    def _entries(self, app_name: str, user_id: str | None) -> list[Entry]:
        if user_id is None:
            return self._index.of_app(places_of(self._folder, app_name, "").app)
        return self._index.of_user(places_of(self._folder, app_name, user_id).user)

    def _listed(self, entry: Entry) -> Session | None:
        try:
            with self._files.opened(entry.key, writing=False, keep=False) as log:
                if log is None:
                    return None
        except CorruptedDataError as error:
            _logger.warning("A session is left out: %s", error)
            return None
        return _session(log, *self._files.fresh(places_of(self._folder, entry.key[0], entry.key[1])))

    def _put(self, places: Places, path: str, data: bytes) -> None:
        """Makes a log, whole at once."""
        new = os.path.join(places.user, f"~{os.urandom(8).hex()}.new")
        file = os.open(new, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o666)
        try:
            write_whole(file, data, size=0, sync=self._sync)
            os.rename(new, path)
        except OSError:
            with suppress(OSError):
                os.unlink(new)
            raise
        finally:
            os.close(file)
        if self._sync:
            for folder in (places.user, places.app, self._folder):
                sync_folder(folder)

    def _next_number(self, file: int, app_folder: str) -> int:
        """Counts the sessions of an app, in the file of its lock, which must be held."""
        text = os.pread(file, 32, 0).strip()
        last = int(text) if text.isdigit() else max((one.number for one in self._index.of_app(app_folder)), default=0)
        os.pwrite(file, b"%d\n" % (last + 1), 0)
        return last + 1

    def _delete(self, places: Places, key: SessionKey) -> bool:
        self._files.give_up(key)
        log = SessionLog.open(self._files.path(key), key)
        if log is None:
            return False
        try:
            log.lock(exclusive=True)  # an append that has begun comes to its end
            self._unlink(places, log)
        finally:
            log.close()
        return True

    def _unlink(self, places: Places, log: SessionLog) -> None:
        """Deletes a log. The app's lock and its own must be held."""
        for state in self._files.shared(places):
            state.settle()
        os.unlink(log.path)
        with suppress(OSError):  # it is not empty
            os.rmdir(places.user)
        if self._sync:
            sync_folder(places.user if os.path.isdir(places.user) else places.app)


def _session(log: SessionLog, app: SharedState, user: SharedState) -> Session:
    app_name, user_id, session_id = log.key
    return Session(
        id=session_id,
        app_name=app_name,
        user_id=user_id,
        state=_merged(app, user, log.state),
        last_update_time=log.last_update_time,
        seq=log.seq,
        revision=Revision(log.header.token, app.version, user.version),
    )


def _merged(app: SharedState, user: SharedState, own: Mapping[str, bytes]) -> dict[str, Any]:
    return merge(decode_values(app.written_since(0)), decode_values(user.written_since(0)), decode_values(own))
