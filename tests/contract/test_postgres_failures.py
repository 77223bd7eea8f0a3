# SPDX-License-Identifier: Apache-2.0
"""Sessions in PostgreSQL when servers, connections, processes and event loops come and go."""

import asyncio
import random
import signal
import sys
import threading
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import aclosing, asynccontextmanager
from typing import Any
from urllib.parse import urlsplit

import asyncpg
import pytest

from runwright.durable import CallRecord
from runwright.errors import (
    ConfigurationError,
    InputValidationError,
    InvalidStateError,
    LeaseLostError,
    MissingDependencyError,
    SessionBusyError,
    StaleSessionError,
    StorageError,
)
from runwright.event import Event, EventActions
from runwright.session import Session
from runwright.sessions.postgres import PostgresSessionService
from runwright.types import UserContent, text_of
from tests.postgres import PostgresServer, execute, with_database

PATIENCE_SECONDS = 30.0
LEASE_SECONDS = 0.8  # long enough that a loaded machine is not taken for one that is gone
BIND = b"B"  # the message that begins the execution of a prepared statement
PREAMBLE = """
import asyncio, sys
from runwright.event import Event
from runwright.sessions.postgres import PostgresSessionService
from runwright.types import UserContent
async def read(service):
    return await service.get_session(app_name="app", user_id="u", session_id="s")
"""


@pytest.fixture
async def service(postgres_tables: str) -> AsyncIterator[PostgresSessionService]:
    service = PostgresSessionService(postgres_tables)
    yield service
    await service.close()


def said(text: str, delta: dict[str, Any] | None = None) -> Event:
    return Event(author="user", content=UserContent(text), actions=EventActions(state_delta=delta or {}))


async def made(service: PostgresSessionService) -> Session:
    return await service.create_session(app_name="app", user_id="u", session_id="s")


async def read(service: PostgresSessionService) -> Session:
    session = await service.get_session(app_name="app", user_id="u", session_id="s")
    assert session is not None
    return session


def texts(session: Session) -> list[str]:
    return [text_of(event.content) for event in session.events]


@asynccontextmanager
async def process(script: str, url: str) -> AsyncIterator[asyncio.subprocess.Process]:
    """Another process with a service; it is killed in the end."""
    pipes = {"stdin": asyncio.subprocess.PIPE, "stdout": asyncio.subprocess.PIPE}
    started = await asyncio.create_subprocess_exec(sys.executable, "-c", PREAMBLE + script, url, **pipes)
    try:
        async with asyncio.timeout(PATIENCE_SECONDS):
            yield started
    finally:
        if started.returncode is None:
            started.kill()
        await started.communicate()


async def line(process: asyncio.subprocess.Process) -> str:
    assert process.stdout is not None
    return (await process.stdout.readline()).decode().strip()


# --- one round trip --------------------------------------------------------------------------------------------------


