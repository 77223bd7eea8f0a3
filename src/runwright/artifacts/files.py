# SPDX-License-Identifier: Apache-2.0
"""Files and folders that are on the disk when a call returns. Everything here blocks."""

import os
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path

_CHUNK = 4 * 1024 * 1024
_BY_HANDLE = os.rename in os.supports_dir_fd and os.listdir in os.supports_fd


def write_file(path: Path, data: bytes) -> None:
    """Writes a new file.

    Raises:
        FileExistsError: It is there already.
        OSError: It could not be written whole.
    """
    with open(path, "xb", buffering=0) as file:
        view = memoryview(data)
        while view:
            view = view[file.write(view[:_CHUNK]) :]
        os.fsync(file.fileno())


def read_file(path: Path) -> bytes | None:
    """All of a file, None where there is none."""
    try:
        return path.read_bytes()
    except (FileNotFoundError, NotADirectoryError):
        return None


def same_bytes(path: Path, data: bytes) -> bool:
    """Whether a file holds these bytes. It is read in pieces."""
    view = memoryview(data)
    with open(path, "rb", buffering=0) as file:
        if os.fstat(file.fileno()).st_size != len(data):
            return False
        while view:
            piece = file.read(_CHUNK)
            if not piece or piece != view[: len(piece)]:
                return False
            view = view[len(piece) :]
    return True


def make_folders(folder: Path) -> None:
    """Makes a folder and those above it that are missing."""
    if folder.is_dir():
        return
    make_folders(folder.parent)
    folder.mkdir(exist_ok=True)
    sync_folder(folder.parent)


def sync_folder(folder: Path) -> None:
    """Brings to disk which names a folder has, on systems where that takes a call."""
    with opened_folder(folder) as handle:
        if handle is not None:
            os.fsync(handle)


@contextmanager
def opened_folder(folder: Path) -> Generator[int | None]:
    """A handle that stays with the folder when it is renamed; None on systems that have no such handles."""
    if not _BY_HANDLE:
        yield None
        return
    handle = os.open(folder, os.O_RDONLY)
    try:
        yield handle
    finally:
        os.close(handle)
