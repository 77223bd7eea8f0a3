# SPDX-License-Identifier: Apache-2.0
"""The schema of sessions in SQLite: how each statement finds its rows, how it is migrated, and that old files open."""

import re
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from runwright.durable import CallRecord
from runwright.errors import ConfigurationError, StorageError
from runwright.event import Event
from runwright.sessions.sqlite import SqliteSessionService
from runwright.sessions.sqlite import statements as sqlite_statements
from runwright.storage.migrations import migrations
from runwright.storage.sqlite import SqliteDatabase
from runwright.types import UserContent, text_of

FROZEN = Path(__file__).parent / "frozen"
STATEMENTS = {
    name: value for name, value in vars(sqlite_statements).items() if name.isupper() and not name.startswith("_")
}
# A list of numbers that was handed over; the few runs that are open; the few services that are.
MAY_SCAN = {r"SCAN json_each VIRTUAL TABLE", r"SCAN run USING (COVERING )?INDEX run_open", r"SCAN writer"}


@pytest.fixture
def migrated() -> Iterator[sqlite3.Connection]:
    with closing(sqlite3.connect(":memory:")) as connection:
        for step in migrations("sqlite", "sessions"):
            connection.executescript(step.sql)
        yield connection


@pytest.mark.parametrize("name", STATEMENTS)
def test_no_statement_reads_a_whole_table(migrated: sqlite3.Connection, name: str) -> None:
    statement = STATEMENTS[name]
    assert not re.search(r"\?\d", statement), "Python 3.12.0 to 3.12.3 takes numbers of parameters for names"
    nothing = [None] * statement.count("?")
    plan = [row[3] for row in migrated.execute(f"EXPLAIN QUERY PLAN {statement}", nothing)]
    scans = [step for step in plan if step.startswith("SCAN") and not any(re.match(one, step) for one in MAY_SCAN)]
    assert scans == [], plan
    if name in {"LIST_OF_APP", "LIST_OF_USER", "EVENTS", "EVENTS_NEWEST_FIRST"}:
        assert not any("TEMP B-TREE" in step for step in plan), plan


def test_the_plans_would_show_a_table_read_whole(migrated: sqlite3.Connection) -> None:
    plan = [row[3] for row in migrated.execute("EXPLAIN QUERY PLAN SELECT * FROM session WHERE head = 1")]
    assert plan == ["SCAN session"]


async def test_an_append_touches_no_index(tmp_path: Path) -> None:
    service = SqliteSessionService(tmp_path / "s.db")
    session = await service.create_session(app_name="app", user_id="u", session_id="s")
    await service.append_event(session, Event(author="user"))
    await service.flush()
    with closing(sqlite3.connect(tmp_path / "s.db")) as connection:
        program = connection.execute(f"EXPLAIN {sqlite_statements.ADVANCE}", [1] * 9).fetchall()
        roots = dict(connection.execute("SELECT rootpage, name FROM sqlite_schema"))
    opened = {roots[row[3]] for row in program if row[1] == "OpenWrite"}
    assert opened == {"session"}
    await service.close()


@pytest.mark.parametrize("version", range(1, len(migrations("sqlite", "sessions")) + 1))
async def test_a_file_of_each_version_opens(tmp_path: Path, version: int) -> None:
    with closing(sqlite3.connect(tmp_path / "old.db")) as connection:
        connection.executescript((FROZEN / f"sqlite_sessions_v{version}.sql").read_text(encoding="utf-8"))
    service = SqliteSessionService(tmp_path / "old.db")
    session = await service.get_session(app_name="app", user_id="ann", session_id="first")
    assert session is not None
    assert [text_of(event.content) for event in session.events] == ["What is 2 + 2?", "4", "And 3 + 3?"]
    assert session.state == {"topic": "sums", "user:name": "Ann", "app:greeting": {"en": "hello"}}
    assert session.last_update_time == 1_700_000_002.5
    runs = await service.list_runs(app_name="app", user_id="ann", session_id="first")
    assert [(one.invocation_id, one.status, one.error, one.interrupted) for one in runs] == [
        ("e-11111111-2222-4333-8444-555555555555", "completed", None, False),
        ("second", "running", None, True),
    ]
    calls = await service.list_calls(session, "second")
    assert calls == [CallRecord(invocation_id="second", call_id="c1", name="add", attempts=2)]
    assert [one.id for one in (await service.list_sessions(app_name="app")).sessions] == ["first", "other"]
    await service.start_run(session, "second", Event(author="user", content=UserContent("again")))
    await service.end_run(session, "second", "completed")
    await service.close()


