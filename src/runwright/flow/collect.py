# SPDX-License-Identifier: Apache-2.0
"""From a model's chunks to the whole answer."""

from operator import attrgetter
from typing import Any

from runwright.event import LlmResponse
from runwright.types import Content, FunctionCall, Part, copy_part

_KEPT = tuple(name for name in LlmResponse.__struct_fields__ if name not in ("content", "partial"))
_NOTHING = (None,) * len(_KEPT)
_beside_content = attrgetter(*_KEPT)


class Collector:
    """Joins the chunks of one answer.

    Text that follows text of the same kind (thought or not) is joined; all other parts are kept in their order. Of
    what comes with the chunks (usage, finish reason, ...) the latest of each kind is kept.
    """

    __slots__ = ("_kept", "_parts", "_role", "_texts", "_thought", "started")

    def __init__(self) -> None:
        self.started = False
        """Whether there was any chunk."""
        self._kept: dict[str, Any] = {}
        self._parts: list[Part] = []
        self._texts: list[str] = []
        self._thought: bool | None = None
        self._role: str | None = None

    def add(self, chunk: LlmResponse) -> None:
        """Takes the next chunk."""
        self.started = True
        if (values := _beside_content(chunk)) != _NOTHING:
            self._kept.update((name, value) for name, value in zip(_KEPT, values, strict=True) if value is not None)
        content = chunk.content
        if content is None or not content.parts:
            return
        self._role = content.role or self._role
        for part in content.parts:
            self._add_part(part)

    def _add_part(self, part: Part) -> None:
        if part.text is not None and part.thought_signature is None and part.function_call is None:
            if bool(part.thought) is not bool(self._thought):
                self._close_text()
            self._thought = part.thought
            self._texts.append(part.text)
            return
        self._close_text()
        if part.function_call is not None and _is_fragment(part.function_call):
            return
        self._parts.append(copy_part(part))

    def _close_text(self) -> None:
        if self._texts:
            self._parts.append(Part(text="".join(self._texts), thought=self._thought))
            self._texts.clear()
        self._thought = None

    def whole(self) -> LlmResponse | None:
        """The answer that the chunks make; None where there were none."""
        if not self.started:
            return None
        self._close_text()
        content = Content(role=self._role or "model", parts=self._parts) if self._parts else None
        return LlmResponse(content=content, partial=False, **self._kept)


def _is_fragment(call: FunctionCall) -> bool:
    """Whether it is a piece of a call whose whole comes later."""
    return bool(call.will_continue or call.partial_args)
