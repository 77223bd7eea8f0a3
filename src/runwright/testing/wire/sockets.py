# SPDX-License-Identifier: Apache-2.0
"""A loopback WebSocket server, and one that goes wrong as a test says."""

import importlib
import ssl
import threading
from collections.abc import Sequence
from http import HTTPStatus
from types import TracebackType
from typing import Any, Self

from runwright.errors import ConfigurationError, MissingDependencyError
from runwright.testing.wire.certificate import client_context, server_context
from runwright.testing.wire.exchange import WireAnswer, WireRequest
from runwright.testing.wire.messages import SocketScript, WireMessage

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
        closed_error: What ``websockets`` raises where a connection has ended.

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
        self.closed_error: type[Exception] = Exception

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
            self.closed_error = importlib.import_module("websockets.exceptions").ConnectionClosed
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
        except self.closed_error:
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
