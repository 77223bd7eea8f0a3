# SPDX-License-Identifier: Apache-2.0
"""What goes over a WebSocket: messages, in the order in which they were recorded, and how the conversation ends."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, cast

import msgspec

from runwright.testing.wire.exchange import WireAnswer

Direction = Literal["sent", "received"]


@dataclass(frozen=True, kw_only=True)
class WireMessage:
    """One message, as the client saw it.

    Attributes:
        direction: ``"sent"`` by the client, or ``"received"`` by it.
        data: The message's JSON.
        raw: What is sent in place of ``data``, where that is no JSON.
    """

    direction: Direction
    data: Any = None
    raw: str | None = None

    @property
    def text(self) -> str:
        return msgspec.json.encode(self.data).decode() if self.raw is None else self.raw


SocketEnding = Literal["open", "closed", "cut"]


@dataclass(frozen=True, kw_only=True)
class SocketScript:
    """What a server does with one connection.

    Attributes:
        messages: What the client received and sent. What it received before it sent something is sent to it before
            that is waited for.
        refusal: The answer to the request for a connection, where there is to be none.
        ending: What comes after the last message: ``"open"`` waits for the client to leave, and says nothing more;
            ``"closed"`` closes the connection with ``code`` and ``reason``; ``"cut"`` breaks it, without a word.
        pause: How many seconds to wait before each message that the server sends.
    """

    messages: Sequence[WireMessage] = ()
    refusal: WireAnswer | None = None
    ending: SocketEnding = "open"
    code: int = 1000
    reason: str = ""
    pause: float = 0.0


_TOOL_ANSWERS = frozenset({"tool_response", "toolResponse"})


def units(data: Any) -> list[Any]:
    """A message of the client's in the smallest messages that say the same.

    Gemini takes the answers of several tools in one message or in one each.
    """
    for name, value in cast("Mapping[str, Any]", data).items() if isinstance(data, Mapping) else ():
        if name in _TOOL_ANSWERS and isinstance(value, dict) and len(cast("dict[str, Any]", data)) == 1:
            return [
                {name: {kind: [answer]}}
                for kind, answers in cast("dict[str, list[Any]]", value).items()
                for answer in answers
            ]
    return [data]


def is_tool_answer(unit: Any) -> bool:
    """Whether it answers one call of a tool: such stand in any order beside each other."""
    if not isinstance(unit, Mapping):
        return False
    message = cast("Mapping[str, Any]", unit)
    item: Any = message.get("item")
    if isinstance(item, Mapping) and cast("Mapping[str, Any]", item).get("type") == "function_call_output":
        return message.get("type") == "conversation.item.create"
    return not _TOOL_ANSWERS.isdisjoint(message)
