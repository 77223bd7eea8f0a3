# SPDX-License-Identifier: Apache-2.0
"""Sessions as lines of JSON: from any store into any other."""

import json
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import pytest

from runwright import types
from runwright.errors import AlreadyExistsError, InputValidationError, SessionNotFoundError, StorageError
from runwright.event import Event, EventActions
from runwright.session import BaseSessionService, Session
from runwright.sessions import (
    FileSessionService,
    InMemorySessionService,
    PostgresSessionService,
    SqliteSessionService,
    export_session,
    import_session,
)

STORES = ["memory", "file", "sqlite", "postgres"]
OF = {"app_name": "app", "user_id": "u", "session_id": "s"}


def new_store(kind: str, folder: Path, request: pytest.FixtureRequest) -> BaseSessionService:
    if kind == "memory":
        return InMemorySessionService()
    if kind == "file":
        return FileSessionService(folder / "files")
    if kind == "sqlite":
        return SqliteSessionService(folder / "sessions.db")
    return PostgresSessionService(request.getfixturevalue("postgres_database"))


async def filled(service: BaseSessionService) -> Session:
    """A session with events of several kinds, whose user's state was changed by another session since."""
    state = {"k": 1, "user:name": "Ann", "app:rate": 2.5, "temp:x": 1}
    session = await service.create_session(**OF, state=state)
    events = [
        Event(author="user", invocation_id="i", content=types.UserContent("grüße 文字 \x00"), timestamp=5.25),
        Event(author="a", content=types.ModelContent([types.FunctionCall(id="c", name="f", args={"n": 2**53 + 1})])),
        Event(author="a", content=types.UserContent([types.Part.from_bytes(data=bytes(range(256)), mime_type="x/y")])),
        Event(author="a", actions=EventActions(state_delta={"k": {"deep": [None, 0.1]}, "user:name": "Bea"})),
        Event(author="a", output={"any": [1]}, long_running_tool_ids={"c"}, branch="a.b", timestamp=1.0),
    ]
    for event in events:
        await service.append_event(session, event)
    other = await service.create_session(app_name="app", user_id="u", session_id="other")
    delta = {"user:name": "Cleo", "app:new": True}
    await service.append_event(other, Event(author="user", actions=EventActions(state_delta=delta)))
    read = await service.get_session(**OF)
    assert read is not None
    return read


async def lines_of(service: BaseSessionService, **of: str) -> list[str]:
    return [line async for line in export_session(service, **{**OF, **of})]


