# SPDX-License-Identifier: Apache-2.0
"""Anthropic's models, by its API or in another's cloud."""

from runwright.models.anthropic.adapter import Claude
from runwright.models.anthropic.request import PromptCache

__all__ = ["Claude", "PromptCache"]
