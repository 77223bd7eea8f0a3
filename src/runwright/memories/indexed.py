# SPDX-License-Identifier: Apache-2.0
"""What the memory services with an index on disk have in common: what is new, what is embedded, how it is ranked.

A service is this, over a :class:`MemoryIndex` that keeps the entries in one database or another.
"""

import asyncio
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from runwright.errors import ConfigurationError
from runwright.event import Event
from runwright.memories.entries import (
    MOST_FOUND,
    ReadyEntry,
    SessionMark,
    can_be_named,
    check_names,
    decoded,
    ready_events,
    ready_memories,
    unseen,
)
from runwright.memories.ranking import fused
from runwright.memories.vectors import packed
from runwright.memories.words import words_of
from runwright.memory import BaseMemoryService, Embedder, MemoryEntry, SearchMemoryResponse
from runwright.session import Session
from runwright.types import text_of

MOST_RANKED = 50
"""How many of the best by words, and as many by vectors, are ranked together."""

MOST_ASKED = 256
"""How many different words of a query are looked for, the first ones."""

MOST_READ = 16_000
"""How many characters of a query are read."""

_AT_ONCE = 256


class Scope(NamedTuple):
    """Whose memories they are. No search leaves it."""

    app_name: str
    user_id: str


class Vectors(NamedTuple):
    """Who made the vectors of a store. Those of two makers cannot be compared."""

    embedder: str
    dimensions: int


class Addition(NamedTuple):
    """An entry to be kept. ``vector`` is None where there is no embedder, or no meaning to embed."""

    entry: ReadyEntry
    vector: bytes | None


class Unembedded(NamedTuple):
    """A kept entry without a vector, by its number in the store."""

    number: int
    data: bytes | str


class MemoryIndex(ABC):
    """Keeps entries with their words and vectors. What it is given was checked.

    Entries have numbers that are never used twice, so what is known of one by its number is not taken for another.
    Every call that is given ``vectors`` refuses, with the error of :func:`other_embedder`, where the store's were made
    by another embedder; where the store has none yet, those are its own from now on.
    """

    nul_allowed = True
    """Whether a name may hold a NUL character."""

    @abstractmethod
    async def mark(self, scope: Scope, session_id: str) -> SessionMark | None:
        """What of the session's log was added the last time."""

    @abstractmethod
    async def known(self, scope: Scope, ids: Sequence[str]) -> set[str]:
        """Those of the ids that are kept, or were forgotten."""

    @abstractmethod
    async def vectors(self) -> Vectors | None:
        """Who made the vectors that are kept; None while there are none."""

    @abstractmethod
    async def add(self, scope: Scope, additions: Sequence[Addition], *, replace: bool, vectors: Vectors | None) -> None:
        """Keeps entries, all or none. One whose id is known is left out, or takes the place with ``replace``."""

    @abstractmethod
    async def set_mark(self, scope: Scope, session_id: str, mark: SessionMark) -> None:
        """Notes what of the session's log was added."""

    @abstractmethod
    async def forget(self, scope: Scope, memory_id: str) -> None:
        """Removes an entry and all that is derived from it, and remembers that its id is not to come back."""

    @abstractmethod
    async def by_words(self, scope: Scope, words: Sequence[str], count: int) -> list[int]:
        """The numbers of the entries that share words with the query, by BM25 among the scope's own entries."""

    @abstractmethod
    async def by_vector(self, scope: Scope, asked: bytes, count: int, *, least: float, vectors: Vectors) -> list[int]:
        """The numbers of the entries whose vectors are most like the asked one, by cosine above ``least``."""

    @abstractmethod
    async def entries(self, scope: Scope, numbers: Sequence[int]) -> dict[int, bytes | str]:
        """The JSON of the entries that are still there."""

    @abstractmethod
    async def start_over(self, vectors: Vectors) -> None:
        """Drops the vectors of another maker, and is ready for those of ``vectors``."""

    @abstractmethod
    async def unembedded(self, after: int, count: int) -> list[Unembedded]:
        """The next entries with words and without a vector, by number, of all scopes."""

    @abstractmethod
    async def embedded(self, found: Sequence[tuple[int, bytes]], vectors: Vectors) -> None:
        """Keeps vectors for entries that are still there."""

    @abstractmethod
    async def close(self) -> None:
        """Gives back its connections."""


def other_embedder(kept: Vectors, given: Vectors) -> ConfigurationError:
    """The error that a store's vectors and a service's embedder do not belong together."""
    return ConfigurationError(
        f"The vectors of this memory were made by the embedder {kept.embedder!r} ({kept.dimensions} dimensions), and "
        f"the service has {given.embedder!r} ({given.dimensions}): their vectors cannot be compared. "
        "Call `await service.reindex()` once to make all vectors anew, or give the service the embedder of before"
    )


