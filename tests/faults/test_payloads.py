# SPDX-License-Identifier: Apache-2.0
"""Whatever a store is given, it gives back exactly, or refuses with a typed error before anything is written."""

import math
from collections.abc import AsyncIterator, Callable
from typing import Any

import pytest

from runwright import Event, Session
from runwright.durable import CallRecord, DurableSessionService
from runwright.errors import InputValidationError, InvalidStateError, RunwrightError
from runwright.types import Content, FunctionCall, FunctionResponse, Part
from tests.faults.stores import APP, Place

MEGABYTE = 1024 * 1024


def nested(depth: int) -> list[Any]:
    """So many lists in each other."""
    value: list[Any] = []
    for _ in range(depth):
        value = [value]
    return value


# What JSON can hold comes back; of the rest nothing is written.
TEXTS = {
    "NUL": "a\x00b",
    "only NUL": "\x00",
    "control characters": "".join(map(chr, range(32))) + "\x7f\x85\u2028\u2029\ufeff",
    "beyond 16 bits": "𝄞 👩‍👩‍👧",
    "not a character": "\uffff\ufffe",
    "SQL": "x'); DROP TABLE session; DROP TABLE runwright_session; --",
    "a path": "../../../etc/passwd",
    "an escape": '\\u0000 \\x00 \\ "quoted" \x1b[31m',
    "percent": "%s %(a)s {0} ${a} $1 ?1 :a",
}
NO_TEXTS = {"half of a pair": "\ud800", "the other half": "a\udfffb", "halves the wrong way round": "\udc00\ud800"}
VALUES: dict[str, Any] = {
    "empty": {},
    "large and small numbers": [2**53 + 1, -(2**63), 2**64 - 1, 1e308, 5e-324, -0.0, 0.1],
    "keys": {"": 1, "\x00": 2, "a.b": 3, "$ref": 4, "__proto__": 5, "'": 6, '"': 7, "../x": 8, "type": None},
    "nested": nested(50),
}
NO_VALUES: dict[str, Any] = {
    "not a number": math.nan,
    "infinite": [1, {"a": math.inf}],
    "less than infinite": -math.inf,
    "a set": {1, 2},
    "an object": object(),
    "bytes": b"\xff",
    "a number as key": {1: 2},
}
DEPTHS = [200, 900, 1_500, 10_000, 100_000]


class Written:
    """A store with a session, in which things are written and read again by another service.

    Attributes:
        session: An up to date copy.
    """

    def __init__(self, place: Place) -> None:
        self.place = place
        self.service: DurableSessionService = place.open()
        self.session: Session
        self.run = 0

    async def begin(self) -> None:
        self.session = await self.service.create_session(app_name=APP, user_id="u", session_id="s", state={"kept": 1})
        await self.service.append_event(self.session, Event(author="a", message="the first"))

    async def read(self) -> Session:
        """As another process reads it."""
        other = self.place.open()
        try:
            session = await other.get_session(app_name=APP, user_id="u", session_id="s")
        finally:
            await other.close()
        assert session is not None
        return session

    async def attempt(self, event: Event) -> RunwrightError | None:
        """Appends an event. What is there afterwards is exactly that, or exactly what was there before."""
        before = await self.read()
        expected = [*map(plain, before.events), plain(event)]
        try:
            await self.service.append_event(self.session, event)
        except RunwrightError as error:
            assert isinstance(error, InvalidStateError | InputValidationError), repr(error)
            after = await self.read()
            assert same([*map(plain, after.events)], expected[:-1])
            assert same(after.state, before.state)
            await self.service.append_event(self.session, Event(author="a", message="it goes on"))
            assert (await self.read()).seq == len(expected)
            return error
        after = await self.read()
        assert same([*map(plain, after.events)], expected)
        assert same(after.state, before.state | event.actions.state_delta)
        return None


@pytest.fixture
async def written(anywhere: Place) -> AsyncIterator[Written]:
    written = Written(anywhere)
    await written.begin()
    yield written
    await written.service.close()


def plain(event: Event) -> dict[str, Any]:
    """What of an event must come back."""
    parts = (event.content.parts or []) if event.content else []
    held: list[Any] = []
    for part in parts:
        call, answer = part.function_call, part.function_response
        held.append([part.text, call and [call.id, call.name, call.args], answer and [answer.id, answer.response]])
    return {
        "id": event.id,
        "author": event.author,
        "parts": held,
        "state": event.actions.state_delta,
        "metadata": event.custom_metadata,
        "error": event.error_message,
    }


def same(one: Any, other: Any) -> bool:
    """Whether two values are the same, types too; however deep they are."""
    pairs = [(one, other)]
    while pairs:
        left, right = pairs.pop()
        if type(left) is not type(right):
            return False
        if isinstance(left, dict):
            if list(map(repr, left)) != list(map(repr, right)) and left.keys() != right.keys():
                return False
            pairs += [(left[key], right[key]) for key in left]
        elif isinstance(left, list):
            if len(left) != len(right):
                return False
            pairs += zip(left, right, strict=True)
        elif left != right or (left == 0 and math.copysign(1, left) != math.copysign(1, right)):
            return False
    return True


def events_with(value: Any) -> dict[str, Event]:
    """The places of an event in which any JSON may stand."""
    changed = Event(author="a", message="hello")
    changed.actions.state_delta = {"key": value, "user:key": value, "app:key": value}
    call = Part(function_call=FunctionCall(id="c", name="f", args={"a": value}))
    answer = Part(function_response=FunctionResponse(id="c", name="f", response={"a": value}))
    return {
        "state": changed,
        "arguments": Event(author="a", content=Content(role="model", parts=[call])),
        "response": Event(author="a", content=Content(role="user", parts=[answer])),
        "metadata": Event(author="a", message="hello", custom_metadata={"a": value}),
    }


