# SPDX-License-Identifier: Apache-2.0
"""Session: a conversation's log and state; BaseSessionService: where sessions are kept."""

from abc import ABC, abstractmethod
from typing import Any, ClassVar

from runwright.event import Event
from runwright.record import Record
from runwright.state import is_temp, without_temp


class Session(Record, kw_only=True):
    """A conversation of one user with one app.

    Attributes:
        id: Unique within (app name, user id).
        state: All scopes merged, with their prefixes.
        events: The log, oldest first; the newest part of it where less was asked for.
        last_update_time: Seconds since the epoch.
        seq: The sequence number of the newest event that this copy knows: how many the log held.
        revision: What the store needs to tell whether this copy is current; opaque to all others.
        lease: What a durable store needs to tell whether this copy's holder is the session's writer; opaque too.
    """

    transient: ClassVar[frozenset[str]] = frozenset({"seq", "revision", "lease"})

    id: str
    app_name: str
    user_id: str
    state: dict[str, Any] = {}
    events: list[Event] = []
    last_update_time: float = 0.0
    seq: int = 0
    revision: Any = None
    lease: Any = None


class GetSessionConfig(Record, kw_only=True):
    """Which events to load: the newest so many, those from a time on, those after a sequence number."""

    num_recent_events: int | None = None
    after_timestamp: float | None = None
    after_seq: int | None = None


class ListSessionsResponse(Record, kw_only=True):
    """One page of sessions, without their events. ``next_page_token`` asks for the next, None where there is none."""

    sessions: list[Session] = []
    next_page_token: str | None = None


class BaseSessionService(ABC):
    """Keeps sessions. Each implementation passes ``runwright.testing.SessionServiceContract``.

    What it hands out are copies: nothing that a caller does to one reaches the store.
    """

    @abstractmethod
    async def create_session(
        self, *, app_name: str, user_id: str, state: dict[str, Any] | None = None, session_id: str | None = None
    ) -> Session:
        """Makes a session.

        Args:
            state: The first state; ``user:`` and ``app:`` keys go to their scopes, ``temp:`` keys are dropped.
            session_id: Its id, with white space around it taken off; a new one where it is missing or empty.

        Raises:
            AlreadyExistsError: The id is taken.
            InvalidStateError: A value of ``state`` cannot be stored.
        """

    @abstractmethod
    async def get_session(
        self, *, app_name: str, user_id: str, session_id: str, config: GetSessionConfig | None = None
    ) -> Session | None:
        """The session, or None where there is none."""

    @abstractmethod
    async def list_sessions(
        self, *, app_name: str, user_id: str | None = None, page_size: int | None = None, page_token: str | None = None
    ) -> ListSessionsResponse:
        """The sessions of a user, or of the whole app, oldest first, without events.

        Args:
            page_size: How many at the most; all where it is None.
            page_token: ``next_page_token`` of the page before.
        """

    @abstractmethod
    async def delete_session(self, *, app_name: str, user_id: str, session_id: str) -> None:
        """Deletes a session and its events. Nothing happens where there is none."""

    @abstractmethod
    async def append_event(self, session: Session, event: Event) -> Event:
        """Stores ``event`` at the end of the log and brings ``session`` up to date with it.

        The event, its state change and the sequence number are stored together or not at all. ``temp:`` keys go to
        ``session.state`` alone and are taken out of the event. A partial event is returned and not stored. State of
        the user or the app that others changed meanwhile appears in ``session.state``.

        Raises:
            SessionNotFoundError: The session does not exist (any more).
            StaleSessionError: The log holds events that ``session`` does not know.
            InvalidStateError: The event cannot be stored; nothing was written.
        """

    async def get_user_state(self, *, app_name: str, user_id: str) -> dict[str, Any]:
        """What the user's sessions share, without the ``user:`` prefix."""
        raise NotImplementedError(f"{type(self).__name__} does not keep user state apart from sessions")

    async def flush(self) -> None:
        """Returns when all that was acknowledged is as durable as the store makes it."""

    async def close(self) -> None:
        """Gives back what the service holds. Call it once, at the end."""


def take_temp_state(session: Session, event: Event) -> None:
    """Moves the ``temp:`` keys of an event to the session's state, where this run alone sees them."""
    delta = event.actions.state_delta
    if any(is_temp(key) for key in delta):
        session.state.update({key: value for key, value in delta.items() if is_temp(key)})
        event.actions.state_delta = without_temp(delta)
