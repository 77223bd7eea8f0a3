# SPDX-License-Identifier: Apache-2.0
"""Where credentials are kept. Each name is loaded when it is first used."""

import importlib
from typing import TYPE_CHECKING, Any

from runwright.credential import AuthConfig, AuthCredential, BaseCredentialService
from runwright.credentials.in_memory import InMemoryCredentialService
from runwright.credentials.session_state import SessionStateCredentialService

if TYPE_CHECKING:
    from runwright.credentials.encrypted import EncryptedCredentialService

__all__ = [
    "AuthConfig",
    "AuthCredential",
    "BaseCredentialService",
    "EncryptedCredentialService",
    "InMemoryCredentialService",
    "SessionStateCredentialService",
]

_HOMES = {"EncryptedCredentialService": "encrypted"}


def __getattr__(name: str) -> Any:
    home = _HOMES.get(name)
    if home is None:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = globals()[name] = getattr(importlib.import_module(f"{__name__}.{home}"), name)
    return value
