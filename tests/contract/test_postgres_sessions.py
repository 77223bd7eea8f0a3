# SPDX-License-Identifier: Apache-2.0
"""Sessions in PostgreSQL: the suites of every durable store."""

import pytest

from runwright.sessions.postgres import PostgresSessionService
from runwright.testing import DurableSessionContract, SessionServiceContract


class InPostgres:
    @pytest.fixture(autouse=True)
    def empty_tables(self, postgres_tables: str) -> None:
        self.url = postgres_tables

    async def create_service(self) -> PostgresSessionService:
        return PostgresSessionService(self.url)

    async def reopen(self, service: PostgresSessionService) -> PostgresSessionService:
        await service.close()
        return PostgresSessionService(self.url)

    async def another(self, service: PostgresSessionService) -> PostgresSessionService:
        return PostgresSessionService(self.url)


class TestPostgresSessions(InPostgres, SessionServiceContract):
    pass


class TestPostgresRuns(InPostgres, DurableSessionContract):
    pass
