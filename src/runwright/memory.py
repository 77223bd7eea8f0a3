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
