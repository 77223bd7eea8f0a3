# SPDX-License-Identifier: Apache-2.0
"""What a model call costs."""

import importlib.util
import time
from types import SimpleNamespace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from runwright.models import prices
from runwright.models.prices import priced
from runwright.types import GenerateContentResponseUsageMetadata as Usage

genai_prices = pytest.importorskip("genai_prices", reason="the extra models is not installed")

MODELS = [
    ("google", "gemini-2.5-flash"),
    ("google", "gemini-2.5-pro"),  # from 200,000 tokens on it costs more
    ("google", "gemini-3-flash-preview"),
    ("openai", "gpt-5-mini"),
    ("openai", "gpt-5.4"),
    ("anthropic", "claude-sonnet-4-5"),
    ("perplexity", "sonar"),  # each call costs something too
]


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


LENGTHS = st.sampled_from([0, 1, 5_000, 150_000, 250_000, 900_000]) | st.integers(0, 1_000_000)


@given(model=st.sampled_from(MODELS), read=LENGTHS, shares=st.tuples(st.floats(0, 1), st.floats(0, 1)), said=LENGTHS)
async def test_a_cost_is_what_genai_prices_says(
    model: tuple[str, str], read: int, shares: tuple[float, float], said: int
) -> None:
    cached = int(read * shares[0])
    written = int((read - cached) * shares[1])
    counts = {"prompt_token_count": read, "cached_content_token_count": cached, "candidates_token_count": said}
    used = genai_prices.Usage(
        input_tokens=read, cache_read_tokens=cached, cache_write_tokens=written, output_tokens=said
    )
    expected = float(genai_prices.calc_price(used, model[1], provider_id=model[0]).total_price)
    assert await cost(model[1], model[0], **counts, cache_write_tokens=written) == pytest.approx(expected)


async def test_prices_that_change_are_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    before = await cost(prompt_token_count=1000)
    assert before

    def doubled(usage: Any, model: str, **options: Any) -> Any:
        price = genai_prices.calc_price(usage, model, **options)
        return SimpleNamespace(total_price=2 * price.total_price, model_price=price.model_price)

    monkeypatch.setattr(prices, "_prices", SimpleNamespace(Usage=genai_prices.Usage, calc_price=doubled))
    monkeypatch.setattr(prices, "_known", dict(prices._known))
    now = time.monotonic()
    monkeypatch.setattr(prices, "time", SimpleNamespace(monotonic=lambda: now + 61))
    assert await cost(prompt_token_count=1000) == pytest.approx(2 * before)


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
