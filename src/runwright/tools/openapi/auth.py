# SPDX-License-Identifier: Apache-2.0
"""What a request is authenticated with: API keys, bearer and basic, OAuth2 tokens, one program's or one user's."""

import asyncio
import base64
import time
from collections.abc import Mapping
from typing import Any, cast
from urllib.parse import quote, urlencode
from weakref import WeakKeyDictionary

import msgspec

from runwright.clock import now
from runwright.context import ToolContext
from runwright.credential import AuthConfig, AuthCredential
from runwright.errors import ConfigurationError, ToolExecutionError
from runwright.tools.openapi.client import HttpClients
from runwright.tools.openapi.request import Outgoing, cookie_pair
from runwright.tools.openapi.spec import Json

_SECONDS_BEFORE_END = 30
_SECONDS_IF_UNSAID = 3600


class TokenCache:
    """The tokens that programs got for themselves, until shortly before they end. Several event loops may share it."""

    def __init__(self) -> None:
        self._tokens: dict[tuple[str, ...], tuple[str, float]] = {}
        self._locks: WeakKeyDictionary[asyncio.AbstractEventLoop, asyncio.Lock] = WeakKeyDictionary()

    async def token(self, scheme: Json, credential: AuthCredential, clients: HttpClients) -> str:
        """A token by the flow of client credentials, fetched where there is none."""
        flow = _client_flow(scheme)
        given = credential.oauth2 or {}
        client_id, secret = _field(given, "client_id"), _field(given, "client_secret")
        if not flow or not client_id or not secret:
            raise ToolExecutionError(
                "There is no token for this user, and no client_id and client_secret to get one with", "AUTH_REQUIRED"
            )
        url, scopes = flow
        key = (url, client_id, scopes)
        lock = self._locks.setdefault(asyncio.get_running_loop(), asyncio.Lock())
        async with lock:
            known = self._tokens.get(key)
            if known is None or known[1] <= time.monotonic():
                form = {"grant_type": "client_credentials", "scope": scopes, "audience": _field(given, "audience")}
                answer = await fetch_token(url, form, credential, clients)
                seconds = float(answer.get("expires_in") or _SECONDS_IF_UNSAID)
                leeway = min(_SECONDS_BEFORE_END, seconds / 2)
                known = self._tokens[key] = (str(answer["access_token"]), time.monotonic() + seconds - leeway)
            return known[0]

    def forget(self, token: str) -> bool:
        """Drops a token that a server refused; says whether it was one of these."""
        keys = [key for key, known in self._tokens.items() if known[0] == token]
        for key in keys:
            del self._tokens[key]
        return bool(keys)


class Authorization:
    """How the requests of one tool are authenticated.

    Args:
        scheme: The OpenAPI security scheme; None for none.
        credential: The program's credential.
        credential_key: The name under which the credential service keeps each user's credential, which goes before
            the program's; None for no such.
        tokens: Where tokens are kept.
    """

    def __init__(
        self,
        scheme: Json | None,
        credential: AuthCredential | None,
        *,
        credential_key: str | None = None,
        tokens: TokenCache,
    ) -> None:
        self.scheme = scheme
        self.credential = credential
        self.credential_key = credential_key
        self._tokens = tokens

    async def apply(self, request: Outgoing, context: ToolContext, clients: HttpClients) -> str | None:
        """Puts the credential into a request; gives the token where it is one that was fetched."""
        if self.scheme is None:
            return None
        credential = await self._of_user(context, clients) or self.credential
        if credential is None or not fits(self.scheme, credential):
            return None
        if self.scheme.get("type") == "apiKey":
            _put_key(self.scheme, str(credential.api_key), request)
            return None
        if credential.http is not None:
            more: Json = _field(credential.http, "additional_headers") or {}
            for name, value in more.items():
                _put_header(request, name, str(value))
            _put_header(request, "Authorization", _http_value(credential.http))
            return None
        token = _field(credential.oauth2 or {}, "access_token")
        fetched = None
        if not token:
            token = fetched = await self._tokens.token(self.scheme, credential, clients)
        _put_header(request, "Authorization", f"Bearer {token}")
        return fetched

    def forget(self, token: str | None) -> bool:
        """After a 401: whether the request may be tried again, with a new token."""
        return token is not None and self._tokens.forget(token)

    async def _of_user(self, context: ToolContext, clients: HttpClients) -> AuthCredential | None:
        if not self.credential_key or context.invocation_context.credential_service is None:
            return None
        config = AuthConfig(
            auth_scheme=self.scheme or {}, raw_auth_credential=self.credential, credential_key=self.credential_key
        )
        credential = await context.load_credential(config)
        given = {} if credential is None else credential.oauth2 or {}
        ends, refresh = _field(given, "expires_at"), _field(given, "refresh_token")
        if credential is None or not ends or not refresh or float(ends) > now() + _SECONDS_BEFORE_END:
            return credential
        url = _token_url(self.scheme or {})
        if url is None:
            return credential
        form = {"grant_type": "refresh_token", "refresh_token": refresh}
        answer = await fetch_token(url, form, credential, clients)
        fresh: Json = {"access_token": answer["access_token"], "refresh_token": answer.get("refresh_token") or refresh}
        if answer.get("expires_in"):
            fresh["expires_at"] = int(now() + float(answer["expires_in"]))
        stale = ("access_token", "accessToken", "refresh_token", "refreshToken", "expires_at", "expiresAt")
        kept = {name: value for name, value in given.items() if name not in stale}
        credential = credential.model_copy(update={"oauth2": {**kept, **fresh}})
        await context.save_credential(config.model_copy(update={"exchanged_auth_credential": credential}))
        return credential


