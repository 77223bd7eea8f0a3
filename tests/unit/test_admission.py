# SPDX-License-Identifier: Apache-2.0
"""Admission: one run a session, the others in line; and so many sessions at once."""

import asyncio
import random
import threading
from typing import Any

import pytest

from runwright.admission import Admission
from runwright.errors import RunCancelledError, RunRolledBackError, SessionBusyError
from runwright.scope import CancelScope

PATIENCE = 20.0


class Line:
    """Runs that come to an admission and write down when they are let in."""

    def __init__(self, admission: Admission) -> None:
        self.admission = admission
        self.inside: list[str] = []
        self.gates: dict[str, asyncio.Event] = {}

    def come(self, name: str, session: str = "s", when_busy: Any = "enqueue") -> "asyncio.Task[None]":
        self.gates[name] = asyncio.Event()
        return asyncio.create_task(self._run(name, session, when_busy))

    async def _run(self, name: str, session: str, when_busy: Any) -> None:
        scope = CancelScope()
        scope.start()
        with scope:
            await self.admission.enter(session, scope, when_busy)
        try:
            with scope:
                self.inside.append(name)
                await self.gates[name].wait()
        finally:
            self.admission.leave(session)


async def settled() -> None:
    for _ in range(10):
        await asyncio.sleep(0)


async def test_first_come_first_served() -> None:
    line = Line(Admission())
    tasks = [line.come(name) for name in "abc"]
    for number, name in enumerate("abc"):
        await settled()
        assert line.inside == list("abc"[: number + 1])
        line.gates[name].set()
    await asyncio.gather(*tasks)


async def test_sessions_do_not_wait_for_each_other() -> None:
    line = Line(Admission())
    tasks = [line.come(name, session=name) for name in "abc"]
    await settled()
    assert sorted(line.inside) == list("abc")
    for gate in line.gates.values():
        gate.set()
    await asyncio.gather(*tasks)


async def test_reject() -> None:
    line = Line(Admission())
    first = line.come("a")
    await settled()
    with pytest.raises(SessionBusyError, match="when_busy='enqueue'"):
        await line.come("b", when_busy="reject")
    line.gates["a"].set()
    await first
    line.come("c", when_busy="reject")
    await settled()
    assert line.inside == ["a", "c"]
    line.gates["c"].set()
    await settled()


@pytest.mark.parametrize(("policy", "error"), [("interrupt", RunCancelledError), ("rollback", RunRolledBackError)])
async def test_the_running_one_is_cancelled_for_one_that_is_next(policy: str, error: type[Exception]) -> None:
    line = Line(Admission())
    first, waiting = line.come("a"), line.come("waiting")
    await settled()
    urgent, later = line.come("urgent", when_busy=policy), line.come("later", when_busy=policy)
    await settled()
    assert isinstance(first.exception(), error)
    for name in ("urgent", "later", "waiting"):
        await settled()
        assert line.inside[-1] == name
        line.gates[name].set()
    await asyncio.gather(urgent, later, waiting)


async def test_one_that_leaves_the_line_is_passed_over() -> None:
    line = Line(Admission())
    tasks = {name: line.come(name) for name in "abcd"}
    await settled()
    tasks["b"].cancel()
    tasks["c"].cancel()
    await settled()
    line.gates["a"].set()
    await settled()
    assert line.inside == ["a", "d"]
    line.gates["d"].set()
    await tasks["d"]


async def test_one_that_is_cancelled_as_it_is_let_in_passes_its_turn_on() -> None:
    line = Line(Admission())
    tasks = {name: line.come(name) for name in "abc"}
    await settled()
    line.gates["a"].set()
    while not tasks["a"].done():  # noqa: ASYNC110 - each turn of the loop counts here
        await asyncio.sleep(0)
    tasks["b"].cancel()
    await settled()
    assert line.inside[-1] == "c"
    line.gates["c"].set()
    await tasks["c"]


async def test_so_many_sessions_at_once() -> None:
    line = Line(Admission(2))
    tasks = [line.come(name, session=name) for name in "abcd"]
    await settled()
    assert line.inside == ["a", "b"]
    line.gates["b"].set()
    await settled()
    assert line.inside == ["a", "b", "c"]
    for gate in line.gates.values():
        gate.set()
    await asyncio.gather(*tasks)


async def test_one_that_waits_for_its_session_takes_no_place() -> None:
    line = Line(Admission(2))
    tasks = [line.come("a"), line.come("b"), line.come("c"), line.come("x", session="other")]
    await settled()
    assert line.inside == ["a", "x"]
    for gate in line.gates.values():
        gate.set()
    await asyncio.gather(*tasks)
    assert sorted(line.inside) == ["a", "b", "c", "x"]


async def test_one_in_a_loop_that_ended_is_passed_over_and_later_takes_nobodys_turn() -> None:
    admission = Admission()
    await admission.enter("s", CancelScope(), "enqueue")
    gone = admission.enter("s", CancelScope(), "enqueue")

    def wait_and_be_gone() -> None:
        async def begin() -> None:
            gone.send(None)

        asyncio.run(begin())

    await asyncio.to_thread(wait_and_be_gone)
    next_one, last = (asyncio.create_task(admission.enter("s", CancelScope(), "enqueue")) for _ in range(2))
    await settled()
    admission.leave("s")
    async with asyncio.timeout(PATIENCE):
        await next_one
    gone.close()
    await settled()
    assert not last.done()
    admission.leave("s")
    await last
    admission.leave("s")


def test_many_threads_never_two_in_one_session_and_no_more_than_the_limit() -> None:
    admission = Admission(3)
    lock = threading.Lock()
    inside: dict[str, int] = {}
    most: list[int] = []
    entered: list[str] = []

    async def one(rng: random.Random) -> None:
        session = rng.choice("abcdef")
        await admission.enter(session, CancelScope(), "enqueue")
        with lock:
            inside[session] = inside.get(session, 0) + 1
            assert inside[session] == 1
            most.append(sum(inside.values()))
            entered.append(session)
        try:
            await asyncio.sleep(0)
        finally:
            with lock:
                inside[session] -= 1
            admission.leave(session)

    async def many(seed: int) -> None:
        rng = random.Random(seed)
        tasks = [asyncio.create_task(one(rng)) for _ in range(60)]
        for task in rng.sample(tasks, 15):
            await asyncio.sleep(0)
            task.cancel()
        for outcome in await asyncio.gather(*tasks, return_exceptions=True):
            if isinstance(outcome, Exception):
                raise outcome

    failures: list[BaseException] = []

    def work(seed: int) -> None:
        try:
            asyncio.run(asyncio.wait_for(many(seed), PATIENCE))
        except BaseException as error:  # noqa: BLE001 - raised again below
            failures.append(error)

    threads = [threading.Thread(target=work, args=(seed,)) for seed in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failures == []
    assert max(most) <= 3
    assert len(entered) >= 4 * 45
