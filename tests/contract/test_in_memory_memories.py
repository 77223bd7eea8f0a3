# SPDX-License-Identifier: Apache-2.0
"""Memories in memory: the suite of every store, and how this one ranks."""

import asyncio
import threading
import unicodedata

import pytest

from runwright.errors import InputValidationError
from runwright.event import Event
from runwright.memories.in_memory import MOST_FOUND, InMemoryMemoryService
from runwright.memory import MemoryEntry
from runwright.testing import MemoryServiceContract
from runwright.types import UserContent, text_of


class TestInMemoryMemories(MemoryServiceContract):
    async def create_service(self) -> InMemoryMemoryService:
        return InMemoryMemoryService()


async def remembering(*texts: str) -> InMemoryMemoryService:
    service = InMemoryMemoryService()
    events = [Event(author="user", content=UserContent(text)) for text in texts]
    await service.add_events_to_memory(app_name="app", user_id="u", events=events)
    return service


async def ranked(service: InMemoryMemoryService, query: str) -> list[str]:
    response = await service.search_memory(app_name="app", user_id="u", query=query)
    return [text_of(memory.content) for memory in response.memories]


async def test_the_more_words_are_shared_the_better() -> None:
    service = await remembering("Ready.", "The deploy is ready.", "Nothing.", "The deploy status is ready.")
    assert await ranked(service, "deploy status ready") == [
        "The deploy status is ready.",
        "The deploy is ready.",
        "Ready.",
    ]


async def test_a_rare_word_counts_for_more_than_a_common_one() -> None:
    service = await remembering("the cat", "the dog", "the house", "a zebra")
    assert await ranked(service, "the zebra") == ["a zebra", "the cat", "the dog", "the house"]


async def test_a_word_that_all_share_does_not_bring_back_all() -> None:
    service = await remembering(*(f"note {number}" for number in range(30)), "the needle note")
    found = await ranked(service, "needle note")
    assert len(found) == MOST_FOUND
    assert found[0] == "the needle note"


@pytest.mark.parametrize(
    ("text", "query", "count"),
    [
        ("Die STRASSE ist leer", "straße", 1),
        ("Меня зовут Алексей", "АЛЕКСЕЙ", 1),
        (unicodedata.normalize("NFD", "Meet at the Café"), "café", 1),
        ("full width: \uff21\uff22\uff23", "abc", 1),
        ("I like to code in Python.", "thon", 0),
        ("私の名前は太郎です", "太郎", 1),
        ("私の名前は太郎です", "天気", 0),
        ("我喜欢机器学习", "机器学习", 1),
        ("私はPythonでADKを使っています", "python", 1),
        ("私はPythonでADKを使っています", "使って", 1),
        ("私はPythonでADKを使っています", "thon", 0),
        ("제 이름은 민수입니다", "민수", 1),
        ("犬が好き", "犬", 1),
        ("", "anything", 0),
    ],
)
async def test_words_of_any_script(text: str, query: str, count: int) -> None:
    service = await remembering(text, "something else")
    assert len(await ranked(service, query)) == count


async def test_an_entry_that_is_not_json_is_refused_and_nothing_is_written() -> None:
    service = InMemoryMemoryService()
    good = MemoryEntry(id="good", content=UserContent("giraffe"))
    bad = MemoryEntry(id="bad", content=UserContent("giraffe"), custom_metadata={"k": object()})
    with pytest.raises(InputValidationError, match="'bad'"):
        await service.add_memory(app_name="app", user_id="u", memories=[good, bad])
    assert await ranked(service, "giraffe") == []


def test_several_event_loops_share_one_service() -> None:
    service = InMemoryMemoryService()
    events = [Event(author="user", content=UserContent(f"giraffe {number}")) for number in range(200)]
    found: list[int] = []

    async def work() -> None:
        for start in range(0, len(events), 20):
            await service.add_events_to_memory(app_name="app", user_id="u", events=events[: start + 20])
            await service.search_memory(app_name="app", user_id="u", query="giraffe")
        found.append(len(await ranked(service, "giraffe 199")))

    threads = [threading.Thread(target=lambda: asyncio.run(work())) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert found == [MOST_FOUND] * 4
    assert asyncio.run(ranked(service, "199")) == ["giraffe 199"]
