# SPDX-License-Identifier: Apache-2.0
"""Where files are kept. Each name is loaded when it is first used."""

from typing import TYPE_CHECKING

from runwright.artifact import USER_NAMESPACE, ArtifactVersion, BaseArtifactService
from runwright.artifacts.in_memory import InMemoryArtifactService
from runwright.lazy import lazy_names

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

__getattr__ = lazy_names(__name__, _HOMES)
