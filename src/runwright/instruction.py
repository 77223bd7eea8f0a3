# SPDX-License-Identifier: Apache-2.0
"""Instructions: texts with places for state and artifacts, such as ``{key}``, ``{user:key?}``, ``{artifact.name}``."""

import functools
import inspect
import re
from collections.abc import Awaitable, Callable
from typing import NamedTuple

from runwright.context import Context, ReadonlyContext
from runwright.errors import TemplateError
from runwright.types import Part

Instruction = str | Callable[[ReadonlyContext], str | Awaitable[str]]
"""A text with places for state, or what gives the text, which is then taken as it is."""

_PLACE = re.compile(r"(\$?\\)?\{+([^{}]*)\}+")
_NAME = re.compile(r"(?:(?:app|user|temp):)?[A-Za-z_][A-Za-z0-9_]*\??")
_ARTIFACT = re.compile(r"artifact\.([^{}?]+)(\??)")


class _Place(NamedTuple):
    name: str
    optional: bool
    is_artifact: bool


@functools.lru_cache(maxsize=4096)
def _parsed(template: str) -> tuple[str | _Place, ...]:
    pieces: list[str | _Place] = []
    end = 0
    for match in _PLACE.finditer(template):
        inner = match[2].strip()
        if match[1] or (not (artifact := _ARTIFACT.fullmatch(inner)) and not _NAME.fullmatch(inner)):
            continue
        pieces.append(template[end : match.start()])
        end = match.end()
        if artifact:
            pieces.append(_Place(artifact[1], bool(artifact[2]), True))
        else:
            pieces.append(_Place(inner.removesuffix("?"), inner.endswith("?"), False))
    pieces.append(template[end:])
    return tuple(piece for piece in pieces if piece != "")


async def instruction_text(instruction: Instruction, readonly_context: ReadonlyContext) -> str:
    """The text of an instruction, its places filled; empty where there is none.

    Raises:
        TemplateError: A value or a file that it names is missing.
    """
    if isinstance(instruction, str):
        return await inject_session_state(instruction, readonly_context) if instruction else ""
    text = instruction(readonly_context)
    return await text if inspect.isawaitable(text) else text


async def inject_session_state(template: str, readonly_context: ReadonlyContext) -> str:
    """Fills the places of a text.

    ``{key}`` is a value of the session's state, ``{artifact.name}`` the text of a file; with ``?`` at the end a missing
    one is empty. ``\\{`` and braces around what is no name stay as they are; None is empty.

    Raises:
        TemplateError: A value or a file is missing.
    """
    pieces = _parsed(template)
    if len(pieces) == 1 and isinstance(pieces[0], str):
        return pieces[0]
    return "".join([piece if isinstance(piece, str) else await _filled(piece, readonly_context) for piece in pieces])


async def _filled(place: _Place, readonly_context: ReadonlyContext) -> str:
    if place.is_artifact:
        part = await Context(readonly_context.invocation_context).load_artifact(place.name)
        if part is None and not place.optional:
            raise TemplateError(
                f"The instruction of {readonly_context.agent_name!r} names artifact {place.name!r}, which does not "
                f"exist: save it first, or write {{artifact.{place.name}?}} where it may be missing"
            )
        return "" if part is None else _text(part)
    state = readonly_context.state
    if place.name not in state and not place.optional:
        raise TemplateError(
            f"The instruction of {readonly_context.agent_name!r} names state {place.name!r}, which is not set: set "
            f"it, or write {{{place.name}?}} where it may be missing"
        )
    value = state.get(place.name)
    return "" if value is None else str(value)


def _text(part: Part) -> str:
    if part.text is not None:
        return part.text
    if part.inline_data is not None and part.inline_data.data is not None:
        return part.inline_data.data.decode("utf-8", errors="replace")
    return ""
