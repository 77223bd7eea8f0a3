# SPDX-License-Identifier: Apache-2.0
"""Files in an object store: S3 and what speaks it, Google Cloud Storage, Azure Blob Storage.

::

    apps/<app>/users/<user>[/sessions/<session>]/artifacts/<file>/<entry>                 the file's log
    apps/<app>/users/<user>[/sessions/<session>]/blobs/<file>/<first>-<sha256>-<type>     its different bytes, once each

An object store has no transactions, but it can refuse to create an object that is there. So each file is a log whose
entries are created one after another: a version is a record, a deletion an empty object. The store decides who gets an
entry, also between processes, and versions are counted from the last deletion on.

Blobs belong to one file and one life of it (``first`` is the entry that its version 0 has). So deleting asks nobody who
else needs the bytes, a version that is saved meanwhile never loses its own, and what is kept of a user lies under one
prefix. The price is that different files do not share bytes.
"""

import asyncio
from typing import TYPE_CHECKING, Any, NamedTuple
from weakref import WeakValueDictionary

from runwright.artifact import ArtifactVersion, BaseArtifactService
from runwright.artifacts.blobs import (
    Draft,
    KeptVersion,
    damaged,
    decode_record,
    draft_of,
    encode_record,
    hashed,
    part_of,
    version_of,
)
from runwright.artifacts.places import Home, Place, home_of, is_cut, places_of, plain_name, safe_name
from runwright.types import Part

if TYPE_CHECKING:
    from runwright.artifacts.bucket import Found

_DIGITS = 12
_READS_AT_ONCE = 16
_LOOKS_AT_A_LOG = 5


class _Log(NamedTuple):
    """What a listing says of a file.

    Attributes:
        first: The entry of version 0, whether or not there is one.
        next: The first free entry.
    """

    first: int
    next: int

    def entry_of(self, version: int | None) -> int | None:
        """The entry of a version, of the newest where none is named; None where there is none."""
        entry = self.next - 1 if version is None else self.first + version
        return entry if self.first <= entry < self.next and (version is None or version >= 0) else None


