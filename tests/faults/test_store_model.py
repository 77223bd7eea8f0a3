# SPDX-License-Identifier: Apache-2.0
"""Whatever is done to a store, it holds what a plain dict would hold."""

import asyncio
import itertools
from typing import Any

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import Bundle, RuleBasedStateMachine, consumes, initialize, rule, run_state_machine_as_test

from runwright import Event, GetSessionConfig, Session
from runwright.durable import DurableSessionService
from runwright.errors import AlreadyExistsError, SessionNotFoundError, StaleSessionError
from tests.faults.stores import Place

_apps = itertools.count()

# Names that mean something to SQL, paths, JSON or our own scopes.
NAMES = st.sampled_from(
    ["a", "A", "a b", "é", "𝄞", "%", "_", "a'b", "x'; DROP TABLE session; --", "..", "../a", "a/b", "a\\b", "~", ".",
     "\x00", "a\x00b", "\n", "NUL", "user:", "app:a", "state", "null", "1", '"']
) | st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=12)  # fmt: skip
IDS = NAMES.filter(lambda name: name.strip() == name)
TEXTS = st.text(st.characters(exclude_categories=["Cs"]), max_size=30)
VALUES = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**63), 2**64 - 1)
    | st.floats(allow_nan=False, allow_infinity=False)
    | TEXTS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXTS, inner, max_size=3),
    max_leaves=6,
)
KEYS = st.builds(str.__add__, st.sampled_from(["", "", "user:", "app:", "temp:"]), NAMES)
STATES = st.dictionaries(KEYS, VALUES, max_size=4)
TIMES = st.integers(0, 20).map(float)

Key = tuple[str, str]


class Known:
    """A session as it must be."""

    def __init__(self) -> None:
        self.state: dict[str, Any] = {}
        self.events: list[dict[str, Any]] = []
        self.times: list[float] = []


