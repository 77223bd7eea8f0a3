# SPDX-License-Identifier: Apache-2.0
"""Memories in a PostgreSQL: the suites of every store, and what is this one's own."""

from pathlib import Path
from typing import Any

import pytest

from runwright.errors import InputValidationError
from runwright.event import Event
from runwright.memories.embedders import HashingEmbedder
from runwright.memories.postgres import BY_DISTANCE, BY_WORDS, UNEMBEDDED, VECTORS_OF, PostgresMemoryService
from runwright.memories.sqlite import SqliteMemoryService
from runwright.memory import BaseMemoryService, Embedder, MemoryEntry
from runwright.types import UserContent
from tests.contract.durable_memories import DurableMemoriesContract, ranked, remember

asyncpg = pytest.importorskip("asyncpg", reason="asyncpg is not installed: pip install 'runwright[dev]'")

FROZEN = Path(__file__).parent / "frozen"
NUMBERS = "SELECT number FROM runwright_memory_scopes WHERE user_id IN ('7', 'many') ORDER BY entries"


async def asked(url: str, *queries: str) -> list[Any]:
    """What the last of the queries gives, over a connection of its own."""
    connection = await asyncpg.connect(url)
    try:
        for query in queries[:-1]:
            await connection.execute(query)
        return await connection.fetch(queries[-1])
    finally:
        await connection.close()


class _PostgresMemories(DurableMemoriesContract):
    pgvector = True
    place: str

    @pytest.fixture(autouse=True)
    def database(self, postgres_database: str) -> None:
        self.place = postgres_database

    def opened(self, embedder: Embedder | None = None) -> PostgresMemoryService:
        return PostgresMemoryService(self.place, embedder=embedder, pgvector=self.pgvector)

    def process(self) -> tuple[str, str, str]:
        return "postgres", "PostgresMemoryService", self.place

    async def counted(self) -> list[tuple[int, int, int, int]]:
        rows = await asked(
            self.place,
            "SELECT scope.entries, scope.words, count(entry.data), sum(entry.words)::bigint "
            "FROM runwright_memory_scopes AS scope "
            "JOIN runwright_memory_entries AS entry ON entry.scope = scope.number "
            "GROUP BY scope.number",
        )
        return [tuple(row) for row in rows]

    @pytest.mark.parametrize("name", ["app_name", "user_id", "memory_id"])
    async def test_names_that_the_database_cannot_hold_are_refused(self, service: BaseMemoryService, name: str) -> None:
        names = {"app_name": "app", "user_id": "u", "memory_id": "m", name: "x\0"}
        with pytest.raises(InputValidationError, match=f"{name} .*NUL"):
            await service.delete_memory(**names)
        entry = MemoryEntry(id="x\0", content=UserContent("giraffe"))
        with pytest.raises(InputValidationError, match="NUL"):
            await service.add_memory(app_name="app", user_id="u", memories=[entry])


class TestPostgresMemories(_PostgresMemories):
    pass


class TestPostgresMemoriesWithVectors(_PostgresMemories):
    embedded = True


class TestPostgresMemoriesWithoutPgvector(_PostgresMemories):
    embedded = True
    pgvector = False


async def test_pgvector_and_the_search_without_it_find_the_same(postgres_database: str) -> None:
    available = await asked(postgres_database, "SELECT 1 FROM pg_available_extensions WHERE name = 'vector'")
    if not available:
        pytest.skip("this PostgreSQL has no pgvector")
    without = PostgresMemoryService(postgres_database, embedder=HashingEmbedder(), pgvector=False)
    with_it = PostgresMemoryService(postgres_database, embedder=HashingEmbedder())
    await remember(
        without, *(f"{a} {b}" for a in ("giraffe", "submarine", "tea") for b in ("leaves", "dives", "table"))
    )
    queries = ("giraffes", "leave", "submarine tables", "dives tea", "xyzzy")
    plain = [await ranked(without, query) for query in queries]
    assert plain[0]
    assert await asked(postgres_database, "SELECT 1 FROM pg_extension WHERE extname = 'vector'") == []
    assert [await ranked(with_it, query) for query in queries] == plain
    assert await asked(postgres_database, "SELECT 1 FROM pg_extension WHERE extname = 'vector'")
    await with_it.close()
    await without.close()


