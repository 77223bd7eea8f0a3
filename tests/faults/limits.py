# SPDX-License-Identifier: Apache-2.0
"""Programs that run out of room on the disk: files of this process may not grow any more, or a small disk is full."""

import asyncio
import contextlib
import os
import resource
from collections.abc import Callable, Generator, Iterator
from pathlib import Path
from typing import Any

from runwright import Event, Runner
from runwright.artifacts import FileArtifactService
from runwright.errors import StorageError
from runwright.types import Part
from tests.faults.stores import APP, Place, read
from tests.faults.talk import talker

EVENTS_BEFORE = 5
TEXT = "some text " * 40


@contextlib.contextmanager
def files_may_grow_to(size: int) -> Generator[None]:
    """No file of this process may become larger than so many bytes."""
    _, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (hard, hard))


@contextlib.contextmanager
def disk_filled(folder: Path, *, room: int) -> Generator[None]:
    """The disk that a folder is on has about so many bytes left."""
    filler = folder / "filler"
    free = os.statvfs(folder)
    try:
        filler.write_bytes(bytes(max(0, free.f_bavail * free.f_frsize - room)))
        yield
    finally:
        filler.unlink()


def append_without_room(place: Any, folder: str, rooms: list[int], disk: bool) -> list[int]:
    """Appends events, in rounds, until there is no room. Gives how many it took each time until then.

    What went wrong is checked here: that it was said with the right type, and that nothing acknowledged is lost.
    """
    return asyncio.run(_append_without_room(Place(*place), Path(folder), rooms, disk))


async def _append_without_room(place: Place, folder: Path, rooms: list[int], disk: bool) -> list[int]:
    service = place.open()
    session = await service.create_session(app_name=APP, user_id="u", session_id="s")
    stored: list[str] = []
    counts: list[int] = []

    async def append() -> None:
        event = Event(author="a", message=TEXT)
        event.actions.state_delta = {"count": len(stored), "user:count": len(stored), "app:count": len(stored)}
        await service.append_event(session, event)
        stored.append(event.id)

    for room in rooms:
        for _ in range(EVENTS_BEFORE):
            await append()
        before = len(stored)
        with _without_room(folder, room, disk):
            error = await _failure(append)
        assert isinstance(error, StorageError), repr(error)
        counts.append(len(stored) - before)
        session = await read(service, "u", "s")
        known = [event.id for event in session.events]
        # Whether the one that failed was stored may not be known, as the error says then; nothing else is there.
        assert known[: len(stored)] == stored
        assert len(known) - len(stored) <= ("not known" in str(error)), f"stored though it failed: {error}"
        stored = known
        assert session.state == dict.fromkeys(("count", "user:count", "app:count"), session.state["count"])
        await append()
        assert (await read(service, "u", "s")).seq == len(stored)
    await service.close()
    service = place.open()
    assert [event.id for event in (await read(service, "u", "s")).events] == stored
    await service.close()
    return counts


async def _failure(append: Callable[[], Any]) -> Exception:
    for _ in range(100_000):
        try:
            await append()
        except Exception as error:  # noqa: BLE001 - looked at by the caller
            return error
    raise AssertionError("there was room for everything")


def _without_room(folder: Path, room: int, disk: bool) -> contextlib.AbstractContextManager[None]:
    if disk:
        return disk_filled(folder, room=room)
    largest = max((path.stat().st_size for path in _files(folder)), default=0)
    return files_may_grow_to(largest + room)


def _files(folder: Path) -> Iterator[Path]:
    return (path for path in folder.rglob("*") if path.is_file())


def open_without_room(place: Any) -> str:
    """Opens a store for the first time where not one byte can be written. Gives the error, and uses the store then."""

    async def attempt() -> str:
        service = Place(*place).open()
        with files_may_grow_to(0):
            try:
                await service.create_session(app_name=APP, user_id="u", session_id="s")
            except StorageError as error:
                said = str(error)
            else:
                raise AssertionError("there was room")
        session = await service.create_session(app_name=APP, user_id="u", session_id="s2")
        await service.append_event(session, Event(author="a", message="hello"))
        assert (await read(service, "u", "s2")).seq == 1
        await service.close()
        return said

    return asyncio.run(attempt())


def save_artifacts_without_room(folder: str, disk: bool) -> str:
    """Saves an artifact for which there is no room. Gives the error; before and after there is room."""

    async def attempt() -> str:
        service = FileArtifactService(Path(folder) / "artifacts")
        who: dict[str, Any] = {"app_name": APP, "user_id": "u", "session_id": "s", "filename": "f.bin"}

        def part(letter: str, size: int) -> Part:
            return Part.from_bytes(data=letter.encode() * size, mime_type="application/octet-stream")

        assert await service.save_artifact(**who, artifact=part("a", 1000)) == 0
        with disk_filled(Path(folder), room=20_000) if disk else files_may_grow_to(20_000):
            try:
                await service.save_artifact(**who, artifact=part("b", 200_000))
            except StorageError as error:
                said = str(error)
            else:
                raise AssertionError("there was room")
            assert await service.list_versions(**who) == [0]
            assert await service.load_artifact(**who) == part("a", 1000)
        large = [path for path in _files(Path(folder)) if path.stat().st_size > 10_000]
        assert large == [], "half a file was left"
        assert await service.save_artifact(**who, artifact=part("c", 200_000)) == 1
        assert await service.load_artifact(**who) == part("c", 200_000)
        return said

    return asyncio.run(attempt())


def talk_without_room(place: Any, folder: str, rooms: list[int]) -> list[str]:
    """Has turns run out of room, each at another place. Gives what they ended with, as names of types.

    What a turn failed with is kept, as programs do that report errors later; the session must be free all the same.
    """
    return asyncio.run(_talk_without_room(Place(*place), Path(folder), rooms))


async def _talk_without_room(place: Place, folder: Path, rooms: list[int]) -> list[str]:
    service = place.open()
    acknowledged: list[str] = []
    ends: list[Exception | None] = []
    async with Runner(APP, talker(), service, auto_create_session=True) as runner:

        async def say(text: str) -> None:
            stream = runner.run_async(user_id="u", session_id="s", new_message=text, yield_user_message=True)
            async with asyncio.timeout(10), contextlib.aclosing(stream):
                async for event in stream:
                    acknowledged.append(event.id)

        for room in rooms:
            await say("with room")
            with _without_room(folder, room, disk=False):
                try:
                    await say("without")
                except StorageError as error:
                    ends.append(error)
                else:
                    ends.append(None)
            await say("with room again")
            session = await read(service, "u", "s")
            stored = [event.id for event in session.events]
            assert [one for one in acknowledged if one not in set(stored)] == [], f"lost, with room for {room}"
            calls = [call.id for event in session.events for call in event.get_function_calls()]
            answers = [answer.id for event in session.events for answer in event.get_function_responses()]
            assert sorted(map(str, calls)) == sorted(map(str, answers)), f"with room for {room}"
            assert await service.list_runs(app_name=APP, status=["running"]) == [], f"with room for {room}"
        with contextlib.suppress(StorageError):  # what was written behind
            await service.flush()
    await service.close()
    return [type(error).__name__ for error in ends]
