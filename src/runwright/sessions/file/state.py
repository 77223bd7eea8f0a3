# SPDX-License-Identifier: Apache-2.0
"""State that sessions share, of an app or of a user of it, as a file of JSON lines beside them.

An event and the shared state that it changes are stored together or not at all, though they go to two files. The
state's line is written first. It names the line of the log that it belongs to, by place, size and check sum, and
counts only if that line is there; then a line says that it was looked for and found. A process that ends in between
leaves a last line that is undecided, and whoever reads the file next looks for the event. All writers of an app's
shared state wait for each other (``~lock`` in the app's folder), so no more than one line is ever undecided.
"""

import logging
import os
import zlib
from collections.abc import Generator, Mapping
from contextlib import contextmanager
from typing import NamedTuple

import msgspec

from runwright.errors import CorruptedDataError
from runwright.sessions.file.places import sync_folder, write_whole

_SMALL = 65_536
"""Bytes up to which a file is let grow, whatever is in it."""

_logger = logging.getLogger(__name__)


class Committed(NamedTuple):
    """The line of a log that decides: its file from the app's folder on, its place and its bytes."""

    log: str
    start: int
    data: bytes


class _StateLine(msgspec.Struct, omit_defaults=True, kw_only=True):
    """One write.

    Attributes:
        n: Counts the writes.
        log: The file with the event that it belongs to; ``at``, ``size`` and ``crc`` say where and what it is.
        state: The values, without the prefix of their scope.
        done: The write that is known to count.
    """

    n: int = 0
    log: str | None = None
    at: int = 0
    size: int = 0
    crc: int = 0
    state: dict[str, msgspec.Raw] = {}
    done: int = 0


_encode = msgspec.json.Encoder().encode
_decode = msgspec.json.Decoder(_StateLine).decode


