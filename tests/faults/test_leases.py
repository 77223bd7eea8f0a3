# SPDX-License-Identifier: Apache-2.0
"""A process that stalls loses its session to another, and cannot write any more when it wakes up; clocks that are wrong
change nothing."""

import asyncio
import signal
from pathlib import Path

import pytest

from runwright import GetSessionConfig, Session
from tests.faults.children import Children, wait_for_file
from tests.faults.stores import APP, Place, read
from tests.faults.talk import SESSION, USER, text_of

LEASE_SECONDS = 0.6


async def stored(place: Place) -> tuple[Session, list[str]]:
    service = place.open()
    session = await read(service, USER, SESSION)
    runs = await service.list_runs(app_name=APP, user_id=USER, session_id=SESSION)
    await service.close()
    return session, [run.status for run in runs]


@pytest.mark.parametrize("resumed", [False, True], ids=["a new message", "resumed"])
def test_a_process_that_wakes_up_late_is_refused(
    place: Place, children: Children, tmp_path: Path, resumed: bool
) -> None:
    place = place._replace(lease_seconds=LEASE_SECONDS)
    zombie = children.start("tests.faults.talk:stall", place=place, folder=str(tmp_path))
    try:
        wait_for_file(tmp_path / "waits")
        zombie.signal(signal.SIGSTOP)
        taker = children.start("tests.faults.talk:send", place=place, messages=["next"], resume_first=resumed)
        texts = taker.result()
        after_takeover, statuses = asyncio.run(stored(place))
        (tmp_path / "go").touch()
    finally:
        zombie.signal(signal.SIGCONT)
    assert zombie.result() == "lease lost"

    session, statuses_at_the_end = asyncio.run(stored(place))
    assert [event.id for event in session.events] == [event.id for event in after_takeover.events]
    assert statuses_at_the_end == statuses == [("completed" if resumed else "cancelled"), "completed"]
    calls = [call.id for event in session.events for call in event.get_function_calls()]
    answers = {answer.id: answer.response for event in session.events for answer in event.get_function_responses()}
    assert list(answers) == calls
    assert len(calls) == 2
    told = answers[calls[0]]
    assert told is not None
    assert told["error"] == "unknown"
    assert texts == (["re: stalled", "re: next"] if resumed else ["re: next"])
    # And the session goes on.
    more = children.start("tests.faults.talk:send", place=place, messages=["more"])
    assert more.result() == ["re: more"]


def test_a_process_that_stalls_for_less_than_its_lease_goes_on(
    place: Place, children: Children, tmp_path: Path
) -> None:
    sleeper = children.start("tests.faults.talk:stall", place=place, folder=str(tmp_path))
    try:
        wait_for_file(tmp_path / "waits")
        sleeper.signal(signal.SIGSTOP)
        other = children.start("tests.faults.talk:send", place=place, messages=["next"])
        (tmp_path / "go").touch()
    finally:
        sleeper.signal(signal.SIGCONT)
    assert sleeper.result() == "ended"
    assert other.result() == ["re: next"]
    session, statuses = asyncio.run(stored(place))
    assert text_of(session.events) == ["re: stalled", "re: next"]
    assert statuses == ["completed", "completed"]


@pytest.mark.parametrize("when_busy", ["interrupt", "rollback", "reject"])
def test_a_message_that_does_not_wait_for_another_process(
    anywhere: Place, children: Children, tmp_path: Path, when_busy: str
) -> None:
    runs = children.start("tests.faults.talk:stall", place=anywhere, folder=str(tmp_path))
    try:
        wait_for_file(tmp_path / "waits")
        send = children.start("tests.faults.talk:send", place=anywhere, messages=["next"], when_busy=when_busy)
        texts = send.result()
    finally:
        (tmp_path / "go").touch()
    ended = runs.result()
    session, statuses = asyncio.run(stored(anywhere))
    calls = [call.id for event in session.events for call in event.get_function_calls()]
    assert [answer.id for event in session.events for answer in event.get_function_responses()] == calls
    if when_busy == "reject":
        assert (texts, ended, statuses) == (["busy"], "ended", ["completed"])
        assert text_of(session.events) == ["re: stalled"]
    else:
        assert (texts, ended, statuses) == (["re: next"], "lease lost", ["cancelled", "completed"])
        assert text_of(session.events) == ["re: next"]


@pytest.mark.parametrize("clock", ["late", "backward", "same"])
def test_the_order_is_that_of_the_appends_whatever_the_clocks_say(
    anywhere: Place, children: Children, clock: str
) -> None:
    place = anywhere
    expected: list[str] = []
    for number in range(3):
        for name, time in (("right", "true"), ("wrong", clock)):
            message = f"{name} {number}"
            outcome = children.start("tests.faults.talk:send", place=place, messages=[message], clock_of=time)
            assert outcome.result() == [f"re: {message}"]
            expected.append(message)
    session, statuses = asyncio.run(stored(place))
    said = [event.content.parts[0].text for event in session.events if event.author == "user" and event.content]
    assert said == expected
    assert text_of(session.events) == [f"re: {message}" for message in expected]
    assert statuses == ["completed"] * len(expected)
    newest = asyncio.run(newest_of(place, 4))
    assert [event.id for event in newest.events] == [event.id for event in session.events[-4:]]


async def newest_of(place: Place, count: int) -> Session:
    service = place.open()
    config = GetSessionConfig(num_recent_events=count)
    session = await service.get_session(app_name=APP, user_id=USER, session_id=SESSION, config=config)
    await service.close()
    assert session is not None
    return session
