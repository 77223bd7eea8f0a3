# SPDX-License-Identifier: Apache-2.0
"""What is remembered, made ready to be kept: its JSON, its text and its words. Pure, and shared by all services."""

from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, NamedTuple

import msgspec

from runwright import clock
from runwright.errors import InputValidationError
from runwright.event import Event
from runwright.memories.words import words_of
from runwright.memory import MemoryEntry
from runwright.types import text_of

MOST_FOUND = 10
"""How many memories a search gives at the most: they end up in a prompt."""

_encode = msgspec.json.Encoder().encode
_decode = msgspec.json.Decoder(MemoryEntry).decode

_UNENCODABLE = (TypeError, ValueError, OverflowError, RecursionError, msgspec.EncodeError)


class ReadyEntry(NamedTuple):
    """An entry that can be kept. ``data`` is its JSON; ``words`` has each word as often as it was said."""

    id: str
    data: bytes
    text: str
    words: list[str]


class SessionMark(NamedTuple):
    """The first and the last event of a part of a session's log that was added whole."""

    first: str
    last: str


def ready_events(events: Iterable[Event], metadata: Mapping[str, Any] | None = None) -> list[ReadyEntry]:
    """The entries of those events that say something: whole ones, with words in them.

    Raises:
        InputValidationError: One cannot be kept as JSON.
    """
    kept = dict(metadata or {})
    ready: list[ReadyEntry] = []
    for event in events:
        text = "" if event.partial else text_of(event.content)
        words = words_of(text) if text else []
        if words:
            entry = _entry(event, kept)
            ready.append(ReadyEntry(event.id, encoded(entry), text, words))
    return ready


def ready_memories(memories: Iterable[MemoryEntry]) -> list[ReadyEntry]:
    """The entries as they are, the last of those that share an id. One without an id gets a new one.

    Raises:
        InputValidationError: One cannot be kept as JSON.
    """
    ready: dict[str, ReadyEntry] = {}
    for memory in memories:
        entry = memory if memory.id else memory.model_copy(update={"id": clock.new_id()})
        text = text_of(entry.content)
        key = str(entry.id)
        ready.pop(key, None)
        ready[key] = ReadyEntry(key, encoded(entry), text, words_of(text))
    return list(ready.values())


def unseen(events: Sequence[Event], mark: SessionMark | None) -> Sequence[Event]:
    """The events that may be new to a service that left ``mark`` the last time.

    A log only grows, so all between the two events of the mark were there. Looked for from the end, the last of them is
    found after as many steps as there are new events. Where the log begins otherwise than it did (part of it was
    loaded, or it is another session of the same name), any event may be new.
    """
    if mark is not None and events and events[0].id == mark.first:
        for index in range(len(events) - 1, -1, -1):
            if events[index].id == mark.last:
                return events[index + 1 :]
    return events


def encoded(entry: MemoryEntry) -> bytes:
    """The entry's JSON.

    Raises:
        InputValidationError: Something in it is not JSON, or not text.
    """
    try:
        data = _encode(entry)
        _check_text(str(entry.id), "id")
        return data
    except _UNENCODABLE as error:
        raise InputValidationError(f"Memory {entry.id!r} cannot be kept: {error}") from error


def decoded(data: bytes | str) -> MemoryEntry:
    """The entry whose JSON this is."""
    return _decode(data)


def can_be_named(name: str, *, nul_allowed: bool = True) -> bool:
    """Whether a database can hold this name."""
    try:
        check_names(nul_allowed=nul_allowed, name=name)
    except InputValidationError:
        return False
    return True


def check_names(*, nul_allowed: bool = True, **names: str) -> None:
    """Checks that each name is one that a database can hold.

    Raises:
        InputValidationError: One holds half a surrogate pair, or a NUL where the database knows none.
    """
    for name, value in names.items():
        try:
            _check_text(value, name)
        except ValueError as error:
            raise InputValidationError(f"{name} {value!r} cannot be kept: {error}") from error
        if not nul_allowed and "\0" in value:
            raise InputValidationError(f"{name} {value!r} cannot be kept: PostgreSQL's text holds no NUL character")


def _check_text(text: str, name: str) -> None:
    try:
        text.encode()
    except UnicodeEncodeError as error:
        raise ValueError(f"its {name} holds half a surrogate pair, which is no text") from error


def _entry(event: Event, metadata: dict[str, Any]) -> MemoryEntry:
    assert event.content is not None
    said = datetime.fromtimestamp(event.timestamp, tz=UTC).isoformat()
    return MemoryEntry(
        id=event.id, content=event.content, author=event.author, timestamp=said, custom_metadata=metadata
    )
