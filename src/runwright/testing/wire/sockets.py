# SPDX-License-Identifier: Apache-2.0
"""Loopback WebSocket servers: one replays a recorded conversation and compares, one goes wrong as a test says."""

import importlib
import ssl
import threading
from collections import deque
from collections.abc import Iterable, Sequence
from http import HTTPStatus
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import msgspec

from runwright.errors import ConfigurationError, MissingDependencyError
from runwright.testing.wire.certificate import client_context, server_context
from runwright.testing.wire.compare import Comparison, spelled_alike
from runwright.testing.wire.exchange import WireAnswer, WireRequest
from runwright.testing.wire.messages import SocketScript, WireMessage, is_tool_answer, units
from runwright.testing.wire.readers import read_messages
from runwright.testing.wire.server import WireMismatchError

_STOP_SECONDS = 5.0
_CLOSE_SECONDS = 0.5


class LoopbackSocketServer:
    """A WebSocket server on the loopback interface, in threads of its own: ``with LoopbackSocketServer() as server``.

    Args:
        tls: Whether it speaks TLS, with a certificate that only ``client_ssl()`` knows. google-genai's live
            connections speak nothing else: ``Gemini(base_url=server.url, client_kwargs={"http_options":
            {"async_client_args": {"ssl": server.client_ssl()}}})``.

    Attributes:
        requests: The requests for a connection that came, in order.

    Raises:
        MissingDependencyError: ``websockets`` is not installed, or for TLS ``cryptography``.
    """

    def __init__(self, *, tls: bool = False) -> None:
        self.requests: list[WireRequest] = []
        self._tls = tls
        self._lock = threading.Lock()
        self._stopping = threading.Event()
        self._open: dict[Any, threading.Thread] = {}
        self._server: Any = None
        self._thread: threading.Thread | None = None
        self._closed_error: type[Exception] = Exception

    @property
    def url(self) -> str:
        """Where it listens, as SDKs take their base URLs, without a slash at the end.

        Raises:
            ConfigurationError: It does not run.
        """
        if self._server is None:
            raise ConfigurationError("The server runs inside of its with block only")
        return f"http{'s' if self._tls else ''}://127.0.0.1:{self._server.socket.getsockname()[1]}"

    def client_ssl(self) -> ssl.SSLContext:
        """For clients: trusts the certificate of these servers and of nobody else."""
        return client_context()

    def script(self, number: int) -> SocketScript:
        """What to do with the connection of this number, from 0; called in the server's threads."""
        raise NotImplementedError

    def play(self, connection: Any, script: SocketScript) -> None:
        """Does it: what the client sends is waited for, not looked at."""
        for message in script.messages:
            if message.direction == "sent":
                connection.recv()
            else:
                self.send(connection, script, message)

    def send(self, connection: Any, script: SocketScript, message: WireMessage) -> None:
        """Sends a message, after the script's pause."""
        if not (script.pause and self._stopping.wait(script.pause)):
            connection.send(message.text)

    def start(self) -> None:
        """Starts to listen, on a free port."""
        try:
            sync_server: Any = importlib.import_module("websockets.sync.server")
            self._closed_error = importlib.import_module("websockets.exceptions").ConnectionClosed
        except ImportError as error:
            raise MissingDependencyError(
                "WebSockets are served with websockets, which is not installed: pip install 'runwright[recordings]'"
            ) from error
        self._stopping.clear()
        self._server = sync_server.serve(
            self._handle,
            "127.0.0.1",
            0,
            ssl=server_context() if self._tls else None,
            process_request=self._answer,
            close_timeout=_CLOSE_SECONDS,
            max_size=None,
        )
        self._thread = threading.Thread(target=self._server.serve_forever, name="runwright-socket", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """Stops listening and closes what is open."""
        self._stopping.set()
        if self._server is not None:
            with self._lock:
                still_open = dict(self._open)
            for connection in still_open:
                connection.close(1001, "The server stops")
            self._server.shutdown()
            for thread in still_open.values():
                thread.join(_STOP_SECONDS)
            self._server = None
        if self._thread is not None:
            self._thread.join(_STOP_SECONDS)
            self._thread = None

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    def _answer(self, connection: Any, request: Any) -> Any:
        """Decides on a request for a connection: None opens it."""
        headers = {name.lower(): value for name, value in request.headers.raw_items()}
        with self._lock:
            self.requests.append(WireRequest(method="GET", target=request.path, headers=headers))
            connection.script = self.script(len(self.requests) - 1)
        refusal: WireAnswer | None = connection.script.refusal
        if refusal is None:
            return None
        response = connection.respond(HTTPStatus.FORBIDDEN, refusal.body.decode())
        response.status_code, response.reason_phrase = refusal.status, "Refused"  # providers have statuses of their own
        for name, value in refusal.headers.items():
            if name in response.headers:
                del response.headers[name]
            response.headers[name] = value
        return response

    def _handle(self, connection: Any) -> None:
        script: SocketScript = connection.script
        with self._lock:
            self._open[connection] = threading.current_thread()
        try:
            self.play(connection, script)
            if script.ending == "closed":
                connection.close(script.code, script.reason)
            elif script.ending == "cut":
                connection.close_socket()
            else:
                self.linger(connection)
        except self._closed_error:
            pass  # the client left, which the one who plays has noted if it matters
        finally:
            with self._lock:
                del self._open[connection]

    def linger(self, connection: Any) -> None:
        """Stays until the client leaves."""
        while True:
            connection.recv()


class FaultSocketServer(LoopbackSocketServer):
    """Gives each connection the next script that it was given; the last one again and again.

    See ``socket_faults`` for those that go wrong.
    """

    def __init__(self, scripts: Sequence[SocketScript], *, tls: bool = False) -> None:
        super().__init__(tls=tls)
        if not scripts:
            raise ConfigurationError("A FaultSocketServer needs a script at least")
        self._scripts = list(scripts)

    def script(self, number: int) -> SocketScript:
        return self._scripts[min(number, len(self._scripts) - 1)]


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
        except self._closed_error:
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
