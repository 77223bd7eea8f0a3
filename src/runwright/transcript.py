# SPDX-License-Identifier: Apache-2.0
"""Transcript: a conversation as plain text, a line for each thing said or done; TextChunks: what is said, piecewise."""

from collections.abc import AsyncIterator, Iterator
from contextlib import aclosing, closing
from typing import Any, TextIO, cast

import msgspec

from runwright.event import Event
from runwright.run import Run
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


class TextChunks:
    """What the agents of a run say, as text in pieces, iterated in plain or in ``async`` code.

    Args:
        run: The run; it starts with the iteration.
    """

    def __init__(self, run: Run) -> None:
        self.run = run
        self._begun: set[str] = set()

    def __iter__(self) -> Iterator[str]:
        with closing(cast("Any", iter(self.run))) as events:
            for event in events:
                if text := self._text(event):
                    yield text

    async def __aiter__(self) -> AsyncIterator[str]:
        async with aclosing(cast("Any", aiter(self.run))) as events:
            async for event in events:
                if text := self._text(event):
                    yield text

    def _text(self, event: Event) -> str:
        """What an event adds: a whole adds nothing to its pieces."""
        if event.author == "user":
            return ""
        text = text_of(event.content) or (event.output_transcription and event.output_transcription.text) or ""
        if event.partial:
            if text:
                self._begun.add(event.id)
            return text
        return "" if event.id in self._begun else text


def _json(value: object) -> str:
    return msgspec.json.encode(value).decode()
