# SPDX-License-Identifier: Apache-2.0
"""What a model's name says about it, and the settings that requests are made with."""

import re
from collections.abc import Mapping
from typing import Any, Literal, NamedTuple

PROVIDER = "openai"
"""The name of this provider: in errors, before a model's name, and in what parts keep for it."""

ReasoningSummary = Literal["auto", "concise", "detailed"]

_OWN = re.compile(r"(ft:)?(gpt-(?!oss)|chatgpt-|o\d|codex-|computer-use)")
_PLAIN = re.compile(r"(ft:)?(gpt-[34]|chatgpt-4o|gpt-[5-9][^/]*-chat)")
_REASONS = re.compile(r"(ft:)?(gpt-([5-9]|\d\d)|o\d|codex-|computer-use)")


def bare_name(model: str) -> str:
    """A model's name as the provider spells it: without ``openai/`` before it."""
    return model.removeprefix(f"{PROVIDER}/")


def is_own(model: str) -> bool:
    """Whether it is one of OpenAI's own, rather than one that a compatible server has."""
    return _OWN.match(model) is not None


def reasons(model: str) -> bool:
    """Whether it is known to reason, and so to give its reasoning encrypted."""
    return _REASONS.match(model) is not None and takes_reasoning(model)


def takes_reasoning(model: str) -> bool:
    """Whether it may be sent reasoning again: all but those that are known not to reason, which refuse it."""
    return _PLAIN.match(model) is None


class Settings(NamedTuple):
    """What a request is made with beside the request itself.

    Attributes:
        own: Whether the model is one of OpenAI's own, rather than of a server that speaks its language.
        store: Whether the provider keeps the answer; None for its own default.
        summary: How long the summaries of its reasoning are to be, where thoughts are asked for.
        extra: What goes into each body as it is.
    """

    model: str
    own: bool = True
    store: bool | None = None
    summary: ReasoningSummary = "auto"
    parallel_tool_calls: bool | None = None
    extra: Mapping[str, Any] = {}
