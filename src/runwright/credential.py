# SPDX-License-Identifier: Apache-2.0
"""AuthCredential: what opens a door; BaseCredentialService: where one user's credentials are kept."""

import enum
from abc import ABC, abstractmethod
from collections.abc import Mapping
from typing import Any, ClassVar, Literal, Protocol, Self, TypeAlias, cast

import msgspec

from runwright.errors import ConfigurationError, StorageError
from runwright.record import Record, camel_case

_NOT_SECRET = frozenset(
    (
        *("client_id", "token_endpoint_auth_method", "redirect_uri", "scope", "scopes", "audience", "prompt"),
        *("auth_uri", "state", "nonce", "code_challenge_method", "expires_at", "expires_in"),
    )
)
"""What of ``AuthCredential.oauth2`` anybody may see."""

AuthScheme: TypeAlias = dict[str, Any]
"""An OpenAPI security scheme: ``{"type": "apiKey", "in": "header", "name": "X-Key"}``."""


class AuthCredentialTypes(enum.StrEnum):
    """The kinds of :class:`AuthCredential`."""

    API_KEY = "apiKey"
    HTTP = "http"
    OAUTH2 = "oauth2"
    OPEN_ID_CONNECT = "openIdConnect"
    SERVICE_ACCOUNT = "serviceAccount"


class _Fields(dict[str, Any]):
    """A dict whose names are attributes too, in whichever spelling they stand: None where one is not set."""

    __slots__ = ()
    names: ClassVar[tuple[str, ...]] = ()

    def __getattr__(self, name: str) -> Any:
        key = self._key(name)
        if key not in self and name not in self.names:
            raise AttributeError(f"{type(self).__name__} has no {name!r}; it has {', '.join(self.names)}")
        return self.get(key)

    def __setattr__(self, name: str, value: Any) -> None:
        self[self._key(name)] = value

    def __repr__(self) -> str:
        """Without what may be secret: it may end up in a log."""
        return f"{type(self).__name__}({', '.join(f'{name}=...' for name in self)})"

    def _key(self, name: str) -> str:
        spelled = camel_case(name)
        return spelled if spelled in self else name


class HttpCredentials(_Fields):
    """What a user of HTTP authentication shows: ``HttpCredentials(token="...")``."""

    __slots__ = ()
    names = ("username", "password", "token")


class HttpAuth(_Fields):
    """The scheme of HTTP authentication (RFC 9110), as ``"bearer"`` or ``"basic"``, and its credentials."""

    __slots__ = ()
    names = ("scheme", "credentials", "additional_headers")

    def __init__(self, given: Mapping[str, Any] | None = None, /, **fields: Any) -> None:
        super().__init__(given or {}, **fields)
        if isinstance(credentials := self.get("credentials"), Mapping):
            self["credentials"] = HttpCredentials(cast("Mapping[str, Any]", credentials))


class OAuth2Auth(_Fields):
    """An OAuth 2 client, and what was got in its name: ``OAuth2Auth(client_id="...", client_secret="...")``."""

    __slots__ = ()
    names = (
        *("client_id", "client_secret", "auth_uri", "nonce", "state", "redirect_uri", "auth_response_uri", "auth_code"),
        *("access_token", "refresh_token", "id_token", "expires_at", "expires_in", "audience", "prompt"),
        *("code_verifier", "code_challenge_method", "token_endpoint_auth_method"),
    )


class OpenIdConnectWithConfig(_Fields):
    """The scheme of an OpenID Connect provider whose endpoints the program knows."""

    __slots__ = ()
    names = ("type", "authorization_endpoint", "token_endpoint", "scopes")

    def __init__(self, given: Mapping[str, Any] | None = None, /, **fields: Any) -> None:
        super().__init__({"type": "openIdConnect", **(given or {}), **fields})


