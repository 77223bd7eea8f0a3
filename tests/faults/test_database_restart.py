# SPDX-License-Identifier: Apache-2.0
"""PostgreSQL is stopped, killed and started again under load: nothing acknowledged is lost, nothing is doubled."""

import asyncio
from contextlib import aclosing
from typing import Any

import pytest

from runwright import Runner, Session
from runwright.durable import DurableSessionService
from runwright.errors import RunwrightError, StorageError
from tests.faults.stores import APP, Place, read
from tests.faults.talk import talker
from tests.postgres import PostgresServer

TALKERS = 6
SECONDS_BETWEEN = 0.5


class Load:
    """Users who talk, each in a session of their own, until they are told to stop.

    Attributes:
        acknowledged: The ids of the events that each user was given.
        ended: How many turns came to their end.
        errors: What was raised in place of that.
    """

    def __init__(self, runner: Runner) -> None:
        self.acknowledged: dict[str, list[str]] = {f"u{number}": [] for number in range(TALKERS)}
        self.ended = 0
        self.errors: list[RunwrightError] = []
        self.stop = False
        self._runner = runner

    async def talk(self, user_id: str) -> None:
        turn = 0
        while not self.stop:
            turn += 1
            try:
                await self.say(user_id, f"{user_id} {turn}")
                self.ended += 1
            except RunwrightError as error:
                self.errors.append(error)

    async def say(self, user_id: str, text: str) -> None:
        stream = self._runner.run_async(user_id=user_id, session_id="s", new_message=text, yield_user_message=True)
        async with aclosing(stream):
            async for event in stream:
                self.acknowledged[user_id].append(event.id)


async def told_on(load: Load, *, more_than: int) -> None:
    """Returns when more turns than these have ended."""
    async with asyncio.timeout(60):
        while load.ended <= more_than:  # noqa: ASYNC110 - a turn tells nobody but its caller
            await asyncio.sleep(0.01)


async def test_a_restart_under_load_loses_nothing_and_doubles_nothing(
    postgres_server: PostgresServer, full: bool
) -> None:
    service = Place("postgres", postgres_server.url()).open()
    modes = ["kill", "fast", "immediate"] * (5 if full else 1)
    async with Runner(APP, talker(), service, auto_create_session=True) as runner:
        load = Load(runner)
        async with asyncio.TaskGroup() as group:
            for user_id in load.acknowledged:
                group.create_task(load.talk(user_id))
            await told_on(load, more_than=TALKERS)
            for mode in modes[: None if full else 1]:
                await asyncio.to_thread(restart, postgres_server, mode)
                await told_on(load, more_than=load.ended + TALKERS)
                await asyncio.sleep(SECONDS_BETWEEN if full else 0)
            load.stop = True
        assert all(isinstance(error, StorageError) for error in load.errors), load.errors
        for user_id in load.acknowledged:
            await load.say(user_id, "the last word")
            check(await read(service, user_id, "s"), load.acknowledged[user_id])
            await no_run_is_left(service, user_id)
    await service.close()


def restart(server: PostgresServer, mode: Any) -> None:
    if mode == "kill":
        server.kill()
        server.start()
    else:
        server.restart(mode)


def check(session: Session, acknowledged: list[str]) -> None:
    stored = [event.id for event in session.events]
    assert [one for one in acknowledged if one not in set(stored)] == [], "acknowledged events are lost"
    assert len(set(acknowledged)) == len(acknowledged)
    calls = [call.id for event in session.events for call in event.get_function_calls()]
    answers = [answer.id for event in session.events for answer in event.get_function_responses()]
    assert sorted(map(str, calls)) == sorted(map(str, answers))


async def no_run_is_left(service: DurableSessionService, user_id: str) -> None:
    running = await service.list_runs(app_name=APP, user_id=user_id, status=["running"])
    assert running == []


async def test_a_server_that_is_gone_is_a_typed_error(postgres_server: PostgresServer, full: bool) -> None:
    place = Place("postgres", postgres_server.url())
    service = place.open()
    async with Runner(APP, talker(), service, auto_create_session=True) as runner:
        try:
            await runner.run_async(user_id="u", session_id="s", new_message="before")
            if not full:  # one that never reached the server does not wait for it as long
                await service.close()
                runner.session_service = service = place.open()
            postgres_server.stop()
            with pytest.raises(StorageError):
                await runner.run_async(user_id="u", session_id="s", new_message="meanwhile")
            postgres_server.start()
            await runner.run_async(user_id="u", session_id="s", new_message="after")
            session = await read(service, "u", "s")
        finally:
            await service.close()
    said = [event.content.parts[0].text for event in session.events if event.author == "user" and event.content]
    assert said in (["before", "after"], ["before", "meanwhile", "after"])
