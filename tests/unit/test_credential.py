# SPDX-License-Identifier: Apache-2.0
"""AuthCredential and its parts: dicts for those who write dicts, classes with attributes for those who write ADK's."""

import copy
import json
import pickle

import pytest

from runwright import (
    AuthConfig,
    AuthCredential,
    AuthCredentialTypes,
    HttpAuth,
    HttpCredentials,
    OAuth2Auth,
    OpenIdConnectWithConfig,
    token_to_scheme_credential,
)
from runwright.errors import ConfigurationError

BEARER = AuthCredential(auth_type="http", http={"scheme": "bearer", "credentials": {"token": "t0ken"}})


def test_classes_and_dicts_make_the_same_credential() -> None:
    http = HttpAuth(scheme="bearer", credentials=HttpCredentials(token="t0ken"))
    made = AuthCredential(auth_type=AuthCredentialTypes.HTTP, http=http)
    assert made == BEARER
    assert json.loads(made.model_dump_json(by_alias=True, exclude_none=True)) == {
        "authType": "http",
        "http": {"scheme": "bearer", "credentials": {"token": "t0ken"}},
    }


@pytest.mark.parametrize("read", ["made", "of JSON", "of a dict"])
def test_fields_are_attributes(read: str) -> None:
    text = BEARER.model_dump_json(by_alias=True)
    credential = {
        "made": BEARER,
        "of JSON": AuthCredential.model_validate_json(text),
        "of a dict": AuthCredential.model_validate(json.loads(text)),
    }[read]
    assert isinstance(credential.http, HttpAuth)
    assert (credential.http.scheme, credential.http.credentials.token) == ("bearer", "t0ken")
    assert credential.http.credentials.username is None


def test_either_spelling_is_read_and_the_one_that_is_there_is_written() -> None:
    wire = {"authType": "oauth2", "oauth2": {"authUri": "https://as.example", "clientId": "me"}}
    oauth2 = AuthCredential.model_validate(wire).oauth2
    assert isinstance(oauth2, OAuth2Auth)
    assert (oauth2.auth_uri, oauth2.client_id, oauth2.access_token) == ("https://as.example", "me", None)
    oauth2.client_id = "you"
    oauth2.auth_response_uri = "https://app.example/cb?code=1"
    assert oauth2 == {
        "authUri": "https://as.example",
        "clientId": "you",
        "auth_response_uri": "https://app.example/cb?code=1",
    }


def test_an_attribute_that_does_not_exist_is_named() -> None:
    with pytest.raises(AttributeError, match="OAuth2Auth has no 'token'; it has client_id, client_secret"):
        _ = OAuth2Auth(client_id="me").token


def test_nothing_secret_is_shown() -> None:
    for shown in (BEARER, BEARER.http, OAuth2Auth(client_secret="t0ken"), [HttpCredentials(token="t0ken")]):
        assert "t0ken" not in f"{shown!r} {shown}"


def test_copies_are_of_the_same_kind() -> None:
    for twin in (copy.deepcopy(BEARER), BEARER.model_copy(deep=True), pickle.loads(pickle.dumps(BEARER))):
        assert twin == BEARER and twin.http is not BEARER.http
        assert twin.http is not None and twin.http.credentials.token == "t0ken"


def test_schemes_are_dicts() -> None:
    scheme = OpenIdConnectWithConfig(
        authorization_endpoint="https://as.example/auth", token_endpoint="https://as.example/token", scopes=["openid"]
    )
    assert scheme["type"] == "openIdConnect" and scheme.token_endpoint == "https://as.example/token"
    assert AuthConfig(auth_scheme=scheme).model_dump()["auth_scheme"] == {**scheme}


def test_a_token_is_made_a_scheme_and_its_credential() -> None:
    scheme, credential = token_to_scheme_credential("apikey", "query", "key", "s3cret")
    assert scheme == {"type": "apiKey", "in": "query", "name": "key"}
    assert credential == AuthCredential(auth_type="apiKey", api_key="s3cret")
    scheme, credential = token_to_scheme_credential("oauth2Token", "header", "Authorization", "t0ken")
    assert (scheme, credential) == ({"type": "http", "scheme": "bearer"}, BEARER)
    assert token_to_scheme_credential("apikey", "header", "X-Key")[1] is None


@pytest.mark.parametrize("given", [("apikey",), ("apikey", "body", "key"), ("apikey", "query"), ("basic",)])
def test_a_token_of_another_kind_is_refused(given: tuple[str, ...]) -> None:
    with pytest.raises(ConfigurationError, match="'apikey' with a location"):
        token_to_scheme_credential(*given)  # type: ignore[arg-type]


@pytest.mark.parametrize("name", ["http", "oauth2"])
def test_a_part_of_another_type_is_named_and_not_shown(name: str) -> None:
    with pytest.raises(ConfigurationError, match=f"AuthCredential.{name} is an .* or a dict, not str") as raised:
        AuthCredential(auth_type=name, **{name: "t0ken"})  # type: ignore[arg-type]
    assert "t0ken" not in str(raised.value)
