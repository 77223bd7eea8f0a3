# SPDX-License-Identifier: Apache-2.0
"""What a user is sent who is asked for a credential, and what is taken of the answer (pure).

Nothing that is secret goes out, and of what comes back only what was asked for is taken: neither the client nor the
state nor the kind of credential is the answer's to choose. Source: ADK's wire format.
"""

import hashlib
from collections.abc import Mapping
from typing import Any

import msgspec

from runwright import clock
from runwright.credential import AuthConfig, AuthCredential, as_credential, as_scheme, snake_cased
from runwright.errors import ConfigurationError, InputValidationError
from runwright.oauth import authorization, code_of, is_oauth

_OF_ANSWER = ("access_token", "refresh_token", "id_token", "expires_at", "expires_in", "redirect_uri")
_OF_REQUEST = ("state", "code_verifier", "code_challenge_method")


def keyed(auth_config: AuthConfig) -> AuthConfig:
    """A copy with a credential key: its own, or one that is the same for the same scheme and client.

    The scheme and the credentials are in their JSON form, of whatever models they were.
    """
    scheme = as_scheme(auth_config.auth_scheme) or {}
    raw = as_credential(auth_config.raw_auth_credential)
    key = auth_config.credential_key
    if not key:
        client = None if raw is None else (raw.auth_type, snake_cased(raw.oauth2).get("client_id"))
        text = msgspec.json.encode([scheme, client], order="sorted")
        key = f"{scheme.get('type', 'auth')}_{hashlib.sha256(text).hexdigest()[:24]}"
    return AuthConfig(
        auth_scheme=scheme,
        raw_auth_credential=raw,
        exchanged_auth_credential=as_credential(auth_config.exchanged_auth_credential),
        credential_key=key,
    )


def credential_request(auth_config: AuthConfig) -> AuthConfig:
    """What the user is sent: ``auth_config`` without secrets, and for OAuth with the URL to open.

    Raises:
        ConfigurationError: It does not say enough to ask the user; the message says what is missing.
    """
    config = keyed(auth_config)
    if not config.auth_scheme:
        raise ConfigurationError("A credential is asked for by its scheme: set AuthConfig.auth_scheme")
    raw = config.raw_auth_credential
    return AuthConfig(
        auth_scheme=config.auth_scheme,
        raw_auth_credential=None if raw is None else raw.redacted(),
        exchanged_auth_credential=authorization(config) if is_oauth(config.auth_scheme) else None,
        credential_key=config.credential_key,
    )


def read_answer(request: AuthConfig, response: dict[str, Any]) -> AuthCredential | None:
    """The credential in a response, of which only what was asked for is taken; None where there is none.

    Raises:
        InputValidationError: It does not answer the request.
    """
    if isinstance(response.get("response"), str):  # as ADK's web page may send it: JSON in a text
        try:
            response = msgspec.json.decode(response["response"], type=dict[str, Any])
        except msgspec.DecodeError:
            return None
    given: Any = response.get("exchangedAuthCredential") or response.get("exchanged_auth_credential") or response
    if not isinstance(given, Mapping) or not ("authType" in given or "auth_type" in given):
        return None
    try:
        credential = AuthCredential.model_validate(given)
    except InputValidationError:  # its text may show what was given
        raise InputValidationError("The answer is not a valid AuthCredential") from None
    kind = request.auth_scheme.get("type")
    if is_oauth(request.auth_scheme):
        return _read_oauth(request, credential)
    if kind == "apiKey":
        return AuthCredential(auth_type="apiKey", api_key=credential.api_key) if credential.api_key else None
    fields: Mapping[str, Any] = (credential.http or {}).get("credentials") or {}
    if not (fields.get("token") or fields.get("username")):
        return None
    http = {"scheme": request.auth_scheme.get("scheme") or "bearer", "credentials": dict(fields)}
    return AuthCredential(auth_type="http", http=http)


def _read_oauth(request: AuthConfig, credential: AuthCredential) -> AuthCredential | None:
    """A token, or what a token is got for. The client and the state are those of the request, whatever came back."""
    given = snake_cased(credential.oauth2)
    exchanged = request.exchanged_auth_credential
    asked = snake_cased(None if exchanged is None else exchanged.oauth2)
    kept: dict[str, Any] = {name: given[name] for name in _OF_ANSWER if given.get(name)}
    seconds = kept.pop("expires_in", None)
    if isinstance(seconds, int | float):
        kept.setdefault("expires_at", int(clock.now() + seconds))
    if not kept.get("access_token"):
        if uri := given.get("auth_response_uri"):
            kept["auth_code"] = code_of(str(uri), asked.get("state"), issuer=request.auth_scheme.get("issuer"))
        elif code := given.get("auth_code"):
            kept["auth_code"] = str(code)
        else:
            return None
        kept |= {name: asked[name] for name in _OF_REQUEST if asked.get(name)}
    if asked.get("redirect_uri"):
        kept["redirect_uri"] = asked["redirect_uri"]
    auth_type = credential.auth_type if exchanged is None else exchanged.auth_type
    return AuthCredential(auth_type=auth_type, oauth2=kept)