class ObjectStoreArtifactService(BaseArtifactService):
    """Keeps files in an object store, which any number of processes may share.

    A version is stored whole before its number is given. Versions of a file with the same bytes and type share them.
    Large files go and come in parts. The store's failures are a ``StorageError``, and a file that is not what was saved
    is a ``CorruptedDataError`` that names it. A store that only looks like S3 must honour ``If-None-Match: *``.

    Needs the extra ``object-store``.

    Args:
        url: ``s3://bucket/prefix``, ``gs://bucket/prefix``, ``az://container/prefix``, and for trying things out
            ``file:///folder`` and ``memory:///``.
        options: What ``obstore.store.from_url`` takes: the store's own (``region``, ``endpoint``, ...; those of the
            environment are found), ``client_options`` with the time limits, ``retry_config``, ``credential_provider``.

    Raises:
        ConfigurationError: There is no such kind of store, or it does not know an option.
        MissingDependencyError: The driver is not installed.
    """

    def __init__(self, url: str, **options: Any) -> None:
        from runwright.artifacts.bucket import Bucket  # noqa: PLC0415  # the driver is optional

        self._bucket = Bucket(url, options)
        self.url = self._bucket.url
        # Writers of one file stand in line here, so that they do not fight for its next entry in the store.
        self._lines: WeakValueDictionary[tuple[asyncio.AbstractEventLoop, Home], asyncio.Lock] = WeakValueDictionary()

    async def save_artifact(
        self,
        *,
        app_name: str,
        user_id: str,
        filename: str,
        artifact: Part,
        session_id: str | None = None,
        custom_metadata: dict[str, Any] | None = None,
    ) -> int:
        home = home_of(app_name, user_id, session_id, filename)
        draft = draft_of(filename, artifact, custom_metadata)
        data = await asyncio.to_thread(hashed, draft)
        while True:
            log = await self._log(home)
            await self._put_blob(home, log, draft, data)
            version = await self._append(home, log, encode_record(draft.record))
            if version is not None:
                return version
            # The file was deleted meanwhile, and its bytes with it: this is the first version of a new one.
            if draft.record.blob:
                await self._bucket.delete([draft.record.blob])

    async def load_artifact(
        self, *, app_name: str, user_id: str, filename: str, session_id: str | None = None, version: int | None = None
    ) -> Part | None:
        home = home_of(app_name, user_id, session_id, filename)
        while True:
            log = await self._log(home)
            record = await self._record(home, log, log.entry_of(version))
            if record is None:
                return None
            if not record.blob:
                return record.part
            parts = await self._bucket.get_parts(record.blob, record.size)
            if parts is not None or (await self._log(home)).first == log.first:
                return await asyncio.to_thread(_joined, record, parts, self._bucket.uri(record.blob))

    async def list_artifact_keys(self, *, app_name: str, user_id: str, session_id: str | None = None) -> list[str]:
        names: list[str] = []
        for place in places_of(app_name, user_id, session_id):
            names.extend(await self._names(place))
        return sorted(names)

    async def delete_artifact(
        self, *, app_name: str, user_id: str, filename: str, session_id: str | None = None
    ) -> None:
        home = home_of(app_name, user_id, session_id, filename)
        while True:
            log = await self._log(home)
            if log.first == log.next or await self._bucket.create(_entry_key(home, log.next), b""):
                break
        await self._clean(home)

    async def list_artifact_versions(
        self, *, app_name: str, user_id: str, filename: str, session_id: str | None = None
    ) -> list[ArtifactVersion]:
        home = home_of(app_name, user_id, session_id, filename)
        while True:
            log = await self._log(home)
            records: list[KeptVersion | None] = []
            for start in range(log.first, log.next, _READS_AT_ONCE):
                records += await self._records(home, log, range(start, min(start + _READS_AT_ONCE, log.next)))
            known = [record for record in records if record is not None]
            if len(known) == len(records):
                return [self._described(home, log, number, record) for number, record in enumerate(known)]

    async def list_versions(
        self, *, app_name: str, user_id: str, filename: str, session_id: str | None = None
    ) -> list[int]:
        log = await self._log(home_of(app_name, user_id, session_id, filename))
        return list(range(log.next - log.first))

    async def get_artifact_version(
        self, *, app_name: str, user_id: str, filename: str, session_id: str | None = None, version: int | None = None
    ) -> ArtifactVersion | None:
        home = home_of(app_name, user_id, session_id, filename)
        log = await self._log(home)
        entry = log.entry_of(version)
        record = await self._record(home, log, entry)
        return None if record is None or entry is None else self._described(home, log, entry - log.first, record)

    # The log of a file

    async def _log(self, home: Home) -> _Log:
        for _ in range(_LOOKS_AT_A_LOG):
            entries = {_entry_of(found.key): found.size for found in await self._bucket.under(_log_prefix(home))}
            entries.pop(None, None)
            numbers = [number for number in entries if number is not None]
            first = max((number for number in numbers if entries[number] == 0), default=-1) + 1
            following = max(numbers, default=-1) + 1
            if all(number in entries for number in range(first, following)):
                return _Log(first, following)
            # A listing that is not of one moment, as those of a file system are not, may miss one: look again.
        raise damaged(self._bucket.uri(_log_prefix(home)), "an entry is missing between others")

    async def _append(self, home: Home, log: _Log, data: bytes) -> int | None:
        """Creates the next entry and gives its version; None where the file was deleted since the log was read."""
        async with self._line(home):
            entry = log.next
            while not await self._bucket.create(_entry_key(home, entry), data):
                # It may be our own, where the answer to a first try was lost and the driver tried again.
                if await self._bucket.get(_entry_key(home, entry)) == data:
                    break
                now = await self._log(home)
                if now.first != log.first:
                    return None
                entry = now.next
        if not self._bucket.lists_one_moment and (await self._log(home)).first != log.first:
            return None  # the log that was read was older than what was deleted while it was read
        return entry - log.first

    def _line(self, home: Home) -> asyncio.Lock:
        return self._lines.setdefault((asyncio.get_running_loop(), home), asyncio.Lock())

    async def _record(self, home: Home, log: _Log, entry: int | None) -> KeptVersion | None:
        """The record of an entry; None where there is none, or where the file was deleted since the log was read."""
        if entry is None:
            return None
        key = _entry_key(home, entry)
        data = await self._bucket.get(key)
        if data is not None:
            return decode_record(data, self._bucket.uri(key))
        if (await self._log(home)).first != log.first:
            return None
        raise damaged(self._bucket.uri(key), "it is not there")

    async def _records(self, home: Home, log: _Log, entries: range) -> list[KeptVersion | None]:
        try:
            async with asyncio.TaskGroup() as group:
                tasks = [group.create_task(self._record(home, log, entry)) for entry in entries]
        except ExceptionGroup as errors:
            raise errors.exceptions[0] from errors
        return [task.result() for task in tasks]

    async def _names(self, place: Place) -> list[str]:
        """One listing of all entries tells which files have versions."""
        files: dict[str, list[tuple[int, Found]]] = {}
        for found in await self._bucket.under(f"{place.path}/artifacts"):
            *_, file, _ = found.key.split("/")
            entry = _entry_of(found.key)
            if entry is not None:
                files.setdefault(file, []).append((entry, found))
        names: list[str] = []
        for file, entries in files.items():
            newest = max(entries)[1]
            plain = plain_name(file)
            if newest.size and plain is not None:
                names.append(place.file_name(plain))
            elif newest.size and is_cut(file):
                data = await self._bucket.get(newest.key)
                if data is not None:
                    names.append(decode_record(data, self._bucket.uri(newest.key)).filename)
        return names

    # Blobs

    async def _put_blob(self, home: Home, log: _Log, draft: Draft, data: bytes | None) -> None:
        """Sees to it that the bytes are there, and tells the record where."""
        if data is None:
            return
        record = draft.record
        # Who reads the blob by its URI is told its type by the store: bytes of two types are two blobs.
        kind = f"-{safe_name(record.mime_type)}" if record.mime_type else ""
        record.blob = f"{_blobs_prefix(home)}/{log.first:0{_DIGITS}}-{record.sha256}{kind}"
        if await self._bucket.size(record.blob) != record.size:
            await self._bucket.put(record.blob, data, record.mime_type)

    async def _clean(self, home: Home) -> None:
        """Removes what lies before the last deletion, also what a process left that died before it was done."""
        log = await self._log(home)
        entries = [found.key for found in await self._bucket.under(_log_prefix(home))]
        blobs = [found.key for found in await self._bucket.under(_blobs_prefix(home))]
        await self._bucket.delete([key for key in entries if (_entry_of(key) or 0) < log.first - 1])
        await self._bucket.delete([key for key in blobs if _life_of(key) < log.first])

    def _described(self, home: Home, log: _Log, number: int, record: KeptVersion) -> ArtifactVersion:
        key = record.blob or _entry_key(home, log.first + number)
        return version_of(record, number, self._bucket.uri(key))