class SharedState:
    """The state of an app or of a user, and what was read of its file so far. It is used by one thread.

    Attributes:
        version: How many writes there were.
    """

    def __init__(self, path: str, app_folder: str) -> None:
        self.path = path
        self.version = 0
        self._app_folder = app_folder
        self._values: dict[str, tuple[int, bytes]] = {}
        self._seen: tuple[int, int, int] | None = None
        self._size = 0
        self._compact_at = _SMALL
        self._is_undecided = False
        """Whether the last line counts, and the file does not say so yet."""

    def written_since(self, version: int) -> dict[str, bytes]:
        """The values that were written after a version, as JSON."""
        changed: dict[str, bytes] = {}
        for key, (written, data) in reversed(self._values.items()):
            if written <= version:
                break
            changed[key] = data
        return changed

    def is_fresh(self) -> bool:
        """Whether the file is as it was when it was read."""
        return self._fingerprint() == self._seen

    def refresh(self) -> None:
        """Reads the file, if it has changed. The app's lock must be held, to read at least.

        Raises:
            CorruptedDataError: It is damaged.
        """
        seen = self._fingerprint()
        if seen == self._seen:
            return
        self._values, self.version, self._size, self._is_undecided = {}, 0, 0, False
        self._seen = seen
        if seen is None:
            return
        with open(self.path, "rb") as file:
            data = file.read()
        self._take(data)

    def _take(self, data: bytes) -> None:
        lines = data.split(b"\n")[:-1]  # what stands behind the last newline was never whole
        undecided: _StateLine | None = None
        start = 0
        for number, text in enumerate(lines, 1):
            try:
                line = _decode(text)
            except (msgspec.DecodeError, UnicodeDecodeError) as error:
                if number == len(lines) and "truncated" in str(error):
                    break  # cut, with a newline put behind it: as torn as without
                raise CorruptedDataError(
                    f"{self.path}, line {number}: the shared state is damaged: {error}. Nothing of it was read; put "
                    "the line right, or take it out"
                ) from error
            if undecided is not None:
                self._note(undecided)  # whoever wrote the next line knew that it counts
            undecided = line if line.n else None
            start = self._size
            self._size += len(text) + 1
        if undecided is None:
            return
        if undecided.log is None or self._is_stored(undecided):
            self._note(undecided)
            self._is_undecided = undecided.log is not None
        else:
            self._size = start

    def _note(self, line: _StateLine) -> None:
        self.version = line.n
        for key, value in line.state.items():
            # Taken out first, so that the newest stand last and a reader of changes need not pass over the rest.
            self._values.pop(key, None)
            self._values[key] = (line.n, bytes(value))

    def _is_stored(self, line: _StateLine) -> bool:
        """Whether the line of the log that decides is there."""
        assert line.log is not None
        try:
            file = os.open(os.path.join(self._app_folder, line.log), os.O_RDONLY | os.O_CLOEXEC)
        except FileNotFoundError:
            return False
        try:
            data = os.pread(file, line.size, line.at)
        finally:
            os.close(file)
        return len(data) == line.size and zlib.crc32(data) == line.crc

    @contextmanager
    def written(self, delta: Mapping[str, bytes], committed: Committed, *, sync: bool) -> Generator[None]:
        """Writes values, if the block writes the line that they belong to.

        The app's lock must be held, and the file be read. Where the block fails, the next reader finds out whether the
        line was written.
        """
        state = {key: msgspec.Raw(value) for key, value in delta.items()}
        log, at, data = committed
        line = _StateLine(n=self.version + 1, log=log, at=at, size=len(data), crc=zlib.crc32(data), state=state)
        file = os.open(self.path, os.O_RDWR | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o666)
        try:
            if os.fstat(file).st_size > self._size:
                os.ftruncate(file, self._size)
            self._seen = None
            text = _encode(line) + b"\n"
            write_whole(file, text, size=self._size, sync=sync)
            yield
            self._size += len(text)
            self._note(line)
            self._is_undecided = True
            self._settle(file)
        finally:
            os.close(file)
        if self._size > self._compact_at:
            live = sum(len(key) + len(value) for key, (_, value) in self._values.items())
            self._compact_at = max(_SMALL, 4 * live)
            if self._size > self._compact_at:
                self._compact()
        self._seen = self._fingerprint()

    def settle(self) -> None:
        """Says that the last line counts, as long as that can be told. The app's lock must be held."""
        self.refresh()
        if self._is_undecided:
            file = os.open(self.path, os.O_RDWR | os.O_APPEND | os.O_CLOEXEC)
            try:
                self._settle(file)
            finally:
                os.close(file)
            self._seen = self._fingerprint()

    def _settle(self, file: int) -> None:
        text = _encode(_StateLine(done=self.version)) + b"\n"
        try:
            write_whole(file, text, size=self._size, sync=False)
        except OSError as error:  # no harm: whoever reads the file next looks for the event
            _logger.warning("%s cannot be written to: %s", self.path, error)
            return
        self._size += len(text)
        self._is_undecided = False

    def _compact(self) -> None:
        """Puts a file in its place that has the values alone, each with the number of its write."""
        lines = [_StateLine(n=n, state={key: msgspec.Raw(data)}) for key, (n, data) in self._values.items()]
        data = b"".join(_encode(line) + b"\n" for line in lines)
        new = f"{self.path}.new"
        try:
            file = os.open(new, os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o666)
            try:
                write_whole(file, data, size=0, sync=True)
            finally:
                os.close(file)
            os.replace(new, self.path)
            sync_folder(os.path.dirname(self.path))
        except OSError as error:  # the longer file is as good
            _logger.warning("%s cannot be made shorter: %s", self.path, error)
            return
        self._size = len(data)

    def _fingerprint(self) -> tuple[int, int, int] | None:
        try:
            stat = os.stat(self.path)
        except FileNotFoundError:
            return None
        return stat.st_ino, stat.st_size, stat.st_mtime_ns
