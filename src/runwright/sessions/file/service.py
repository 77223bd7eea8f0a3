# SPDX-License-Identifier: Apache-2.0
"""Sessions as files that people can read: a log of JSON lines for each, below a folder."""

import asyncio
import os
import weakref
from collections.abc import Callable, Collection
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Any, Literal, ParamSpec, TypeVar

from runwright import clock
from runwright.durable import CallRecord, DurableSessionService, RunRecord, RunStatus
from runwright.errors import InputValidationError, InvalidStateError, StorageError
from runwright.event import Event
from runwright.session import GetSessionConfig, ListSessionsResponse, Session, take_temp_state
from runwright.sessions.coding import (
    NO_CHANGE,
    decode_values,
    encode_call,
    encode_event_change,
    encode_state,
    read_config,
    read_page,
)
from runwright.sessions.file.places import check_locks
from runwright.sessions.file.store import FileStore
from runwright.sessions.file.writer import Changes, Copy
from runwright.state import ScopedDelta, merge

P = ParamSpec("P")
T = TypeVar("T")

_services: "weakref.WeakSet[FileSessionService]" = weakref.WeakSet()


class FileSessionService(DurableSessionService):
    """Keeps each session in a file of its own: ``<folder>/<app>/<user>/<session>.jsonl``.

    A file is a header and then one line for each thing that was stored at once. It is only ever appended to. Processes
    on one machine may share a folder. The work is done in one thread of the service's own, in the order in which it was
    asked for. What the process knows of the sessions it used last is kept in memory, so an append costs the same at any
    length of the log; listing reads the logs of the sessions on the page.

    A process that is killed loses nothing that was acknowledged, and leaves nothing half done: half a line is cut off
    by the next writer, and shared state that was written without its event does not count. A file that is damaged
    anywhere else is a :class:`CorruptedDataError`, and left out of lists with a warning in the log.

    Who runs a session holds a lease as long as its process lives: the system itself tells when it does not. Keep the
    folder on a local disk: those in a network often do not have such locks.

    Args:
        folder: Made where it is missing.
        durability: ``"normal"`` hands each line to the operating system: a crash of the machine may lose the newest.
            ``"full"`` waits until it is on the disk.

    Raises:
        ConfigurationError: This system has no file locks of the kind that is needed (Windows).
    """

    def __init__(self, folder: str | os.PathLike[str], *, durability: Literal["normal", "full"] = "normal") -> None:
        check_locks()
        if durability not in ("normal", "full"):
            raise InputValidationError(f"durability is {durability!r}: give 'normal' or 'full'")
        self.folder: str = os.path.abspath(folder)
        self._store = FileStore(self.folder, sync=durability == "full")
        self._worker = _new_worker()
        self._closed = False
        _services.add(self)

    async def create_session(
        self, *, app_name: str, user_id: str, state: dict[str, Any] | None = None, session_id: str | None = None
    ) -> Session:
        delta = encode_state(state)
        key = (app_name, user_id, (session_id or "").strip() or clock.new_id())
        _check_text(*key)
        return await self._do(self._store.create, key, delta)

    async def get_session(
        self, *, app_name: str, user_id: str, session_id: str, config: GetSessionConfig | None = None
    ) -> Session | None:
        return await self._do(self._store.read, (app_name, user_id, session_id), read_config(config))

    async def list_sessions(
        self, *, app_name: str, user_id: str | None = None, page_size: int | None = None, page_token: str | None = None
    ) -> ListSessionsResponse:
        after = read_page(page_size, page_token)
        return await self._do(self._store.page, app_name, user_id, page_size, after)

    async def delete_session(self, *, app_name: str, user_id: str, session_id: str) -> None:
        await self._do(self._store.delete, (app_name, user_id, session_id))

    async def append_event(self, session: Session, event: Event) -> Event:
        if event.partial:
            return event
        take_temp_state(session, event)
        data, delta = encode_event_change(event)
        changes = await self._do(self._store.writer.append, _copy(session), data, delta)
        _bring_up_to_date(session, event, delta, changes)
        return event

    async def get_user_state(self, *, app_name: str, user_id: str) -> dict[str, Any]:
        return await self._do(self._store.user_state, app_name, user_id)

    async def start_run(
        self, session: Session, invocation_id: str, event: Event | None = None, *, take_over: bool = False
    ) -> None:
        _check_text(invocation_id)
        if event is None:
            data, delta = None, NO_CHANGE
        else:
            take_temp_state(session, event)
            data, delta = encode_event_change(event)
        start = partial(self._store.writer.start_run, take_over=take_over)
        session.lease, changes = await self._do(start, _copy(session), invocation_id, data, delta)
        if event is not None:
            _bring_up_to_date(session, event, delta, changes)

    async def end_run(
        self, session: Session, invocation_id: str, status: RunStatus, *, error: str | None = None
    ) -> None:
        copy, session.lease = _copy(session), None
        if copy.lease is None:
            return
        _check_text(invocation_id)
        reason = None if error is None else error.encode("utf-8", "backslashreplace").decode()
        await self._do(self._store.writer.end_run, copy, invocation_id, status, reason)

    async def record_call(self, session: Session, call: CallRecord) -> None:
        await self._do(self._store.writer.record_call, _copy(session), encode_call(call))

    async def list_calls(self, session: Session, invocation_id: str) -> list[CallRecord]:
        return await self._do(self._store.calls, _copy(session).key, invocation_id)

    async def list_runs(
        self,
        *,
        app_name: str,
        user_id: str | None = None,
        session_id: str | None = None,
        status: Collection[RunStatus] | None = None,
    ) -> list[RunRecord]:
        return await self._do(self._store.runs, app_name, user_id, session_id, status)

    async def delete_idle_sessions(self, *, app_name: str, idle_seconds: float) -> int:
        if idle_seconds < 0:
            raise InputValidationError(f"idle_seconds is {idle_seconds}: give 0 or more")
        return await self._do(self._store.delete_idle, app_name, clock.now() - idle_seconds)

    async def close(self) -> None:
        if not self._closed:
            await self._do(self._store.close)
            self._closed = True
            self._worker.shutdown()

    async def _do(self, work: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        """Does blocking work in the service's thread, after all that was asked for before."""
        if self._closed:
            raise StorageError(f"The session service of {self.folder} was closed: make a new one")
        try:
            return await asyncio.get_running_loop().run_in_executor(self._worker, partial(work, *args, **kwargs))
        except OSError as error:
            raise _storage_error(error, self.folder) from error

    def start_over(self) -> None:
        """Lets go of what belongs to the process that this one was forked from."""
        self._worker = _new_worker()
        self._store.drop()


def _new_worker() -> ThreadPoolExecutor:
    return ThreadPoolExecutor(1, thread_name_prefix="runwright-file-sessions")


def _check_text(*names: str) -> None:
    for name in names:
        try:
            name.encode()
        except UnicodeEncodeError as error:
            raise InvalidStateError(f"The name {name!r} cannot be stored: {error}") from error


def _copy(session: Session) -> Copy:
    return Copy((session.app_name, session.user_id, session.id), session.seq, session.revision, session.lease)


def _bring_up_to_date(session: Session, event: Event, delta: ScopedDelta, changes: Changes | None) -> None:
    if delta.session:
        session.state.update(decode_values(delta.session))
    if changes is not None:
        session.revision = changes.revision
        session.state.update(merge(decode_values(changes.app), decode_values(changes.user), {}))
    session.events.append(event)
    session.seq += 1
    session.last_update_time = event.timestamp


def _storage_error(error: OSError, folder: str) -> StorageError:
    notes = "".join(f". {note}" for note in getattr(error, "__notes__", ()))
    return StorageError(f"The session files in {folder} cannot be used: {error}{notes}")


def _after_fork() -> None:
    for service in list(_services):
        service.start_over()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork)
