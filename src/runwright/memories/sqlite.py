# SPDX-License-Identifier: Apache-2.0
"""Memories in a SQLite file, found by their words and, where there is an embedder, by their meaning."""

import json
import sqlite3
from collections.abc import Callable, Sequence
from importlib import import_module
from pathlib import Path
from typing import Any, Literal

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
from runwright.memories.ranking import LENGTH_PENALTY, TIMES_SATURATION, rarity
from runwright.memories.vectors import nearest
from runwright.memory import Embedder
from runwright.storage.sqlite import SqliteDatabase

WORD_COUNTS = """
SELECT counted.term, counted.doc
FROM json_each(?) AS asked CROSS JOIN memory_word_counts AS counted ON counted.term = asked.value
"""

BY_WORDS = f"""
WITH hits AS MATERIALIZED (
    SELECT place.doc AS entry, asked.value AS rarity, count(*) AS times
    FROM json_each(:rarities) AS asked CROSS JOIN memory_word_places AS place ON place.term = asked.key
    GROUP BY asked.key, place.doc
)
SELECT hits.entry
FROM hits CROSS JOIN memory_entries AS kept ON kept.number = hits.entry
GROUP BY hits.entry
ORDER BY round(sum(
    hits.rarity * hits.times * {TIMES_SATURATION + 1}
    / (hits.times + {TIMES_SATURATION} * ({1 - LENGTH_PENALTY} + {LENGTH_PENALTY} * kept.words / :usual_words))
), 9) DESC, hits.entry
LIMIT :count
"""

BY_DISTANCE = """
SELECT entry FROM (
    SELECT entry, vec_distance_cosine(vector, :asked) AS distance FROM memory_vectors WHERE scope = :scope
)
WHERE distance < :most ORDER BY distance, entry LIMIT :count
"""

VECTORS_OF = "SELECT entry, vector FROM memory_vectors WHERE scope = ?"

ENTRIES = """
SELECT number, data FROM memory_entries
WHERE number IN (SELECT value FROM json_each(?)) AND scope = ? AND data IS NOT NULL
"""

KNOWN = """
SELECT asked.value FROM json_each(?) AS asked
CROSS JOIN memory_entries AS kept ON kept.scope = ? AND kept.id = asked.value
"""

UNEMBEDDED = """
SELECT number, data FROM memory_entries
WHERE number > ? AND data IS NOT NULL AND words > 0 AND NOT EXISTS (
    SELECT 1 FROM memory_vectors AS made WHERE made.scope = memory_entries.scope AND made.entry = memory_entries.number
)
ORDER BY number LIMIT ?
"""

_SCOPE = "SELECT number FROM memory_scopes WHERE app_name = ? AND user_id = ?"
_MARK = "SELECT first_event, last_event FROM memory_sessions WHERE scope = ? AND session_id = ?"
_EMBEDDER = "SELECT name, dimensions FROM memory_embedder"
_HAS_DISTANCE = "SELECT 1 FROM pragma_function_list WHERE name = 'vec_distance_cosine'"


class SqliteMemoryService(IndexedMemoryService):
    """Remembers texts in a SQLite file and finds the ten best for a query. Several processes may use one file.

    Words are found through an FTS5 index and ranked by BM25, over the user's own entries alone. With an ``embedder``
    each entry is also given a vector; a search then joins the ranking by words and that by vectors (reciprocal rank
    fusion). The search among vectors is exact: it looks at each of that user's. It is done by ``sqlite-vec`` where
    that is installed (``pip install 'runwright[sqlite-vec]'``) and this Python's sqlite3 can load extensions, which
    not every build can; otherwise by numpy where that is installed, or else in plain Python. All three find the same.

    What was forgotten by ``delete_memory`` does not come back with its session.

    Args:
        path: The file, which is made where it is missing. Sessions may be kept in the same one.
        embedder: Who turns texts into vectors. The file notes who did: a service with another one is refused until
            :meth:`reindex` was called. Without one, words alone are found, and what is added has no vector.
        durability: See :class:`~runwright.storage.sqlite.SqliteDatabase`.
        connect: In place of ``sqlite3.connect``, with the same arguments. Two SQLite libraries in one process may
            destroy a file that both open: if this is another library's, everything that opens the file must use it.
            The errors of another library are raised as they are.

    Raises:
        ConfigurationError: The path is no file's.
    """

    def __init__(
        self,
        path: str | Path,
        *,
        embedder: Embedder | None = None,
        durability: Literal["normal", "full"] = "normal",
        connect: Callable[..., sqlite3.Connection] | None = None,
    ) -> None:
        if embedder is not None:
            connect = with_vector_functions(connect or sqlite3.connect)
        super().__init__(_SqliteIndex(path, durability, connect), embedder)


