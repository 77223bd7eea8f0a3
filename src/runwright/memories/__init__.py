# SPDX-License-Identifier: Apache-2.0
"""Where memories are kept."""

from runwright.memories.in_memory import InMemoryMemoryService
from runwright.memory import BaseMemoryService, MemoryEntry, SearchMemoryResponse

__all__ = ["BaseMemoryService", "InMemoryMemoryService", "MemoryEntry", "SearchMemoryResponse"]
