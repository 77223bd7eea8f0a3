# SPDX-License-Identifier: Apache-2.0
"""What the samples of the seeds need: a model that answers offline, under the names that they use."""

import asyncio
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from runwright import LLMRegistry, LlmRequest, types
from runwright.testing import FunctionModel


def said_by_user(request: LlmRequest) -> list[str]:
    """The user's messages that a request holds, oldest first."""
    return [
        "".join(part.text or "" for part in content.parts or ())
        for content in request.contents
        if content.role == "user"
    ]


class Offline:
    """What the model named in the samples does in a test.

    Attributes:
        answer: The function that answers; by default it says which message this is and repeats it.
        requests: What the model was asked.
        asked: Set once it was asked.
    """

    def __init__(self) -> None:
        self.answer: Callable[[LlmRequest], Any] = self.echo
        self.requests: list[LlmRequest] = []
        self.asked = asyncio.Event()

    @staticmethod
    def echo(request: LlmRequest) -> str:
        said = said_by_user(request)
        return f"Answer {len(said)}: {said[-1]}"

    @staticmethod
    async def never(request: LlmRequest) -> str:
        """An answer that does not come."""
        await asyncio.Event().wait()
        raise AssertionError("nobody sets this event")

    def reply(self, request: LlmRequest) -> Any:
        self.requests.append(request)
        self.asked.set()
        return self.answer(request)


@pytest.fixture(autouse=True)
def offline() -> Iterator[Offline]:
    """Answers for ``gemini-2.0-flash`` while the test runs."""
    model = Offline()

    class OfflineGemini(FunctionModel):
        @classmethod
        def supported_models(cls) -> list[str]:
            return [r"gemini-2\.0-flash"]

        def __init__(self, *, model: str) -> None:
            super().__init__(said, model=model)

    said = model.reply
    LLMRegistry.register(OfflineGemini)
    yield model
    LLMRegistry.unregister(OfflineGemini)


@pytest.fixture
def texts() -> Callable[[Any], list[str]]:
    """The texts of events, those without text left out."""

    def of(events: Any) -> list[str]:
        contents: list[types.Content] = [event.content for event in events if event.content is not None]
        found = ["".join(part.text or "" for part in content.parts or ()) for content in contents]
        return [text for text in found if text]

    return of
