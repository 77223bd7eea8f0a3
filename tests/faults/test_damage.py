# SPDX-License-Identifier: Apache-2.0
"""Files that were torn or damaged: what is read is right, or a typed error; never something else, and never less."""

import asyncio
import os
import random
import shutil
import signal
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest

from runwright import Event, Session
from runwright.durable import CallRecord
from runwright.errors import CorruptedDataError, StorageError
from tests.faults.children import KILLED, Children
from tests.faults.stores import APP, Place, read

USERS = ("u0", "u1", "u2")
EVENTS = 40
PAGE = 4096
DAMAGED = "damaged"


async def fill(place: Place) -> None:
    """Some sessions with events, state in all scopes, runs and calls."""
    service = place.open()
    for user_id in USERS:
        session = await service.create_session(app_name=APP, user_id=user_id, session_id="s", state={"first": user_id})
        await service.start_run(session, f"run of {user_id}", Event(author="user", message="go"))
        for number in range(EVENTS):
            event = Event(author="a", message=f"{user_id} says {number}: " + "words " * (number * 7 % 300))
            event.actions.state_delta = {f"key {number % 9}": number, f"user:{number % 5}": number, "app:last": user_id}
            await service.append_event(session, event)
            if number % 10 == 0:
                row = CallRecord(invocation_id=f"run of {user_id}", call_id=f"c{number}", name="f")
                await service.record_call(session, row)
        await service.end_run(session, f"run of {user_id}", "completed")
    await service.close()


async def shown(place: Place) -> dict[str, Any]:
    """All that can be read of a store; ``damaged`` in place of what cannot."""
    service = place.open()
    seen: dict[str, Any] = {}
    for user_id in USERS:
        session = await _seen(
            lambda user_id=user_id: service.get_session(app_name=APP, user_id=user_id, session_id="s")
        )
        seen[f"session of {user_id}"] = session.model_dump() if isinstance(session, Session) else session
        seen[f"state of {user_id}"] = await _seen(
            lambda user_id=user_id: service.get_user_state(app_name=APP, user_id=user_id)
        )
        if isinstance(session, Session):
            calls = await _seen(lambda session=session: service.list_calls(session, f"run of {session.user_id}"))
            seen[f"calls of {user_id}"] = calls if calls == DAMAGED else [call.call_id for call in calls]
    listed = await _seen(lambda: service.list_sessions(app_name=APP))
    seen["list"] = listed if listed == DAMAGED else [session.user_id for session in listed.sessions]
    runs = await _seen(lambda: service.list_runs(app_name=APP))
    seen["runs"] = runs if runs == DAMAGED else [(run.user_id, run.status) for run in runs]
    try:
        await service.close()
    except StorageError:
        seen["close"] = DAMAGED
    return seen


async def _seen(ask: Callable[[], Awaitable[Any]]) -> Any:
    try:
        return await ask()
    except StorageError:
        return DAMAGED


def assert_right_or_said(seen: dict[str, Any], sound: dict[str, Any], what: str) -> None:
    wrong = [name for name, value in seen.items() if value not in (DAMAGED, sound.get(name))]
    assert wrong == [], f"{what} is damaged, what is read is wrong, and nothing says so"


@pytest.fixture
def sqlite_file(tmp_path: Path) -> Path:
    """A database that was closed: all of it is in one file."""
    place = Place("sqlite", str(tmp_path / "sound.db"))
    asyncio.run(fill(place))
    assert not (tmp_path / "sound.db-wal").exists() or (tmp_path / "sound.db-wal").stat().st_size == 0
    return tmp_path / "sound.db"


