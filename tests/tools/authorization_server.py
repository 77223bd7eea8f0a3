# SPDX-License-Identifier: Apache-2.0
"""An OAuth 2 authorization server on loopback, with a service behind it that checks the tokens."""

import base64
import hashlib
import json
import secrets
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, unquote, urlencode, urlsplit

CLIENT_ID, CLIENT_SECRET = "the client", "c1ient-s3cret"
PUBLIC_CLIENT_ID = "public"
REDIRECT_URI = "http://127.0.0.1/callback"


class AuthorizationServer(ThreadingHTTPServer):
    """Serves until the block ends.

    Attributes:
        expires_in: How many seconds tokens say that they hold.
        rotates: Whether a refresh token holds once.
        seconds: How long the token endpoint takes.
        asked: Set once a token was asked for.
        says_no: Whether users give no consent.
        grants: The grant types that tokens were asked for with, in order.
        tokens: The access tokens that hold, with their users' scopes.
        calls: The tokens that the service was called with.
        secrets: All codes, tokens and verifiers there were.
    """

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.expires_in: int | str | None = 3600
        self.rotates = True
        self.seconds = 0.0
        self.says_no = False
        self.asked = threading.Event()
        self.grants: list[str] = []
        self.tokens: dict[str, str] = {}
        self.refresh_tokens: dict[str, str] = {}
        self.codes: dict[str, dict[str, str]] = {}
        self.calls: list[str] = []
        self.secrets: list[str] = [CLIENT_SECRET]
        self._thread = threading.Thread(target=self.serve_forever, kwargs={"poll_interval": 0.02}, name="authorization")

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}"

    def __enter__(self) -> "AuthorizationServer":
        self._thread.start()
        return self

    def __exit__(self, *args: object) -> None:
        self.shutdown()
        self.server_close()
        self._thread.join()

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Clients that break off are part of the tests."""

    def new_secret(self) -> str:
        self.secrets.append(secrets.token_urlsafe(16))
        return self.secrets[-1]

    def revoke(self) -> None:
        """All tokens, of both kinds."""
        self.tokens.clear()
        self.refresh_tokens.clear()

    def scheme(self, kind: str = "oauth2") -> dict[str, Any]:
        """The OpenAPI security scheme: with its endpoints, or where to find them."""
        if kind == "openIdConnect":
            return {"type": kind, "openIdConnectUrl": f"{self.url}/.well-known/openid-configuration"}
        flow = {"authorizationUrl": f"{self.url}/authorize", "tokenUrl": f"{self.url}/token", "scopes": {"read": ""}}
        return {"type": "oauth2", "flows": {"authorizationCode": flow}}

    def document(self, kind: str = "oauth2") -> dict[str, Any]:
        """The OpenAPI document of the service."""
        operation = {"operationId": "pets", "security": [{"them": ["read"]}], "responses": {}}
        return {
            "openapi": "3.0.3",
            "info": {"title": "Pets", "version": "1"},
            "servers": [{"url": self.url}],
            "paths": {"/pets": {"get": operation}, "/dogs": {"get": {**operation, "operationId": "dogs"}}},
            "components": {"securitySchemes": {"them": self.scheme(kind)}},
        }

    # --- what is asked

    def metadata(self) -> tuple[int, dict[str, Any]]:
        return 200, {
            "issuer": self.url,
            "authorization_endpoint": f"{self.url}/authorize",
            "token_endpoint": f"{self.url}/token",
            "token_endpoint_auth_methods_supported": ["client_secret_post"],
        }

    def authorize(self, query: dict[str, str]) -> str:
        """Where the user's browser is sent back to."""
        assert query["client_id"] in (CLIENT_ID, PUBLIC_CLIENT_ID)
        assert (query["response_type"], query["code_challenge_method"]) == ("code", "S256")
        told = {"state": query["state"]}
        if self.says_no:
            told["error"] = "access_denied"
        else:
            told["code"] = self.new_secret()
            self.codes[told["code"]] = query
        return f"{query['redirect_uri']}?{urlencode(told)}"

    def token(self, form: dict[str, str], authorization: str) -> tuple[int, dict[str, Any]]:
        self.asked.set()
        time.sleep(self.seconds)
        self.grants.append(form["grant_type"])
        client_id, secret = form.get("client_id"), form.get("client_secret")
        if authorization.startswith("Basic "):
            pair = base64.b64decode(authorization.removeprefix("Basic ")).decode()
            client_id, _, secret = (unquote(one) for one in pair.partition(":"))
        if (client_id, secret) not in ((CLIENT_ID, CLIENT_SECRET), (PUBLIC_CLIENT_ID, None)):
            return 401, {"error": "invalid_client"}
        if form["grant_type"] == "authorization_code":
            asked = self.codes.pop(form["code"], None)
            if asked is None or (asked["client_id"], asked["redirect_uri"]) != (client_id, form.get("redirect_uri")):
                return 400, {"error": "invalid_grant", "error_description": f"The code {form['code']} is not known"}
            self.secrets.append(form["code_verifier"])
            digest = hashlib.sha256(form["code_verifier"].encode()).digest()
            if base64.urlsafe_b64encode(digest).rstrip(b"=").decode() != asked["code_challenge"]:
                return 400, {"error": "invalid_grant"}
            return self._granted(asked.get("scope", ""))
        if form["grant_type"] == "refresh_token":
            scope = self.refresh_tokens.get(form["refresh_token"])
            if scope is None:
                return 400, {"error": "invalid_grant", "error_description": f"{form['refresh_token']} is used up"}
            if self.rotates:
                del self.refresh_tokens[form["refresh_token"]]
            return self._granted(scope)
        return 400, {"error": "unsupported_grant_type"}

    def _granted(self, scope: str) -> tuple[int, dict[str, Any]]:
        token, again = self.new_secret(), self.new_secret()
        self.tokens[token], self.refresh_tokens[again] = scope, scope
        ends = {} if self.expires_in is None else {"expires_in": self.expires_in}
        return 200, {"access_token": token, "refresh_token": again, "token_type": "Bearer", **ends}

    def serve_pets(self, authorization: str) -> tuple[int, dict[str, Any]]:
        token = authorization.removeprefix("Bearer ")
        self.calls.append(token)
        if token not in self.tokens:
            return 401, {"detail": "who are you?"}
        return 200, {"pets": ["cat"], "scope": self.tokens[token]}


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: AuthorizationServer

    def do_GET(self) -> None:
        url = urlsplit(self.path)
        if url.path == "/.well-known/openid-configuration":
            self._answer(*self.server.metadata())
        elif url.path == "/authorize":
            self._answer(302, {}, location=self.server.authorize(_flat(url.query)))
        elif url.path in ("/pets", "/dogs"):
            self._answer(*self.server.serve_pets(self.headers.get("authorization", "")))
        else:
            self._answer(404, {})

    def do_POST(self) -> None:
        form = _flat(self.rfile.read(int(self.headers.get("content-length") or 0)).decode())
        self._answer(*self.server.token(form, self.headers.get("authorization", "")))

    def _answer(self, status: int, value: dict[str, Any], **headers: str) -> None:
        content = json.dumps(value).encode()
        self.send_response(status)
        for name, text in {**headers, "content-type": "application/json", "content-length": str(len(content))}.items():
            self.send_header(name, text)
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, format: str, *args: Any) -> None:
        pass


def _flat(query: str) -> dict[str, str]:
    return {name: values[0] for name, values in parse_qs(query).items()}
