# SPDX-License-Identifier: Apache-2.0
"""One client of an SDK for each event loop, whose connections belong to the loop that opened them."""

import asyncio
import threading
from collections.abc import Awaitable, Callable
from typing import Generic, TypeVar
from weakref import WeakKeyDictionary

_Client = TypeVar("_Client")


class LoopClients(Generic[_Client]):
    """Makes a client for each event loop that asks for one, and closes them.

    Args:
        make: Makes a client; called in the loop that it is for.
        close: Closes one; it is awaited.
    """

    def __init__(self, make: Callable[[], _Client], close: Callable[[_Client], Awaitable[object]]) -> None:
        self._make = make
        self._close = close
        self._clients: WeakKeyDictionary[asyncio.AbstractEventLoop, _Client] = WeakKeyDictionary()
        self._lock = threading.Lock()

    def get(self) -> _Client:
        """The running loop's client."""
        loop = asyncio.get_running_loop()
        with self._lock:
            client = self._clients.get(loop)
            if client is None:
                client = self._clients[loop] = self._make()
            return client

    async def close(self) -> None:
        """Closes the clients, each in its own loop where that one runs. The next ``get()`` makes a new one.

        The client of a loop that is closed went with it: its connections cannot be used any more.
        """
        with self._lock:
            clients = list(self._clients.items())
            self._clients.clear()
        here = asyncio.get_running_loop()
        for loop, client in clients:
            if loop is here:
                await self._close(client)
            elif loop.is_running():
                await asyncio.wrap_future(asyncio.run_coroutine_threadsafe(self._closing(client), loop))

    async def _closing(self, client: _Client) -> None:
        await self._close(client)
