# SPDX-License-Identifier: Apache-2.0
"""Kills the process that it runs in, at the very point that is asked for; or counts the points that there are."""

import asyncio
import os
import signal
import sqlite3
from collections.abc import Callable
from typing import Any, NamedTuple


class Point(NamedTuple):
    """Where a process is killed.

    Attributes:
        kind: ``step``: before a step of the event loop, as every task takes from one ``await`` to the next.
            ``statement``: before a statement of SQLite is executed, ``executed``: after it. ``write``: before a write
            to a file, ``half``: after half of its bytes were written.
        number: Which one of them, counted from 1; 0 for none.
    """

    kind: str
    number: int


NOWHERE = Point("step", 0)

_WRITES = ("append_event", "start_run", "record_call", "end_run")


class Deadly:
    """Counts the points that this process comes by, and kills it at one of them. Make it before any store.

    Attributes:
        steps: How many steps the event loop has made.
        statements: How many statements SQLite was given.
        writes: How many writes to files there were.
        stores: For each call that wrote to the store, the steps between which it was under way.
    """

    def __init__(self, point: Point) -> None:
        self.steps = self.statements = self.writes = 0
        self.stores: list[tuple[int, int]] = []
        self._point = point
        self._count_steps()
        self._count_statements()
        if point.kind in ("write", "half"):
            self._count_writes()

    def watch(self, service: Any) -> None:
        """Notes when the store is told to write something."""
        for name in _WRITES:
            setattr(service, name, self._noted(getattr(service, name)))

    def counts(self) -> dict[str, Any]:
        """What was counted, as JSON."""
        return {"steps": self.steps, "statements": self.statements, "writes": self.writes, "stores": self.stores}

    def _pass(self, kind: str, number: int) -> None:
        if (kind, number) == self._point:
            os.kill(os.getpid(), signal.SIGKILL)

    def _noted(self, write: Callable[..., Any]) -> Callable[..., Any]:
        async def noted(*args: Any, **options: Any) -> Any:
            start = self.steps
            try:
                return await write(*args, **options)
            finally:
                self.stores.append((start, self.steps))

        return noted

    def _count_steps(self) -> None:
        run = asyncio.events.Handle._run  # the one place through which each step of a loop goes

        def counted(handle: Any) -> None:
            # The loop's own wake-up by another thread comes at any time, or not at all.
            if getattr(handle._callback, "__name__", "") != "_read_from_self":
                self.steps += 1
                self._pass("step", self.steps)
            run(handle)

        asyncio.events.Handle._run = counted  # type: ignore[method-assign]

    def _count_statements(self) -> None:
        deadly, connect = self, sqlite3.connect

        class Connection(sqlite3.Connection):
            def execute(self, *args: Any) -> sqlite3.Cursor:
                deadly.statements += 1
                number = deadly.statements
                deadly._pass("statement", number)
                cursor = super().execute(*args)
                deadly._pass("executed", number)
                return cursor

        def connected(*args: Any, **options: Any) -> sqlite3.Connection:
            return connect(*args, factory=Connection, **options)

        sqlite3.connect = connected

    def _count_writes(self) -> None:
        write = os.write

        def counted(file: int, data: Any) -> int:
            self.writes += 1
            self._pass("write", self.writes)
            if ("half", self.writes) == self._point:
                write(file, bytes(data)[: len(data) // 2])
                self._pass("half", self.writes)
            return write(file, data)

        os.write = counted
