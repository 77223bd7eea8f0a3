# SPDX-License-Identifier: Apache-2.0
"""Portal: an event loop in a thread of its own, through which plain code runs async code."""

import asyncio
import concurrent.futures
import contextvars
import threading
from collections.abc import Coroutine
from typing import Any, TypeVar

T = TypeVar("T")


def in_event_loop() -> bool:
    """Whether the caller runs in an event loop, and so must not block."""
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return False
    return True


def runs_here(task: "asyncio.Task[Any]") -> bool:
    """Whether a task belongs to the caller's event loop."""
    return in_event_loop() and task.get_loop() is asyncio.get_running_loop()


class Portal:
    """An event loop in a daemon thread, started when first used.

    All that plain code runs through one portal shares its loop, so that what is bound to a loop (a connection pool,
    say) serves one run after the other.
    """

    def __init__(self, name: str) -> None:
        self._name = name
        self._lock = threading.Lock()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._thread: threading.Thread | None = None

    def call(self, work: Coroutine[Any, Any, T]) -> T:
        """Runs ``work`` in the loop and waits for it. What cancels the wait, such as Ctrl-C, cancels the work."""
        future = self.submit(work)
        try:
            return future.result()
        except BaseException:
            future.cancel()
            raise

    def submit(self, work: Coroutine[Any, Any, T]) -> "concurrent.futures.Future[T]":
        """Starts ``work`` in the loop, with the caller's context variables."""
        result: concurrent.futures.Future[T] = concurrent.futures.Future()
        context = contextvars.copy_context()
        with self._lock:  # so that stop() comes before or after, and the work is never handed to a loop that has ended
            self._started().call_soon_threadsafe(_start, work, result, context=context)
        return result

    def is_current(self) -> bool:
        """Whether the caller is in its thread."""
        return self._thread is threading.current_thread()

    def stop(self) -> None:
        """Ends the loop and its thread, once what runs in it is cancelled. It starts again when it is used again."""
        with self._lock:
            loop, thread = self._loop, self._thread
            self._loop = self._thread = None
            if loop is None or thread is None:
                return
            loop.call_soon_threadsafe(loop.stop)
        if thread is not threading.current_thread():
            thread.join()

    def _started(self) -> asyncio.AbstractEventLoop:
        if self._loop is None:
            self._loop = asyncio.new_event_loop()
            self._thread = threading.Thread(target=_serve, args=(self._loop,), name=self._name, daemon=True)
            self._thread.start()
        return self._loop


def _serve(loop: asyncio.AbstractEventLoop) -> None:
    asyncio.set_event_loop(loop)
    try:
        _run_until_stopped(loop)
        tasks = asyncio.all_tasks(loop)
        for task in tasks:
            task.cancel()
        if tasks:
            loop.run_until_complete(asyncio.gather(*tasks, return_exceptions=True))
        loop.run_until_complete(loop.shutdown_asyncgens())
    finally:
        asyncio.set_event_loop(None)
        loop.close()


def _run_until_stopped(loop: asyncio.AbstractEventLoop) -> None:
    while True:
        try:
            loop.run_forever()
        except (KeyboardInterrupt, SystemExit):
            continue  # a task raised it; whoever waits for that task gets it, and the others go on
        return


def _start(work: Coroutine[Any, Any, T], result: "concurrent.futures.Future[T]") -> None:
    task = asyncio.ensure_future(work)

    def finish(done: "asyncio.Task[T]") -> None:
        if done.cancelled():
            result.cancel()
        if result.cancelled():
            result.set_running_or_notify_cancel()
        elif (error := done.exception()) is not None:
            result.set_exception(error)
        else:
            result.set_result(done.result())

    def follow(future: "concurrent.futures.Future[T]") -> None:
        if future.cancelled():
            task.get_loop().call_soon_threadsafe(task.cancel)

    task.add_done_callback(finish)
    result.add_done_callback(follow)