async def test_texts_come_back(written: Written) -> None:
    for name, text in TEXTS.items():
        event = Event(author=text, message=text, error_message=text, invocation_id=text)
        event.actions.state_delta = {text: text, f"user:{text}": text, f"app:{text}": [text]}
        assert await written.attempt(event) is None, name
        for place, other in events_with(text).items():
            assert await written.attempt(other) is None, f"{name} in {place}"


async def test_what_is_no_text_is_refused(written: Written) -> None:
    for name, text in NO_TEXTS.items():
        assert await written.attempt(Event(author="a", message=text)) is not None, name
        for place, event in events_with(text).items():
            assert await written.attempt(event) is not None, f"{name} in {place}"
        event = Event(author="a", message="hello")
        event.actions.state_delta = {text: 1}
        assert await written.attempt(event) is not None, f"{name} as a key"


async def test_values_come_back(written: Written) -> None:
    for name, value in VALUES.items():
        for place, event in events_with(value).items():
            assert await written.attempt(event) is None, f"{name} in {place}"


async def test_state_that_is_not_json_is_refused(written: Written) -> None:
    for name, value in NO_VALUES.items():
        event = events_with(value)["state"]
        assert await written.attempt(event) is not None, name
        with pytest.raises(InvalidStateError):
            await written.service.create_session(app_name=APP, user_id="u", session_id="other", state={"a": value})
    assert await written.service.get_session(app_name=APP, user_id="u", session_id="other") is None


async def test_what_is_nested_comes_back_or_is_refused(written: Written) -> None:
    refused: list[bool] = []
    for depth in DEPTHS:
        for event in events_with(nested(depth)).values():
            refused.append(await written.attempt(event) is not None)
    assert not refused[0]
    assert refused[-1]


async def test_names_come_back(anywhere: Place) -> None:
    service = anywhere.open()
    names = [*TEXTS.values(), "a" * 200, "~", "con", "a.", "A", "a", "é", "e\u0301"]
    for name in names:
        who = {"app_name": name, "user_id": name, "session_id": name}
        session = await service.create_session(**who, state={"name": name})
        await service.start_run(session, name, Event(author="user", message=name))
        await service.record_call(session, CallRecord(invocation_id=name, call_id=name, name=name))
        await service.end_run(session, name, "failed", error=name)
    await service.close()
    service = anywhere.open()
    for name in names:
        session = await service.get_session(app_name=name, user_id=name, session_id=name)
        assert session is not None, name
        assert (session.app_name, session.user_id, session.id, session.state) == (name, name, name, {"name": name})
        assert session.seq == 1
        (run,) = await service.list_runs(app_name=name)
        assert (run.invocation_id, run.status, run.error) == (name, "failed", name)
        (call,) = await service.list_calls(session, name)
        assert (call.invocation_id, call.call_id, call.name) == (name, name, name)
        assert [one.id for one in (await service.list_sessions(app_name=name)).sessions] == [name]
    await service.close()


@pytest.mark.parametrize("place", ["app_name", "user_id", "session_id"])
async def test_a_name_that_is_no_text_or_far_too_long_is_refused_or_kept(anywhere: Place, place: str) -> None:
    service = anywhere.open()
    for name in (*NO_TEXTS.values(), "x" * 5_000, "é" * 40_000):
        who = {"app_name": "a", "user_id": "u", "session_id": "s"} | {place: name}
        try:
            session = await service.create_session(**who)
        except (InputValidationError, InvalidStateError):
            continue
        assert getattr(session, "id" if place == "session_id" else place) == name
        await service.append_event(session, Event(author="a", message="hello"))
        again = await service.get_session(**who)
        assert again is not None
        assert again.seq == 1
        assert getattr(again, "id" if place == "session_id" else place) == name
        await service.delete_session(**who)
    assert (await service.list_sessions(app_name="a")).sessions == []
    await service.close()


async def test_fifty_megabytes_come_back(written: Written) -> None:
    text = "0123456789abcde\x00" * (50 * MEGABYTE // 16)
    event = Event(author="a", message=text)
    await written.service.append_event(written.session, event)
    session = await written.read()
    content = session.events[-1].content
    assert content is not None
    assert content.parts is not None
    is_same = content.parts[0].text == text
    assert is_same
    await written.service.append_event(written.session, Event(author="a", message="and it goes on"))


async def test_call_records_come_back_or_are_refused(written: Written) -> None:
    await written.service.start_run(written.session, "i", Event(author="user", message="go"))
    make: Callable[[Any], CallRecord] = lambda value: CallRecord(  # noqa: E731
        invocation_id="i",
        call_id="c",
        name="f",
        status="finished",
        response=FunctionResponse(id="c", name="f", response={"a": value}),
    )
    for name, value in (TEXTS | VALUES).items():
        await written.service.record_call(written.session, make(value))
        (row,) = await written.service.list_calls(written.session, "i")
        assert row.response is not None
        assert same(row.response.response, {"a": value}), name
    await written.service.record_call(written.session, make("the last one"))
    for name, value in ({**NO_TEXTS, "deep": nested(100_000)}).items():
        with pytest.raises(InvalidStateError):
            await written.service.record_call(written.session, make(value))
        (row,) = await written.service.list_calls(written.session, "i")
        assert row.response is not None
        assert row.response.response == {"a": "the last one"}, name
    await written.service.end_run(written.session, "i", "completed")
