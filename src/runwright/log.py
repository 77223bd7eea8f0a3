# SPDX-License-Identifier: Apache-2.0
"""RunLog: a session's log as one run reads it and writes to it."""

import asyncio
from typing import Any

from runwright.config import RunConfig
from runwright.errors import SessionNotFoundError, StaleSessionError
from runwright.event import Event
from runwright.held import HeldSession, SessionKey
from runwright.invocation import Ledger
from runwright.record import copy_json
from runwright.session import BaseSessionService, Session
from runwright.state import without_temp

_STALE_TRIES = 8


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
        unsure: An event that the store may have or not: the task was cancelled while it was told.
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
        self.ledger = Ledger()
        self.undo: dict[str, Any] = {}
        self.unsure: Event | None = None
        self.held: HeldSession
        self._key = key
        self._config = config
        self._may_create = may_create
        self._applies_changes = applies_changes
        self._begun = False

    async def open(self, held: HeldSession | None) -> Session:
        """The session as the run starts with it: the one that was held, or read from the store.

        Raises:
            SessionNotFoundError: There is none, and it may not be made.
        """
        self.held = HeldSession(await self._read()) if held is None else held
        return self.held.begin_run()

    async def read_again(self) -> None:
        """Brings the session up to date: somebody else wrote to it."""
        self.held.reset(await self._read())

    async def append(self, event: Event) -> None:
        """Appends an event: the only place of a run that does.

        The log gets a copy, so that what agents and callers do to the event changes nothing in it. Where somebody else
        wrote to the session meanwhile, it is read again and the append is repeated.

        Raises:
            SessionNotFoundError: The session was deleted.
            InvalidStateError: The event cannot be stored.
        """
        self.label(event)
        held, delta = self.held, event.actions.state_delta
        for key in delta:
            self.undo.setdefault(key, held.stored_value(key))
        stored = event.private_copy()
        if not self._applies_changes:
            stored.actions.state_delta, stored.actions.artifact_delta = {}, {}
        await self._store(stored)
        self._begun = True
        if delta and self._applies_changes:
            held.session.state.update(copy_json(delta))  # what tools change in place is not the caller's event
            event.actions.state_delta = without_temp(delta)
        self.ledger.note(event)

    def label(self, event: Event) -> None:
        """Puts the run's metadata on an event."""
        if metadata := self._config.custom_metadata:
            event.custom_metadata = {**metadata, **(event.custom_metadata or {})}

    async def look_for_unsure(self) -> None:
        """Finds out whether the store has the event that it was being told of when the task was cancelled."""
        event = self.unsure
        if event is None:
            return
        await self.read_again()
        if any(one.id == event.id for one in reversed(self.held.session.events)):
            self.ledger.note(event)
        self.unsure = None

    async def _store(self, event: Event) -> None:
        for _ in range(_STALE_TRIES):
            try:
                return await self.held.append(self.service, event)
            except asyncio.CancelledError:
                self.unsure = event
                raise
            except StaleSessionError:
                await self.read_again()
            except SessionNotFoundError:
                if self._begun:
                    raise
                await self.read_again()  # deleted since it was held; made anew where it may be
        raise StaleSessionError(
            f"Session {self._key[2]!r}: others wrote to it {_STALE_TRIES} times in a row while an event was appended"
        )

    async def _read(self) -> Session:
        app_name, user_id, session_id = self._key
        session = await self.service.get_session(
            app_name=app_name, user_id=user_id, session_id=session_id, config=self._config.get_session_config
        )
        if session is None and self._may_create:
            session = await self.service.create_session(app_name=app_name, user_id=user_id, session_id=session_id)
        if session is None:
            raise SessionNotFoundError(
                f"Session not found: {session_id} (app {app_name!r}, user {user_id!r}). Create it first with "
                "session_service.create_session(...), or give the runner auto_create_session=True"
            )
        return session
