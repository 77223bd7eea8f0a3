# SPDX-License-Identifier: Apache-2.0
"""What is tested offline of what happens on the wire: loopback servers that providers' own SDKs talk to.

:class:`WireServer` replays recorded exchanges and compares what is sent; :class:`FaultServer` gives the answers of
``faults``, which go wrong as providers' answers do.
"""

from runwright.testing.wire import faults
from runwright.testing.wire.compare import Comparison
from runwright.testing.wire.exchange import Exchange, WireAnswer, WireRequest, json_answer, sse_answer, sse_events
from runwright.testing.wire.readers import read_httprr, read_recording, read_vcr
from runwright.testing.wire.server import FaultServer, LoopbackServer, WireMismatchError, WireServer

__all__ = [
    "Comparison",
    "Exchange",
    "FaultServer",
    "LoopbackServer",
    "WireAnswer",
    "WireMismatchError",
    "WireRequest",
    "WireServer",
    "faults",
    "json_answer",
    "read_httprr",
    "read_recording",
    "read_vcr",
    "sse_answer",
    "sse_events",
]
