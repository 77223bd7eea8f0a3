# SPDX-License-Identifier: Apache-2.0
"""CancelScope: what stops one run from outside, at any step, from any thread; Cancellation: how its tools know."""

import asyncio
import threading
from collections.abc import AsyncGenerator, Callable, Coroutine
from types import TracebackType
from typing import Any, Self, TypeVar

from runwright.errors import DeadlineExceededError, RunwrightError

T = TypeVar("T")


class CancelScope:
    """Stops the steps of one run.

    A step is a ``with`` block around an ``await``; the scope is entered anew for each one, so that no block is open
    while the run has yielded to its caller. Once :meth:`cancel` was called, or the deadline has passed, the running
    step is cancelled and raises the given error, and so does every later one. A cancellation that comes from
    elsewhere, such as the task's own, goes through untouched.

    Args:
        on_stop: Called when the run is stopped, in the thread that does it.
    """

    __slots__ = ("_cancelling", "_delivered", "_lock", "_loop", "_on_stop", "_task", "_timer", "error")

    def __init__(self, on_stop: Callable[[], None] | None = None) -> None:
        self.error: RunwrightError | None = None
        self._on_stop = on_stop
        self._lock = threading.Lock()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._task: asyncio.Task[object] | None = None
        self._timer: asyncio.TimerHandle | None = None
        self._delivered = False
        self._cancelling = 0

    def start(self, timeout: float | None = None) -> None:
        """Binds the scope to the running loop and starts the clock of its deadline, in seconds from now."""
        with self._lock:
            self._loop = asyncio.get_running_loop()
        if timeout is not None:
            self._timer = self._loop.call_later(timeout, self._expire, timeout)

    @property
    def seconds_left(self) -> float | None:
        """How long it is to the deadline; None where there is none. From any thread."""
        timer, loop = self._timer, self._loop
        return None if timer is None or loop is None else max(timer.when() - loop.time(), 0.0)

    def close(self) -> None:
        """Stops the clock."""
        if self._timer is not None:
            self._timer.cancel()

    def cancel(self, error: RunwrightError) -> bool:
        """Stops the run with ``error``. False where it was stopped before. May be called from any thread."""
        with self._lock:
            if self.error is not None:
                return False
            self.error = error
            loop = self._loop
        if loop is not None and not loop.is_closed():
            loop.call_soon_threadsafe(self._deliver)
        if self._on_stop is not None:
            self._on_stop()
        return True

    def _expire(self, timeout: float) -> None:
        self.cancel(DeadlineExceededError(f"The run took longer than its {timeout:g} seconds"))

    def _deliver(self) -> None:
        if self._task is not None and not self._delivered:
            self._delivered = True
            self._task.cancel()

    def __enter__(self) -> Self:
        if self.error is not None:
            raise self.error
        self._task = task = asyncio.current_task()
        if task is not None:
            self._cancelling = task.cancelling()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        task, self._task = self._task, None
        if not self._delivered or task is None:
            return
        self._delivered = False
        ours = task.uncancel() <= self._cancelling
        if ours and kind is asyncio.CancelledError and self.error is not None:
            raise self.error from error


async def next_within(
    stream: AsyncGenerator[T, None], limit: asyncio.Timeout, late: Callable[[], Exception]
) -> T | None:
    """The next value of a stream, None after the last one; where the limit passes before, ``late()`` is raised."""
    try:
        async with limit:
            return await anext(stream, None)
    except TimeoutError as error:
        if not limit.expired():
            raise
        raise late() from error


class Cancellation:
    """Whether one tool call is cancelled, for code in any thread.

    Args:
        scope: What stops the call's run.
    """

    __slots__ = ("_happened", "_scope")

    def __init__(self, scope: CancelScope) -> None:
        self._scope = scope
        self._happened = threading.Event()

    @property
    def is_cancelled(self) -> bool:
        """Whether nobody waits for the call any more: the run is being stopped, or the call took too long."""
        return self._happened.is_set() or self._scope.error is not None

    def cancel(self) -> None:
        """Says that it is. The engine does."""
        self._happened.set()

    def wait(self, timeout: float | None = None) -> bool:
        """Blocks the thread until the call is cancelled, or ``timeout`` seconds have passed; gives whether it is.

        Not for coroutines: those are cancelled themselves.
        """
        return self.is_cancelled or self._happened.wait(timeout) or self.is_cancelled


async def shielded(work: Coroutine[Any, Any, None], seconds: float | None) -> None:
    """Ends ``work`` though the task is being cancelled, within its deadline; None where it has one of its own.

    Raises:
        TimeoutError: It took longer.
    """

    async def bounded() -> None:
        async with asyncio.timeout(seconds):
            await work

    task = asyncio.create_task(bounded())
    cancelled: asyncio.CancelledError | None = None
    while not task.done():
        try:
            await asyncio.shield(task)
        except asyncio.CancelledError as error:
            if task.cancelled():
                break
            cancelled = error
    task.result()
    if cancelled is not None:
        raise cancelled
