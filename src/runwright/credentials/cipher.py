# SPDX-License-Identifier: Apache-2.0
"""AES-256-GCM under one of several keys. The one module here that needs ``cryptography``.

What is sealed is bound to a place: it opens nowhere else. A sealed text is a version byte, eight bytes that tell which
key it was, a nonce of twelve random bytes, and the encrypted text with its tag of sixteen.
"""

import base64
import binascii
import hashlib
import hmac
import os
from collections.abc import Sequence

from runwright.errors import ConfigurationError, CorruptedDataError, MissingDependencyError, StorageError

try:
    from cryptography.exceptions import InvalidTag
    from cryptography.hazmat.primitives.ciphers.aead import AESGCM
except ImportError as error:
    raise MissingDependencyError(
        "Encrypted credentials need the package cryptography: pip install 'runwright[credentials]'"
    ) from error

_VERSION = b"\x01"
_KEY_BYTES, _KEY_ID_BYTES, _NONCE_BYTES = 32, 8, 12
_HEADER_BYTES = len(_VERSION) + _KEY_ID_BYTES


class Cipher:
    """Seals with the first key, opens with any.

    Args:
        keys: Each 32 bytes as URL-safe base64.

    Raises:
        ConfigurationError: One is no such key. The message does not show it.
    """

    def __init__(self, keys: Sequence[str]) -> None:
        self._keys: dict[bytes, AESGCM] = {}
        for number, key in enumerate(keys, start=1):
            data = _key_bytes(key, number)
            key_id = hmac.digest(data, b"runwright credential key", hashlib.sha256)[:_KEY_ID_BYTES]
            self._keys[key_id] = AESGCM(data)
        self._first = next(iter(self._keys))

    def seal(self, text: bytes, place: bytes) -> bytes:
        header, nonce = _VERSION + self._first, os.urandom(_NONCE_BYTES)
        return header + nonce + self._keys[self._first].encrypt(nonce, text, header + place)

    def open(self, sealed: bytes, place: bytes, described: str) -> bytes:
        """The text that was sealed for ``place``.

        Raises:
            CorruptedDataError: It was changed, or sealed for another place. The message names ``described``.
            StorageError: It was sealed with a key that is not given here.
        """
        header, nonce = sealed[:_HEADER_BYTES], sealed[_HEADER_BYTES : _HEADER_BYTES + _NONCE_BYTES]
        if len(nonce) < _NONCE_BYTES or not header.startswith(_VERSION):
            raise CorruptedDataError(f"{described} is damaged: delete it, and ask the user for it again")
        key = self._keys.get(header[len(_VERSION) :])
        if key is None:
            raise StorageError(f"{described} was encrypted with a key that was not given: give that key too")
        try:
            return key.decrypt(nonce, sealed[_HEADER_BYTES + _NONCE_BYTES :], header + place)
        except InvalidTag as error:
            raise CorruptedDataError(
                f"{described} was changed, or moved there from elsewhere: delete it, and ask the user for it again"
            ) from error

    def is_current(self, sealed: bytes) -> bool:
        """Whether it was sealed with the first key."""
        return sealed.startswith(_VERSION + self._first)


def _key_bytes(key: str, number: int) -> bytes:
    try:
        data = base64.b64decode(key.strip().encode(), altchars=b"-_", validate=True)
    except (binascii.Error, UnicodeEncodeError):
        data = b""
    if len(data) != _KEY_BYTES:
        # Not the key itself, nor an error that holds it: this may end up in a log.
        raise ConfigurationError(
            f"Credential key number {number} is not {_KEY_BYTES} bytes as URL-safe base64: make one with "
            "EncryptedCredentialService.generate_key()"
        )
    return data
