# SPDX-License-Identifier: Apache-2.0
"""Where memories are kept. Each name is loaded when it is first used."""

from typing import TYPE_CHECKING

from runwright.lazy import lazy_names
from runwright.memories.in_memory import InMemoryMemoryService
from runwright.memory import BaseMemoryService, Embedder, MemoryEntry, SearchMemoryResponse

if TYPE_CHECKING:
    from runwright.memories.embedders import (
        GeminiEmbedder,
        HashingEmbedder,
        OpenAIEmbedder,
        SentenceTransformerEmbedder,
    )
    from runwright.memories.postgres import PostgresMemoryService
    from runwright.memories.sqlite import SqliteMemoryService

__all__ = [
    "BaseMemoryService",
    "Embedder",
    "GeminiEmbedder",
    "HashingEmbedder",
    "InMemoryMemoryService",
    "MemoryEntry",
    "OpenAIEmbedder",
    "PostgresMemoryService",
    "SearchMemoryResponse",
    "SentenceTransformerEmbedder",
    "SqliteMemoryService",
]

_HOMES = {
    "GeminiEmbedder": "embedders",
    "HashingEmbedder": "embedders",
    "OpenAIEmbedder": "embedders",
    "PostgresMemoryService": "postgres",
    "SentenceTransformerEmbedder": "embedders",
    "SqliteMemoryService": "sqlite",
}

__getattr__ = lazy_names(__name__, _HOMES)
