# SPDX-License-Identifier: Apache-2.0
"""BaseLlmConnection: a conversation with a live model, both ways at once."""

from abc import ABC, abstractmethod
from collections.abc import AsyncGenerator, Sequence

from runwright.event import LlmResponse
from runwright.live_types import ActivityEnd, ActivityStart, AudioStreamEnd
from runwright.types import Blob, Content

RealtimeInput = Blob | ActivityStart | ActivityEnd | AudioStreamEnd
"""What goes in as it happens: a piece of audio, a picture of a video, or a signal about them."""


class BaseLlmConnection(ABC):
    """A conversation with a live model, both ways at once.

    One task may send while another receives. What goes wrong on either way is a ``ModelError``, and so is sending
    once the connection has ended.
    """

    @abstractmethod
    async def send_history(self, history: Sequence[Content]) -> None:
        """Sends what was said before, oldest first. The model answers only if the last message is the user's."""

    @abstractmethod
    async def send_content(self, content: Content) -> None:
        """Sends one message of the user's, or the responses of functions that the model called."""

    @abstractmethod
    async def send_realtime(self, realtime_input: RealtimeInput) -> None:
        """Sends a piece of what goes in as it happens."""

    @abstractmethod
    def receive(self) -> AsyncGenerator[LlmResponse, None]:
        """Gives what comes, across turns, until the connection ends.

        Yields:
            Pieces of text, audio and transcriptions with ``partial=True``; whole texts and whole transcriptions
            (``finished=True``); function calls; ``interrupted=True`` where the user broke in; ``turn_complete=True``
            where it is the user's turn. Audio is never joined.

        Raises:
            ModelError: The connection broke, or the provider ended it for a reason.
        """

    @abstractmethod
    async def close(self) -> None:
        """Ends the connection. Closing it again does nothing."""
