# SPDX-License-Identifier: Apache-2.0
"""What a run asks the person at the terminal: whether a tool may be called, or what a node of a workflow wants to know.

Where nobody is at a terminal, nothing is allowed, and what a node wants to know stays open.
"""

import getpass
import sys
from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import Any

import msgspec
from rich.text import Text

from runwright.cli.console import clean, new_console, show_error
from runwright.cli.credentials import ask_credential
from runwright.cli.prompting import read_line
from runwright.errors import InputValidationError
from runwright.event import Event
from runwright.invocation import REQUEST_CONFIRMATION, REQUEST_CREDENTIAL, call_asked_about, questions_to_user
from runwright.legible import legible
from runwright.schema import schema_decoder
from runwright.types import Content, FunctionCall, FunctionResponse, Part

_NOBODY = "Nobody is at a terminal to answer"


def open_questions(events: Sequence[Event]) -> list[FunctionCall]:
    """What the last run of a session asked and nobody has answered."""
    last = [event for event in events if event.invocation_id == events[-1].invocation_id]
    answered = {answer.id for event in last if event.author == "user" for answer in event.get_function_responses()}
    return [call for event in last for call in questions_to_user(event) if call.id not in answered]


class Questions:
    """Asks a person.

    Args:
        stream: Where to ask.
    """

    def __init__(self, stream: Any) -> None:
        self._stream = stream
        self._console = new_console(stream)
        self._is_answered = sys.stdin.isatty()
        self._kinds: dict[str, Callable[[dict[str, Any]], dict[str, Any] | None]] = {
            REQUEST_CONFIRMATION: self._confirm,
            REQUEST_CREDENTIAL: self._credential,
            "adk_request_input": self._ask,
        }

    def answers(self, questions: Sequence[FunctionCall]) -> Content | None:
        """The message that answers the questions; None where one cannot be answered."""
        parts: list[Part] = []
        for question in questions:
            ask = self._kinds.get(question.name or "")
            if ask is None:
                show_error(f"The run asks for {question.name}, which cannot be answered here.")
                return None
            response = ask(question.args or {})
            if response is None:
                return None
            answer = FunctionResponse(id=question.id, name=question.name, response=response)
            parts.append(Part(function_response=answer))
        return Content(role="user", parts=parts)

    def _confirm(self, args: dict[str, Any]) -> dict[str, Any]:
        """Whether a call may be made: no, unless the answer is plainly yes."""
        call = call_asked_about(FunctionCall(args=args))
        asked: dict[str, Any] = args.get("toolConfirmation") or {}
        if not self._is_answered:
            show_error(f"{_NOBODY} whether {call.name} may be called, so it is not. Run it on a terminal to allow it.")
            return {"confirmed": False}
        self._show(f"May {legible(call.name or '')} be called?", {**(call.args or {})}, str(asked.get("hint") or ""))
        confirmed = (self._read("Allow it? [y/N] ") or "").strip().lower() in ("y", "yes")
        payload = asked.get("payload")
        if confirmed and payload is not None:
            payload = self._filled_in(payload)
        return {"confirmed": confirmed, "payload": payload}

    def _filled_in(self, payload: Any) -> Any:
        """The JSON that goes with a yes: what was proposed, or what is typed in its place."""
        shown = msgspec.json.encode(payload).decode()
        while (typed := (self._read(f"With (JSON) [{legible(shown)}]: ") or "").strip()) != "":
            try:
                return msgspec.json.decode(typed)
            except msgspec.DecodeError as error:
                show_error(f"That is not JSON: {error}")
        return payload

    def _credential(self, args: dict[str, Any]) -> dict[str, Any] | None:
        """A credential that a tool needs; None where nobody can give it."""
        if not self._is_answered:
            show_error("A tool needs a credential, and nobody is at a terminal to give it. Run it on a terminal.")
            return None
        return ask_credential(args, self._say, self._read, self._read_secret)

    def _ask(self, args: dict[str, Any]) -> dict[str, Any] | None:
        """What a node wants to know; None where nobody says."""
        message = str(args.get("message") or "The workflow asks for your input.")
        schema: dict[str, Any] | None = args.get("response_schema")
        if not self._is_answered:
            show_error(f"{_NOBODY} what the workflow asks: {message}\nRun it on a terminal to go on.")
            return None
        payload = args.get("payload")
        self._show(message, {} if payload is None else {"payload": payload}, "")
        while (typed := self._read("Answer: ")) is not None:
            try:
                return {"result": _read_as(typed.strip(), schema)}
            except InputValidationError as error:
                show_error(str(error))
        return None

    def _show(self, title: str, values: dict[str, Any], hint: str) -> None:
        lines = [Text(clean(title), style="question")]
        for name, value in values.items():
            # A line for each: a text of several could look like more than it is.
            is_line = isinstance(value, str) and value.isprintable()
            text = value if is_line else msgspec.json.encode(value).decode()
            lines.append(Text.assemble((f"  {legible(name)}: ", "dim"), legible(text)))
        lines.extend(Text(f"  {line}", style="dim") for line in clean(hint).splitlines())
        for line in lines:
            self._console.print(line)

    def _say(self, line: str) -> None:
        self._console.print(clean(line), soft_wrap=True, markup=False, highlight=False)

    def _read_secret(self, prompt: str) -> str | None:
        with suppress(EOFError):
            return getpass.getpass(prompt, self._stream)
        return None

    def _read(self, prompt: str) -> str | None:
        return read_line(prompt, self._stream)


def _read_as(typed: str, schema: dict[str, Any] | None) -> Any:
    """What was typed as what is asked for: JSON where it is such, else the text.

    Raises:
        InputValidationError: It does not fit.
    """
    decode = None if schema is None else schema_decoder(schema, where="The answer")
    if decode is not None and (schema or {}).get("type") == "string":
        return decode(typed)
    try:
        value = msgspec.json.decode(typed)
    except msgspec.DecodeError:
        value = typed
    return value if decode is None else decode(value)
