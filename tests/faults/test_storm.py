# SPDX-License-Identifier: Apache-2.0
"""Several processes send messages to one session at the same time: each gets a whole turn of its own."""

import asyncio
import random
import signal
import time
from collections import Counter
from itertools import groupby
from pathlib import Path

import pytest

from runwright import Session
from runwright.durable import RunRecord
from tests.faults.children import KILLED, Children, wait_for_file
from tests.faults.stores import APP, Place, read
from tests.faults.talk import SESSION, USER, text_of

PROCESSES = 4
TALKING = "tests.faults.talk:talk_until_killed"


def test_all_messages_of_a_storm_have_a_whole_turn(
    anywhere: Place, children: Children, tmp_path: Path, full: bool
) -> None:
    messages = 50 if full else 12
    gate = tmp_path / "gate"
    senders = [
        children.start(
            "tests.faults.talk:send_all",
            seconds=300,
            place=anywhere,
            name=f"p{number}",
            messages=messages,
            gate=str(gate),
        )
        for number in range(PROCESSES)
    ]
    for number in range(PROCESSES):
        wait_for_file(f"{gate}-p{number}")
    gate.touch()
    for sender in senders:
        sender.result()

    session, runs = asyncio.run(stored(anywhere))
    turns = [list(turn) for _, turn in groupby(session.events, key=lambda event: event.invocation_id)]
    assert len(turns) == PROCESSES * messages, "turns are mixed"
    said = [turn[0].content.parts[0].text for turn in turns if turn[0].content]
    assert Counter(said) == Counter(
        f"p{process} {number}" for process in range(PROCESSES) for number in range(messages)
    )
    for turn, text in zip(turns, said, strict=True):
        assert [event.author for event in turn] == ["user", "talker", "talker", "talker"]
        (call,), (answer,) = turn[1].get_function_calls(), turn[2].get_function_responses()
        assert (call.id, answer.response) == (answer.id, {"counted": text})
        assert text_of(turn) == [f"re: {text}"]
    assert session.state["turns"] == PROCESSES * messages
    assert [run.status for run in runs] == ["completed"] * len(turns)
    assert [run.invocation_id for run in runs] == [turn[0].invocation_id for turn in turns]


@pytest.mark.parametrize("when_busy", ["interrupt", "rollback"])
def test_a_session_stays_sound_though_processes_stop_each_other(
    anywhere: Place, children: Children, tmp_path: Path, when_busy: str, full: bool
) -> None:
    gate = tmp_path / "gate"
    messages = 100 if full else 12
    given = {"place": anywhere, "messages": messages, "when_busy": when_busy, "gate": str(gate)}
    senders = [children.start("tests.faults.talk:barge_in", name=f"p{number}", **given) for number in range(PROCESSES)]
    for number in range(PROCESSES):
        wait_for_file(f"{gate}-p{number}")
    gate.touch()
    ends: Counter[str] = Counter()
    for sender in senders:
        ends.update(sender.result())
    assert ends.keys() <= {"completed", "LeaseLostError", "RunCancelledError", "RunRolledBackError"}, ends
    assert ends.total() == PROCESSES * messages
    assert children.start("tests.faults.talk:send", place=anywhere, messages=["the end"]).result() == ["re: the end"]

    session, runs = asyncio.run(stored(anywhere))
    assert_each_call_is_answered_once(session)
    assert "running" not in {run.status for run in runs}
    assert runs[-1].status == "completed"


def test_processes_that_are_killed_at_any_time_lose_nothing(
    anywhere: Place, children: Children, tmp_path: Path, full: bool
) -> None:
    sessions, chance = 3, random.Random(1)
    talkers = {
        name: children.start(TALKING, place=anywhere, name=name, sessions=sessions, folder=str(tmp_path))
        for name in ("p0", "p1")
    }
    for number in range(200 if full else 8):
        name = chance.choice(list(talkers))
        time.sleep(chance.uniform(0.02, 0.2))
        talkers[name].signal(signal.SIGKILL)
        assert talkers[name].wait().status == KILLED
        talkers[name] = children.start(
            TALKING, place=anywhere, name=f"{name}-{number}", sessions=sessions, folder=str(tmp_path)
        )
    for talker in talkers.values():
        talker.signal(signal.SIGKILL)
        assert talker.wait().status == KILLED

    acknowledged = [line.split() for file in tmp_path.glob("p*") for line in file.read_text().splitlines()]
    assert len(acknowledged) > 50
    for number in range(sessions):
        name = f"s{number}"
        sent = children.start("tests.faults.talk:send", place=anywhere, messages=["the end"], session_id=name)
        assert sent.result() == ["re: the end"]
        session, runs = asyncio.run(stored(anywhere, name))
        stored_ids = {event.id for event in session.events}
        assert [one for where, one in acknowledged if where == name and one not in stored_ids] == []
        assert_each_call_is_answered_once(session)
        turns = [invocation for invocation, _ in groupby(session.events, key=lambda event: event.invocation_id)]
        assert len(set(turns)) == len(turns), "turns are mixed"
        assert "running" not in {run.status for run in runs}


def assert_each_call_is_answered_once(session: Session) -> None:
    calls = [call.id for event in session.events for call in event.get_function_calls()]
    answers = [answer.id for event in session.events for answer in event.get_function_responses()]
    assert len(set(calls)) == len(calls)
    assert sorted(map(str, answers)) == sorted(map(str, calls))


async def stored(place: Place, session_id: str = SESSION) -> tuple[Session, list[RunRecord]]:
    service = place.open()
    session = await read(service, USER, session_id)
    runs = await service.list_runs(app_name=APP, user_id=USER, session_id=session_id)
    await service.close()
    return session, runs
