# SPDX-License-Identifier: Apache-2.0
"""Memories in a PostgreSQL, found by their words and, where there is an embedder, by their meaning."""

import asyncio
from collections import Counter
from collections.abc import Sequence

from runwright.errors import StorageError
from runwright.memories.entries import SessionMark
from runwright.memories.indexed import (
    Addition,
    IndexedMemoryService,
    MemoryIndex,
    Scope,
    Unembedded,
    Vectors,
    other_embedder,
)
from runwright.memories.ranking import LENGTH_PENALTY, TIMES_SATURATION
from runwright.memories.vectors import array_of, nearest, unpacked
from runwright.memory import Embedder
from runwright.storage.postgres import Connection, PostgresDatabase

# Of an entry's terms only those asked for are unpacked: they are marked with a weight first, which finds them fast.
BY_WORDS = f"""
WITH hits AS (
    SELECT kept.number, kept.words, term.lexeme, cardinality(term.positions) AS times
    FROM runwright_memory_entries AS kept
    CROSS JOIN LATERAL unnest(ts_filter(setweight(kept.terms, 'A', $3), '{{a}}')) AS term
    WHERE kept.scope = $1 AND kept.terms @@ $2::text::tsquery
), rarities AS (
    SELECT lexeme, ln(1.0 + ($4::float8 - count(*) + 0.5) / (count(*) + 0.5)) AS rarity FROM hits GROUP BY lexeme
)
SELECT number FROM hits JOIN rarities USING (lexeme)
GROUP BY number
ORDER BY round(sum(
    rarity * times * {TIMES_SATURATION + 1}
    / (times + {TIMES_SATURATION} * ({1 - LENGTH_PENALTY} + {LENGTH_PENALTY} * words / $5::float8))
)::numeric, 9) DESC, number
LIMIT $6
"""

# Asked in the same statement, which sees one state of the database: vectors may be made anew meanwhile.
_MADE_BY = "EXISTS (SELECT 1 FROM runwright_memory_embedder WHERE (name, dimensions) = ($2, $3::integer))"

BY_DISTANCE = f"""
SELECT entry FROM (
    SELECT entry, vector::vector <=> $4::real[]::vector AS distance FROM runwright_memory_vectors
    WHERE scope = $1 AND {_MADE_BY}
) AS found
WHERE distance < $5 ORDER BY distance, entry LIMIT $6
"""

VECTORS_OF = f"SELECT entry, vector FROM runwright_memory_vectors WHERE scope = $1 AND {_MADE_BY}"

UNEMBEDDED = """
SELECT number, data FROM runwright_memory_entries AS kept
WHERE number > $1 AND data IS NOT NULL AND words > 0
    AND NOT EXISTS (SELECT 1 FROM runwright_memory_vectors WHERE entry = kept.number)
ORDER BY number LIMIT $2
"""

_SCOPE = "SELECT number FROM runwright_memory_scopes WHERE app_name = $1 AND user_id = $2"
_COUNTS = "SELECT number, entries, words FROM runwright_memory_scopes WHERE app_name = $1 AND user_id = $2"
# The row is locked either way, so that those who write for one user come one after the other.
_LOCKED_SCOPE = """
INSERT INTO runwright_memory_scopes (app_name, user_id) VALUES ($1, $2)
ON CONFLICT (app_name, user_id) DO UPDATE SET entries = runwright_memory_scopes.entries RETURNING number
"""
_COUNT = "UPDATE runwright_memory_scopes SET entries = entries + $2, words = words + $3 WHERE number = $1"

_MARK = """
SELECT first_event, last_event FROM runwright_memory_sessions JOIN runwright_memory_scopes ON number = scope
WHERE app_name = $1 AND user_id = $2 AND session_id = $3
"""
_SET_MARK = """
INSERT INTO runwright_memory_sessions (scope, session_id, first_event, last_event) VALUES ($1, $2, $3, $4)
ON CONFLICT (scope, session_id) DO UPDATE SET first_event = excluded.first_event, last_event = excluded.last_event
"""

