# SPDX-License-Identifier: Apache-2.0
"""Versions of files in a folder, safe against other processes, threads and sudden death. Everything here blocks.

::

    apps/<app>/users/<user>/artifacts/<file>/0/                      of the user; a version is a folder
    apps/<app>/users/<user>/sessions/<session>/artifacts/<file>/0/   of a session
                                                  .../0/metadata.json
                                                  .../0/data         the bytes: the same file as in blobs/
    blobs/<sha256>                                                   all different bytes, once
    drafts/<id>/                                                     a version that is being written
    trash/<id>/                                                      a file that is being deleted

A version is written as a draft and renamed to the first free number. The system does not rename a folder onto another
that holds something, so of two writers one gets the number and the other the next.

Bytes are shared by hard links. Who saves has a link of its own before anything is promised, so removing
``blobs/<sha256>`` never takes bytes that a version needs: at worst they are written once more. Where the file system
has no hard links, each version has its own copy.
"""

import errno
import os
import re
import shutil
import time
from collections.abc import Generator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import NamedTuple

from runwright import clock
from runwright.artifact import ArtifactVersion
from runwright.artifacts.blobs import (
    Draft,
    KeptVersion,
    damaged,
    decode_record,
    encode_record,
    hashed,
    part_of,
    version_of,
)
from runwright.artifacts.files import make_folders, opened_folder, read_file, same_bytes, sync_folder, write_file
from runwright.artifacts.places import Home, Place, is_cut, plain_name
from runwright.errors import StorageError
from runwright.types import Part

_DATA = "data"
_METADATA = "metadata.json"
_ABANDONED_AFTER = 24 * 3600.0
"""Seconds after which a draft is taken for one whose writer died."""
_LINK_ATTEMPTS = 3
_NUMBER = re.compile(r"0|[1-9][0-9]{0,17}")
_TAKEN = frozenset({errno.EEXIST, errno.ENOTEMPTY})
_NO_HARD_LINKS = frozenset({errno.EPERM, errno.EACCES, errno.ENOTSUP, errno.EOPNOTSUPP, errno.ENOSYS, errno.EXDEV})


class _Version(NamedTuple):
    number: int
    folder: Path
    record: KeptVersion
    identity: tuple[int, int]

    @property
    def uri(self) -> str:
        return (self.folder / (_METADATA if self.record.payload is None else _DATA)).as_uri()

    def described(self) -> ArtifactVersion:
        return version_of(self.record, self.number, self.uri)