class StoreMachine(RuleBasedStateMachine):
    """Does the same to a store and to dicts."""

    sessions = Bundle("sessions")

    def __init__(self, place: Place) -> None:
        super().__init__()
        self.place = place
        self.app = f"app{next(_apps)}"
        self.loop = asyncio.new_event_loop()
        self.service: DurableSessionService = place.open()
        self.known: dict[Key, Known] = {}
        self.shared: dict[str, dict[str, Any]] = {"": {}}
        """The state of the app under the empty name, and that of each user under the user's."""
        self.copies: dict[Key, Session] = {}

    def do(self, work: Any) -> Any:
        return self.loop.run_until_complete(work)

    def teardown(self) -> None:
        self.do(self.service.close())
        self.do(self.loop.shutdown_asyncgens())
        self.do(self.loop.shutdown_default_executor())
        self.loop.close()

    def expected_state(self, key: Key) -> dict[str, Any]:
        state = dict(self.known[key].state)
        state.update({f"app:{name}": value for name, value in self.shared[""].items()})
        state.update({f"user:{name}": value for name, value in self.shared.get(key[0], {}).items()})
        return state

    def change(self, key: Key, delta: dict[str, Any]) -> None:
        for name, value in delta.items():
            if name.startswith("app:"):
                self.shared[""][name.removeprefix("app:")] = value
            elif name.startswith("user:"):
                self.shared.setdefault(key[0], {})[name.removeprefix("user:")] = value
            elif not name.startswith("temp:"):
                self.known[key].state[name] = value

    def read(self, key: Key, config: GetSessionConfig | None = None) -> Session | None:
        return self.do(self.service.get_session(app_name=self.app, user_id=key[0], session_id=key[1], config=config))

    @initialize()
    def begin(self) -> None:
        assert self.do(self.service.list_sessions(app_name=self.app)).sessions == []

    @rule(target=sessions, user_id=IDS, session_id=IDS, state=STATES)
    def create(self, user_id: str, session_id: str, state: dict[str, Any]) -> Key:
        key = (user_id, session_id)
        make = self.service.create_session(app_name=self.app, user_id=user_id, session_id=session_id, state=state)
        if key in self.known:
            with pytest.raises(AlreadyExistsError):
                self.do(make)
            return key
        self.copies[key] = self.do(make)
        self.known[key] = Known()
        self.change(key, state)
        assert self.copies[key].state == self.expected_state(key)
        return key

    @rule(key=sessions, delta=STATES, text=TEXTS, time=TIMES, again=st.booleans())
    def append(self, key: Key, delta: dict[str, Any], text: str, time: float, again: bool) -> None:
        copy = self.copies.get(key)
        if again or copy is None:
            copy = self.copies[key] = self.read(key)  # type: ignore[assignment]
        if key not in self.known:
            assert copy is None
            return
        event = Event(author="a", message=text, timestamp=time)
        event.actions.state_delta = dict(delta)
        self.do(self.service.append_event(copy, event))
        known = self.known[key]
        self.change(key, delta)
        known.events.append(event.model_dump())
        known.times.append(time)
        assert copy.seq == len(known.events)
        assert {name: value for name, value in copy.state.items() if not name.startswith("temp:")} == (
            self.expected_state(key)
        )

    @rule(key=sessions, text=TEXTS)
    def append_with_a_copy_that_is_behind(self, key: Key, text: str) -> None:
        if key not in self.known:
            return
        stale, current = self.read(key), self.read(key)
        assert stale is not None
        assert current is not None
        event = Event(author="a", message=text, timestamp=1.0)
        self.do(self.service.append_event(current, event))
        self.copies[key] = current
        self.known[key].events.append(event.model_dump())
        self.known[key].times.append(1.0)
        with pytest.raises(StaleSessionError):
            self.do(self.service.append_event(stale, Event(author="a", message="late")))

    @rule(
        key=sessions,
        newest=st.none() | st.integers(0, 4),
        since=st.none() | TIMES,
        after=st.none() | st.integers(0, 6),
    )
    def get(self, key: Key, newest: int | None, since: float | None, after: int | None) -> None:
        config = GetSessionConfig(num_recent_events=newest, after_timestamp=since, after_seq=after)
        session = self.read(key, config)
        if key not in self.known:
            assert session is None
            return
        assert session is not None
        known = self.known[key]
        wanted = [
            event
            for seq, (event, time) in enumerate(zip(known.events, known.times, strict=True), 1)
            if seq > (after or 0) and (since is None or time >= since)
        ]
        if newest is not None:
            wanted = wanted[max(0, len(wanted) - newest) :]
        assert [event.model_dump() for event in session.events] == wanted
        assert session.seq == len(known.events)
        assert session.state == self.expected_state(key)

    @rule(size=st.none() | st.integers(1, 3), one_user=st.booleans(), user_id=IDS)
    def page(self, size: int | None, one_user: bool, user_id: str) -> None:
        if one_user and self.known:
            user_id = next(iter(self.known))[0]
        user = user_id if one_user else None
        found: list[Session] = []
        token: str | None = None
        while True:
            listing = self.service.list_sessions(app_name=self.app, user_id=user, page_size=size, page_token=token)
            answer = self.do(listing)
            assert size is None or len(answer.sessions) <= size
            found.extend(answer.sessions)
            token = answer.next_page_token
            if token is None:
                break
        expected = [key for key in self.known if user is None or key[0] == user]
        assert [(session.user_id, session.id) for session in found] == expected
        for session in found:
            assert session.events == []
            assert session.state == self.expected_state((session.user_id, session.id))

    @rule(key=consumes(sessions))
    def delete(self, key: Key) -> None:
        self.do(self.service.delete_session(app_name=self.app, user_id=key[0], session_id=key[1]))
        copy = self.copies.pop(key, None)
        if self.known.pop(key, None) is not None and copy is not None:
            with pytest.raises(SessionNotFoundError):
                self.do(self.service.append_event(copy, Event(author="a", message="too late")))
        assert self.read(key) is None

    @rule()
    def reopen(self) -> None:
        self.do(self.service.close())
        self.service = self.place.open()

    @rule(user_id=IDS)
    def user_state(self, user_id: str) -> None:
        found = self.do(self.service.get_user_state(app_name=self.app, user_id=user_id))
        assert found == self.shared.get(user_id, {})


def test_a_store_is_as_a_dict(anywhere: Place, full: bool) -> None:
    examples = 400 if full else 12 if anywhere.kind == "postgres" else 25
    run_state_machine_as_test(
        lambda: StoreMachine(anywhere),
        settings=settings(
            max_examples=examples,
            stateful_step_count=30 if full else 20,
            suppress_health_check=list(HealthCheck),
        ),
    )
