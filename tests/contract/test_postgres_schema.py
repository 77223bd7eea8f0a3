# SPDX-License-Identifier: Apache-2.0
"""The tables of the PostgreSQL session store: indexes, old versions, several processes that make them at once."""

import asyncio
import json
import re
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import asyncpg
import pytest

from runwright.durable import CallRecord
from runwright.errors import StorageError
from runwright.event import Event, EventActions
from runwright.sessions.postgres import PostgresSessionService
from runwright.sessions.postgres import statements as postgres_statements
from runwright.sessions.postgres.statements import (
    IN_ORDER,
    OF_ANY_SESSION,
    OF_SESSION,
    OF_USER,
    OPEN_RUNS,
    RUNS,
    Statement,
)
from runwright.types import FunctionResponse, UserContent, text_of

FROZEN = Path(__file__).parent / "frozen"
NOT_SQL = {"CHANNEL", "KEPT_FOLLOWED", "RUNS", "OPEN_RUNS", "OF_USER", "OF_SESSION", "OF_ANY_SESSION", "IN_ORDER"}
PROCESSES = 4
SECONDS_FOR_A_PROCESS = 60

# As ``pg_dump --schema-only`` would tell it, but in an order and words of our own.
SCHEMA = """
SELECT table_name || '.' || column_name || ' ' || data_type || ' ' || is_nullable || ' ' || coalesce(column_default, '')
FROM information_schema.columns WHERE table_schema = 'public'
UNION ALL SELECT indexdef FROM pg_indexes WHERE schemaname = 'public'
UNION ALL SELECT relname || ' ' || coalesce(reloptions::text, '') FROM pg_class
WHERE relkind = 'r' AND relnamespace = 'public'::regnamespace
ORDER BY 1
"""


def statements() -> dict[str, str]:
    """All SQL of the store, by name."""
    found: dict[str, str] = {}
    for name, value in vars(postgres_statements).items():
        if name.isupper() and not name.startswith("_") and name not in NOT_SQL:
            found[name] = value.text if isinstance(value, Statement) else value
    for name, query in (("RUNS", RUNS), ("OPEN_RUNS", OPEN_RUNS)):
        for place in ("", OF_USER, OF_USER + OF_SESSION, OF_ANY_SESSION):
            found[f"{name}{place}"] = query + place + IN_ORDER
    return found


def nodes(plan: dict[str, Any]) -> Iterator[dict[str, Any]]:
    yield plan
    for inner in plan.get("Plans", ()):
        yield from nodes(inner)


async def test_every_query_has_its_index(postgres_tables: str) -> None:
    service = PostgresSessionService(postgres_tables)
    await service.list_sessions(app_name="app")  # the tables are made at the first use
    await service.close()
    plans: dict[str, list[dict[str, Any]]] = {}
    connection = await asyncpg.connect(postgres_tables)
    try:
        await connection.execute("SET enable_seqscan = off; SET plan_cache_mode = force_generic_plan")
        for name, query in statements().items():
            await connection.execute(f"PREPARE one AS {query}")
            nothing = ["NULL"] * max(map(int, re.findall(r"\$(\d+)", query)))
            plan = await connection.fetchval(f"EXPLAIN (FORMAT JSON) EXECUTE one({', '.join(nothing)})")
            await connection.execute("DEALLOCATE one")
            plans[name] = list(nodes(json.loads(plan)[0]["Plan"]))
    finally:
        await connection.close()
    assert len(plans) > 30
    passes_over_all = [name for name, found in plans.items() if any(one["Node Type"] == "Seq Scan" for one in found)]
    assert passes_over_all == []
    # Reading an index from end to end would be no better, but for the one that holds nothing but what is asked for.
    unbound = {
        (name, one["Index Name"])
        for name, found in plans.items()
        for one in found
        if "Index" in one["Node Type"] and "Index Cond" not in one
    }
    assert {one for one in unbound if one[1] != "runwright_run_open"} == set()


