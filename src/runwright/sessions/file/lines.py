# SPDX-License-Identifier: Apache-2.0
"""The lines of a session's log: what is in them, and how they are written and read.

The first line is the header; each one after it is something that was stored at once: an event, a step of a run, a call
of a tool, or an event with the step that it belongs to.
"""

import os

import msgspec

from runwright.durable import CallRecord, RunStatus
from runwright.errors import CorruptedDataError
from runwright.event import Event

FORMAT = "runwright.session"
VERSION = 1
_BLOCK = 4096


class Header(msgspec.Struct, rename="camel", kw_only=True):
    """The first line.

    Attributes:
        number: Counts the sessions of the app in the order in which they were made.
        token: Tells the session from an earlier one of the same name.
        time: Seconds since the epoch, when it was made.
        state: What it began with, without what is shared.
    """

    format: str
    version: int
    app_name: str
    user_id: str
    id: str
    number: int
    token: str
    time: float
    state: dict[str, msgspec.Raw]


class RunStep(msgspec.Struct, rename="camel", omit_defaults=True, kw_only=True):
    """How a run stands from this line on."""

    invocation_id: str
    status: RunStatus
    error: str | None = None


class _Actions(msgspec.Struct, rename="camel"):
    state_delta: dict[str, msgspec.Raw] = {}


class EventFacts(msgspec.Struct, rename="camel"):
    """What the store itself must know of an event."""

    actions: _Actions = msgspec.field(default_factory=_Actions)
    timestamp: float = 0.0


class CallFacts(msgspec.Struct, rename="camel"):
    invocation_id: str
    call_id: str


class Line(msgspec.Struct, rename="camel", omit_defaults=True, kw_only=True):
    """Any line but the first.

    Attributes:
        time: Seconds since the epoch, when it was written. Nothing is ordered by it.
        epoch: The lease that it was written under; 0 outside of a run.
        writer: Whom it makes the session's writer, under that epoch.
        released: Whether it gives the lease back.
        seq: The number of its event.
    """

    time: float
    epoch: int = 0
    writer: str | None = None
    released: bool = False
    run: RunStep | None = None
    call: msgspec.Raw | None = None
    seq: int = 0
    event: msgspec.Raw | None = None


class ReadLine(Line, kw_only=True):
    """A line as it is read: of its event and its call, only what the store itself must know."""

    call: CallFacts | None = None  # pyright: ignore[reportIncompatibleVariableOverride]
    event: EventFacts | None = None  # pyright: ignore[reportIncompatibleVariableOverride]


class _EventLine(msgspec.Struct):
    event: Event


class _CallLine(msgspec.Struct):
    call: CallRecord


class _TimeLine(msgspec.Struct):
    time: float


_encode = msgspec.json.Encoder().encode
decode_header = msgspec.json.Decoder(Header).decode
decode_line = msgspec.json.Decoder(ReadLine).decode
_decode_event = msgspec.json.Decoder(_EventLine).decode
_decode_call = msgspec.json.Decoder(_CallLine).decode
_decode_time = msgspec.json.Decoder(_TimeLine).decode
UNREADABLE = (msgspec.DecodeError, UnicodeDecodeError, RecursionError)


def decode_event(text: bytes | memoryview) -> Event:
    """The event of a line."""
    return _decode_event(text).event


def decode_call(text: bytes | memoryview) -> CallRecord:
    """The call of a line."""
    return _decode_call(text).call


def encoded_line(line: Header | Line) -> bytes:
    """A line as it is written."""
    return _encode(line) + b"\n"


def read_header(path: str) -> Header:
    """The header of a log.

    Raises:
        CorruptedDataError: It is damaged.
        FileNotFoundError: There is no such file.
    """
    file = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        data = b""
        while b"\n" not in data and (more := os.pread(file, _BLOCK, len(data))):
            data += more
    finally:
        os.close(file)
    text, newline, _ = data.partition(b"\n")
    try:
        if not newline:
            raise msgspec.DecodeError("it has no end")
        return decode_header(text)
    except UNREADABLE as error:
        raise CorruptedDataError(f"{path}, line 1: the session's header is damaged: {error}") from error


def last_write_time(path: str) -> float:
    """When a log was written to last, in seconds since the epoch; from its end alone.

    Raises:
        CorruptedDataError: Its last line is damaged.
        FileNotFoundError: There is no such file.
    """
    file = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        text = _last_line(file)
    finally:
        os.close(file)
    try:
        return _decode_time(text).time
    except UNREADABLE as error:
        raise CorruptedDataError(f"{path}: the session's last line is damaged: {error}") from error


def _last_line(file: int) -> bytes:
    """The last whole line; empty where there is none."""
    size, want = os.fstat(file).st_size, _BLOCK
    while True:
        start = max(0, size - want)
        whole, newline, _ = os.pread(file, size - start, start).rpartition(b"\n")
        if start == 0 or (newline and b"\n" in whole):
            return whole.rpartition(b"\n")[2]
        want *= 4
