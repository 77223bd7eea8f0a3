# SPDX-License-Identifier: Apache-2.0
"""What every memory service promises whose memories are in a database, beside the suite of every store."""

import asyncio
import sys
import threading
from collections.abc import Sequence

import pytest

from runwright.errors import ConfigurationError, InputValidationError, ModelError
from runwright.memories.embedders import HashingEmbedder
from runwright.memories.indexed import IndexedMemoryService
from runwright.memories.words import words_of
from runwright.memory import BaseMemoryService, Embedder, MemoryEntry
from runwright.testing import MemoryServiceContract
from runwright.types import UserContent, text_of

SECONDS_FOR_PROCESSES = 60

ADDING = """
import asyncio, sys
from runwright.event import Event
from runwright.memories.{module} import {service}
from runwright.session import Session
from runwright.types import UserContent

async def main():
    service = {service}(sys.argv[1])
    events = [Event(id=f"e{{n}}", author="user", content=UserContent(f"giraffe{{n}} eats")) for n in range(40)]
    for reached in range(1, 41):
        session = Session(id="s", app_name="app", user_id="u", events=events[:reached])
        await service.add_session_to_memory(session)
    await service.close()

print("ready", flush=True)
sys.stdin.readline()
asyncio.run(main())
"""


class WatchedEmbedder(HashingEmbedder):
    """Notes what it is given, and fails when it is told to."""

    def __init__(self, dimensions: int = 256) -> None:
        super().__init__(dimensions)
        self.given: list[str] = []
        self.fails = False

    async def embed(self, texts: Sequence[str]) -> list[list[float]]:
        if self.fails:
            raise ModelError("the model is away")
        self.given.extend(texts)
        return await super().embed(texts)


async def ranked(service: BaseMemoryService, query: str, *, app_name: str = "app", user_id: str = "u") -> list[str]:
    response = await service.search_memory(app_name=app_name, user_id=user_id, query=query)
    return [text_of(memory.content) for memory in response.memories]


async def remember(
    service: BaseMemoryService, *texts: str, app_name: str = "app", user_id: str = "u", start: int = 0
) -> None:
    entries = [MemoryEntry(id=f"m{n}", content=UserContent(text)) for n, text in enumerate(texts, start)]
    await service.add_memory(app_name=app_name, user_id=user_id, memories=entries)


