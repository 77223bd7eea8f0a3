# SPDX-License-Identifier: Apache-2.0
"""What goes over a wire: requests, answers, and recordings of both."""

import gzip
import zlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal
from urllib.parse import urlsplit

import msgspec

_HOP_BY_HOP = frozenset({"connection", "content-encoding", "content-length", "keep-alive", "transfer-encoding"})
"""Headers that describe how a body travelled, not what it is."""


@dataclass(frozen=True, kw_only=True)
class WireRequest:
    """A request as it came, or as it was recorded.

    Attributes:
        method: In capitals.
        target: Path and query, without the host.
        headers: By their names in lower case.
        body: The bytes of the body.
    """

    method: str
    target: str
    headers: Mapping[str, str] = field(default_factory=dict[str, str])
    body: bytes = b""

    @property
    def path(self) -> str:
        return urlsplit(self.target).path

    def json(self) -> Any:
        """The body as JSON; None where it is not JSON."""
        try:
            return msgspec.json.decode(self.body) if self.body else None
        except msgspec.DecodeError:
            return None


Ending = Literal["whole", "cut", "silent"]


@dataclass(frozen=True, kw_only=True)
class WireAnswer:
    """What a server answers, and how its answer ends.

    Attributes:
        chunks: The body, in the pieces in which it is sent.
        streamed: Whether it is sent in chunks of an open length, as event streams are.
        ending: ``"whole"`` is well; ``"cut"`` breaks the connection after the last chunk; ``"silent"`` leaves it open
            and says nothing more, until the client or the server goes.
        pause: How many seconds to wait before each chunk.
    """

    status: int = 200
    headers: Mapping[str, str] = field(default_factory=dict[str, str])
    chunks: Sequence[bytes] = ()
    streamed: bool = False
    ending: Ending = "whole"
    pause: float = 0.0

    @property
    def body(self) -> bytes:
        return b"".join(self.chunks)


@dataclass(frozen=True, kw_only=True)
class Exchange:
    """A request and what was answered to it."""

    request: WireRequest
    answer: WireAnswer


def json_answer(value: Any, *, status: int = 200, headers: Mapping[str, str] | None = None) -> WireAnswer:
    """An answer in JSON."""
    shown = {"content-type": "application/json", **(headers or {})}
    return WireAnswer(status=status, headers=shown, chunks=[msgspec.json.encode(value)])


def sse_answer(events: Sequence[bytes], *, ending: Ending = "whole", pause: float = 0.0) -> WireAnswer:
    """A stream of server-sent events, each given with the blank line that ends it, each sent as a chunk of its own."""
    headers = {"content-type": "text/event-stream"}
    return WireAnswer(headers=headers, chunks=list(events), streamed=True, ending=ending, pause=pause)


def recorded_answer(status: int, headers: Mapping[str, str], body: bytes) -> WireAnswer:
    """The answer of a recording, whose body is taken out of its compression and, if it is a stream, into its events."""
    named = {name.lower(): value for name, value in headers.items()}
    body = _decompressed(body, named.get("content-encoding", ""))
    kept = {name: value for name, value in named.items() if name not in _HOP_BY_HOP}
    if named.get("content-type", "").startswith("text/event-stream"):
        return WireAnswer(status=status, headers=kept, chunks=sse_events(body), streamed=True)
    return WireAnswer(status=status, headers=kept, chunks=[body])


def sse_events(body: bytes) -> list[bytes]:
    """The events of a stream, each with the blank line that ends it."""
    events: list[bytes] = []
    lines: list[bytes] = []
    for line in body.splitlines(keepends=True):
        lines.append(line)
        if not line.strip(b"\r\n"):
            events.append(b"".join(lines))
            lines.clear()
    if lines:
        events.append(b"".join(lines))
    return events


def _decompressed(body: bytes, encoding: str) -> bytes:
    """The plain bytes. Recorders often keep the header of a body that they have decompressed already."""
    if encoding == "gzip" and body.startswith(b"\x1f\x8b"):
        return gzip.decompress(body)
    if encoding == "deflate" and body[:1] == b"\x78":
        return zlib.decompress(body)
    return body
