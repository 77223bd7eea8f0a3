# SPDX-License-Identifier: Apache-2.0
"""When a model is asked again, and when it is not."""

import email.utils
from collections.abc import AsyncGenerator
from types import SimpleNamespace
from typing import Any

import pytest

from runwright import LlmResponse, errors, types
from runwright.models import retry
from runwright.models.failures import failure, read_retry_after
from runwright.models.retry import NO_RETRY, RetryPolicy, retried

QUICK = RetryPolicy(attempts=3, initial_delay=0.001, max_delay=0.01)


class Asked:
    """A model that fails as it is told and then answers.

    Attributes:
        times: How often it was asked.
        closed: How many of its answers were closed.
    """

    def __init__(self, *failures: Exception, after: int = 0) -> None:
        self.failures = list(failures)
        self.after = after
        self.times = 0
        self.closed = 0

    async def __call__(self) -> AsyncGenerator[LlmResponse, None]:
        self.times += 1
        try:
            for number in range(self.after):
                yield LlmResponse(content=types.ModelContent(str(number)), partial=True)
            if self.failures:
                raise self.failures.pop(0)
            yield LlmResponse(content=types.ModelContent("ok"))
        finally:
            self.closed += 1


async def answers(asked: Asked, policy: RetryPolicy = QUICK) -> list[str]:
    return [response.content.parts[0].text async for response in retried(asked, policy)]  # type: ignore[union-attr]


PASSING = [
    errors.ModelRateLimitedError("busy"),
    errors.ModelRateLimitedError("busy", retry_after=0.0),
    errors.ModelOverloadedError("busy"),
    errors.ModelConnectionError("gone"),
]
LASTING = [
    errors.ModelAuthError("key"),
    errors.ModelBadRequestError("no"),
    errors.ContextTooLongError("long"),
    errors.ContentBlockedError("no"),
    errors.ModelResponseError("?"),
    errors.ModelTimeoutError("late"),
    ValueError("a bug"),
]


@pytest.mark.parametrize("error", PASSING, ids=lambda error: type(error).__name__)
async def test_what_passes_is_tried_again(error: Exception) -> None:
    asked = Asked(error, error)
    assert await answers(asked) == ["ok"]
    assert (asked.times, asked.closed) == (3, 3)


@pytest.mark.parametrize("error", LASTING, ids=lambda error: type(error).__name__)
async def test_what_lasts_is_not(error: Exception) -> None:
    asked = Asked(error)
    with pytest.raises(type(error)) as raised:
        await answers(asked)
    assert (asked.times, raised.value) == (1, error)


async def test_the_last_error_is_raised_after_so_many_attempts() -> None:
    failures = [errors.ModelOverloadedError(str(number)) for number in range(5)]
    asked = Asked(*failures)
    with pytest.raises(errors.ModelOverloadedError, match="2"):
        await answers(asked)
    assert asked.times == 3


async def test_one_attempt_is_no_retry() -> None:
    asked = Asked(errors.ModelOverloadedError("busy"))
    with pytest.raises(errors.ModelOverloadedError):
        await answers(asked, NO_RETRY)
    assert asked.times == 1


async def test_what_was_seen_is_not_said_twice() -> None:
    asked = Asked(errors.ModelOverloadedError("busy"), after=1)
    seen: list[Any] = []
    with pytest.raises(errors.ModelOverloadedError):
        async for response in retried(asked, QUICK):
            seen.append(response)
    assert (asked.times, len(seen)) == (1, 1)


async def test_a_wait_beyond_the_deadline_is_not_begun() -> None:
    asked = Asked(errors.ModelRateLimitedError("busy", retry_after=3600.0))
    with pytest.raises(errors.ModelRateLimitedError):
        await answers(asked, RetryPolicy(deadline=60))
    assert asked.times == 1


async def test_the_first_attempt_is_in_the_deadline(monkeypatch: pytest.MonkeyPatch) -> None:
    times = iter([0.0, 11.0])
    monkeypatch.setattr(retry, "time", SimpleNamespace(monotonic=lambda: next(times)))
    asked = Asked(errors.ModelOverloadedError("busy"))
    with pytest.raises(errors.ModelOverloadedError):
        await answers(asked, RetryPolicy(deadline=10, initial_delay=0.001))
    assert asked.times == 1


async def test_an_answer_that_is_left_is_closed() -> None:
    asked = Asked(after=5)
    responses = retried(asked, QUICK)
    await anext(responses)
    await responses.aclose()
    assert asked.closed == 1


@pytest.mark.parametrize("wrong", [{"attempts": 0}, {"initial_delay": -1}, {"max_delay": -1}, {"deadline": -1}])
def test_a_policy_out_of_range_is_an_error(wrong: dict[str, Any]) -> None:
    with pytest.raises(errors.ConfigurationError, match=next(iter(wrong))):
        RetryPolicy(**wrong)


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        (None, None),
        ({}, None),
        ({"retry-after": "3"}, 3.0),
        ({"Retry-After": "1.5"}, 1.5),
        ({"retry-after": "-3"}, 0.0),
        ({"retry-after": "soon"}, None),
        ({"retry-after": "nan"}, None),
        ({"retry-after-ms": "250", "retry-after": "1"}, 0.25),
        ({"retry-after": "Wed, 21 Oct 2015 07:28:00 GMT"}, 0.0),
    ],
)
def test_retry_after_is_read(headers: dict[str, str] | None, seconds: float | None) -> None:
    assert read_retry_after(headers) == seconds


def test_a_date_to_come_is_so_many_seconds_away(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("runwright.clock.now", lambda: 1_000_000.0)
    assert read_retry_after({"retry-after": email.utils.formatdate(1_000_030.0, usegmt=True)}) == 30.0


@pytest.mark.parametrize(
    ("status", "kind"),
    [
        (400, errors.ModelBadRequestError),
        (401, errors.ModelAuthError),
        (403, errors.ModelAuthError),
        (404, errors.ModelBadRequestError),
        (408, errors.ModelTimeoutError),
        (413, errors.ContextTooLongError),
        (429, errors.ModelRateLimitedError),
        (500, errors.ModelOverloadedError),
        (503, errors.ModelOverloadedError),
        (529, errors.ModelOverloadedError),
    ],
)
def test_each_status_has_its_error(status: int, kind: type[errors.ModelError]) -> None:
    error = failure("somebody", status, "why", kind="NAME")
    assert type(error) is kind
    assert (error.status, error.provider) == (status, "somebody")
    assert "somebody" in str(error) and "why" in str(error) and "NAME" in str(error)