@pytest.mark.parametrize("kind", ["zeros", "noise"])
def test_a_page_of_sqlite_that_is_damaged(sqlite_file: Path, kind: str, full: bool) -> None:
    sound = asyncio.run(shown(Place("sqlite", str(sqlite_file))))
    assert DAMAGED not in sound.values()
    data = sqlite_file.read_bytes()
    pages = len(data) // PAGE
    noticed = 0
    for page in range(0, pages, 1 if full else max(1, pages // 15)):
        noise = bytes(PAGE) if kind == "zeros" else random.Random(page).randbytes(PAGE)
        damaged = sqlite_file.with_name(f"{page}.db")
        damaged.write_bytes(data[: page * PAGE] + noise + data[(page + 1) * PAGE :])
        seen = asyncio.run(shown(Place("sqlite", str(damaged))))
        noticed += DAMAGED in seen.values()
        assert_right_or_said(seen, sound, f"page {page}")
    assert noticed > 5


def test_a_sqlite_file_that_is_cut_off(sqlite_file: Path) -> None:
    sound = asyncio.run(shown(Place("sqlite", str(sqlite_file))))
    data = sqlite_file.read_bytes()
    for size in (2, 99, 100, PAGE, 3 * PAGE + 5, len(data) // 2, len(data) - PAGE, len(data) - 1):
        cut = sqlite_file.with_name(f"cut-{size}.db")
        cut.write_bytes(data[:size])
        seen = asyncio.run(shown(Place("sqlite", str(cut))))
        assert DAMAGED in list(seen.values()), f"cut after {size} of {len(data)} bytes, and nothing says so"
        assert_right_or_said(seen, sound, f"cut after {size} bytes")


def test_a_file_that_is_no_database(tmp_path: Path) -> None:
    path = tmp_path / "notes.txt"
    path.write_text("My shopping list\n" * 100)
    seen = asyncio.run(shown(Place("sqlite", str(path))))
    assert set(seen.values()) == {DAMAGED}
    assert path.read_text() == "My shopping list\n" * 100


def append_and_die(place: Any, count: int) -> None:
    """Appends events, and is killed: what it wrote is in the log beside the database."""

    async def append() -> None:
        service = Place(*place).open()
        session = await service.create_session(app_name=APP, user_id="u", session_id="s")
        for number in range(count):
            event = Event(author="a", message=str(number))
            event.actions.state_delta = {"number": number}
            await service.append_event(session, event)
        os.kill(os.getpid(), signal.SIGKILL)

    asyncio.run(append())


@pytest.mark.parametrize("kind", ["cut", "noise"])
def test_a_write_ahead_log_that_is_torn_gives_what_came_before(
    children: Children, tmp_path: Path, kind: str, full: bool
) -> None:
    # As a power failure leaves it: SQLite itself knows where the sound part ends.
    count = 30
    path = tmp_path / "sound.db"
    outcome = children.run("tests.faults.test_damage:append_and_die", place=Place("sqlite", str(path)), count=count)
    assert outcome.status == KILLED
    log = path.with_name("sound.db-wal").read_bytes()
    lengths: list[int] = []
    for place in range(len(log) // 3, len(log), 4096 if full else len(log) // 12):
        torn = tmp_path / f"torn-{place}.db"
        shutil.copy(path, torn)
        rest = b"" if kind == "cut" else random.Random(place).randbytes(len(log) - place)
        torn.with_name(f"{torn.name}-wal").write_bytes(log[:place] + rest)
        lengths.append(asyncio.run(events_before_the_tear(Place("sqlite", str(torn)))))
    assert lengths == sorted(lengths)
    assert lengths[0] < lengths[-1] <= count


async def events_before_the_tear(place: Place) -> int:
    service = place.open()
    session = await read(service, "u", "s")
    texts = [event.content.parts[0].text for event in session.events if event.content]
    assert texts == [str(number) for number in range(len(texts))]
    assert session.state.get("number") == (len(texts) - 1 if texts else None)
    await service.append_event(session, Event(author="a", message="more"))
    assert (await read(service, "u", "s")).seq == len(texts) + 1
    await service.close()
    return len(texts)


# --- files ------------------------------------------------------------------------------------------------------------


@pytest.fixture
def log_file(tmp_path: Path) -> Path:
    """The log of a session in a folder with others."""
    asyncio.run(fill(Place("file", str(tmp_path / "sessions"))))
    (path,) = (path for path in (tmp_path / "sessions").rglob("s.jsonl") if path.parent.name == "u1")
    return path


def test_a_last_line_that_is_torn_is_not_there(log_file: Path, full: bool) -> None:
    place = Place("file", str(log_file.parents[2]))
    asyncio.run(append_one(place, "the last one"))
    data = log_file.read_bytes()
    start = data.rindex(b"\n", 0, len(data) - 1) + 1
    before = asyncio.run(read_one(place)).events[:-1]
    for size in range(start, len(data), 1 if full else 17):
        log_file.write_bytes(data[:size])
        assert asyncio.run(read_one(place)).events == before
    log_file.write_bytes(data[: len(data) - 1])
    asyncio.run(append_one(place, "more"))
    session = asyncio.run(read_one(place))
    assert session.events[:-1] == before
    assert session.events[-1].content is not None
    assert session.events[-1].content.parts[0].text == "more"


async def append_one(place: Place, text: str) -> None:
    service = place.open()
    session = await read(service, "u1", "s")
    await service.append_event(session, Event(author="a", message=text))
    await service.close()


async def read_one(place: Place) -> Session:
    service = place.open()
    try:
        return await read(service, "u1", "s")
    finally:
        await service.close()


@pytest.mark.parametrize("kind", ["zeros", "noise", "a line is missing", "a line is there twice"])
def test_a_log_that_is_damaged_in_the_middle(log_file: Path, kind: str, full: bool) -> None:
    place = Place("file", str(log_file.parents[2]))
    sound = asyncio.run(shown(place))
    data = log_file.read_bytes()
    lines = data.splitlines(keepends=True)
    # Whether the last event was ever there, the lines before it do not say.
    for number in range(0, len(lines) - 2, 1 if full else len(lines) // 12):
        start = sum(map(len, lines[:number]))
        middle = start + len(lines[number]) // 3
        damaged = {
            "zeros": data[:middle] + bytes(64) + data[middle + 64 :],
            "noise": data[:middle] + random.Random(number).randbytes(64) + data[middle + 64 :],
            "a line is missing": b"".join(lines[:number] + lines[number + 1 :]),
            "a line is there twice": b"".join(lines[: number + 1] + lines[number:]),
        }[kind]
        log_file.write_bytes(damaged)
        seen = asyncio.run(shown(place))
        if b'"event"' in lines[number] or kind in ("zeros", "noise"):
            assert seen["session of u1"] == DAMAGED, f"line {number + 1} is damaged, and nothing says so"
        others = {name: value for name, value in seen.items() if "u0" in name or "u2" in name}
        assert others == {name: sound[name] for name in others}, "the damage spread to other sessions"
    log_file.write_bytes(data)
    assert asyncio.run(shown(place)) == sound


def test_a_damaged_log_takes_no_more_events(log_file: Path) -> None:
    place = Place("file", str(log_file.parents[2]))
    session = asyncio.run(read_one(place))
    data = log_file.read_bytes()
    log_file.write_bytes(data.replace(b"says 3", b'sa"s 3'))

    async def append() -> None:
        service = place.open()
        try:
            await service.append_event(session, Event(author="a", message="more"))
        finally:
            await service.close()

    with pytest.raises(CorruptedDataError):
        asyncio.run(append())
    log_file.write_bytes(data)
    assert asyncio.run(read_one(place)).seq == session.seq
