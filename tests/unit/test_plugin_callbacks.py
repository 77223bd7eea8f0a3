# SPDX-License-Identifier: Apache-2.0
"""How an agent's callbacks are called, and which answer counts."""

import gc
import weakref

import pytest

from runwright.plugin import first_answer

OFFERED = {"first": 1, "second": 2, "third": 3}


def by_name(third, first):
    return first, third


def by_position(a, b):
    return a, b


def positional_only(first, second, /):
    return first, second


def keyword_only(*, second):
    return second


def with_a_default(first, other=9):
    return first, other


def all_keywords(**given):
    return given


def all_positions(*given):
    return given


def first_and_keywords(a, **rest):
    return a, rest


def nothing():
    return "called"


async def later(second):
    return second


class Callable:
    def __call__(self, second):
        return second

    def method(self, a, b, c):
        return a, b, c

    __hash__ = None


@pytest.mark.parametrize(
    ("callback", "answer"),
    [
        (by_name, (1, 3)),
        (by_position, (1, 2)),
        (positional_only, (1, 2)),
        (keyword_only, 2),
        (with_a_default, (1, 9)),
        (all_keywords, OFFERED),
        (all_positions, (1, 2, 3)),
        (first_and_keywords, (1, {})),
        (nothing, "called"),
        (later, 2),
        (Callable(), 2),
        (Callable().method, (1, 2, 3)),
        (lambda _: 0, 0),
    ],
)
async def test_a_callback_gets_what_it_names_or_what_comes_in_order(callback, answer):
    assert await first_answer(callback, **OFFERED) == answer
    assert await first_answer([callback], **OFFERED) == answer


@pytest.mark.parametrize("answer", [0, "", {}, False])
async def test_the_first_answer_that_is_not_none_counts(answer):
    asked = []
    callbacks = [lambda first: asked.append(first), lambda first: answer, lambda first: asked.append("late")]
    assert await first_answer(callbacks, **OFFERED) == answer and asked == [1]


async def test_without_callbacks_there_is_no_answer():
    assert await first_answer(None, **OFFERED) is None and await first_answer([], **OFFERED) is None


async def test_an_error_goes_through():
    def fails(first):
        raise LookupError("x")

    with pytest.raises(LookupError, match="x"):
        await first_answer(fails, **OFFERED)


async def test_a_callback_is_not_kept_alive():
    class Holder:
        pass

    holder = Holder()
    gone = weakref.ref(holder)

    def callback(first, held=holder):
        return first

    await first_answer(callback, **OFFERED)
    del holder, callback
    gc.collect()
    assert gone() is None
