# SPDX-License-Identifier: Apache-2.0
"""Files in a folder on this machine's disk."""

import asyncio
import os
from pathlib import Path
from typing import Any

from runwright.artifact import ArtifactVersion, BaseArtifactService
from runwright.artifacts.blobs import draft_of
from runwright.artifacts.folder import ArtifactFolder
from runwright.artifacts.places import home_of, places_of
from runwright.types import Part


class FileArtifactService(BaseArtifactService):
    """Keeps files in a folder, which several processes may share.

    A version that was acknowledged is on the disk. Versions with the same bytes share them, whatever their files' names
    are, so a version that repeats bytes costs only its record. What a killed process leaves behind is found and removed
    later. Every file is looked at when it is read: one that is damaged is a ``CorruptedDataError`` that names it.

    The folder is best on a local file system. Where there are no hard links each version has its own copy of the bytes.

    Args:
        root_dir: The folder. It is made when the first file is saved, and may be moved while no service uses it.
    """

    def __init__(self, root_dir: str | os.PathLike[str]) -> None:
        self.root_dir = Path(root_dir).expanduser().absolute()
        self._folder = ArtifactFolder(self.root_dir)

    async def save_artifact(
        self,
        *,
        app_name: str,
        user_id: str,
        filename: str,
        artifact: Part,
        session_id: str | None = None,
        custom_metadata: dict[str, Any] | None = None,
    ) -> int:
        home = home_of(app_name, user_id, session_id, filename)
        return await asyncio.to_thread(self._folder.save, home, draft_of(filename, artifact, custom_metadata))

    async def load_artifact(
        self, *, app_name: str, user_id: str, filename: str, session_id: str | None = None, version: int | None = None
    ) -> Part | None:
        return await asyncio.to_thread(self._folder.load, home_of(app_name, user_id, session_id, filename), version)

    async def list_artifact_keys(self, *, app_name: str, user_id: str, session_id: str | None = None) -> list[str]:
        return await asyncio.to_thread(self._folder.names, places_of(app_name, user_id, session_id))

    async def delete_artifact(
        self, *, app_name: str, user_id: str, filename: str, session_id: str | None = None
    ) -> None:
        await asyncio.to_thread(self._folder.delete, home_of(app_name, user_id, session_id, filename))

    async def list_artifact_versions(
        self, *, app_name: str, user_id: str, filename: str, session_id: str | None = None
    ) -> list[ArtifactVersion]:
        return await asyncio.to_thread(self._folder.versions, home_of(app_name, user_id, session_id, filename))

    async def list_versions(
        self, *, app_name: str, user_id: str, filename: str, session_id: str | None = None
    ) -> list[int]:
        return await asyncio.to_thread(self._folder.numbers, home_of(app_name, user_id, session_id, filename))

    async def get_artifact_version(
        self, *, app_name: str, user_id: str, filename: str, session_id: str | None = None, version: int | None = None
    ) -> ArtifactVersion | None:
        return await asyncio.to_thread(self._folder.find, home_of(app_name, user_id, session_id, filename), version)
