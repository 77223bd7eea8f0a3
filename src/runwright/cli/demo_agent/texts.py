# SPDX-License-Identifier: Apache-2.0
"""The text files of a folder: which are read, and cut into which passages."""

import re
import stat
from collections.abc import Iterator, Sequence
from pathlib import Path

_TOOL_FOLDERS = frozenset({"node_modules", "__pycache__"})
_PASSAGE_LINES = 20


class LeftOutError(Exception):
    """A file is not read; the text says why, and is counted."""


def is_skipped(name: str) -> bool:
    """Tell whether a file or folder of this name is left alone: hidden ones, and those that tools make."""
    return name.startswith(".") or name in _TOOL_FOLDERS


def printable(text: str) -> str:
    """Give the text without halves of surrogate pairs, which JSON cannot hold; names of files may have them."""
    return text.encode("utf-8", "replace").decode("utf-8")


def load_lines(path: Path, max_bytes: int) -> list[str]:
    """Read a text file's lines, as editors count them.

    Raises:
        LeftOutError: It is none, or may not be read.
    """
    try:
        facts = path.lstat()
        if not stat.S_ISREG(facts.st_mode):  # a link may lead out, and reading a pipe would wait for ever
            raise LeftOutError("not a regular file")
        if facts.st_size > max_bytes:
            raise LeftOutError(f"larger than {max_bytes:,} bytes")
        data = path.read_bytes()
    except OSError as error:
        raise LeftOutError("may not be read") from error
    if b"\0" in data or data.startswith(b"%PDF-"):
        raise LeftOutError("no text")
    return data.decode("utf-8-sig", "replace").replace("\r\n", "\n").replace("\r", "\n").removesuffix("\n").split("\n")


def passages_of(lines: Sequence[str], *, markdown: bool) -> Iterator[tuple[int, str, list[str]]]:
    """Cut into blocks between blank lines: the first line's number, the headings above it, the lines.

    A heading under which nothing stands is a block of its own.
    """
    headings: list[str] = []
    block: list[str] = []
    start = bare = 0  # bare: the line of a heading under which nothing has come yet
    fenced = False
    for number, line in enumerate(lines, 1):
        text = line.strip()
        fenced ^= markdown and text.startswith(("```", "~~~"))
        title = re.match(r"(#{1,6})\s+(.+?)\s*#*$", line) if markdown and not fenced else None
        if block and (title or not text or len(block) >= _PASSAGE_LINES):
            yield start, " > ".join(filter(None, headings)), block
            block = []
        if title:
            level = len(title[1])
            if bare and level <= len(headings):
                yield bare, " > ".join(filter(None, headings)), [headings[-1]]
            headings = [*headings[: level - 1], *[""] * (level - 1 - len(headings)), title[2]]
            bare = number
        elif text:
            start = start if block else number
            block.append(text if markdown else line.rstrip())
            bare = 0
    if block or bare:
        yield start if block else bare, " > ".join(filter(None, headings)), block or [headings[-1]]
