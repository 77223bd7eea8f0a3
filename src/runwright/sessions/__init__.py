# SPDX-License-Identifier: Apache-2.0
"""Where sessions are kept."""

from runwright.session import BaseSessionService, GetSessionConfig, ListSessionsResponse, Session
from runwright.sessions.in_memory import InMemorySessionService

__all__ = ["BaseSessionService", "GetSessionConfig", "InMemorySessionService", "ListSessionsResponse", "Session"]
