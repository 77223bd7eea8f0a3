# SPDX-License-Identifier: Apache-2.0
"""Answers that go wrong, as providers' answers do: for a :class:`~runwright.testing.wire.FaultServer`."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from runwright.testing.wire.exchange import WireAnswer, json_answer, sse_answer


def rate_limited(body: Any, *, retry_after: float | str | None = None) -> WireAnswer:
    """429, with a ``Retry-After`` of seconds or a date where one is given."""
    headers = {} if retry_after is None else {"retry-after": str(retry_after)}
    return json_answer(body, status=429, headers=headers)


def failed(status: int, body: Any) -> WireAnswer:
    """A failure with a status (500, 503, 529, ...) and the provider's own body."""
    return json_answer(body, status=status)


def not_json(text: str = "<html>Bad gateway</html>", *, status: int = 200) -> WireAnswer:
    """A body that is no JSON though it says so."""
    return WireAnswer(status=status, headers={"content-type": "application/json"}, chunks=[text.encode()])


def cut_off(answer: WireAnswer, *, after: int = 0) -> WireAnswer:
    """The same answer, whose connection breaks after so many of its chunks."""
    return replace(answer, chunks=list(answer.chunks[:after]), ending="cut")


def ended_early(answer: WireAnswer, *, after: int = 0) -> WireAnswer:
    """The same stream, which ends in good order after so many of its chunks."""
    return replace(answer, chunks=list(answer.chunks[:after]))


def silent(answer: WireAnswer | None = None, *, after: int = 0) -> WireAnswer:
    """The same answer, which says nothing more after so many of its chunks and stays open."""
    given = answer or sse_answer([])
    return replace(given, chunks=list(given.chunks[:after]), ending="silent")


def dripping(answer: WireAnswer, *, seconds: float = 0.01, size: int = 7) -> WireAnswer:
    """The same answer in pieces of a few bytes, with a pause before each: they end wherever they end."""
    body = answer.body
    return replace(answer, chunks=_pieces(body, size), pause=seconds)


def malformed_stream(events: Sequence[bytes], *, at: int = 0) -> WireAnswer:
    """A stream of which one event's JSON ends in the middle."""
    broken = events[at].rstrip(b"\r\n")
    return sse_answer([*events[:at], broken[: len(broken) // 2] + b"\r\n\r\n", *events[at + 1 :]])


def empty_stream() -> WireAnswer:
    """A stream that ends in good order without any event."""
    return sse_answer([])


def empty_body() -> WireAnswer:
    """200, and nothing."""
    return WireAnswer(headers={"content-type": "application/json"})


def _pieces(data: bytes, size: int) -> list[bytes]:
    return [data[at : at + size] for at in range(0, len(data), size)]
