# SPDX-License-Identifier: Apache-2.0
"""A small HTTP API on loopback, which describes itself with an OpenAPI document made of its routes."""

import base64
import datetime
import json
import ssl
import threading
import time
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

PIXEL = base64.b64decode(
    "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=="
)
KEY = "s3cret-key"
CLIENT = ("client", "p%ss:word")

Answer = tuple[int, dict[str, str], bytes]
Route = Callable[["ApiServer", "_Request"], Answer]
ROUTES: dict[tuple[str, str], Route] = {}
PATHS: dict[str, Any] = {}


class _Request:
    def __init__(self, handler: BaseHTTPRequestHandler) -> None:
        parts = urlsplit(handler.path)
        length = int(handler.headers.get("content-length") or 0)
        self.method, self.target, self.path = handler.command, handler.path, parts.path
        self.query = parts.query
        self.headers = {name.lower(): value for name, value in handler.headers.items()}
        self.body = handler.rfile.read(length)

    def told(self) -> dict[str, Any]:
        body = self.body.decode("latin-1")
        return {"method": self.method, "target": self.target, "headers": self.headers, "body": body}


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: "ApiServer"

    def _do(self) -> None:
        request = _Request(self)
        self.server.requests.append(request)
        status, headers, content = self.server.answer(request)
        self.send_response(status)
        for name, value in {**headers, "content-length": str(len(content))}.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(content)

    do_GET = do_POST = do_PUT = do_DELETE = do_PATCH = _do

    def log_message(self, format: str, *args: Any) -> None:
        pass


