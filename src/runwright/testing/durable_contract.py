# SPDX-License-Identifier: Apache-2.0
"""The suite that every durable session service passes, in addition to that of every session service: runs, the ledger
of calls, news and idle sessions; and, from the module beside it, leases."""

import asyncio
from contextlib import aclosing
from typing import Any

import pytest

from runwright import clock
from runwright.durable import CallRecord, DurableSessionService, RunRecord
from runwright.errors import (
    InvalidStateError,
    SessionNotFoundError,
    StaleSessionError,
)
from runwright.event import EventActions
from runwright.session import GetSessionConfig
from runwright.testing.durable_lease_contract import LeaseContract
from runwright.types import FunctionResponse, text_of

PATIENCE_SECONDS = 10.0
ODD_TEXT = "'; DROP TABLE run; --\x00 \\ % 文字 🙂"


class DurableSessionContract(LeaseContract):
    """Subclass it, say how the service is made and how another one on the same data is, and pytest runs it::

    class TestMyRuns(DurableSessionContract):
        async def create_service(self):
            return MyService(self.place)

        async def another(self, service):
            return MyService(self.place)
    """

    # --- a run --------------------------------------------------------------------------------------------------

    async def test_a_run_is_recorded_with_its_first_event(self, service: DurableSessionService) -> None:
        session = await self.made(service)
        event = self.said("hello", {"k": [1], "user:k": 2, "app:k": 3, "temp:k": 4})
        await service.start_run(session, "i", event)
        assert session.lease is not None
        assert (session.events, session.seq) == ([event], 1)
        assert session.state == {"k": [1], "user:k": 2, "app:k": 3, "temp:k": 4}
        again = await self.read(service)
        assert again.events == [event]
        assert (again.seq, again.state, again.lease) == (1, {"k": [1], "user:k": 2, "app:k": 3}, None)
        assert again.last_update_time == session.last_update_time == event.timestamp
        (run,) = await service.list_runs(app_name="app", user_id="u", session_id="s")
        assert run == RunRecord(
            app_name="app",
            user_id="u",
            session_id="s",
            invocation_id="i",
            status="running",
            start_time=run.start_time,
            update_time=run.update_time,
        )
        assert run.update_time >= run.start_time > 0
        await service.append_event(session, self.said("more"))
        assert (session.seq, (await self.read(service)).seq) == (2, 2)

    async def test_a_run_without_an_event(self, service: DurableSessionService) -> None:
        session = await self.made(service, k=1)
        before = session.last_update_time
        await service.start_run(session, "i")
        assert (session.events, session.seq, session.last_update_time) == ([], 0, before)
        again = await self.read(service)
        assert (again.seq, again.last_update_time) == (0, before)
        assert await self.runs(service) == [("i", "running", False)]

    @pytest.mark.parametrize("status", ["paused", "completed", "failed", "cancelled"])
    async def test_a_run_ends_as_it_is_told(self, service: DurableSessionService, status: Any) -> None:
        session = await self.made(service)
        await service.start_run(session, "i", self.said("hello"))
        await service.end_run(session, "i", status, error=ODD_TEXT if status == "failed" else None)
        assert session.lease is None
        (run,) = await service.list_runs(app_name="app")
        assert (run.status, run.interrupted) == (status, False)
        assert run.error == (ODD_TEXT if status == "failed" else None)
        service = await self.restarted(service)
        assert await self.runs(service) == [("i", status, False)]

    async def test_one_run_after_another(self, service: DurableSessionService) -> None:
        session = await self.made(service)
        for number in (3, 1, 2):
            await service.start_run(session, f"i{number}", self.said("hello"))
            await service.end_run(session, f"i{number}", "completed")
        assert await self.runs(service) == [(f"i{number}", "completed", False) for number in (3, 1, 2)]
        assert (await self.read(service)).seq == session.seq == 3

    async def test_a_run_that_waits_goes_on(self, service: DurableSessionService) -> None:
        session = await self.made(service)
        await service.start_run(session, "i", self.said("hello"))
        await service.end_run(session, "i", "paused")
        await service.start_run(session, "j")
        await service.end_run(session, "j", "failed", error="why")
        service = await self.restarted(service)
        session = await self.read(service)
        await service.start_run(session, "i", self.said("the answer"))
        assert await self.runs(service) == [("i", "running", False), ("j", "failed", False)]
        await service.end_run(session, "i", "completed")
        assert await self.runs(service) == [("i", "completed", False), ("j", "failed", False)]
        assert session.seq == 2

    async def test_odd_ids_are_ids_like_any_other(self, service: DurableSessionService) -> None:
        session = await self.made(service)
        await service.start_run(session, ODD_TEXT, self.said(ODD_TEXT, {ODD_TEXT: ODD_TEXT, f"user:{ODD_TEXT}": 1}))
        call = CallRecord(invocation_id=ODD_TEXT, call_id=ODD_TEXT, name=ODD_TEXT)
        await service.record_call(session, call)
        assert await service.list_calls(session, ODD_TEXT) == [call]
        await service.end_run(session, ODD_TEXT, "completed")
        assert await self.runs(service) == [(ODD_TEXT, "completed", False)]
        assert (await self.read(service)).state == {ODD_TEXT: ODD_TEXT, f"user:{ODD_TEXT}": 1}

    async def test_an_event_that_cannot_be_stored_starts_nothing(self, service: DurableSessionService) -> None:
        session = await self.made(service)
        for event in (self.said("hello", {"k": float("nan")}), self.said("half a pair: \ud800")):
            with pytest.raises(InvalidStateError):
                await service.start_run(session, "i", event)
        assert (session.lease, session.events, session.seq) == (None, [], 0)
        assert await self.runs(service) == []
        await service.start_run(session, "i", self.said("hello"))

    async def test_a_session_that_is_not_there(self, service: DurableSessionService) -> None:
        session = await self.made(service)
        await service.delete_session(app_name="app", user_id="u", session_id="s")
        with pytest.raises(SessionNotFoundError, match="'s'"):
            await service.start_run(session, "i", self.said("hello"))
        await self.made(service)
        with pytest.raises(StaleSessionError, match="read it again"):
            await service.start_run(session, "i", self.said("hello"))
        assert session.lease is None

    async def test_a_copy_that_is_behind_starts_nothing(self, service: DurableSessionService) -> None:
        session = await self.made(service)
        await service.append_event(await self.read(service), self.said("first", {"user:k": 1}))
        with pytest.raises(StaleSessionError, match="read it again"):
            await service.start_run(session, "i", self.said("second"))
        assert await self.runs(service) == []
        session = await self.read(service)
        await service.start_run(session, "i", self.said("second"))
        assert (await self.read(service)).seq == 2

    async def test_shared_state_of_others_is_seen_when_a_run_starts(self, service: DurableSessionService) -> None:
        mine = await self.made(service)
        theirs = await self.made(service, "t")
        await service.append_event(theirs, self.said("x", {"user:k": 1, "app:k": 2}))
        revision = mine.revision
        await service.start_run(mine, "i", self.said("y"))
        assert mine.state == {"user:k": 1, "app:k": 2}
        assert mine.revision is not revision
        revision = mine.revision
        await service.append_event(mine, self.said("z", {"k": 1}))
        assert mine.revision is revision

    # --- lists of runs ------------------------------------------------------------------------------------------

    async def test_runs_by_place_and_by_status(self, service: DurableSessionService) -> None:
        for app_name, user_id, session_id in [("app", "u", "s"), ("app", "u", "t"), ("app", "v", "s"), ("b", "u", "s")]:
            session = await service.create_session(app_name=app_name, user_id=user_id, session_id=session_id)
            for status in ("completed", "paused"):
                name = f"{app_name}{user_id}{session_id}-{status}"
                await service.start_run(session, name, self.said("x"))
                await service.end_run(session, name, status)

        async def found(**wanted: Any) -> list[str]:
            return [one.invocation_id for one in await service.list_runs(**wanted)]

        of_us = ["appus-completed", "appus-paused"]
        of_u = [*of_us, "apput-completed", "apput-paused"]
        assert await found(app_name="app", user_id="u", session_id="s") == of_us
        assert sorted(await found(app_name="app", user_id="u")) == sorted(of_u)
        assert sorted(await found(app_name="app")) == sorted([*of_u, "appvs-completed", "appvs-paused"])
        assert await found(app_name="b", status=["paused"]) == ["bus-paused"]
        assert sorted(await found(app_name="app", status={"paused"})) == [
            "appus-paused",
            "apput-paused",
            "appvs-paused",
        ]
        assert await found(app_name="app", user_id="v", status=["completed", "failed"]) == ["appvs-completed"]
        assert await found(app_name="app", status=["running"]) == []
        assert await found(app_name="app", status=[]) == []
        assert await found(app_name="none") == await found(app_name="app", user_id="none") == []
        assert await found(app_name="app", user_id="u", session_id="none") == []

    # --- the ledger ---------------------------------------------------------------------------------------------

    async def test_calls_are_kept_in_the_order_in_which_they_were_started(self, service: DurableSessionService) -> None:
        session = await self.made(service)
        await service.start_run(session, "i", self.said("hello"))
        for call_id in ("c3", "c1", "c2"):
            await service.record_call(session, CallRecord(invocation_id="i", call_id=call_id, name="f"))
        done = CallRecord(
            invocation_id="i",
            call_id="c3",
            name="f",
            status="finished",
            attempts=2,
            response=FunctionResponse(id="c3", name="f", response={"result": [1, None, "\x00"]}),
            actions=EventActions(state_delta={"k": 1}, artifact_delta={"a": 1}, transfer_to_agent="other"),
        )
        await service.record_call(session, done)
        await service.record_call(session, CallRecord(invocation_id="j", call_id="c3", name="g"))
        service = await self.restarted(service)
        session = await self.read(service)
        calls = await service.list_calls(session, "i")
        assert [one.call_id for one in calls] == ["c3", "c1", "c2"]
        assert calls[0] == done
        assert calls[1] == CallRecord(invocation_id="i", call_id="c1", name="f")
        assert [one.name for one in await service.list_calls(session, "j")] == ["g"]
        assert await service.list_calls(session, "none") == []

    async def test_a_call_that_cannot_be_stored_leaves_the_row_that_was(self, service: DurableSessionService) -> None:
        session = await self.made(service)
        await service.start_run(session, "i")
        started = CallRecord(invocation_id="i", call_id="c", name="f")
        await service.record_call(session, started)
        for result in (object(), "half a pair: \ud800"):
            answer = FunctionResponse(id="c", name="f", response={"result": result})
            with pytest.raises(InvalidStateError):
                await service.record_call(
                    session,
                    CallRecord(invocation_id="i", call_id="c", name="f", status="finished", response=answer),
                )
        assert await service.list_calls(session, "i") == [started]

    async def test_calls_of_many_at_once(self, service: DurableSessionService) -> None:
        session = await self.made(service)
        await service.start_run(session, "i")
        calls = [CallRecord(invocation_id="i", call_id=f"c{number}", name="f") for number in range(50)]
        await asyncio.gather(*(service.record_call(session, call) for call in calls))
        assert {one.call_id for one in await service.list_calls(session, "i")} == {call.call_id for call in calls}

    # --- news ---------------------------------------------------------------------------------------------------

    async def test_a_follower_sees_each_event_once_and_in_order_whoever_wrote_it(
        self, service: DurableSessionService, other: DurableSessionService
    ) -> None:
        session = await self.made(service)
        for number in range(3):
            await service.append_event(session, self.said(str(number)))
        seen: list[str] = []
        async with (
            asyncio.timeout(PATIENCE_SECONDS),
            aclosing(service.follow(app_name="app", user_id="u", session_id="s", after_seq=1)) as events,
        ):
            async for event in events:
                seen.append(text_of(event.content))
                if seen[-1] == "7":
                    break
                if len(seen) >= 2:
                    writer = service if len(seen) % 2 else other
                    await writer.append_event(await self.read(writer), self.said(str(len(seen) + 1)))
        assert seen == [str(number) for number in range(1, 8)]

    async def test_a_follower_who_waits_is_woken(
        self, service: DurableSessionService, other: DurableSessionService
    ) -> None:
        await self.made(service)

        async def first() -> str:
            async with aclosing(service.follow(app_name="app", user_id="u", session_id="s")) as events:
                async for event in events:
                    return text_of(event.content)
            return "nothing"

        for writer in (service, other):
            async with asyncio.timeout(PATIENCE_SECONDS):
                session = await self.read(service)
                waiting = asyncio.create_task(service.wait_for_news(session))
                await asyncio.sleep(0)
                await writer.append_event(await self.read(writer), self.said("hello"))
                await waiting
        assert await first() == "hello"

    async def test_following_ends_with_the_session(self, service: DurableSessionService) -> None:
        session = await self.made(service)
        await service.append_event(session, self.said("hello"))
        seen: list[str] = []
        async with asyncio.timeout(PATIENCE_SECONDS):
            async for event in service.follow(app_name="app", user_id="u", session_id="s"):
                seen.append(text_of(event.content))
                await service.delete_session(app_name="app", user_id="u", session_id="s")
        assert seen == ["hello"]
        with pytest.raises(SessionNotFoundError, match="'s'"):
            async for _ in service.follow(app_name="app", user_id="u", session_id="s"):
                pass

    # --- idle sessions ------------------------------------------------------------------------------------------

    async def test_idle_sessions_are_deleted_but_for_those_that_run(self, service: DurableSessionService) -> None:
        day = 86_400.0
        with clock.replaced(now=lambda: 100 * day):
            for name in ("old", "told", "runs", "ended"):
                session = await self.made(service, name, **{"user:kept": 1})
                await service.append_event(session, self.said("hello"))
            running = await self.read(service, "runs")
            await service.start_run(running, "i", self.said("go"))
            ended = await self.read(service, "ended")
            await service.start_run(ended, "j", self.said("go"))
            await service.end_run(ended, "j", "paused")
            await service.create_session(app_name="b", user_id="u", session_id="old")
        with clock.replaced(now=lambda: 100 * day + 50):
            await service.append_event(await self.read(service, "told"), self.said("again"))
        with clock.replaced(now=lambda: 100 * day + 70):
            assert await service.delete_idle_sessions(app_name="app", idle_seconds=71) == 0
            assert await service.delete_idle_sessions(app_name="none", idle_seconds=1) == 0
            assert await service.delete_idle_sessions(app_name="app", idle_seconds=60) == 2
        left = (await service.list_sessions(app_name="app")).sessions
        assert [one.id for one in left] == ["told", "runs"]
        assert [one.id for one in (await service.list_sessions(app_name="b")).sessions] == ["old"]
        assert await self.runs(service) == [("i", "running", False)]
        assert await service.get_user_state(app_name="app", user_id="u") == {"kept": 1}
        with clock.replaced(now=lambda: 103 * day):
            assert await service.delete_idle_sessions(app_name="app", idle_seconds=day) == 1
        assert await service.get_session(app_name="app", user_id="u", session_id="told") is None
        await service.append_event(running, self.said("still here"))

    async def test_a_part_of_a_leased_session_may_be_read(self, service: DurableSessionService) -> None:
        session = await self.made(service)
        await service.start_run(session, "i", self.said("one"))
        await service.append_event(session, self.said("two"))
        config = GetSessionConfig(num_recent_events=1)
        part = await service.get_session(app_name="app", user_id="u", session_id="s", config=config)
        assert part is not None
        assert [text_of(event.content) for event in part.events] == ["two"]
        assert part.lease is None
