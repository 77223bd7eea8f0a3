# SPDX-License-Identifier: Apache-2.0
"""What token endpoints are asked: tokens for codes, for refresh tokens, and for clients.

Sources: RFC 6749, RFC 7636.
"""

import asyncio
import base64
import time
from collections.abc import Mapping
from typing import Any, cast
from urllib.parse import quote, urlencode
from weakref import WeakKeyDictionary

import msgspec

from runwright.clock import now
from runwright.credential import AuthCredential, snake_cased
from runwright.errors import ToolExecutionError
from runwright.oauth import Endpoints, verifier_of
from runwright.tools.http.client import HttpClients, Outgoing

Json = dict[str, Any]

GRANT_REFUSED = "AUTH_REFUSED"
"""The kind of failure of a code or refresh token that is not valid, or not any more: the user has to be asked."""

SECONDS_BEFORE_END = 30
"""How long before its end a token is not used any more."""

_LONGEST_REASON = 1000
_SECONDS_IF_UNSAID = 3600
_OVER = frozenset(("invalid_grant", "expired_token", "bad_verification_code", "bad_refresh_token"))
_RENEWED = ("access_token", "refresh_token", "id_token", "expires_at")


async def exchange_code(
    endpoints: Endpoints, client: AuthCredential | None, answered: AuthCredential, clients: HttpClients
) -> AuthCredential:
    """The credential with the token that a user's code gives.

    Args:
        endpoints: Where to.
        client: The program's own credential.
        answered: What the user's answer was kept as.
        clients: What sends the request.

    Raises:
        ToolExecutionError: There is none; of type :data:`GRANT_REFUSED` where the code is not valid.
    """
    program, given = snake_cased(None if client is None else client.oauth2), snake_cased(answered.oauth2)
    form = {
        "grant_type": "authorization_code",
        "code": given.get("auth_code"),
        "redirect_uri": given.get("redirect_uri"),
        "code_verifier": verifier_of(program, given),
    }
    answer = await fetch_token(_needed(endpoints.token_url), form, program, clients)
    return AuthCredential(auth_type=answered.auth_type, oauth2=_fresh(answer))


async def refresh(
    endpoints: Endpoints, client: AuthCredential | None, stale: AuthCredential, clients: HttpClients
) -> AuthCredential:
    """A credential with a new token, by its refresh token.

    Raises:
        ToolExecutionError: There is none; of type :data:`GRANT_REFUSED` where the refresh token is not valid any more.
    """
    given = snake_cased(stale.oauth2)
    program = snake_cased(None if client is None else client.oauth2)
    form = {"grant_type": "refresh_token", "refresh_token": given["refresh_token"]}
    # A credential that the program kept by itself may have a client of its own.
    answer = await fetch_token(_needed(endpoints.refresh_url), form, {**given, **program}, clients)
    kept = {name: value for name, value in given.items() if name not in _RENEWED or name == "refresh_token"}
    return stale.model_copy(update={"oauth2": {**kept, **_fresh(answer)}})


async def fetch_token(url: str, form: Json, client: Mapping[str, Any], clients: HttpClients) -> Json:
    """A token endpoint's answer, which has an ``access_token``.

    Args:
        client: The OAuth client, its names in snake case; one without a secret names itself only.

    Raises:
        ToolExecutionError: It gave none. The message has nothing secret in it.
    """
    client_id, secret = str(client.get("client_id") or ""), str(client.get("client_secret") or "")
    request = Outgoing("POST", url, headers={"Accept": "application/json"})
    fields: dict[str, Any] = {name: value for name, value in form.items() if value}
    if client.get("token_endpoint_auth_method") == "client_secret_post" or not secret:
        fields |= {"client_id": client_id, "client_secret": secret} if secret else {"client_id": client_id}
    else:
        request.headers["Authorization"] = basic(quote(client_id, safe=""), quote(secret, safe=""))
    request.headers["Content-Type"] = "application/x-www-form-urlencoded"
    request.body = {"content": urlencode(fields).encode()}
    answer = await clients.send(request, follow=False)
    try:
        value: Any = answer.json()
    except msgspec.DecodeError:
        value = None
    found = cast("Json", value) if isinstance(value, dict) else {}
    if answer.status == 200 and isinstance(found.get("access_token"), str):
        return found
    reason = str(found.get("error_description") or found.get("error") or "no access_token")
    for shown in (secret, *(str(form.get(name) or "") for name in ("code", "code_verifier", "refresh_token"))):
        reason = reason.replace(shown, "...") if shown else reason
    reason = reason[:_LONGEST_REASON]
    kind = GRANT_REFUSED if found.get("error") in _OVER else "AUTH_FAILED"
    raise ToolExecutionError(f"{url} gave no token: status {answer.status}, {reason}", kind)


