# SPDX-License-Identifier: Apache-2.0
"""Ranking: rarity, the joining of rankings, and the exact search among vectors."""

import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st

from runwright.errors import ConfigurationError
from runwright.memories.ranking import fused, rarity
from runwright.memories.vectors import array_of, nearest, packed, unpacked
from runwright.memories.words import LONGEST_WORD, words_of

NUMBERS = st.floats(-1, 1, width=32)
VECTORS = st.lists(st.lists(NUMBERS, min_size=3, max_size=3), max_size=8)


def test_a_rare_word_counts_for_more_and_none_for_less_than_nothing() -> None:
    counted = [rarity(having, 10) for having in range(1, 11)]
    assert counted == sorted(counted, reverse=True)
    assert counted[-1] > 0


def test_what_two_rankings_name_comes_before_what_one_puts_first() -> None:
    assert fused([["a", "b", "c"], ["d", "c", "b"]]) == ["b", "c", "a", "d"]


def test_one_ranking_stays_as_it_is() -> None:
    assert fused([[3, 1, 2]]) == [3, 1, 2]
    assert fused([[], [3, 1]]) == [3, 1]
    assert fused([]) == []


@given(st.lists(st.lists(st.integers(0, 9), unique=True), max_size=4))
def test_joining_keeps_each_key_once(rankings: list[list[int]]) -> None:
    assert sorted(fused(rankings)) == sorted({key for ranking in rankings for key in ranking})


@given(ranking=st.lists(st.integers(0, 9), unique=True), times=st.integers(1, 4))
def test_joining_rankings_that_agree_changes_nothing(ranking: list[int], times: int) -> None:
    assert fused([ranking] * times) == ranking


def test_a_kept_vector_has_the_length_one() -> None:
    kept = packed([3.0, 4.0], 2, embedder="e")
    assert kept is not None
    assert unpacked(kept) == pytest.approx([0.6, 0.8])
    assert array_of(unpacked(kept)) == kept
    assert packed([0.0, 0.0], 2, embedder="e") is None


@pytest.mark.parametrize("vector", [[1.0], [1.0, float("inf")], [float("nan"), 1.0]])
def test_a_vector_that_cannot_be_compared_is_refused(vector: list[float]) -> None:
    with pytest.raises(ConfigurationError, match="'e'"):
        packed(vector, 2, embedder="e")


def vector(*numbers: float) -> bytes:
    kept = packed(numbers, len(numbers), embedder="e")
    assert kept is not None
    return kept


@pytest.mark.parametrize("with_numpy", [True, False])
def test_the_most_alike_come_first(monkeypatch: pytest.MonkeyPatch, with_numpy: bool) -> None:
    if with_numpy:
        pytest.importorskip("numpy", reason="numpy is not installed: pip install 'runwright[bench]'")
    else:
        monkeypatch.setitem(sys.modules, "numpy", None)
    kept = [(1, vector(0, 1)), (2, vector(1, 1)), (3, vector(1, 0)), (4, vector(-1, 0)), (5, vector(2, 0))]
    assert nearest(vector(1, 0), kept, count=9, least=0.0) == [3, 5, 2]
    assert nearest(vector(1, 0), kept, count=2, least=-2.0) == [3, 5]
    assert nearest(vector(1, 0), kept, count=9, least=0.8) == [3, 5]
    assert nearest(vector(1, 0), [], count=9, least=0.0) == []


@given(asked=st.lists(NUMBERS, min_size=3, max_size=3), vectors=VECTORS)
def test_numpy_and_plain_python_find_the_same(asked: list[float], vectors: list[list[float]]) -> None:
    pytest.importorskip("numpy", reason="numpy is not installed: pip install 'runwright[bench]'")
    query = packed(asked, 3, embedder="e")
    if query is None:
        return
    made = [(key, packed(one, 3, embedder="e")) for key, one in enumerate(vectors)]
    kept = [(key, one) for key, one in made if one is not None]
    least = 0.0123
    alike = {key: sum(a * b for a, b in zip(unpacked(query), unpacked(one), strict=True)) for key, one in kept}
    found = nearest(query, kept, count=99, least=least)
    assert [alike[key] for key in found] == pytest.approx(sorted((alike[key] for key in found), reverse=True), abs=1e-6)
    assert {key for key, value in alike.items() if value > least + 1e-6} <= set(found)
    assert not {key for key, value in alike.items() if value < least - 1e-6} & set(found)
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(sys.modules, "numpy", None)
        plain = nearest(query, kept, count=99, least=least)
    assert [alike[key] for key in plain] == pytest.approx([alike[key] for key in found], abs=1e-6)


def test_words_are_counted_as_often_as_they_are_there() -> None:
    assert words_of("The cat, the CAT!") == ["the", "cat", "the", "cat"]
    assert words_of("犬が好き") == ["犬が", "が好", "好き", "犬", "が", "好", "き"]
    assert words_of("犬が好き", asked=True) == ["犬が", "が好", "好き"]
    assert words_of("x" * 1000) == ["x" * LONGEST_WORD]


@given(st.text())
def test_words_hold_nothing_that_an_index_would_have_to_quote(text: str) -> None:
    for word in words_of(text):
        assert word
        assert all(character.isalnum() or character == "_" for character in word)
