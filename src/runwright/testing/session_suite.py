# SPDX-License-Identifier: Apache-2.0
"""What the parts of the session suite have in common: how a test reads a session and makes an event."""

from typing import Any

from runwright.event import Event, EventActions
from runwright.session import BaseSessionService, Session
from runwright.testing.service_suite import ServiceSuite
from runwright.types import UserContent, text_of


class SessionSuite(ServiceSuite[BaseSessionService]):
    async def read(
        self, service: BaseSessionService, *, app_name: str = "app", user_id: str = "u", session_id: str = "s"
    ) -> Session:
        session = await service.get_session(app_name=app_name, user_id=user_id, session_id=session_id)
        assert session is not None
        return session

    async def filled(self, service: BaseSessionService, count: int) -> Session:
        """A session ``s`` with so many events, said at 1000, 1001, ... seconds."""
        session = await service.create_session(app_name="app", user_id="u", session_id="s")
        for number in range(count):
            await service.append_event(session, self.said(str(number), {"n": number}, at=1000.0 + number))
        return session

    def said(self, text: str, delta: dict[str, Any] | None = None, *, at: float | None = None) -> Event:
        event = Event(
            author="user",
            invocation_id="i",
            content=UserContent(text),
            actions=EventActions(state_delta={} if delta is None else delta),
        )
        if at is not None:
            event.timestamp = at
        return event

    def text(self, event: Event) -> str:
        return text_of(event.content)