def test_there_is_a_frozen_file_of_each_version() -> None:
    newest = len(migrations("sqlite", "sessions"))
    assert {file.name for file in FROZEN.glob("sqlite_sessions_v*.sql")} == {
        f"sqlite_sessions_v{number}.sql" for number in range(1, newest + 1)
    }


OPEN_AT_ONCE = """
import asyncio, sys
from runwright.sessions.sqlite import SqliteSessionService

async def main():
    service = SqliteSessionService(sys.argv[1])
    sys.stdin.readline()
    await service.create_session(app_name="app", user_id="u", session_id=sys.argv[2])
    await service.close()

asyncio.run(main())
"""


def test_several_processes_migrate_at_once(tmp_path: Path) -> None:
    path = tmp_path / "folder" / "s.db"
    processes = [
        subprocess.Popen(
            [sys.executable, "-c", OPEN_AT_ONCE, str(path), str(number)], stdin=subprocess.PIPE, stderr=subprocess.PIPE
        )
        for number in range(4)
    ]
    for process in processes:
        assert process.stdin is not None
        process.stdin.write(b"go\n")
        process.stdin.flush()
    ends = [process.communicate(timeout=60) for process in processes]
    assert [(process.returncode, end[1]) for process, end in zip(processes, ends, strict=True)] == [(0, b"")] * 4
    with closing(sqlite3.connect(path)) as connection:
        assert sorted(connection.execute("SELECT id FROM session")) == [("0",), ("1",), ("2",), ("3",)]
        assert connection.execute("SELECT count(*) FROM store").fetchone() == (1,)


async def test_a_file_of_a_newer_version_is_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "s.db"
    service = SqliteSessionService(path)
    await service.create_session(app_name="app", user_id="u")
    await service.close()
    with closing(sqlite3.connect(path)) as connection, connection:
        connection.execute("UPDATE runwright_schema SET version = 99")
    before = path.read_bytes()
    service = SqliteSessionService(path)
    with pytest.raises(StorageError, match=r"newer Runwright.* version 99"):
        await service.create_session(app_name="app", user_id="u")
    await service.close()
    assert path.read_bytes() == before


async def test_a_migration_that_fails_leaves_nothing(tmp_path: Path) -> None:
    path = tmp_path / "s.db"
    with closing(sqlite3.connect(path)) as connection, connection:
        connection.execute("CREATE TABLE tool_call (mine)")
    service = SqliteSessionService(path)
    with pytest.raises(StorageError, match="tool_call already exists"):
        await service.create_session(app_name="app", user_id="u")
    with closing(sqlite3.connect(path)) as connection, connection:
        assert connection.execute("SELECT name FROM sqlite_schema").fetchall() == [("tool_call",)]
        connection.execute("DROP TABLE tool_call")
    await service.create_session(app_name="app", user_id="u")
    await service.close()


def test_a_schema_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="no schema 'nothing'"):
        SqliteDatabase(tmp_path / "s.db", schema="nothing")


async def test_several_schemas_share_a_file(tmp_path: Path) -> None:
    path = tmp_path / "s.db"
    services = [SqliteSessionService(path)]
    with closing(sqlite3.connect(path)) as connection, connection:
        connection.execute(
            "CREATE TABLE runwright_schema (name TEXT PRIMARY KEY, version INTEGER NOT NULL) WITHOUT ROWID"
        )
        connection.execute("INSERT INTO runwright_schema VALUES ('another', 7)")
    await services[0].create_session(app_name="app", user_id="u")
    await services[0].close()
    with closing(sqlite3.connect(path)) as connection:
        assert dict(connection.execute("SELECT name, version FROM runwright_schema")) == {
            "another": 7,
            "sessions": len(migrations("sqlite", "sessions")),
        }
