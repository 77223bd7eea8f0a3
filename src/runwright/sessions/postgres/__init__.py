# SPDX-License-Identifier: Apache-2.0
"""Sessions in PostgreSQL: the service, what it reads and writes, and the statements of both."""

from runwright.sessions.postgres.service import PostgresSessionService

__all__ = ["PostgresSessionService"]
