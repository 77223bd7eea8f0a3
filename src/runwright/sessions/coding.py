# SPDX-License-Identifier: Apache-2.0
"""What the session stores have in common: how events and values are written as JSON and read back, with errors that say
what is wrong, and how the arguments of reads are read."""

from collections.abc import Generator, Iterable, Mapping
from typing import Any, NamedTuple

import msgspec

from runwright.durable import CallRecord
from runwright.errors import CorruptedDataError, InputValidationError, InvalidStateError
from runwright.event import Event
from runwright.session import GetSessionConfig
from runwright.state import ScopedDelta, check_storable, split, without_temp

NO_CHANGE = ScopedDelta({}, {}, {})

_encode = msgspec.json.Encoder().encode
_decode = msgspec.json.Decoder().decode
_decode_event = msgspec.json.Decoder(Event).decode
_decode_call = msgspec.json.Decoder(CallRecord).decode
_UNENCODABLE = (TypeError, ValueError, OverflowError, RecursionError, msgspec.EncodeError)


class Wanted(NamedTuple):
    """Which events are asked for.

    Attributes:
        newest: So many at the most; None for all.
        since: Those with this timestamp or a later one.
        after: Those after this sequence number.
    """

    newest: int | None
    since: float | None
    after: int


def read_config(config: GetSessionConfig | None) -> Wanted:
    """Which events a config asks for.

    Raises:
        InputValidationError: Less than none.
    """
    if config is None:
        return Wanted(None, None, 0)
    newest, after_seq = config.num_recent_events, config.after_seq or 0
    if (newest is not None and newest < 0) or after_seq < 0:
        raise InputValidationError(f"num_recent_events and after_seq count events: give 0 or more, not {config!r}")
    return Wanted(newest, config.after_timestamp, after_seq)


def read_page(page_size: int | None, page_token: str | None) -> int:
    """The number of the last session of the page before; 0 for the first page. The token is that number.

    Raises:
        InputValidationError: The size is less than one, or the token none of ours.
    """
    if page_size is not None and page_size < 1:
        raise InputValidationError(f"page_size is {page_size}: give 1 or more, or None for all")
    if not page_token:
        return 0
    try:
        return int(page_token)
    except ValueError:
        raise InputValidationError(
            f"{page_token!r} is no page token: give the next_page_token of the page before"
        ) from None


def encode_event(event: Event) -> bytes:
    """An event as it is stored.

    Raises:
        InvalidStateError: It holds what is neither JSON nor bytes.
    """
    try:
        return _encode(event)
    except _UNENCODABLE as error:
        raise InvalidStateError(
            f"Event {event.id!r} cannot be stored: {error}. Events hold JSON and bytes only; nothing was written"
        ) from error


def encode_event_change(event: Event) -> tuple[bytes, ScopedDelta]:
    """An event as it is stored, and the state that it changes: encoded, by scope.

    Raises:
        InvalidStateError: Something in it cannot be stored.
    """
    delta = event.actions.state_delta
    if not delta:
        return encode_event(event), NO_CHANGE
    check_storable(delta)
    data = encode_event(event)
    return data, split({key: _encode(value) for key, value in delta.items()})


def encode_state(state: Mapping[str, Any] | None) -> ScopedDelta:
    """The first state of a session: encoded, by scope, without what is of one run alone.

    Raises:
        InvalidStateError: A key or a value cannot be stored.
    """
    if not state:
        return NO_CHANGE
    kept = without_temp(state)
    check_storable(kept)
    encoded: dict[str, bytes] = {}
    for key, value in kept.items():
        try:
            _encode(key)
            encoded[key] = _encode(value)
        except _UNENCODABLE as error:
            raise InvalidStateError(f"State {key!r} cannot be stored: {error}; nothing was written") from error
    return split(encoded)


def encode_call(call: CallRecord) -> bytes:
    """A row of the ledger as it is stored.

    Raises:
        InvalidStateError: It holds what is neither JSON nor bytes.
    """
    try:
        return _encode(call)
    except _UNENCODABLE as error:
        raise InvalidStateError(
            f"The call {call.call_id!r} of {call.name!r} cannot be recorded: {error}. What tools answer is to be JSON "
            "and bytes only; nothing was written"
        ) from error


def decode_events(stored: Iterable[bytes | str], place: str) -> list[Event]:
    """Events as they were stored.

    Args:
        place: Where they come from, for the message of the error.

    Raises:
        CorruptedDataError: One of them is damaged.
    """
    return list(decode_each(stored, place))


def decode_each(stored: Iterable[bytes | str], place: str) -> Generator[Event]:
    """The same one by one, each decoded when it is asked for."""
    try:
        for data in stored:
            yield _decode_event(data)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise CorruptedDataError(f"An event of {place} is damaged: {error}") from error


def decode_call(data: bytes | str, place: str) -> CallRecord:
    """A row of the ledger as it was stored.

    Raises:
        CorruptedDataError: It is damaged.
    """
    try:
        return _decode_call(data)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise CorruptedDataError(f"A recorded call of {place} is damaged: {error}") from error


def decode_values(stored: Mapping[str, bytes | str]) -> dict[str, Any]:
    """State as it was stored.

    Raises:
        CorruptedDataError: A value is damaged; the message names its key.
    """
    try:
        return {key: _decode(data) for key, data in stored.items()}
    except (msgspec.DecodeError, UnicodeDecodeError):
        for key, data in stored.items():
            try:
                _decode(data)
            except (msgspec.DecodeError, UnicodeDecodeError) as error:
                raise CorruptedDataError(f"The stored state {key!r} is damaged: {error}") from error
        raise
