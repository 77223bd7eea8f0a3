# SPDX-License-Identifier: Apache-2.0
"""asyncpg as we use it: what a connection can do, what its errors mean to a user, and which URLs it is given."""

import importlib
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from typing import Any, Protocol
from urllib.parse import urlsplit

from runwright.errors import ConfigurationError, CorruptedDataError, MissingDependencyError, StorageError

_SCHEMES = ("postgresql", "postgres", "postgresql+asyncpg", "postgres+asyncpg")


class Connection(Protocol):
    """The part of an asyncpg connection that we use; the package has no types of its own."""

    async def execute(self, query: str, *args: Any) -> str: ...
    async def fetch(self, query: str, *args: Any) -> list[Any]: ...
    async def fetchrow(self, query: str, *args: Any) -> Any: ...
    async def fetchval(self, query: str, *args: Any) -> Any: ...
    def transaction(self) -> AbstractAsyncContextManager[Any]: ...
    def is_in_transaction(self) -> bool: ...
    def is_closed(self) -> bool: ...
    async def close(self) -> None: ...
    def terminate(self) -> None: ...
    async def add_listener(self, channel: str, callback: Callable[[Any, int, str, str], None]) -> None: ...
    def add_termination_listener(self, callback: Callable[[Any], None]) -> None: ...


class ConnectionLostError(StorageError):
    """The connection broke while an operation ran. It is not known whether the operation was done."""


class Driver:
    """asyncpg, imported when the first of these is made, and its errors.

    Raises:
        MissingDependencyError: asyncpg is not installed.
    """

    def __init__(self) -> None:
        try:
            self._asyncpg: Any = importlib.import_module("asyncpg")
        except ImportError as error:
            raise MissingDependencyError(
                "PostgreSQL is spoken to with asyncpg, which is not installed: pip install 'runwright[postgres]'"
            ) from error
        asyncpg = self._asyncpg
        self.failures: tuple[type[Exception], ...] = (
            asyncpg.PostgresError,
            asyncpg.InterfaceError,
            asyncpg.InternalClientError,  # as when the server's farewell came while nothing was asked
            OSError,
            TimeoutError,
        )
        """What is raised when something is wrong with the server or the way to it."""
        self._passing: tuple[type[Exception], ...] = (
            asyncpg.PostgresConnectionError,
            asyncpg.AdminShutdownError,
            asyncpg.CrashShutdownError,
            asyncpg.CannotConnectNowError,
            asyncpg.TooManyConnectionsError,
            asyncpg.InternalClientError,
            OSError,
            TimeoutError,
        )
        self._contended: tuple[type[Exception], ...] = (asyncpg.DeadlockDetectedError, asyncpg.SerializationError)

    async def connect(self, url: str, **options: Any) -> Connection:
        """A new connection."""
        return await self._asyncpg.connect(url, **options)

    def may_pass(self, error: BaseException | None) -> bool:
        """Whether a server that could not be connected to may be there a moment later."""
        return isinstance(error, self._passing)

    def asks_again(self, error: BaseException | None) -> bool:
        """Whether the server undid an operation for the sake of another one, and it is to be repeated."""
        return isinstance(error, self._contended)

    def told(self, error: Exception, place: str, connection: Connection | None = None) -> StorageError:
        """What went wrong, as an error that says what to do.

        Args:
            place: The server and the database, as people are told.
            connection: The one that the error came from; None where none could be made.
        """
        asyncpg = self._asyncpg
        if isinstance(error, asyncpg.InvalidCatalogNameError):
            return StorageError(f"{place}: there is no such database; create it (createdb), or correct the URL")
        if isinstance(error, asyncpg.InvalidAuthorizationSpecificationError):
            return StorageError(f"{place} refuses us: {error}; correct user and password in the URL")
        if isinstance(error, asyncpg.InsufficientPrivilegeError):
            return StorageError(f"{place}: {error}; let the URL's user create and write tables there")
        if isinstance(error, (asyncpg.DataCorruptedError, asyncpg.IndexCorruptedError)):
            return CorruptedDataError(f"{place}: what it holds is damaged: {error}; restore it from a backup")
        if isinstance(error, asyncpg.DiskFullError):
            return StorageError(f"{place} has no room left: {error}; nothing was written. Free some and try again")
        if connection is None:
            return StorageError(f"{place} cannot be reached: {_words(error)}; is it running, and is the URL right?")
        if connection.is_closed() or self.may_pass(error) or getattr(error, "severity_en", "") in ("FATAL", "PANIC"):
            return ConnectionLostError(
                f"The connection to {place} was lost: {_words(error)}; whether what was asked for was done is not known"
            )
        return StorageError(f"{place} could not do it: {_words(error)}")


def read_url(url: str) -> tuple[str, str]:
    """The URL as the driver takes it, and how it is told to people: without user and password.

    Raises:
        ConfigurationError: It is not that of a PostgreSQL.
    """
    scheme, separator, rest = url.partition("://")
    if not separator or scheme not in _SCHEMES:
        raise ConfigurationError("Give a PostgreSQL URL: postgresql://user:password@host:port/database")
    url = f"postgresql://{rest}"
    try:
        parts = urlsplit(url)
        hosts = parts.netloc.rpartition("@")[2]
    except ValueError:
        raise ConfigurationError("This PostgreSQL URL cannot be read: mask what is special in its password") from None
    return url, f"PostgreSQL at {hosts or 'localhost'}{parts.path}"


def _words(error: Exception) -> str:
    return f"{type(error).__name__}: {error}" if str(error) else type(error).__name__
