# SPDX-License-Identifier: Apache-2.0
"""Admission: who may run now. One run a session, the others in line behind it; and so many sessions at once."""

import asyncio
import threading
from collections import deque
from collections.abc import Hashable

from runwright.config import WhenBusy
from runwright.errors import RunCancelledError, RunRolledBackError, SessionBusyError
from runwright.scope import CancelScope


class _Waiter:
    """Somebody in a line, perhaps in another event loop than the one who lets it in."""

    __slots__ = ("_future", "_loop", "eager", "let_in", "scope")

    def __init__(self, scope: CancelScope, *, eager: bool = False) -> None:
        self.scope = scope
        self.eager = eager
        self.let_in = False
        self._loop = asyncio.get_running_loop()
        self._future: asyncio.Future[None] = self._loop.create_future()

    async def wait(self) -> None:
        await self._future

    def admit(self) -> bool:
        """Wakes it. False where its loop is gone."""
        try:
            self._loop.call_soon_threadsafe(self._wake)
        except RuntimeError:
            return False
        self.let_in = True
        return True

    def _wake(self) -> None:
        if not self._future.done():
            self._future.set_result(None)


class _Line:
    """The run that a session is busy with, and those behind it."""

    __slots__ = ("holder", "waiting")

    def __init__(self, holder: CancelScope) -> None:
        self.holder = holder
        self.waiting: deque[_Waiter] = deque()


class Admission:
    """Lets runs in. It is shared by all event loops and threads that use a runner.

    Args:
        max_sessions: How many sessions run at the same time; no limit where it is 0.
    """

    def __init__(self, max_sessions: int = 0) -> None:
        self._lock = threading.Lock()
        self._lines: dict[Hashable, _Line] = {}
        self._limit = max_sessions
        self._running = 0
        self._waiting: deque[_Waiter] = deque()

    async def enter(self, session: Hashable, scope: CancelScope, when_busy: WhenBusy) -> None:
        """Returns when the session is this run's alone. Runs that wait are let in first come, first served.

        Raises:
            SessionBusyError: Another run has it, and the policy is ``reject``.
        """
        await self._enter_line(session, scope, when_busy)
        if self._limit:
            try:
                await self._take_place(scope)
            except BaseException:
                self._leave_line(session)
                raise

    def leave(self, session: Hashable) -> None:
        """Lets the next one in."""
        if self._limit:
            self._give_place()
        self._leave_line(session)

    async def _enter_line(self, session: Hashable, scope: CancelScope, when_busy: WhenBusy) -> None:
        with self._lock:
            line = self._lines.get(session)
            if line is None:
                self._lines[session] = _Line(scope)
                return
            if when_busy == "reject":
                raise SessionBusyError(
                    "The session is running another message: wait for it, cancel it, or let this one wait with "
                    "RunConfig(when_busy='enqueue')"
                )
            waiter = _Waiter(scope, eager=when_busy != "enqueue")
            place = sum(other.eager for other in line.waiting) if waiter.eager else len(line.waiting)
            line.waiting.insert(place, waiter)
            holder = line.holder
        if when_busy == "interrupt":
            holder.cancel(RunCancelledError("interrupted by a newer message"))
        elif when_busy == "rollback":
            holder.cancel(RunRolledBackError("taken back for a newer message"))
        try:
            await waiter.wait()
        except BaseException:
            with self._lock:
                if waiter in line.waiting:
                    line.waiting.remove(waiter)
            if waiter.let_in:
                self._leave_line(session)
            raise

    def _leave_line(self, session: Hashable) -> None:
        with self._lock:
            line = self._lines[session]
            while line.waiting:
                waiter = line.waiting.popleft()
                if waiter.admit():
                    line.holder = waiter.scope
                    return
            del self._lines[session]

    async def _take_place(self, scope: CancelScope) -> None:
        with self._lock:
            if self._running < self._limit:
                self._running += 1
                return
            waiter = _Waiter(scope)
            self._waiting.append(waiter)
        try:
            await waiter.wait()
        except BaseException:
            with self._lock:
                if waiter in self._waiting:
                    self._waiting.remove(waiter)
            if waiter.let_in:
                self._give_place()
            raise

    def _give_place(self) -> None:
        with self._lock:
            while self._waiting:
                if self._waiting.popleft().admit():
                    return
            self._running -= 1
