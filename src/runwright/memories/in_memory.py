# SPDX-License-Identifier: Apache-2.0
"""Memories in this process's memory, found by the words they share with the query."""

import math
import threading
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from runwright.event import Event
from runwright.memories.entries import MOST_FOUND, decoded, ready_events, ready_memories
from runwright.memories.words import words_of
from runwright.memory import BaseMemoryService, MemoryEntry, SearchMemoryResponse
from runwright.session import Session


class _Shelf:
    """What is remembered for one user of one app, and the index of its words."""

    __slots__ = ("entries", "forgotten", "index", "words")

    def __init__(self) -> None:
        self.entries: dict[str, bytes] = {}
        self.words: dict[str, frozenset[str]] = {}
        self.index: dict[str, set[str]] = {}
        self.forgotten: set[str] = set()

    def put(self, key: str, data: bytes, words: frozenset[str]) -> None:
        self.drop_words(key)
        self.entries[key] = data
        self.words[key] = words
        for word in words:
            self.index.setdefault(word, set()).add(key)

    def drop_words(self, key: str) -> None:
        for word in self.words.pop(key, ()):
            having = self.index[word]
            having.discard(key)
            if not having:
                del self.index[word]

    def ranked(self, query: Iterable[str]) -> list[str]:
        """The keys of all that share a word with the query. A rare word counts for more than a common one."""
        scores: dict[str, float] = {}
        for word in sorted(query):
            having = self.index.get(word, ())
            for key in having:
                scores[key] = scores.get(key, 0.0) + math.log1p(len(self.entries) / len(having))
        # In the order of adding first; sorting keeps that order among equals.
        found = [key for key in self.entries if key in scores] if scores else []
        return sorted(found, key=lambda key: -round(scores[key], 9))


class InMemoryMemoryService(BaseMemoryService):
    """Remembers texts, and finds the ten that share the most words with a query, rare words before common ones.

    Case, accents' spelling and width do not matter; in scripts without spaces between the words, two neighbouring
    characters count as a word. What was forgotten by ``delete_memory`` does not come back with its session. Threads
    and event loops may share it.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._shelves: dict[tuple[str, str], _Shelf] = {}

    async def add_session_to_memory(self, session: Session) -> None:
        await self.add_events_to_memory(app_name=session.app_name, user_id=session.user_id, events=session.events)

    async def add_events_to_memory(
        self,
        *,
        app_name: str,
        user_id: str,
        events: Sequence[Event],
        session_id: str | None = None,
        custom_metadata: Mapping[str, Any] | None = None,
    ) -> None:
        with self._lock:
            shelf = self._shelves.setdefault((app_name, user_id), _Shelf())
            new = [event for event in events if event.id not in shelf.entries and event.id not in shelf.forgotten]
        ready = ready_events(new, custom_metadata)
        with self._lock:
            for entry in ready:
                # Asked again: another thread may have added it while this one encoded.
                if entry.id not in shelf.entries and entry.id not in shelf.forgotten:
                    shelf.put(entry.id, entry.data, frozenset(entry.words))

    async def add_memory(self, *, app_name: str, user_id: str, memories: Sequence[MemoryEntry]) -> None:
        ready = ready_memories(memories)
        with self._lock:
            shelf = self._shelves.setdefault((app_name, user_id), _Shelf())
            for entry in ready:
                shelf.put(entry.id, entry.data, frozenset(entry.words))

    async def delete_memory(self, *, app_name: str, user_id: str, memory_id: str) -> None:
        with self._lock:
            shelf = self._shelves.get((app_name, user_id))
            if shelf is not None and shelf.entries.pop(memory_id, None) is not None:
                shelf.drop_words(memory_id)
                shelf.forgotten.add(memory_id)

    async def search_memory(self, *, app_name: str, user_id: str, query: str) -> SearchMemoryResponse:
        words = frozenset(words_of(query, asked=True))
        with self._lock:
            shelf = self._shelves.get((app_name, user_id))
            found = [] if shelf is None else [shelf.entries[key] for key in shelf.ranked(words)[:MOST_FOUND]]
        return SearchMemoryResponse(memories=[decoded(data) for data in found])
