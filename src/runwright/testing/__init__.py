# SPDX-License-Identifier: Apache-2.0
"""For the tests of programs that use Runwright, and of stores that it can use.

The models need nothing beside Runwright. The contract suites are classes for pytest: subclass one, say how the store is
made, and its tests are run. They are loaded when first named, so that only they need pytest.
"""

import importlib
from typing import TYPE_CHECKING, Any

from runwright.testing.live import ScriptedLiveModel, hang_up, heard, spoken
from runwright.testing.models import FunctionModel, ScriptedModel
from runwright.testing.recording import RecordingMismatchError, RecordingModel
from runwright.testing.replies import Reply, call, delay, stream

if TYPE_CHECKING:
    from runwright.testing.artifact_contract import ArtifactServiceContract
    from runwright.testing.credential_contract import CredentialServiceContract
    from runwright.testing.durable_contract import DurableSessionContract
    from runwright.testing.memory_contract import MemoryServiceContract
    from runwright.testing.session_contract import SessionServiceContract

__all__ = [
    "ArtifactServiceContract",
    "CredentialServiceContract",
    "DurableSessionContract",
    "FunctionModel",
    "MemoryServiceContract",
    "RecordingMismatchError",
    "RecordingModel",
    "Reply",
    "ScriptedLiveModel",
    "ScriptedModel",
    "SessionServiceContract",
    "call",
    "delay",
    "hang_up",
    "heard",
    "spoken",
    "stream",
]

_SUITES = {
    "ArtifactServiceContract": "artifact_contract",
    "DurableSessionContract": "durable_contract",
    "CredentialServiceContract": "credential_contract",
    "MemoryServiceContract": "memory_contract",
    "SessionServiceContract": "session_contract",
}
_ASSERTING = (
    *_SUITES.values(),
    "durable_lease_contract",
    "durable_suite",
    "session_append_contract",
    "session_state_contract",
    "session_suite",
)


def __getattr__(name: str) -> Any:
    if name not in _SUITES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    import pytest  # noqa: PLC0415  # needed by the suites alone

    # Asked for before the modules are loaded, so that a failed assert shows its values.
    pytest.register_assert_rewrite(*(f"{__name__}.{module}" for module in _ASSERTING))
    suite = getattr(importlib.import_module(f"{__name__}.{_SUITES[name]}"), name)
    globals()[name] = suite
    return suite