async def test_a_database_of_version_1_is_opened(postgres_database: str) -> None:
    connection = await asyncpg.connect(postgres_database)
    await connection.execute((FROZEN / "postgres_sessions_v1.sql").read_text(encoding="utf-8"))
    await connection.close()
    service = PostgresSessionService(postgres_database)
    try:
        session = await service.get_session(app_name="app", user_id="u", session_id="a \\ \0")
        assert session is not None
        assert [text_of(event.content) for event in session.events] == ["hello", "nul \0 and 文字", "bye"]
        assert session.state == {"k": [1, None], "user:\0": {"a": 1}, "app:k": "shared"}
        assert (session.seq, session.last_update_time) == (3, 1002.0)
        assert await service.list_calls(session, "i") == [
            CallRecord(
                invocation_id="i",
                call_id="c",
                name="f",
                status="finished",
                response=FunctionResponse(id="c", name="f", response={"result": 1}),
            )
        ]
        runs = await service.list_runs(app_name="app")
        assert [(one.invocation_id, one.status, one.interrupted) for one in runs] == [
            ("i", "completed", False),
            ("j", "running", True),
        ]
        await service.start_run(session, "j", Event(author="user", content=UserContent("again")))
        listed = await service.list_sessions(app_name="app")
        assert [(one.id, one.user_id, one.seq) for one in listed.sessions] == [("a \\ \0", "u", 4), ("b", "v", 0)]
    finally:
        await service.close()


async def test_migrated_or_new_the_tables_are_the_same(postgres_database: str) -> None:
    async def migrated() -> list[Any]:
        service = PostgresSessionService(postgres_database)
        await service.list_sessions(app_name="app")
        await service.close()
        return await connection.fetch(SCHEMA)

    connection = await asyncpg.connect(postgres_database)
    try:
        new = await migrated()
        await connection.execute("DROP SCHEMA public CASCADE")
        await connection.execute("CREATE SCHEMA public")
        await connection.execute((FROZEN / "postgres_sessions_v1.sql").read_text(encoding="utf-8"))
        await connection.execute("RESET ALL")
        assert await migrated() == new
        assert len(new) > 40
    finally:
        await connection.close()


async def test_several_processes_migrate_at_once(postgres_database: str) -> None:
    script = """
import asyncio, sys
from runwright.sessions.postgres import PostgresSessionService
async def main():
    service = PostgresSessionService(sys.argv[1])
    sys.stdin.read()
    await service.create_session(app_name="app", user_id="u", session_id=sys.argv[2])
    await service.close()
asyncio.run(main())
"""

    async def run(number: int) -> int:
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-c", script, postgres_database, str(number), stdin=asyncio.subprocess.PIPE
        )
        assert process.stdin is not None
        all_started.set() if number == PROCESSES - 1 else await all_started.wait()
        process.stdin.close()
        return await process.wait()

    all_started = asyncio.Event()
    async with asyncio.timeout(SECONDS_FOR_A_PROCESS):
        codes = await asyncio.gather(*(run(number) for number in range(PROCESSES)))
    assert codes == [0] * PROCESSES
    service = PostgresSessionService(postgres_database)
    listed = await service.list_sessions(app_name="app", user_id="u")
    assert {one.id for one in listed.sessions} == {str(number) for number in range(PROCESSES)}
    await service.close()


async def test_a_newer_database_is_refused(postgres_database: str) -> None:
    service = PostgresSessionService(postgres_database)
    await service.create_session(app_name="app", user_id="u")
    await service.close()
    connection = await asyncpg.connect(postgres_database)
    await connection.execute("UPDATE runwright_schema SET version = 99 WHERE name = 'sessions'")
    await connection.close()
    service = PostgresSessionService(postgres_database)
    with pytest.raises(StorageError, match="newer"):
        await service.list_sessions(app_name="app")
    await service.close()


async def fill_for_the_frozen_dump(url: str) -> None:
    """What a frozen dump holds. It is made of such a database once, when the schema's version is released::

    pg_dump --inserts --no-owner --no-privileges --restrict-key=frozen
    """
    service = PostgresSessionService(url)
    session = await service.create_session(app_name="app", user_id="u", session_id="a \\ \0")
    delta = {"k": [1, None], "user:\0": {"a": 1}, "app:k": "shared"}
    first = Event(
        author="user",
        timestamp=1000.0,
        content=UserContent("hello"),
        actions=EventActions(state_delta=delta),
    )
    await service.start_run(session, "i", first)
    answer = FunctionResponse(id="c", name="f", response={"result": 1})
    call = CallRecord(invocation_id="i", call_id="c", name="f", status="finished", response=answer)
    await service.record_call(session, call)
    second = Event(author="agent", timestamp=1001.0, content=UserContent("nul \0 and 文字"))
    await service.append_event(session, second)
    await service.end_run(session, "i", "completed")
    await service.start_run(session, "j", Event(author="user", timestamp=1002.0, content=UserContent("bye")))
    await service.create_session(app_name="app", user_id="v", session_id="b")
    await service.close()
