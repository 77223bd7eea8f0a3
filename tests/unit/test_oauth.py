# SPDX-License-Identifier: Apache-2.0
"""What is known of OAuth without the network: URLs, verifiers, what comes back."""

import base64
import hashlib
from typing import Any

import pytest

from runwright import AuthConfig, AuthCredential
from runwright.errors import ConfigurationError, InputValidationError
from runwright.oauth import authorization, code_of, endpoints_of, query_of, verifier_of

SCHEME = {
    "type": "oauth2",
    "flows": {"authorizationCode": {"authorizationUrl": "https://as/auth?tenant=1", "tokenUrl": "https://as/token"}},
}


def asked(**oauth2: Any) -> dict[str, Any]:
    raw = AuthCredential(auth_type="oauth2", oauth2={"client_id": "me", **oauth2})
    return authorization(AuthConfig(auth_scheme=SCHEME, raw_auth_credential=raw)).oauth2 or {}


@pytest.mark.parametrize("client", [{"client_secret": "ours"}, {}, {"code_verifier": "given-by-the-program"}], ids=str)
def test_the_verifier_fits_the_challenge(client: dict[str, Any]) -> None:
    sent = asked(**client)
    answered = {"state": sent["state"], "code_challenge_method": "S256", "code_verifier": sent.get("codeVerifier")}
    verifier = verifier_of(client, answered)
    assert verifier is not None and (len(verifier) >= 43 or "code_verifier" in client)
    challenge = base64.urlsafe_b64encode(hashlib.sha256(verifier.encode()).digest()).rstrip(b"=").decode()
    assert query_of(sent["authUri"])["code_challenge"] == challenge
    assert ("codeVerifier" in sent) == (client == {})


def test_each_request_has_its_own_state_and_challenge() -> None:
    queries = [query_of(asked(client_secret="ours")["authUri"]) for _ in range(2)]
    assert len({query["state"] for query in queries}) == len({query["code_challenge"] for query in queries}) == 2
    assert all(query["tenant"] == "1" for query in queries)


def test_a_url_of_the_programs_own_is_sent_as_it_is_and_without_a_verifier() -> None:
    sent = asked(client_secret="ours", auth_uri="https://as/auth?state=mine")
    assert sent == {"clientId": "me", "authUri": "https://as/auth?state=mine", "state": "mine"}
    assert verifier_of({"client_secret": "ours"}, {"state": "mine"}) is None


@pytest.mark.parametrize(
    "url", ["javascript:alert(1)//", "file:///etc/passwd", "https:///auth", "//as/auth", "http://["]
)
def test_users_are_sent_to_websites_only(url: str) -> None:
    scheme = {"type": "oauth2", "flows": {"authorizationCode": {"authorizationUrl": url, "tokenUrl": "https://as/t"}}}
    raw = AuthCredential(auth_type="oauth2", oauth2={"client_id": "me", "client_secret": "ours"})
    with pytest.raises(ConfigurationError, match="http"):
        authorization(AuthConfig(auth_scheme=scheme, raw_auth_credential=raw))


def test_an_answer_that_names_another_issuer_is_refused() -> None:
    url = "https://app/cb?code=1&state=a&iss=https%3A%2F%2Fother"
    with pytest.raises(InputValidationError, match="another authorization server"):
        code_of(url, "a", issuer="https://as")
    assert code_of(url, "a", issuer="https://other") == code_of(url, "a") == "1"
    assert code_of("https://app/cb?code=1&state=a", "a", issuer="https://as") == "1"  # not each server names itself


def test_a_plain_challenge_is_refused() -> None:
    with pytest.raises(ConfigurationError, match="S256"):
        asked(code_challenge_method="plain")


def test_a_code_is_taken_of_the_answer_to_the_request_only() -> None:
    assert code_of(" https://app/cb?code=1&state=a ", "a") == "1"
    for url in ("https://app/cb?code=1&state=b", "https://app/cb?code=1", "https://[", "", "1"):
        with pytest.raises(InputValidationError, match="state"):
            code_of(url, "a")
    with pytest.raises(InputValidationError, match="no code"):
        code_of("https://app/cb?state=a", "a")


def test_endpoints_of_each_kind_of_scheme() -> None:
    assert endpoints_of(SCHEME).refresh_url == "https://as/token"
    connect = {"type": "openIdConnect", "authorizationEndpoint": "https://as/a", "token_endpoint": "https://as/t"}
    assert endpoints_of(connect) == ("https://as/a", "https://as/t", "https://as/t", ("openid",))
    assert endpoints_of({"type": "apiKey"}) == (None, None, None, ())
