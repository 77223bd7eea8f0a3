# SPDX-License-Identifier: Apache-2.0
"""The SQLite file below the stores: shared transactions, what failures do, and how it is opened and closed."""

import asyncio
import gc
import multiprocessing
import os
import sqlite3
import subprocess
import sys
import threading
from collections.abc import AsyncIterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from runwright.errors import ConfigurationError, CorruptedDataError, StorageError
from runwright.storage.sqlite import SqliteDatabase

COUNT = "SELECT count(*) FROM user"


class Traced:
    """Opens connections that note what is done with them."""

    def __init__(self) -> None:
        self.statements: list[str] = []

    def __call__(self, *args: Any, **options: Any) -> sqlite3.Connection:
        connection = sqlite3.connect(*args, **options)
        connection.set_trace_callback(self.statements.append)
        return connection

    def count(self, statement: str) -> int:
        return sum(one.startswith(statement) for one in self.statements)


def adding(name: str) -> Any:
    return lambda connection: connection.execute("INSERT INTO user (app, id) VALUES (1, ?)", (name,)).lastrowid


def count(connection: sqlite3.Connection) -> int:
    return connection.execute(COUNT).fetchone()[0]


def failing_late(connection: sqlite3.Connection) -> None:
    adding("failed")(connection)
    raise LookupError("after it wrote")


def failing_early(connection: sqlite3.Connection) -> None:
    raise KeyError("before it wrote")


@pytest.fixture
async def database(tmp_path: Path) -> AsyncIterator[SqliteDatabase]:
    database = SqliteDatabase(tmp_path / "d.db", schema="sessions")
    yield database
    await database.close()


# --- transactions -------------------------------------------------------------------------------------------------


async def test_concurrent_writes_share_commits(tmp_path: Path) -> None:
    traced = Traced()
    database = SqliteDatabase(tmp_path / "d.db", schema="sessions", connect=traced)
    await database.write(count)
    traced.statements.clear()
    numbers = await asyncio.gather(*(database.write(adding(str(number))) for number in range(100)))
    assert numbers == sorted(set(numbers))
    assert traced.count("INSERT") == 100
    assert 1 <= traced.count("COMMIT") <= 10
    traced.statements.clear()
    for number in range(5):
        await database.write(adding(f"alone {number}"))
    assert traced.count("COMMIT") == 5
    await database.close()


@pytest.mark.parametrize("failing", [failing_early, failing_late])
async def test_a_write_that_fails_does_no_harm_to_those_beside_it(database: SqliteDatabase, failing: Any) -> None:
    works = [adding("a"), failing, adding("b"), failing, adding("c")]
    done = await asyncio.gather(*(database.write(work) for work in works), return_exceptions=True)
    assert [isinstance(one, LookupError) for one in done] == [False, True, False, True, False]
    assert await database.read(lambda c: [id for (id,) in c.execute("SELECT id FROM user ORDER BY number")]) == [
        "a",
        "b",
        "c",
    ]


async def test_a_statement_that_fails_is_a_typed_error(database: SqliteDatabase) -> None:
    for ask in (database.write, database.read):
        with pytest.raises(StorageError, match="no such table: nowhere") as caught:
            await ask(lambda connection: connection.execute("SELECT * FROM nowhere"))
        assert isinstance(caught.value.__cause__, sqlite3.OperationalError)
    with pytest.raises(StorageError, match="UNIQUE"):
        await asyncio.gather(database.write(adding("same")), database.write(adding("same")))
    assert await database.read(count) == 1


async def test_even_the_end_of_an_iteration_reaches_its_caller(database: SqliteDatabase) -> None:
    with pytest.raises(RuntimeError, match="StopIteration"):
        await database.write(lambda connection: next(iter(())))
    assert await database.write(count) == 0


async def test_writes_behind_keep_their_place(database: SqliteDatabase) -> None:
    for name in "abc":
        database.write_behind(adding(name))
    assert await database.write(count) == 3
    database.write_behind(adding("d"))
    await database.flush()
    assert await database.read(count) == 4


async def test_a_write_behind_that_fails_is_told_once(
    database: SqliteDatabase, caplog: pytest.LogCaptureFixture
) -> None:
    database.write_behind(failing_late)
    await database.write(adding("a"))
    with pytest.raises(LookupError, match="after it wrote"):
        await database.flush()
    await database.flush()
    assert "after it wrote" in caplog.text
    assert await database.read(count) == 1


async def test_a_caller_that_left_does_not_hold_up_the_others(database: SqliteDatabase) -> None:
    leaving = asyncio.create_task(database.write(adding("left")))
    staying = asyncio.create_task(database.write(adding("stayed")))
    await asyncio.sleep(0)
    leaving.cancel()
    await staying
    with pytest.raises(asyncio.CancelledError):
        await leaving
    found = await database.read(lambda c: {id for (id,) in c.execute("SELECT id FROM user")})
    assert found - {"left"} == {"stayed"}


