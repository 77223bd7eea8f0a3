# SPDX-License-Identifier: Apache-2.0
"""Memories in a SQLite file: the suites of every store, and what is this one's own."""

import asyncio
import shutil
import sqlite3
import sys
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory
from types import ModuleType

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from runwright.event import Event
from runwright.memories.embedders import HashingEmbedder
from runwright.memories.in_memory import InMemoryMemoryService
from runwright.memories.sqlite import (
    BY_WORDS,
    ENTRIES,
    KNOWN,
    UNEMBEDDED,
    VECTORS_OF,
    WORD_COUNTS,
    SqliteMemoryService,
    with_vector_functions,
)
from runwright.memory import Embedder, MemoryEntry
from runwright.session import GetSessionConfig
from runwright.sessions.in_memory import InMemorySessionService
from runwright.sessions.sqlite import SqliteSessionService
from runwright.types import UserContent
from tests.contract.durable_memories import DurableMemoriesContract, ranked, remember

TEXTS = st.text(max_size=30) | st.lists(st.sampled_from(["tea", "the", "a_1", "茶道", "Straße", "1_tea"])).map(" ".join)
NAMES = st.sampled_from(["", "1", "a", "a_1", "1_tea", "a/b", "ü", "' OR 1=1 --"])


class _SqliteMemories(DurableMemoriesContract):
    place: Path

    @pytest.fixture(autouse=True)
    def file(self, tmp_path: Path) -> None:
        self.place = tmp_path / "folder" / "memory.db"

    def opened(self, embedder: Embedder | None = None) -> SqliteMemoryService:
        return SqliteMemoryService(self.place, embedder=embedder)

    def process(self) -> tuple[str, str, str]:
        return "sqlite", "SqliteMemoryService", str(self.place)

    async def counted(self) -> list[tuple[int, int, int, int]]:
        connection = sqlite3.connect(self.place)
        try:
            return connection.execute(
                "SELECT scope.entries, scope.words, count(entry.data), sum(entry.words) "
                "FROM memory_scopes AS scope JOIN memory_entries AS entry ON entry.scope = scope.number "
                "GROUP BY scope.number"
            ).fetchall()
        finally:
            connection.close()


class TestSqliteMemories(_SqliteMemories):
    pass


class TestSqliteMemoriesWithVectors(_SqliteMemories):
    embedded = True


@given(
    added=st.lists(st.tuples(NAMES, NAMES, st.integers(0, 5), TEXTS), max_size=12),
    asked=st.tuples(NAMES, NAMES, TEXTS),
)
@settings(max_examples=50)
def test_whatever_others_remember_a_user_finds_what_the_store_in_memory_finds_for_them_alone(
    added: list[tuple[str, str, int, str]], asked: tuple[str, str, str]
) -> None:
    async def play() -> None:
        app_name, user_id, query = asked
        alone = InMemoryMemoryService()
        with TemporaryDirectory() as folder:
            service = SqliteMemoryService(Path(folder) / "memory.db")
            for app, user, number, text in added:
                entry = MemoryEntry(id=str(number), content=UserContent(text))
                await service.add_memory(app_name=app, user_id=user, memories=[entry])
                if (app, user) == (app_name, user_id):
                    await alone.add_memory(app_name=app, user_id=user, memories=[entry])
            found = await ranked(service, query, app_name=app_name, user_id=user_id)
            await service.close()
        assert sorted(found) == sorted(await ranked(alone, query, app_name=app_name, user_id=user_id))

    asyncio.run(play())


@given(text=st.text(), query=st.text())
@settings(max_examples=50)
def test_any_text_can_be_remembered_and_asked(text: str, query: str) -> None:
    async def play() -> None:
        with TemporaryDirectory() as folder:
            service = SqliteMemoryService(Path(folder) / "memory.db", embedder=HashingEmbedder(16))
            await remember(service, f"giraffe {text}", query)
            await ranked(service, query)
            assert f"giraffe {text}" in await ranked(service, "giraffe")
            await service.close()

    asyncio.run(play())


@pytest.mark.parametrize(
    ("text", "query", "count"),
    [
        ("Die STRASSE ist leer", "straße", 1),
        ("full width: \uff21\uff22\uff23", "abc", 1),
        ("I like to code in Python.", "thon", 0),
        ("私の名前は太郎です", "太郎", 1),
        ("我喜欢机器学习", "机器学习", 1),
        ("私はPythonでADKを使っています", "python", 1),
        ("제 이름은 민수입니다", "민수", 1),
        ("犬が好き", "犬", 1),
        ("สวัสดีครับ", "สวัสดี", 1),
        ("snake_case and 1_tea", "snake_case", 1),
        ("snake_case and 1_tea", "tea", 0),
    ],
)
async def test_words_of_any_script(tmp_path: Path, text: str, query: str, count: int) -> None:
    service = SqliteMemoryService(tmp_path / "memory.db")
    await remember(service, text, "something else")
    assert len(await ranked(service, query)) == count
    await service.close()


def plan(connection: sqlite3.Connection, query: str) -> list[str]:
    named = {"rarities": "{}", "usual_words": 1.0, "count": 1}
    given = named if ":count" in query else ("[]", 1)[: query.count("?")]
    return [row[3] for row in connection.execute(f"EXPLAIN QUERY PLAN {query}", given)]


