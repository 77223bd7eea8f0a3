# SPDX-License-Identifier: Apache-2.0
"""Transcript: a conversation as plain text, a line for each thing said or done."""

from typing import TextIO

import msgspec

from runwright.event import Event
from runwright.types import Content, text_of


class Transcript:
    """Writes events as a person reads them.

    Args:
        out: Where to.
        verbose: Also writes tool calls and their results.
    """

    def __init__(self, out: TextIO, *, verbose: bool = False) -> None:
        self._out = out
        self._verbose = verbose

    def show_user(self, message: Content) -> None:
        """Writes what the user says."""
        self._line("user", text_of(message))

    def show(self, event: Event) -> None:
        """Writes an event; partial ones are left to the whole that follows."""
        if event.partial:
            return
        if text := text_of(event.content):
            self._line(event.author, text)
        if event.error_code:
            self._line(event.author, f"error {event.error_code}: {event.error_message}")
        if not self._verbose:
            return
        for call in event.get_function_calls():
            self._line(event.author, f"calls {call.name}({_json(call.args)})")
        for answer in event.get_function_responses():
            self._line(event.author, f"{answer.name} answered {_json(answer.response)}")

    def _line(self, who: str, what: str) -> None:
        print(f"{who} > {what}", file=self._out, flush=True)


def _json(value: object) -> str:
    return msgspec.json.encode(value).decode()
