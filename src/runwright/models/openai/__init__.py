# SPDX-License-Identifier: Apache-2.0
"""OpenAI's models, and those of servers that speak its language."""

from runwright.models.openai.adapter import OpenAI

__all__ = ["OpenAI"]
