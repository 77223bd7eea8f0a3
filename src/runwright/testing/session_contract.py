# SPDX-License-Identifier: Apache-2.0
"""The suite that every session service passes: making, reading, listing and deleting sessions; and, from the modules
beside it, appending and state."""

import asyncio

import pytest

from runwright.errors import AlreadyExistsError, InputValidationError
from runwright.event import Event, EventActions
from runwright.session import BaseSessionService, GetSessionConfig, Session
from runwright.testing.session_append_contract import AppendContract
from runwright.testing.session_state_contract import StateContract
from runwright.types import UserContent

ODD_NAMES = ["a/b", "../up", "a b", "ünï-ço∂é 文字 🙂", "'; DROP TABLE sessions; --", "%2e%2e", "a:b", "A" * 120]


class SessionServiceContract(AppendContract, StateContract):
    """Subclass it, say how the service is made, and pytest runs it (with pytest-asyncio in its ``auto`` mode)::

        class TestMyService(SessionServiceContract):
            async def create_service(self):
                return MyService()

    Each test gets a new, empty service and closes it. A service whose sessions outlive it overrides ``reopen`` too.
    """

    # --- create -------------------------------------------------------------------------------------------------

    async def test_a_new_session_is_empty_and_has_its_own_id(self, service: BaseSessionService) -> None:
        first = await service.create_session(app_name="app", user_id="u")
        second = await service.create_session(app_name="app", user_id="u")
        assert first.id and second.id and first.id != second.id
        assert (first.app_name, first.user_id, first.state, first.events, first.seq) == ("app", "u", {}, [], 0)
        assert first.last_update_time > 0

    async def test_a_given_id_is_kept_without_the_space_around_it(self, service: BaseSessionService) -> None:
        session = await service.create_session(app_name="app", user_id="u", session_id="  s 1\n")
        assert session.id == "s 1"
        assert await service.get_session(app_name="app", user_id="u", session_id="s 1") == session

    @pytest.mark.parametrize("blank", ["", "   ", "\t\n"])
    async def test_a_blank_id_means_a_new_one(self, service: BaseSessionService, blank: str) -> None:
        session = await service.create_session(app_name="app", user_id="u", session_id=blank)
        assert session.id.strip()

    async def test_an_id_is_taken_once(self, service: BaseSessionService) -> None:
        await service.create_session(app_name="app", user_id="u", session_id="s", state={"k": 1, "app:k": 1})
        with pytest.raises(AlreadyExistsError, match="'s'"):
            await service.create_session(app_name="app", user_id="u", session_id=" s ", state={"k": 2, "app:k": 2})
        again = await self.read(service)
        assert again.state == {"k": 1, "app:k": 1}

    async def test_of_many_that_want_one_id_one_gets_it(self, service: BaseSessionService) -> None:
        made = await asyncio.gather(
            *(service.create_session(app_name="app", user_id="u", session_id="s") for _ in range(20)),
            return_exceptions=True,
        )
        assert sum(isinstance(one, Session) for one in made) == 1
        assert sum(isinstance(one, AlreadyExistsError) for one in made) == 19

    async def test_the_same_id_is_free_for_other_users_and_apps(self, service: BaseSessionService) -> None:
        for app_name, user_id in [("a", "u"), ("a", "v"), ("b", "u")]:
            await service.create_session(
                app_name=app_name, user_id=user_id, session_id="s", state={"of": app_name + user_id}
            )
        for app_name, user_id in [("a", "u"), ("a", "v"), ("b", "u")]:
            session = await self.read(service, app_name=app_name, user_id=user_id)
            assert session.state == {"of": app_name + user_id}

    @pytest.mark.parametrize("name", ODD_NAMES)
    async def test_odd_names_are_names_like_any_other(self, service: BaseSessionService, name: str) -> None:
        session = await service.create_session(app_name=name, user_id=name, session_id=name, state={name: name})
        await service.append_event(session, self.said("hello"))
        service = await self.restarted(service)
        again = await self.read(service, app_name=name, user_id=name, session_id=name)
        assert again.state == {name: name}
        assert again.events == session.events
        assert [one.id for one in (await service.list_sessions(app_name=name, user_id=name)).sessions] == [name]

    async def test_a_separator_in_one_name_does_not_reach_into_another(self, service: BaseSessionService) -> None:
        await service.create_session(app_name="a/b", user_id="c", session_id="d", state={"user:k": 1})
        assert await service.get_session(app_name="a", user_id="b/c", session_id="d") is None
        other = await service.create_session(app_name="a", user_id="b/c", session_id="d")
        assert other.state == {}

    # --- get ----------------------------------------------------------------------------------------------------

    async def test_there_is_nothing_where_nothing_was_made(self, service: BaseSessionService) -> None:
        await service.create_session(app_name="app", user_id="u", session_id="s")
        for app_name, user_id, session_id in [("app", "u", "t"), ("app", "v", "s"), ("other", "u", "s")]:
            assert await service.get_session(app_name=app_name, user_id=user_id, session_id=session_id) is None

    async def test_what_is_read_is_a_copy(self, service: BaseSessionService) -> None:
        given = {"k": [1], "user:k": {"a": 1}}
        session = await service.create_session(app_name="app", user_id="u", session_id="s", state=given)
        event = self.said("hello", {"d": {"deep": [1]}})
        await service.append_event(session, event)
        given["k"] = [2]
        read = await self.read(service)
        for copy in (session, read):
            copy.state["k"].append("changed")
            copy.state["user:k"]["a"] = "changed"
            copy.state["d"]["deep"].append("changed")
            copy.state["new"] = 1
            assert copy.events[0].content is not None
            copy.events[0].content.parts = []
            copy.events[0].actions.state_delta["d"]["deep"].append("changed")
            copy.events.clear()
        again = await self.read(service)
        assert again.state == {"k": [1], "user:k": {"a": 1}, "d": {"deep": [1]}}
        assert [one.model_dump() for one in again.events] == [
            self.said("hello", {"d": {"deep": [1]}})
            .model_copy(update={"id": event.id, "timestamp": event.timestamp})
            .model_dump()
        ]

    async def test_part_of_the_log(self, service: BaseSessionService) -> None:
        await self.filled(service, 10)

        async def texts(**wanted: float) -> list[str]:
            config = GetSessionConfig(**wanted)  # pyright: ignore[reportArgumentType]
            session = await service.get_session(app_name="app", user_id="u", session_id="s", config=config)
            assert session is not None
            assert session.seq == 10
            assert session.state == {"n": 9}
            return [self.text(event) for event in session.events]

        every = [str(number) for number in range(10)]
        assert await texts() == every
        assert await texts(num_recent_events=3) == every[-3:]
        assert await texts(num_recent_events=0) == []
        assert await texts(num_recent_events=99) == every
        assert await texts(after_timestamp=1004.0) == every[4:]
        assert await texts(after_timestamp=2000.0) == []
        assert await texts(after_seq=7) == every[7:]
        assert await texts(after_seq=10) == []
        assert await texts(after_seq=99) == []
        assert await texts(after_seq=2, num_recent_events=3) == every[-3:]
        assert await texts(after_seq=8, num_recent_events=3) == every[-2:]
        assert await texts(after_timestamp=1004.0, num_recent_events=2) == every[-2:]
        assert await texts(after_timestamp=1004.0, num_recent_events=0) == []
        assert await texts(after_timestamp=1004.0, after_seq=7) == every[7:]

    @pytest.mark.parametrize("wanted", [{"num_recent_events": -1}, {"after_seq": -1}])
    async def test_less_than_no_events_cannot_be_asked_for(
        self, service: BaseSessionService, wanted: dict[str, int]
    ) -> None:
        await self.filled(service, 2)
        with pytest.raises(InputValidationError, match="0 or more"):
            await service.get_session(app_name="app", user_id="u", session_id="s", config=GetSessionConfig(**wanted))

    async def test_a_copy_with_part_of_the_log_may_append(self, service: BaseSessionService) -> None:
        await self.filled(service, 10)
        recent = GetSessionConfig(num_recent_events=1)
        session = await service.get_session(app_name="app", user_id="u", session_id="s", config=recent)
        assert session is not None
        await service.append_event(session, self.said("more"))
        assert [self.text(event) for event in session.events] == ["9", "more"]
        assert (session.seq, (await self.read(service)).seq) == (11, 11)

    async def test_it_is_all_there_after_a_restart(self, service: BaseSessionService) -> None:
        session = await service.create_session(
            app_name="app", user_id="u", session_id="s", state={"app:a": 1, "user:u": 2}
        )
        await service.append_event(session, self.said("one", {"k": 3}))
        await service.flush()
        service = await self.restarted(service)
        again = await self.read(service)
        assert again == session.model_copy(update={"revision": again.revision})
        await service.append_event(again, self.said("two"))
        assert [self.text(event) for event in (await self.read(service)).events] == ["one", "two"]

    # --- list ---------------------------------------------------------------------------------------------------

    async def test_sessions_are_listed_oldest_first_without_events(self, service: BaseSessionService) -> None:
        for session_id, user_id in [("z", "u"), ("a", "v"), ("m", "u")]:
            session = await service.create_session(
                app_name="app",
                user_id=user_id,
                session_id=session_id,
                state={"k": session_id, "user:k": user_id, "app:k": 1},
            )
            await service.append_event(session, self.said("hello"))
        await service.create_session(app_name="other", user_id="u", session_id="b")
        every = (await service.list_sessions(app_name="app")).sessions
        assert [(one.id, one.user_id) for one in every] == [("z", "u"), ("a", "v"), ("m", "u")]
        assert [one.state for one in every] == [{"k": one.id, "user:k": one.user_id, "app:k": 1} for one in every]
        assert all(one.events == [] and one.app_name == "app" for one in every)
        of_one = await service.list_sessions(app_name="app", user_id="u")
        assert [one.id for one in of_one.sessions] == ["z", "m"]
        assert of_one.next_page_token is None

    async def test_a_list_of_nothing_is_empty(self, service: BaseSessionService) -> None:
        await service.create_session(app_name="app", user_id="u")
        for app_name, user_id in [("none", None), ("none", "u"), ("app", "none")]:
            page = await service.list_sessions(app_name=app_name, user_id=user_id, page_size=5)
            assert (page.sessions, page.next_page_token) == ([], None)

    @pytest.mark.parametrize("size", [1, 2, 3, 7, 8])
    @pytest.mark.parametrize("user_id", ["u", None])
    async def test_pages_make_up_the_list(self, service: BaseSessionService, size: int, user_id: str | None) -> None:
        for number in range(7):
            await service.create_session(app_name="app", user_id="u", session_id=str(number))
        seen: list[str] = []
        token: str | None = None
        pages = 0
        while pages == 0 or token is not None:
            page = await service.list_sessions(app_name="app", user_id=user_id, page_size=size, page_token=token)
            assert 0 < len(page.sessions) <= size
            seen.extend(one.id for one in page.sessions)
            token = page.next_page_token
            pages += 1
        assert seen == [str(number) for number in range(7)]
        assert pages == -(-7 // size)

    async def test_pages_hold_while_sessions_come_and_go(self, service: BaseSessionService) -> None:
        for number in range(6):
            await service.create_session(app_name="app", user_id="u", session_id=str(number))
        first = await service.list_sessions(app_name="app", user_id="u", page_size=3)
        for gone in ("0", "2", "4"):
            await service.delete_session(app_name="app", user_id="u", session_id=gone)
        await service.create_session(app_name="app", user_id="u", session_id="new")
        rest = await service.list_sessions(app_name="app", user_id="u", page_token=first.next_page_token)
        assert [one.id for one in rest.sessions] == ["3", "5", "new"]

    async def test_a_bad_page_is_refused(self, service: BaseSessionService) -> None:
        await service.create_session(app_name="app", user_id="u")
        for size in (0, -1):
            with pytest.raises(InputValidationError, match="page_size"):
                await service.list_sessions(app_name="app", page_size=size)
        with pytest.raises(InputValidationError, match="page token"):
            await service.list_sessions(app_name="app", page_token="no such page")

    async def test_a_listed_session_may_append(self, service: BaseSessionService) -> None:
        await self.filled(service, 3)
        (listed,) = (await service.list_sessions(app_name="app", user_id="u")).sessions
        await service.append_event(listed, self.said("more"))
        assert (await self.read(service)).seq == 4

    # --- delete -------------------------------------------------------------------------------------------------

    async def test_deleting_takes_the_session_and_leaves_the_others(self, service: BaseSessionService) -> None:
        await self.filled(service, 3)
        await service.create_session(app_name="app", user_id="u", session_id="t")
        await service.create_session(app_name="app", user_id="v", session_id="s")
        await service.delete_session(app_name="app", user_id="u", session_id="s")
        assert await service.get_session(app_name="app", user_id="u", session_id="s") is None
        left = (await service.list_sessions(app_name="app")).sessions
        assert [(one.user_id, one.id) for one in left] == [("u", "t"), ("v", "s")]

    async def test_deleting_what_is_not_there_does_nothing(self, service: BaseSessionService) -> None:
        await service.delete_session(app_name="app", user_id="u", session_id="s")
        await self.filled(service, 1)
        await service.delete_session(app_name="app", user_id="v", session_id="s")
        await service.delete_session(app_name="other", user_id="u", session_id="s")
        assert (await self.read(service)).seq == 1

    async def test_a_session_made_again_starts_anew(self, service: BaseSessionService) -> None:
        await self.filled(service, 3)
        await service.delete_session(app_name="app", user_id="u", session_id="s")
        again = await service.create_session(app_name="app", user_id="u", session_id="s")
        assert (again.events, again.seq, again.state) == ([], 0, {})
        await service.append_event(again, Event(author="user", content=UserContent("new"), actions=EventActions()))
        assert [self.text(event) for event in (await self.read(service)).events] == ["new"]
