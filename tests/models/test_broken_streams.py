# SPDX-License-Identifier: Apache-2.0
"""Streams that break off in a chain of models: what a user has seen is never said twice, and never by two models."""

from typing import Any

import msgspec
import pytest

from runwright import Agent, InMemoryRunner, RunConfig, StreamingMode, types
from runwright.errors import ModelResponseError
from runwright.models.fallback import FallbackModel
from runwright.models.retry import RetryPolicy
from runwright.testing.wire import FaultServer, faults, sse_answer
from tests.models import claude
from tests.models.openai_answers import spoken
from tests.models.test_settings import model_of

PROVIDERS = ["claude", "gemini", "responses", "chat"]
WORDS = ["One ", "two ", "three."]
QUICK = RetryPolicy(attempts=2, initial_delay=0.001, max_delay=0.002)


def streamed(provider: str) -> Any:
    if provider == "claude":
        return claude.streamed(claude.text("".join(WORDS)))
    if provider == "gemini":
        chunks = [{"candidates": [{"content": {"role": "model", "parts": [{"text": word}]}}]} for word in WORDS]
        chunks.append({"candidates": [{"finishReason": "STOP"}]})
        return sse_answer([b"data: " + msgspec.json.encode(chunk) + b"\r\n\r\n" for chunk in chunks])
    api: Any = provider
    return spoken(api, *WORDS, stream=True)


COUNTS = {provider: len(list(streamed(provider).chunks)) for provider in PROVIDERS}


@pytest.mark.parametrize(
    ("provider", "after"), [(provider, at) for provider in PROVIDERS for at in range(COUNTS[provider])]
)
@pytest.mark.parametrize("breaks", [faults.cut_off, faults.ended_early], ids=["cut", "ended"])
async def test_what_was_seen_is_said_once_and_by_one_model(provider: str, after: int, breaks: Any) -> None:
    other = "chat" if provider == "claude" else "claude"
    broken = breaks(streamed(provider), after=after)
    with FaultServer([broken] * 2) as first, FaultServer([streamed(other)]) as second:
        chain = FallbackModel(
            [model_of(provider, first.url, retry=QUICK), model_of(other, second.url)], failure_threshold=1
        )
        runner = InMemoryRunner(Agent(name="agent", model=chain), app_name="app")
        config = RunConfig(streaming_mode=StreamingMode.SSE)
        seen: list[Any] = []
        failed: Exception | None = None
        try:
            async for event in runner.run_async(user_id="u", session_id="s", new_message="Hi", run_config=config):
                seen.append(event)
        except ModelResponseError as error:
            failed = error
        await runner.close()
        await chain.close()
    chunks = "".join(types.text_of(event.content) for event in seen if event.partial)
    whole = [types.text_of(event.content) for event in seen if not event.partial and event.content is not None]
    answered = bool(second.requests)
    if failed is not None:
        assert "".join(WORDS).startswith(chunks) and chunks and not whole and not answered
        assert seen[-1].error_code == "ModelResponseError"
    else:
        # All was said before it broke, or nothing was, and the other one said all.
        assert whole == ["".join(WORDS)] and chunks == "".join(WORDS)
        assert len(second.requests) <= 1
