# SPDX-License-Identifier: Apache-2.0
"""Readers of recorded exchanges: httprr traces, VCR cassettes, and the messages of WebSockets."""

import base64
import importlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any, cast
from urllib.parse import urlsplit

import msgspec

from runwright.errors import InputValidationError, MissingDependencyError
from runwright.testing.wire.exchange import Exchange, WireRequest, recorded_answer
from runwright.testing.wire.messages import WireMessage

_HTTPRR = b"httprr trace v1\n"


def read_recording(path: str | Path) -> list[Exchange]:
    """The exchanges of a recording, in order: ``.httprr``, or a VCR cassette in YAML or JSON.

    Raises:
        InputValidationError: It is neither.
        MissingDependencyError: It is YAML, and PyYAML is not installed.
    """
    path = Path(path)
    if path.suffix == ".httprr":
        return read_httprr(path.read_bytes())
    if path.suffix in (".yaml", ".yml", ".json"):
        return read_vcr(path.read_text(encoding="utf-8"))
    raise InputValidationError(f"{path.name} is no recording that can be read: give an .httprr or a .yaml file")


def read_httprr(data: bytes) -> list[Exchange]:
    """The exchanges of an httprr trace.

    After its first line come, for each exchange, the lengths of request and response in a line, and then the bytes of
    both.

    Raises:
        InputValidationError: It is no such trace, or is cut off.
    """
    if not data.startswith(_HTTPRR):
        raise InputValidationError("This is no httprr trace: its first line is not 'httprr trace v1'")
    exchanges: list[Exchange] = []
    at = len(_HTTPRR)
    while at < len(data):
        end = data.find(b"\n", at)
        lengths = data[at : end if end >= 0 else len(data)].split()
        if len(lengths) != 2 or not all(length.isdigit() for length in lengths):
            raise InputValidationError(f"This httprr trace is damaged at byte {at}: two lengths should stand there")
        asked, answered = int(lengths[0]), int(lengths[1])
        at = end + 1
        if at + asked + answered > len(data):
            raise InputValidationError(f"This httprr trace ends in the middle of the exchange at byte {at}")
        exchanges.append(_httprr_exchange(data[at : at + asked], data[at + asked : at + asked + answered]))
        at += asked + answered
    return exchanges


def _httprr_exchange(asked: bytes, answered: bytes) -> Exchange:
    first, headers, body = _message(asked)
    method, uri = first.split()[:2]
    request = WireRequest(method=method.upper(), target=_target(uri), headers=headers, body=body)
    first, headers, body = _message(answered)
    return Exchange(request=request, answer=recorded_answer(int(first.split()[1]), headers, body))


def _message(data: bytes) -> tuple[str, dict[str, str], bytes]:
    """First line, headers and body of a raw HTTP message."""
    head, _, body = data.partition(b"\r\n\r\n")
    first, *lines = head.decode("latin-1").split("\r\n")
    headers: dict[str, str] = {}
    for line in lines:
        name, _, value = line.partition(":")
        headers[name.strip().lower()] = value.strip()
    if headers.get("transfer-encoding", "").lower() == "chunked":
        body = _unchunked(body)
    return first, headers, body


def _unchunked(data: bytes) -> bytes:
    pieces: list[bytes] = []
    while data:
        size, _, rest = data.partition(b"\r\n")
        length = int(size.split(b";")[0] or b"0", 16)
        if length == 0:
            break
        pieces.append(rest[:length])
        data = rest[length + 2 :]
    return b"".join(pieces)


def read_vcr(text: str) -> list[Exchange]:
    """The exchanges of a VCR cassette, in YAML or JSON, with plain bodies or ``parsed_body``.

    Raises:
        InputValidationError: It is no cassette of HTTP exchanges.
        MissingDependencyError: PyYAML is not installed.
    """
    cassette: Any = _yaml(text)
    interactions: Any = cast("dict[str, Any]", cassette).get("interactions") if isinstance(cassette, dict) else None
    if not isinstance(interactions, list):
        raise InputValidationError("This is no VCR cassette: it has no list of interactions")
    exchanges: list[Exchange] = []
    for number, one in enumerate(cast("list[Any]", interactions)):
        if not isinstance(one, dict) or "request" not in one or "response" not in one:
            raise InputValidationError(f"Interaction {number} of this cassette is no request with its response")
        exchanges.append(_vcr_exchange(cast("dict[str, Any]", one)))
    return exchanges


def read_messages(path: str | Path) -> list[WireMessage]:
    """The messages of a recorded WebSocket, in order: a list of ``interactions`` in YAML or JSON, each with its
    ``direction`` (``sent`` or ``received``) and ``data``. Entries without a direction are no messages.

    Raises:
        InputValidationError: It is no such recording.
        MissingDependencyError: PyYAML is not installed.
    """
    path = Path(path)
    recorded: Any = _yaml(path.read_text(encoding="utf-8"))
    found: Any = cast("dict[str, Any]", recorded).get("interactions") if isinstance(recorded, dict) else None
    entries: list[Any] = cast("list[Any]", found) if isinstance(found, list) else []
    named = [cast("dict[str, Any]", one) for one in entries if isinstance(one, dict)]
    messages = [
        WireMessage(direction=one["direction"], data=one.get("data"))
        for one in named
        if one.get("direction") in ("sent", "received")
    ]
    if not messages:
        raise InputValidationError(f"{path.name} is no recording of a WebSocket: it has no messages with a direction")
    return messages


def _vcr_exchange(interaction: dict[str, Any]) -> Exchange:
    asked, answered = interaction["request"], interaction["response"]
    request = WireRequest(
        method=str(asked.get("method", "GET")).upper(),
        target=_target(asked.get("uri") or asked.get("url")),
        headers=_headers(asked.get("headers")),
        body=_body(asked),
    )
    status: Any = answered["status"]
    code: Any = cast("dict[str, Any]", status)["code"] if isinstance(status, dict) else status
    answer = recorded_answer(int(code), _headers(answered.get("headers")), _body(answered))
    return Exchange(request=request, answer=answer)


def _headers(given: Any) -> dict[str, str]:
    headers: dict[str, str] = {}
    for name, value in cast("dict[str, Any]", given or {}).items():
        headers[name.lower()] = ", ".join(map(str, cast("list[Any]", value))) if isinstance(value, list) else str(value)
    return headers


def _body(message: dict[str, Any]) -> bytes:
    if (parsed := message.get("parsed_body")) is not None:
        return msgspec.json.encode(parsed)
    body: Any = message.get("body")
    if isinstance(body, Mapping):
        given = cast("Mapping[str, Any]", body)
        body = given.get("string")
        if body is None and given.get("base64_string") is not None:
            return base64.b64decode(given["base64_string"])
    if body is None:
        return b""
    return body if isinstance(body, bytes) else str(body).encode()


def _target(uri: str) -> str:
    """Path and query: which host it was is not kept, for the replaying one is another."""
    split = urlsplit(uri)
    return (split.path or "/") + (f"?{split.query}" if split.query else "")


def _yaml(text: str) -> Any:
    try:
        yaml = importlib.import_module("yaml")
    except ImportError as error:
        raise MissingDependencyError(
            "VCR cassettes are read with PyYAML, which is not installed: pip install 'runwright[recordings]'"
        ) from error
    return yaml.load(text, Loader=getattr(yaml, "CSafeLoader", yaml.SafeLoader))
