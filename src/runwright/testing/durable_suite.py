# SPDX-License-Identifier: Apache-2.0
"""What the parts of the durable suite have in common: a second service on the same data, sessions, events and runs."""

from collections.abc import AsyncIterator
from typing import Any

import pytest

from runwright.durable import DurableSessionService
from runwright.event import Event, EventActions
from runwright.session import Session
from runwright.testing.service_suite import ServiceSuite
from runwright.types import UserContent


class DurableSuite(ServiceSuite[DurableSessionService]):
    async def another(self, service: DurableSessionService) -> DurableSessionService:
        """A second service on the data of ``service``, as another process would have it. The test closes it."""
        raise NotImplementedError(f"{type(self).__name__}.another() is to return a service on the same data")

    @pytest.fixture
    async def other(self, service: DurableSessionService) -> AsyncIterator[DurableSessionService]:
        other = await self.another(service)
        yield other
        await other.close()

    async def made(self, service: DurableSessionService, session_id: str = "s", **state: Any) -> Session:
        return await service.create_session(app_name="app", user_id="u", session_id=session_id, state=state)

    async def read(self, service: DurableSessionService, session_id: str = "s") -> Session:
        session = await service.get_session(app_name="app", user_id="u", session_id=session_id)
        assert session is not None
        return session

    def said(self, text: str, delta: dict[str, Any] | None = None) -> Event:
        return Event(author="user", content=UserContent(text), actions=EventActions(state_delta=delta or {}))

    async def runs(self, service: DurableSessionService, **wanted: Any) -> list[tuple[str, str, bool]]:
        runs = await service.list_runs(app_name="app", **wanted)
        return [(one.invocation_id, one.status, one.interrupted) for one in runs]
