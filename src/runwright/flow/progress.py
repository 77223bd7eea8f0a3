# SPDX-License-Identifier: Apache-2.0
"""Progress: what tools report while their calls run, on its way to the caller.

A report is a partial event, as a chunk of a model's answer is: hooks and callers see it, nothing of it is stored. Its
content is a function response with the call's id that says ``will_continue``. Source: ``FunctionResponse`` of the
Gemini API.
"""

import asyncio
import threading
from collections import deque
from collections.abc import AsyncGenerator, Coroutine
from typing import Any, NamedTuple

from runwright.event import Event, NodeInfo
from runwright.flow.result import Told, told
from runwright.invocation import InvocationContext
from runwright.tool import BaseTool
from runwright.types import Content, FunctionCall, FunctionResponse, Part

MAX_REPORTS = 64
"""How many reports of one call wait for a slow caller, at the most: new ones take the place of the oldest."""


class _Delivery(NamedTuple):
    """A report whose tool waits until the caller has it, which sets ``taken``."""

    report: Told
    taken: asyncio.Event


class Progress:
    """What the calls of one answer report, from when they begin until all have ended.

    Args:
        ctx: Whose calls they are.

    Attributes:
        is_over: Whether nobody takes what is reported any more.
    """

    def __init__(self, ctx: InvocationContext) -> None:
        self._ctx = ctx
        self._loop = asyncio.get_running_loop()
        self._arrived = asyncio.Event()
        self._lock = threading.Lock()
        self.is_over = self._is_woken = False
        self._reporters: list[Reporter] = []

    def reporter(self, call: FunctionCall, tool: BaseTool) -> "Reporter":
        """What one of the calls reports through."""
        reporter = Reporter(self, call, tool)
        self._reporters.append(reporter)
        return reporter

    async def events(self, calls: Coroutine[Any, Any, None]) -> AsyncGenerator[Event, None]:
        """Makes the calls, in a task, and gives what they report. Closed early, it cancels them.

        Raises:
            Exception: What making them raised.
        """
        task = asyncio.create_task(calls)
        task.add_done_callback(lambda _: self._arrived.set())
        is_done = False
        try:
            while not is_done:
                # It waits in each round, so that a tool that never stops reporting does not keep the loop for itself.
                await self._arrived.wait()
                self._arrived.clear()
                is_done = task.done()
                with self._lock:
                    self._is_woken = False
                for reporter in self._reporters:
                    for _ in range(len(reporter.reports)):
                        yield self._event(reporter.call, reporter.reports.popleft())
                    for _ in range(len(reporter.deliveries)):
                        delivery = reporter.deliveries.popleft()
                        yield self._event(reporter.call, delivery.report)
                        delivery.taken.set()
        finally:
            with self._lock:
                self.is_over = True
            try:
                await _ended(task)
            finally:
                for reporter in self._reporters:
                    for delivery in reporter.deliveries:
                        delivery.taken.set()  # whoever waits for it in a task that the tool left behind
                self._reporters.clear()  # Contexts that tools keep lead to them, and nothing is to lead back.

    def now(self) -> float:
        """The time by the clock of the run's event loop. From any thread."""
        return self._loop.time()

    def wake(self) -> None:
        """Says that there is something to give. From any thread."""
        with self._lock:
            if not (self._is_woken or self.is_over):
                self._is_woken = True
                self._loop.call_soon_threadsafe(self._arrived.set)

    def _event(self, call: FunctionCall, report: Told) -> Event:
        ctx = self._ctx
        response = FunctionResponse(
            id=call.id, name=call.name, response=report.response, parts=report.files, will_continue=True
        )
        return Event(
            partial=True,
            invocation_id=ctx.invocation_id,
            author=ctx.agent.name,
            node_info=NodeInfo(path=ctx.node_path),
            branch=ctx.branch,
            content=Content(role="user", parts=[Part(function_response=response)]),
        )


class Reporter:
    """What one call reports through.

    Attributes:
        limit: The time that the tool has, once it runs. What the caller takes over a report is not the tool's.
    """

    def __init__(self, progress: Progress, call: FunctionCall, tool: BaseTool) -> None:
        self.call = call
        self.limit: asyncio.Timeout | None = None
        self.reports: deque[Told] = deque(maxlen=MAX_REPORTS)
        self.deliveries: deque[_Delivery] = deque()
        self._progress = progress
        self._tool = tool

    def report(self, value: Any) -> None:
        """Has a value passed on when the caller comes to it. From any thread; it never waits."""
        self.reports.append(told(self._tool, value, "reported"))
        self._progress.wake()

    async def deliver(self, value: Any) -> None:
        """Has a value passed on and returns when the caller goes on after it. In the run's event loop."""
        delivery = _Delivery(told(self._tool, value, "yielded"), asyncio.Event())
        if self._progress.is_over:
            return
        self.deliveries.append(delivery)
        self._progress.wake()
        limit, left = self.limit, self.seconds_left
        if limit is None or left is None or limit.expired():
            await delivery.taken.wait()
            return
        limit.reschedule(None)
        try:
            await delivery.taken.wait()
        finally:
            limit.reschedule(asyncio.get_running_loop().time() + left)

    @property
    def seconds_left(self) -> float | None:
        """How long the tool has; None without a limit."""
        end = None if self.limit is None else self.limit.when()
        return None if end is None else max(end - self._progress.now(), 0.0)


async def _ended(task: asyncio.Task[None]) -> None:
    """Cancels a task that still runs; returns when it has ended, whatever happens to the one who waits.

    Raises:
        Exception: What it raised.
    """
    if task.done():
        return task.result()
    cancelled: asyncio.CancelledError | None = None
    while not task.done():
        task.cancel()
        try:
            await asyncio.wait([task])
        except asyncio.CancelledError as again:
            cancelled = again
    if not task.cancelled() and (error := task.exception()) is not None:
        raise error
    if cancelled is not None:
        raise cancelled