async def test_an_append_and_the_start_of_a_run_are_one_query_each(
    postgres_tables: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    queries: list[str] = []
    connect = asyncpg.connect

    async def counted(*args: Any, **options: Any) -> Any:
        connection = await connect(*args, **options)
        connection.add_query_logger(lambda record: queries.append(record.query))
        return connection

    monkeypatch.setattr(asyncpg, "connect", counted)
    service = PostgresSessionService(postgres_tables)
    session = await made(service)
    await service.start_run(session, "first", said("the writer is registered once"))
    await service.end_run(session, "first", "completed")

    async def count(work: Awaitable[Any]) -> int:
        queries.clear()
        await work
        return len(queries)

    shared = {"k": 1, "user:k": 2, "app:k": 3}
    assert await count(service.start_run(session, "i", said("hello"))) == 1
    assert await count(service.append_event(session, said("plain"))) == 1
    assert await count(service.append_event(session, said("own", {"k": 1}))) == 1
    assert await count(service.append_event(session, said("shared", shared))) == 1
    assert await count(service.record_call(session, CallRecord(invocation_id="i", call_id="c", name="f"))) == 1
    assert await count(service.end_run(session, "i", "completed")) == 1
    assert await count(service.start_run(session, "j", said("hello", shared))) == 1
    await service.close()


# --- the server ------------------------------------------------------------------------------------------------------


async def test_a_restart_of_the_server_goes_unnoticed(postgres_server: PostgresServer) -> None:
    service = PostgresSessionService(postgres_server.url())
    try:
        session = await made(service)
        expected: list[str] = []
        stops: list[Callable[[], None]] = [
            lambda: postgres_server.stop("fast"),
            lambda: postgres_server.stop("immediate"),
            postgres_server.kill,
        ]
        for number, stop in enumerate(stops):
            await service.start_run(session, f"i{number}", said(f"before {number}"))
            await asyncio.to_thread(stop)
            waiting = asyncio.create_task(service.append_event(session, said(f"after {number}", {"user:k": number})))
            await asyncio.sleep(0)
            await asyncio.to_thread(postgres_server.start)
            await waiting
            await service.end_run(session, f"i{number}", "completed")
            expected += [f"before {number}", f"after {number}"]
        again = await read(service)
        assert texts(again) == texts(session) == expected
        assert again.state == session.state == {"user:k": 2}
    finally:
        await service.close()


class Cut:
    """A way to the server that is cut in the middle of the next statement when its mode says so.

    Attributes:
        mode: ``before`` the server is told of the statement, ``after`` it has answered, or the ``whole`` way is open.
    """

    def __init__(self, url: str) -> None:
        self._server_url = urlsplit(url)
        self.mode = "whole"
        self.url = ""
        self._is_cut_off = False

    @asynccontextmanager
    async def open(self) -> AsyncIterator["Cut"]:
        listening = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        port = listening.sockets[0].getsockname()[1]
        parts = self._server_url
        user = parts.netloc.rpartition("@")[0]
        self.url = parts._replace(netloc=f"{user}@127.0.0.1:{port}").geturl()
        self._ways: set[asyncio.Task[None]] = set()
        try:
            yield self
        finally:
            listening.close()
            for way in self._ways:
                way.cancel()
            await asyncio.gather(*self._ways, return_exceptions=True)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._ways.add(task)
        port = self._server_url.port or 5432
        server_reader, server_writer = await asyncio.open_connection(self._server_url.hostname, port)
        asking = asyncio.create_task(self._ask(reader, server_writer))
        answering = asyncio.create_task(self._answer(server_reader, writer))
        try:
            await asyncio.wait([asking, answering], return_when=asyncio.FIRST_COMPLETED)
        finally:
            for one in (asking, answering):
                one.cancel()
            await asyncio.gather(asking, answering, return_exceptions=True)
            writer.close()
            server_writer.close()

    async def _ask(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while data := await reader.read(65536):
            if data[:1] == BIND and self.mode != "whole":
                cut, self.mode = self.mode, "whole"
                if cut == "before":
                    return
                self._is_cut_off = True
            writer.write(data)

    async def _answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while data := await reader.read(65536):
            if self._is_cut_off:
                self._is_cut_off = False
                return
            writer.write(data)


@pytest.mark.parametrize("mode", ["before", "after"])
async def test_what_is_cut_off_in_the_middle_is_done_once(postgres_tables: str, mode: str) -> None:
    async with Cut(postgres_tables).open() as way:
        service = PostgresSessionService(way.url, max_connections=1)
        try:
            session = await made(service)
            await service.start_run(session, "h")  # makes the writer known
            await service.end_run(session, "h", "completed")
            delta = {"k": 1, "user:k": 2}
            expected = ["plain", "own", "shared", "start", "held", "last"]

            async def cut_off(work: Awaitable[Any]) -> None:
                way.mode = mode
                await work
                assert way.mode == "whole"

            await cut_off(service.append_event(session, said("plain")))
            await cut_off(service.append_event(session, said("own", {"k": 1})))
            await cut_off(service.append_event(session, said("shared", delta)))
            await cut_off(service.start_run(session, "i", said("start", delta)))
            await cut_off(service.append_event(session, said("held")))
            await cut_off(service.record_call(session, CallRecord(invocation_id="i", call_id="c", name="f")))
            assert [call.call_id for call in await service.list_calls(session, "i")] == ["c"]
            await cut_off(service.end_run(session, "i", "completed"))
            await cut_off(service.start_run(session, "j"))
            await cut_off(service.append_event(session, said("last")))
            await cut_off(service.create_session(app_name="app", user_id="u", session_id="t"))
            await cut_off(service.delete_session(app_name="app", user_id="u", session_id="t"))
            assert len((await service.list_sessions(app_name="app")).sessions) == 1
            again = await read(service)
            assert texts(again) == texts(session) == expected
            assert (again.seq, session.seq) == (len(expected), len(expected))
            assert again.state == session.state == delta
            runs = await service.list_runs(app_name="app")
            assert [one.status for one in runs] == ["completed", "completed", "running"]
            await service.append_event(session, said("and on"))
        finally:
            await service.close()


async def test_a_cancelled_append_is_settled_before_the_caller_goes_on(service: PostgresSessionService) -> None:
    session = await made(service)
    for number in range(20):
        task = asyncio.create_task(service.append_event(session, said(str(number))))
        for _ in range(number):
            await asyncio.sleep(0)
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        stored = await read(service)
        await asyncio.sleep(0)
        assert (await read(service)).seq == stored.seq  # nothing lands later
        session = stored


async def test_errors_say_what_to_do_and_not_the_password(
    postgres_tables: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("runwright.storage.postgres.FIRST_RETRY_SECONDS", 0.1)
    server = urlsplit(postgres_tables)
    host = f"{server.hostname}:{server.port}"
    cases = [
        (with_database(postgres_tables, "no_such_database"), "no such database"),
        (f"postgresql://no_such_user:s3cret@{host}{server.path}", "refuses us"),
        ("postgresql://who:s3cret@127.0.0.1:1/db", "cannot be reached"),
    ]
    for url, told in cases:
        service = PostgresSessionService(url)
        with pytest.raises(StorageError, match=told) as caught:
            await service.get_session(app_name="app", user_id="u", session_id="s")
        assert "s3cret" not in str(caught.value)
        assert caught.value.__cause__ is not None
        await service.close()
    for url in ("sqlite:///x", "who:s3cret@host/db", "postgresql://[who:s3cret"):
        with pytest.raises(ConfigurationError) as refused:
            PostgresSessionService(url)
        assert "s3cret" not in str(refused.value)
    with pytest.raises(ConfigurationError, match="lease_seconds"):
        PostgresSessionService(postgres_tables, lease_seconds=0)


async def test_every_form_of_the_url_is_taken(postgres_tables: str) -> None:
    rest = postgres_tables.partition("://")[2]
    for scheme in ("postgresql", "postgres", "postgresql+asyncpg"):
        service = PostgresSessionService(f"{scheme}://{rest}")
        assert (await service.list_sessions(app_name="none")).sessions == []
        await service.close()


def test_without_the_driver_the_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "asyncpg", None)
    with pytest.raises(MissingDependencyError, match=r"runwright\[postgres\]"):
        PostgresSessionService("postgresql://localhost/db")


async def test_a_closed_service_says_so(postgres_tables: str) -> None:
    service = PostgresSessionService(postgres_tables)
    await service.close()
    with pytest.raises(StorageError, match="closed"):
        await service.list_sessions(app_name="app")


async def test_names_that_no_index_holds_are_refused_before_anything_is_written(
    service: PostgresSessionService,
) -> None:
    longest = random.Random(1).randbytes(990).hex()  # nothing in it can be compressed away
    session = await service.create_session(app_name="app", user_id="u", session_id=longest)
    await service.append_event(session, said("x", {longest: 1, f"user:{longest}": 2}))
    await service.start_run(session, longest)
    await service.record_call(session, CallRecord(invocation_id="i", call_id=longest, name="f"))
    again = await service.get_session(app_name="app", user_id="u", session_id=longest)
    assert again is not None
    assert again.state == {longest: 1, f"user:{longest}": 2}
    too_long = longest + 100 * "\N{SNOWMAN}"
    for work in (
        service.create_session(app_name="app", user_id="u", session_id=too_long),
        service.get_session(app_name="app", user_id=too_long, session_id="s"),
        service.start_run(session, too_long, said("y")),
        service.record_call(session, CallRecord(invocation_id="i", call_id=too_long, name="f")),
    ):
        with pytest.raises(InputValidationError, match="longer than 2000 bytes"):
            await work
    with pytest.raises(InvalidStateError, match="longer than 2000 bytes"):
        await service.append_event(session, said("z", {too_long: 1}))
    again = await service.get_session(app_name="app", user_id="u", session_id=longest)
    assert again is not None
    assert texts(again) == ["x"]


async def test_half_of_a_surrogate_pair_may_be_in_a_name(service: PostgresSessionService) -> None:
    names = ["\ud800", "\\ud800", "\\0", "\0", "\\\\0"]
    for name in names:
        await service.create_session(app_name="app", user_id=name, session_id=name)
    listed = (await service.list_sessions(app_name="app")).sessions
    assert [(one.user_id, one.id) for one in listed] == [(name, name) for name in names]


# --- processes -------------------------------------------------------------------------------------------------------


async def test_what_a_killed_process_ran_is_found_and_goes_on_at_once(
    service: PostgresSessionService, postgres_tables: str
) -> None:
    await made(service)
    script = """
async def main():
    service = PostgresSessionService(sys.argv[1])
    session = await read(service)
    await service.start_run(session, "i", Event(author="user", content=UserContent("hello")))
    print("started", flush=True)
    await asyncio.sleep(3600)
asyncio.run(main())
"""
    async with process(script, postgres_tables) as other:
        assert await line(other) == "started"
        session = await read(service)
        with pytest.raises(SessionBusyError):
            await service.start_run(session, "j", said("me too"))
        (run,) = await service.list_runs(app_name="app")
        assert not run.interrupted
        other.send_signal(signal.SIGKILL)
        await other.wait()
        (run,) = await service.list_runs(app_name="app", status=["running"])
        assert run.interrupted
        await service.start_run(session, "i", said("on it goes"))
        assert texts(await read(service)) == ["hello", "on it goes"]


async def test_two_processes_write_one_log_without_gaps(service: PostgresSessionService, postgres_tables: str) -> None:
    await made(service)
    script = """
from runwright.errors import StaleSessionError
async def main():
    service = PostgresSessionService(sys.argv[1])
    print("ready", flush=True)
    for number in range(30):
        while True:
            try:
                await service.append_event(await read(service), Event(author="user", content=UserContent(f"b{number}")))
                break
            except StaleSessionError:
                pass
    await service.close()
asyncio.run(main())
"""
    async with process(script, postgres_tables) as other:
        assert await line(other) == "ready"
        for number in range(30):
            while True:
                try:
                    await service.append_event(await read(service), said(f"a{number}"))
                    break
                except StaleSessionError:
                    pass
        assert await other.wait() == 0
    said_now = texts(await read(service))
    for who in "ab":
        assert [text for text in said_now if text[0] == who] == [f"{who}{number}" for number in range(30)]
    assert len(said_now) == 60


async def test_a_follower_is_woken_by_another_process(service: PostgresSessionService, postgres_tables: str) -> None:
    await made(service)
    script = """
async def main():
    service = PostgresSessionService(sys.argv[1])
    session = await read(service)
    for text in iter(sys.stdin.readline, ""):
        await service.append_event(session, Event(author="user", content=UserContent(text.strip())))
    await service.close()
asyncio.run(main())
"""
    # Who is not told looks again after 20 seconds: so many waits are only over in time when each was told.
    async with (
        process(script, postgres_tables) as other,
        aclosing(service.follow(app_name="app", user_id="u", session_id="s")) as events,
    ):
        assert other.stdin is not None
        for number in range(5):
            following = asyncio.ensure_future(anext(events))
            other.stdin.write(f"{number}\n".encode())
            assert text_of((await following).content) == str(number)
        other.stdin.close()
        await other.wait()


async def test_a_follower_whose_connection_breaks_follows_on(
    service: PostgresSessionService, postgres_tables: str
) -> None:
    session = await made(service)
    break_all = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = current_database() AND pid <> "
    async with (
        asyncio.timeout(PATIENCE_SECONDS),
        aclosing(service.follow(app_name="app", user_id="u", session_id="s")) as events,
    ):
        for number in range(4):
            following = asyncio.ensure_future(anext(events))
            await asyncio.sleep(0.05)  # so that it waits, most often
            await execute(postgres_tables, break_all + "pg_backend_pid()")
            await service.append_event(session, said(str(number)))
            assert text_of((await following).content) == str(number)


# --- leases ----------------------------------------------------------------------------------------------------------


class Elsewhere:
    """A service in a thread of its own that takes itself to be on another machine."""

    def __init__(self, url: str, monkeypatch: pytest.MonkeyPatch) -> None:
        with monkeypatch.context() as patched:
            patched.setattr("runwright.storage.writers._machine", lambda: "another machine")
            self.service = PostgresSessionService(url, lease_seconds=LEASE_SECONDS)
        self.loop = asyncio.new_event_loop()
        self._may_go_on = threading.Event()
        self._thread = threading.Thread(target=self.loop.run_forever)
        self._thread.start()

    def run(self, work: Any) -> Awaitable[Any]:
        return asyncio.wrap_future(asyncio.run_coroutine_threadsafe(work, self.loop))

    def stall(self) -> None:
        """Stops the loop in the middle, as a machine that is suspended."""
        self._may_go_on.clear()
        self.loop.call_soon_threadsafe(self._may_go_on.wait, PATIENCE_SECONDS)

    def wake_up(self) -> None:
        self._may_go_on.set()

    def close(self) -> None:
        self.wake_up()
        asyncio.run_coroutine_threadsafe(self.service.close(), self.loop).result(PATIENCE_SECONDS)
        self.loop.call_soon_threadsafe(self.loop.stop)
        self._thread.join()
        self.loop.run_until_complete(self.loop.shutdown_asyncgens())
        self.loop.close()


@pytest.fixture
def elsewhere(postgres_tables: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[Elsewhere]:
    elsewhere = Elsewhere(postgres_tables, monkeypatch)
    yield elsewhere
    elsewhere.close()


async def test_a_writer_that_stalls_loses_its_lease_and_one_that_lives_keeps_it(
    postgres_tables: str, elsewhere: Elsewhere
) -> None:
    service = PostgresSessionService(postgres_tables, lease_seconds=LEASE_SECONDS)
    try:
        await made(service)
        theirs: Session = await elsewhere.run(read(elsewhere.service))
        await elsewhere.run(elsewhere.service.start_run(theirs, "i", said("hello")))
        session = await read(service)
        for _ in range(10):  # in all, longer than a lease lasts
            with pytest.raises(SessionBusyError):
                await service.start_run(session, "j", said("me too"))
            await asyncio.sleep(0.1)
        await elsewhere.run(elsewhere.service.append_event(theirs, said("still here")))
        elsewhere.stall()
        session = await read(service)
        async with asyncio.timeout(PATIENCE_SECONDS):
            while session.lease is None:
                try:
                    await service.start_run(session, "j", said("mine now"))
                except SessionBusyError:
                    await asyncio.sleep(0.05)
        elsewhere.wake_up()
        theirs.seq = session.seq
        for write in (
            elsewhere.service.append_event(theirs, said("too late")),
            elsewhere.service.record_call(theirs, CallRecord(invocation_id="i", call_id="c", name="f")),
        ):
            with pytest.raises(LeaseLostError):
                await elsewhere.run(write)
        await elsewhere.run(elsewhere.service.end_run(theirs, "i", "completed"))
        assert texts(await read(service)) == ["hello", "still here", "mine now"]
        runs = await service.list_runs(app_name="app")
        assert [(one.invocation_id, one.status) for one in runs] == [("i", "cancelled"), ("j", "running")]
    finally:
        await service.close()


async def test_a_lease_that_nobody_holds_is_given_back_though_its_service_lives(
    postgres_tables: str, elsewhere: Elsewhere
) -> None:
    service = PostgresSessionService(postgres_tables, lease_seconds=60.0)
    try:
        kept, left = await made(service), await service.create_session(app_name="app", user_id="u", session_id="left")
        await elsewhere.run(elsewhere.service.start_run(kept, "kept"))
        await elsewhere.run(elsewhere.service.start_run(left, "left"))
        left.lease = None
        async with asyncio.timeout(PATIENCE_SECONDS):
            while left.lease is None:
                try:
                    await service.start_run(left, "next")
                except SessionBusyError:
                    await asyncio.sleep(0.05)
        with pytest.raises(SessionBusyError):
            await service.start_run(await read(service), "next")
    finally:
        await service.close()


# --- event loops -----------------------------------------------------------------------------------------------------


def test_one_service_serves_several_event_loops(postgres_tables: str) -> None:
    service = PostgresSessionService(postgres_tables, max_connections=2)
    failures: list[BaseException] = []

    async def use(name: str) -> None:
        session = await service.create_session(app_name="app", user_id="u", session_id=name)
        await service.start_run(session, "i", said("hello", {"user:last": name}))
        own = [await service.create_session(app_name="app", user_id="u") for _ in range(5)]
        await asyncio.gather(*(service.append_event(one, said("more", {"app:last": name})) for one in own))
        await service.end_run(session, "i", "completed")

    def run(name: str) -> None:
        try:
            asyncio.run(use(name))
        except BaseException as error:  # noqa: BLE001 - shown by the assert below, in the test's own thread
            failures.append(error)

    for number in range(3):
        run(f"one after the other {number}")
    threads = [threading.Thread(target=run, args=(f"at once {number}",)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failures == []

    async def look() -> tuple[int, Any]:
        listed = await service.list_sessions(app_name="app")
        await service.close()
        connection = await asyncpg.connect(postgres_tables)
        query = "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()"
        left = None
        for _ in range(1000):  # the server takes a moment to see that one left
            left = await connection.fetchval(f"{query} AND backend_type = 'client backend'")
            if not left:
                break
        await connection.close()
        return len(listed.sessions), left

    assert asyncio.run(look()) == (7 * 6, 0)


async def test_more_tasks_than_connections(postgres_tables: str) -> None:
    service = PostgresSessionService(postgres_tables, max_connections=2)
    sessions = [await service.create_session(app_name="app", user_id=f"u{number % 3}") for number in range(30)]
    delta = {"app:b": 1, "app:a": 2, "user:b": 3, "user:a": 4, "own": 5}
    await asyncio.gather(*(service.append_event(one, said("x", dict(delta))) for one in sessions))
    assert {one.seq for one in (await service.list_sessions(app_name="app")).sessions} == {1}
    await service.close()


async def test_writers_of_the_same_shared_state_do_not_block_each_other_for_good(
    service: PostgresSessionService,
) -> None:
    sessions = [await service.create_session(app_name="app", user_id=f"u{number % 2}") for number in range(10)]

    async def write(session: Session, number: int) -> None:
        for turn in range(10):
            keys = ("app:a", "user:a", "app:b", "user:b")
            shuffled = keys[turn % 4 :] + keys[: turn % 4]
            await service.append_event(session, said("x", dict.fromkeys(shuffled, f"{number}.{turn}")))

    await asyncio.gather(*(write(session, number) for number, session in enumerate(sessions)))
    for session in sessions:
        await service.append_event(session, said("and what do they see?"))
        assert session.seq == 11
    shown = [(one.state["app:a"], one.state["app:b"]) for one in sessions]
    assert len(set(shown)) == 1
