# SPDX-License-Identifier: Apache-2.0
"""Run: the handle of one run, iterated, awaited, followed by several, cancelled; EventStream: its events alone."""

import asyncio
import contextlib
import threading
from collections import deque
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Coroutine, Generator, Iterator
from contextlib import aclosing
from typing import Any, Literal

from runwright.budget import Spending
from runwright.errors import CallerLeftError, DeadlineExceededError, InputValidationError, RunCancelledError
from runwright.event import Event
from runwright.portal import Portal
from runwright.scope import CancelScope
from runwright.types import GenerateContentResponseUsageMetadata, text_of

Status = Literal["waiting", "running", "completed", "failed", "cancelled"]


class EventStream(AsyncGenerator[Event, None]):
    """The events of a run in its caller's own task: an async generator. Awaited, it gives the list of the whole events.

    Args:
        events: What makes them, as they are asked for.
    """

    __slots__ = ("_events",)

    def __init__(self, events: AsyncGenerator[Event, None]) -> None:
        self._events = events

    def __aiter__(self) -> AsyncGenerator[Event, None]:
        return self._events  # itself, so that iterating costs nothing more

    def __await__(self) -> Generator[None, None, list[Event]]:
        return self._collected().__await__()

    def __anext__(self) -> Coroutine[Any, Any, Event]:
        return self._events.__anext__()

    def asend(self, value: None) -> Coroutine[Any, Any, Event]:
        return self._events.asend(value)

    def athrow(self, *error: Any) -> Coroutine[Any, Any, Event]:
        return self._events.athrow(*error)

    def aclose(self) -> Coroutine[Any, Any, None]:
        return self._events.aclose()

    async def _collected(self) -> list[Event]:
        async with aclosing(self._events):
            return [event async for event in self._events if not event.partial]


class _Follower:
    """One who reads a run's events: what it has not read yet, and how it is woken."""

    __slots__ = ("unread", "wake")

    def __init__(self, wake: Callable[[], None], *, reads: bool) -> None:
        self.unread: deque[Event] = deque(maxlen=None if reads else 0)
        self.wake = wake


