# SPDX-License-Identifier: Apache-2.0
"""The log of one session as a file of JSON lines, open.

A line counts when its newline is there. What stands behind the last newline was being written when its process ended:
it was acknowledged to nobody, and the next writer cuts it off.
"""

import logging
import os
from array import array
from typing import NamedTuple

import msgspec

from runwright.durable import CallRecord, RunStatus
from runwright.errors import CorruptedDataError
from runwright.event import Event
from runwright.sessions.file.lines import (
    FORMAT,
    UNREADABLE,
    VERSION,
    Header,
    Line,
    ReadLine,
    RunStep,
    decode_call,
    decode_event,
    decode_header,
    decode_line,
)
from runwright.sessions.file.places import SessionKey, lock, unlock, write_whole
from runwright.state import split

_SUCCEEDED = "interrupted, and another run came after it"
_logger = logging.getLogger(__name__)


class RunFacts(msgspec.Struct):
    """How a run stands, and under which epoch it began last."""

    status: RunStatus
    start_time: float
    update_time: float
    epoch: int
    error: str | None = None


class Identity(NamedTuple):
    """Which file it is, whatever it is called."""

    device: int
    inode: int


class SessionLog:
    """A log that is open, and what was read of it so far.

    While it is open its file cannot be mistaken for another of the same name. It is used by one thread.

    Attributes:
        key: Whose session it is.
        size: How many bytes were read: those of whole lines.
        seq: How many events there are.
        epoch: The newest lease.
        writer: Who has it; None where it was given back.
        running: The run that it was taken for.
        state: The session's own state, each value as JSON.
        calls: Where the newest row of each call stands, those of one run in the order in which they were first started.
    """

    def __init__(self, path: str, key: SessionKey, file: int) -> None:
        self.path = path
        self.file = file
        self.key = key
        self._identity = _identity(os.fstat(file))
        self._clear()

    @classmethod
    def open(cls, path: str, key: SessionKey) -> "SessionLog | None":
        """The log of a session; None where there is none."""
        try:
            return cls(path, key, os.open(path, os.O_RDWR | os.O_APPEND | os.O_CLOEXEC))
        except FileNotFoundError:
            return None

    def _clear(self) -> None:
        self.header: Header
        self.size = 0
        self.seq = 0
        self.epoch = 0
        self.writer: str | None = None
        self.running: str | None = None
        self.state: dict[str, bytes] = {}
        self.last_update_time = 0.0
        self.last_write_time = 0.0
        self.runs: dict[str, RunFacts] = {}
        self.calls: dict[str, dict[str, tuple[int, int]]] = {}
        self._lines = 0
        self._starts = array("Q")
        self._ends = array("Q")

    def close(self) -> None:
        """Closes the file, and gives back its lock."""
        if self.file >= 0:
            os.close(self.file)
            self.file = -1

    def lock(self, *, exclusive: bool) -> None:
        """Waits for the log's lock."""
        lock(self.file, exclusive=exclusive)

    def unlock(self) -> None:
        """Gives the lock back, if it is held."""
        if self.file >= 0:
            unlock(self.file)

    def is_current(self) -> bool:
        """Whether this file is still the one of its name. While it is locked, that stays so."""
        try:
            return _identity(os.stat(self.path)) == self._identity
        except FileNotFoundError:
            return False

    # --- reading

    def refresh(self) -> None:
        """Reads what others wrote. The lock must be held.

        Raises:
            CorruptedDataError: The file is damaged.
        """
        size = os.fstat(self.file).st_size
        if size < self.size:
            self._clear()  # somebody put another text in it
        if size > self.size:
            self._take(self._bytes(self.size, size))
        if self._lines == 0:
            raise self._damaged(1, "its header is missing")

    def _take(self, data: bytes) -> None:
        """Takes note of all whole lines of what stands behind what was read."""
        start, base = 0, self.size
        while (end := data.find(b"\n", start) + 1) > 0:
            text = memoryview(data)[start:end]
            try:
                if self._lines == 0:
                    self._begin(decode_header(text))
                else:
                    self.note(decode_line(text), start + base, end + base)
            except UNREADABLE as error:
                if end == len(data) and self._lines and "truncated" in str(error):
                    return  # cut, with a newline put behind it: as torn as without
                raise self._damaged(self._lines + 1, str(error)) from error
            self._lines += 1
            start = end
            self.size = base + end

    def _begin(self, header: Header) -> None:
        if header.format != FORMAT or header.version != VERSION:
            raise self._damaged(1, f"this version reads {FORMAT} {VERSION}, and it is {header.format} {header.version}")
        if (header.app_name, header.user_id, header.id) != self.key:
            raise self._damaged(
                1,
                f"its name is not that of session {header.id!r}, user {header.user_id!r}, app {header.app_name!r}",
            )
        self.header = header
        self.state.update({key: bytes(value) for key, value in header.state.items()})
        self.last_update_time = self.last_write_time = header.time

    def note(self, line: ReadLine, start: int, end: int) -> None:
        """Takes note of one line."""
        self.last_write_time = line.time
        if line.event is not None:
            if line.seq != self.seq + 1:
                raise self._damaged(self._lines + 1, f"event {self.seq + 1} is expected, and it is {line.seq}")
            self.seq = line.seq
            self._starts.append(start)
            self._ends.append(end)
            self.last_update_time = line.event.timestamp
            if delta := line.event.actions.state_delta:
                self.state.update({key: bytes(value) for key, value in split(delta).session.items()})
        if line.writer is not None:
            self._hand_over(line)
        elif line.run is not None:
            self._step(line.run, line)
        if line.released:
            self.writer = None
        if line.call is not None:
            self.calls.setdefault(line.call.invocation_id, {})[line.call.call_id] = (start, end)

    def _hand_over(self, line: Line) -> None:
        """The session gets another writer. A run that was not ended by then was interrupted."""
        before = self.runs.get(self.running or "")
        self.epoch, self.writer = line.epoch, line.writer
        self.running = line.run.invocation_id if line.run is not None else None
        if before is not None and before.status == "running" and before is not self.runs.get(self.running or ""):
            before.status, before.error, before.update_time = "cancelled", _SUCCEEDED, line.time
        if line.run is not None:
            self._step(line.run, line)

    def _step(self, step: RunStep, line: Line) -> None:
        run = self.runs.get(step.invocation_id)
        if run is None:
            run = self.runs[step.invocation_id] = RunFacts(step.status, line.time, line.time, line.epoch)
        run.status, run.error, run.update_time = step.status, step.error, line.time
        if line.writer is not None and step.status == "running":
            run.epoch = line.epoch

    def events(self, start: int) -> list[Event]:
        """The events after the first ``start``, of those that were read."""
        if start >= self.seq:
            return []
        base = self._starts[start]
        data = memoryview(self._bytes(base, self._ends[-1]))
        events: list[Event] = []
        for index in range(start, self.seq):
            text = data[self._starts[index] - base : self._ends[index] - base]
            try:
                events.append(decode_event(text))
            except UNREADABLE as error:
                raise self._damaged(self._line_at(self._starts[index]), str(error)) from error
        return events

    def calls_of(self, invocation_id: str) -> list[CallRecord]:
        """The ledger of one run."""
        rows: list[CallRecord] = []
        for start, end in self.calls.get(invocation_id, {}).values():
            try:
                rows.append(decode_call(self._bytes(start, end)))
            except UNREADABLE as error:
                raise self._damaged(self._line_at(start), str(error)) from error
        return rows

    def _bytes(self, start: int, end: int) -> bytes:
        data = os.pread(self.file, end - start, start)
        while len(data) < end - start and (more := os.pread(self.file, end - start - len(data), start + len(data))):
            data += more
        return data

    def _line_at(self, place: int) -> int:
        return self._bytes(0, place).count(b"\n") + 1

    def _damaged(self, line: int, why: str) -> CorruptedDataError:
        return CorruptedDataError(
            f"{self.path}, line {line}: the session's log is damaged: {why}. Nothing of it was read; put the line "
            "right, or cut the file before it"
        )

    # --- writing

    def cut(self) -> None:
        """Cuts off what stands behind the last whole line. The lock must be held, and the log be read."""
        torn = os.fstat(self.file).st_size - self.size
        if torn > 0:
            _logger.warning(
                "%s: the last %d bytes are half a line, which nobody was told of; they are cut off", self.path, torn
            )
            os.ftruncate(self.file, self.size)

    def write(self, line: Line, data: bytes, *, sync: bool) -> None:
        """Writes a line, or nothing of it. The lock must be held, and the log be read and cut.

        Args:
            data: The line encoded.
            sync: Whether it is on the disk when this returns.

        Raises:
            OSError: It cannot be written.
        """
        write_whole(self.file, data, size=self.size, sync=sync)
        self.note(decode_line(data), self.size, self.size + len(data))
        self.size += len(data)
        self._lines += 1


def _identity(stat: os.stat_result) -> Identity:
    return Identity(stat.st_dev, stat.st_ino)