async def fetch_token(url: str, form: Json, credential: AuthCredential, clients: HttpClients) -> Json:
    """A token endpoint's answer, which has an ``access_token``.

    Raises:
        ToolExecutionError: It gave none. The message has nothing secret in it.
    """
    given = credential.oauth2 or {}
    client_id, secret = str(_field(given, "client_id") or ""), str(_field(given, "client_secret") or "")
    request = Outgoing("POST", url, headers={"Accept": "application/json"})
    fields = {name: value for name, value in form.items() if value}
    if _field(given, "token_endpoint_auth_method") == "client_secret_post" or not secret:
        fields |= {"client_id": client_id, "client_secret": secret} if secret else {"client_id": client_id}
    else:
        request.headers["Authorization"] = _basic(quote(client_id, safe=""), quote(secret, safe=""))
    request.headers["Content-Type"] = "application/x-www-form-urlencoded"
    request.body = {"content": urlencode(fields).encode()}
    answer = await clients.send(request, follow=False)
    try:
        value: Any = msgspec.json.decode(answer.content)
    except msgspec.DecodeError:
        value = None
    found = cast("Json", value) if isinstance(value, dict) else {}
    if answer.status != 200 or not isinstance(found.get("access_token"), str):
        reason = found.get("error_description") or found.get("error") or "no access_token"
        raise ToolExecutionError(f"{url} gave no token: status {answer.status}, {reason}", "AUTH_FAILED")
    return found


def as_scheme(scheme: Any) -> Json | None:
    """A security scheme in its JSON form, of a dict, its text, or a model of it."""
    value = _as_json(scheme)
    if value is not None and not isinstance(value.get("type"), str):
        raise ConfigurationError("auth_scheme is an OpenAPI security scheme: an object with a 'type'")
    return value


def as_credential(credential: Any) -> AuthCredential | None:
    """A credential of a dict, its text, or a model of it."""
    if credential is None or isinstance(credential, AuthCredential):
        return credential
    found = AuthCredential.model_validate(_as_json(credential))
    if found.auth_type == "serviceAccount":
        raise ConfigurationError("Service accounts are not supported here: give a bearer token, or a header_provider")
    return found


def fits(scheme: Json, credential: AuthCredential) -> bool:
    """Whether a credential is of the kind that a scheme asks for."""
    if scheme.get("type") == "apiKey":
        return bool(credential.api_key)
    return credential.http is not None or (credential.oauth2 is not None and scheme.get("type") != "http")


def _as_json(value: Any) -> Json | None:
    if value is None or isinstance(value, Mapping):
        return None if value is None else dict(cast("Json", value))
    if isinstance(value, str):
        return msgspec.json.decode(value, type=dict[str, Any])
    dump = getattr(value, "model_dump", None)
    if dump is None:
        raise ConfigurationError(f"{type(value).__name__} is no auth scheme or credential: give a dict")
    return dump(mode="json", by_alias=True, exclude_none=True)


def _put_key(scheme: Json, key: str, request: Outgoing) -> None:
    name, place = str(scheme.get("name") or ""), scheme.get("in")
    if place == "header":
        _put_header(request, name, key)
    elif place == "query":
        request.query.append(f"{quote(name, safe='')}={quote(key, safe='')}")
    elif place == "cookie":
        request.cookies.append(cookie_pair(name, key))
    else:
        raise ConfigurationError(f"The API key is in {place!r}: that is header, query or cookie")


def _put_header(request: Outgoing, name: str, value: str) -> None:
    for known in [known for known in request.headers if known.lower() == name.lower()]:
        del request.headers[known]
    request.headers[name] = value


def _http_value(http: Json) -> str:
    credentials: Json = http.get("credentials") or {}
    scheme = str(http.get("scheme") or "bearer")
    if scheme.lower() == "basic" and credentials.get("username") is not None:
        return _basic(str(credentials["username"]), str(credentials.get("password") or ""))
    if not credentials.get("token"):
        raise ConfigurationError("The http credential has neither a token nor a username: set http['credentials']")
    return f"{'Bearer' if scheme.lower() == 'bearer' else scheme} {credentials['token']}"


def _basic(user: str, password: str) -> str:
    return "Basic " + base64.b64encode(f"{user}:{password}".encode()).decode()


def _client_flow(scheme: Json) -> tuple[str, str] | None:
    """The token's URL and the scopes of the flow of client credentials."""
    flows: dict[str, Json] = scheme.get("flows") or {}
    flow = flows.get("clientCredentials")
    if flow is not None:
        return str(flow["tokenUrl"]), " ".join(cast("Json", flow.get("scopes") or {}))
    url = _field(scheme, "token_endpoint")
    if url and "client_credentials" in (_field(scheme, "grant_types_supported") or ()):
        return str(url), " ".join(scheme.get("scopes") or ())
    return None


def _token_url(scheme: Json) -> str | None:
    flows: dict[str, Json] = scheme.get("flows") or {}
    urls = (flow.get("refreshUrl") or flow.get("tokenUrl") for flow in flows.values())
    return next(filter(None, urls), None) or _field(scheme, "token_endpoint")


def _field(given: Mapping[str, Any], name: str) -> Any:
    """A field in either spelling."""
    first, *rest = name.split("_")
    return given.get(name, given.get(first + "".join(map(str.capitalize, rest))))
