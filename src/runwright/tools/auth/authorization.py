# SPDX-License-Identifier: Apache-2.0
"""What a request is authenticated with: API keys, bearer and basic, OAuth2 tokens, one program's or one user's."""

from collections.abc import Callable
from typing import Any, NamedTuple
from urllib.parse import quote

from runwright.context import ToolContext
from runwright.credential import AuthConfig, AuthCredential, as_credential, snake_cased
from runwright.errors import ConfigurationError
from runwright.oauth import is_oauth
from runwright.tools.auth.tokens import Json, TokenCache, basic
from runwright.tools.auth.user_credential import UserCredential
from runwright.tools.http.client import HttpClients, Outgoing, cookie_pair


class Used(NamedTuple):
    """What was put into a request.

    Attributes:
        credential: The user's credential, where it is that.
        token: The program's token, where it is one that was fetched.
    """

    credential: AuthCredential | None = None
    token: str | None = None


class Authorization:
    """How the requests of one tool are authenticated.

    Args:
        scheme: The OpenAPI security scheme; None for none.
        credential: The program's credential.
        credential_key: The name under which the credential service keeps each user's credential, which goes before
            the program's; None for one of the scheme and the client, where it is users that have the credential.
        tokens: Where the program's tokens are kept.
        clients: What sends requests to authorization servers, or makes what does.
    """

    def __init__(
        self,
        scheme: Json | None,
        credential: AuthCredential | None,
        *,
        credential_key: str | None = None,
        tokens: TokenCache,
        clients: HttpClients | Callable[[], HttpClients],
    ) -> None:
        self._tokens = tokens
        self._clients = clients
        self.configure(scheme, credential, credential_key)

    def configure(self, scheme: Json | None, credential: AuthCredential | None, credential_key: str | None) -> None:
        """Sets all three."""
        self.scheme = scheme
        self.credential = credential
        self.credential_key = credential_key
        self._user: UserCredential | None = None
        if scheme is None:
            return
        config = AuthConfig(auth_scheme=scheme, raw_auth_credential=credential, credential_key=credential_key or "")
        user = UserCredential(config, clients=self._clients)
        if credential_key or (is_oauth(scheme) and user.asks_user):
            self._user = user

    @property
    def asks_user(self) -> bool:
        """Whether users are asked for the credential."""
        return self._user is not None and self._user.asks_user

    async def apply(self, request: Outgoing, context: ToolContext, clients: HttpClients) -> Used | None:
        """Puts the credential into a request, if there is one; None where the user has to be asked for it."""
        if self.scheme is None:
            return Used()
        mine = None
        if self._user is not None and context.invocation_context.credential_service is not None:
            mine = await self._user.ready(context)
            if mine is None and self._user.asks_user:
                return None
        credential = mine or self.credential
        if credential is None or not fits(self.scheme, credential):
            return Used()
        if self.scheme.get("type") == "apiKey":
            _put_key(self.scheme, str(credential.api_key), request)
            return Used(mine)
        if credential.http is not None:
            more: Json = snake_cased(credential.http).get("additional_headers") or {}
            for name, value in more.items():
                _put_header(request, name, str(value))
            _put_header(request, "Authorization", _http_value(credential.http))
            return Used(mine)
        token = snake_cased(credential.oauth2).get("access_token")
        fetched = None
        if not token:
            token = fetched = await self._tokens.token(self.scheme, credential, clients)
        _put_header(request, "Authorization", f"Bearer {token}")
        return Used(mine, fetched)

    async def renew(self, used: Used, context: ToolContext) -> bool:
        """After a 401: whether the request may be made again, with another token."""
        if used.token is not None:
            return self._tokens.forget(used.token)
        if used.credential is None or self._user is None:
            return False
        return await self._user.renewed(context, used.credential) is not None

    async def ask(self, context: ToolContext) -> Json | None:
        """Has the user asked for the credential, and gives what the tool returns meanwhile.

        None where it is not the user's, or was just given for this very call.
        """
        if self._user is None or not self._user.asks_user or self._user.was_asked(context):
            return None
        return await self._user.ask(context)


def program_credential(credential: Any) -> AuthCredential | None:
    """A program's credential of a dict, its text, or a model of it.

    Raises:
        ConfigurationError: It is of a kind that is not known here.
    """
    found = as_credential(credential)
    if found is not None and found.auth_type == "serviceAccount":
        raise ConfigurationError("Service accounts are not supported here: give a bearer token, or a header_provider")
    return found


def fits(scheme: Json, credential: AuthCredential) -> bool:
    """Whether a credential is of the kind that a scheme asks for."""
    if scheme.get("type") == "apiKey":
        return bool(credential.api_key)
    return credential.http is not None or (credential.oauth2 is not None and scheme.get("type") != "http")


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
        return basic(str(credentials["username"]), str(credentials.get("password") or ""))
    if not credentials.get("token"):
        raise ConfigurationError("The http credential has neither a token nor a username: set http['credentials']")
    return f"{'Bearer' if scheme.lower() == 'bearer' else scheme} {credentials['token']}"
