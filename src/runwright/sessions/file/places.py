# SPDX-License-Identifier: Apache-2.0
"""Where the files of sessions lie, how they are locked, and how a process shows that it lives.

A name becomes a file's name by leaving lower case letters, digits, ``-``, ``_`` and inner dots as they are and writing
every other byte as ``%`` and two hexadecimal digits. So two names never share a file, on file systems that do not tell
upper from lower case either, and no name leads out of the folder. A name that becomes too long is cut, and its digest
put behind. What begins with ``~`` is never a name: such files are the store's own.
"""

import hashlib
import os
import re
from collections.abc import Generator
from contextlib import contextmanager, suppress
from typing import NamedTuple

from runwright.errors import ConfigurationError

try:
    import fcntl
except ImportError:  # Windows
    fcntl = None

LOG_SUFFIX = ".jsonl"
_LONGEST = 180
_KEPT = frozenset(b"abcdefghijklmnopqrstuvwxyz0123456789-_.")
# Windows gives these to devices, in any folder and with any suffix.
_DEVICES = re.compile(r"(?:con|prn|aux|nul|com\d|lpt\d)(?:\.|$)")

SessionKey = tuple[str, str, str]
"""(app name, user id, session id)"""


class Places(NamedTuple):
    """Where the files of one user of an app lie."""

    app: str
    user: str
    lock: str
    app_state: str
    user_state: str


def places_of(folder: str, app_name: str, user_id: str) -> Places:
    """Where the files of a user of an app lie, whether they are there or not."""
    app = os.path.join(folder, file_name(app_name))
    user = os.path.join(app, file_name(user_id))
    return Places(
        app, user, os.path.join(app, "~lock"), os.path.join(app, "~app.jsonl"), os.path.join(user, "~user.jsonl")
    )


def file_name(name: str) -> str:
    """A name as a file's name, without a suffix."""
    data = name.encode("utf-8", "surrogatepass")
    text = "".join(chr(byte) if byte in _KEPT else f"%{byte:02x}" for byte in data) or "%"
    if text.startswith("."):
        text = f"%2e{text[1:]}"
    if text.endswith("."):
        text = f"{text[:-1]}%2e"
    if _DEVICES.match(text):
        text = f"%{ord(text[0]):02x}{text[1:]}"
    if len(text) > _LONGEST:
        text = f"{text[:100]}~{hashlib.sha256(data).hexdigest()}"
    return text


def check_locks() -> None:
    """Makes sure that this system has the locks that the files need.

    Raises:
        ConfigurationError: It has not.
    """
    if fcntl is None:
        raise ConfigurationError(
            "FileSessionService needs the file locks of POSIX systems, which this one does not have: use "
            "SqliteSessionService"
        )


def lock(file: int, *, exclusive: bool) -> None:
    """Waits for a file's lock. It is given back with :func:`unlock`, or when the file is closed."""
    assert fcntl is not None
    fcntl.flock(file, fcntl.LOCK_EX if exclusive else fcntl.LOCK_SH)


def unlock(file: int) -> None:
    """Gives a file's lock back."""
    assert fcntl is not None
    fcntl.flock(file, fcntl.LOCK_UN)


@contextmanager
def locked(path: str, *, exclusive: bool) -> Generator[int]:
    """Holds the lock of a file, which is made where it is missing, and gives the open file."""
    file = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o666)
    try:
        lock(file, exclusive=exclusive)
        yield file
    finally:
        os.close(file)


def write_whole(file: int, data: bytes, *, size: int, sync: bool) -> None:
    """Writes ``data`` at the end of a file of ``size`` bytes, or nothing of it.

    Raises:
        OSError: It cannot be written; the file is as it was, but where a note on the error says otherwise.
    """
    try:
        written = os.write(file, data)
        while written < len(data):
            written += os.write(file, memoryview(data)[written:])
        if sync:
            os.fsync(file)
    except OSError as error:
        try:
            os.ftruncate(file, size)
        except OSError:
            error.add_note("Whether it was stored is not known")
        raise


def sync_folder(path: str) -> None:
    """Makes the names in a folder durable."""
    folder = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)


class SignOfLife:
    """A file that a process holds locked for as long as it lives.

    The system takes the lock away when the process ends, however it ends; so nobody need measure time to find out.

    Attributes:
        token: The name that others know the process by.
    """

    def __init__(self, folder: str) -> None:
        self.token = os.urandom(8).hex()
        self._folder = os.path.join(folder, "~writers")
        self._file: int | None = None

    def show(self) -> None:
        """Makes the file, once; and takes away those of processes that are gone."""
        if self._file is not None:
            return
        assert fcntl is not None
        os.makedirs(self._folder, exist_ok=True)
        for other in os.listdir(self._folder):
            if "." not in other:
                self.is_alive(other)
        path = os.path.join(self._folder, self.token)
        file = os.open(f"{path}.new", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o666)
        fcntl.flock(file, fcntl.LOCK_EX)
        # Only a locked file gets the name that others look for: to find one unlocked is to find its process gone.
        os.rename(f"{path}.new", path)
        self._file = file

    def is_alive(self, token: str) -> bool:
        """Whether the process of that name lives."""
        if token == self.token:
            return self._file is not None
        assert fcntl is not None
        path = os.path.join(self._folder, token)
        try:
            file = os.open(path, os.O_RDWR | os.O_CLOEXEC)
        except FileNotFoundError:
            return False
        try:
            fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except BlockingIOError:
            return True
        else:
            with suppress(FileNotFoundError):
                os.unlink(path)
            return False
        finally:
            os.close(file)

    def end(self) -> None:
        """Takes the file away."""
        if self._file is not None:
            with suppress(OSError):
                os.unlink(os.path.join(self._folder, self.token))
            self.drop()

    def drop(self) -> None:
        """Lets go of the file: in a child process, whose parent goes on to hold it."""
        if self._file is not None:
            os.close(self._file)
            self._file = None