def with_vector_functions(connect: Callable[..., sqlite3.Connection]) -> Callable[..., sqlite3.Connection]:
    """``connect``, whose connections have the functions of ``sqlite-vec`` where it can be loaded."""

    def connected(*args: Any, **options: Any) -> sqlite3.Connection:
        connection = connect(*args, **options)
        if hasattr(connection, "enable_load_extension"):
            try:
                extension = import_module("sqlite_vec")
            except ImportError:
                return connection
            connection.enable_load_extension(True)
            try:
                extension.load(connection)
            except sqlite3.OperationalError:
                return connection  # it was made for another system: we do without
            finally:
                connection.enable_load_extension(False)
        return connection

    return connected


class _SqliteIndex(MemoryIndex):
    def __init__(
        self,
        path: str | Path,
        durability: Literal["normal", "full"],
        connect: Callable[..., sqlite3.Connection] | None,
    ) -> None:
        self._database = SqliteDatabase(path, schema="memory", durability=durability, connect=connect)

    async def mark(self, scope: Scope, session_id: str) -> SessionMark | None:
        def work(connection: sqlite3.Connection) -> SessionMark | None:
            row = connection.execute(_MARK, (_number_of(connection, scope), session_id)).fetchone()
            return None if row is None else SessionMark(*row)

        return await self._database.read(work)

    async def known(self, scope: Scope, ids: Sequence[str]) -> set[str]:
        def work(connection: sqlite3.Connection) -> set[str]:
            number = _number_of(connection, scope)
            return set() if number is None else {row[0] for row in connection.execute(KNOWN, (asked, number))}

        asked = json.dumps(list(ids))
        return await self._database.read(work)

    async def vectors(self) -> Vectors | None:
        return await self._database.read(_kept_vectors)

    async def add(self, scope: Scope, additions: Sequence[Addition], *, replace: bool, vectors: Vectors | None) -> None:
        def work(connection: sqlite3.Connection) -> None:
            if vectors is not None and any(addition.vector is not None for addition in additions):
                _claim(connection, vectors)
            number = _made_number_of(connection, scope)
            for addition in additions:
                if replace:
                    _remove(connection, number, addition.entry.id)
                _insert(connection, number, addition)

        await self._database.write(work)

    async def set_mark(self, scope: Scope, session_id: str, mark: SessionMark) -> None:
        def work(connection: sqlite3.Connection) -> None:
            number = _made_number_of(connection, scope)
            connection.execute("REPLACE INTO memory_sessions VALUES (?, ?, ?, ?)", (number, session_id, *mark))

        await self._database.write(work)

    async def forget(self, scope: Scope, memory_id: str) -> None:
        def work(connection: sqlite3.Connection) -> None:
            number = _number_of(connection, scope)
            if number is not None and _remove(connection, number, memory_id):
                connection.execute(
                    "INSERT INTO memory_entries (scope, id, words, data) VALUES (?, ?, 0, NULL)", (number, memory_id)
                )

        await self._database.write(work)

    async def by_words(self, scope: Scope, words: Sequence[str], count: int) -> list[int]:
        def work(connection: sqlite3.Connection) -> list[int]:
            row = connection.execute(
                "SELECT number, entries, words FROM memory_scopes WHERE app_name = ? AND user_id = ?", scope
            ).fetchone()
            if row is None or not row[1]:
                return []
            number, entries, all_words = row
            terms = json.dumps([f"{number}_{word}" for word in words])
            rarities = {term: rarity(having, entries) for term, having in connection.execute(WORD_COUNTS, (terms,))}
            if not rarities:
                return []
            asked = {"rarities": json.dumps(rarities), "usual_words": max(1.0, all_words / entries), "count": count}
            return [row[0] for row in connection.execute(BY_WORDS, asked)]

        return await self._database.read(work)

    async def by_vector(self, scope: Scope, asked: bytes, count: int, *, least: float, vectors: Vectors) -> list[int]:
        def work(connection: sqlite3.Connection) -> list[int]:
            _check(connection, vectors)
            number = _number_of(connection, scope)
            if number is None:
                return []
            if connection.execute(_HAS_DISTANCE).fetchone() is None:
                return nearest(asked, connection.execute(VECTORS_OF, (number,)), count=count, least=least)
            wanted = {"asked": asked, "scope": number, "most": 1.0 - least, "count": count}
            return [row[0] for row in connection.execute(BY_DISTANCE, wanted)]

        return await self._database.read(work)

    async def entries(self, scope: Scope, numbers: Sequence[int]) -> dict[int, bytes | str]:
        def work(connection: sqlite3.Connection) -> dict[int, bytes | str]:
            return dict(connection.execute(ENTRIES, (asked, _number_of(connection, scope))))

        asked = json.dumps(list(numbers))
        return await self._database.read(work)

    async def start_over(self, vectors: Vectors) -> None:
        def work(connection: sqlite3.Connection) -> None:
            if _kept_vectors(connection) != vectors:
                connection.execute("DELETE FROM memory_vectors")
                connection.execute("REPLACE INTO memory_embedder VALUES (1, ?, ?)", vectors)

        await self._database.write(work)

    async def unembedded(self, after: int, count: int) -> list[Unembedded]:
        return await self._database.read(
            lambda connection: [Unembedded(*row) for row in connection.execute(UNEMBEDDED, (after, count))]
        )

    async def embedded(self, found: Sequence[tuple[int, bytes]], vectors: Vectors) -> None:
        def work(connection: sqlite3.Connection) -> None:
            _check(connection, vectors)
            for number, vector in found:
                connection.execute(
                    "INSERT OR IGNORE INTO memory_vectors (scope, entry, vector) "
                    "SELECT scope, number, ? FROM memory_entries WHERE number = ? AND data IS NOT NULL",
                    (vector, number),
                )

        await self._database.write(work)

    async def close(self) -> None:
        await self._database.close()


