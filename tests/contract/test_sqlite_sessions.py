# SPDX-License-Identifier: Apache-2.0
"""Sessions in SQLite: the suites of every durable store, and what only this one promises."""

import asyncio
import contextlib
import gc
import os
import signal
import sqlite3
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import msgspec
import pytest

from runwright import clock
from runwright.durable import CallRecord, DurableSessionService
from runwright.errors import ConfigurationError, CorruptedDataError, InputValidationError, SessionBusyError
from runwright.event import Event
from runwright.session import BaseSessionService, Session
from runwright.sessions.sqlite import SqliteSessionService
from runwright.storage import writers
from runwright.testing import DurableSessionContract, SessionServiceContract
from runwright.types import UserContent, text_of

needs_proc = pytest.mark.skipif(sys.platform != "linux", reason="only Linux shows when a process started, in /proc")


async def read(service: BaseSessionService, session_id: str = "s") -> Session:
    session = await service.get_session(app_name="app", user_id="u", session_id=session_id)
    assert session is not None
    return session


class _OnDisk:
    path: Path

    @pytest.fixture(autouse=True)
    def place(self, tmp_path: Path) -> None:
        self.path = tmp_path / "sessions.db"

    async def create_service(self) -> SqliteSessionService:
        return SqliteSessionService(self.path)

    async def reopen(self, service: BaseSessionService) -> SqliteSessionService:
        await service.close()
        return SqliteSessionService(self.path)


class TestSqliteSessions(_OnDisk, SessionServiceContract):
    pass


class TestSqliteRuns(_OnDisk, DurableSessionContract):
    async def another(self, service: DurableSessionService) -> SqliteSessionService:
        return SqliteSessionService(self.path)


# --- processes ----------------------------------------------------------------------------------------------------

HELD = """
import asyncio, sys
from runwright.event import Event
from runwright.sessions.sqlite import SqliteSessionService
from runwright.types import UserContent

async def main():
    service = SqliteSessionService(sys.argv[1])
    session = await service.create_session(app_name="app", user_id="u", session_id="s")
    await service.start_run(session, "i", Event(author="user", content=UserContent("0")))
    for number in range(1, 1_000_000):
        print(number, flush=True)  # what was said before is acknowledged
        await service.append_event(session, Event(author="user", content=UserContent(str(number))))

asyncio.run(main())
"""


@pytest.fixture
def holder(tmp_path: Path) -> Iterator["subprocess.Popen[str]"]:
    """Another process that runs the session, and appends as fast as it can."""
    command = [sys.executable, "-c", HELD, str(tmp_path / "s.db")]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        yield process
        process.kill()


def acknowledged(holder: "subprocess.Popen[str]", count: int) -> None:
    assert holder.stdout is not None
    for _ in range(count):
        assert holder.stdout.readline()


@needs_proc
async def test_a_killed_process_frees_its_session_at_once_and_loses_nothing(
    tmp_path: Path, holder: "subprocess.Popen[str]"
) -> None:
    await asyncio.to_thread(acknowledged, holder, 200)
    service = SqliteSessionService(tmp_path / "s.db", lease_seconds=1e6)
    session = await read(service)
    with pytest.raises(SessionBusyError):
        await service.start_run(await read(service), "j")
    assert [one.interrupted for one in await service.list_runs(app_name="app")] == [False]
    holder.kill()
    rest = (await asyncio.to_thread(holder.communicate))[0]
    newest = int(rest.split()[-1]) if rest.split() else 200
    assert [one.interrupted for one in await service.list_runs(app_name="app", status=["running"])] == [True]
    session = await read(service)
    assert session.seq in (newest, newest + 1)
    assert [text_of(event.content) for event in session.events] == [str(number) for number in range(session.seq)]
    await service.start_run(session, "i", Event(author="user"))
    await service.append_event(session, Event(author="user"))
    await service.close()