class ArtifactFolder:
    """The blocking half of ``FileArtifactService``. Threads and processes may share the folder."""

    def __init__(self, root: Path) -> None:
        self._root = root
        self._blobs, self._drafts, self._trash = root / "blobs", root / "drafts", root / "trash"
        self._swept = False

    def save(self, home: Home, draft: Draft) -> int:
        data = hashed(draft)
        with self._reporting("saved"):
            self._sweep_once()
            folder = self._drafts / clock.new_id()
            make_folders(folder)
            try:
                # The record comes first: it says which blob to look after if this process dies before the end.
                write_file(folder / _METADATA, encode_record(draft.record))
                if data is not None:
                    self._put_data(folder / _DATA, draft.record.sha256, data)
                sync_folder(folder)
                return self._publish(folder, self._folder(home))
            finally:
                if folder.exists():
                    self._remove_version(folder)

    def load(self, home: Home, number: int | None) -> Part | None:
        with self._reporting("read"):
            while True:
                version = self._version(home, number)
                if version is None:
                    return None
                path = version.folder / _DATA
                data = read_file(path) if version.record.payload is not None else None
                # A file deleted and saved again while it was read is read again.
                if version.identity == _identity(version.folder):
                    return part_of(version.record, data, str(path))

    def find(self, home: Home, number: int | None) -> ArtifactVersion | None:
        with self._reporting("read"):
            version = self._version(home, number)
            return None if version is None else version.described()

    def versions(self, home: Home) -> list[ArtifactVersion]:
        with self._reporting("listed"):
            found = (self._version(home, number) for number in _numbers(self._folder(home)))
            return [version.described() for version in found if version is not None]

    def numbers(self, home: Home) -> list[int]:
        with self._reporting("listed"):
            return _numbers(self._folder(home))

    def names(self, places: list[Place]) -> list[str]:
        with self._reporting("listed"):
            return sorted(name for place in places for name in self._names(place))

    def delete(self, home: Home) -> None:
        with self._reporting("deleted"):
            self._sweep_once()
            folder, condemned = self._folder(home), self._trash / clock.new_id()
            if not folder.exists():
                return
            make_folders(self._trash)
            with suppress(FileNotFoundError):  # somebody else deletes it too
                os.rename(folder, condemned)
            sync_folder(folder.parent)
            self._remove(condemned)

    def _folder(self, home: Home) -> Path:
        return self._root / home.place.path / "artifacts" / home.safe_name

    @contextmanager
    def _reporting(self, done: str) -> Generator[None]:
        try:
            yield
        except OSError as error:
            raise StorageError(
                f"Artifacts in {self._root} could not be {done}: {error}. Look at the disk's space and at who may read "
                "and write there"
            ) from error

    # Reading

    def _version(self, home: Home, number: int | None) -> _Version | None:
        folder = self._folder(home)
        while True:
            there = _numbers(folder)
            if not there or (number is not None and number not in there):
                return None
            wanted = there[-1] if number is None else number
            found = folder / str(wanted)
            identity = _identity(found)
            path = found / _METADATA
            data = read_file(path)
            if identity is None or identity != _identity(found):
                continue  # deleted while it was read
            if data is None:
                raise damaged(str(path), "it is not there")
            return _Version(wanted, found, decode_record(data, str(path)), identity)

    def _names(self, place: Place) -> list[str]:
        names: list[str] = []
        for folder in _entries(self._root / place.path / "artifacts"):
            numbers = _numbers(folder)
            plain = plain_name(folder.name)
            if numbers and plain is not None:
                names.append(place.file_name(plain))
            elif numbers and is_cut(folder.name):
                path = folder / str(numbers[0]) / _METADATA
                data = read_file(path)
                if data is not None:
                    names.append(decode_record(data, str(path)).filename)
        return names

    # Saving

    def _put_data(self, target: Path, sha256: str, data: bytes) -> None:
        """Makes ``target`` hold ``data``: as a link to the blob where there is a sound one, which costs no bytes."""
        blob = self._blobs / sha256
        make_folders(self._blobs)
        for _ in range(_LINK_ATTEMPTS):
            try:
                os.link(blob, target)
            except FileNotFoundError:
                pass
            except OSError as error:
                if error.errno in _NO_HARD_LINKS:
                    break
                if error.errno != errno.EMLINK:
                    raise
                blob.unlink(missing_ok=True)  # it has all the links that it can have: the next blob takes over
            else:
                if same_bytes(target, data):
                    return
                target.unlink()
                blob.unlink(missing_ok=True)  # damaged: nothing new is to rest on it
            write_file(target, data)
            try:
                os.link(target, blob)
                return
            except FileExistsError:
                target.unlink()  # somebody saved the same bytes just now: theirs are shared
            except OSError as error:
                if error.errno not in _NO_HARD_LINKS:
                    raise
                return
        write_file(target, data)

    def _publish(self, draft: Path, folder: Path) -> int:
        """Gives a draft the next number. Once it returns, the version is on disk."""
        while True:
            make_folders(folder)
            try:
                with opened_folder(folder) as handle:
                    return _renamed_to_next(draft, folder, handle)
            except FileNotFoundError:
                if not draft.exists():
                    raise
                # The file was deleted meanwhile: this version is the first of a new one.

    # Deleting

    def _remove(self, condemned: Path) -> None:
        """Removes a file in the trash. Two may do it at once, and a late version may still come in."""
        while condemned.exists():
            for entry in _entries(condemned):
                if entry.is_dir():
                    self._remove_version(entry)
                else:
                    entry.unlink(missing_ok=True)
            try:
                condemned.rmdir()
            except FileNotFoundError:
                return
            except OSError as error:
                if error.errno not in _TAKEN:
                    raise

    def _remove_version(self, folder: Path) -> None:
        """Removes a version that nobody can reach, and its blob if no other version has it."""
        record = read_file(folder / _METADATA)
        (folder / _DATA).unlink(missing_ok=True)
        if record is not None:
            # A damaged record does not say which blob it was: that one stays, and does no harm.
            with suppress(StorageError):
                self._collect(decode_record(record, _METADATA).sha256)
        with suppress(FileNotFoundError):
            shutil.rmtree(folder)

    def _collect(self, sha256: str) -> None:
        blob = self._blobs / sha256
        with suppress(FileNotFoundError):
            if sha256 and blob.stat().st_nlink == 1:
                blob.unlink()

    def _sweep_once(self) -> None:
        """Finishes what processes that died had begun to delete, and removes the drafts that they left."""
        if self._swept:
            return
        self._swept = True
        for condemned in _entries(self._trash):
            self._remove(condemned)
        for draft in _entries(self._drafts):
            with suppress(FileNotFoundError):
                # Not the seam for time: this is compared with the file system's own.
                if time.time() - draft.stat().st_mtime > _ABANDONED_AFTER:
                    self._remove_version(draft)


def _renamed_to_next(draft: Path, folder: Path, handle: int | None) -> int:
    """By the folder's handle where there is one: if the folder is deleted now, the version goes with it."""
    number = max(_numbers(folder if handle is None else handle), default=-1) + 1
    while True:
        try:
            if handle is None:
                os.rename(draft, folder / str(number))
            else:
                os.rename(draft, str(number), dst_dir_fd=handle)
                os.fsync(handle)
            return number
        except OSError as error:
            if error.errno not in _TAKEN:
                raise
            number += 1


def _numbers(folder: Path | int) -> list[int]:
    try:
        return sorted(int(name) for name in os.listdir(folder) if _NUMBER.fullmatch(name))
    except (FileNotFoundError, NotADirectoryError):
        return []


def _entries(folder: Path) -> list[Path]:
    try:
        return sorted(folder.iterdir())
    except FileNotFoundError:
        return []


def _identity(folder: Path) -> tuple[int, int] | None:
    """What tells a folder from another that took its name."""
    try:
        status = folder.stat()
    except FileNotFoundError:
        return None
    return status.st_ino, status.st_mtime_ns
