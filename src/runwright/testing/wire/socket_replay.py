# SPDX-License-Identifier: Apache-2.0
"""A loopback WebSocket server that replays a recorded conversation, and compares."""

from collections import deque
from collections.abc import Iterable, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any

import msgspec

from runwright.testing.wire.compare import Comparison, spelled_alike
from runwright.testing.wire.exchange import WireAnswer
from runwright.testing.wire.messages import SocketScript, WireMessage, is_tool_answer, units
from runwright.testing.wire.readers import read_messages
from runwright.testing.wire.server import WireMismatchError
from runwright.testing.wire.sockets import LoopbackSocketServer


class WireSocketServer(LoopbackSocketServer):
    """Replays a recorded conversation over one connection, and compares what is sent with what was recorded.

    What the recording received is sent in its order; where the recording sent something, the server waits for the
    client to send the same, which may have come before. Several answers of tools beside each other may come in any
    order, and in one message or in several. Where something else comes, the connection is closed and the difference is
    kept: leaving the ``with`` block raises it, unless another error is on its way. So it is where the client leaves, or
    the block ends, before it has sent everything, where it sends more, or nothing for too long. After the last message
    the connection stays open, as at a provider.

    Args:
        recording: A file (``.yaml``) or messages.
        comparison: How messages are compared; without one, as :func:`spelled_alike` evens them out.
        deadline: How many seconds to wait for each message of the client's.
        tls: As in :class:`LoopbackSocketServer`.

    Attributes:
        differences: What was not as recorded, as readable diffs.

    Raises:
        WireMismatchError: On leaving: something was not as recorded.
    """

    def __init__(
        self,
        recording: str | Path | Iterable[WireMessage],
        comparison: Comparison | None = None,
        *,
        deadline: float = 10.0,
        tls: bool = False,
    ) -> None:
        super().__init__(tls=tls)
        messages = read_messages(recording) if isinstance(recording, str | Path) else list(recording)
        self._script = SocketScript(messages=messages)
        self._comparison = comparison or Comparison(normalise=spelled_alike)
        self._deadline = deadline
        self.differences: list[str] = []

    def script(self, number: int) -> SocketScript:
        if number:
            self.differences.append("A second connection was not recorded")
            return SocketScript(refusal=WireAnswer(status=409))
        return self._script

    def play(self, connection: Any, script: SocketScript) -> None:
        inbox = _Inbox(connection, self._deadline)
        expected: list[Any] = []
        try:
            for message in script.messages:
                if message.direction == "sent":
                    expected.extend(units(message.data))
                    continue
                self._await(inbox, expected)
                self.send(connection, script, message)
            self._await(inbox, expected)
            self._refuse_more(inbox)
        except WireMismatchError as error:
            self.differences.append(str(error))
            connection.close(1008, "Not as recorded")
        except self.closed_error:
            sent = [unit for one in script.messages if one.direction == "sent" for unit in units(one.data)]
            if inbox.taken < len(sent):
                shown = _shown(sent[inbox.taken])
                self.differences.append(f"It ended before the client sent message {inbox.taken}:\n{shown}")

    def _await(self, inbox: "_Inbox", expected: list[Any]) -> None:
        """Takes what was recorded to be sent, and empties the list of it.

        Raises:
            WireMismatchError: Something else came, or nothing.
        """
        while expected:
            came = inbox.next(expected[0])
            shown = self._comparison.json_difference(expected[0], came)
            place = 0
            if shown:
                beside = list(_leading_answers(expected))
                place = next((at for at in beside if not self._comparison.json_difference(expected[at], came)), -1)
            if place < 0:
                raise WireMismatchError(f"Message {inbox.taken - 1} is not what was recorded:\n{shown}")
            del expected[place]

    def _refuse_more(self, inbox: "_Inbox") -> None:
        """Waits for the client to leave, which ends this; what it sends before was not recorded."""
        came = inbox.anything()
        raise WireMismatchError(f"Message {inbox.taken - 1} was not recorded:\n{_shown(came)}")

    def check(self) -> None:
        """Raises what differs so far."""
        if not self.requests:
            raise WireMismatchError("Nobody connected")
        if self.differences:
            raise WireMismatchError("\n\n".join(self.differences))

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()
        if error is None:
            self.check()
        elif self.differences:
            error.add_note("\n\n".join(self.differences))


class _Inbox:
    """What a client sends, in the smallest messages that say the same.

    Attributes:
        taken: How many of them were taken.
    """

    def __init__(self, connection: Any, deadline: float) -> None:
        self._connection = connection
        self._deadline = deadline
        self._waiting: deque[Any] = deque()
        self.taken = 0

    def next(self, expected: Any) -> Any:
        """The next one, which is to be as expected.

        Raises:
            WireMismatchError: None came in time, or one that is no JSON.
        """
        try:
            return self._take(self._deadline)
        except TimeoutError:
            raise WireMismatchError(
                f"Nothing came for {self._deadline:g} seconds, where this was recorded:\n{_shown(expected)}"
            ) from None

    def anything(self) -> Any:
        """The next one, whenever it comes."""
        return self._take(None)

    def _take(self, timeout: float | None) -> Any:
        if not self._waiting:
            text = self._connection.recv(timeout=timeout)
            try:
                self._waiting.extend(units(msgspec.json.decode(text)))
            except msgspec.DecodeError:
                raise WireMismatchError(f"Message {self.taken} is no JSON: {text!r:.500}") from None
        self.taken += 1
        return self._waiting.popleft()


def _shown(message: Any) -> str:
    return f"{msgspec.json.format(msgspec.json.encode(message), indent=2).decode():.2000}"


def _leading_answers(expected: Sequence[Any]) -> Iterable[int]:
    """The places of the answers of tools that stand at the head."""
    for place, unit in enumerate(expected):
        if not is_tool_answer(unit):
            return
        yield place