@pytest.mark.parametrize("there", STORES)
@pytest.mark.parametrize("here", STORES)
async def test_a_session_comes_back_equal_from_every_store(
    here: str, there: str, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    async with AsyncExitStack() as stack:
        source = new_store(here, tmp_path / "here", request)
        stack.push_async_callback(source.close)
        session = await filled(source)
        lines = await lines_of(source)
        if here == there == "postgres":
            for each in ("s", "other"):
                await source.delete_session(app_name="app", user_id="u", session_id=each)
            target = source
        else:
            target = new_store(there, tmp_path / "there", request)
            stack.push_async_callback(target.close)
        made = await import_session(target, lines)
        again = await target.get_session(**OF)
        assert again is not None
        assert again.model_dump() == session.model_dump()
        assert again.events == session.events
        assert made.model_dump() == again.model_copy(update={"events": []}).model_dump()
        assert [one.id for one in (await target.list_sessions(app_name="app")).sessions] == ["s"]
        assert await lines_of(target) == lines


@pytest.fixture
def store() -> InMemorySessionService:
    return InMemorySessionService()


async def test_the_lines_are_a_header_and_events_in_the_wire_form(store: InMemorySessionService) -> None:
    await filled(store)
    header, first, *_ = (json.loads(line) for line in await lines_of(store))
    assert (header["format"], header["version"], header["events"]) == ("runwright.session-archive", 1, 5)
    assert (header["appName"], header["userId"], header["id"]) == ("app", "u", "s")
    assert "temp:x" not in header["state"]
    assert (first["invocationId"], first["author"]) == ("i", "user")
    assert first["actions"]["stateDelta"] == {}


async def test_a_session_that_is_not_there(store: InMemorySessionService) -> None:
    with pytest.raises(SessionNotFoundError, match="'s'"):
        await lines_of(store)


async def test_it_may_be_put_somewhere_else(store: InMemorySessionService) -> None:
    await filled(store)

    async def bytes_with_newlines() -> AsyncIterator[bytes]:
        for line in await lines_of(store):
            yield line.encode() + b"\r\n"
        yield b"\n"

    made = await import_session(store, bytes_with_newlines(), app_name="b", user_id="v", session_id="t")
    assert (made.app_name, made.user_id, made.id, made.seq) == ("b", "v", "t", 5)
    with pytest.raises(AlreadyExistsError):
        await import_session(store, await lines_of(store))


async def test_shared_state_that_is_there_stays_as_it_is(store: InMemorySessionService) -> None:
    await filled(store)
    lines = await lines_of(store)
    target = InMemorySessionService()
    await target.create_session(app_name="app", user_id="u", state={"user:name": "Dora", "app:rate": 9})
    made = await import_session(target, lines)
    assert made.state == {"k": {"deep": [None, 0.1]}, "user:name": "Dora", "app:rate": 9, "app:new": True}
    assert await target.get_user_state(app_name="app", user_id="u") == {"name": "Dora"}


DAMAGE: dict[str, tuple[Any, str]] = {
    "nothing": (lambda lines: [], "is empty"),
    "no header": (lambda lines: lines[1:], "Line 1 is not the header"),
    "not JSON": (lambda lines: ["{", *lines[1:]], "Line 1 is not the header"),
    "another format": (lambda lines: [lines[0].replace("session-archive", "else"), *lines[1:]], "reads runwright"),
    "another version": (lambda lines: [lines[0].replace('"version":1', '"version":2'), *lines[1:]], "reads runwright"),
    "cut between lines": (lambda lines: lines[:-1], "says that 5 events follow, and there are 4"),
    "cut within a line": (lambda lines: [*lines[:-1], lines[-1][:40]], "Line 6 of the archive is no event"),
    "too much": (lambda lines: [*lines, lines[-1]], "says that 5 events follow, and there are 6"),
    "bad bytes": (lambda lines: [lines[0].encode(), b"\xff\xfe", *lines[2:]], "Line 2 of the archive is no event"),
    "no event": (lambda lines: [lines[0], "[]", *lines[2:]], "Line 2 of the archive is no event"),
}


@pytest.mark.parametrize("kind", DAMAGE)
async def test_a_broken_archive_leaves_nothing(store: InMemorySessionService, kind: str) -> None:
    await filled(store)
    damage, said = DAMAGE[kind]
    target = InMemorySessionService()
    with pytest.raises(InputValidationError, match=said):
        await import_session(target, damage(await lines_of(store)))
    assert (await target.list_sessions(app_name="app")).sessions == []
    assert await target.get_user_state(app_name="app", user_id="u") == {}


async def test_a_store_that_fails_on_the_way_keeps_nothing(store: InMemorySessionService) -> None:
    class Failing(InMemorySessionService):
        async def append_event(self, session: Session, event: Event) -> Event:
            if session.seq == 4:
                raise StorageError("the disk is full")
            return await super().append_event(session, event)

    await filled(store)
    target = Failing()
    await target.create_session(app_name="app", user_id="u", session_id="mine", state={"user:name": "Dora"})
    with pytest.raises(StorageError, match="full"):
        await import_session(target, await lines_of(store))
    left = (await target.list_sessions(app_name="app")).sessions
    assert [(one.id, one.state) for one in left] == [("mine", {"user:name": "Dora"})]
