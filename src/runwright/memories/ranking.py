# SPDX-License-Identifier: Apache-2.0
"""How what was found is put in order: BM25 for words, cosine for vectors, and the two orders made one. Pure.

BM25 is S. Robertson, H. Zaragoza, "The Probabilistic Relevance Framework: BM25 and Beyond" (2009), with the constants
that most engines use. Joining is reciprocal rank fusion: G. Cormack, C. Clarke, S. Buettcher, "Reciprocal Rank Fusion
outperforms Condorcet and individual Rank Learning Methods" (SIGIR 2009). It needs ranks alone, so scores of different
scales never meet.
"""

import math
from collections.abc import Hashable, Sequence
from typing import TypeVar

FUSION_CONSTANT = 60
"""The ``k`` of reciprocal rank fusion, as its authors chose it: how little the very first ranks stand out."""

TIMES_SATURATION = 1.2
"""BM25's ``k1``: how soon a word's further occurrences count for nothing."""

LENGTH_PENALTY = 0.75
"""BM25's ``b``: how far a long text must earn its matches."""

Key = TypeVar("Key", bound=Hashable)


def rarity(having: int, entries: int) -> float:
    """What a word counts for that ``having`` of ``entries`` texts contain: BM25's idf, which is never below zero."""
    return math.log1p((entries - having + 0.5) / (having + 0.5))


def fused(rankings: Sequence[Sequence[Key]]) -> list[Key]:
    """One ranking of several, best first. Among equals the one that the earlier ranking names first is first."""
    scores: dict[Key, float] = {}
    for ranking in rankings:
        for rank, key in enumerate(ranking, start=1):
            scores[key] = scores.get(key, 0.0) + 1.0 / (FUSION_CONSTANT + rank)
    return sorted(scores, key=scores.__getitem__, reverse=True)