class AuthCredential(Record, kw_only=True):
    """A secret and what kind it is.

    Attributes:
        auth_type: One of :class:`AuthCredentialTypes`, or its value, as ``"apiKey"``.
        api_key: The key, for ``apiKey``.
        http: Scheme and credentials, for ``http``: an :class:`HttpAuth`, which a plain dict becomes.
        oauth2: Tokens and client data, for ``oauth2`` and ``openIdConnect``: the same with :class:`OAuth2Auth`.
        service_account: The account's data, for ``serviceAccount``.

    Raises:
        ConfigurationError: ``http`` or ``oauth2`` is neither.
    """

    auth_type: str
    resource_ref: str | None = None
    api_key: str | None = None
    http: dict[str, Any] | None = None
    oauth2: dict[str, Any] | None = None
    service_account: dict[str, Any] | None = None

    def __post_init__(self) -> None:
        if self.http is not None and not isinstance(self.http, HttpAuth):
            self.http = HttpAuth(_given("http", self.http))
        if self.oauth2 is not None and not isinstance(self.oauth2, OAuth2Auth):
            self.oauth2 = OAuth2Auth(_given("oauth2", self.oauth2))

    def __repr__(self) -> str:
        """Without the secrets: it may end up in a log."""
        return f"AuthCredential(auth_type={self.auth_type!r}, ...)"

    def redacted(self) -> Self:
        """A copy without what is secret, to be sent and stored, with the names that ``oauth2`` has on the wire."""
        http: dict[str, Any] | None = None
        oauth2: dict[str, Any] | None = None
        if self.http is not None:
            http = {"scheme": self.http.get("scheme") or "bearer", "credentials": {}}
        if self.oauth2 is not None:
            public = {name: value for name, value in snake_cased(self.oauth2).items() if name in _NOT_SECRET}
            oauth2 = {camel_case(name): value for name, value in public.items()}
        return type(self)(auth_type=self.auth_type, resource_ref=self.resource_ref, http=http, oauth2=oauth2)


class AuthConfig(Record, kw_only=True):
    """What a tool asks the user for, and what came of it.

    Attributes:
        auth_scheme: The OpenAPI security scheme.
        raw_auth_credential: What the program holds, such as an OAuth client.
        exchanged_auth_credential: What the user's consent gave.
        credential_key: The name that the credential is kept under, for (app, user). Where it is empty, what asks users
            for credentials makes one of the scheme and the client. Give one where several services have the same
            scheme, as a header for keys: what has one name is one credential.
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


def as_scheme(scheme: Any) -> dict[str, Any] | None:
    """A security scheme in its JSON form, of a dict, its text, or a model of it.

    Raises:
        ConfigurationError: It is none.
    """
    value = _as_json(scheme)
    if value and not isinstance(value.get("type"), str):
        raise ConfigurationError("auth_scheme is an OpenAPI security scheme: an object with a 'type'")
    return value


def as_credential(credential: Any) -> AuthCredential | None:
    """A credential of a dict, its text, or a model of it."""
    if credential is None or isinstance(credential, AuthCredential):
        return credential
    return AuthCredential.model_validate(_as_json(credential))


def token_to_scheme_credential(
    token_type: Literal["apikey", "oauth2Token"],
    location: Literal["header", "query", "cookie"] | None = None,
    name: str | None = None,
    credential_value: str | None = None,
) -> tuple[AuthScheme, AuthCredential | None]:
    """The security scheme of an API key or a bearer token, and its credential where there is a value.

    ``token_to_scheme_credential("apikey", "query", "key", "...")``; a bearer token has neither place nor name.

    Raises:
        ConfigurationError: There is no such scheme.
    """
    if token_type == "oauth2Token":
        http = HttpAuth(scheme="bearer", credentials=HttpCredentials(token=credential_value))
        given = AuthCredential(auth_type=AuthCredentialTypes.HTTP, http=http)
        return {"type": "http", "scheme": "bearer"}, given if credential_value else None
    if token_type != "apikey" or location not in ("header", "query", "cookie") or not name:
        raise ConfigurationError(
            "token_to_scheme_credential takes 'oauth2Token', or 'apikey' with a location ('header', 'query', 'cookie') "
            f"and a name; not {token_type!r}, {location!r}, {name!r}"
        )
    given = AuthCredential(auth_type=AuthCredentialTypes.API_KEY, api_key=credential_value)
    return {"type": "apiKey", "in": location, "name": name}, given if credential_value else None


def snake_cased(given: Mapping[str, Any] | None) -> dict[str, Any]:
    """A dict with its names in snake case, whichever spelling they came in, and nothing that is None."""
    return {snake_case(name): value for name, value in (given or {}).items() if value is not None}


def snake_case(name: str) -> str:
    """``clientId`` as ``client_id``."""
    return "".join(f"_{letter.lower()}" if letter.isupper() else letter for letter in name)


def _given(name: str, value: Any) -> Mapping[str, Any]:
    if not isinstance(value, Mapping):
        kind = "HttpAuth" if name == "http" else "OAuth2Auth"
        raise ConfigurationError(f"AuthCredential.{name} is an {kind} or a dict, not {type(value).__name__}")
    return cast("Mapping[str, Any]", value)


def _as_json(value: Any) -> dict[str, Any] | None:
    if value is None or isinstance(value, Mapping):
        return None if value is None else dict(cast("Mapping[str, Any]", value))
    if isinstance(value, str):
        return msgspec.json.decode(value, type=dict[str, Any])
    dump = getattr(value, "model_dump", None)
    if dump is None:
        raise ConfigurationError(f"{type(value).__name__} is no auth scheme or credential: give a dict")
    return dump(mode="json", by_alias=True, exclude_none=True)