async def test_a_read_sees_one_state_while_others_write(database: SqliteDatabase) -> None:
    await database.write(adding("a"))
    reading, written = threading.Event(), threading.Event()

    def twice(connection: sqlite3.Connection) -> tuple[int, int]:
        first = count(connection)
        reading.set()
        assert written.wait(30)
        return first, count(connection)

    slow = asyncio.create_task(database.read(twice))
    await asyncio.to_thread(reading.wait, 30)
    await database.write(adding("b"))
    written.set()
    assert await slow == (1, 1)
    assert await database.read(count) == 2


async def test_a_read_cannot_write(database: SqliteDatabase) -> None:
    with pytest.raises(StorageError, match="readonly"):
        await database.read(adding("a"))


def test_several_event_loops_share_one_database(tmp_path: Path) -> None:
    database = SqliteDatabase(tmp_path / "d.db", schema="sessions")

    async def work(number: int) -> None:
        await asyncio.gather(*(database.write(adding(f"{number}.{turn}")) for turn in range(50)))
        assert await database.read(count) >= 50

    threads = [threading.Thread(target=lambda number=number: asyncio.run(work(number))) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert asyncio.run(database.write(count)) == 200
    asyncio.run(database.close())


# --- opening and closing ------------------------------------------------------------------------------------------


def test_making_it_touches_nothing(tmp_path: Path) -> None:
    SqliteDatabase(tmp_path / "folder" / "d.db", schema="sessions")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("path", ["", ":memory:", "file:x.db?mode=memory"])
def test_what_is_no_file_is_refused(path: str) -> None:
    with pytest.raises(ConfigurationError, match="InMemorySessionService"):
        SqliteDatabase(path, schema="sessions")


def test_a_durability_that_is_none() -> None:
    with pytest.raises(ConfigurationError, match="'normal' or 'full'"):
        SqliteDatabase("d.db", schema="sessions", durability="fast")  # pyright: ignore[reportArgumentType]


@pytest.mark.parametrize(("durability", "synchronous"), [("normal", 1), ("full", 2)])
async def test_durability_and_the_log(tmp_path: Path, durability: Any, synchronous: int) -> None:
    database = SqliteDatabase(tmp_path / "deep" / "er" / "d.db", schema="sessions", durability=durability)

    def settings(connection: sqlite3.Connection) -> list[Any]:
        return [connection.execute(f"PRAGMA {name}").fetchone()[0] for name in ("synchronous", "journal_mode")]

    assert await database.write(settings) == [synchronous, "wal"]
    await database.close()
    assert os.listdir(tmp_path / "deep" / "er") == ["d.db"]


async def test_a_folder_is_no_file(tmp_path: Path) -> None:
    database = SqliteDatabase(tmp_path, schema="sessions")
    with pytest.raises(ConfigurationError, match="is a folder"):
        await database.write(count)
    await database.close()


async def test_a_place_where_nothing_can_be_made(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    database = SqliteDatabase(tmp_path / "file" / "d.db", schema="sessions")
    for ask in (database.write, database.read):
        with pytest.raises(StorageError, match="folder"):
            await ask(count)
    (tmp_path / "file").unlink()
    assert await database.read(count) == 0  # once it is mended, it works
    await database.close()


READ_ONLY = """
import asyncio, os, sys
from runwright.errors import StorageError
from runwright.storage.sqlite import SqliteDatabase

database = SqliteDatabase("d.db", schema="sessions")
os.chdir(sys.argv[1])
if os.getuid() == 0:
    os.setuid(65534)  # nothing is closed to the administrator

async def main():
    try:
        await database.write(lambda connection: None)
    except StorageError as error:
        print(error)
    await database.close()

asyncio.run(main())
"""


@pytest.mark.skipif(sys.platform == "win32", reason="Windows folders know no such right")
def test_a_folder_that_may_only_be_read(tmp_path: Path) -> None:
    folder = tmp_path / "locked"
    folder.mkdir(mode=0o555)
    ran = subprocess.run([sys.executable, "-c", READ_ONLY, str(folder)], capture_output=True, text=True, timeout=60)
    assert (ran.returncode, ran.stderr) == (0, "")
    assert "unable to open database file" in ran.stdout
    assert "may be read and written to" in ran.stdout


async def test_a_file_that_is_no_database(tmp_path: Path) -> None:
    (tmp_path / "d.db").write_bytes(b"no database at all " * 1000)
    database = SqliteDatabase(tmp_path / "d.db", schema="sessions")
    with pytest.raises(CorruptedDataError, match="not a database"):
        await database.write(count)
    await database.close()
    assert (tmp_path / "d.db").read_bytes() == b"no database at all " * 1000


async def test_a_database_that_another_process_keeps_locked(
    database: SqliteDatabase, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    await database.write(lambda connection: connection.execute("PRAGMA busy_timeout = 1") and None)
    with closing(sqlite3.connect(tmp_path / "d.db", isolation_level=None)) as locking:
        locking.execute("BEGIN IMMEDIATE")
        done = await asyncio.gather(database.write(adding("a")), database.write(count), return_exceptions=True)
        assert all(isinstance(one, StorageError) and "another process" in str(one) for one in done)
        assert await database.read(count) == 0
        locking.execute("ROLLBACK")
    await database.write(adding("a"))
    assert await database.read(count) == 1


async def test_a_full_disk_is_told_and_room_mends_it(database: SqliteDatabase) -> None:
    await database.write(adding("a"))

    def pages(connection: sqlite3.Connection, most: int) -> None:
        connection.execute(f"PRAGMA max_page_count = {most}")

    await database.write(lambda connection: pages(connection, 1))
    large = "x" * 1_000_000
    done = await asyncio.gather(
        database.write(adding("b")), database.write(adding(large)), database.write(adding("c")), return_exceptions=True
    )
    assert [isinstance(one, StorageError) for one in done] == [False, True, False]
    with pytest.raises(StorageError, match=r"disk is full.*make room"):
        await database.write(adding(large))
    await database.write(lambda connection: pages(connection, 1_000_000))
    await database.write(adding(large))
    assert await database.read(count) == 4


async def test_after_it_was_closed(tmp_path: Path) -> None:
    database = SqliteDatabase(tmp_path / "d.db", schema="sessions")
    database.write_behind(adding("last"))
    await database.close()
    await database.close()
    for use in (database.write, database.read):
        with pytest.raises(StorageError, match="was closed"):
            await use(count)
    with pytest.raises(StorageError, match="was closed"):
        database.write_behind(count)
    await database.flush()
    with closing(sqlite3.connect(tmp_path / "d.db")) as connection:
        assert count(connection) == 1


async def test_one_that_was_never_used_closes_too(tmp_path: Path) -> None:
    database = SqliteDatabase(tmp_path / "d.db", schema="sessions")
    await database.flush()
    await database.close()
    assert not os.listdir(tmp_path)


async def test_one_that_was_forgotten_ends_its_threads(tmp_path: Path) -> None:
    before = set(threading.enumerate())
    database = SqliteDatabase(tmp_path / "d.db", schema="sessions")
    await database.read(count)
    database.write_behind(adding("last"))
    threads = set(threading.enumerate()) - before
    assert len(threads) == 2
    del database
    gc.collect()
    for thread in threads:
        await asyncio.to_thread(thread.join, 30)
    assert [thread for thread in threads if thread.is_alive()] == []
    with closing(sqlite3.connect(tmp_path / "d.db")) as connection:
        assert count(connection) == 1


NEVER_CLOSED = """
import asyncio, sys
from runwright.storage.sqlite import SqliteDatabase

database = SqliteDatabase(sys.argv[1], schema="sessions")

async def main():
    await database.read(lambda connection: None)
    for name in range(100):
        database.write_behind(lambda c, name=name: c.execute("INSERT INTO user (app, id) VALUES (1, ?)", (name,)))

asyncio.run(main())
"""


def test_a_process_that_ends_without_closing_loses_nothing(tmp_path: Path) -> None:
    command = [sys.executable, "-X", "dev", "-W", "error", "-c", NEVER_CLOSED, str(tmp_path / "d.db")]
    ran = subprocess.run(command, capture_output=True, text=True, timeout=60)
    assert (ran.returncode, ran.stdout, ran.stderr) == (0, "", "")
    with closing(sqlite3.connect(tmp_path / "d.db")) as connection:
        assert count(connection) == 100


FORKED = """
import asyncio, os, sys, warnings
from runwright.errors import StorageError
from runwright.storage.sqlite import SqliteDatabase

warnings.simplefilter("ignore", DeprecationWarning)  # that threads do not survive a fork is what is tried here
database = SqliteDatabase(sys.argv[1], schema="sessions")
unused = SqliteDatabase(sys.argv[2], schema="sessions")
asyncio.run(database.write(lambda connection: None))
child = os.fork()
if child == 0:
    asyncio.run(unused.write(lambda connection: None))
    asyncio.run(unused.close())
    try:
        asyncio.run(database.write(lambda connection: None))
    except StorageError as error:
        os._exit(7 if "spawn" in str(error) else 1)
    os._exit(2)
_, status = os.waitpid(child, 0)
asyncio.run(database.write(lambda connection: None))
asyncio.run(database.close())
print(os.waitstatus_to_exitcode(status))
"""


@pytest.mark.skipif("fork" not in multiprocessing.get_all_start_methods(), reason="this system does not fork")
def test_a_forked_child_is_told_and_one_opened_after_the_fork_works(tmp_path: Path) -> None:
    command = [sys.executable, "-c", FORKED, str(tmp_path / "d.db"), str(tmp_path / "e.db")]
    ran = subprocess.run(command, capture_output=True, text=True, timeout=60)
    assert (ran.returncode, ran.stdout, ran.stderr) == (0, "7\n", "")
