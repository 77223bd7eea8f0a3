# SPDX-License-Identifier: Apache-2.0
"""Where sessions are kept. Each name is loaded when it is first used."""

from typing import TYPE_CHECKING

from runwright.durable import CallRecord, DurableSessionService, RunRecord, RunStatus
from runwright.lazy import lazy_names
from runwright.session import BaseSessionService, GetSessionConfig, ListSessionsResponse, Session
from runwright.sessions.in_memory import InMemorySessionService

if TYPE_CHECKING:
    from runwright.sessions.archive import export_session, import_session
    from runwright.sessions.database import DatabaseSessionService
    from runwright.sessions.file import FileSessionService
    from runwright.sessions.postgres import PostgresSessionService
    from runwright.sessions.sqlite import SqliteSessionService

__all__ = [
    "BaseSessionService",
    "CallRecord",
    "DatabaseSessionService",
    "DurableSessionService",
    "FileSessionService",
    "GetSessionConfig",
    "InMemorySessionService",
    "ListSessionsResponse",
    "PostgresSessionService",
    "RunRecord",
    "RunStatus",
    "Session",
    "SqliteSessionService",
    "export_session",
    "import_session",
]

_HOMES = {
    "DatabaseSessionService": "database",
    "FileSessionService": "file",
    "PostgresSessionService": "postgres",
    "SqliteSessionService": "sqlite",
    "export_session": "archive",
    "import_session": "archive",
}

__getattr__ = lazy_names(__name__, _HOMES)
