# SPDX-License-Identifier: Apache-2.0
"""Circuit: remembers that a model fails, so that it is not asked for a while."""

import threading
import time
from collections.abc import Callable


class Circuit:
    """Opens after so many failures in a row. Once it has been open for a while, one request at a time tries again.

    Requests that were under way when it opened change nothing when they end, however long they take.

    It may be used from several event loops and threads.

    Args:
        failures: How many failures in a row open it.
        seconds: How long it stays open.
        now: A clock that never goes back, in seconds.
    """

    def __init__(self, failures: int, seconds: float, now: Callable[[], float] = time.monotonic) -> None:
        self._limit = failures
        self._seconds = seconds
        self._now = now
        self._failed = 0
        self._until: float | None = None
        self._trying = False
        self._era = 0
        """Counts how often it opened, closed, or let somebody try: what began in an earlier one says nothing now."""
        self._lock = threading.Lock()

    def enter(self) -> int | None:
        """Whether a request may be made now: None, or what one of the calls below is given when it has ended."""
        with self._lock:
            if self._until is not None:
                if self._trying or self._now() < self._until:
                    return None
                self._trying = True
                self._era += 1
            return self._era

    def succeeded(self, entered: int) -> None:
        """The model answered."""
        with self._lock:
            if entered == self._era:
                if self._until is not None:
                    self._era += 1
                self._failed, self._until, self._trying = 0, None, False

    def failed(self, entered: int) -> None:
        """It failed in a way that says something about its provider."""
        with self._lock:
            if entered == self._era:
                self._failed += 1
                self._trying = False
                if self._failed >= self._limit:
                    self._until = self._now() + self._seconds
                    self._era += 1

    def left(self, entered: int) -> None:
        """The request ended in a way that says nothing: it was cancelled, or was wrong."""
        with self._lock:
            if entered == self._era:
                self._trying = False

    @property
    def opens_in(self) -> float:
        """In how many seconds the next request may be made; 0 where one may now."""
        with self._lock:
            return 0.0 if self._until is None else max(0.0, self._until - self._now())
