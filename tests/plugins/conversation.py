# SPDX-License-Identifier: Apache-2.0
"""One user's session with an agent, as the tests of plugins use it."""

from collections.abc import Callable
from typing import Any

from runwright import Event, InMemoryRunner, RunConfig, Session, types
from runwright.model import LlmRequest


class Chat:
    """A session that goes on with each message."""

    def __init__(self, runner: InMemoryRunner) -> None:
        self.runner = runner

    async def say(self, message: Any, run_config: RunConfig | None = None) -> list[Event]:
        """Sends a message and gives what came of it."""
        events = self.runner.run_async(user_id="u", session_id="s", new_message=message, run_config=run_config)
        return [event async for event in events]

    async def session(self) -> Session:
        """The session as it is stored."""
        session = await self.runner.session_service.get_session(app_name="chats", user_id="u", session_id="s")
        assert session is not None
        return session


Chats = Callable[..., Chat]
"""Starts a chat with an agent, under plugins: ``chat(agent, plugin, ...)``."""


def shown(request: LlmRequest) -> list[str]:
    """The messages of a request, shortly."""
    return [_shown(part) for content in request.contents for part in content.parts or ()]


def _shown(part: types.Part) -> str:
    if part.function_call is not None:
        return f"call {part.function_call.name}"
    if part.function_response is not None:
        return f"answer {part.function_response.name}"
    return part.text or ""


def results(events: list[Event]) -> list[dict[str, Any]]:
    """What tools answered, in order."""
    return [answer.response or {} for event in events for answer in event.get_function_responses()]


def text(events: list[Event]) -> str:
    """What was said at last."""
    return types.text_of(events[-1].content)
