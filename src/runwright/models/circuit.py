# SPDX-License-Identifier: Apache-2.0
"""Circuit: remembers that a model fails, so that it is not asked for a while."""

import threading
import time
from collections.abc import Callable


class Circuit:
    """Opens after so many failures in a row. Once it has been open for a while, one request at a time tries again.

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
        self._lock = threading.Lock()

    def enter(self) -> bool:
        """Whether a request may be made now. Each one that may is followed by exactly one of the calls below."""
        with self._lock:
            if self._until is None:
                return True
            if self._trying or self._now() < self._until:
                return False
            self._trying = True
            return True

    def succeeded(self) -> None:
        """The model answered."""
        with self._lock:
            self._failed, self._until, self._trying = 0, None, False

    def failed(self) -> None:
        """It failed in a way that says something about its provider."""
        with self._lock:
            self._failed += 1
            self._trying = False
            if self._failed >= self._limit:
                self._until = self._now() + self._seconds

    def left(self) -> None:
        """The request ended in a way that says nothing: it was cancelled, or was wrong."""
        with self._lock:
            self._trying = False

    @property
    def opens_in(self) -> float:
        """In how many seconds the next request may be made; 0 where one may now."""
        with self._lock:
            return 0.0 if self._until is None else max(0.0, self._until - self._now())
