# SPDX-License-Identifier: Apache-2.0
"""What a model is told of a file that it cannot read.

A file that the user gives now is refused, so that the user knows. One that a tool answered with, or that was given
earlier, perhaps to another model, is told of in words: a conversation that holds it goes on.
"""

from collections.abc import Sequence

from runwright.types import Blob, Content, FileData


def said_now(contents: Sequence[Content]) -> Content | None:
    """The message in which the user says something now; None while the model is busy with its tools."""
    if not contents:
        return None
    # What stands behind tools' answers is shown by a tool, as a file that the model asked for.
    shown = [part for content in contents[-2:] for part in content.parts or ()]
    return None if any(part.function_response is not None for part in shown) else contents[-1]


def told_of(file: Blob | FileData) -> str:
    """A file in words."""
    named = f" {file.display_name!r}" if file.display_name else ""
    return f"[A file{named} of type {file.mime_type or 'unknown'}, which you cannot read]"
