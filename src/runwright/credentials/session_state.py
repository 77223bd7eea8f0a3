# SPDX-License-Identifier: Apache-2.0
"""Credentials in the session's state.

Where it lies: under the plain key ``AuthConfig.credential_key``, as JSON, in the state of the one session that it was
given in. So whoever may read that session reads it too: it is in the store, in the event that wrote it, and in what the
HTTP API shows of the session. Take another service for credentials that must not be seen there. A ``credential_key``
with the prefix ``user:`` keeps it for all sessions of the user, and with ``temp:`` for the running invocation alone,
written nowhere.

The OAuth client's secret is the program's, not the user's: it is left out, and put back from
``AuthConfig.raw_auth_credential`` when the credential is loaded.
"""

from collections.abc import Mapping
from typing import Any, cast

from runwright.credential import AuthConfig, AuthCredential, BaseCredentialService, CredentialOwner, OAuth2Auth
from runwright.errors import InputValidationError
from runwright.state import APP_PREFIX, State

_CLIENT_SECRET = ("client_secret", "clientSecret")


class SessionStateCredentialService(BaseCredentialService):
    """Keeps credentials in the state of the session they were given in, which all its readers see."""

    async def load_credential(
        self, auth_config: AuthConfig, callback_context: CredentialOwner
    ) -> AuthCredential | None:
        stored = _state(callback_context).get(_key(auth_config))
        if not isinstance(stored, Mapping | AuthCredential):
            return None
        credential = AuthCredential.model_validate(stored).model_copy()
        raw = auth_config.raw_auth_credential
        if credential.oauth2 is not None and raw is not None and raw.oauth2 is not None:
            secret = {name: raw.oauth2[name] for name in _CLIENT_SECRET if raw.oauth2.get(name) is not None}
            credential.oauth2 = OAuth2Auth({**secret, **credential.oauth2})
        return credential

    async def save_credential(self, auth_config: AuthConfig, callback_context: CredentialOwner) -> None:
        key = _key(auth_config)
        credential = auth_config.exchanged_auth_credential
        if credential is None:
            raise InputValidationError(f"There is no credential to keep as {key!r}: set exchanged_auth_credential")
        shown = credential.model_dump(mode="json", exclude_none=True)
        if credential.oauth2 is not None:
            shown["oauth2"] = {name: value for name, value in shown["oauth2"].items() if name not in _CLIENT_SECRET}
        _state(callback_context)[key] = shown

    async def delete_credential(self, auth_config: AuthConfig, callback_context: CredentialOwner) -> None:
        """Takes the credential out of the state. The event that wrote it still shows it."""
        key, state = _key(auth_config), _state(callback_context)
        if state.get(key) is not None:
            state[key] = None


def _key(auth_config: AuthConfig) -> str:
    key = auth_config.credential_key
    if not key:
        raise InputValidationError("A credential is kept by its name: set AuthConfig.credential_key")
    if key.startswith(APP_PREFIX):
        raise InputValidationError(
            f"The credential key {key!r} would show one user's credential to all users: leave out {APP_PREFIX!r}"
        )
    return key


def _state(owner: CredentialOwner) -> State:
    state: Any = getattr(owner, "state", None)
    if state is None:
        raise InputValidationError(
            "The session's state is not at hand here: give the context of a callback or a tool as callback_context"
        )
    return cast("State", state)
