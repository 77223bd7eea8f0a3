# SPDX-License-Identifier: Apache-2.0
"""Adapters to the providers' models, each over the provider's own SDK, which is imported when it is first used."""

from typing import TYPE_CHECKING

from runwright.lazy import lazy_names
from runwright.model import BaseLlm, LLMRegistry, LlmRequest

if TYPE_CHECKING:
    from runwright.models.anthropic import Claude
    from runwright.models.fallback import FallbackModel
    from runwright.models.gemini import Gemini
    from runwright.models.litellm import LiteLlm
    from runwright.models.openai import OpenAI
    from runwright.models.retry import RetryPolicy

__all__ = [
    "BaseLlm",
    "Claude",
    "FallbackModel",
    "Gemini",
    "LLMRegistry",
    "LiteLlm",
    "LlmRequest",
    "OpenAI",
    "RetryPolicy",
]

_HOMES = {
    "Claude": "anthropic",
    "FallbackModel": "fallback",
    "Gemini": "gemini",
    "LiteLlm": "litellm",
    "OpenAI": "openai",
    "RetryPolicy": "retry",
}

__getattr__ = lazy_names(__name__, _HOMES)
