# SPDX-License-Identifier: Apache-2.0
"""That a session has one writer at a time, whoever and wherever it is. Part of the durable suite."""

import asyncio
import gc

import pytest

from runwright import clock
from runwright.durable import CallRecord, DurableSessionService
from runwright.errors import (
    LeaseLostError,
    SessionBusyError,
    SessionNotFoundError,
    StaleSessionError,
)
from runwright.testing.durable_suite import DurableSuite
from runwright.types import text_of


class LeaseContract(DurableSuite):
    async def test_a_session_that_runs_is_busy(
        self, service: DurableSessionService, other: DurableSessionService
    ) -> None:
        session = await self.made(service)
        await service.start_run(session, "i", self.said("hello"))
        for elsewhere in (service, other):
            copy = await self.read(elsewhere)
            with pytest.raises(SessionBusyError, match="'s'"):
                await elsewhere.start_run(copy, "j", self.said("me too"))
            assert (copy.lease, copy.seq) == (None, 1)
        await service.append_event(session, self.said("still mine"))
        await service.end_run(session, "i", "completed")
        await service.flush()
        copy = await self.read(other)
        await other.start_run(copy, "j", self.said("now me"))
        assert await self.runs(other) == [("i", "completed", False), ("j", "running", False)]
        assert await self.runs(service) == [("i", "completed", False), ("j", "running", False)]

    async def test_of_many_that_want_a_session_one_gets_it(
        self, service: DurableSessionService, other: DurableSessionService
    ) -> None:
        await self.made(service)
        copies = [(one, await self.read(one)) for one in (service, other) for _ in range(10)]
        done = await asyncio.gather(
            *(one.start_run(copy, f"i{n}", self.said("hello")) for n, (one, copy) in enumerate(copies)),
            return_exceptions=True,
        )
        assert sum(one is None for one in done) == 1
        assert sum(isinstance(one, SessionBusyError | StaleSessionError) for one in done) == 19
        assert sum(copy.lease is not None for _, copy in copies) == 1
        assert len(await self.runs(service)) == 1
        assert (await self.read(service)).seq == 1

    @pytest.mark.parametrize("elsewhere", [False, True])
    async def test_a_writer_whose_session_was_taken_over_is_refused(
        self, service: DurableSessionService, other: DurableSessionService, elsewhere: bool
    ) -> None:
        taker = other if elsewhere else service
        zombie = await self.made(service)
        await service.start_run(zombie, "i", self.said("hello"))
        session = await self.read(taker)
        await taker.start_run(session, "j", self.said("mine now"), take_over=True)
        zombie.seq = session.seq  # whatever it knows of the log
        for write in (
            service.append_event(zombie, self.said("too late", {"k": 1, "user:k": 1})),
            service.record_call(zombie, CallRecord(invocation_id="i", call_id="c", name="f")),
        ):
            with pytest.raises(LeaseLostError):
                await write
        await service.end_run(zombie, "i", "completed")
        assert await self.runs(service) == [("i", "cancelled", False), ("j", "running", False)]
        assert await service.list_calls(zombie, "i") == []
        await taker.append_event(session, self.said("undisturbed"))
        again = await self.read(service)
        assert [text_of(event.content) for event in again.events] == ["hello", "mine now", "undisturbed"]
        assert again.state == {}
        await taker.end_run(session, "j", "completed")
        assert await self.runs(taker) == [("i", "cancelled", False), ("j", "completed", False)]

    @pytest.mark.parametrize("invocation_id", ["i", "e-0a1b2c3d-4e5f-4a6b-8c7d-9e0f1a2b3c4d", "e-" + 36 * "g"])
    async def test_a_run_taken_over_by_itself_goes_on(
        self, service: DurableSessionService, other: DurableSessionService, invocation_id: str
    ) -> None:
        session = await self.made(service)
        await service.start_run(session, invocation_id, self.said("hello"))
        copy = await self.read(other)
        await other.start_run(copy, invocation_id, take_over=True)
        assert await self.runs(other) == [(invocation_id, "running", False)]
        await other.end_run(copy, invocation_id, "completed")
        assert await self.runs(other) == [(invocation_id, "completed", False)]
        await other.start_run(copy, invocation_id.upper())
        assert [one for one, _, _ in await self.runs(other)] == [invocation_id, invocation_id.upper()]

    async def test_a_session_may_be_taken_over_that_nobody_runs(self, service: DurableSessionService) -> None:
        session = await self.made(service)
        await service.start_run(session, "i", self.said("hello"), take_over=True)
        await service.end_run(session, "i", "completed")
        await service.start_run(session, "j", take_over=True)
        assert await self.runs(service) == [("i", "completed", False), ("j", "running", False)]

    async def test_a_run_that_was_abandoned_is_interrupted_and_its_session_free(
        self, service: DurableSessionService, other: DurableSessionService
    ) -> None:
        session = await self.made(service)
        await service.start_run(session, "i", self.said("hello"))
        del session
        gc.collect()
        assert await self.runs(service) == [("i", "running", True)]
        session = await self.read(service)
        await service.start_run(session, "j", self.said("next"))
        assert await self.runs(service) == [("i", "cancelled", False), ("j", "running", False)]
        await service.end_run(session, "j", "completed")
        await service.start_run(session, "i")
        assert await self.runs(service) == [("i", "running", False), ("j", "completed", False)]
        assert await self.runs(other) == [("i", "running", False), ("j", "completed", False)]

    async def test_what_a_closed_service_ran_is_interrupted_and_free(self, service: DurableSessionService) -> None:
        session = await self.made(service)
        await service.start_run(session, "i", self.said("hello"))
        service = await self.restarted(service)
        assert await self.runs(service) == [("i", "running", True)]
        session = await self.read(service)
        await service.start_run(session, "i")
        assert await self.runs(service) == [("i", "running", False)]
        await service.append_event(session, self.said("on it goes"))

    async def test_events_may_be_appended_outside_of_the_run(
        self, service: DurableSessionService, other: DurableSessionService
    ) -> None:
        session = await self.made(service)
        await service.start_run(session, "i", self.said("hello"))
        await other.append_event(await self.read(other), self.said("by the way"))
        with pytest.raises(StaleSessionError) as caught:
            await service.append_event(session, self.said("answer"))
        assert not isinstance(caught.value, LeaseLostError)
        lease, session = session.lease, await self.read(service)
        session.lease = lease
        await service.append_event(session, self.said("answer"))
        assert (await self.read(other)).seq == 3

    async def test_a_deleted_session_is_not_written_to(self, service: DurableSessionService) -> None:
        session = await self.made(service)
        await service.start_run(session, "i", self.said("hello"))
        await service.record_call(session, CallRecord(invocation_id="i", call_id="c", name="f"))
        await service.delete_session(app_name="app", user_id="u", session_id="s")
        with pytest.raises(SessionNotFoundError):
            await service.append_event(session, self.said("more"))
        with pytest.raises(SessionNotFoundError):
            await service.record_call(session, CallRecord(invocation_id="i", call_id="d", name="f"))
        await service.end_run(session, "i", "completed")
        assert await self.runs(service) == []
        again = await self.made(service)
        assert await service.list_calls(again, "i") == []
        await service.start_run(again, "i")
        assert await self.runs(service) == [("i", "running", False)]

    async def test_no_clock_decides(self, service: DurableSessionService, other: DurableSessionService) -> None:
        session = await self.made(service)
        await service.start_run(session, "i", self.said("hello"))
        for now in (1.0, 4e9, 0.0, 1.0):
            with clock.replaced(now=lambda now=now: now):
                copy = await self.read(other)
                with pytest.raises(SessionBusyError):
                    await other.start_run(copy, "j", self.said("me too"))
                await service.append_event(session, self.said(str(now)))
        with clock.replaced(now=lambda: 0.5):
            await service.end_run(session, "i", "completed")
            for number in range(3):
                await service.start_run(session, f"j{number}", self.said(f"j{number}"))
                await service.end_run(session, f"j{number}", "completed")
        order = [one for one, _, _ in await self.runs(service, user_id="u", session_id="s")]
        assert order == ["i", "j0", "j1", "j2"]
        texts = [text_of(event.content) for event in (await self.read(other)).events]
        assert texts == ["hello", "1.0", "4000000000.0", "0.0", "1.0", "j0", "j1", "j2"]
