# SPDX-License-Identifier: Apache-2.0
"""The ids by which calls and their answers find each other."""

from collections import defaultdict, deque

from runwright.types import FunctionCall, FunctionResponse


class CallIds:
    """Gives ids to calls that have none, the same in each turn, and to the answers that follow them."""

    def __init__(self) -> None:
        self._made = 0
        self._waiting: defaultdict[str, deque[str]] = defaultdict(deque)

    def called(self, call: FunctionCall) -> str:
        """The id of a call."""
        if call.id:
            return call.id
        self._made += 1
        made = f"call_{self._made}"
        self._waiting[call.name or ""].append(made)
        return made

    def answered(self, answer: FunctionResponse) -> str:
        """The id of the call that this answers."""
        if answer.id:
            return answer.id
        waiting = self._waiting[answer.name or ""]
        return waiting.popleft() if waiting else f"call_{answer.name}"
