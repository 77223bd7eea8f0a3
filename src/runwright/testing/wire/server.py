# SPDX-License-Identifier: Apache-2.0
"""Loopback HTTP servers: one replays recorded exchanges and compares, one answers as a test says, faults among it."""

import contextlib
import socket
import threading
from collections.abc import Iterable, Sequence
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from types import TracebackType
from typing import Any, Self, cast

from runwright.errors import ConfigurationError
from runwright.testing.wire.compare import Comparison
from runwright.testing.wire.exchange import Exchange, WireAnswer, WireRequest, json_answer
from runwright.testing.wire.readers import read_recording

_STOP_SECONDS = 5.0


class WireMismatchError(AssertionError):
    """What was sent is not what was recorded. The message shows the differences."""


class LoopbackServer:
    """An HTTP server on the loopback interface, in threads of its own: ``with LoopbackServer() as server``.

    Attributes:
        requests: The requests that came, in order.
    """

    def __init__(self) -> None:
        self.requests: list[WireRequest] = []
        self._lock = threading.Lock()
        self._server: _Server | None = None
        self._thread: threading.Thread | None = None

    @property
    def url(self) -> str:
        """Where it listens, without a slash at the end.

        Raises:
            ConfigurationError: It does not run.
        """
        if self._server is None:
            raise ConfigurationError("The server runs inside of its with block only")
        return f"http://127.0.0.1:{self._server.server_address[1]}"

    def answer(self, request: WireRequest) -> WireAnswer:
        """What to answer; called in the server's threads, one request at a time."""
        raise NotImplementedError

    def take(self, request: WireRequest) -> WireAnswer:
        """Keeps a request and gives the answer to it."""
        with self._lock:
            self.requests.append(request)
            return self.answer(request)

    def start(self) -> None:
        """Starts to listen, on a free port."""
        self._server = _Server(self)
        self._thread = threading.Thread(
            target=self._server.serve_forever, kwargs={"poll_interval": 0.01}, name="runwright-wire", daemon=True
        )
        self._thread.start()

    def stop(self) -> None:
        """Stops listening and breaks what is open."""
        if self._server is not None:
            self._server.shutdown()
            self._server.leave()
            self._server.server_close()
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


class WireServer(LoopbackServer):
    """Replays recorded exchanges, and compares what is sent with what was recorded.

    A request gets the answer of the first exchange not used yet whose request is the same; so agents that run side by
    side may ask in any order. Where there is none, it gets that of the next exchange, and the difference is kept:
    leaving the ``with`` block raises it, unless another error is on its way. An exchange that was not asked for is a
    difference too.

    Args:
        recording: A file (``.httprr``, ``.yaml``) or exchanges.
        comparison: How requests are compared.

    Attributes:
        differences: What was not as recorded, as readable diffs.

    Raises:
        WireMismatchError: On leaving: something was not as recorded.
    """

    def __init__(self, recording: str | Path | Iterable[Exchange], comparison: Comparison | None = None) -> None:
        super().__init__()
        self._left = read_recording(recording) if isinstance(recording, str | Path) else list(recording)
        self._comparison = comparison or Comparison()
        self.differences: list[str] = []

    def answer(self, request: WireRequest) -> WireAnswer:
        number = len(self.requests)
        if not self._left:
            self.differences.append(f"Request {number} was not recorded: {request.method} {request.target}")
            return json_answer({"error": {"code": 400, "message": self.differences[-1]}}, status=400)
        shown = ""
        for place, exchange in enumerate(self._left):
            difference = self._comparison.difference(exchange.request, request)
            if not difference:
                return self._left.pop(place).answer
            shown = shown or difference
        self.differences.append(f"Request {number} is not what was recorded:\n{shown}")
        return self._left.pop(0).answer

    def check(self) -> None:
        """Raises what differs so far, and which exchanges were not asked for."""
        missing = [f"Not asked for: {left.request.method} {left.request.target}" for left in self._left]
        if found := [*self.differences, *missing]:
            raise WireMismatchError("\n\n".join(found))

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()
        if error is None:
            self.check()
        elif self.differences:
            error.add_note("\n\n".join(self.differences))


class FaultServer(LoopbackServer):
    """Answers each request with the next answer that it was given; the last one again and again.

    See ``faults`` for the answers that go wrong.
    """

    def __init__(self, answers: Sequence[WireAnswer]) -> None:
        super().__init__()
        if not answers:
            raise ConfigurationError("A FaultServer needs an answer at least")
        self._answers = list(answers)

    def answer(self, request: WireRequest) -> WireAnswer:
        return self._answers[min(len(self.requests), len(self._answers)) - 1]


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    block_on_close = True

    def __init__(self, owner: LoopbackServer) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.owner = owner
        self.gone = threading.Event()
        self._open: set[socket.socket] = set()
        self._open_lock = threading.Lock()

    def process_request(self, request: Any, client_address: Any) -> None:
        with self._open_lock:
            self._open.add(request)
        super().process_request(request, client_address)

    def shutdown_request(self, request: Any) -> None:
        with self._open_lock:
            self._open.discard(request)
        super().shutdown_request(request)

    def leave(self) -> None:
        """Breaks the connections that are open, so that no thread waits for a client."""
        self.gone.set()
        with self._open_lock:
            for connection in self._open:
                with contextlib.suppress(OSError):
                    connection.shutdown(socket.SHUT_RDWR)

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A client that goes is nobody's fault here."""


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True  # else each body waits 40 ms until the client has acknowledged the headers

    def _handle(self) -> None:
        server = cast("_Server", self.server)
        answer = server.owner.take(
            WireRequest(
                method=self.command,
                target=self.path,
                headers={name.lower(): value for name, value in self.headers.items()},
                body=self._read_body(),
            )
        )
        self.send_response(answer.status)
        for name, value in answer.headers.items():
            self.send_header(name, value)
        streamed = answer.streamed
        if streamed:
            self.send_header("transfer-encoding", "chunked")
        else:
            # One byte that never comes, where the answer is to be cut off.
            missing = 0 if answer.ending == "whole" else 1
            self.send_header("content-length", str(len(answer.body) + missing))
        self.end_headers()
        for chunk in answer.chunks:
            if answer.pause and server.gone.wait(answer.pause):
                break
            if chunk:
                self._write(b"%x\r\n%b\r\n" % (len(chunk), chunk) if streamed else chunk)
        if answer.ending == "silent":
            server.gone.wait()
        if answer.ending != "whole" or server.gone.is_set():
            self.close_connection = True
        elif streamed:
            self._write(b"0\r\n\r\n")

    do_GET = do_POST = do_PUT = do_PATCH = do_DELETE = _handle

    def _read_body(self) -> bytes:
        if self.headers.get("transfer-encoding", "").lower() != "chunked":
            return self.rfile.read(int(self.headers.get("content-length") or 0))
        pieces: list[bytes] = []
        while size := int(self.rfile.readline().split(b";")[0] or b"0", 16):
            pieces.append(self.rfile.read(size))
            self.rfile.readline()
        self.rfile.readline()
        return b"".join(pieces)

    def _write(self, data: bytes) -> None:
        self.wfile.write(data)
        self.wfile.flush()

    def log_message(self, format: str, *args: Any) -> None:
        """Nothing is printed."""
