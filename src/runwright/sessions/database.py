# SPDX-License-Identifier: Apache-2.0
"""DatabaseSessionService: sessions in the database that a URL names."""

import os
import sqlite3
from collections.abc import AsyncGenerator, Collection
from contextlib import closing
from pathlib import Path
from types import CoroutineType
from typing import Any, NoReturn

from runwright.durable import CallRecord, DurableSessionService, RunRecord, RunStatus
from runwright.errors import ConfigurationError
from runwright.event import Event
from runwright.session import GetSessionConfig, ListSessionsResponse, Session
from runwright.sessions.postgres import PostgresSessionService
from runwright.sessions.sqlite import SqliteSessionService

_SQLITE_OPTIONS = ("durability", "lease_seconds")
_POSTGRES_OPTIONS = ("lease_seconds", "max_connections")
_FORMS = "sqlite:///relative/path.db, sqlite:////absolute/path.db or postgresql://user:password@host/database"
_ADK_TABLES = frozenset({"sessions", "events", "app_states", "user_states"})


class DatabaseSessionService(DurableSessionService):
    """Keeps sessions in SQLite or PostgreSQL, whichever the URL names.

    It hands each call to :class:`SqliteSessionService` or :class:`PostgresSessionService` and promises what they do.
    The URLs are those that SQLAlchemy takes; a driver that one names (``sqlite+aiosqlite``, ``postgresql+asyncpg``) is
    passed over. Nothing is opened before the first call.

    Args:
        db_url: The database: ``sqlite:///relative/path.db``, ``sqlite:////absolute/path.db``,
            ``postgresql://user:password@host/database``.
        connection_string: The same by another name.
        options: What the store itself takes: ``durability`` and ``lease_seconds`` for SQLite, ``lease_seconds`` and
            ``max_connections`` (or ``pool_size``) for PostgreSQL.

    Attributes:
        store: The store that does the work.

    Raises:
        ConfigurationError: The URL or an option is none of these, or the file was written by another program.
        MissingDependencyError: The driver is not installed.
    """

    def __init__(self, db_url: str | None = None, *, connection_string: str | None = None, **options: Any) -> None:
        url = connection_string if db_url is None else db_url
        if url is None or (db_url is not None and connection_string is not None):
            raise ConfigurationError(f"Give one URL, as db_url= or as connection_string=: {_FORMS}")
        self.store = _store(str(url), options)

    # Plain functions that return the store's coroutines: nothing of this class stands on the stack while they run.

    def create_session(
        self, *, app_name: str, user_id: str, state: dict[str, Any] | None = None, session_id: str | None = None
    ) -> "CoroutineType[Any, Any, Session]":
        return self.store.create_session(app_name=app_name, user_id=user_id, state=state, session_id=session_id)

    def get_session(
        self, *, app_name: str, user_id: str, session_id: str, config: GetSessionConfig | None = None
    ) -> "CoroutineType[Any, Any, Session | None]":
        return self.store.get_session(app_name=app_name, user_id=user_id, session_id=session_id, config=config)

    def list_sessions(
        self, *, app_name: str, user_id: str | None = None, page_size: int | None = None, page_token: str | None = None
    ) -> "CoroutineType[Any, Any, ListSessionsResponse]":
        return self.store.list_sessions(app_name=app_name, user_id=user_id, page_size=page_size, page_token=page_token)

    def delete_session(self, *, app_name: str, user_id: str, session_id: str) -> "CoroutineType[Any, Any, None]":
        return self.store.delete_session(app_name=app_name, user_id=user_id, session_id=session_id)

    def append_event(self, session: Session, event: Event) -> "CoroutineType[Any, Any, Event]":
        return self.store.append_event(session, event)

    def get_user_state(self, *, app_name: str, user_id: str) -> "CoroutineType[Any, Any, dict[str, Any]]":
        return self.store.get_user_state(app_name=app_name, user_id=user_id)

    def flush(self) -> "CoroutineType[Any, Any, None]":
        return self.store.flush()

    def close(self) -> "CoroutineType[Any, Any, None]":
        return self.store.close()

    def start_run(
        self, session: Session, invocation_id: str, event: Event | None = None, *, take_over: bool = False
    ) -> "CoroutineType[Any, Any, None]":
        return self.store.start_run(session, invocation_id, event, take_over=take_over)

    def end_run(
        self, session: Session, invocation_id: str, status: RunStatus, *, error: str | None = None
    ) -> "CoroutineType[Any, Any, None]":
        return self.store.end_run(session, invocation_id, status, error=error)

    def record_call(self, session: Session, call: CallRecord) -> "CoroutineType[Any, Any, None]":
        return self.store.record_call(session, call)

    def list_calls(self, session: Session, invocation_id: str) -> "CoroutineType[Any, Any, list[CallRecord]]":
        return self.store.list_calls(session, invocation_id)

    def list_runs(
        self,
        *,
        app_name: str,
        user_id: str | None = None,
        session_id: str | None = None,
        status: Collection[RunStatus] | None = None,
    ) -> "CoroutineType[Any, Any, list[RunRecord]]":
        return self.store.list_runs(app_name=app_name, user_id=user_id, session_id=session_id, status=status)

    def delete_idle_sessions(self, *, app_name: str, idle_seconds: float) -> "CoroutineType[Any, Any, int]":
        return self.store.delete_idle_sessions(app_name=app_name, idle_seconds=idle_seconds)

    def follow(
        self, *, app_name: str, user_id: str, session_id: str, after_seq: int = 0
    ) -> AsyncGenerator[Event, None]:
        return self.store.follow(app_name=app_name, user_id=user_id, session_id=session_id, after_seq=after_seq)

    def wait_for_news(self, session: Session) -> "CoroutineType[Any, Any, None]":
        return self.store.wait_for_news(session)


