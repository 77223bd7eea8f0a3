# SPDX-License-Identifier: Apache-2.0
"""Live connections that go wrong, as providers' do: for a :class:`~runwright.testing.wire.FaultSocketServer`."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from runwright.testing.wire.exchange import json_answer
from runwright.testing.wire.messages import SocketScript, WireMessage


def refused(status: int, body: Any = None, *, headers: Mapping[str, str] | None = None) -> SocketScript:
    """An HTTP status (401, 429, ...) in place of a connection."""
    return SocketScript(refusal=json_answer(body, status=status, headers=headers))


def cut_off(script: SocketScript, *, after: int = 0) -> SocketScript:
    """The same, whose connection breaks after so many messages of both sides: close code 1006 to the client."""
    return replace(script, messages=list(script.messages[:after]), ending="cut")


def closed(script: SocketScript, code: int, reason: str = "", *, after: int = 0) -> SocketScript:
    """The same, which the server closes after so many messages, with its code (1008, 1011, ...) and reason."""
    return replace(script, messages=list(script.messages[:after]), ending="closed", code=code, reason=reason)


def silent(script: SocketScript, *, after: int = 0) -> SocketScript:
    """The same, which says nothing more after so many messages, and stays open."""
    return replace(script, messages=list(script.messages[:after]), ending="open")


def malformed(script: SocketScript, *, at: int = 0, text: str = '{"half": ') -> SocketScript:
    """The same, with one message of the server's more, at this place, which is no JSON."""
    broken = WireMessage(direction="received", raw=text)
    return replace(script, messages=[*script.messages[:at], broken, *script.messages[at:]])


def dripping(script: SocketScript, *, seconds: float = 0.01) -> SocketScript:
    """The same, with a pause before each message of the server's."""
    return replace(script, pause=seconds)
