# SPDX-License-Identifier: Apache-2.0
"""The suite that every memory service passes. How well a search ranks is each service's own matter."""

from datetime import datetime

import pytest

from runwright.errors import InputValidationError
from runwright.event import Event
from runwright.memory import BaseMemoryService, MemoryEntry
from runwright.session import Session
from runwright.testing.service_suite import ServiceSuite
from runwright.types import ModelContent, Part, UserContent, text_of


class MemoryServiceContract(ServiceSuite[BaseMemoryService]):
    """Subclass it, say how the service is made, and pytest runs it (with pytest-asyncio in its ``auto`` mode)::

        class TestMyService(MemoryServiceContract):
            async def create_service(self):
                return MyService()

    Each test gets a new, empty service and closes it. A service whose memories outlive it overrides ``reopen`` too.
    """

    async def found(
        self, service: BaseMemoryService, query: str, *, app_name: str = "app", user_id: str = "u"
    ) -> list[str]:
        """The texts that a search finds, sorted."""
        response = await service.search_memory(app_name=app_name, user_id=user_id, query=query)
        return sorted(text_of(memory.content) for memory in response.memories)

    def session(self, *texts: str, session_id: str = "s", app_name: str = "app", user_id: str = "u") -> Session:
        events = [
            Event(
                id=f"{session_id}-{number}", author="user", content=UserContent(text), timestamp=1700000000.0 + number
            )
            for number, text in enumerate(texts)
        ]
        return Session(id=session_id, app_name=app_name, user_id=user_id, events=events)

    async def test_what_was_said_is_found_by_a_word_of_it(self, service: BaseMemoryService) -> None:
        await service.add_session_to_memory(self.session("The giraffe eats leaves", "A submarine dives"))
        service = await self.restarted(service)
        assert await self.found(service, "giraffe") == ["The giraffe eats leaves"]
        assert await self.found(service, "SUBMARINE?") == ["A submarine dives"]

    async def test_a_memory_tells_who_said_it_and_when(self, service: BaseMemoryService) -> None:
        await service.add_session_to_memory(self.session("The giraffe eats leaves"))
        (memory,) = (await service.search_memory(app_name="app", user_id="u", query="giraffe")).memories
        assert (memory.id, memory.author) == ("s-0", "user")
        assert memory.content == UserContent("The giraffe eats leaves")
        assert memory.timestamp is not None
        assert datetime.fromisoformat(memory.timestamp).timestamp() == 1700000000.0

    async def test_nothing_is_found_where_nothing_is_remembered(self, service: BaseMemoryService) -> None:
        assert await self.found(service, "giraffe") == []
        await service.add_session_to_memory(self.session())
        assert await self.found(service, "giraffe") == []

    async def test_a_search_stays_with_its_user_and_app(self, service: BaseMemoryService) -> None:
        await service.add_session_to_memory(self.session("The giraffe eats leaves"))
        assert await self.found(service, "giraffe", user_id="v") == []
        assert await self.found(service, "giraffe", app_name="other") == []
        await service.add_session_to_memory(self.session("My giraffe", app_name="a/b", user_id="c"))
        assert await self.found(service, "giraffe", app_name="a", user_id="b/c") == []
        await service.delete_memory(app_name="app", user_id="v", memory_id="s-0")
        assert await self.found(service, "giraffe") == ["The giraffe eats leaves"]

    async def test_a_session_added_again_adds_what_is_new(self, service: BaseMemoryService) -> None:
        await service.add_session_to_memory(self.session("The giraffe eats leaves"))
        await service.add_session_to_memory(self.session("The giraffe eats leaves", "The giraffe sleeps"))
        await service.add_session_to_memory(self.session("The giraffe eats leaves", "The giraffe sleeps"))
        assert await self.found(service, "giraffe") == ["The giraffe eats leaves", "The giraffe sleeps"]

    async def test_a_copy_with_part_of_the_log_forgets_nothing(self, service: BaseMemoryService) -> None:
        whole = self.session("The giraffe eats leaves", "A submarine dives")
        await service.add_session_to_memory(whole)
        await service.add_session_to_memory(whole.model_copy(update={"events": whole.events[-1:]}))
        assert await self.found(service, "giraffe") == ["The giraffe eats leaves"]

    async def test_after_a_part_of_the_log_the_whole_of_it_is_added(self, service: BaseMemoryService) -> None:
        whole = self.session("The giraffe eats leaves", "A submarine dives", "The giraffe sleeps")
        await service.add_session_to_memory(whole.model_copy(update={"events": whole.events[-1:]}))
        await service.add_session_to_memory(whole)
        assert await self.found(service, "giraffe") == ["The giraffe eats leaves", "The giraffe sleeps"]

    async def test_a_session_is_added_turn_by_turn(self, service: BaseMemoryService) -> None:
        whole = self.session(*(f"giraffe{number} eats" for number in range(30)))
        for reached in (*range(1, 31, 7), 30):
            service = await self.restarted(service)
            await service.add_session_to_memory(whole.model_copy(update={"events": whole.events[:reached]}))
        for number in range(30):
            assert f"giraffe{number} eats" in await self.found(service, f"giraffe{number}")

    async def test_another_session_of_the_same_name_is_added_too(self, service: BaseMemoryService) -> None:
        await service.add_session_to_memory(self.session("The giraffe eats leaves"))
        event = Event(id="later", author="user", content=UserContent("The giraffe sleeps"))
        await service.add_session_to_memory(Session(id="s", app_name="app", user_id="u", events=[event]))
        assert await self.found(service, "giraffe") == ["The giraffe eats leaves", "The giraffe sleeps"]

    async def test_events_are_added_once(self, service: BaseMemoryService) -> None:
        events = self.session("The giraffe eats leaves", "The giraffe sleeps").events
        for some in (events[:1], events, events):
            await service.add_events_to_memory(
                app_name="app", user_id="u", session_id="s", events=some, custom_metadata={"topic": "zoo"}
            )
        memories = (await service.search_memory(app_name="app", user_id="u", query="giraffe")).memories
        assert sorted(str(memory.id) for memory in memories) == ["s-0", "s-1"]
        assert all(memory.custom_metadata == {"topic": "zoo"} for memory in memories)

    async def test_events_without_words_are_left_out(self, service: BaseMemoryService) -> None:
        thought = ModelContent([Part(text="giraffe", thought=True)])
        events = [
            Event(author="agent"),
            Event(author="agent", content=ModelContent([])),
            Event(author="agent", content=thought),
            Event(author="agent", content=ModelContent([Part.from_function_call(name="giraffe", args={})])),
            Event(author="agent", content=ModelContent("giraffe in ch"), partial=True),
        ]
        await service.add_events_to_memory(app_name="app", user_id="u", events=events)
        assert await self.found(service, "giraffe") == []

    async def test_an_entry_is_kept_as_it_is(self, service: BaseMemoryService) -> None:
        entry = MemoryEntry(
            id="m1",
            author="Ann",
            content=UserContent("The giraffe eats leaves"),
            timestamp="2024-05-06T07:08:09+00:00",
            custom_metadata={"tags": ["zoo", None]},
        )
        nameless = MemoryEntry(content=UserContent("A submarine dives"))
        await service.add_memory(app_name="app", user_id="u", memories=[entry, nameless])
        service = await self.restarted(service)
        found = (await service.search_memory(app_name="app", user_id="u", query="giraffe")).memories
        assert found == [entry]
        (named,) = (await service.search_memory(app_name="app", user_id="u", query="submarine")).memories
        assert named.id

    async def test_an_entry_takes_the_place_of_the_one_with_its_id(self, service: BaseMemoryService) -> None:
        for text in ("The giraffe eats leaves", "A submarine dives"):
            entry = MemoryEntry(id="m1", content=UserContent(text))
            await service.add_memory(app_name="app", user_id="u", memories=[entry])
        assert await self.found(service, "giraffe") == []
        assert await self.found(service, "submarine") == ["A submarine dives"]

    async def test_what_is_forgotten_stays_forgotten(self, service: BaseMemoryService) -> None:
        session = self.session("The giraffe eats leaves", "The giraffe sleeps")
        await service.add_session_to_memory(session)
        await service.delete_memory(app_name="app", user_id="u", memory_id="s-0")
        await service.delete_memory(app_name="app", user_id="u", memory_id="none")
        assert await self.found(service, "giraffe") == ["The giraffe sleeps"]
        service = await self.restarted(service)
        await service.add_session_to_memory(session)
        assert await self.found(service, "giraffe") == ["The giraffe sleeps"]

    async def test_an_entry_that_was_forgotten_may_be_given_anew(self, service: BaseMemoryService) -> None:
        entry = MemoryEntry(id="m1", content=UserContent("The giraffe eats leaves"))
        for _ in range(2):
            await service.add_memory(app_name="app", user_id="u", memories=[entry])
            assert await self.found(service, "giraffe") == ["The giraffe eats leaves"]
            await service.delete_memory(app_name="app", user_id="u", memory_id="m1")
            await service.delete_memory(app_name="app", user_id="u", memory_id="m1")
            assert await self.found(service, "giraffe") == []

    async def test_a_long_text_and_one_with_a_nul_are_kept(self, service: BaseMemoryService) -> None:
        texts = ["giraffe " + "leaf " * 200_000, "giraffe\x00 " + "x" * 1_000_000, "\x00giraffe\x00"]
        for number, text in enumerate(texts):
            entry = MemoryEntry(id=f"m{number}", content=UserContent(text))
            await service.add_memory(app_name="app", user_id="u", memories=[entry])
        service = await self.restarted(service)
        assert await self.found(service, "giraffe") == sorted(texts)

    async def test_what_is_no_text_is_refused(self, service: BaseMemoryService) -> None:
        good = MemoryEntry(id="good", content=UserContent("giraffe"))
        bad = MemoryEntry(id="bad", content=UserContent("giraffe \ud800"))
        with pytest.raises(InputValidationError, match="'bad'"):
            await service.add_memory(app_name="app", user_id="u", memories=[good, bad])
        assert await self.found(service, "giraffe") == []

    async def test_what_is_done_to_an_entry_does_not_reach_the_store(self, service: BaseMemoryService) -> None:
        session = self.session("The giraffe eats leaves")
        await service.add_session_to_memory(session)
        assert session.events[0].content is not None
        session.events[0].content.parts = []
        (memory,) = (await service.search_memory(app_name="app", user_id="u", query="giraffe")).memories
        memory.content.parts = []
        memory.custom_metadata["k"] = 1
        (again,) = (await service.search_memory(app_name="app", user_id="u", query="giraffe")).memories
        assert (again.content, again.custom_metadata) == (UserContent("The giraffe eats leaves"), {})

    @pytest.mark.parametrize(
        "query",
        ["", "   ", "?!", "'; DROP TABLE memories; --", '"unclosed', "a* OR NEAR(", "\x00", "\ud800 x", "12_x:* & !'"],
    )
    async def test_any_text_may_be_asked(self, service: BaseMemoryService, query: str) -> None:
        await service.add_session_to_memory(self.session("The giraffe eats leaves"))
        await service.search_memory(app_name="app", user_id="u", query=query)
        assert await self.found(service, "giraffe") == ["The giraffe eats leaves"]
