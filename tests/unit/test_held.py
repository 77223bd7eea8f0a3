# SPDX-License-Identifier: Apache-2.0
"""HeldSession and HeldSessions: what a runner keeps of a session between its turns."""

from typing import Any

import pytest

from runwright import Event, EventActions, InMemorySessionService, Session
from runwright.errors import StaleSessionError
from runwright.held import HeldSession, HeldSessions

KEY: dict[str, Any] = {"app_name": "app", "user_id": "u", "session_id": "s"}


async def made(service: InMemorySessionService, **state: Any) -> HeldSession:
    return HeldSession(await service.create_session(**KEY, state=state))


def changing(**delta: Any) -> Event:
    return Event(author="a", actions=EventActions(state_delta=delta))


async def append(held: HeldSession, service: InMemorySessionService, event: Event) -> None:
    await held.write(lambda session: service.append_event(session, event))


async def read(service: InMemorySessionService) -> Session:
    session = await service.get_session(**KEY)
    assert session is not None
    return session


async def test_a_run_starts_from_what_is_stored() -> None:
    service = InMemorySessionService()
    held = await made(service, items=["a"])
    session = held.begin_run()
    session.state["items"].append("never stored")
    session.state["stray"] = 1
    await append(held, service, changing(count=1))
    assert held.begin_run().state == {"items": ["a"], "count": 1} == (await read(service)).state


async def test_what_is_changed_in_place_after_it_was_stored_stays_out() -> None:
    service = InMemorySessionService()
    held = await made(service)
    held.begin_run()
    event = changing(items=[1])
    await append(held, service, event)
    event.actions.state_delta["items"].append(2)
    held.session.state["items"].append(3)
    assert held.begin_run().state == {"items": [1]}
    assert held.stored_value("items") == [1] and held.stored_value("none") is None
    held.stored_value("items").append(4)
    assert held.stored_value("items") == [1]


async def test_temporary_state_is_gone_with_the_run() -> None:
    service = InMemorySessionService()
    held = await made(service)
    held.begin_run()
    await append(held, service, changing(**{"temp:x": 1, "y": 2}))
    assert held.session.state == {"temp:x": 1, "y": 2}
    assert held.begin_run().state == {"y": 2}


@pytest.mark.parametrize("prefix", ["user:", "app:"])
async def test_what_other_sessions_share_comes_in_and_what_was_not_stored_does_not(prefix: str) -> None:
    service = InMemorySessionService()
    held = await made(service)
    held.begin_run()
    other = await service.create_session(app_name="app", user_id="u", session_id="other")
    await service.append_event(other, changing(**{f"{prefix}theirs": [1]}))
    held.session.state[f"{prefix}mine"] = "not stored"
    await append(held, service, changing(x=1))
    assert held.session.state[f"{prefix}theirs"] == [1]
    assert held.begin_run().state == {f"{prefix}theirs": [1], "x": 1} == (await read(service)).state


async def test_a_copy_that_is_not_current_is_told_and_read_again() -> None:
    service = InMemorySessionService()
    held = await made(service, x=1)
    session = held.begin_run()
    session.state["temp:note"] = "kept for this run"
    views = held.views
    views["derived"] = object()
    await service.append_event(await read(service), changing(x=2))
    with pytest.raises(StaleSessionError):
        await append(held, service, changing(y=1))
    state = session.state
    held.reset(await read(service))
    assert held.session is session and session.state is state and held.views is views, "contexts hold these"
    assert state == {"x": 2, "temp:note": "kept for this run"} and not views and held.was_reset
    await append(held, service, changing(y=1))
    assert held.begin_run().state == {"x": 2, "y": 1}
    assert not held.was_reset
    assert [event.actions.state_delta for event in session.events] == [{"x": 2}, {"y": 1}]


async def test_what_user_code_appends_with_the_runs_own_session_counts_too() -> None:
    service = InMemorySessionService()
    held = await made(service)
    session = held.begin_run()
    await service.append_event(session, changing(**{"mine": 1, "user:mine": 2}))
    await append(held, service, changing(after=1))
    assert session.seq == 2
    assert held.begin_run().state == {"mine": 1, "user:mine": 2, "after": 1} == (await read(service)).state


def holding(limit: int) -> HeldSessions:
    return HeldSessions(limit)


def held_session(session_id: str) -> HeldSession:
    return HeldSession(Session(id=session_id, app_name="app", user_id="u"))


def test_a_session_is_taken_by_one() -> None:
    sessions, key = holding(2), ("app", "u", "s")
    held = held_session("s")
    assert sessions.take(key) is None
    sessions.put(key, held)
    assert sessions.take(key) is held
    assert sessions.take(key) is None


def test_the_least_recently_used_is_given_up() -> None:
    sessions = holding(2)
    keys = [("app", "u", name) for name in "abc"]
    for key in keys[:2]:
        sessions.put(key, held_session(key[2]))
    first = sessions.take(keys[0])
    assert first is not None
    sessions.put(keys[0], first)
    sessions.put(keys[2], held_session("c"))
    assert [sessions.take(key) is not None for key in keys] == [True, False, True]


def test_none_are_held_where_there_is_no_room() -> None:
    sessions, key = holding(0), ("app", "u", "s")
    sessions.put(key, held_session("s"))
    assert sessions.take(key) is None


def test_all_are_forgotten() -> None:
    sessions, key = holding(2), ("app", "u", "s")
    sessions.put(key, held_session("s"))
    sessions.clear()
    assert sessions.take(key) is None