class IndexedMemoryService(BaseMemoryService):
    """Remembers texts in a database. See its subclasses."""

    def __init__(self, index: MemoryIndex, embedder: Embedder | None) -> None:
        self._index = index
        self._embedder = embedder
        self._vectors = Vectors(embedder.name, embedder.dimensions) if embedder is not None else None

    async def add_session_to_memory(self, session: Session) -> None:
        """Remembers what was said in a session.

        After the first time this costs what is new: the service knows how far it came, and neither reads nor embeds
        what it has. Several processes may add the same session at once.
        """
        if not session.events:
            return
        self._check(app_name=session.app_name, user_id=session.user_id, session_id=session.id)
        scope = Scope(session.app_name, session.user_id)
        mark = await self._index.mark(scope, session.id)
        events = list(unseen(session.events, mark))
        if not events:
            return
        reached = SessionMark(session.events[0].id, events[-1].id)
        is_whole = not events[-1].partial  # the whole of it has the same id, and is still to come
        await self._add_events(scope, events, None)
        if is_whole and all(can_be_named(name, nul_allowed=self._index.nul_allowed) for name in reached):
            await self._index.set_mark(scope, session.id, reached)

    async def add_events_to_memory(
        self,
        *,
        app_name: str,
        user_id: str,
        events: Sequence[Event],
        session_id: str | None = None,
        custom_metadata: Mapping[str, Any] | None = None,
    ) -> None:
        self._check(app_name=app_name, user_id=user_id)
        await self._add_events(Scope(app_name, user_id), events, custom_metadata)

    async def add_memory(self, *, app_name: str, user_id: str, memories: Sequence[MemoryEntry]) -> None:
        self._check(app_name=app_name, user_id=user_id)
        ready = await asyncio.to_thread(ready_memories, list(memories))
        for entry in ready:
            self._check(id=entry.id)
        additions = await self._embedded(ready)
        if additions:
            await self._index.add(Scope(app_name, user_id), additions, replace=True, vectors=self._vectors)

    async def delete_memory(self, *, app_name: str, user_id: str, memory_id: str) -> None:
        self._check(app_name=app_name, user_id=user_id, memory_id=memory_id)
        await self._index.forget(Scope(app_name, user_id), memory_id)

    async def search_memory(self, *, app_name: str, user_id: str, query: str) -> SearchMemoryResponse:
        self._check(app_name=app_name, user_id=user_id)
        scope = Scope(app_name, user_id)
        query = query[:MOST_READ]
        words = list(dict.fromkeys(words_of(query, asked=True)))[:MOST_ASKED]
        if not words:
            return SearchMemoryResponse()
        rankings = [await self._index.by_words(scope, words, MOST_RANKED)]
        if self._embedder is not None and (alike := await self._alike(scope, query, self._embedder)):
            rankings.append(alike)
        best = fused(rankings)[:MOST_FOUND]
        kept = await self._index.entries(scope, best) if best else {}
        return SearchMemoryResponse(memories=[decoded(kept[number]) for number in best if number in kept])

    async def reindex(self) -> None:
        """Gives each entry that has none a vector, for all users; those of another embedder are made anew.

        Call it when the service is given another embedder, or one for the first time. Until it has returned, searches
        find by their vectors what it has come to. It may be interrupted, and goes on when it is called again. A
        service without an embedder has nothing to do.

        Raises:
            ModelError: The embedder could not be asked.
        """
        if self._embedder is None or self._vectors is None:
            return
        await self._index.start_over(self._vectors)
        last = 0
        while found := await self._index.unembedded(last, _AT_ONCE):
            last = found[-1].number
            texts = [text_of(decoded(entry.data).content) for entry in found]
            made = await self._made(texts, self._embedder)
            kept = [(entry.number, vector) for entry, vector in zip(found, made, strict=True) if vector is not None]
            await self._index.embedded(kept, self._vectors)

    async def close(self) -> None:
        await self._index.close()

    async def _add_events(self, scope: Scope, events: Sequence[Event], metadata: Mapping[str, Any] | None) -> None:
        nul_allowed = self._index.nul_allowed
        # An event whose id cannot be kept matters only if it says something, and then it is refused below.
        ids = [event.id for event in events if can_be_named(event.id, nul_allowed=nul_allowed)]
        known = await self._index.known(scope, ids) if ids else set[str]()
        new = {event.id: event for event in events if event.id not in known and not event.partial}
        ready = await asyncio.to_thread(ready_events, list(new.values()), metadata) if new else []
        for entry in ready:
            self._check(id=entry.id)
        # By parts, so that a long log does not keep other writers waiting. What was added stays, should a part fail.
        for start in range(0, len(ready), _AT_ONCE):
            additions = await self._embedded(ready[start : start + _AT_ONCE])
            await self._index.add(scope, additions, replace=False, vectors=self._vectors)

    async def _embedded(self, ready: Sequence[ReadyEntry]) -> list[Addition]:
        if self._embedder is None:
            return [Addition(entry, None) for entry in ready]
        await self._check_embedder()
        saying = [entry for entry in ready if entry.words]
        made = await self._made([entry.text for entry in saying], self._embedder)
        vectors = dict(zip((entry.id for entry in saying), made, strict=True))
        return [Addition(entry, vectors.get(entry.id)) for entry in ready]

    async def _made(self, texts: Sequence[str], embedder: Embedder) -> list[bytes | None]:
        if not texts:
            return []
        made = await embedder.embed(texts)
        if len(made) != len(texts):
            raise ConfigurationError(
                f"Embedder {embedder.name!r} was given {len(texts)} texts and gave {len(made)} vectors: "
                "it must give one for each, in their order"
            )
        return [packed(vector, embedder.dimensions, embedder=embedder.name) for vector in made]

    async def _alike(self, scope: Scope, query: str, embedder: Embedder) -> list[int]:
        if self._vectors is None or await self._check_embedder() is None:
            return []  # no entry has a vector yet, so none is asked for
        # Half of a surrogate pair is no text that a model could be sent.
        vector = await embedder.embed_query(query.encode("utf-8", "replace").decode())
        asked = packed(vector, embedder.dimensions, embedder=embedder.name)
        if asked is None:
            return []
        least = embedder.least_likeness
        return await self._index.by_vector(scope, asked, MOST_RANKED, least=least, vectors=self._vectors)

    async def _check_embedder(self) -> Vectors | None:
        """Asked before a model is paid for; the index asks again in its transaction."""
        kept = await self._index.vectors()
        if kept is not None and self._vectors is not None and kept != self._vectors:
            raise other_embedder(kept, self._vectors)
        return kept

    def _check(self, **names: str) -> None:
        check_names(nul_allowed=self._index.nul_allowed, **names)
