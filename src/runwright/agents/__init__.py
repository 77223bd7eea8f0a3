# SPDX-License-Identifier: Apache-2.0
"""The agents that come with the engine."""

from runwright.agent import BaseAgent
from runwright.agents.llm import Agent, LlmAgent
from runwright.agents.loop import LoopAgent
from runwright.agents.parallel import ParallelAgent
from runwright.agents.sequential import SequentialAgent

__all__ = ["Agent", "BaseAgent", "LlmAgent", "LoopAgent", "ParallelAgent", "SequentialAgent"]
