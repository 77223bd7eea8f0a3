# SPDX-License-Identifier: Apache-2.0
"""BaseArtifactService: where the files of a conversation are kept, by name and version."""

from abc import ABC, abstractmethod
from typing import Any, NamedTuple

import msgspec

from runwright import clock
from runwright.errors import ConfigurationError
from runwright.record import Record
from runwright.types import Content, FileData, Part

USER_NAMESPACE = "user:"
"""A file name that starts so belongs to the user and is seen in all their sessions."""


class ArtifactVersion(Record, kw_only=True):
    """One version of a file. ``create_time`` is in seconds since the epoch."""

    version: int
    canonical_uri: str = ""
    custom_metadata: dict[str, Any] = {}
    create_time: float = msgspec.field(default_factory=clock.now)
    mime_type: str | None = None


class BaseArtifactService(ABC):
    """Keeps files in versions 0, 1, 2, ... Each implementation passes ``runwright.testing.ArtifactServiceContract``.

    A file belongs to a session, or with the prefix ``user:`` to the user; without a ``session_id`` only the user's
    files can be reached.
    """

    @abstractmethod
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
        """Saves a new version and gives its number.

        Raises:
            InputValidationError: The name is empty or leads out of its place, or a session's file comes without a
                session.
        """

    @abstractmethod
    async def load_artifact(
        self, *, app_name: str, user_id: str, filename: str, session_id: str | None = None, version: int | None = None
    ) -> Part | None:
        """The file in one version, the newest where none is named; None where there is none."""

    @abstractmethod
    async def list_artifact_keys(self, *, app_name: str, user_id: str, session_id: str | None = None) -> list[str]:
        """The names of the session's and the user's files, sorted."""

    @abstractmethod
    async def delete_artifact(
        self, *, app_name: str, user_id: str, filename: str, session_id: str | None = None
    ) -> None:
        """Deletes all versions. Nothing happens where there are none."""

    @abstractmethod
    async def list_artifact_versions(
        self, *, app_name: str, user_id: str, filename: str, session_id: str | None = None
    ) -> list[ArtifactVersion]:
        """All versions with what is known of them, oldest first."""

    async def list_versions(
        self, *, app_name: str, user_id: str, filename: str, session_id: str | None = None
    ) -> list[int]:
        """The numbers of all versions, oldest first."""
        found = await self.list_artifact_versions(
            app_name=app_name, user_id=user_id, filename=filename, session_id=session_id
        )
        return [one.version for one in found]

    async def get_artifact_version(
        self, *, app_name: str, user_id: str, filename: str, session_id: str | None = None, version: int | None = None
    ) -> ArtifactVersion | None:
        """What is known of one version, the newest where none is named."""
        found = await self.list_artifact_versions(
            app_name=app_name, user_id=user_id, filename=filename, session_id=session_id
        )
        if version is None:
            return found[-1] if found else None
        return next((one for one in found if one.version == version), None)

    async def get_artifact(
        self, *, app_name: str, user_id: str, filename: str, session_id: str | None = None, version: int | None = None
    ) -> Part | None:
        """Another name of :meth:`load_artifact`."""
        return await self.load_artifact(
            app_name=app_name, user_id=user_id, filename=filename, session_id=session_id, version=version
        )

    async def close(self) -> None:
        """Gives back what the service holds. Call it once, at the end."""


class SavedFiles(NamedTuple):
    """A message whose files were saved.

    Attributes:
        content: The message, with a line of text in the place of each file.
        versions: The version under which each file was saved, by name.
    """

    content: Content
    versions: dict[str, int]


async def save_files(
    message: Content,
    service: BaseArtifactService | None,
    *,
    app_name: str,
    user_id: str,
    session_id: str,
    invocation_id: str,
    refer: bool = False,
) -> SavedFiles:
    """Saves the files in a message as artifacts. The message itself is not changed.

    A file's name is its ``display_name``, or made of the invocation and its place in the message.

    Args:
        refer: Whether the text is followed by the file's URI, where the store has one that a model's provider can read.

    Raises:
        ConfigurationError: There are files and no service to keep them.
        InputValidationError: A file's name is one that cannot be saved.
    """
    parts: list[Part] = []
    versions: dict[str, int] = {}
    for index, part in enumerate(message.parts or ()):
        blob = part.inline_data
        if blob is None or blob.data is None:
            parts.append(part)
            continue
        if service is None:
            raise ConfigurationError("There is no artifact service: give the runner one, Runner(artifact_service=...)")
        name = blob.display_name or f"artifact_{invocation_id}_{index}"
        place: dict[str, Any] = {
            "app_name": app_name,
            "user_id": user_id,
            "session_id": session_id,
            "filename": name,
        }
        version = versions[name] = await service.save_artifact(artifact=part, **place)
        kind = f" ({blob.mime_type})" if blob.mime_type else ""
        parts.append(
            Part(text=f"[The file {name!r}{kind} came with this message and is kept as artifact version {version}]")
        )
        found = await service.get_artifact_version(version=version, **place) if refer else None
        if found is not None and found.canonical_uri.startswith(("gs://", "https://", "http://")):
            file = FileData(file_uri=found.canonical_uri, mime_type=blob.mime_type, display_name=name)
            parts.append(Part(file_data=file))
    return SavedFiles(Content(role=message.role, parts=parts), versions)