class Run:
    """One run, in a task of its own.

    It starts when it is first iterated or awaited, unless it was started already. Iterate it in plain code (it then
    runs in the runner's thread) or in ``async`` code; await it for the list of its events. Each that iterates sees the
    whole events from the first on, and the partial chunks from when it came. The run is never further ahead of the
    slowest than the runner's ``event_buffer_size``.

    A run that failed raises its error from each of these, after its events.
    """

    def __init__(
        self,
        open_events: Callable[[CancelScope], AsyncGenerator[Event, None]],
        *,
        portal: Portal,
        buffer_size: int,
        outlives_caller: bool = False,
        budget: Spending | None = None,
    ) -> None:
        self._open_events = open_events
        self._portal = portal
        self._buffer_size = buffer_size
        self._outlives_caller = outlives_caller
        self._budget = budget
        self._scope = CancelScope(on_stop=self._make_room)
        self._lock = threading.Lock()
        self._followers: list[_Follower] = []
        self._events: list[Event] = []
        self._error: BaseException | None = None
        self._started = False
        self._done = threading.Event()
        self._task: asyncio.Task[None] | None = None
        self._loop: asyncio.AbstractEventLoop | None = None
        self._room: asyncio.Event | None = None

    # --- what it is

    @property
    def status(self) -> Status:
        if not self._done.is_set():
            return "running" if self._started else "waiting"
        if self._error is None:
            return "completed"
        return "cancelled" if isinstance(self._error, RunCancelledError | asyncio.CancelledError) else "failed"

    @property
    def events(self) -> list[Event]:
        """Its events so far, partial ones aside."""
        return list(self._events)

    @property
    def invocation_id(self) -> str | None:
        """Its id, once its first event is there."""
        return self._events[0].invocation_id if self._events else None

    @property
    def error(self) -> BaseException | None:
        """What it failed with."""
        return self._error

    @property
    def text(self) -> str:
        """What was answered: the text of all final responses. In plain code it waits for the end of the run."""
        if not self._done.is_set() and not self._runs_in_this_loop():
            self.wait()
        return "".join(text_of(event.content) for event in self._events if event.is_final_response())

    @property
    def usage(self) -> GenerateContentResponseUsageMetadata:
        """The tokens used so far, and their cost, all model calls of its events together."""
        total = GenerateContentResponseUsageMetadata(
            prompt_token_count=0, candidates_token_count=0, total_token_count=0
        )
        for event in self._events:
            if (used := event.usage_metadata) is not None:
                for name in used.__struct_fields__:
                    if isinstance(count := getattr(used, name), int | float):
                        setattr(total, name, (getattr(total, name) or 0) + count)
        return total

    @property
    def cost(self) -> float | None:
        """The same in US dollars; None where no price is known."""
        return self.usage.cost

    @property
    def budget(self) -> Spending | None:
        """What it has used of its budget, runs of its tools among it, and what is left; None without a budget."""
        return self._budget

    def __str__(self) -> str:
        return self.text

    def __repr__(self) -> str:
        return f"<Run {self.invocation_id or ''} {self.status}, {len(self._events)} events>"

    # --- how it is driven

    def cancel(self, reason: str = "cancelled") -> bool:
        """Stops it, its model stream and its tools. False where it was stopped before. From any thread.

        The session is left sound. Whoever iterates or awaits the run gets :class:`RunCancelledError`.
        """
        return not self._done.is_set() and self._scope.cancel(RunCancelledError(reason))

    def wait(self, timeout: float | None = None) -> list[Event]:
        """Waits in plain code for the end, and gives the events.

        Raises:
            DeadlineExceededError: It is not done after ``timeout`` seconds; it goes on.
            InputValidationError: It runs in the loop of this very thread, and could not go on.
        """
        self._check_can_block()
        follower = self._follow(_unheard, reads=False)
        try:
            self.start_in_thread()
            ended = self._done.wait(timeout)
        except BaseException:  # Ctrl-C
            self._leave(follower)
            raise
        self._unfollow(follower)
        if not ended:
            raise DeadlineExceededError(f"The run is not done after {timeout:g} seconds")
        return self._result()

    def start(self) -> None:
        """Starts it in the running event loop."""
        if self._claim():
            self._launch()

    def start_in_thread(self) -> None:
        """Starts it in the runner's own thread."""
        if self._claim():

            async def launch() -> None:
                self._launch()

            self._portal.call(launch())

    def __await__(self) -> Generator[None, None, list[Event]]:
        return self._wait_async().__await__()

    async def _wait_async(self) -> list[Event]:
        self.start()
        try:
            await self.ended()
        except asyncio.CancelledError:
            if not self._followers:
                self._stop_alone()
            raise
        return self._result()

    async def __aiter__(self) -> AsyncIterator[Event]:
        woken = asyncio.Event()
        follower = self._follow(_waking(woken))  # before it starts, so that no chunk is missed
        try:
            self.start()
            while True:
                while follower.unread:
                    yield self._take(follower)
                if self._done.is_set() and not follower.unread:
                    break
                await woken.wait()
                woken.clear()
        finally:
            self._leave(follower)
        self._result()

    def __iter__(self) -> Iterator[Event]:
        self._check_can_block()
        woken = threading.Event()
        follower = self._follow(woken.set)  # before it starts, so that no chunk is missed and it cannot run ahead
        try:
            self.start_in_thread()
            while True:
                while follower.unread:
                    yield self._take(follower)
                if self._done.is_set() and not follower.unread:
                    break
                woken.wait()
                woken.clear()
        finally:
            if self._leave(follower):
                self._done.wait()
        self._result()

    async def ended(self) -> None:
        """Returns when it has ended, well or not; at once where it was never started."""
        ended = asyncio.Event()
        follower = self._follow(_waking(ended), reads=False)
        try:
            while self._started and not self._done.is_set():
                await ended.wait()
                ended.clear()
        finally:
            self._unfollow(follower)

    # --- the task

    def _claim(self) -> bool:
        with self._lock:
            first, self._started = not self._started, True
        return first

    def _launch(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._room = asyncio.Event()
        self._task = asyncio.create_task(self._drive(), name=f"run {id(self):x}")

    async def _drive(self) -> None:
        try:
            async with aclosing(self._open_events(self._scope)) as events:
                async for event in events:
                    await self._publish(event)
        except BaseException as error:
            self._error = error
            # An exit is for those who wait for the run; the runner's own thread goes on.
            exits = not isinstance(error, Exception) and not self._portal.is_current()
            if exits or isinstance(error, asyncio.CancelledError):
                raise
        finally:
            if self._budget is not None:
                self._budget.stop()
            self._done.set()
            with self._lock:
                followers = list(self._followers)
            for follower in followers:
                follower.wake()

    async def _publish(self, event: Event) -> None:
        with self._lock:
            if not event.partial:
                self._events.append(event)
            followers = list(self._followers)
            for follower in followers:
                follower.unread.append(event)
        for follower in followers:
            follower.wake()
        assert self._room is not None
        while self._scope.error is None and self._is_full():
            self._room.clear()
            await self._room.wait()

    def _is_full(self) -> bool:
        with self._lock:
            return any(len(one.unread) >= self._buffer_size for one in self._followers)

    # --- those who follow

    def _follow(self, wake: Callable[[], None], *, reads: bool = True) -> _Follower:
        follower = _Follower(wake, reads=reads)
        with self._lock:
            follower.unread.extend(self._events)
            self._followers.append(follower)
        return follower

    def _unfollow(self, follower: _Follower) -> None:
        with self._lock:
            self._followers.remove(follower)
        self._make_room()

    def _take(self, follower: _Follower) -> Event:
        event = follower.unread.popleft()
        if len(follower.unread) == self._buffer_size - 1:
            self._make_room()
        return event

    def _make_room(self) -> None:
        loop, room = self._loop, self._room
        if loop is not None and room is not None:
            with contextlib.suppress(RuntimeError):  # its loop is closed, and the run is over
                loop.call_soon_threadsafe(room.set)

    def _leave(self, follower: _Follower) -> bool:
        """One who drives the run goes. True where the run is stopped because of it."""
        with self._lock:
            # Stopped first, and then let go: what nobody follows runs as fast as it can.
            stopped = self._followers == [follower] and self._stop_alone()
            self._followers.remove(follower)
        self._make_room()
        return stopped

    def _stop_alone(self) -> bool:
        """Stops what nobody is left to drive. True where that stopped it."""
        return not self._outlives_caller and not self._done.is_set() and self._scope.cancel(CallerLeftError())

    def _check_can_block(self) -> None:
        if not self._done.is_set() and (self._runs_in_this_loop() or self._portal.is_current()):
            raise InputValidationError(
                "The run needs the event loop of this thread, which plain waiting would block: use 'await run' or "
                "'async for event in run'"
            )

    def _runs_in_this_loop(self) -> bool:
        try:
            return self._loop is asyncio.get_running_loop()
        except RuntimeError:
            return False

    def _result(self) -> list[Event]:
        if self._error is not None:
            raise self._error
        return self.events


def _waking(event: asyncio.Event) -> Callable[[], None]:
    """Wakes one who waits for ``event``, from any thread."""
    loop = asyncio.get_running_loop()

    def wake() -> None:
        with contextlib.suppress(RuntimeError):  # its loop is closed, and nobody waits any more
            loop.call_soon_threadsafe(event.set)

    return wake


def _unheard() -> None:
    """Wakes nobody: for one who waits in another way, and only must be known to be there."""
