# SPDX-License-Identifier: Apache-2.0
"""Settings of a request that go to every provider alike, and those that one does not have, which it says once."""

import logging
from typing import Any

import pytest

from runwright import LlmRequest, types
from runwright.models.gemini import Gemini
from runwright.models.left_out import LeftOut
from runwright.models.openai import OpenAI
from runwright.models.retry import NO_RETRY, RetryPolicy
from runwright.testing.wire import FaultServer, faults, json_answer
from tests.models import claude
from tests.models.openai_answers import spoken

PROVIDERS = ["claude", "gemini", "responses", "chat"]
NOWHERE = "http://127.0.0.1:9"


def model_of(provider: str, url: str, **settings: Any) -> Any:
    given: dict[str, Any] = {"api_key": "key", "retry": NO_RETRY, **settings}
    if provider == "claude":
        return claude.model_for(url, **given)
    if provider == "gemini":
        return Gemini(base_url=url, **given)
    return OpenAI(**{"model": "gpt-5", "base_url": f"{url}/v1", "api": provider, **given})


def good(provider: str) -> Any:
    if provider == "claude":
        return claude.answer(claude.text("Hi."))
    if provider == "gemini":
        content = {"role": "model", "parts": [{"text": "Hi."}]}
        return json_answer({"candidates": [{"content": content, "finishReason": "STOP"}]})
    api: Any = provider
    return spoken(api, "Hi.")


async def ask(model: Any, config: types.GenerateContentConfig) -> None:
    request = LlmRequest(contents=[types.UserContent("Hi")], config=config)
    try:
        assert [one async for one in model.generate_content_async(request)]
    finally:
        await model.close()


@pytest.mark.parametrize("provider", PROVIDERS)
async def test_a_request_says_where_it_goes(provider: str) -> None:
    with FaultServer([good(provider)]) as server:
        base = server.url if provider in ("claude", "gemini") else f"{server.url}/v1"
        options = types.HttpOptions(base_url=base, headers={"X-Team": "blue"}, timeout=5_000)
        await ask(model_of(provider, NOWHERE), types.GenerateContentConfig(http_options=options))
        assert {name.lower(): value for name, value in server.requests[0].headers.items()}["x-team"] == "blue"


@pytest.mark.parametrize("provider", PROVIDERS)
async def test_a_request_says_how_often_it_is_tried(provider: str) -> None:
    busy = faults.failed(503, {"error": {"message": "busy", "code": 503}})
    with FaultServer([busy, busy, good(provider)]) as server:
        retry = types.HttpRetryOptions(attempts=3, initial_delay=0.001, max_delay=0.002)
        config = types.GenerateContentConfig(http_options=types.HttpOptions(retry_options=retry))
        await ask(model_of(provider, server.url), config)
        assert len(server.requests) == 3


def test_what_is_not_said_of_trying_stays_as_it_was() -> None:
    policy = RetryPolicy(attempts=7, deadline=3.0)
    assert policy.with_options(None) is policy
    assert policy.with_options(types.HttpRetryOptions(attempts=0)) == RetryPolicy(attempts=1, deadline=3.0)


LACKING = {
    "claude": {"seed": 1, "presence_penalty": 0.5, "candidate_count": 2},
    "gemini": {"labels": {"a": "b"}, "audio_timestamp": True},
    "responses": {"stop_sequences": ["."], "seed": 1, "top_k": 3},
    "chat": {"top_k": 3, "cached_content": "caches/1"},
}


@pytest.mark.parametrize("provider", PROVIDERS)
async def test_what_a_provider_does_not_have_is_told_once(provider: str, monkeypatch: pytest.MonkeyPatch) -> None:
    told: set[tuple[str, str]] = set()

    def tell_of(left_out: LeftOut, name: str) -> None:
        told.add((left_out._provider, name))
        left_out._told.discard(name)  # another test may have told of it
        original(left_out, name)

    original = LeftOut.tell_of
    monkeypatch.setattr(LeftOut, "tell_of", tell_of)
    retry = types.HttpRetryOptions(jitter=2.0)
    config = types.GenerateContentConfig(
        **LACKING[provider], temperature=0.5, http_options=types.HttpOptions(retry_options=retry)
    )
    with FaultServer([good(provider)]) as server:
        await ask(model_of(provider, server.url), config)
    named = {name for _, name in told}
    assert named == {*LACKING[provider], "http_options.retry_options.jitter"}


def test_each_setting_is_told_of_once(caplog: pytest.LogCaptureFixture) -> None:
    left_out = LeftOut("Somebody", ["temperature"])
    plain = types.GenerateContentConfig(temperature=0.5, candidate_count=1, response_modalities=["TEXT"])
    with caplog.at_level(logging.WARNING):
        left_out.tell(plain)
        assert not caplog.messages
        for _ in range(2):
            left_out.tell(types.GenerateContentConfig(seed=1, temperature=0.5))
    assert caplog.messages == ["Somebody has no seed: it is left out of the request"]


async def test_a_temperature_that_a_model_refuses_is_told_of(caplog: pytest.LogCaptureFixture) -> None:
    with FaultServer([good("claude")]) as server, caplog.at_level(logging.WARNING):
        model = model_of("claude", server.url, model="claude-opus-4-7-of-this-test")
        await ask(model, types.GenerateContentConfig(temperature=0.0))
        assert "temperature" not in server.requests[0].json()
    assert ["temperature for claude-opus-4-7-of-this-test" in message for message in caplog.messages] == [True]