async def test_a_user_who_may_not_create_pgvector_does_without(postgres_database: str) -> None:
    who = (await asked(postgres_database, "SELECT current_user, rolsuper FROM pg_roles WHERE rolname = current_user"))[
        0
    ]
    if not who["rolsuper"]:
        pytest.skip("the server's user cannot create other users")
    role = "runwright_memory_test"
    await asked(
        postgres_database,
        f"DROP ROLE IF EXISTS {role}",
        f"CREATE ROLE {role} LOGIN PASSWORD 'secret'",
        f"GRANT ALL ON SCHEMA public TO {role}",
        "SELECT 1",
    )
    name, _, rest = postgres_database.partition("://")
    service = PostgresMemoryService(f"{name}://{role}:secret@{rest.partition('@')[2]}", embedder=HashingEmbedder())
    try:
        await remember(service, "The giraffe eats leaves")
        assert await ranked(service, "giraffes") == ["The giraffe eats leaves"]
    finally:
        await service.close()
        await asked(postgres_database, f"DROP OWNED BY {role}", f"DROP ROLE {role}", "SELECT 1")


async def test_words_are_ranked_as_in_sqlite(postgres_database: str, tmp_path: Path) -> None:
    texts = ["the cat", "the dog and the cat", "a dog", "the the the bird", "dog " * 40, "私の名前は太郎です", "1_tea"]
    services = [PostgresMemoryService(postgres_database), SqliteMemoryService(tmp_path / "memory.db")]
    for service in services:
        await remember(service, *texts)
    for query in ("the dog", "cat bird", "dog", "太郎", "tea", "1_tea", "名前 dog"):
        one, other = [await ranked(service, query) for service in services]
        assert one == other
    for service in services:
        await service.close()


async def test_every_query_has_its_index(postgres_database: str) -> None:
    service = PostgresMemoryService(postgres_database, embedder=HashingEmbedder(8))
    for user in range(20):
        await remember(service, *(f"the note {number} of {user}" for number in range(60)), user_id=str(user))
    await remember(service, *(f"the note {number}" for number in range(3000)), user_id="many")
    await ranked(service, "note", user_id="7")
    await service.close()
    connection = await asyncpg.connect(postgres_database)
    try:
        await connection.execute("VACUUM ANALYZE")
        few, number = [row[0] for row in await connection.fetch(NUMBERS)]
        term, made_by = f"{number}_33", ("hashing-8", 8)
        for query, given in (
            (BY_WORDS, (number, f"'{term}'", [term], 3000, 3.0, 10)),
            (BY_DISTANCE, (few, *made_by, [1.0] * 8, 0.5, 10)),
            (VECTORS_OF, (few, *made_by)),
            (UNEMBEDDED, (4100, 10)),
        ):
            plan = "\n".join(row[0] for row in await connection.fetch(f"EXPLAIN {query}", *given))
            assert "Seq Scan on runwright_memory_entries" not in plan
            if query != UNEMBEDDED:  # which may look at all vectors, since it is asked for what lacks one
                assert "Seq Scan on runwright_memory_vectors" not in plan
            assert "Index" in plan
        assert "runwright_memory_entries_terms" in "\n".join(
            row[0] for row in await connection.fetch(f"EXPLAIN {BY_WORDS}", number, f"'{term}'", [term], 3000, 3.0, 10)
        )
    finally:
        await connection.close()


async def test_a_database_of_version_1_is_read_and_written(postgres_database: str) -> None:
    """Its dump was made by the version that brought the schema, and is never made anew."""
    connection = await asyncpg.connect(postgres_database)
    await connection.execute((FROZEN / "postgres_memory_v1.sql").read_text(encoding="utf-8"))
    await connection.close()
    service = PostgresMemoryService(postgres_database, embedder=HashingEmbedder(), pgvector=False)
    try:
        assert await ranked(service, "giraffes") == ["The giraffe eats leaves"]
        assert await ranked(service, "太郎", user_id="v") == ["私の名前は太郎です"]
        forgotten = Event(id="s-1", author="user", content=UserContent("A submarine dives"))
        await service.add_events_to_memory(app_name="app", user_id="u", events=[forgotten])
        assert await ranked(service, "submarine") == []
        await remember(service, "The zebra eats grass", start=10)
        assert await ranked(service, "zebra") == ["The zebra eats grass"]
    finally:
        await service.close()
