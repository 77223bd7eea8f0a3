# SPDX-License-Identifier: Apache-2.0
"""Where memories are kept. Each name is loaded when it is first used."""

import importlib
from typing import TYPE_CHECKING, Any

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


def __getattr__(name: str) -> Any:
    home = _HOMES.get(name)
    if home is None:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = globals()[name] = getattr(importlib.import_module(f"{__name__}.{home}"), name)
    return value