class S3ArtifactService(ObjectStoreArtifactService):
    """Keeps files in a bucket of S3, or of a store that speaks it (``endpoint="https://..."``).

    Args:
        bucket_name: The bucket, which exists.
        prefix: What all keys begin with.
        options: As for :class:`ObjectStoreArtifactService`.
    """

    def __init__(self, bucket_name: str, *, prefix: str = "", **options: Any) -> None:
        super().__init__(_url("s3", bucket_name, prefix), **options)


class GcsArtifactService(ObjectStoreArtifactService):
    """Keeps files in a bucket of Google Cloud Storage.

    Args:
        bucket_name: The bucket, which exists.
        prefix: What all names begin with.
        options: As for :class:`ObjectStoreArtifactService`.
    """

    def __init__(self, bucket_name: str, *, prefix: str = "", **options: Any) -> None:
        super().__init__(_url("gs", bucket_name, prefix), **options)


def _url(scheme: str, bucket_name: str, prefix: str) -> str:
    return f"{scheme}://{bucket_name}/{prefix.strip('/')}".rstrip("/")


def _log_prefix(home: Home) -> str:
    return f"{home.place.path}/artifacts/{home.safe_name}"


def _blobs_prefix(home: Home) -> str:
    return f"{home.place.path}/blobs/{home.safe_name}"


def _entry_key(home: Home, entry: int) -> str:
    return f"{_log_prefix(home)}/{entry:0{_DIGITS}}"


def _entry_of(key: str) -> int | None:
    name = key.rpartition("/")[2]
    return int(name) if len(name) == _DIGITS and name.isascii() and name.isdecimal() else None


def _life_of(blob: str) -> int:
    """The entry of version 0 in the life of the file that a blob belongs to."""
    return int(blob.rpartition("/")[2].partition("-")[0])


def _joined(record: KeptVersion, parts: list[Any] | None, where: str) -> Part:
    data = None if parts is None else parts[0] if len(parts) == 1 else b"".join(parts)
    return part_of(record, data, where)
