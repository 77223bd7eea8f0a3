# SPDX-License-Identifier: Apache-2.0
"""AuthCredential: what opens a door; BaseCredentialService: where one user's credentials are kept."""

from abc import ABC, abstractmethod
from typing import Any, Protocol

from runwright.errors import StorageError
from runwright.record import Record


class AuthCredential(Record, kw_only=True):
    """A secret and what kind it is.

    Attributes:
        auth_type: ``"apiKey"``, ``"http"``, ``"oauth2"``, ``"openIdConnect"`` or ``"serviceAccount"``.
        api_key: The key, for ``apiKey``.
        http: Scheme and credentials, for ``http``.
        oauth2: Tokens and client data, for ``oauth2`` and ``openIdConnect``.
        service_account: The account's data, for ``serviceAccount``.
    """

    auth_type: str
    resource_ref: str | None = None
    api_key: str | None = None
    http: dict[str, Any] | None = None
    oauth2: dict[str, Any] | None = None
    service_account: dict[str, Any] | None = None

    def __repr__(self) -> str:
        """Without the secrets: it may end up in a log."""
        return f"AuthCredential(auth_type={self.auth_type!r}, ...)"


class AuthConfig(Record, kw_only=True):
    """What a tool asks the user for, and what came of it.

    Attributes:
        auth_scheme: The OpenAPI security scheme.
        raw_auth_credential: What the program holds, such as an OAuth client.
        exchanged_auth_credential: What the user's consent gave.
        credential_key: The name that the credential is kept under, for (app, user).
    """

    auth_scheme: dict[str, Any] = {}
    raw_auth_credential: AuthCredential | None = None
    exchanged_auth_credential: AuthCredential | None = None
    credential_key: str = ""


class CredentialOwner(Protocol):
    """Whose credential it is. A callback's or a tool's context is one."""

    @property
    def app_name(self) -> str: ...

    @property
    def user_id(self) -> str: ...


class BaseCredentialService(ABC):
    """Keeps credentials by (app name, user id, ``auth_config.credential_key``): one user's never reach another.

    Each implementation passes ``runwright.testing.CredentialServiceContract``.
    """

    @abstractmethod
    async def load_credential(
        self, auth_config: AuthConfig, callback_context: CredentialOwner
    ) -> AuthCredential | None:
        """The credential, or None where there is none."""

    @abstractmethod
    async def save_credential(self, auth_config: AuthConfig, callback_context: CredentialOwner) -> None:
        """Keeps ``auth_config.exchanged_auth_credential``, in place of the one before.

        Raises:
            InputValidationError: The config has no key, or no exchanged credential.
        """

    async def delete_credential(self, auth_config: AuthConfig, callback_context: CredentialOwner) -> None:
        """Deletes the credential. Nothing happens where there is none.

        Raises:
            InputValidationError: The config has no key.
            StorageError: This service does not offer it: only loading and saving must be written.
        """
        raise StorageError(f"{type(self).__name__} cannot delete credentials: give it a delete_credential")

    async def close(self) -> None:
        """Gives back what the service holds. Call it once, at the end."""
