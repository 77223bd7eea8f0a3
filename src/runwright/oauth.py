# SPDX-License-Identifier: Apache-2.0
"""What is known of OAuth 2 without the network (pure): a scheme's endpoints, the URL for the user, what comes back.

Each authorization has a state of its own and a PKCE challenge (S256). The verifier of a client with a secret is made of
that secret and the state, so it is kept nowhere; that of a client without one is random, and stands in the request for
the user's credential, as the state does: it opens nothing without the code. Sources: RFC 6749, RFC 7636, RFC 9207,
ADK's wire format.
"""

import base64
import hashlib
import hmac
import secrets
from collections.abc import Mapping
from typing import Any, NamedTuple
from urllib.parse import parse_qs, urlencode, urlsplit

from runwright.credential import AuthConfig, AuthCredential, snake_cased
from runwright.errors import ConfigurationError, InputValidationError

_CHALLENGE_METHOD = "S256"


class Endpoints(NamedTuple):
    """Where a scheme sends users and asks for tokens; None where it does not say.

    Attributes:
        scopes: What is asked for.
    """

    authorization_url: str | None
    token_url: str | None
    refresh_url: str | None
    scopes: tuple[str, ...]


def endpoints_of(scheme: Mapping[str, Any]) -> Endpoints:
    """The endpoints for users: of the flow of authorization codes, or of OpenID Connect."""
    flows: Mapping[str, Mapping[str, Any]] = scheme.get("flows") or {}
    flow = flows.get("authorizationCode") or {}
    fields = snake_cased(scheme)
    token_url = flow.get("tokenUrl") or fields.get("token_endpoint")
    if token_url is None:  # a refresh token of any other flow is as good
        token_url = next((other["tokenUrl"] for other in flows.values() if other.get("tokenUrl")), None)
    scopes = flow.get("scopes") or scheme.get("scopes") or ()
    return Endpoints(
        authorization_url=flow.get("authorizationUrl") or fields.get("authorization_endpoint"),
        token_url=token_url,
        refresh_url=flow.get("refreshUrl") or token_url,
        scopes=tuple(scopes) or (("openid",) if scheme.get("type") == "openIdConnect" else ()),
    )


def is_oauth(scheme: Mapping[str, Any]) -> bool:
    """Whether a scheme is OAuth 2 or OpenID Connect."""
    return scheme.get("type") in ("oauth2", "openIdConnect")


def authorization(config: AuthConfig) -> AuthCredential:
    """The credential that the user is sent: the URL to open, and the state that must come back.

    Raises:
        ConfigurationError: There is no client, or no place to send the user to.
    """
    raw, given = config.raw_auth_credential, config.exchanged_auth_credential
    made = given if given is not None and snake_cased(given.oauth2).get("auth_uri") else raw
    client = snake_cased(None if made is None else made.oauth2)
    if made is None or not client.get("client_id"):
        raise ConfigurationError(
            f"Users are asked for a credential of type {config.auth_scheme.get('type')} in the name of an OAuth "
            "client: set raw_auth_credential.oauth2['client_id']"
        )
    shown: dict[str, Any] = dict(made.redacted().oauth2 or {})
    if client.get("auth_uri"):  # the program has made the URL itself
        state = client.get("state") or query_of(str(client["auth_uri"])).get("state")
        return AuthCredential(auth_type=made.auth_type, oauth2={**shown, **({"state": state} if state else {})})
    if client.get("code_challenge_method") not in (None, _CHALLENGE_METHOD):
        raise ConfigurationError(f"The code_challenge_method is {_CHALLENGE_METHOD}: leave it out, or set that")
    state = secrets.token_urlsafe(24)
    verifier = client.get("code_verifier") or _derived_verifier(client, state)
    if verifier is None:
        verifier = shown["codeVerifier"] = secrets.token_urlsafe(48)
    shown |= {"authUri": _authorization_url(config, client, state, verifier), "state": state}
    shown["codeChallengeMethod"] = _CHALLENGE_METHOD
    return AuthCredential(auth_type=made.auth_type, oauth2=shown)


