# SPDX-License-Identifier: Apache-2.0
"""Text for those who decide by what they read."""


def legible(text: str) -> str:
    """Text with an escape, as in JSON, for each character that is not seen, or that changes how others are seen.

    So are line breaks, what terminals obey, what turns the direction of writing, and what has no width.
    """
    return "".join(letter if letter.isprintable() else _escaped(letter) for letter in text)


def _escaped(letter: str) -> str:
    number = ord(letter)
    return f"\\u{number:04x}" if number < 0x10000 else f"\\U{number:08x}"
