# SPDX-License-Identifier: Apache-2.0
"""State: its scopes, what may be stored, and how user code reads and writes it."""

import datetime

import pytest

from runwright import State
from runwright.errors import InvalidStateError
from runwright.state import check_storable, merge, split, without_temp

DELTA = {"a": 1, "user:b": 2, "app:c": 3, "temp:d": 4, "other:e": 5, "user:": 6}


def test_a_change_is_split_by_scope_and_put_together_again():
    parts = split(DELTA)
    assert (parts.session, parts.user, parts.app) == ({"a": 1, "other:e": 5}, {"b": 2, "": 6}, {"c": 3})
    assert merge(parts.app, parts.user, parts.session) == without_temp(DELTA)


@pytest.mark.parametrize("value", [None, True, 1, 1.5, "x", [1, [2]], {"a": {"b": []}}, (1, 2)], ids=repr)
def test_json_may_be_stored(value):
    check_storable({"k": value})


def nested_forever():
    value = []
    value.append(value)
    return value


@pytest.mark.parametrize(
    ("value", "place"),
    [
        (object(), "k: "),
        ({"a": [1, {2}]}, r"k\['a'\]\[1\]"),
        ({"a": {1: 2}}, r"key 1"),
        (float("nan"), "nan"),
        ([float("inf")], r"k\[0\]"),
        (b"x", "bytes"),
        (datetime.datetime(2026, 1, 1), "datetime"),
        (nested_forever(), "itself"),
    ],
    ids=lambda value: type(value).__name__,
)
def test_anything_else_is_refused_by_place(value, place):
    with pytest.raises(InvalidStateError, match=place):
        check_storable({"k": value})


def test_a_key_that_is_no_string_is_refused():
    with pytest.raises(InvalidStateError, match="1"):
        check_storable({1: "x"})


def test_reads_see_writes_and_writes_are_recorded():
    value, delta = {"a": 1, "b": 1}, {}
    state = State(value, delta)
    state["a"] = 2
    state.update({"c": 3})
    assert state.setdefault("b", 9) == 1 and state.setdefault("d", 4) == 4
    assert (state["a"], state.get("zz"), state.get("zz", 0), "c" in state, "zz" in state) == (2, None, 0, True, False)
    assert delta == {"a": 2, "c": 3, "d": 4} and state.has_delta()
    assert state.to_dict() == value == dict(state) == {"a": 2, "b": 1, "c": 3, "d": 4}
    assert (len(state), state.keys(), list(state)) == (4, ["a", "b", "c", "d"], ["a", "b", "c", "d"])
    with pytest.raises(KeyError):
        state["zz"]


def test_what_is_recorded_and_not_yet_there_is_seen():
    state = State({"a": 1}, {"a": 2, "b": 3})
    assert (state["a"], state["b"], len(state), "b" in state) == (2, 3, 2, True)


def test_nothing_written():
    assert not State({"a": 1}, {}).has_delta()
    assert (State.APP_PREFIX, State.USER_PREFIX, State.TEMP_PREFIX) == ("app:", "user:", "temp:")
