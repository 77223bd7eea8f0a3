# SPDX-License-Identifier: Apache-2.0
"""RetryConfig: how often a node is tried; and the attempts themselves, each within its time."""

import asyncio
import random
from collections.abc import AsyncGenerator, Callable
from contextlib import aclosing

from runwright.errors import ConfigurationError, NodeTimeoutError
from runwright.event import Event
from runwright.record import Record


class RetryConfig(Record, kw_only=True):
    """How a node that failed is tried again.

    Attributes:
        max_attempts: How often it is run at the most, the first time included.
        initial_delay: Seconds before the second attempt.
        max_delay: Seconds between two attempts, at the most.
        backoff_factor: How many times longer each delay is than the one before.
        jitter: How far a delay may be off at random, as a part of it: 1 for anything from none to twice as long.
        exceptions: The kinds of failure to try again after, as classes or their names, subclasses included; all of them
            where it is None.
    """

    max_attempts: int = 5
    initial_delay: float = 1.0
    max_delay: float = 60.0
    backoff_factor: float = 2.0
    jitter: float = 1.0
    exceptions: list[str | type[BaseException]] | None = None

    def __post_init__(self) -> None:
        for kind in self.exceptions or ():
            if not isinstance(kind, str) and not (isinstance(kind, type) and issubclass(kind, BaseException)):
                raise ConfigurationError(f"RetryConfig.exceptions holds exception classes or their names, not {kind!r}")
        if self.initial_delay < 0 or self.max_delay < 0 or self.jitter < 0:
            raise ConfigurationError("RetryConfig: initial_delay, max_delay and jitter are 0 or more")

    def applies(self, error: Exception, attempt: int) -> bool:
        """Whether there is to be another attempt after this one (the first is 1) failed."""
        if attempt >= self.max_attempts:
            return False
        kinds = {kind.__name__ for kind in type(error).__mro__}
        return self.exceptions is None or any(
            (kind if isinstance(kind, str) else kind.__name__) in kinds for kind in self.exceptions
        )

    def delay(self, attempt: int) -> float:
        """Seconds to wait after this attempt."""
        # Capped before it is shaken, so that many delays at the cap still differ from each other.
        cap = self.max_delay / (1 + self.jitter)
        delay = min(self.initial_delay * self.backoff_factor ** (attempt - 1), cap)
        return delay * random.uniform(max(0.0, 1 - self.jitter), 1 + self.jitter)


async def attempts(
    run: Callable[[int], AsyncGenerator[Event, None]],
    failed: Callable[[Exception], Event],
    *,
    name: str,
    retry: RetryConfig | None,
    timeout: float | None,
) -> AsyncGenerator[Event, None]:
    """The events of a node's attempts, until one comes to its end.

    Args:
        run: Starts an attempt, given its number.
        failed: Makes the event that says why there is another one.

    Raises:
        NodeTimeoutError: The last attempt took longer than ``timeout`` seconds.
        Exception: What the last attempt raised.
    """
    attempt = 1
    while True:
        try:
            async with aclosing(_within(timeout, run(attempt), name)) as events:
                async for event in events:
                    yield event
            return
        except Exception as error:
            if retry is None or not retry.applies(error, attempt):
                raise
            told = failed(error)
        yield told
        await asyncio.sleep(retry.delay(attempt))
        attempt += 1


async def _within(seconds: float | None, source: AsyncGenerator[Event, None], name: str) -> AsyncGenerator[Event, None]:
    """The events of a node that may work so long; the time that its events take to be stored does not count."""
    if seconds is None:
        async with aclosing(source):
            async for event in source:
                yield event
        return
    left = seconds
    clock = asyncio.get_running_loop().time
    async with aclosing(source):
        while True:
            began = clock()
            limit = asyncio.timeout(left)
            try:
                async with limit:
                    event = await anext(source, None)
            except TimeoutError as error:
                if not limit.expired():
                    raise
                raise NodeTimeoutError(
                    f"Node {name!r} took longer than its {seconds:g} seconds: give it a longer timeout="
                ) from error
            if event is None:
                return
            left -= clock() - began
            yield event
