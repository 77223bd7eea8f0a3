# SPDX-License-Identifier: Apache-2.0
"""Memories in this process's memory, found by the words they share with the query."""

import math
import re
import threading
import unicodedata
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

import msgspec

from runwright import clock
from runwright.errors import InputValidationError
from runwright.event import Event
from runwright.memory import BaseMemoryService, MemoryEntry, SearchMemoryResponse
from runwright.session import Session
from runwright.types import text_of

MOST_FOUND = 10
"""How many memories a search gives at the most: they end up in a prompt."""

_encode = msgspec.json.Encoder().encode
_decode = msgspec.json.Decoder(MemoryEntry).decode

_UNENCODABLE = (TypeError, ValueError, OverflowError, RecursionError, msgspec.EncodeError)

_WORD = re.compile(r"\w+")
# Thai, Lao, Burmese, Khmer, kana, Chinese characters, Hangul: no spaces tell the words, or what hangs on them, apart.
_UNSPACED = re.compile(
    "[\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff\uac00-\ud7af\U00020000-\U0003ffff]+"
)


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
        metadata = dict(custom_metadata or {})
        ready = [
            (event.id, _encoded(_entry(event, metadata)), words)
            for event in new
            if not event.partial and (words := _words(text_of(event.content)))
        ]
        with self._lock:
            for key, data, words in ready:
                # Asked again: another thread may have added it while this one encoded.
                if key not in shelf.entries and key not in shelf.forgotten:
                    shelf.put(key, data, words)

    async def add_memory(self, *, app_name: str, user_id: str, memories: Sequence[MemoryEntry]) -> None:
        ready: list[tuple[str, bytes, frozenset[str]]] = []
        for memory in memories:
            entry = memory if memory.id else memory.model_copy(update={"id": clock.new_id()})
            ready.append((str(entry.id), _encoded(entry), _words(text_of(entry.content))))
        with self._lock:
            shelf = self._shelves.setdefault((app_name, user_id), _Shelf())
            for key, data, words in ready:
                shelf.put(key, data, words)

    async def delete_memory(self, *, app_name: str, user_id: str, memory_id: str) -> None:
        with self._lock:
            shelf = self._shelves.get((app_name, user_id))
            if shelf is not None and shelf.entries.pop(memory_id, None) is not None:
                shelf.drop_words(memory_id)
                shelf.forgotten.add(memory_id)

    async def search_memory(self, *, app_name: str, user_id: str, query: str) -> SearchMemoryResponse:
        words = _words(query, asked=True)
        with self._lock:
            shelf = self._shelves.get((app_name, user_id))
            found = [] if shelf is None else [shelf.entries[key] for key in shelf.ranked(words)[:MOST_FOUND]]
        return SearchMemoryResponse(memories=[_decode(data) for data in found])


def _entry(event: Event, metadata: dict[str, Any]) -> MemoryEntry:
    assert event.content is not None
    said = datetime.fromtimestamp(event.timestamp, tz=UTC).isoformat()
    return MemoryEntry(
        id=event.id, content=event.content, author=event.author, timestamp=said, custom_metadata=metadata
    )


def _encoded(entry: MemoryEntry) -> bytes:
    try:
        return _encode(entry)
    except _UNENCODABLE as error:
        raise InputValidationError(f"Memory {entry.id!r} cannot be kept: {error}") from error


def _words(text: str, *, asked: bool = False) -> frozenset[str]:
    """The words of a text, in one spelling. ``asked`` leaves out single characters that a longer word covers."""
    words: set[str] = set()
    for token in _WORD.findall(unicodedata.normalize("NFKC", text).casefold()):
        words.update(part for part in _UNSPACED.split(token) if part)
        for run in _UNSPACED.findall(token):
            words.update(run[start : start + 2] for start in range(len(run) - 1))
            if not asked or len(run) == 1:
                words.update(run)
    return frozenset(words)
