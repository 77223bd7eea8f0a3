# SPDX-License-Identifier: Apache-2.0
"""DatabaseSessionService: the store that a URL names."""

# ruff: noqa: ASYNC240 - the tests look at the files, one at a time

import inspect
import os
import sqlite3
import subprocess
import sys
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from runwright.durable import DurableSessionService
from runwright.errors import ConfigurationError
from runwright.event import Event
from runwright.session import BaseSessionService
from runwright.sessions import DatabaseSessionService, PostgresSessionService, SqliteSessionService
from runwright.testing import DurableSessionContract, SessionServiceContract


class TestSqliteUrl(SessionServiceContract):
    @pytest.fixture(autouse=True)
    def _place(self, tmp_path: Path) -> None:
        self.url = f"sqlite:///{tmp_path}/sessions.db"

    async def create_service(self) -> DatabaseSessionService:
        return DatabaseSessionService(self.url)

    async def reopen(self, service: DatabaseSessionService) -> DatabaseSessionService:
        await service.close()
        return DatabaseSessionService(self.url)


class TestSqliteUrlRuns(DurableSessionContract):
    @pytest.fixture(autouse=True)
    def _place(self, tmp_path: Path) -> None:
        self.url = f"sqlite:///{tmp_path}/sessions.db"

    async def create_service(self) -> DatabaseSessionService:
        return DatabaseSessionService(self.url)

    async def reopen(self, service: DurableSessionService) -> DatabaseSessionService:
        await service.close()
        return DatabaseSessionService(self.url)

    async def another(self, service: DurableSessionService) -> DatabaseSessionService:
        return DatabaseSessionService(self.url)


@pytest.mark.parametrize("scheme", ["postgresql", "postgres", "postgresql+asyncpg", "postgresql+psycopg2"])
async def test_postgresql_by_any_of_its_names(postgres_database: str, scheme: str) -> None:
    service = DatabaseSessionService(f"{scheme}://{postgres_database.partition('://')[2]}", pool_size=2)
    assert isinstance(service.store, PostgresSessionService)
    session = await service.create_session(app_name="app", user_id="u", session_id=scheme)
    await service.append_event(session, Event(author="user"))
    again = await service.get_session(app_name="app", user_id="u", session_id=scheme)
    assert again is not None and again.seq == 1
    await service.close()


@pytest.mark.parametrize("scheme", ["sqlite", "sqlite+aiosqlite", "sqlite+pysqlite"])
@pytest.mark.parametrize("keyword", [None, "db_url", "connection_string"])
async def test_a_file_that_a_url_names(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, scheme: str, keyword: str | None
) -> None:
    monkeypatch.chdir(tmp_path)
    for url, file in ((f"{scheme}:///own.db", "own.db"), (f"{scheme}:///{tmp_path}/other.db", "other.db")):
        service = DatabaseSessionService(**{keyword: url}) if keyword else DatabaseSessionService(url)
        assert isinstance(service, DatabaseSessionService) and isinstance(service, BaseSessionService)
        assert isinstance(service.store, SqliteSessionService)
        await service.create_session(app_name="app", user_id="u")
        await service.close()
        assert os.path.getsize(file) > 0


async def test_a_subclass_may_override_a_call(tmp_path: Path) -> None:
    class Counting(DatabaseSessionService):
        count = 0

        async def append_event(self, session: Any, event: Event) -> Event:
            self.count += 1
            return await super().append_event(session, event)

    service = Counting(f"sqlite:///{tmp_path}/x.db")
    session = await service.create_session(app_name="app", user_id="u")
    await service.append_event(session, Event(author="user"))
    assert (service.count, session.seq) == (1, 1)
    await service.close()


def test_every_call_of_the_contract_reaches_the_store() -> None:
    for name, member in inspect.getmembers(DurableSessionService, inspect.isfunction):
        if not name.startswith("_"):
            assert name in vars(DatabaseSessionService), name
            own = inspect.signature(vars(DatabaseSessionService)[name])
            assert list(own.parameters.values()) == list(inspect.signature(member).parameters.values())


@pytest.mark.parametrize(
    ("url", "said"),
    [
        ("x.db", "is no database URL: write sqlite:///"),
        ("sqlite://", "use InMemorySessionService"),
        ("sqlite:///:memory:", "use InMemorySessionService"),
        ("sqlite://x.db", "write sqlite:///x.db"),
        ("sqlite:///x.db?mode=ro", "options are given as keywords"),
        ("mysql+pymysql://me:secret@host/db", "cannot be kept in 'mysql'"),
        ("spanner:///x", "use sqlite:///"),
    ],
)
def test_a_url_that_cannot_be_used(url: str, said: str) -> None:
    with pytest.raises(ConfigurationError, match=said) as caught:
        DatabaseSessionService(url)
    assert "secret" not in str(caught.value)


def test_no_url_and_two() -> None:
    for urls in ({}, {"db_url": "sqlite:///a.db", "connection_string": "sqlite:///a.db"}):
        with pytest.raises(ConfigurationError, match="Give one URL"):
            DatabaseSessionService(**urls)


def test_options_of_a_sqlalchemy_engine_are_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="takes no connect_args, echo for a SQLite file: it takes durability"):
        DatabaseSessionService(f"sqlite:///{tmp_path}/x.db", echo=True, connect_args={})
    with pytest.raises(ConfigurationError, match="takes no pool_recycle for PostgreSQL: it takes lease_seconds"):
        DatabaseSessionService("postgresql://host/db", pool_recycle=3600)


def test_a_file_that_adk_wrote_is_said_to_be_one(tmp_path: Path) -> None:
    path = tmp_path / "adk.db"
    with closing(sqlite3.connect(path)) as file:
        file.executescript(
            "CREATE TABLE app_states (app_name, state, update_time);"
            "CREATE TABLE user_states (app_name, user_id, state, update_time);"
            "CREATE TABLE sessions (app_name, user_id, id, state, create_time, update_time);"
            "CREATE TABLE events (id, app_name, user_id, session_id, invocation_id, timestamp, event_data);"
        )
    before = path.read_bytes()
    with pytest.raises(ConfigurationError, match="holds sessions that ADK wrote"):
        DatabaseSessionService(f"sqlite:///{path}")
    assert path.read_bytes() == before


def test_sqlite_needs_no_driver_of_postgresql(tmp_path: Path) -> None:
    code = (
        "import sys; sys.modules['asyncpg'] = None; from runwright.sessions import DatabaseSessionService as D\n"
        f"D('sqlite:///{tmp_path}/x.db')\n"
        "from runwright.errors import MissingDependencyError\n"
        "try: D('postgresql://host/db')\n"
        "except MissingDependencyError as error: assert 'runwright[postgres]' in str(error)\n"
        "else: raise AssertionError\n"
    )
    environment = {**os.environ, "PYTHONPATH": str(Path(__file__).resolve().parents[2] / "src")}
    subprocess.run([sys.executable, "-c", code], env=environment, timeout=60, check=True)
