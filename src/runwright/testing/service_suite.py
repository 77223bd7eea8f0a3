# SPDX-License-Identifier: Apache-2.0
"""What all suites have in common: how a service is made, opened again and closed."""

from collections.abc import AsyncIterator
from typing import Generic, Protocol, TypeVar

import pytest


class _Closing(Protocol):
    async def close(self) -> None: ...


Service = TypeVar("Service", bound=_Closing)


class ServiceSuite(Generic[Service]):
    """Each test gets a new, empty service, which is closed after it."""

    _open: Service

    async def create_service(self) -> Service:
        """A new, empty service."""
        raise NotImplementedError(f"{type(self).__name__}.create_service() is to return a new, empty service")

    async def reopen(self, service: Service) -> Service:
        """The service as it is found after a restart.

        A store whose data outlives it closes ``service`` and returns another on the same data. The default is for
        those that forget: it returns ``service``.
        """
        return service

    @pytest.fixture
    async def service(self) -> AsyncIterator[Service]:
        self._open = await self.create_service()
        yield self._open
        await self._open.close()

    async def restarted(self, service: Service) -> Service:
        """For the tests: :meth:`reopen`, and what it gives is what is closed in the end."""
        self._open = await self.reopen(service)
        return self._open
