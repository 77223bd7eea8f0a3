# SPDX-License-Identifier: Apache-2.0
"""Owing: whether a live model has answered all that it was told (pure)."""

from runwright.event import LlmResponse
from runwright.live.pieces import begins_turn


class Owing:
    """Whether a live model still owes an answer.

    A turn answers what the model was told before it began; what it is told meanwhile it answers in another one.
    """

    __slots__ = ("_answered", "_answering", "_told")

    def __init__(self) -> None:
        self._told = self._answered = 0
        self._answering: int | None = None

    def tell(self) -> None:
        """Takes note that the model is told something that it is to answer."""
        self._told += 1

    def hear(self, response: LlmResponse) -> None:
        """Takes note of a response."""
        if self._answering is None and begins_turn(response):
            self._answering = self._told
        if response.turn_complete or response.get_function_calls():
            self._answered = self._told if self._answering is None else self._answering
            self._answering = None

    def __bool__(self) -> bool:
        return self._told > self._answered
