# SPDX-License-Identifier: Apache-2.0
"""What one model of Anthropic's takes and another refuses, read from its name."""

import functools
import re
from typing import NamedTuple

_NAME = re.compile(
    r"claude-(?:(?P<before>\d{1,2})(?:-(?P<before_minor>\d{1,2}))?-)?(?P<family>[a-z]+)"
    r"(?:-(?P<after>\d{1,2})(?!\d)(?:-(?P<after_minor>\d{1,2})(?!\d))?)?"
)
_CODE_EXECUTION, _OLD_CODE_EXECUTION = "code_execution_20260521", "code_execution_20250825"
_OLD_SPELLING = re.compile(r"claude-(?:instant|\d+$|2\.)")


class Traits(NamedTuple):
    """What a model takes.

    Attributes:
        max_tokens: How long its answers may be where the request does not say, in tokens. It is no more than what an
            answer that is not streamed may have.
        adapts: Whether it decides by itself how much to think, by an effort.
        budgets: Whether it thinks up to a number of tokens.
        always_thinks: Whether it cannot be kept from thinking.
        thinks_between: Whether thinking between tool calls is the least that it does.
        hides_thoughts: Whether it shows its thoughts only if asked.
        samples: Whether it takes a temperature and the like.
        formats: Whether its answer can be held to a JSON Schema.
        code_execution: Which version of the provider's code execution it takes.
    """

    max_tokens: int
    adapts: bool
    budgets: bool
    always_thinks: bool
    thinks_between: bool
    hides_thoughts: bool
    samples: bool
    formats: bool
    code_execution: str


@functools.lru_cache(maxsize=64)
def traits(model: str) -> Traits:
    """The traits of a model. One whose name says no version, as of a gateway, is taken for a new one that takes all."""
    family, version = _version(model)
    if version is None:
        return Traits(8192, True, True, False, False, False, True, True, _CODE_EXECUTION)
    most = 4096 if version < (3, 5) else 8192 if version < (3, 7) else 20_000
    return Traits(
        max_tokens=most,
        adapts=version >= (4, 6),
        budgets=version < (4, 7),
        always_thinks=family in ("fable", "mythos") or (family == "opus" and version >= (5, 5)),
        thinks_between=family == "sonnet" and version >= (5, 5),
        hides_thoughts=version >= (4, 7),
        samples=version < (4, 7),
        formats=version >= (4, 5),
        code_execution=_CODE_EXECUTION if version >= (4, 6) else _OLD_CODE_EXECUTION,
    )


def _version(model: str) -> tuple[str, tuple[int, int] | None]:
    """Family and version, wherever in the name they stand; a date is no version."""
    if _OLD_SPELLING.search(model):
        return "", (2, 0)
    found = _NAME.search(model)
    if found is None:
        return "", None
    major = found["before"] or found["after"]
    if major is None:
        return found["family"], None
    minor = found["before_minor"] if found["before"] else found["after_minor"]
    return found["family"], (int(major), int(minor or 0))
