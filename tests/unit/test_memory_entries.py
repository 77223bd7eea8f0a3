# SPDX-License-Identifier: Apache-2.0
"""What of a session's log is new to a memory service, by the mark that it left the last time."""

import pytest

from runwright.errors import InputValidationError
from runwright.event import Event
from runwright.memories.entries import SessionMark, can_be_named, check_names, ready_events, ready_memories, unseen
from runwright.memory import MemoryEntry
from runwright.types import UserContent

LOG = [Event(id=f"e{number}", author="user") for number in range(6)]


@pytest.mark.parametrize(
    ("mark", "first_new"),
    [
        (None, 0),
        (SessionMark("e0", "e5"), 6),
        (SessionMark("e0", "e3"), 4),
        (SessionMark("e0", "e0"), 1),
        (SessionMark("e2", "e4"), 0),  # part of the log was added, from its third event on
        (SessionMark("e0", "gone"), 0),
        (SessionMark("other", "e4"), 0),
    ],
)
def test_what_stands_after_the_mark_is_new(mark: SessionMark | None, first_new: int) -> None:
    assert list(unseen(LOG, mark)) == LOG[first_new:]


def test_what_is_new_is_found_from_the_end() -> None:
    class Counting(list[Event]):
        looked_at = 0

        def __getitem__(self, index):  # type: ignore[no-untyped-def]
            self.looked_at += 1
            return super().__getitem__(index)

    log = Counting(Event(id=f"e{number}", author="user") for number in range(1000))
    assert [event.id for event in unseen(log, SessionMark("e0", "e997"))] == ["e998", "e999"]
    assert log.looked_at < 10


def test_of_entries_with_one_id_the_last_is_taken() -> None:
    entries = [MemoryEntry(id="m", content=UserContent(text)) for text in ("one", "two")]
    assert [entry.text for entry in ready_memories(entries)] == ["two"]


def test_events_that_say_nothing_are_left_out() -> None:
    events = [Event(id="\ud800"), Event(content=UserContent("?!")), Event(id="said", content=UserContent("one one"))]
    (entry,) = ready_events(events, {"k": 1})
    assert (entry.id, entry.words) == ("said", ["one", "one"])


def test_an_event_whose_id_is_no_text_is_refused() -> None:
    with pytest.raises(InputValidationError, match="cannot be kept"):
        ready_events([Event(id="\ud800", content=UserContent("one"))])


def test_names_that_a_database_cannot_hold_are_told_apart() -> None:
    check_names(app_name="a\0b")
    with pytest.raises(InputValidationError, match=r"app_name .*NUL"):
        check_names(nul_allowed=False, app_name="a\0b")
    assert can_be_named("a\0b")
    assert not can_be_named("a\0b", nul_allowed=False)
    assert not can_be_named("\udc00")
