# SPDX-License-Identifier: Apache-2.0
"""The console that the commands print on, and words for it: errors, what tools answered, values."""

import re
import sys
from collections.abc import Callable, Collection
from typing import Any, TextIO, cast

import msgspec
from rich.console import Console
from rich.text import Text
from rich.theme import Theme

_VALUE_CHARACTERS = 400
# Only the terminal's own colours, and none of those that are hard to read on black or on white.
_THEME = Theme(
    {
        "markdown.code": "cyan",
        "markdown.code_block": "cyan",
        "markdown.block_quote": "none",
        "markdown.h1": "bold",
        "markdown.h2": "bold",
        "markdown.h3": "bold",
        "markdown.item.bullet": "cyan",
        "markdown.item.number": "cyan",
        "markdown.link": "cyan underline",
        "markdown.table.header": "bold",
        "markdown.table.border": "dim",
        "question": "bold",
        "mark": "bold cyan",
        "tool": "cyan",
        "good": "green",
        "bad": "bold red",
    }
)
# Also those that turn the direction of what follows them, past the end of what they stand in.
_CONTROLS = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069]")


def new_console(file: TextIO, *, width: int | None = None) -> Console:
    """A console for one of the process's streams."""
    reconfigure: Callable[..., None] | None = getattr(file, "reconfigure", None)
    if reconfigure is not None:
        reconfigure(errors="replace")  # a terminal that cannot show a letter is no reason to fail
    return Console(file=file, theme=_THEME, highlight=False, width=width, soft_wrap=not file.isatty())


def show_error(message: str) -> None:
    """Prints an error to standard error: one clear line; what follows it, a traceback say, is printed dim."""
    console = new_console(sys.stderr)
    first, _, rest = clean(message).partition("\n")
    console.print(Text.assemble(("Error: ", "bad"), first))
    if rest:
        console.print(Text(rest, style="dim"))


def describe_result(_name: str, result: dict[str, Any]) -> str:
    """Says what any tool answered: its error, its summary, or its values, lists as their lengths."""
    if result == {"error": "unknown"}:
        return "stopped while it ran: what it has done is not known"
    for key in ("error", "summary"):
        if isinstance(text := result.get(key), str):
            return text
    if list(result) == ["result"]:
        return value_text(result["result"])
    return " · ".join(f"{key}: {value_text(value)}" for key, value in result.items())


def value_text(value: Any) -> str:
    """Give a value in one line: long lists and objects as their lengths, long texts cut."""
    text = value if isinstance(value, str) else msgspec.json.encode(value).decode()
    if isinstance(value, list | dict) and len(text) > 60:
        number = len(cast("Collection[Any]", value))
        return f"{number} {'items' if isinstance(value, list) else 'fields'}"
    text = " ".join(clean(text).split())
    return text if len(text) <= _VALUE_CHARACTERS else f"{text[:_VALUE_CHARACTERS]}…"


def clean(text: str) -> str:
    """Take out what would move the cursor or colour the terminal: a model's words are words only."""
    return _CONTROLS.sub("", text.replace("\r\n", "\n"))
