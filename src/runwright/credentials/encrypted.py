# SPDX-License-Identifier: Apache-2.0
"""Credentials in an SQLite file, encrypted."""

import asyncio
import base64
import os
import sqlite3
import threading
from collections.abc import Callable, Generator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple, TypeVar

import msgspec

from runwright.credential import AuthConfig, AuthCredential, BaseCredentialService, CredentialOwner
from runwright.errors import ConfigurationError, CorruptedDataError, InputValidationError, StorageError

KEY_VARIABLE = "RUNWRIGHT_CREDENTIAL_KEY"
"""The environment variable with the key, or with several and commas between."""

_KEY_BYTES = 32
_SCHEMA_VERSION = 1
_SECONDS_TO_WAIT = 30.0
"""For another process that writes."""

Answer = TypeVar("Answer")
_encode = msgspec.json.Encoder().encode
_decode = msgspec.json.Decoder(AuthCredential).decode


class _Place(NamedTuple):
    """Whose credential it is, and which. What is encrypted for one place cannot be read in another."""

    app_name: str
    user_id: str
    credential_key: str

    def encoded(self) -> bytes:
        return _encode(self)


class EncryptedCredentialService(BaseCredentialService):
    """Keeps credentials encrypted in a file that only its owner may read. Several processes may share it.

    Each is encrypted with AES-256-GCM and bound to its (app, user, credential key): a row that is changed, or moved to
    another user, is a ``CorruptedDataError``. The names in the row are not encrypted.

    To change the key, give the new one before the old, and call :meth:`rotate`; then the old one may be left out.

    Needs the extra ``credentials``.

    Args:
        path: The file. It is made when it is first needed.
        key: One from :meth:`generate_key`, or several: the first encrypts, all decrypt. Without it, what the
            environment variable ``RUNWRIGHT_CREDENTIAL_KEY`` holds, several with commas between.

    Raises:
        ConfigurationError: There is no key, or it is not one.
        MissingDependencyError: The package that encrypts is not installed.
    """

    def __init__(self, path: str | os.PathLike[str], key: str | Sequence[str] | None = None) -> None:
        from runwright.credentials.cipher import Cipher  # noqa: PLC0415  # its package is optional

        self.path = Path(path).expanduser().absolute()
        self._cipher = Cipher(_keys(key))
        self._lock = threading.Lock()
        self._connection: sqlite3.Connection | None = None
        self._closed = False

    def __repr__(self) -> str:
        return f"EncryptedCredentialService({str(self.path)!r})"

    @staticmethod
    def generate_key() -> str:
        """A new random key. Keep it apart from the file: who has both has the credentials."""
        return base64.urlsafe_b64encode(os.urandom(_KEY_BYTES)).decode()

    async def load_credential(
        self, auth_config: AuthConfig, callback_context: CredentialOwner
    ) -> AuthCredential | None:
        return await asyncio.to_thread(self._load, _place(auth_config, callback_context))

    async def save_credential(self, auth_config: AuthConfig, callback_context: CredentialOwner) -> None:
        place = _place(auth_config, callback_context)
        credential = auth_config.exchanged_auth_credential
        if credential is None:
            raise InputValidationError(
                f"There is no credential to keep as {place.credential_key!r}: set exchanged_auth_credential"
            )
        try:
            text = _encode(credential)
        except (TypeError, ValueError, OverflowError, RecursionError) as error:
            # Without the error itself, which may hold the secret.
            raise InputValidationError(
                f"The credential {place.credential_key!r} cannot be kept: JSON cannot hold it ({type(error).__name__})"
            ) from None
        await asyncio.to_thread(self._save, place, text)

    async def delete_credential(self, auth_config: AuthConfig, callback_context: CredentialOwner) -> None:
        await asyncio.to_thread(self._delete, _place(auth_config, callback_context))

    async def rotate(self) -> int:
        """Encrypts all credentials with the first key, at once or not at all.

        Returns:
            How many were encrypted with another one before.

        Raises:
            StorageError: One cannot be decrypted; nothing was changed.
        """
        return await asyncio.to_thread(self._in_file, self._rotated)

    async def close(self) -> None:
        await asyncio.to_thread(self._close)

    # In a worker thread

    def _load(self, place: _Place) -> AuthCredential | None:
        query = "SELECT sealed FROM credentials WHERE app_name = ? AND user_id = ? AND credential_key = ?"
        row = self._in_file(lambda connection: connection.execute(query, place).fetchone())
        return None if row is None else _decode(self._opened(place, row[0]))

    def _save(self, place: _Place, text: bytes) -> None:
        sealed = self._cipher.seal(text, place.encoded())
        statement = (
            "INSERT INTO credentials (app_name, user_id, credential_key, sealed) VALUES (?, ?, ?, ?) "
            "ON CONFLICT (app_name, user_id, credential_key) DO UPDATE SET sealed = excluded.sealed"
        )
        self._in_file(lambda connection: connection.execute(statement, (*place, sealed)))

    def _delete(self, place: _Place) -> None:
        statement = "DELETE FROM credentials WHERE app_name = ? AND user_id = ? AND credential_key = ?"
        self._in_file(lambda connection: connection.execute(statement, place))

    def _rotated(self, connection: sqlite3.Connection) -> int:
        changed = 0
        with _transaction(connection):
            for *names, sealed in connection.execute("SELECT * FROM credentials").fetchall():
                place = _Place(*names)
                if self._cipher.is_current(_bytes(sealed)):
                    continue
                again = self._cipher.seal(self._opened(place, sealed), place.encoded())
                connection.execute(
                    "UPDATE credentials SET sealed = ? WHERE app_name = ? AND user_id = ? AND credential_key = ?",
                    (again, *place),
                )
                changed += 1
        return changed

    def _opened(self, place: _Place, sealed: object) -> bytes:
        described = f"The credential {place.credential_key!r} of user {place.user_id!r} in app {place.app_name!r}"
        return self._cipher.open(_bytes(sealed), place.encoded(), f"{described} in {self.path}")

    def _in_file(self, work: Callable[[sqlite3.Connection], Answer]) -> Answer:
        with self._lock:
            if self._closed:
                raise StorageError(f"The credentials in {self.path} were closed: make a new service")
            try:
                if self._connection is None:
                    self._connection = _connected(self.path)
                return work(self._connection)
            except (OSError, sqlite3.OperationalError) as error:
                raise StorageError(
                    f"The credentials in {self.path} cannot be reached: {error}. Look at the disk's space, at who may "
                    "write there, and at what else has the file open"
                ) from error
            except sqlite3.DatabaseError as error:
                raise CorruptedDataError(
                    f"{self.path} is not a sound file of credentials: {error}. Put it back from a backup, or remove it"
                ) from error

    def _close(self) -> None:
        with self._lock:
            self._closed = True
            if self._connection is not None:
                self._connection.close()
                self._connection = None


