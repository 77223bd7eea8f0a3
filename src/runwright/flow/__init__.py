# SPDX-License-Identifier: Apache-2.0
"""The flow of an LLM agent: from a session's events to a request, and from a model's answer to events and calls."""
