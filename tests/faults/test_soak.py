# SPDX-License-Identifier: Apache-2.0
"""A process that talks for long holds no more at its end than when it was warm."""

import sys

import pytest

from tests.faults.children import Children
from tests.faults.stores import Place

TOLERANCE = 0.05
BYTES_OF_CACHES = 64_000
"""How much the little that is traced in the short form may change: events that leaked would come to more."""

pytestmark = pytest.mark.skipif(not sys.platform.startswith("linux"), reason="it reads what a process holds from /proc")


def test_what_a_process_holds_stays_the_same(place: Place, children: Children, full: bool) -> None:
    rounds, sessions, turns = (50, 20, 100) if full else (12, 4, 6)
    program = children.start(
        "tests.faults.soak:talk_for_long",
        seconds=3600 if full else 60,
        place=place,
        rounds=rounds,
        sessions=sessions,
        turns=turns,
        traced=not full,
    )
    held = program.result()
    assert len(held) == rounds
    warm = held[rounds // 3 :]
    for what in ("files", "threads", "tasks"):
        assert max(one[what] for one in warm) <= max(one[what] for one in held[: rounds // 3]), f"{what}: {held}"
    memory = [one["memory"] for one in warm]
    assert max(memory) - memory[0] <= max(TOLERANCE * memory[0], BYTES_OF_CACHES), f"memory grows: {memory}"