class ApiServer(ThreadingHTTPServer):
    """Serves until the block ends.

    Attributes:
        requests: What came, in order.
        tokens: The OAuth2 tokens that were given out and hold.
        names: Those that clients asked for when they connected with TLS.
    """

    daemon_threads = True

    def __init__(self, tls: ssl.SSLContext | None = None) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.names: list[str | None] = []
        if tls is not None:
            tls.sni_callback = lambda connection, name, context: self.names.append(name)
            self.socket = tls.wrap_socket(self.socket, server_side=True)
        self.requests: list[_Request] = []
        self.tokens: list[str] = []
        self.given = 0
        self.expires_in: int | None = 3600
        self.elsewhere = ""
        self._thread = threading.Thread(target=self.serve_forever, kwargs={"poll_interval": 0.02}, name="api server")

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}"

    def __enter__(self) -> "ApiServer":
        self._thread.start()
        return self

    def __exit__(self, *args: object) -> None:
        self.shutdown()
        self.server_close()
        self._thread.join()

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Clients that break off are part of the tests."""

    def answer(self, request: _Request) -> Answer:
        for (method, start), route in ROUTES.items():
            if method == request.method and request.path.startswith(start):
                return route(self, request)
        return as_json({"detail": f"no {request.path}"}, 404)

    def document(self) -> dict[str, Any]:
        """The OpenAPI document of its routes."""
        flows = {"clientCredentials": {"tokenUrl": f"{self.url}/token", "scopes": {"read": "", "write": ""}}}
        return {
            "openapi": "3.0.3",
            "info": {"title": "Pets", "version": "1"},
            "servers": [{"url": "http://127.0.0.1:{port}/", "variables": {"port": {"default": str(self.server_port)}}}],
            "paths": json.loads(json.dumps(PATHS)),
            "components": {
                "schemas": SCHEMAS,
                "parameters": {"Verbose": {"name": "isVerbose", "in": "query", "schema": {"type": "boolean"}}},
                "securitySchemes": {
                    "inHeader": {"type": "apiKey", "in": "header", "name": "X-Api-Key"},
                    "inQuery": {"type": "apiKey", "in": "query", "name": "api key"},
                    "inCookie": {"type": "apiKey", "in": "cookie", "name": "key"},
                    "bearer": {"type": "http", "scheme": "bearer"},
                    "basic": {"type": "http", "scheme": "basic"},
                    "oauth": {"type": "oauth2", "flows": flows},
                },
            },
        }


SCHEMAS: dict[str, Any] = {
    "Pet": {
        "type": "object",
        "required": ["id", "name"],
        "properties": {
            "id": {"type": "integer", "readOnly": True},
            "name": {"type": "string", "minLength": 1},
            "nickName": {"type": "string", "nullable": True},
            "kind": {"$ref": "#/components/schemas/Kind"},
            "home": {"$ref": "#/components/schemas/Address"},
            "parents": {"type": "array", "items": {"$ref": "#/components/schemas/Pet"}},
            "weight": {"type": "number", "minimum": 0, "exclusiveMinimum": True, "x-unit": "kg"},
        },
    },
    "Kind": {"type": "string", "enum": ["cat", "dog"]},
    "Address": {"type": "object", "properties": {"street": {"type": "string"}}},
}


def as_json(value: Any, status: int = 200, **headers: str) -> Answer:
    return status, {"content-type": "application/json", **headers}, json.dumps(value).encode()


def route(method: str, path: str, operation_id: str, **operation: Any) -> Callable[[Route], Route]:
    """Puts a function at a path, and into the document."""

    def put(function: Route) -> Route:
        ROUTES[method, path.partition("{")[0]] = function
        described = {"operationId": operation_id, "responses": {"200": {"description": "ok"}}, **operation}
        PATHS.setdefault(path, {})[method.lower()] = described
        return function

    return put


def echoes(method: str, path: str, operation_id: str, **operation: Any) -> None:
    """A route that answers with the request."""
    route(method, path, operation_id, **operation)(lambda server, request: as_json(request.told()))


def parameter(name: str, place: str, schema: Any = None, **more: Any) -> dict[str, Any]:
    return {"name": name, "in": place, "schema": {"type": "string"} if schema is None else schema, **more}


LIST = {"type": "array", "items": {"type": "string"}}
OBJECT = {"type": "object"}
FILE = {"type": "string", "format": "binary"}


def body(media_type: str, schema: Any, **media: Any) -> dict[str, Any]:
    return {"required": True, "content": {media_type: {"schema": schema, **media}}}


echoes(
    "GET",
    "/pets/{petId}",
    "getPet",
    description="One pet.",
    parameters=[
        parameter("petId", "path", description="Its number."),
        {"$ref": "#/components/parameters/Verbose"},
        parameter("X-Tag", "header", LIST),
        parameter("visit", "cookie"),
        parameter("class", "query", {"type": "integer"}),
        parameter("page", "query", {"type": "integer", "default": 1}, required=True),
        parameter("Authorization", "header"),
    ],
)
echoes(
    "GET",
    "/search",
    "search",
    parameters=[
        parameter("many", "query", LIST),
        parameter("comma", "query", LIST, explode=False),
        parameter("space", "query", LIST, style="spaceDelimited", explode=False),
        parameter("pipe", "query", LIST, style="pipeDelimited", explode=False),
        parameter("deep", "query", OBJECT, style="deepObject", explode=True),
        parameter("spread", "query", OBJECT),
        parameter("raw", "query", allowReserved=True),
        {"name": "filter", "in": "query", "content": {"application/json": {"schema": OBJECT}}},
    ],
)
echoes(
    "GET",
    "/styles/{simple}/{label}/{matrix}/{object}",
    "styles",
    parameters=[
        parameter("simple", "path", LIST),
        parameter("label", "path", LIST, style="label", explode=True),
        parameter("matrix", "path", LIST, style="matrix", explode=True),
        parameter("object", "path", OBJECT, explode=True),
    ],
)
echoes("POST", "/pets", "createPet", requestBody=body("application/json", {"$ref": "#/components/schemas/Pet"}))
OPTIONS = body("application/json", {"type": "object", "properties": {"a": {"type": "string"}}})
echoes("POST", "/options", "setOptions", requestBody=OPTIONS)
echoes("POST", "/maybe", "maybeSetOptions", requestBody={**OPTIONS, "required": False})
echoes("POST", "/batch", "batch", requestBody=body("application/json", {"type": "array", "items": {"type": "integer"}}))
echoes(
    "POST",
    "/login",
    "login",
    requestBody=body(
        "application/x-www-form-urlencoded",
        {"type": "object", "properties": {"user": {"type": "string"}, "roles": LIST, "more": OBJECT, "deep": OBJECT}},
        encoding={"deep": {"style": "deepObject", "explode": True}},
    ),
)
echoes(
    "POST",
    "/upload",
    "upload",
    requestBody=body(
        "multipart/form-data",
        {
            "type": "object",
            "required": ["document"],
            "properties": {"document": FILE, "title": {"type": "string"}, "about": OBJECT},
        },
        encoding={"document": {"contentType": "image/png"}},
    ),
)
echoes("PUT", "/raw", "putRaw", requestBody=body("application/octet-stream", FILE))
echoes("POST", "/note", "note", requestBody=body("text/plain", {"type": "string"}))
echoes("POST", "/order", "order", parameters=[parameter("Idempotency-Key", "header", required=True)])


def says(path: str, operation_id: str, answer: Answer) -> None:
    route("GET", path, operation_id)(lambda server, request: answer)


says("/missing", "missing", as_json({"detail": "no such pet"}, 404))
says("/broken", "broken", (500, {"content-type": "text/plain"}, b"x" * 10_000))
says("/limited", "limited", (429, {"retry-after": "7"}, b""))
says("/text", "readText", (200, {"content-type": "text/plain; charset=latin-1"}, "grün".encode("latin-1")))
says(
    "/picture",
    "picture",
    (200, {"content-type": "image/png", "content-disposition": 'attachment; filename="../a b.png"'}, PIXEL),
)
says("/nothing", "nothing", (204, {}, b""))
says("/malformed", "malformed", (200, {"content-type": "application/json"}, b'{"a": '))
says("/endless", "endless", (200, {"content-type": "text/plain"}, b"x" * 5_000_000))
says("/with_bom", "withBom", (200, {"content-type": "application/json"}, b'\xef\xbb\xbf{"a": 1}'))
says("/untyped_json", "untypedJson", (200, {}, b'{"a": 1}'))
says("/untyped_text", "untypedText", (200, {}, b"hello"))
says("/list", "list", as_json([1, 2]))
says("/cookie", "cookie", as_json({}, **{"set-cookie": "who=me"}))
says("/to_metadata", "toMetadata", (302, {"location": "http://169.254.169.254/latest/meta-data"}, b""))
says("/to_file", "toFile", (302, {"location": "file:///etc/passwd"}, b""))
says("/to_no_port", "toNoPort", (302, {"location": "http://pets.test:99999/"}, b""))
says("/to_no_host", "toNoHost", (302, {"location": "http://[pets/"}, b""))
says("/deep", "deep", (200, {"content-type": "application/json"}, b"[" * 100_000))
says("/rather_deep", "ratherDeep", (200, {"content-type": "application/json"}, b"[" * 500 + b"]" * 500))
says("/around", "around", (302, {"location": "/around"}, b""))
says("/to_list", "toList", (302, {"location": "list"}, b""))


@route("GET", "/slow", "slow")
def slow(server: ApiServer, request: _Request) -> Answer:
    time.sleep(0.5)
    return as_json({})


def _secured(path: str, operation_id: str, scheme: str, allows: Callable[[ApiServer, _Request], bool]) -> None:
    def answer(server: ApiServer, request: _Request) -> Answer:
        return as_json({"ok": True}) if allows(server, request) else as_json({"detail": "who are you?"}, 401)

    route("GET", path, operation_id, security=[{scheme: []}])(answer)


_BASIC = "Basic " + base64.b64encode(f"me:{KEY}".encode()).decode()
_secured("/in_header", "inHeader", "inHeader", lambda server, it: it.headers.get("x-api-key") == KEY)
_secured("/in_query", "inQuery", "inQuery", lambda server, it: parse_qs(it.query).get("api key") == [KEY])
_secured("/in_cookie", "inCookie", "inCookie", lambda server, it: it.headers.get("cookie") == f"key={KEY}")
_secured("/bearer", "bearer", "bearer", lambda server, it: it.headers.get("authorization") == f"Bearer {KEY}")
_secured("/basic", "basic", "basic", lambda server, it: it.headers.get("authorization") == _BASIC)
_secured(
    "/oauth", "oauth", "oauth", lambda server, it: it.headers.get("authorization", "")[7:] in server.tokens
)  # fmt: skip


@route("GET", "/leave", "leave", security=[{"inHeader": []}])
def leave(server: ApiServer, request: _Request) -> Answer:
    return 302, {"location": server.elsewhere}, b""


@route("POST", "/move", "move", requestBody=body("text/plain", {"type": "string"}))
def move(server: ApiServer, request: _Request) -> Answer:
    return 307, {"location": server.elsewhere}, b""


def _token(server: ApiServer, request: _Request) -> Answer:
    user, _, password = base64.b64decode(request.headers.get("authorization", "")[6:]).decode().partition(":")
    form = parse_qs(request.body.decode())
    is_client = (user, password) == ("client", "p%25ss%3Aword")
    is_refresh = form.get("grant_type") == ["refresh_token"] and form.get("refresh_token") == ["again"]
    if not is_refresh and not (is_client and form.get("grant_type") == ["client_credentials"]):
        return as_json({"error": "invalid_client"}, 401)
    server.given += 1
    server.tokens.append(f"token-{server.given}")
    return as_json({"access_token": server.tokens[-1], "token_type": "Bearer", "expires_in": server.expires_in})


ROUTES["POST", "/token"] = _token
ROUTES["GET", "/openapi.json"] = lambda server, request: as_json({**server.document(), "servers": [{"url": "/"}]})


def certificates(host: str, folder: Path) -> tuple[ssl.SSLContext, ssl.SSLContext]:
    """What a server at ``host`` serves with, and what a client trusts that server with."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, host)])
    now = datetime.datetime.now(datetime.UTC)
    certificate = (
        x509.CertificateBuilder(subject_name=name, issuer_name=name, public_key=key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(days=1))
        .not_valid_after(now + datetime.timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName(host)]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    written = certificate.public_bytes(serialization.Encoding.PEM)
    secret = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    file = folder / "server.pem"
    file.write_bytes(written + secret)
    serving = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    serving.load_cert_chain(file)
    return serving, ssl.create_default_context(cadata=written.decode())