def _authorization_url(config: AuthConfig, client: Mapping[str, Any], state: str, verifier: str) -> str:
    endpoints = endpoints_of(config.auth_scheme)
    if not endpoints.authorization_url:
        raise ConfigurationError(
            "The auth scheme names no place to send the user to: give flows.authorizationCode.authorizationUrl, or for "
            "OpenID Connect authorization_endpoint and token_endpoint"
        )
    check_website(endpoints.authorization_url, "authorization_endpoint")
    challenge = base64.urlsafe_b64encode(hashlib.sha256(verifier.encode()).digest()).rstrip(b"=").decode()
    query = {
        "response_type": "code",
        "client_id": client["client_id"],
        "redirect_uri": client.get("redirect_uri"),
        "scope": " ".join(endpoints.scopes),
        "state": state,
        "code_challenge": challenge,
        "code_challenge_method": _CHALLENGE_METHOD,
        # Without these two, some providers give no refresh token; others do not look at them.
        "access_type": "offline",
        "prompt": client.get("prompt") or "consent",
        "audience": client.get("audience"),
        "nonce": client.get("nonce"),
    }
    url = endpoints.authorization_url
    return f"{url}{'&' if '?' in url else '?'}{urlencode({name: value for name, value in query.items() if value})}"


def check_website(url: str, name: str) -> None:
    """Sees to it that a URL is of a website: users open it, and secrets are sent to it.

    Raises:
        ConfigurationError: It is not.
    """
    try:
        parts = urlsplit(url)
        is_website = parts.scheme in ("https", "http") and bool(parts.hostname)
    except ValueError:
        is_website = False
    if not is_website:
        raise ConfigurationError(f"The auth scheme's {name} is no http or https URL: {url[:200]!r}")


def verifier_of(client: Mapping[str, Any], answered: Mapping[str, Any]) -> str | None:
    """The PKCE verifier of an authorization; None where the program made the URL itself, and has none.

    Args:
        client: The program's own credential, its names in snake case.
        answered: What the user's answer was kept as, the same.
    """
    if known := client.get("code_verifier") or answered.get("code_verifier"):
        return known
    if not answered.get("code_challenge_method"):
        return None
    return _derived_verifier(client, str(answered.get("state") or ""))


def _derived_verifier(client: Mapping[str, Any], state: str) -> str | None:
    secret = client.get("client_secret")
    if not secret:
        return None
    digest = hmac.digest(str(secret).encode(), b"runwright pkce verifier\0" + state.encode(), hashlib.sha256)
    return base64.urlsafe_b64encode(digest).rstrip(b"=").decode()


def code_of(redirected_to: str, state: str | None, *, issuer: str | None = None) -> str:
    """The code in the URL that the user was sent back to.

    Args:
        redirected_to: The URL.
        state: That of the request; None where it has none.
        issuer: What the authorization server calls itself, where that is known. Source: RFC 9207.

    Raises:
        InputValidationError: There is none, or it belongs to another request. The message has no secret in it.
    """
    given = query_of(redirected_to)
    if state is not None and not hmac.compare_digest(given.get("state", "").encode(), state.encode()):
        raise InputValidationError("The answer's state is not that of the request: open the newest URL and answer that")
    if issuer is not None and "{" not in issuer and given.get("iss", issuer) != issuer:  # some are only patterns
        raise InputValidationError("The answer is of another authorization server than the one that was asked")
    if error := given.get("error_description") or given.get("error"):
        raise InputValidationError(f"The authorization server said: {error}")
    if not given.get("code"):
        raise InputValidationError("There is no code in the URL: give the whole URL that the browser was sent back to")
    return given["code"]


def query_of(url: str) -> dict[str, str]:
    """The query of a URL, each name once."""
    try:
        query = urlsplit(url.strip()).query
    except ValueError:
        return {}
    return {name: values[0] for name, values in parse_qs(query).items()}
