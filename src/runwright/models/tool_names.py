# SPDX-License-Identifier: Apache-2.0
"""Names of tools as providers take them: ours may be of any letters and length, as those of MCP servers are."""

import functools
import hashlib
import re
from collections.abc import Mapping
from typing import Any, cast

from runwright.event import LlmResponse
from runwright.types import GenerateContentConfig, Tool

_LONGEST = 64
_OF_HASH = 8


class ToolNames:
    """How one provider spells names of tools. A name that it does not take is made into one that it does.

    That one is always the same, so that a conversation begins each time with the same bytes, and no other tool's.

    Args:
        letters: What may be in a name, as it stands between the brackets of a regular expression.
        first: What it may begin with; the same where it is None.
    """

    def __init__(self, letters: str, *, first: str | None = None) -> None:
        self._fits = re.compile(f"[{first or letters}][{letters}]{{0,{_LONGEST - 1}}}")
        self._wrong = re.compile(f"[^{letters}]")
        self.shown = functools.lru_cache(maxsize=4096)(self._shown)

    def _shown(self, name: str) -> str:
        """A tool's name, as the provider takes it."""
        if not name or self._fits.fullmatch(name):
            return name
        mark = hashlib.sha256(name.encode("utf-8", "surrogatepass")).hexdigest()[:_OF_HASH]
        words = self._wrong.sub("_", name)
        if not self._fits.match(words):
            words = f"_{words}"
        return f"{words[: _LONGEST - _OF_HASH - 1]}_{mark}"

    def changed(self, config: GenerateContentConfig) -> dict[str, str]:
        """The tools of a request whose names are shown otherwise: their own names, by those that are shown."""
        names = (name for tool in config.tools or () for name in _names_in(tool))
        return {shown: name for name in names if (shown := self.shown(name)) != name}


PLAIN_NAMES = ToolNames("A-Za-z0-9_-")
"""What OpenAI and Anthropic take."""


def with_own_names(response: LlmResponse, changed: Mapping[str, str]) -> LlmResponse:
    """A response, in whose calls tools have their own names again.

    Args:
        response: It is changed.
        changed: What ``ToolNames.changed`` said of its request.
    """
    if changed and response.content is not None:
        for part in response.content.parts or ():
            if (call := part.function_call) is not None:
                call.name = changed.get(call.name or "", call.name)
    return response


def _names_in(tool: Any) -> list[str]:
    if isinstance(tool, Mapping) and "type" in tool:
        return []
    known = tool if isinstance(tool, Tool) else Tool.model_validate(cast("Any", tool))
    return [declaration.name for declaration in known.function_declarations or () if declaration.name]
