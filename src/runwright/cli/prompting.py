# SPDX-License-Identifier: Apache-2.0
"""Reading what a person types."""

import importlib
import sys
from collections.abc import Generator
from contextlib import contextmanager, suppress
from typing import Any


def prompt_stream(*, prints_text: bool) -> Any:
    """Where to prompt: standard output, unless it is no terminal or holds more than text for people."""
    return sys.stdout if prints_text and sys.stdout.isatty() else sys.stderr


def read_line(prompt: str, stream: Any) -> str | None:
    """Reads a line from the terminal; None where there are no more.

    Raises:
        KeyboardInterrupt: Ctrl-C was pressed.
    """
    try:
        with _prompting_on(stream):
            return input(prompt)
    except EOFError:
        print(file=sys.stderr)
        return None
    except KeyboardInterrupt:
        print(file=sys.stderr)
        raise


@contextmanager
def _prompting_on(stream: Any) -> Generator[None]:
    """The prompt belongs to the one who types, never to a file that standard output is sent to."""
    with suppress(ImportError):
        importlib.import_module("readline")  # gives input() its line editing, where it is there
    before, sys.stdout = sys.stdout, stream
    try:
        yield
    finally:
        sys.stdout = before
