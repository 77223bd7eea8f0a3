# SPDX-License-Identifier: Apache-2.0
"""Sessions in memory: the suite of every store, and what only this one promises."""

import asyncio
import threading
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from runwright.errors import StaleSessionError
from runwright.event import Event, EventActions
from runwright.session import GetSessionConfig, Session
from runwright.sessions.in_memory import InMemorySessionService
from runwright.testing import SessionServiceContract
from runwright.types import UserContent, text_of

KEYS = st.sampled_from(["a", "b", "user:a", "user:b", "app:a", "app:b", "temp:a"])
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=3),
    max_leaves=5,
)


class TestInMemorySessions(SessionServiceContract):
    async def create_service(self) -> InMemorySessionService:
        return InMemorySessionService()


@given(
    st.lists(
        st.tuples(st.sampled_from([("u", "s"), ("u", "t"), ("v", "s")]), st.dictionaries(KEYS, VALUES)), max_size=8
    )
)
def test_whatever_is_written_every_session_shows_the_last_value_of_each_key(
    writes: list[tuple[tuple[str, str], dict[str, Any]]],
) -> None:
    async def play() -> None:
        service = InMemorySessionService()
        places = [("u", "s"), ("u", "t"), ("v", "s")]
        held = {
            place: await service.create_session(app_name="app", user_id=place[0], session_id=place[1])
            for place in places
        }
        expected: dict[Any, Any] = {}
        for place, delta in writes:
            await service.append_event(held[place], Event(author="user", actions=EventActions(state_delta=dict(delta))))
            for key, value in delta.items():
                scope = "app" if key.startswith("app:") else place[0] if key.startswith("user:") else place
                expected[scope, key] = value
        for place in places:
            shown = {key: value for (scope, key), value in expected.items() if scope in ("app", place[0], place)}
            stored = {key: value for key, value in shown.items() if not key.startswith("temp:")}
            read = await service.get_session(app_name="app", user_id=place[0], session_id=place[1])
            assert read is not None
            assert read.state == stored
            await service.append_event(held[place], Event(author="user"))
            assert held[place].state == shown

    asyncio.run(play())


@given(
    times=st.lists(st.integers(0, 9), max_size=8),
    newest=st.none() | st.integers(0, 9),
    since=st.none() | st.integers(0, 9),
    after=st.none() | st.integers(0, 9),
)
def test_the_events_asked_for_are_those_that_meet_every_condition(
    times: list[int], newest: int | None, since: int | None, after: int | None
) -> None:
    async def play() -> None:
        service = InMemorySessionService()
        session = await service.create_session(app_name="app", user_id="u", session_id="s")
        for time in times:
            await service.append_event(session, Event(author="user", timestamp=float(time)))
        config = GetSessionConfig(num_recent_events=newest, after_timestamp=since, after_seq=after)
        read = await service.get_session(app_name="app", user_id="u", session_id="s", config=config)
        assert read is not None
        wanted = session.events[after or 0 :]
        wanted = [event for event in wanted if since is None or event.timestamp >= since]
        assert read.events == (wanted if newest is None else list(reversed(list(reversed(wanted))[:newest])))

    asyncio.run(play())


def test_several_event_loops_share_one_service() -> None:
    service = InMemorySessionService()
    loops, turns = 4, 50
    created = asyncio.run(service.create_session(app_name="app", user_id="u", session_id="shared"))
    failures: list[BaseException] = []

    async def work(number: int) -> None:
        own = await service.create_session(app_name="app", user_id="u", session_id=f"own{number}")
        for turn in range(turns):
            delta = {"user:last": turn, f"user:{number}": turn, "app:last": number}
            await service.append_event(own, Event(author="user", actions=EventActions(state_delta=delta)))
            while True:
                session = await service.get_session(app_name="app", user_id="u", session_id="shared")
                assert session is not None
                try:
                    await service.append_event(session, Event(author="user", content=UserContent(f"{number}.{turn}")))
                except StaleSessionError:
                    continue
                break

    def run(number: int) -> None:
        try:
            asyncio.run(work(number))
        except BaseException as error:  # noqa: BLE001 - shown by the assert below, in the test's own thread
            failures.append(error)

    threads = [threading.Thread(target=run, args=(number,)) for number in range(loops)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failures == []
    shared = asyncio.run(service.get_session(app_name="app", user_id="u", session_id=created.id))
    assert shared is not None
    assert shared.seq == loops * turns
    said = [text_of(event.content) for event in shared.events]
    assert sorted(said) == sorted(f"{number}.{turn}" for number in range(loops) for turn in range(turns))
    assert {shared.state[f"user:{number}"] for number in range(loops)} == {turns - 1}


async def test_the_revision_is_replaced_only_when_shared_state_changed() -> None:
    service = InMemorySessionService()
    session = await service.create_session(app_name="app", user_id="u")
    before = session.revision
    await service.append_event(session, Event(author="user", actions=EventActions(state_delta={"own": 1})))
    assert session.revision is before
    await service.append_event(session, Event(author="user", actions=EventActions(state_delta={"user:k": 1})))
    assert session.revision is not before


async def test_a_session_of_another_service_is_stale_here() -> None:
    one, other = InMemorySessionService(), InMemorySessionService()
    theirs = await one.create_session(app_name="app", user_id="u", session_id="s")
    await other.create_session(app_name="app", user_id="u", session_id="s")
    for foreign in (theirs, Session(id="s", app_name="app", user_id="u")):
        with pytest.raises(StaleSessionError, match="read it again"):
            await other.append_event(foreign, Event(author="user"))