@needs_proc
async def test_a_stopped_process_is_gone_after_a_while_and_refused_when_it_wakes(
    tmp_path: Path, holder: "subprocess.Popen[str]"
) -> None:
    await asyncio.to_thread(acknowledged, holder, 5)
    holder.send_signal(signal.SIGSTOP)
    service = SqliteSessionService(tmp_path / "s.db", lease_seconds=0.2)
    session = None
    async with asyncio.timeout(60):
        while session is None or session.lease is None:
            session = await read(service)
            with contextlib.suppress(SessionBusyError):
                await service.start_run(session, "j", Event(author="user", content=UserContent("mine")))
            await asyncio.sleep(0.01)
    holder.send_signal(signal.SIGCONT)
    await asyncio.to_thread(holder.wait, 60)
    assert holder.returncode == 1  # LeaseLostError ended it
    await service.append_event(session, Event(author="user", content=UserContent("still mine")))
    again = await read(service)
    assert [text_of(event.content) for event in again.events][-2:] == ["mine", "still mine"]
    assert [text_of(event.content) for event in again.events[:-2]] == [str(n) for n in range(again.seq - 2)]
    await service.close()


async def test_signs_of_life_hold_a_session(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    # Neither can see the other's process, as on two machines.
    monkeypatch.setattr(writers, "process_is_gone", lambda identity: False)
    service = SqliteSessionService(tmp_path / "s.db", lease_seconds=0.3)
    other = SqliteSessionService(tmp_path / "s.db", lease_seconds=0.3)
    session = await service.create_session(app_name="app", user_id="u", session_id="s")
    await service.start_run(session, "i")
    for _ in range(30):
        with pytest.raises(SessionBusyError):
            await other.start_run(await read(other), "j")
        await asyncio.sleep(0.02)
    session.lease = None  # the run is abandoned: nothing renews the lease now
    gc.collect()
    async with asyncio.timeout(60):
        while True:
            copy = await read(other)
            with contextlib.suppress(SessionBusyError):
                await other.start_run(copy, "j")
                break
            await asyncio.sleep(0.02)
    assert copy.lease is not None
    await other.close()
    await service.close()


# --- the file -----------------------------------------------------------------------------------------------------


async def test_concurrent_turns_share_commits(tmp_path: Path) -> None:
    service = SqliteSessionService(tmp_path / "s.db")
    sessions = [await service.create_session(app_name="app", user_id="u") for _ in range(50)]
    await service.flush()
    before = os.stat(tmp_path / "s.db-wal").st_size

    async def turn(session: Session) -> None:
        await service.start_run(session, "i", Event(author="user"))
        await service.append_event(session, Event(author="agent"))
        await service.end_run(session, "i", "completed")

    await asyncio.gather(*(turn(session) for session in sessions))
    await service.flush()
    # Each commit writes each page that it changed once: with a commit for each write it would be 150 times several.
    assert (os.stat(tmp_path / "s.db-wal").st_size - before) / 4096 < 150
    assert {one.status for one in await service.list_runs(app_name="app")} == {"completed"}
    await service.close()


async def test_a_damaged_file_is_told_and_never_read_as_if_it_were_whole(tmp_path: Path) -> None:
    path = tmp_path / "s.db"
    service = SqliteSessionService(path)
    session = await service.create_session(app_name="app", user_id="u", session_id="s")
    for number in range(300):
        await service.append_event(session, Event(author="user", content=UserContent(f"{number} {'x' * 500}")))
    await service.close()
    whole = path.read_bytes()
    for damaged in (whole[: len(whole) // 2], whole[:20_000] + b"\xff" * 60_000 + whole[80_000:]):
        path.write_bytes(damaged)
        service = SqliteSessionService(path)
        with pytest.raises(CorruptedDataError, match=r"damaged .*recover"):
            await read(service)
        await service.close()


async def test_a_damaged_event_is_named(tmp_path: Path) -> None:
    path = tmp_path / "s.db"
    service = SqliteSessionService(path)
    session = await service.create_session(app_name="app", user_id="u", session_id="s", state={"k": 1})
    await service.append_event(session, Event(author="user"))
    with closing(sqlite3.connect(path)) as connection, connection:
        connection.execute("UPDATE event SET data = substr(data, 1, 20)")
    with pytest.raises(CorruptedDataError, match="event of session 's'"):
        await read(service)
    with closing(sqlite3.connect(path)) as connection, connection:
        connection.execute("UPDATE session_state SET value = '[1'")
    with pytest.raises(CorruptedDataError, match="state 'k'"):
        await read(service)
    await service.close()


async def test_a_turn_of_text_costs_little_more_than_its_json(tmp_path: Path) -> None:
    service = SqliteSessionService(tmp_path / "s.db")
    session = await service.create_session(app_name="app", user_id="u", session_id="s")
    await service.close()
    empty = os.stat(tmp_path / "s.db").st_size
    service = SqliteSessionService(tmp_path / "s.db")
    session = await read(service)
    for number in range(500):
        run = f"e-{clock.new_id()}"
        await service.start_run(session, run, Event(author="user", invocation_id=run, content=UserContent("Hello")))
        answer = UserContent(f"Hello for the {number}th time")
        await service.append_event(session, Event(author="agent", invocation_id=run, content=answer))
        await service.end_run(session, run, "completed")
    await service.close()
    json = sum(len(msgspec.json.encode(event)) for event in session.events)
    assert (os.stat(tmp_path / "s.db").st_size - empty) / json < 1.3


async def test_a_payload_of_fifty_megabytes(tmp_path: Path) -> None:
    service = SqliteSessionService(tmp_path / "s.db")
    session = await service.create_session(app_name="app", user_id="u", session_id="s")
    text = "x" * 50_000_000
    await service.start_run(session, "i", Event(author="user", content=UserContent(text)))
    again = await read(service)
    assert text_of(again.events[0].content) == text
    await service.close()


async def test_names_that_are_no_text_are_refused(tmp_path: Path) -> None:
    service = SqliteSessionService(tmp_path / "s.db")
    session = await service.create_session(app_name="app", user_id="u", session_id="nul\x00 in it")
    assert await read(service, "nul\x00 in it") == session
    assert await service.get_session(app_name="app", user_id="u", session_id="nul") is None
    for ask in (
        service.create_session(app_name="app", user_id="u", session_id="\ud800"),
        service.get_session(app_name="\ud800", user_id="u", session_id="s"),
        service.delete_session(app_name="app", user_id="\ud800", session_id="s"),
        service.start_run(session, "\ud800"),
        service.list_runs(app_name="\ud800"),
    ):
        with pytest.raises(InputValidationError, match="surrogate"):
            await ask
    await service.start_run(session, "i")
    await service.end_run(session, "i", "failed", error="half a pair: \ud800")
    assert [one.error for one in await service.list_runs(app_name="app")] == ["half a pair: \\ud800"]
    await service.close()


async def test_deleting_takes_all_that_belongs_to_it(tmp_path: Path) -> None:
    service = SqliteSessionService(tmp_path / "s.db")
    for user in ("u", "v"):
        session = await service.create_session(app_name="app", user_id=user, session_id="s", state={"k": 1})
        await service.start_run(session, "i", Event(author="user"))
        await service.record_call(session, CallRecord(invocation_id="i", call_id="c", name="f"))
        await service.end_run(session, "i", "completed")
    await service.delete_session(app_name="app", user_id="u", session_id="s")
    await service.close()
    with closing(sqlite3.connect(tmp_path / "s.db")) as connection:
        for table in ("user", "session", "session_state", "event", "run", "tool_call"):
            assert connection.execute(f"SELECT count(*) FROM {table}").fetchone() == (1,), table
        assert connection.execute("SELECT count(*) FROM writer").fetchone() == (0,)


async def test_a_service_that_is_forgotten_leaves_nothing_running(tmp_path: Path) -> None:
    before = set(threading.enumerate())
    service = SqliteSessionService(tmp_path / "s.db")
    session = await service.create_session(app_name="app", user_id="u", session_id="s")
    await service.start_run(session, "i", Event(author="user"))
    threads = set(threading.enumerate()) - before
    assert threads
    del service
    gc.collect()
    for thread in threads:
        await asyncio.to_thread(thread.join, 30)
    service = SqliteSessionService(tmp_path / "s.db")
    assert [one.interrupted for one in await service.list_runs(app_name="app")] == [True]
    await service.start_run(await read(service), "i")
    await service.close()


async def test_what_it_is_made_with_is_checked(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="lease_seconds"):
        SqliteSessionService(tmp_path / "s.db", lease_seconds=0)
    with pytest.raises(ConfigurationError, match="InMemorySessionService"):
        SqliteSessionService(":memory:")
