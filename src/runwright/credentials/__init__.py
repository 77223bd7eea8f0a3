# SPDX-License-Identifier: Apache-2.0
"""Where credentials are kept. Each name is loaded when it is first used."""

from typing import TYPE_CHECKING

from runwright.credential import AuthConfig, AuthCredential, BaseCredentialService
from runwright.credentials.in_memory import InMemoryCredentialService
from runwright.credentials.session_state import SessionStateCredentialService
from runwright.lazy import lazy_names

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

__getattr__ = lazy_names(__name__, _HOMES)
