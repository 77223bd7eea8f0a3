# SPDX-License-Identifier: Apache-2.0
"""RetryPolicy and retried(): a model that is asked again where that may help."""

import importlib
import time
from collections.abc import AsyncGenerator, Callable
from contextlib import aclosing
from dataclasses import dataclass, replace
from typing import Any, Self

from runwright.errors import (
    ConfigurationError,
    MissingDependencyError,
    ModelBusyError,
    ModelConnectionError,
)
from runwright.event import LlmResponse
from runwright.types import HttpRetryOptions


@dataclass(frozen=True, kw_only=True)
class RetryPolicy:
    """How often a model is asked again that is busy, limits its rate, or cannot be reached.

    Attributes:
        attempts: How often it is asked at most, the first time included; 1 is without a retry.
        initial_delay: Seconds before the second time; each later wait is twice as long, give or take some chance.
        max_delay: The longest of these waits, in seconds.
        deadline: Seconds after which nothing is tried again. A wait that would end later, as one that a ``Retry-After``
            asks for, is not begun: the error is raised at once.

    Raises:
        ConfigurationError: One of them is out of its range.
    """

    attempts: int = 4
    initial_delay: float = 1.0
    max_delay: float = 30.0
    deadline: float = 120.0

    def __post_init__(self) -> None:
        if self.attempts < 1:
            raise ConfigurationError(f"RetryPolicy.attempts is 1 or more, not {self.attempts}")
        for name in ("initial_delay", "max_delay", "deadline"):
            if getattr(self, name) < 0:
                raise ConfigurationError(f"RetryPolicy.{name} is in seconds, 0 or more, not {getattr(self, name)}")

    def with_options(self, options: HttpRetryOptions | None) -> Self:
        """The policy with what is said otherwise in ADK's words."""
        if options is None:
            return self
        attempts = None if options.attempts is None else max(1, options.attempts)
        named = {"attempts": attempts, "initial_delay": options.initial_delay, "max_delay": options.max_delay}
        return replace(self, **{name: value for name, value in named.items() if value is not None})


NO_RETRY = RetryPolicy(attempts=1)

_PASSING = (ModelBusyError, ModelConnectionError)

Ask = Callable[[], AsyncGenerator[LlmResponse, None]]
"""Asks the model anew."""


async def retried(ask: Ask, policy: RetryPolicy) -> AsyncGenerator[LlmResponse, None]:
    """What a model answers, asked again while its first response does not come and that may help.

    Rate limits, overload and broken connections are tried again, after as long as the provider says (``retry_after``)
    or else after a wait that doubles. Once there was a response, nothing is tried again: what the caller has seen is
    not said twice.

    Raises:
        ModelError: The last attempt's error.
        MissingDependencyError: Tenacity is not installed.
    """
    if policy.attempts == 1:
        answering, first = await _begin(ask)
    else:
        answering, first = await _begin_with_retries(ask, policy)
    async with aclosing(answering):
        if first is not None:
            yield first
            async for response in answering:
                yield response


async def _begin(ask: Ask) -> tuple[AsyncGenerator[LlmResponse, None], LlmResponse | None]:
    """An answer under way, and its first response."""
    answering = ask()
    try:
        return answering, await anext(answering, None)
    except BaseException:
        await answering.aclose()
        raise


async def _begin_with_retries(
    ask: Ask, policy: RetryPolicy
) -> tuple[AsyncGenerator[LlmResponse, None], LlmResponse | None]:
    """The same, asked again where that may help.

    Most requests succeed at once, and what it takes to ask again is made for the others.
    """
    tenacity = _tenacity()
    started = time.monotonic()
    try:
        return await _begin(ask)
    except _PASSING as error:
        failures: list[Exception] = [error]

    async def attempt() -> tuple[AsyncGenerator[LlmResponse, None], LlmResponse | None]:
        if failures:
            raise failures.pop()  # how the first attempt ended, which counts
        return await _begin(ask)

    return await _retrying(tenacity, policy, time.monotonic() - started)(attempt)


def _tenacity() -> Any:
    try:
        return importlib.import_module("tenacity")
    except ImportError as error:
        raise MissingDependencyError(
            "Models are asked again with tenacity, which is not installed: pip install 'runwright[models]', or give "
            "the model retry=RetryPolicy(attempts=1)"
        ) from error


def _retrying(tenacity: Any, policy: RetryPolicy, spent: float) -> Any:
    doubling = tenacity.wait_exponential_jitter(
        initial=policy.initial_delay, max=policy.max_delay, jitter=policy.initial_delay / 2
    )

    def wait(state: Any) -> float:
        asked = getattr(state.outcome.exception(), "retry_after", None)
        return doubling(state) if asked is None else asked

    return tenacity.AsyncRetrying(
        retry=tenacity.retry_if_exception_type(_PASSING),
        stop=tenacity.stop_after_attempt(policy.attempts) | tenacity.stop_before_delay(policy.deadline - spent),
        wait=wait,
        reraise=True,
    )
