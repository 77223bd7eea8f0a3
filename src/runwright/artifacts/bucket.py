# SPDX-License-Identifier: Apache-2.0
"""A bucket through ``obstore``, with errors that say what to do. The one module here that needs the driver."""

import re
from collections.abc import Generator
from contextlib import contextmanager
from typing import Any, NamedTuple, cast

from runwright.errors import ConfigurationError, MissingDependencyError, StorageError

try:
    import obstore
    from obstore import exceptions as driver_errors
    from obstore.store import from_url
except ImportError as error:
    raise MissingDependencyError(
        "Artifacts in an object store need the package obstore: pip install 'runwright[object-store]'"
    ) from error

_PART = 16 * 1024 * 1024
"""Bytes that are read in one request, so that a large blob on a slow line meets no request's time limit."""
_NO_BUCKET = re.compile(
    r"NoSuchBucket|ContainerNotFound|FilesystemNotFound|specified (?:bucket|container) does not exist", re.IGNORECASE
)
_UNREACHABLE = re.compile(r"error sending request|kind: (?:Connect|Timeout)|dns error|timed out", re.IGNORECASE)
_DENIED = re.compile(r"40[13] (?:Unauthorized|Forbidden)")
_SIGNED_URL = re.compile(r"(https?://[^\s?]+)\?\S+")


class Found(NamedTuple):
    """An object in a listing. ``size`` is in bytes."""

    key: str
    size: int


class Bucket:
    """A place in an object store. Keys are relative to it.

    Attributes:
        lists_one_moment: Whether a listing shows what was there at one moment, as that of a folder does not.

    Args:
        url: ``s3://bucket/prefix``, ``gs://``, ``az://``, ``file:///``, ``memory:///``.
        options: What ``obstore.store.from_url`` takes.

    Raises:
        ConfigurationError: There is no such kind of store, or it does not know an option.
    """

    def __init__(self, url: str, options: dict[str, Any]) -> None:
        self.url = url.rstrip("/")
        if self.url.endswith(":"):
            self.url += "//"
        self._local = url.startswith("file:")
        self.lists_one_moment = not self._local
        if self._local:
            options = {"mkdir": True, **options}
        try:
            self._store = from_url(url, **options)
        except (driver_errors.BaseError, TypeError, ValueError, OSError) as error:
            raise ConfigurationError(f"The object store {url!r} cannot be opened: {_first_lines(error)}") from error

    def uri(self, key: str) -> str:
        return f"{self.url}/{key}"

    async def create(self, key: str, data: bytes) -> bool:
        """Puts a new object; False where there is one already, which is left as it is."""
        with self._reporting():
            try:
                await obstore.put_async(self._store, key, data, mode="create")
            except driver_errors.AlreadyExistsError:
                return False
            return True

    async def put(self, key: str, data: bytes, mime_type: str | None) -> None:
        """Puts an object, a large one in parts."""
        with self._reporting():
            if mime_type is None or self._local:  # a file has no content type
                await obstore.put_async(self._store, key, data)
            else:
                await obstore.put_async(self._store, key, data, attributes={"Content-Type": mime_type})

    async def size(self, key: str) -> int | None:
        """An object's size in bytes, None where there is none."""
        with self._reporting():
            try:
                return (await obstore.head_async(self._store, key))["size"]
            except FileNotFoundError as error:
                self._check_bucket(error)
                return None

    async def get(self, key: str) -> bytes | None:
        """A small object, None where there is none."""
        with self._reporting():
            try:
                result = await obstore.get_async(self._store, key)
                return bytes(await result.bytes_async())
            except FileNotFoundError as error:
                self._check_bucket(error)
                return None

    async def get_parts(self, key: str, size: int) -> list[Any] | None:
        """An object in pieces that ``b"".join`` takes; None where there is none.

        Args:
            size: How many bytes are expected. What is there is read, whatever its size.
        """
        if size <= _PART:
            whole = await self.get(key)
            return None if whole is None else [whole]
        there = await self.size(key)
        if there is None:
            return None
        parts: list[Any] = []
        with self._reporting():
            for start in range(0, there, _PART):
                end = min(start + _PART, there)
                parts.append(await obstore.get_range_async(self._store, key, start=start, end=end))
        return parts

    async def under(self, prefix: str) -> list[Found]:
        """All objects under a prefix, which ends where a component of a key ends; sorted by key."""
        with self._reporting():
            pages = obstore.list(self._store, prefix)  # pyright: ignore[reportUnknownMemberType]  # of another option
            found = cast("list[dict[str, Any]]", await pages.collect_async())
        return sorted(Found(one["path"], one["size"]) for one in found)

    async def delete(self, keys: list[str]) -> None:
        """Deletes objects. Those that are not there are no error."""
        if not keys:
            return
        with self._reporting():
            if not self._local:
                try:
                    return await obstore.delete_async(self._store, keys)
                except FileNotFoundError as error:
                    self._check_bucket(error)
            # Some stores stop at the first that is not there.
            for key in keys:
                try:
                    await obstore.delete_async(self._store, key)
                except FileNotFoundError as error:
                    self._check_bucket(error)

    def _check_bucket(self, error: FileNotFoundError) -> None:
        """A bucket that is not there looks like an object that is not there."""
        if _NO_BUCKET.search(str(error)):
            raise error

    @contextmanager
    def _reporting(self) -> Generator[None]:
        try:
            yield
        except (driver_errors.BaseError, OSError, NotImplementedError) as error:
            raise StorageError(self._explained(error)) from error

    def _explained(self, error: Exception) -> str:
        text = str(error)
        if _NO_BUCKET.search(text):
            return f"There is no bucket for {self.url}: create it, or correct the name"
        denied = isinstance(error, driver_errors.PermissionDeniedError | driver_errors.UnauthenticatedError)
        if denied or _DENIED.search(text):
            return (
                f"{self.url} refused access: give credentials that may list, read, write and delete there. It said: "
                f"{_first_lines(error)}"
            )
        if _UNREACHABLE.search(text):
            return (
                f"{self.url} cannot be reached: look at the endpoint and the network. Whether a write was stored is "
                f"not known. The driver said: {_first_lines(error)}"
            )
        return f"{self.url} could not do it; whether a write was stored is not known. It said: {_first_lines(error)}"


def _first_lines(error: Exception) -> str:
    """What an error says, without the driver's dump of itself and without what signs a URL."""
    return _SIGNED_URL.sub(r"\1", str(error).split("\n\n")[0])