def _store(url: str, options: dict[str, Any]) -> DurableSessionService:
    scheme, colon, rest = url.partition("://")
    if not colon:
        raise ConfigurationError(f"{url!r} is no database URL: write {_FORMS}")
    dialect = scheme.partition("+")[0].lower()
    if dialect == "sqlite":
        _check_options(options, _SQLITE_OPTIONS, "a SQLite file")
        return SqliteSessionService(_sqlite_path(url, rest), **options)
    if dialect in ("postgresql", "postgres"):
        if "pool_size" in options:
            options["max_connections"] = options.pop("pool_size")
        _check_options(options, _POSTGRES_OPTIONS, "PostgreSQL")
        return PostgresSessionService(f"postgresql://{rest}", **options)
    raise ConfigurationError(
        f"Sessions cannot be kept in {dialect!r} (of the URL {_without_password(url)!r}): use {_FORMS}"
    )


def _check_options(options: dict[str, Any], known: tuple[str, ...], store: str) -> None:
    if unknown := sorted(options.keys() - set(known)):
        raise ConfigurationError(
            f"DatabaseSessionService takes no {', '.join(unknown)} for {store}: it takes {' and '.join(known)}. "
            "There is no SQLAlchemy engine to hand options to"
        )


def _sqlite_path(url: str, rest: str) -> str:
    host, slash, path = rest.partition("/")
    path, question, query = path.partition("?")
    if host:
        raise ConfigurationError(f"{url!r} names a host, and SQLite has none: write sqlite:///{rest}")
    if not slash or path in ("", ":memory:", "/:memory:") or path.startswith("file:"):
        raise ConfigurationError(
            f"{url!r} names no file: write sqlite:///path.db, or use InMemorySessionService to keep nothing"
        )
    if question:
        raise ConfigurationError(f"{url!r} sets {query!r}: leave it out, options are given as keywords")
    _refuse_adk_file(path)
    return path


def _refuse_adk_file(path: str) -> None:
    """Makes sure that a file is not one that ADK wrote: its tables have the names of ours and other columns.

    Raises:
        ConfigurationError: It is.
    """
    if not os.path.isfile(path) or os.path.getsize(path) == 0:
        return
    try:
        with closing(sqlite3.connect(f"{Path(path).resolve().as_uri()}?mode=ro", uri=True, timeout=1.0)) as file:
            tables = {name for (name,) in file.execute("SELECT name FROM sqlite_master WHERE type = 'table'")}
            columns = {row[1] for row in file.execute("PRAGMA table_info(sessions)")}
    except sqlite3.Error:
        return  # whatever is wrong with it, the store says it better
    if tables >= _ADK_TABLES and {"id", "state", "create_time"} <= columns:
        _refuse(path)


def _refuse(path: str) -> NoReturn:
    raise ConfigurationError(
        f"{path!r} holds sessions that ADK wrote, in tables of its own. They cannot be used in place: name another file"
    )


def _without_password(url: str) -> str:
    head, at, tail = url.rpartition("@")
    user = head.rpartition("//")[2].partition(":")[0]
    return f"{head.rpartition('//')[0]}//{user}:***@{tail}" if at else url
