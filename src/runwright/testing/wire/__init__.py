# SPDX-License-Identifier: Apache-2.0
"""What is tested offline of what happens on the wire: loopback servers that providers' own SDKs talk to.

:class:`WireServer` replays recorded exchanges and compares what is sent; :class:`FaultServer` gives the answers of
``faults``, which go wrong as providers' answers do. :class:`WireSocketServer` and :class:`FaultSocketServer`, with
``socket_faults``, are the same for WebSockets, over which live models speak.
"""

from runwright.testing.wire import faults, socket_faults
from runwright.testing.wire.compare import Comparison, spelled_alike
from runwright.testing.wire.exchange import Exchange, WireAnswer, WireRequest, json_answer, sse_answer, sse_events
from runwright.testing.wire.messages import SocketScript, WireMessage
from runwright.testing.wire.readers import read_httprr, read_messages, read_recording, read_vcr
from runwright.testing.wire.server import FaultServer, LoopbackServer, WireMismatchError, WireServer
from runwright.testing.wire.socket_replay import WireSocketServer
from runwright.testing.wire.sockets import FaultSocketServer, LoopbackSocketServer

__all__ = [
    "Comparison",
    "Exchange",
    "FaultServer",
    "FaultSocketServer",
    "LoopbackServer",
    "LoopbackSocketServer",
    "SocketScript",
    "WireAnswer",
    "WireMessage",
    "WireMismatchError",
    "WireRequest",
    "WireServer",
    "WireSocketServer",
    "faults",
    "json_answer",
    "read_httprr",
    "read_messages",
    "read_recording",
    "read_vcr",
    "socket_faults",
    "spelled_alike",
    "sse_answer",
    "sse_events",
]
