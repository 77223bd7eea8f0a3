# SPDX-License-Identifier: Apache-2.0
"""Google's Gemini models, over google-genai: the Gemini API with a key, and Vertex AI."""

from runwright.models.gemini.adapter import Gemini

__all__ = ["Gemini"]
