# SPDX-License-Identifier: Apache-2.0
"""BaseMemoryService: what is remembered of ended conversations, and found again by a query."""

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from typing import Any

from runwright.event import Event
from runwright.record import Record
from runwright.session import Session
from runwright.types import Content


class MemoryEntry(Record, kw_only=True):
    """One thing remembered. ``timestamp`` is when it was said, as ISO 8601 text."""

    content: Content
    custom_metadata: dict[str, Any] = {}
    id: str | None = None
    author: str | None = None
    timestamp: str | None = None


class SearchMemoryResponse(Record, kw_only=True):
    """What a search found, the best first."""

    memories: list[MemoryEntry] = []


class Embedder(ABC):
    """Turns texts into vectors, such that texts alike in meaning get vectors that point the same way.

    Attributes:
        name: Which model makes the vectors, and how. Vectors of different names are never compared, so whatever
            changes the vectors changes the name.
        dimensions: How many numbers a vector has.
        least_likeness: Two texts whose vectors' cosine is not above it have nothing to do with each other: a search
            leaves such finds out. The default takes all that do not point away from each other; what is right
            depends on the model.
    """

    name: str
    dimensions: int
    least_likeness: float = 0.0

    @abstractmethod
    async def embed(self, texts: Sequence[str]) -> list[list[float]]:
        """One vector for each text that is to be found, in their order.

        Raises:
            ModelError: The model could not be asked, or gave something else.
        """

    async def embed_query(self, text: str) -> list[float]:
        """The vector of a question. As that of any other text, unless the model tells the two apart."""
        return (await self.embed([text]))[0]

    async def close(self) -> None:
        """Gives back what it holds. Whoever made the embedder closes it: services share it."""


class BaseMemoryService(ABC):
    """Remembers. Each implementation passes ``runwright.testing.MemoryServiceContract``.

    A search never leaves its (app name, user id).
    """

    @abstractmethod
    async def add_session_to_memory(self, session: Session) -> None:
        """Remembers what was said in a session. Doing so again adds only what is new since."""

    @abstractmethod
    async def add_events_to_memory(
        self,
        *,
        app_name: str,
        user_id: str,
        events: Sequence[Event],
        session_id: str | None = None,
        custom_metadata: Mapping[str, Any] | None = None,
    ) -> None:
        """Remembers some events. An event that is known already is not added twice."""

    @abstractmethod
    async def add_memory(self, *, app_name: str, user_id: str, memories: Sequence[MemoryEntry]) -> None:
        """Remembers entries as they are. An entry with the id of a known one takes its place."""

    @abstractmethod
    async def delete_memory(self, *, app_name: str, user_id: str, memory_id: str) -> None:
        """Forgets one entry. Nothing happens where there is none."""

    @abstractmethod
    async def search_memory(self, *, app_name: str, user_id: str, query: str) -> SearchMemoryResponse:
        """What is remembered about ``query``, the best first."""

    async def close(self) -> None:
        """Gives back what the service holds. Call it once, at the end."""
