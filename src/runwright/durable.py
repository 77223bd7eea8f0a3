# SPDX-License-Identifier: Apache-2.0
"""DurableSessionService: a session store that also keeps the runs, so that one that stopped can go on; RunRecord and
CallRecord: what it keeps of them."""

import asyncio
from abc import abstractmethod
from collections.abc import AsyncGenerator, Collection
from typing import Literal

import msgspec

from runwright.errors import SessionNotFoundError
from runwright.event import Event, EventActions
from runwright.record import Record
from runwright.session import BaseSessionService, GetSessionConfig, Session
from runwright.types import FunctionResponse

RunStatus = Literal["running", "paused", "completed", "failed", "cancelled"]
"""``paused``: it waits for an answer from outside, which a later message of the same run brings."""

FOLLOW_SECONDS = 0.1
"""How often a store that cannot be told of new events looks for them."""


class RunRecord(Record, kw_only=True):
    """What is kept of one run.

    Attributes:
        status: How it stands; ``running`` also for one whose process is gone, see ``interrupted``.
        error: What it failed with, or why it was cancelled.
        interrupted: Whether it is marked as running and the writer that ran it is known to be gone.
        start_time: Seconds since the epoch, by the clock of who started it. Nothing is ordered by it.
        update_time: When the status was last written.
    """

    app_name: str
    user_id: str
    session_id: str
    invocation_id: str
    status: RunStatus
    error: str | None = None
    interrupted: bool = False
    start_time: float = 0.0
    update_time: float = 0.0


class CallRecord(Record, kw_only=True):
    """One row of the ledger of tool calls: what was to be done, and what came of it.

    Attributes:
        call_id: The function call's id; with the invocation's, the row's key.
        status: ``started`` before the tool is called, ``finished`` when it has answered.
        attempts: How many times it was started.
        response: What the tool answered, once it is finished.
        actions: What it wrote beside that: state, artifacts, a transfer.
    """

    invocation_id: str
    call_id: str
    name: str
    status: Literal["started", "finished"] = "started"
    attempts: int = 1
    response: FunctionResponse | None = None
    actions: EventActions = msgspec.field(default_factory=EventActions)


class DurableSessionService(BaseSessionService):
    """Keeps sessions and their runs on disk. Each implementation passes ``runwright.testing.DurableSessionContract``.

    A session has one writer at a time: the run that :meth:`start_run` gave the lease. The lease has an epoch, which
    grows each time it changes hands, and lies in ``Session.lease``. Whoever writes with a copy whose lease is gone is
    refused with :class:`LeaseLostError`, however late it wakes up. No wall clock decides: a writer is known to be gone
    when its process is, or when its sign of life was not renewed while the one who waits measured ``lease_seconds`` on
    its own steady clock.

    Events may also be appended outside of runs, with a copy without a lease: then only the sequence number is compared.
    """

    @abstractmethod
    async def start_run(
        self, session: Session, invocation_id: str, event: Event | None = None, *, take_over: bool = False
    ) -> None:
        """Makes the holder of ``session`` the session's one writer, records the run as running, and appends ``event``.

        All of it is stored together or not at all. A run that is recorded already goes on: its status is ``running``
        again. Other runs of the session that are still recorded as running are recorded as cancelled: they were
        interrupted, and this one comes after them.

        Args:
            session: An up to date copy; its ``lease`` is set, and with an event it is brought up to date.
            take_over: Takes the lease from a writer that is alive, too.

        Raises:
            SessionBusyError: Somebody else is the writer, and not known to be gone.
            SessionNotFoundError: The session does not exist (any more).
            StaleSessionError: The log holds events that ``session`` does not know.
            InvalidStateError: The event cannot be stored; nothing was written.
        """

    @abstractmethod
    async def end_run(
        self, session: Session, invocation_id: str, status: RunStatus, *, error: str | None = None
    ) -> None:
        """Records how a run stands when it is no longer run, and gives the lease back. ``session.lease`` is None then.

        It need not be durable when this returns: a run whose end was lost is found interrupted, and ends again when it
        is resumed. Nothing happens where the lease is gone already.
        """

    @abstractmethod
    async def record_call(self, session: Session, call: CallRecord) -> None:
        """Writes a row of the ledger, in place of the one with the same ids; durable when it returns.

        Raises:
            LeaseLostError: Somebody else is the writer now: the call must not be made.
            InvalidStateError: The row cannot be stored.
        """

    @abstractmethod
    async def list_calls(self, session: Session, invocation_id: str) -> list[CallRecord]:
        """The ledger of one run, in the order in which the calls were first started."""

    @abstractmethod
    async def list_runs(
        self,
        *,
        app_name: str,
        user_id: str | None = None,
        session_id: str | None = None,
        status: Collection[RunStatus] | None = None,
    ) -> list[RunRecord]:
        """The runs of an app, a user or a session, those of one session oldest first.

        Args:
            status: Only those that stand so.
        """

    @abstractmethod
    async def delete_idle_sessions(self, *, app_name: str, idle_seconds: float) -> int:
        """Deletes the sessions of an app that nothing was written to for so long, but for those that run now.

        Time to live: call it now and then. Gives how many were deleted.
        """

    async def follow(
        self, *, app_name: str, user_id: str, session_id: str, after_seq: int = 0
    ) -> AsyncGenerator[Event, None]:
        """The events of a session after a sequence number, and then each new one, whichever process appends it.

        It ends when the session is deleted.

        Raises:
            SessionNotFoundError: There is no such session.
        """
        found = False
        while True:
            config = GetSessionConfig(after_seq=after_seq)
            session = await self.get_session(app_name=app_name, user_id=user_id, session_id=session_id, config=config)
            if session is None:
                if found:
                    return
                raise SessionNotFoundError(f"User {user_id!r} of app {app_name!r} has no session {session_id!r}")
            found, after_seq = True, session.seq
            for event in session.events:
                yield event
            if not session.events:
                await self.wait_for_news(session)

    async def wait_for_news(self, session: Session) -> None:
        """Returns when something may have been written to a session since this copy of it was read, or a little later.

        A store that is told of news by others overrides it; the default merely waits.
        """
        await asyncio.sleep(FOLLOW_SECONDS)
