# SPDX-License-Identifier: Apache-2.0
"""Sessions in SQLite: the service, what it reads, what its writer's thread writes, and the statements of both."""

from runwright.sessions.sqlite.service import SqliteSessionService

__all__ = ["SqliteSessionService"]
