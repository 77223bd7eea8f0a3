# SPDX-License-Identifier: Apache-2.0
"""Where credentials are kept."""

from runwright.credential import AuthConfig, AuthCredential, BaseCredentialService
from runwright.credentials.in_memory import InMemoryCredentialService
from runwright.credentials.session_state import SessionStateCredentialService

__all__ = [
    "AuthConfig",
    "AuthCredential",
    "BaseCredentialService",
    "InMemoryCredentialService",
    "SessionStateCredentialService",
]
