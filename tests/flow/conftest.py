# SPDX-License-Identifier: Apache-2.0
"""A conversation with an agent, as a user of the engine has it, and short forms of what a model was shown."""

from collections.abc import AsyncIterator, Callable
from contextlib import aclosing
from typing import Any

import pytest

from runwright import BaseAgent, Event, InMemoryRunner, LlmRequest, Session, types

USER = "ada"


class Chat:
    """Messages to an agent in one session, and what came of them."""

    def __init__(self, runner: InMemoryRunner) -> None:
        self.runner = runner

    async def say(self, message: Any = "Hello", *, session_id: str = "s", **options: Any) -> list[Event]:
        """Says something and gives all events that come back."""
        events: list[Event] = []
        stream = self.runner.run_async(user_id=USER, session_id=session_id, new_message=message, **options)
        async with aclosing(stream):
            async for event in stream:
                events.append(event)
        return events

    async def fails(
        self, kind: type[Exception], message: Any = "Hello", **options: Any
    ) -> tuple[Exception, list[Event]]:
        """The same where the run is to fail: gives the error and the events before it."""
        events: list[Event] = []
        stream = self.runner.run_async(user_id=USER, session_id="s", new_message=message, **options)
        with pytest.raises(kind) as raised:
            async with aclosing(stream):
                async for event in stream:
                    events.append(event)
        return raised.value, events

    async def session(self, session_id: str = "s") -> Session:
        """The session as it is stored."""
        session = await self.runner.session_service.get_session(
            app_name=self.runner.app_name, user_id=USER, session_id=session_id
        )
        assert session is not None
        return session

    async def state(self) -> dict[str, Any]:
        return (await self.session()).state


@pytest.fixture
async def chat() -> AsyncIterator[Callable[..., Chat]]:
    """Makes conversations, and closes their runners."""
    made: list[Chat] = []

    def make(agent: BaseAgent, **options: Any) -> Chat:
        made.append(Chat(InMemoryRunner(agent, **options)))
        return made[-1]

    yield make
    for one in made:
        await one.runner.close()


def brief(part: types.Part) -> Any:
    """A part in short: its text, ``name(arguments)``, or what a function answered."""
    if (call := part.function_call) is not None:
        arguments = ", ".join(f"{name}={value!r}" for name, value in (call.args or {}).items())
        return f"{call.name}({arguments})"
    if (answer := part.function_response) is not None:
        return {answer.name: answer.response}
    return part.text


@pytest.fixture
def seen() -> Callable[[LlmRequest], list[Any]]:
    """What a model was shown: one line a message, ``(role, part, ...)``."""

    def of(request: LlmRequest) -> list[Any]:
        return [(content.role, *map(brief, content.parts or ())) for content in request.contents]

    return of


@pytest.fixture
def said() -> Callable[[list[Event]], list[Any]]:
    """What events say: ``(author, part, ...)``, those without content left out."""

    def of(events: list[Event]) -> list[Any]:
        return [(event.author, *map(brief, event.content.parts or ())) for event in events if event.content is not None]

    return of
