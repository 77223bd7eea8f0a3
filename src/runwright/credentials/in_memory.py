# SPDX-License-Identifier: Apache-2.0
"""Credentials in this process's memory: they are never written down, and gone when it ends."""

import msgspec

from runwright.credential import AuthConfig, AuthCredential, BaseCredentialService, CredentialOwner
from runwright.errors import InputValidationError

_encode = msgspec.json.Encoder().encode
_decode = msgspec.json.Decoder(AuthCredential).decode


class InMemoryCredentialService(BaseCredentialService):
    """Keeps credentials in memory. Threads and event loops may share it."""

    def __init__(self) -> None:
        # Encoded, so that changing a credential that was handed out changes nothing here. Each call below is one
        # operation on the dict, which needs no lock.
        self._credentials: dict[tuple[str, str, str], bytes] = {}

    async def load_credential(
        self, auth_config: AuthConfig, callback_context: CredentialOwner
    ) -> AuthCredential | None:
        key = (callback_context.app_name, callback_context.user_id, auth_config.credential_key)
        data = self._credentials.get(key)
        return None if data is None else _decode(data)

    async def save_credential(self, auth_config: AuthConfig, callback_context: CredentialOwner) -> None:
        if not auth_config.credential_key:
            raise InputValidationError("A credential is kept by its name: set AuthConfig.credential_key")
        if auth_config.exchanged_auth_credential is None:
            raise InputValidationError(
                f"There is no credential to keep as {auth_config.credential_key!r}: set exchanged_auth_credential"
            )
        key = (callback_context.app_name, callback_context.user_id, auth_config.credential_key)
        self._credentials[key] = _encode(auth_config.exchanged_auth_credential)

    async def delete_credential(self, auth_config: AuthConfig, callback_context: CredentialOwner) -> None:
        if not auth_config.credential_key:
            raise InputValidationError("A credential is kept by its name: set AuthConfig.credential_key")
        key = (callback_context.app_name, callback_context.user_id, auth_config.credential_key)
        self._credentials.pop(key, None)