_KNOWN = "SELECT id FROM runwright_memory_entries WHERE scope = $1 AND id = ANY($2)"
_ENTRIES = (
    "SELECT number, data FROM runwright_memory_entries WHERE number = ANY($1) AND scope = $2 AND data IS NOT NULL"
)
_INSERT = """
INSERT INTO runwright_memory_entries (scope, id, words, data, terms)
SELECT $1, id, words, data, terms::tsvector
FROM unnest($2::text[], $3::integer[], $4::text[], $5::text[]) WITH ORDINALITY AS new (id, words, data, terms, place)
ORDER BY place
ON CONFLICT (scope, id) DO NOTHING RETURNING number, id, words
"""
_DELETE = """
DELETE FROM runwright_memory_entries WHERE scope = $1 AND id = ANY($2) RETURNING words, data IS NULL AS was_forgotten
"""
_FORGOTTEN = "INSERT INTO runwright_memory_entries (scope, id, words, data, terms) VALUES ($1, $2, 0, NULL, '')"

_EMBEDDER = "SELECT name, dimensions FROM runwright_memory_embedder"
_CLAIM = "INSERT INTO runwright_memory_embedder (one, name, dimensions) VALUES (1, $1, $2) ON CONFLICT (one) DO NOTHING"
# Whoever starts over waits until those who found their embedder here have written their vectors.
_HELD_EMBEDDER = f"{_EMBEDDER} FOR SHARE"
_START_OVER = """
INSERT INTO runwright_memory_embedder (one, name, dimensions) VALUES (1, $1, $2)
ON CONFLICT (one) DO UPDATE SET name = excluded.name, dimensions = excluded.dimensions
WHERE (runwright_memory_embedder.name, runwright_memory_embedder.dimensions) <> (excluded.name, excluded.dimensions)
RETURNING 1
"""
_ADD_VECTORS = """
INSERT INTO runwright_memory_vectors (entry, scope, vector)
SELECT kept.number, kept.scope, new.vector::real[]
FROM unnest($1::bigint[], $2::text[]) AS new (number, vector) JOIN runwright_memory_entries AS kept USING (number)
WHERE kept.data IS NOT NULL
ON CONFLICT (entry) DO NOTHING
"""

_HAS_DISTANCE = "SELECT to_regtype('vector') IS NOT NULL"
_CAN_HAVE_DISTANCE = "SELECT EXISTS (SELECT 1 FROM pg_available_extensions WHERE name = 'vector')"
_EXTENSION_LOCK = 0x72776D656D  # "rwmem": of several who make the extension at once, all but one would fail
# No right to make it, not allowed here, its files are missing: then we do without.
_WITHOUT_EXTENSION = {"42501", "0A000", "58P01"}

# What a tsvector takes is 1 MB: its words, and two bytes for each place that is noted.
_MOST_BYTES_OF_TERMS = 1_000_000
_MOST_PLACES = 32


class PostgresMemoryService(IndexedMemoryService):
    """Remembers texts in a PostgreSQL and finds the ten best for a query. Many processes may use one database.

    Words are found through a GIN index over ``tsvector`` and ranked by BM25, over the user's own entries alone. Of an
    entry with very many different words (about half a megabyte of them) the first ones are found. With an
    ``embedder`` each entry is also given a vector; a search then joins the ranking by words and that by vectors
    (reciprocal rank fusion). The search among vectors is exact: it looks at each of that user's, in the database with
    pgvector where that can be had, otherwise in this process.

    What was forgotten by ``delete_memory`` does not come back with its session.

    Args:
        url: As for :class:`~runwright.storage.postgres.PostgresDatabase`.
        embedder: Who turns texts into vectors. The database notes who did: a service with another one is refused
            until :meth:`reindex` was called. Without one, words alone are found, and what is added has no vector.
        pgvector: Whether to use the extension ``vector``, and to create it where the server has it and we may.
        max_connections: How many connections an event loop has at the most.

    Raises:
        ConfigurationError: The URL is not that of a PostgreSQL.
        MissingDependencyError: asyncpg is not installed.
    """

    def __init__(
        self, url: str, *, embedder: Embedder | None = None, pgvector: bool = True, max_connections: int = 10
    ) -> None:
        super().__init__(_PostgresIndex(url, pgvector=pgvector, max_connections=max_connections), embedder)


