# SPDX-License-Identifier: Apache-2.0
"""What a model call costs."""

import importlib.util
from typing import Any

import pytest

from runwright.models import prices
from runwright.models.prices import priced
from runwright.types import GenerateContentResponseUsageMetadata as Usage


async def cost(model: str | None = "gemini-2.5-flash", provider: str = "google", **counts: Any) -> float | None:
    writes = counts.pop("cache_write_tokens", 0)
    usage = Usage(**counts)
    assert await priced(usage, provider=provider, model=model, cache_write_tokens=writes) is usage
    return usage.cost


async def test_each_kind_of_token_has_its_price() -> None:
    plain = await cost(prompt_token_count=1000, candidates_token_count=100)
    cached = await cost(prompt_token_count=1000, candidates_token_count=100, cached_content_token_count=900)
    thinking = await cost(prompt_token_count=1000, candidates_token_count=100, thoughts_token_count=100)
    searching = await cost(prompt_token_count=1000, candidates_token_count=100, tool_use_prompt_token_count=1000)
    heard = [{"modality": "AUDIO", "tokenCount": 1000}]
    audio = await cost(prompt_token_count=1000, candidates_token_count=100, prompt_tokens_details=heard)
    assert plain is not None and cached is not None and thinking is not None
    assert searching is not None and audio is not None
    assert 0 < cached < plain < min(thinking, searching, audio)


async def test_what_is_written_to_a_cache_costs_more() -> None:
    model = {"model": "claude-sonnet-4-5", "provider": "anthropic", "prompt_token_count": 1000}
    plain, written = await cost(**model), await cost(**model, cache_write_tokens=1000)
    assert plain is not None and written is not None
    assert plain < written


@pytest.mark.parametrize(
    "unknown",
    [
        {"model": None},
        {"model": "nobody-knows-me"},
        {"provider": "nobody-knows-me"},
        {"cached_content_token_count": 9, "prompt_token_count": 1},
    ],
)
async def test_what_has_no_price_has_no_cost(unknown: dict[str, Any]) -> None:
    assert await cost(**{"prompt_token_count": 1000, **unknown}) is None


async def test_without_genai_prices_there_is_no_cost(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(prices, "_prices", None)
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    assert await cost(prompt_token_count=1000) is None


async def test_no_usage_is_no_cost() -> None:
    assert await priced(None, provider="google", model="gemini-2.5-flash") is None