def _connected(path: Path) -> sqlite3.Connection:
    path.parent.mkdir(parents=True, exist_ok=True)
    # Made here, so that at no moment others may read it. What SQLite puts beside it gets the same permissions.
    os.close(os.open(path, os.O_CREAT | os.O_RDWR, 0o600))
    connection = sqlite3.connect(path, timeout=_SECONDS_TO_WAIT, isolation_level=None, check_same_thread=False)
    try:
        connection.execute("PRAGMA secure_delete = ON")
        connection.execute("PRAGMA synchronous = FULL")
        with _transaction(connection):
            (version,) = connection.execute("PRAGMA user_version").fetchone()
            if version > _SCHEMA_VERSION:
                raise StorageError(f"{path} was written by a newer Runwright: install that one")
            if version < _SCHEMA_VERSION:
                connection.execute(
                    "CREATE TABLE credentials (app_name TEXT NOT NULL, user_id TEXT NOT NULL, "
                    "credential_key TEXT NOT NULL, sealed BLOB NOT NULL, "
                    "PRIMARY KEY (app_name, user_id, credential_key)) WITHOUT ROWID"
                )
                connection.execute(f"PRAGMA user_version = {_SCHEMA_VERSION}")
    except BaseException:
        connection.close()
        raise
    return connection


@contextmanager
def _transaction(connection: sqlite3.Connection) -> Generator[None]:
    """As one, and alone among all processes."""
    connection.execute("BEGIN IMMEDIATE")
    try:
        yield
    except BaseException:
        connection.execute("ROLLBACK")
        raise
    connection.execute("COMMIT")


def _place(auth_config: AuthConfig, owner: CredentialOwner) -> _Place:
    if not auth_config.credential_key:
        raise InputValidationError("A credential is kept by its name: set AuthConfig.credential_key")
    place = _Place(owner.app_name, owner.user_id, auth_config.credential_key)
    try:
        place.encoded()
    except UnicodeEncodeError as error:
        raise InputValidationError(f"A name of the credential's is not valid Unicode: {tuple(place)!r}") from error
    return place


def _keys(key: str | Sequence[str] | None) -> list[str]:
    if key is None:
        key = os.environ.get(KEY_VARIABLE, "").split(",")
    keys = [one for one in ([key] if isinstance(key, str) else key) if one.strip()]
    if not keys:
        raise ConfigurationError(
            f"Credentials are encrypted with a key: give one, or set {KEY_VARIABLE}. "
            "EncryptedCredentialService.generate_key() makes one"
        )
    return keys


def _bytes(sealed: object) -> bytes:
    """Whatever somebody put into the column."""
    return sealed if isinstance(sealed, bytes) else b""
