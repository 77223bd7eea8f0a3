# SPDX-License-Identifier: Apache-2.0
"""What every session service does with state. Part of the session suite."""

import math
from typing import Any

import pytest

from runwright.errors import InvalidStateError
from runwright.session import BaseSessionService
from runwright.testing.session_suite import SessionSuite

GOOD_VALUES: list[Any] = [
    None,
    True,
    False,
    0,
    -1,
    2**53 + 1,
    -(2**63),
    0.1,
    -1e300,
    "",
    'text "quoted" \\ \n\x00 文字 🙂',
    [],
    {},
    [1, [2, [None, {"k": []}]]],
    {"": {"a b": [True, 1.5, "x"]}, "ключ": None},
]


def _holding_itself() -> list[Any]:
    value: list[Any] = []
    value.append(value)
    return value


BAD_VALUES: dict[str, Any] = {
    "nan": math.nan,
    "infinity": [math.inf],
    "object": object(),
    "set": {"k": {1, 2}},
    "bytes": b"bytes",
    "key that is no string": {"k": {1: 2}},
    "surrogate": "half a pair: \ud800",
    "itself": _holding_itself(),
}


class StateContract(SessionSuite):
    async def test_each_scope_is_seen_where_it_belongs(self, service: BaseSessionService) -> None:
        first = {"own": 1, "user:name": "Ann", "app:rate": 2.5}
        await service.create_session(app_name="app", user_id="u", session_id="s", state=first)
        same_user = await service.create_session(app_name="app", user_id="u", session_id="t")
        same_app = await service.create_session(app_name="app", user_id="v", session_id="t")
        other_app = await service.create_session(app_name="other", user_id="u", session_id="t")
        assert same_user.state == {"user:name": "Ann", "app:rate": 2.5}
        assert same_app.state == {"app:rate": 2.5}
        assert other_app.state == {}
        service = await self.restarted(service)
        assert (await self.read(service)).state == first
        assert (await self.read(service, session_id="t")).state == {"user:name": "Ann", "app:rate": 2.5}

    async def test_a_delta_is_applied_to_the_copy_and_to_the_store(self, service: BaseSessionService) -> None:
        session = await service.create_session(
            app_name="app", user_id="u", session_id="s", state={"a": 1, "b": 1, "user:a": 1, "app:a": 1}
        )
        await service.append_event(session, self.said("x", {"b": 2, "c": 2, "user:a": 2, "user:b": 2, "app:a": 2}))
        expected = {"a": 1, "b": 2, "c": 2, "user:a": 2, "user:b": 2, "app:a": 2}
        assert session.state == expected
        assert (await self.read(service)).state == expected
        await service.append_event(session, self.said("y", {"b": None, "user:a": None}))
        expected |= {"b": None, "user:a": None}
        assert session.state == expected
        assert (await self.read(service)).state == expected

    async def test_the_copys_state_is_not_the_deltas(self, service: BaseSessionService) -> None:
        session = await service.create_session(app_name="app", user_id="u", session_id="s")
        delta: dict[str, Any] = {"k": [1], "user:k": [1], "app:k": {"a": [1]}}
        await service.append_event(session, self.said("x", delta))
        delta["k"].append(2)
        delta["user:k"].append(2)
        delta["app:k"]["a"].append(2)
        for state in (session.state, (await self.read(service)).state):
            assert state == {"k": [1], "user:k": [1], "app:k": {"a": [1]}}

    async def test_temp_state_is_the_runs_alone(self, service: BaseSessionService) -> None:
        secret = object()
        session = await service.create_session(
            app_name="app", user_id="u", session_id="s", state={"k": 1, "temp:given": secret}
        )
        assert "temp:given" not in session.state
        event = await service.append_event(session, self.said("x", {"temp:now": secret, "k": 2}))
        assert session.state == {"k": 2, "temp:now": secret}
        assert event.actions.state_delta == {"k": 2}
        again = await self.read(service)
        assert again.state == {"k": 2}
        assert again.events[0].actions.state_delta == {"k": 2}
        await service.append_event(session, self.said("y"))
        assert session.state["temp:now"] is secret

    async def test_what_others_did_to_shared_state_is_seen_with_the_next_event(
        self, service: BaseSessionService
    ) -> None:
        mine = await service.create_session(
            app_name="app", user_id="u", session_id="s", state={"own": 1, "user:a": 1, "app:a": 1, "user:kept": 1}
        )
        theirs = await service.create_session(app_name="app", user_id="u", session_id="t")
        stranger = await service.create_session(app_name="app", user_id="v", session_id="t")
        await service.append_event(theirs, self.said("x", {"own": 2, "user:a": 2, "user:new": None}))
        await service.append_event(stranger, self.said("x", {"app:a": 3, "user:a": "not yours"}))
        await service.append_event(mine, self.said("y"))
        expected = {"own": 1, "user:a": 2, "user:new": None, "app:a": 3, "user:kept": 1}
        assert mine.state == expected
        assert (await self.read(service)).state == expected
        await service.append_event(theirs, self.said("z", {"user:a": 4}))
        await service.append_event(mine, self.said("z", {"user:b": 5}))
        assert mine.state == expected | {"user:a": 4, "user:b": 5}

    async def test_shared_state_outlives_its_sessions(self, service: BaseSessionService) -> None:
        await service.create_session(
            app_name="app", user_id="u", session_id="s", state={"k": 1, "user:k": 2, "app:k": 3}
        )
        await service.delete_session(app_name="app", user_id="u", session_id="s")
        again = await service.create_session(app_name="app", user_id="u", session_id="s")
        assert again.state == {"user:k": 2, "app:k": 3}
        await service.create_session(app_name="app", user_id="v", session_id="s")
        await service.delete_session(app_name="app", user_id="v", session_id="s")
        assert (await self.read(service)).state == {"user:k": 2, "app:k": 3}
        same_user = await service.create_session(app_name="app", user_id="u", session_id="t")
        assert same_user.state == {"user:k": 2, "app:k": 3}

    async def test_user_state_by_itself(self, service: BaseSessionService) -> None:
        assert await service.get_user_state(app_name="app", user_id="u") == {}
        session = await service.create_session(
            app_name="app", user_id="u", session_id="s", state={"k": 1, "user:a": [1], "app:k": 1}
        )
        await service.append_event(session, self.said("x", {"user:b": None}))
        found = await service.get_user_state(app_name="app", user_id="u")
        assert found == {"a": [1], "b": None}
        found["a"].append(2)
        assert await service.get_user_state(app_name="app", user_id="u") == {"a": [1], "b": None}
        assert await service.get_user_state(app_name="app", user_id="v") == {}
        assert await service.get_user_state(app_name="other", user_id="u") == {}

    @pytest.mark.parametrize("value", GOOD_VALUES, ids=repr)
    async def test_a_json_value_comes_back_as_it_was(self, service: BaseSessionService, value: Any) -> None:
        session = await service.create_session(
            app_name="app", user_id="u", session_id="s", state={"made": value, "user:made": value}
        )
        await service.append_event(session, self.said("x", {"set": value, "app:set": value}))
        service = await self.restarted(service)
        expected = {"made": value, "user:made": value, "set": value, "app:set": value}
        again = (await self.read(service)).state
        assert again == session.state == expected
        assert {key: type(kept) for key, kept in again.items()} == {key: type(value) for key in expected}

    async def test_a_tuple_comes_back_as_a_list_at_once(self, service: BaseSessionService) -> None:
        session = await service.create_session(app_name="app", user_id="u", session_id="s", state={"a": (1, (2,))})
        await service.append_event(session, self.said("x", {"b": (3,)}))
        assert session.state == {"a": [1, [2]], "b": [3]}
        assert (await self.read(service)).state == session.state

    @pytest.mark.parametrize("key", ["", "a.b", "user:", "app:", "user:app:x", "User:x", "a b", "ключ 🙂", "x" * 300])
    async def test_odd_keys_are_keys_like_any_other(self, service: BaseSessionService, key: str) -> None:
        session = await service.create_session(app_name="app", user_id="u", session_id="s", state={key: 1})
        assert session.state == {key: 1}
        await service.append_event(session, self.said("x", {key: 2}))
        service = await self.restarted(service)
        assert (await self.read(service)).state == session.state == {key: 2}

    @pytest.mark.parametrize("key", ["bad", "user:bad", "app:bad"])
    @pytest.mark.parametrize("kind", BAD_VALUES)
    async def test_a_value_that_is_not_json_is_refused_and_nothing_is_written(
        self, service: BaseSessionService, kind: str, key: str
    ) -> None:
        delta = {"good": 1, "user:good": 1, "app:good": 1, key: BAD_VALUES[kind]}
        with pytest.raises(InvalidStateError, match="bad"):
            await service.create_session(app_name="app", user_id="u", session_id="s", state=delta)
        assert await service.get_session(app_name="app", user_id="u", session_id="s") is None
        session = await service.create_session(app_name="app", user_id="u", session_id="s")
        assert session.state == {}
        event = self.said("x", delta)
        with pytest.raises(InvalidStateError):
            await service.append_event(session, event)
        assert (session.state, session.events, session.seq) == ({}, [], 0)
        again = await self.read(service)
        assert (again.state, again.events, again.seq) == ({}, [], 0)
        await service.append_event(session, self.said("still sound"))
        assert (await self.read(service)).seq == 1

    async def test_a_key_that_is_no_string_is_refused(self, service: BaseSessionService) -> None:
        delta: Any = {"good": 1, 7: "bad"}
        with pytest.raises(InvalidStateError, match="7"):
            await service.create_session(app_name="app", user_id="u", session_id="s", state=delta)
        session = await service.create_session(app_name="app", user_id="u", session_id="s")
        with pytest.raises(InvalidStateError, match="7"):
            await service.append_event(session, self.said("x", delta))
        assert (await self.read(service)).events == []

    async def test_a_key_that_is_no_text_is_refused(self, service: BaseSessionService) -> None:
        delta = {"good": 1, "bad \ud800": 1}
        with pytest.raises(InvalidStateError, match="bad"):
            await service.create_session(app_name="app", user_id="u", session_id="s", state=delta)
        session = await service.create_session(app_name="app", user_id="u", session_id="s")
        with pytest.raises(InvalidStateError):
            await service.append_event(session, self.said("x", delta))
        assert (await self.read(service)).state == session.state == {}
