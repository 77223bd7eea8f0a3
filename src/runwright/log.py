# SPDX-License-Identifier: Apache-2.0
"""RunLog: a session's log as one run reads it and writes to it."""

import asyncio
import contextlib
from collections.abc import Awaitable, Callable
from typing import Any

from runwright.config import RunConfig
from runwright.durable import CallRecord, DurableSessionService, RunRecord, RunStatus
from runwright.errors import (
    AlreadyExistsError,
    LeaseLostError,
    SessionBusyError,
    SessionNotFoundError,
    StaleSessionError,
    StorageError,
)
from runwright.event import Event
from runwright.held import HeldSession, SessionKey
from runwright.invocation import Ledger
from runwright.owed import left_open, responses, settle, taken_back
from runwright.record import copy_json
from runwright.session import BaseSessionService, GetSessionConfig, Session
from runwright.state import without_temp

_STALE_TRIES = 8
_FIRST_PAUSE, _LONGEST_PAUSE = 0.002, 0.1
"""Seconds between two looks at a session that another process runs."""


class RunLog:
    """A session's log as one run reads it and writes to it.

    Args:
        service: Where the session is kept.
        key: Which session it is.
        config: How much of it is loaded, and what is put on every event.
        may_create: Whether it is made where it is missing.
        applies_changes: Whether the state and artifact changes of events are stored with them.

    Attributes:
        held: The session, from when it was opened.
        ledger: What the run still owes to the session.
        undo: For each state key that the run changed, what was stored before.
        is_lost: Whether somebody else is the session's writer now: this run cannot write any more.
        is_doubtful: Whether the next run has to read the session again: a write failed, so that what is held may not be
            what is stored, or this one was stopped before it had settled what others left.
    """

    def __init__(
        self,
        service: BaseSessionService,
        key: SessionKey,
        *,
        config: RunConfig,
        may_create: bool,
        applies_changes: bool,
    ) -> None:
        self.service = service
        self.durable = service if isinstance(service, DurableSessionService) else None
        self.ledger = Ledger()
        self.undo: dict[str, Any] = {}
        self.held: HeldSession
        self.is_lost = False
        self.is_doubtful = self.durable is not None
        self._key = key
        self._config = config
        self._may_create = may_create
        self._applies_changes = applies_changes
        self._unsure: Event | None = None
        """An event that the store may have or not: the task was cancelled while it was told."""
        self._has_written = self._was_read = False
        self._has_begun = self.durable is None
        self._running: str | None = None
        """The run that is recorded, or may be, and whose end is not."""
        self._is_unsure_of_start = False

    @property
    def may_write(self) -> bool:
        """Whether the run is its session's writer: it has become that, and nobody has taken its place."""
        return self._has_begun and not self.is_lost

    # --- reading

    async def open(self, held: HeldSession | None) -> Session:
        """The session as the run starts with it: the one that was held, or read from the store.

        Raises:
            SessionNotFoundError: There is none, and it may not be made.
        """
        self._was_read = held is None
        self.held = HeldSession(await self._read()) if held is None else held
        return self.held.begin_run()

    async def read_again(self) -> None:
        """Brings the session up to date: somebody else wrote to it."""
        self._was_read = True
        seq = self.held.session.seq
        if seq > 0 and self._config.get_session_config is None:
            fresh = await self._stored(GetSessionConfig(after_seq=seq - 1))
            if fresh is not None and self.held.advance(fresh):
                return
        self.held.reset(await self._read())

    async def find_run(self, invocation_id: str | None) -> RunRecord | None:
        """What the store has recorded of a run; of the newest that has not ended, where none is named."""
        if self.durable is None:
            return None
        app_name, user_id, session_id = self._key
        status: tuple[RunStatus, ...] | None = ("running", "paused") if invocation_id is None else None
        runs = await self.durable.list_runs(app_name=app_name, user_id=user_id, session_id=session_id, status=status)
        named = [one for one in runs if invocation_id is None or one.invocation_id == invocation_id]
        return named[-1] if named else None

    # --- the run

    async def begin(self, invocation_id: str, event: Event | None) -> None:
        """Records the run where the store does, as the session's one writer, and appends the event that starts it.

        While another process runs the session it waits, or does what ``RunConfig.when_busy`` says. Calls that an
        interrupted run left open are answered first.

        Raises:
            SessionBusyError: Another process runs it, and the policy is ``reject``.
            SessionNotFoundError: The session was deleted.
            InvalidStateError: The event cannot be stored.
        """
        if self.durable is None:
            if event is not None:
                await self.append(event)
            return
        self._running = invocation_id
        pause, take_over = _FIRST_PAUSE, False
        takes_back = False
        while True:
            open_calls = left_open(self.held.session.events, but_of=invocation_id) if self._was_read else None
            takes_back = take_over and self._config.when_busy == "rollback"
            first = event if open_calls is None and not takes_back else None
            try:
                await self._start(self.durable, invocation_id, first, take_over=take_over)
                break
            except SessionBusyError:
                if self._config.when_busy == "reject":
                    raise
                take_over = self._config.when_busy != "enqueue"
                if not take_over:
                    await asyncio.sleep(pause)
                    pause = min(2 * pause, _LONGEST_PAUSE)
            except (StaleSessionError, SessionNotFoundError):
                await self.read_again()
        if open_calls is not None:
            settle(open_calls.calls, await self.durable.list_calls(self.held.session, open_calls.invocation_id))
            for response in responses(open_calls.calls, open_calls.invocation_id):
                await self.append(response)
        if takes_back and (rewind := taken_back(self.held.session.events, but_of=invocation_id)) is not None:
            await self.append(rewind)
        if event is not None and event is not first:
            await self.append(event)
        self.is_doubtful = False

    async def append(self, event: Event) -> None:
        """Appends an event: the only place of a run that does.

        The log gets a copy, so that what agents and callers do to the event changes nothing in it. Where somebody else
        wrote to the session meanwhile, it is read again and the append is repeated.

        Raises:
            LeaseLostError: Somebody else runs the session now.
            SessionNotFoundError: The session was deleted.
            InvalidStateError: The event cannot be stored.
        """
        stored = self._entry(event)
        await self._write(stored, lambda session: self.service.append_event(session, stored))
        self._note(event)

    async def record_call(self, call: CallRecord) -> None:
        """Writes a row of the ledger of tool calls, where the store keeps one."""
        if self.durable is None:
            return
        try:
            await self.durable.record_call(self.held.session, call)
        except LeaseLostError:
            self.is_lost = True
            raise

    async def end(self, status: RunStatus, error: str | None = None) -> None:
        """Records how the run ended, once, and lets go of the session."""
        running, self._running = self._running, None
        if self.durable is None or running is None:
            return
        session, durable = self.held.session, self.durable
        if self._is_unsure_of_start:
            with contextlib.suppress(SessionBusyError, StaleSessionError, SessionNotFoundError):
                await self.held.write(lambda bare: durable.start_run(bare, running))
        if session.lease is not None:
            try:
                await durable.end_run(session, running, status, error=error)
            finally:
                session.lease = None  # Whatever happened: what nobody holds is free.

    def label(self, event: Event) -> None:
        """Puts the run's metadata on an event."""
        if metadata := self._config.custom_metadata:
            event.custom_metadata = {**metadata, **(event.custom_metadata or {})}

    async def look_for_unsure(self) -> None:
        """Finds out whether the store has the event that it was being told of when that was cancelled, or failed."""
        event = self._unsure
        if event is None:
            return
        await self.read_again()
        if any(one.id == event.id for one in reversed(self.held.session.events)):
            self.ledger.note(event)
        self._unsure = None

    # --- writing

    def _entry(self, event: Event) -> Event:
        """What the log is given of an event: a copy."""
        self.label(event)
        for key in event.actions.state_delta:
            self.undo.setdefault(key, self.held.stored_value(key))
        stored = event.private_copy()
        if not self._applies_changes:
            stored.actions.state_delta, stored.actions.artifact_delta = {}, {}
        return stored

    def _note(self, event: Event) -> None:
        """Does what follows from an event that was stored."""
        self._has_written = True
        delta = event.actions.state_delta
        if delta and self._applies_changes:
            # What tools change in place is not the caller's event.
            self.held.session.state.update(copy_json(delta))
            event.actions.state_delta = without_temp(delta)
        self.ledger.note(event)

    async def _start(
        self, durable: DurableSessionService, invocation_id: str, event: Event | None, *, take_over: bool
    ) -> None:
        stored = None if event is None else self._entry(event)
        self._is_unsure_of_start = True
        try:
            await self.held.write(
                lambda session: durable.start_run(session, invocation_id, stored, take_over=take_over)
            )
        except asyncio.CancelledError:
            self._unsure = stored
            raise
        except StorageError:
            self.is_doubtful, self._unsure, self._is_unsure_of_start = True, stored, False
            raise
        except Exception:
            self._is_unsure_of_start = False
            raise
        self._is_unsure_of_start = False
        self._has_begun = True
        if event is not None:
            self._note(event)

    async def _write(self, event: Event, store: Callable[[Session], Awaitable[Any]]) -> None:
        for _ in range(_STALE_TRIES):
            try:
                return await self.held.write(store)
            except (asyncio.CancelledError, StorageError):
                self.is_doubtful, self._unsure = True, event
                raise
            except LeaseLostError:
                self.is_lost = True
                raise
            except StaleSessionError:
                await self.read_again()
            except SessionNotFoundError:
                if self._has_written:
                    raise
                await self.read_again()  # deleted since it was held; made anew where it may be
        raise StaleSessionError(
            f"Session {self._key[2]!r}: others wrote to it {_STALE_TRIES} times in a row while an event was appended"
        )

    async def _stored(self, config: GetSessionConfig | None) -> Session | None:
        app_name, user_id, session_id = self._key
        return await self.service.get_session(app_name=app_name, user_id=user_id, session_id=session_id, config=config)

    async def _read(self) -> Session:
        app_name, user_id, session_id = self._key
        session = await self._stored(self._config.get_session_config)
        if session is None and self._may_create:
            try:
                session = await self.service.create_session(app_name=app_name, user_id=user_id, session_id=session_id)
            except AlreadyExistsError:  # another process made it just now
                session = await self._stored(self._config.get_session_config)
        if session is None:
            raise SessionNotFoundError(
                f"Session not found: {session_id} (app {app_name!r}, user {user_id!r}). Create it first with "
                "session_service.create_session(...), or give the runner auto_create_session=True"
            )
        return session
