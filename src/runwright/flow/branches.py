# SPDX-License-Identifier: Apache-2.0
"""Branches: several streams of events that run at the same time and come out as one."""

import asyncio
from collections.abc import AsyncGenerator, Callable
from contextlib import aclosing
from typing import Generic, NamedTuple, TypeVar

from runwright.event import Event

Key = TypeVar("Key")


class _Handed(NamedTuple):
    """An event on its way from a branch to the run, which sets ``taken`` when it is stored."""

    event: Event
    taken: asyncio.Event


class Branches(Generic[Key]):
    """Streams of events, each run in a task of its own, given out one event at a time as they come.

    A branch goes on only when its event was taken, so a slow caller slows all branches. A branch that fails cancels the
    others, and its error is raised.

    Args:
        ended: Called with a branch's key when it is done; it may start more.
    """

    def __init__(self, ended: Callable[[Key], None] | None = None) -> None:
        self._arrived: asyncio.Queue[_Handed | asyncio.Task[None] | None] = asyncio.Queue()
        self._running: dict[asyncio.Task[None], Key] = {}
        self._ended = ended
        self._is_over = False

    def start(self, key: Key, source: AsyncGenerator[Event, None], *, note: str) -> None:
        """Starts a branch.

        Args:
            note: Where it was raised, for an error's traceback.
        """
        task = asyncio.create_task(self._run(source, note))
        self._running[task] = key
        # Told when the task is done, so that what looks at it sees whether it failed.
        task.add_done_callback(self._arrived.put_nowait)

    async def hand(self, event: Event) -> None:
        """Gives out an event for one of the branches; returns when it was taken."""
        item = _Handed(event, asyncio.Event())
        self._arrived.put_nowait(item)
        await item.taken.wait()

    async def events(self) -> AsyncGenerator[Event, None]:
        """The events of all branches, until none runs. Closed early, it cancels those that do."""
        try:
            while self._running and not (self._is_over and self._arrived.empty()):
                arrived = await self._arrived.get()
                if isinstance(arrived, _Handed):
                    yield arrived.event
                    arrived.taken.set()
                    continue
                if arrived is None:
                    continue
                key = self._running.pop(arrived)
                if not arrived.cancelled():
                    arrived.result()
                if self._ended is not None:
                    self._ended(key)
        finally:
            await self.close()

    def end(self, _: object = None) -> None:
        """Ends the stream: what was handed is given out, and then what still runs is cancelled."""
        if not self._is_over:
            self._is_over = True
            self._arrived.put_nowait(None)

    async def close(self) -> None:
        """Cancels what runs, and returns when it has ended."""
        running = list(self._running)
        for task in running:
            if not task.cancelling():
                task.cancel()
        await asyncio.gather(*running, return_exceptions=True)
        self._running.clear()

    async def _run(self, source: AsyncGenerator[Event, None], note: str) -> None:
        try:
            async with aclosing(source) as events:
                async for event in events:
                    await self.hand(event)
        except Exception as error:
            error.add_note(note)
            raise
