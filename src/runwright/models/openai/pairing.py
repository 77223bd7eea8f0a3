# SPDX-License-Identifier: Apache-2.0
"""The ids by which calls and their answers find each other."""

from collections import defaultdict, deque

from runwright.types import FunctionCall, FunctionResponse


class CallIds:
    """Gives ids to calls that have none, the same in each turn, and to the answers that follow them.

    Each call has an id of its own, also where it was made by another model, which counts anew in each turn.
    """

    def __init__(self) -> None:
        self._made = 0
        self._times: dict[str, int] = {}
        self._waiting: defaultdict[str, deque[str]] = defaultdict(deque)

    def called(self, call: FunctionCall) -> str:
        """The id of a call."""
        if call.id:
            times = self._times[call.id] = self._times.get(call.id, 0) + 1
            return _numbered(call.id, times)
        self._made += 1
        made = f"call_{self._made}"
        self._waiting[call.name or ""].append(made)
        return made

    def answered(self, answer: FunctionResponse) -> str:
        """The id of the call that this answers."""
        if answer.id:
            return _numbered(answer.id, self._times.get(answer.id, 1))
        waiting = self._waiting[answer.name or ""]
        return waiting.popleft() if waiting else f"call_{answer.name}"


def _numbered(given: str, times: int) -> str:
    return given if times == 1 else f"{given}-{times}"