def _number_of(connection: sqlite3.Connection, scope: Scope) -> int | None:
    row = connection.execute(_SCOPE, scope).fetchone()
    return None if row is None else row[0]


def _made_number_of(connection: sqlite3.Connection, scope: Scope) -> int:
    number = _number_of(connection, scope)
    if number is None:
        number = connection.execute("INSERT INTO memory_scopes (app_name, user_id) VALUES (?, ?)", scope).lastrowid
        assert number is not None
    return number


def _kept_vectors(connection: sqlite3.Connection) -> Vectors | None:
    row = connection.execute(_EMBEDDER).fetchone()
    return None if row is None else Vectors(*row)


def _check(connection: sqlite3.Connection, vectors: Vectors) -> None:
    kept = _kept_vectors(connection)
    if kept is not None and kept != vectors:
        raise other_embedder(kept, vectors)


def _claim(connection: sqlite3.Connection, vectors: Vectors) -> None:
    """Checks whose vectors the file's are, and notes it with the first."""
    _check(connection, vectors)
    connection.execute("INSERT OR IGNORE INTO memory_embedder VALUES (1, ?, ?)", vectors)


def _insert(connection: sqlite3.Connection, scope: int, addition: Addition) -> None:
    """Keeps an entry, unless its id is known."""
    entry, vector = addition
    inserted = connection.execute(
        "INSERT INTO memory_entries (scope, id, words, data) VALUES (?, ?, ?, ?) ON CONFLICT DO NOTHING",
        (scope, entry.id, len(entry.words), entry.data.decode()),
    )
    if not inserted.rowcount:
        return
    number = inserted.lastrowid
    words = " ".join(f"{scope}_{word}" for word in entry.words)
    connection.execute("INSERT INTO memory_words (rowid, words) VALUES (?, ?)", (number, words))
    if vector is not None:
        connection.execute("INSERT INTO memory_vectors VALUES (?, ?, ?)", (scope, number, vector))
    connection.execute(
        "UPDATE memory_scopes SET entries = entries + 1, words = words + ? WHERE number = ?", (len(entry.words), scope)
    )


def _remove(connection: sqlite3.Connection, scope: int, memory_id: str) -> bool:
    """Removes an entry with all that is derived from it, or the note that it was forgotten. False where neither was."""
    row = connection.execute(
        "SELECT number, words, data IS NULL FROM memory_entries WHERE scope = ? AND id = ?", (scope, memory_id)
    ).fetchone()
    if row is None:
        return False
    number, words, was_forgotten = row
    connection.execute("DELETE FROM memory_entries WHERE number = ?", (number,))
    if was_forgotten:
        return True
    connection.execute("DELETE FROM memory_words WHERE rowid = ?", (number,))
    connection.execute("DELETE FROM memory_vectors WHERE scope = ? AND entry = ?", (scope, number))
    connection.execute(
        "UPDATE memory_scopes SET entries = entries - 1, words = words - ? WHERE number = ?", (words, scope)
    )
    return True