class _PostgresIndex(MemoryIndex):
    nul_allowed = False

    def __init__(self, url: str, *, pgvector: bool, max_connections: int) -> None:
        self._database = PostgresDatabase(url, schema="memory", max_size=max_connections)
        self._has_distance: bool | None = None if pgvector else False

    async def mark(self, scope: Scope, session_id: str) -> SessionMark | None:
        row = await self._database.run(lambda connection: connection.fetchrow(_MARK, *scope, session_id))
        return None if row is None else SessionMark(*row)

    async def known(self, scope: Scope, ids: Sequence[str]) -> set[str]:
        async def work(connection: Connection) -> set[str]:
            number = await connection.fetchval(_SCOPE, *scope)
            return {row["id"] for row in await connection.fetch(_KNOWN, number, ids)}

        return await self._database.run(work)

    async def vectors(self) -> Vectors | None:
        return await self._database.run(lambda connection: _kept_vectors(connection, _EMBEDDER))

    async def add(self, scope: Scope, additions: Sequence[Addition], *, replace: bool, vectors: Vectors | None) -> None:
        async def work(connection: Connection) -> None:
            async with connection.transaction():
                if vectors is not None and any(addition.vector is not None for addition in additions):
                    await connection.execute(_CLAIM, *vectors)
                    await _check(connection, vectors, _HELD_EMBEDDER)
                number = await connection.fetchval(_LOCKED_SCOPE, *scope)
                if replace:
                    await _remove(connection, number, [addition.entry.id for addition in additions])
                await _insert(connection, number, additions)

        await self._database.run(work)

    async def set_mark(self, scope: Scope, session_id: str, mark: SessionMark) -> None:
        async def work(connection: Connection) -> None:
            async with connection.transaction():
                number = await connection.fetchval(_LOCKED_SCOPE, *scope)
                await connection.execute(_SET_MARK, number, session_id, *mark)

        await self._database.run(work)

    async def forget(self, scope: Scope, memory_id: str) -> None:
        async def work(connection: Connection) -> None:
            async with connection.transaction():
                number = await connection.fetchval(f"{_SCOPE} FOR UPDATE", *scope)
                if number is not None and await _remove(connection, number, [memory_id]):
                    await connection.execute(_FORGOTTEN, number, memory_id)

        await self._database.run(work)

    async def by_words(self, scope: Scope, words: Sequence[str], count: int) -> list[int]:
        async def work(connection: Connection) -> list[int]:
            row = await connection.fetchrow(_COUNTS, *scope)
            if row is None or not row["entries"]:
                return []
            number, entries, all_words = row
            terms = [f"{number}_{word}" for word in words]
            query = " | ".join(f"'{term}'" for term in terms)
            usual_words = max(1.0, all_words / entries)
            found = await connection.fetch(BY_WORDS, number, query, terms, entries, usual_words, count)
            return [row["number"] for row in found]

        return await self._database.run(work)

    async def by_vector(self, scope: Scope, asked: bytes, count: int, *, least: float, vectors: Vectors) -> list[int]:
        if self._has_distance is None:
            self._has_distance = await self._made_extension()

        async def work(connection: Connection) -> list[int]:
            await _check(connection, vectors, _EMBEDDER)
            number = await connection.fetchval(_SCOPE, *scope)
            if self._has_distance:
                wanted = (unpacked(asked), 1.0 - least, count)
                found = await connection.fetch(BY_DISTANCE, number, *vectors, *wanted)
                return [row["entry"] for row in found]
            rows = await connection.fetch(VECTORS_OF, number, *vectors)
            kept = [(row["entry"], array_of(row["vector"])) for row in rows]
            return await asyncio.to_thread(nearest, asked, kept, count=count, least=least)

        return await self._database.run(work)

    async def entries(self, scope: Scope, numbers: Sequence[int]) -> dict[int, bytes | str]:
        async def work(connection: Connection) -> dict[int, bytes | str]:
            rows = await connection.fetch(_ENTRIES, numbers, await connection.fetchval(_SCOPE, *scope))
            return {row["number"]: row["data"] for row in rows}

        return await self._database.run(work)

    async def start_over(self, vectors: Vectors) -> None:
        async def work(connection: Connection) -> None:
            async with connection.transaction():
                if await connection.fetchval(_START_OVER, *vectors):
                    await connection.execute("DELETE FROM runwright_memory_vectors")

        await self._database.run(work)

    async def unembedded(self, after: int, count: int) -> list[Unembedded]:
        rows = await self._database.run(lambda connection: connection.fetch(UNEMBEDDED, after, count))
        return [Unembedded(*row) for row in rows]

    async def embedded(self, found: Sequence[tuple[int, bytes]], vectors: Vectors) -> None:
        async def work(connection: Connection) -> None:
            async with connection.transaction():
                await _check(connection, vectors, _HELD_EMBEDDER)
                await _add_vectors(connection, found)

        await self._database.run(work)

    async def close(self) -> None:
        await self._database.close()

    async def _made_extension(self) -> bool:
        """Whether the database has pgvector, after making it where it can be had."""

        async def work(connection: Connection) -> bool:
            if await connection.fetchval(_HAS_DISTANCE):
                return True
            if not await connection.fetchval(_CAN_HAVE_DISTANCE):
                return False
            async with connection.transaction():
                await connection.execute("SELECT pg_advisory_xact_lock($1)", _EXTENSION_LOCK)
                await connection.execute("CREATE EXTENSION IF NOT EXISTS vector")
            return bool(await connection.fetchval(_HAS_DISTANCE))

        try:
            return await self._database.run(work)
        except StorageError as error:
            if getattr(error.__cause__, "sqlstate", None) in _WITHOUT_EXTENSION:
                return False
            raise


