# SPDX-License-Identifier: Apache-2.0
"""Where the fault tests keep sessions: an address that can be handed to another process, and opened there."""

from pathlib import Path
from typing import Any, NamedTuple

from runwright.durable import DurableSessionService
from runwright.session import GetSessionConfig, Session
from runwright.sessions.file import FileSessionService
from runwright.sessions.postgres import PostgresSessionService
from runwright.sessions.sqlite import SqliteSessionService

APP = "app"


class Place(NamedTuple):
    """A store: which kind, where, and with which lease. A list of these is the same in JSON.

    Attributes:
        kind: ``sqlite``, ``postgres`` or ``file``.
        where: The path of the file or folder, or the URL.
        lease_seconds: After how long a writer that gives no sign of life is gone; the default where it is None.
    """

    kind: str
    where: str
    lease_seconds: float | None = None

    def open(self) -> DurableSessionService:
        """A service on it, to be closed."""
        options: dict[str, Any] = {} if self.lease_seconds is None else {"lease_seconds": self.lease_seconds}
        if self.kind == "sqlite":
            return SqliteSessionService(self.where, **options)
        if self.kind == "postgres":
            return PostgresSessionService(self.where, **options)
        return FileSessionService(self.where)


def new_place(kind: str, folder: Path, postgres: str | None, lease_seconds: float | None = None) -> Place:
    """An empty store in a folder, or in the database that is given."""
    if kind == "postgres":
        assert postgres is not None
        return Place(kind, postgres, lease_seconds)
    return Place(kind, str(folder / ("sessions.db" if kind == "sqlite" else "sessions")), lease_seconds)


async def read(service: DurableSessionService, user_id: str, session_id: str) -> Session:
    """A session, its log read in one piece and in two, which come to the same."""
    session = await service.get_session(app_name=APP, user_id=user_id, session_id=session_id)
    assert session is not None
    assert session.seq == len(session.events), "the sequence numbers have gaps"
    ids = [event.id for event in session.events]
    assert len(set(ids)) == len(ids), "an event is in the log twice"
    half = len(ids) // 2
    config = GetSessionConfig(after_seq=half)
    rest = await service.get_session(app_name=APP, user_id=user_id, session_id=session_id, config=config)
    assert rest is not None
    assert [event.id for event in rest.events] == ids[half:]
    return session