def ends_soon(credential: AuthCredential) -> bool:
    """Whether a token has ended, or is about to."""
    ends = snake_cased(credential.oauth2).get("expires_at")
    return isinstance(ends, int | float) and ends <= now() + SECONDS_BEFORE_END


def basic(user: str, password: str) -> str:
    """The value of a header of HTTP basic authentication."""
    return "Basic " + base64.b64encode(f"{user}:{password}".encode()).decode()


class TokenCache:
    """The tokens that programs got for themselves, until shortly before they end. Several event loops may share it."""

    def __init__(self) -> None:
        self._tokens: dict[tuple[str, ...], tuple[str, float]] = {}
        self._locks: WeakKeyDictionary[asyncio.AbstractEventLoop, asyncio.Lock] = WeakKeyDictionary()

    async def token(self, scheme: Json, credential: AuthCredential, clients: HttpClients) -> str:
        """A token by the flow of client credentials, fetched where there is none."""
        flow = client_flow(scheme)
        given = snake_cased(credential.oauth2)
        client_id = given.get("client_id")
        if not flow or not client_id or not given.get("client_secret"):
            raise ToolExecutionError(
                "There is no token for this user, and no client_id and client_secret to get one with", "AUTH_REQUIRED"
            )
        url, scopes = flow
        key = (url, str(client_id), scopes)
        lock = self._locks.setdefault(asyncio.get_running_loop(), asyncio.Lock())
        async with lock:
            known = self._tokens.get(key)
            if known is None or known[1] <= time.monotonic():
                form = {"grant_type": "client_credentials", "scope": scopes, "audience": given.get("audience")}
                answer = await fetch_token(url, form, given, clients)
                seconds = _seconds(answer) or _SECONDS_IF_UNSAID
                leeway = min(SECONDS_BEFORE_END, seconds / 2)
                known = self._tokens[key] = (str(answer["access_token"]), time.monotonic() + seconds - leeway)
            return known[0]

    def forget(self, token: str) -> bool:
        """Drops a token that a server refused; says whether it was one of these."""
        keys = [key for key, known in self._tokens.items() if known[0] == token]
        for key in keys:
            del self._tokens[key]
        return bool(keys)


def client_flow(scheme: Mapping[str, Any]) -> tuple[str, str] | None:
    """The token's URL and the scopes of the flow of client credentials; None where the scheme has none."""
    flows: dict[str, Json] = scheme.get("flows") or {}
    flow = flows.get("clientCredentials")
    if flow is not None:
        return str(flow["tokenUrl"]), " ".join(cast("Json", flow.get("scopes") or {}))
    fields = snake_cased(scheme)
    url = fields.get("token_endpoint")
    if url and "client_credentials" in (fields.get("grant_types_supported") or ()):
        return str(url), " ".join(scheme.get("scopes") or ())
    return None


def _fresh(answer: Json) -> Json:
    fresh = {name: answer[name] for name in ("access_token", "refresh_token", "id_token") if answer.get(name)}
    seconds = _seconds(answer)
    return fresh if seconds is None else {**fresh, "expires_at": int(now() + seconds)}


def _seconds(answer: Json) -> float | None:
    """How long a token holds; there are servers that say it as a text."""
    try:
        return float(answer.get("expires_in") or 0) or None
    except (TypeError, ValueError):
        return None


def _needed(url: str | None) -> str:
    if url is None:
        raise ToolExecutionError(
            "The auth scheme names no place to get tokens from: give flows.authorizationCode.tokenUrl, token_endpoint, "
            "or an openIdConnectUrl to find it with",
            "AUTH_FAILED",
        )
    return url
