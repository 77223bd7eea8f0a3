# SPDX-License-Identifier: Apache-2.0
"""A conversation with a workflow, as a user of the engine has it."""

from collections.abc import AsyncIterator, Callable
from contextlib import aclosing
from typing import Any

import pytest

from runwright import BaseAgent, Event, InMemorySessionService, Runner, Session, types

USER = "ada"


class Talk:
    """Messages to an agent in one session, and what came of them."""

    def __init__(self, agent: BaseAgent, **options: Any) -> None:
        self.agent = agent
        self.options = options
        self.service = InMemorySessionService()
        self.closed: list[Runner] = []
        self.restart()

    def restart(self, agent: BaseAgent | None = None) -> None:
        """Goes on with another runner, which has nothing but the stored session."""
        self.agent = agent or self.agent
        self.runner = Runner("app", self.agent, self.service, auto_create_session=True, **self.options)
        self.closed.append(self.runner)

    async def say(self, message: Any = "Hello", **options: Any) -> list[Event]:
        """Says something and gives all events that come back."""
        events: list[Event] = []
        stream = self.runner.run_async(user_id=USER, session_id="s", new_message=message, **options)
        async with aclosing(stream):
            async for event in stream:
                events.append(event)
        return events

    async def answer(self, **answers: Any) -> list[Event]:
        """Answers what was asked, by id."""
        parts = [
            types.Part(
                function_response=types.FunctionResponse(id=key, name="adk_request_input", response={"result": value})
            )
            for key, value in answers.items()
        ]
        return await self.say(types.Content(role="user", parts=parts))

    async def fails(self, kind: type[BaseException], message: Any = "Hello") -> tuple[BaseException, list[Event]]:
        """Says something that is to fail; gives the error and the events before it."""
        events: list[Event] = []
        stream = self.runner.run_async(user_id=USER, session_id="s", new_message=message)
        with pytest.raises(kind) as raised:
            async with aclosing(stream):
                async for event in stream:
                    events.append(event)
        return raised.value, events

    async def session(self) -> Session:
        """The session as it is stored."""
        session = await self.service.get_session(app_name="app", user_id=USER, session_id="s")
        assert session is not None
        return session


@pytest.fixture
async def talk() -> AsyncIterator[Callable[..., Talk]]:
    """Makes conversations, and closes their runners."""
    made: list[Talk] = []

    def make(agent: BaseAgent, **options: Any) -> Talk:
        made.append(Talk(agent, **options))
        return made[-1]

    yield make
    for one in made:
        for runner in one.closed:
            await runner.close()


@pytest.fixture
def outputs() -> Callable[[list[Event]], list[Any]]:
    """What the nodes gave, as ``(node@run, output)``; of an agent that speaks, its text."""

    def of(events: list[Event]) -> list[Any]:
        found: list[Any] = []
        for event in events:
            if event.node_info.output_for:
                said = "".join(part.text or "" for part in event.content.parts or ()) if event.content else None
                path = event.node_info.path.partition("/")[2]
                found.append((path, said if event.node_info.message_as_output else event.output))
        return found

    return of


@pytest.fixture
def asked() -> Callable[[list[Event]], list[str]]:
    """The ids of the questions among some events."""

    def of(events: list[Event]) -> list[str]:
        return [
            call.id or "" for event in events for call in event.get_function_calls() if call.name == "adk_request_input"
        ]

    return of
