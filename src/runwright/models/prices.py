# SPDX-License-Identifier: Apache-2.0
"""What a model call costs, by the prices of genai-prices where it is installed."""

import asyncio
import importlib
import importlib.util
import math
import time
from decimal import Decimal
from typing import Any, NamedTuple

from runwright.types import GenerateContentResponseUsageMetadata as Usage

_prices: Any = None
"""genai-prices as it was loaded; False where it is not installed."""


async def priced(usage: Usage | None, *, provider: str, model: str | None, cache_write_tokens: int = 0) -> Usage | None:
    """Fills in what a call cost, in US dollars, where its price is known.

    Prices are those in the installed genai-prices; without it, and for models that it does not know, ``cost`` stays
    None.

    Args:
        usage: What the call used; changed in place. The prompt's count includes cached tokens, those read and written.
        provider: The provider as genai-prices calls it: ``"google"``, ``"openai"``, ``"anthropic"``, ...
        model: The model that answered.
        cache_write_tokens: How many of the prompt's tokens were written to a cache at a price of their own.
    """
    if usage is None or model is None:
        return usage
    if _prices is None:
        await asyncio.to_thread(_load)
    if _prices:
        usage.cost = _cost(usage, provider, model, cache_write_tokens)
    return usage


def _load() -> None:
    """Loads the prices, which takes a moment."""
    global _prices
    if importlib.util.find_spec("genai_prices") is None:
        _prices = False
        return
    _prices = importlib.import_module("genai_prices")
    _cost(Usage(prompt_token_count=1), "google", "gemini-2.5-flash", 0)  # reads the table


def _cost(usage: Usage, provider: str, model: str, cache_write_tokens: int) -> float | None:
    details = (usage.prompt_tokens_details, usage.candidates_tokens_details, usage.cache_tokens_details)
    rates = None if any(map(_audio, details)) else _rates(provider, model)
    read = (usage.prompt_token_count or 0) + (usage.tool_use_prompt_token_count or 0)
    said = (usage.candidates_token_count or 0) + (usage.thoughts_token_count or 0)
    cached = usage.cached_content_token_count or 0
    if rates is None or read > rates.longest or cached + cache_write_tokens > read:
        return _calculated(usage, provider, model, cache_write_tokens)
    new = read - cached - cache_write_tokens
    tokens = new * rates.new + cached * rates.cached + cache_write_tokens * rates.written + said * rates.said
    return float(rates.call + tokens)


class _Rates(NamedTuple):
    """What a token of text costs, by what it is, where the prompt has no more than ``longest``.

    Attributes:
        call: What each call costs beside its tokens.
    """

    call: Decimal
    new: Decimal
    cached: Decimal
    written: Decimal
    said: Decimal
    longest: float


def _rates(provider: str, model: str) -> _Rates | None:
    """The rates of a model; None where they are not known.

    To calculate a price takes genai-prices longer than all else that is done with an answer takes. So it is asked for
    the price of one token of each kind, and asked again after a minute: prices change, with the time of day too.
    """
    until, rates = _known.get((provider, model), (0.0, None))
    if time.monotonic() < until:
        return rates
    if len(_known) >= _MOST_KNOWN:
        _known.clear()
    rates = _asked_rates(provider, model)
    _known[provider, model] = (time.monotonic() + _SECONDS_KNOWN, rates)
    return rates


def _asked_rates(provider: str, model: str) -> _Rates | None:
    try:
        probes: list[Any] = [
            _prices.calc_price(_prices.Usage(**counts), model, provider_id=provider) for counts in _PROBES
        ]
    except (LookupError, ValueError):
        return None
    prices: dict[str, Any] = probes[0].model_price.__dict__
    tiers = [tier.start for price in prices.values() for tier in getattr(price, "tiers", ())]
    call, *tokens = (probe.total_price for probe in probes)
    return _Rates(call, *(token - call for token in tokens), longest=min(tiers, default=math.inf))


_SECONDS_KNOWN = 60.0
_MOST_KNOWN = 256
_known: dict[tuple[str, str], tuple[float, _Rates | None]] = {}
"""By provider and model: until when, by the steady clock, and the rates."""
_PROBES: tuple[dict[str, int], ...] = (
    {"input_tokens": 0},
    {"input_tokens": 1},
    {"input_tokens": 1, "cache_read_tokens": 1},
    {"input_tokens": 1, "cache_write_tokens": 1},
    {"output_tokens": 1},
)


def _calculated(usage: Usage, provider: str, model: str, cache_write_tokens: int) -> float | None:
    """What genai-prices says of this very usage."""
    counts: dict[str, int] = {
        "input_tokens": (usage.prompt_token_count or 0) + (usage.tool_use_prompt_token_count or 0),
        "output_tokens": (usage.candidates_token_count or 0) + (usage.thoughts_token_count or 0),
        "cache_read_tokens": usage.cached_content_token_count or 0,
        "cache_write_tokens": cache_write_tokens,
        "input_audio_tokens": _audio(usage.prompt_tokens_details),
        "output_audio_tokens": _audio(usage.candidates_tokens_details),
        "cache_audio_read_tokens": _audio(usage.cache_tokens_details),
    }
    named = _prices.Usage(**{name: count for name, count in counts.items() if count})
    try:
        return float(_prices.calc_price(named, model, provider_id=provider).total_price)
    except (LookupError, ValueError):  # a model without a price, or counts that contradict each other
        return None


def _audio(details: list[dict[str, Any]] | None) -> int:
    return sum(_count(one) for one in details or () if one.get("modality") == "AUDIO")


def _count(detail: dict[str, Any]) -> int:
    return int(detail.get("tokenCount") or detail.get("token_count") or 0)
