# SPDX-License-Identifier: Apache-2.0
"""Finds a scheme's endpoints where the authorization server publishes them.

Sources: OpenID Connect Discovery, RFC 8414.
"""

from collections.abc import Mapping
from typing import Any, cast

import msgspec

from runwright.credential import snake_cased
from runwright.errors import ConfigurationError, ToolExecutionError
from runwright.oauth import check_website, endpoints_of
from runwright.tools.http.client import HttpClients, Outgoing

_WELL_KNOWN = ("/.well-known/openid-configuration", "/.well-known/oauth-authorization-server")
_ENDPOINTS = ("authorization_endpoint", "token_endpoint")
_TAKEN = ("issuer", *_ENDPOINTS, "revocation_endpoint", "token_endpoint_auth_methods_supported")


def needs_discovery(scheme: Mapping[str, Any]) -> bool:
    """Whether a scheme says where its endpoints are published, and not what they are."""
    found = endpoints_of(scheme)
    return bool(_places(scheme)) and not (found.authorization_url and found.token_url)


async def discovered(scheme: dict[str, Any], clients: HttpClients) -> dict[str, Any]:
    """The scheme with the endpoints that its ``openIdConnectUrl`` or ``issuer_url`` leads to.

    Raises:
        ToolExecutionError: They could not be fetched, or are not to be trusted.
    """
    told = ""
    for url in _places(scheme):
        answer = await clients.send(Outgoing("GET", url, headers={"Accept": "application/json"}))
        try:
            value: Any = answer.json() if answer.status == 200 else None
        except msgspec.DecodeError:
            value = None
        found = cast("dict[str, Any]", value) if isinstance(value, dict) else {}
        if found.get("authorization_endpoint") and found.get("token_endpoint"):
            _check(found, url, scheme)
            return {**scheme, **{name: found[name] for name in _TAKEN if found.get(name)}}
        told = f"{url} names no authorization_endpoint and token_endpoint (status {answer.status})"
    raise ToolExecutionError(f"{told}: check the auth scheme's openIdConnectUrl or issuer_url", "AUTH_FAILED")


def _check(found: Mapping[str, Any], url: str, scheme: Mapping[str, Any]) -> None:
    """Refuses a server that speaks for another one, or sends users and secrets where they must not go."""
    issuer = str(snake_cased(scheme).get("issuer_url") or "").rstrip("/")
    if issuer and str(found.get("issuer") or issuer).rstrip("/") != issuer:
        raise ToolExecutionError(f"{url} is of another issuer: {str(found['issuer'])[:200]!r}", "AUTH_FAILED")
    for name in _ENDPOINTS:
        try:
            check_website(str(found[name]), name)
        except ConfigurationError as error:
            raise ToolExecutionError(f"{url}: {error}", "AUTH_FAILED") from error
        if url.startswith("https:") and not str(found[name]).startswith("https:"):
            raise ToolExecutionError(f"{url} leads from https to http: its {name}", "AUTH_FAILED")


def _places(scheme: Mapping[str, Any]) -> list[str]:
    fields = snake_cased(scheme)
    if url := fields.get("open_id_connect_url"):
        return [str(url)]
    issuer = str(fields.get("issuer_url") or "").rstrip("/")
    return [f"{issuer}{path}" for path in _WELL_KNOWN] if issuer else []