async def _kept_vectors(connection: Connection, query: str) -> Vectors | None:
    row = await connection.fetchrow(query)
    return None if row is None else Vectors(*row)


async def _check(connection: Connection, vectors: Vectors, query: str) -> None:
    kept = await _kept_vectors(connection, query)
    if kept is not None and kept != vectors:
        raise other_embedder(kept, vectors)


async def _insert(connection: Connection, scope: int, additions: Sequence[Addition]) -> None:
    """Keeps the entries whose ids are not known."""
    entries = [addition.entry for addition in additions]
    rows = await connection.fetch(
        _INSERT,
        scope,
        [entry.id for entry in entries],
        [len(entry.words) for entry in entries],
        [entry.data.decode() for entry in entries],
        [_terms(scope, entry.words) for entry in entries],
    )
    vectors = {entry.id: vector for entry, vector in additions if vector is not None}
    await _add_vectors(connection, [(row["number"], vectors[row["id"]]) for row in rows if row["id"] in vectors])
    await connection.execute(_COUNT, scope, len(rows), sum(row["words"] for row in rows))


async def _add_vectors(connection: Connection, found: Sequence[tuple[int, bytes]]) -> None:
    """Keeps vectors for those of the entries that are still there."""
    if found:
        arrays = [f"{{{','.join(map(repr, unpacked(vector)))}}}" for _, vector in found]
        await connection.execute(_ADD_VECTORS, [number for number, _ in found], arrays)


async def _remove(connection: Connection, scope: int, ids: Sequence[str]) -> bool:
    """Removes entries with all that is derived from them, or the notes that they were forgotten. False: neither was."""
    rows = await connection.fetch(_DELETE, scope, ids)
    kept = [row["words"] for row in rows if not row["was_forgotten"]]
    await connection.execute(_COUNT, scope, -len(kept), -sum(kept))
    return bool(rows)


def _terms(scope: int, words: Sequence[str]) -> str:
    """A ``tsvector`` in its text form: each word, at as many places as it has. Words hold nothing to be quoted."""
    terms: list[str] = []
    room = _MOST_BYTES_OF_TERMS
    for word, times in Counter(words).items():
        term, places = f"{scope}_{word}", min(times, _MOST_PLACES)
        room -= len(term.encode()) + 2 * places + 4
        if room < 0:
            break
        terms.append(f"'{term}':{','.join(map(str, range(1, places + 1)))}")
    return " ".join(terms)