class DurableMemoriesContract(MemoryServiceContract):
    """Subclasses say how a service on the test's own database is made."""

    embedded = False
    """Whether the suite is run on a service with an embedder."""

    def opened(self, embedder: Embedder | None = None) -> IndexedMemoryService:
        """A service on this test's database."""
        raise NotImplementedError

    async def counted(self) -> list[tuple[int, int, int, int]]:
        """For each scope the entries and words that are noted for it, and those that there are."""
        raise NotImplementedError

    def process(self) -> tuple[str, str, str]:
        """The module, the class and the place of the service, for another process."""
        raise NotImplementedError

    async def create_service(self) -> BaseMemoryService:
        return self.opened(HashingEmbedder() if self.embedded else None)

    async def reopen(self, service: BaseMemoryService) -> BaseMemoryService:
        await service.close()
        return await self.create_service()

    async def test_only_what_is_new_is_embedded(self) -> None:
        embedder = WatchedEmbedder()
        service = self.opened(embedder)
        whole = self.session(*(f"giraffe number {number}" for number in range(20)))
        for reached in range(1, 21):
            await service.add_session_to_memory(whole.model_copy(update={"events": whole.events[:reached]}))
        await service.add_session_to_memory(whole)
        await service.close()
        assert embedder.given == [f"giraffe number {number}" for number in range(20)]

    async def test_what_the_embedder_failed_at_is_added_the_next_time(self) -> None:
        embedder = WatchedEmbedder()
        service = self.opened(embedder)
        embedder.fails = True
        with pytest.raises(ModelError):
            await service.add_session_to_memory(self.session("The giraffe eats leaves"))
        assert await ranked(service, "giraffe") == []
        embedder.fails = False
        await service.add_session_to_memory(self.session("The giraffe eats leaves"))
        assert await ranked(service, "giraffe") == ["The giraffe eats leaves"]
        await service.close()

    async def test_vectors_find_what_is_spelt_otherwise(self) -> None:
        words, both = self.opened(), self.opened(HashingEmbedder())
        await remember(both, "The giraffe eats leaves", "A submarine dives", "Nothing of note")
        assert await ranked(words, "giraffes") == []
        assert await ranked(both, "giraffes") == ["The giraffe eats leaves"]
        assert await ranked(both, "submarnie?") == ["A submarine dives"]
        assert await ranked(both, "giraffes", user_id="v") == []
        await words.close()
        await both.close()

    async def test_vectors_of_another_embedder_are_not_compared_and_can_be_made_anew(self) -> None:
        old, new = self.opened(HashingEmbedder(64)), self.opened(HashingEmbedder(256))
        await remember(old, "The giraffe eats leaves")
        await remember(old, "A submarine dives", user_id="v")
        for refused in (ranked(new, "giraffes"), remember(new, "Another giraffe", start=1)):
            with pytest.raises(ConfigurationError, match=r"'hashing-64' \(64 dimensions\).*reindex\(\)"):
                await refused
        await new.reindex()
        assert await ranked(new, "giraffes") == ["The giraffe eats leaves"]
        assert await ranked(new, "submarines", user_id="v") == ["A submarine dives"]
        for refused in (ranked(old, "giraffes"), remember(old, "Another giraffe", start=1)):
            with pytest.raises(ConfigurationError, match="'hashing-256'"):
                await refused
        await old.close()
        await new.close()

    async def test_entries_added_without_an_embedder_get_their_vectors_by_reindex(self) -> None:
        words = self.opened()
        await remember(words, *(f"filler{number}" for number in range(300)), "The giraffe eats leaves", "?")
        await words.delete_memory(app_name="app", user_id="u", memory_id="m0")
        embedder = WatchedEmbedder()
        both = self.opened(embedder)
        assert await ranked(both, "giraffes") == []
        await both.reindex()
        assert (await ranked(both, "giraffes"))[:1] == ["The giraffe eats leaves"]
        embedder.given.clear()
        await both.reindex()
        assert embedder.given == []
        await words.close()
        await both.close()

    async def test_what_is_forgotten_is_not_found_by_its_vector(self) -> None:
        service = self.opened(HashingEmbedder())
        await remember(service, "The giraffe eats leaves", "A giraffe sleeps")
        await service.delete_memory(app_name="app", user_id="u", memory_id="m0")
        await remember(service, "A submarine dives", start=1)
        assert await ranked(service, "giraffes") == []
        await service.reindex()
        assert await ranked(service, "giraffes") == []
        await service.close()

    async def test_an_embedder_that_gives_something_else_is_refused(self) -> None:
        class Odd(WatchedEmbedder):
            answers: list[list[float]] = []

            async def embed(self, texts: Sequence[str]) -> list[list[float]]:
                return self.answers

        embedder = Odd(2)
        service = self.opened(embedder)
        for answers, problem in (
            ([], "1 texts and gave 0"),
            ([[1.0]], "2 dimensions and gave one of 1"),
            ([[1.0, float("nan")]], "not finite"),
        ):
            embedder.answers = answers
            with pytest.raises(ConfigurationError, match=problem):
                await remember(service, "The giraffe eats leaves")
        embedder.answers = [[0.0, 0.0]]
        await remember(service, "The giraffe eats leaves")
        assert await ranked(service, "giraffe") == ["The giraffe eats leaves"]
        await service.close()

    async def test_what_is_added_while_vectors_are_made_anew_gets_its_own(self) -> None:
        words, both = self.opened(), self.opened(HashingEmbedder())
        await remember(words, *(f"filler{number}" for number in range(600)))
        adding = (remember(both, f"giraffe{n}x", start=1000 + n, user_id=f"v{n}") for n in range(20))
        await asyncio.gather(both.reindex(), *adding)
        for number in range(20):
            assert await ranked(both, f"girafe{number}x", user_id=f"v{number}") == [f"giraffe{number}x"]
        assert await ranked(both, "fillers")
        await words.close()
        await both.close()

    def test_several_event_loops_share_one_service(self) -> None:
        service = self.opened(HashingEmbedder(32))
        whole = self.session(*(f"giraffe{number} eats" for number in range(40)))
        failures: list[BaseException] = []

        async def work() -> None:
            for reached in range(10, 41, 10):
                await service.add_session_to_memory(whole.model_copy(update={"events": whole.events[:reached]}))
                assert (await ranked(service, f"giraffe{reached - 1}"))[:1] == [f"giraffe{reached - 1} eats"]

        def run() -> None:
            try:
                asyncio.run(work())
            except BaseException as error:  # noqa: BLE001 - shown by the assert below, in the test's own thread
                failures.append(error)

        threads = [threading.Thread(target=run) for _ in range(3)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert failures == []

        async def end() -> list[tuple[int, int, int, int]]:
            await service.close()
            return await self.counted()

        assert asyncio.run(end()) == [(40, 80, 40, 80)]

    async def test_what_others_remember_changes_no_ranking(self) -> None:
        service = self.opened()
        texts = ["the cat", "the dog and the cat", "a dog", "the the the bird"]
        await remember(service, *texts)
        before = await ranked(service, "the dog")
        await remember(service, *(f"dog {number}" for number in range(50)), user_id="v")
        await remember(service, *(f"the {number}" for number in range(50)), app_name="other")
        assert before[:2] == ["the dog and the cat", "a dog"]
        assert await ranked(service, "the dog") == before
        await service.close()

    async def test_every_character_can_be_remembered_and_asked(self) -> None:
        service = self.opened()
        characters = [chr(code) for code in range(0x20000) if not 0xD800 <= code < 0xE000]
        text = " ".join(characters)
        await remember(service, text, "something")
        asked = [character for character in characters[::389] if words_of(character)]
        assert len(asked) > 100
        for character in asked:
            assert text in await ranked(service, character), repr(character)
        await ranked(service, text)
        await service.close()

    async def test_a_text_full_of_a_word_does_not_bury_a_short_one(self) -> None:
        service = self.opened()
        long = "the history of tea " + "and of many other things that people drank " * 50
        await remember(service, long, "tea in the morning", "coffee", "water", "juice")
        assert await ranked(service, "tea") == ["tea in the morning", long]
        await service.close()

    @pytest.mark.parametrize("name", ["app_name", "user_id"])
    async def test_names_that_are_no_text_are_refused(self, service: BaseMemoryService, name: str) -> None:
        names = {"app_name": "app", "user_id": "u", name: "x\ud800"}
        with pytest.raises(InputValidationError, match=name):
            await service.search_memory(**names, query="giraffe")
        with pytest.raises(InputValidationError, match=name):
            await service.add_memory(**names, memories=[MemoryEntry(content=UserContent("giraffe"))])

    async def test_two_processes_that_add_a_session_at_once_add_it_once(self) -> None:
        module, name, place = self.process()
        script = ADDING.format(module=module, service=name)
        processes = [
            await asyncio.create_subprocess_exec(
                sys.executable, "-c", script, place, stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE
            )
            for _ in range(2)
        ]
        try:
            async with asyncio.timeout(SECONDS_FOR_PROCESSES):
                for process in processes:
                    assert process.stdout is not None
                    assert await process.stdout.readline() == b"ready\n"
                await asyncio.gather(*(process.communicate(b"go\n") for process in processes))
        finally:
            for process in processes:
                if process.returncode is None:
                    process.kill()
                    await process.wait()
        assert [process.returncode for process in processes] == [0, 0]
        service = self.opened()
        for number in range(40):
            assert await ranked(service, f"giraffe{number}") == [f"giraffe{number} eats"]
        await service.close()
        assert await self.counted() == [(40, 80, 40, 80)]

    async def test_the_counts_that_ranking_uses_stay_true(self) -> None:
        service = self.opened()
        await remember(service, "one two three", "one", "two words", "")
        await remember(service, "another one here", start=1)
        await service.add_session_to_memory(self.session("said before", "m"))
        await service.delete_memory(app_name="app", user_id="u", memory_id="m2")
        await service.delete_memory(app_name="app", user_id="u", memory_id="m2")
        await service.add_session_to_memory(self.session("said before", "m", "and after"))
        await service.close()
        assert await self.counted() == [(6, 11, 6, 11)]
