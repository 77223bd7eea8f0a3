# SPDX-License-Identifier: Apache-2.0
"""Where files are kept."""

from runwright.artifact import USER_NAMESPACE, ArtifactVersion, BaseArtifactService
from runwright.artifacts.in_memory import InMemoryArtifactService

__all__ = ["USER_NAMESPACE", "ArtifactVersion", "BaseArtifactService", "InMemoryArtifactService"]
