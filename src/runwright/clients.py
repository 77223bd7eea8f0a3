# SPDX-License-Identifier: Apache-2.0
"""One client of a service for each event loop, whose connections belong to the loop that opened them."""

import asyncio
import threading
from collections.abc import Awaitable, Callable
from typing import Generic, TypeVar
from weakref import WeakKeyDictionary

_Client = TypeVar("_Client")

_SECONDS_TO_CLOSE = 5.0
"""That another event loop is given to close its client: it may be stuck, or end just now."""


class LoopClients(Generic[_Client]):
    """Makes a client for each event loop that asks for one, and closes them. Threads may share it.

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
                # Connections hold their loop, so that neither would ever be let go: a program that calls asyncio.run
                # again and again leaves one client each time.
                for gone in [one for one in self._clients if one.is_closed()]:
                    del self._clients[gone]
                client = self._clients[loop] = self._make()
            return client

    async def close(self) -> None:
        """Closes the clients, each in its own loop where that one runs. The next ``get()`` makes a new one.

        The client of a loop that is closed went with it: its connections cannot be used any more. One that does not
        close keeps none of the others from it; its error is raised in the end.
        """
        with self._lock:
            clients = list(self._clients.items())
            self._clients.clear()
        here = asyncio.get_running_loop()
        closing = [self._closed(client) if loop is here else self._closed_in(loop, client) for loop, client in clients]
        for outcome in await asyncio.gather(*closing, return_exceptions=True):
            if outcome is not None:
                raise outcome

    async def _closed(self, client: _Client) -> None:
        await self._close(client)

    async def _closed_in(self, loop: asyncio.AbstractEventLoop, client: _Client) -> None:
        if not loop.is_running():
            return
        closing = self._closed(client)
        try:
            closed = asyncio.wrap_future(asyncio.run_coroutine_threadsafe(closing, loop))
        except RuntimeError:  # it ended just now
            closing.close()
            return
        await asyncio.wait([closed], timeout=_SECONDS_TO_CLOSE)
        if closed.done():
            closed.result()
        else:
            closed.cancel()