async def test_every_query_has_its_index(tmp_path: Path) -> None:
    service = SqliteMemoryService(tmp_path / "memory.db")
    for user in range(20):
        await remember(service, *(f"the note {number}" for number in range(20)), user_id=str(user))
    await service.close()
    connection = sqlite3.connect(tmp_path / "memory.db")
    try:
        for query in (BY_WORDS, ENTRIES, KNOWN, VECTORS_OF, WORD_COUNTS, UNEMBEDDED):
            steps = plan(connection, query)
            assert steps
            tables = [step for step in steps if "memory_" in step or "kept" in step or "made" in step]
            assert not [step for step in tables if step.startswith("SCAN") and "VIRTUAL" not in step], steps
        # The lists of words are entered at the word: index 0 would pass over all of them.
        for query in (BY_WORDS, WORD_COUNTS):
            (words,) = [step for step in plan(connection, query) if "place" in step or "counted" in step]
            assert "VIRTUAL TABLE INDEX" in words
            assert "INDEX 0:" not in words
    finally:
        connection.close()


async def test_sessions_and_memories_share_a_file(tmp_path: Path) -> None:
    sessions, memories = SqliteSessionService(tmp_path / "all.db"), SqliteMemoryService(tmp_path / "all.db")
    session = await sessions.create_session(app_name="app", user_id="u", session_id="s")
    for turn in range(5):
        await sessions.append_event(session, Event(author="user", content=UserContent(f"giraffe{turn}")))
        await memories.add_session_to_memory(session)
    assert await ranked(memories, "giraffe3") == ["giraffe3"]
    await memories.close()
    await sessions.close()


async def test_a_file_of_the_first_schema_is_read_and_written(tmp_path: Path) -> None:
    """The file was made by the version that brought the schema, and is never made anew."""
    shutil.copy(Path(__file__).parent / "frozen" / "memory_0001.db", tmp_path / "memory.db")
    service = SqliteMemoryService(tmp_path / "memory.db", embedder=HashingEmbedder())
    assert await ranked(service, "giraffes") == ["The giraffe eats leaves"]
    assert await ranked(service, "太郎", user_id="v") == ["私の名前は太郎です"]
    forgotten = Event(id="s-1", author="user", content=UserContent("A submarine dives"))
    await service.add_events_to_memory(app_name="app", user_id="u", events=[forgotten])
    assert await ranked(service, "submarine") == []
    await remember(service, "The zebra eats grass", start=10)
    assert await ranked(service, "zebra") == ["The zebra eats grass"]
    await service.close()


@pytest.fixture
def loading_sqlite() -> Iterator[ModuleType]:
    """A sqlite3 that can load extensions: this Python's, or that of the package pysqlite3-binary."""
    pytest.importorskip("sqlite_vec", reason="sqlite-vec is not installed: pip install 'runwright[dev]'")
    if hasattr(sqlite3.Connection, "enable_load_extension"):
        yield sqlite3
        return
    yield pytest.importorskip(
        "pysqlite3", reason="this Python's sqlite3 loads no extensions, and pysqlite3-binary is not installed"
    )


async def test_sqlite_vec_and_the_search_without_it_find_the_same(tmp_path: Path, loading_sqlite: ModuleType) -> None:
    connection = with_vector_functions(loading_sqlite.connect)(":memory:")
    assert connection.execute("SELECT vec_version()").fetchone()
    connection.close()
    texts = [f"{one} {other}" for one in ("giraffe", "submarine", "tea") for other in ("leaves", "dives", "table")]
    with_it = SqliteMemoryService(tmp_path / "with.db", embedder=HashingEmbedder(), connect=loading_sqlite.connect)
    without = SqliteMemoryService(tmp_path / "without.db", embedder=HashingEmbedder(), connect=_without_extensions)
    for service in (with_it, without):
        await remember(service, *texts)
    for query in ("giraffes", "leave", "submarine tables", "dives tea", "xyzzy"):
        assert await ranked(with_it, query) == await ranked(without, query)
    assert await ranked(with_it, "giraffes")
    await with_it.close()
    await without.close()


class _PlainConnection(sqlite3.Connection):
    """A connection as a Python without extension loading has it."""

    def __getattribute__(self, name: str) -> object:
        if name == "enable_load_extension":
            raise AttributeError(name)
        return super().__getattribute__(name)


def _without_extensions(*args: object, **options: object) -> sqlite3.Connection:
    return sqlite3.connect(*args, factory=_PlainConnection, **options)  # type: ignore[call-overload]


def test_vectors_work_where_sqlite_vec_is_missing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "sqlite_vec", None)

    async def play() -> None:
        service = SqliteMemoryService(tmp_path / "memory.db", embedder=HashingEmbedder())
        await remember(service, "The giraffe eats leaves")
        assert await ranked(service, "giraffes") == ["The giraffe eats leaves"]
        await service.close()

    asyncio.run(play())


async def test_reading_part_of_the_log_adds_what_was_said_since(tmp_path: Path) -> None:
    """As a program does that loads the newest events alone."""
    service = SqliteMemoryService(tmp_path / "memory.db")
    sessions = InMemorySessionService()
    session = await sessions.create_session(app_name="app", user_id="u", session_id="s")
    for turn in range(12):
        for part in range(2):
            event = Event(author="user", content=UserContent(f"giraffe{turn}x{part}"))
            await sessions.append_event(session, event)
        newest = GetSessionConfig(num_recent_events=3)
        read = await sessions.get_session(app_name="app", user_id="u", session_id="s", config=newest)
        assert read is not None
        await service.add_session_to_memory(read)
    for turn in range(12):
        for part in range(2):
            assert await ranked(service, f"giraffe{turn}x{part}") == [f"giraffe{turn}x{part}"]
    await service.close()
