# SPDX-License-Identifier: Apache-2.0
"""Where files are kept. Each name is loaded when it is first used."""

import importlib
from typing import TYPE_CHECKING, Any

from runwright.artifact import USER_NAMESPACE, ArtifactVersion, BaseArtifactService
from runwright.artifacts.in_memory import InMemoryArtifactService

if TYPE_CHECKING:
    from runwright.artifacts.file import FileArtifactService
    from runwright.artifacts.object_store import GcsArtifactService, ObjectStoreArtifactService, S3ArtifactService

__all__ = [
    "USER_NAMESPACE",
    "ArtifactVersion",
    "BaseArtifactService",
    "FileArtifactService",
    "GcsArtifactService",
    "InMemoryArtifactService",
    "ObjectStoreArtifactService",
    "S3ArtifactService",
]

_HOMES = {
    "FileArtifactService": "file",
    "GcsArtifactService": "object_store",
    "ObjectStoreArtifactService": "object_store",
    "S3ArtifactService": "object_store",
}


def __getattr__(name: str) -> Any:
    home = _HOMES.get(name)
    if home is None:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = globals()[name] = getattr(importlib.import_module(f"{__name__}.{home}"), name)
    return value
