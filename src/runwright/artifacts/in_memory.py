# SPDX-License-Identifier: Apache-2.0
"""Files in this process's memory, kept as encoded bytes so that nothing a caller holds leads into the store."""

import threading
from typing import Any, NamedTuple

import msgspec

from runwright import clock
from runwright.artifact import ArtifactVersion, BaseArtifactService
from runwright.artifacts.names import owning_session
from runwright.artifacts.parts import encoded, mime_type_of
from runwright.types import Part, to_parts

# Inside, MessagePack: it keeps the bytes of a file as they are, where JSON would make them a third longer.
_pack_part = msgspec.msgpack.Encoder().encode
_unpack_part = msgspec.msgpack.Decoder(Part).decode
_encode_version = msgspec.json.Encoder().encode
_decode_version = msgspec.json.Decoder(ArtifactVersion).decode


class _Place(NamedTuple):
    """Where files lie; those of the user have no session."""

    app_name: str
    user_id: str
    session_id: str | None


class _Kept(NamedTuple):
    part: bytes
    version: bytes


class InMemoryArtifactService(BaseArtifactService):
    """Keeps files in memory. Threads and event loops may share it."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._places: dict[_Place, dict[str, list[_Kept]]] = {}

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
        place = _Place(app_name, user_id, owning_session(filename, session_id))
        (part,) = to_parts([artifact])
        mime_type = mime_type_of(filename, part)
        data = encoded(filename, _pack_part, part)
        info = ArtifactVersion(
            version=0,
            canonical_uri=_canonical_uri(place, filename, 0),
            custom_metadata=custom_metadata or {},
            mime_type=mime_type,
            create_time=clock.now(),
        )
        encoded(filename, _encode_version, info)
        with self._lock:
            versions = self._places.setdefault(place, {}).setdefault(filename, [])
            info.version = len(versions)
            info.canonical_uri = _canonical_uri(place, filename, info.version)
            versions.append(_Kept(data, _encode_version(info)))
        return info.version

    async def load_artifact(
        self, *, app_name: str, user_id: str, filename: str, session_id: str | None = None, version: int | None = None
    ) -> Part | None:
        versions = self._versions(_Place(app_name, user_id, owning_session(filename, session_id)), filename)
        if not versions or (version is not None and not 0 <= version < len(versions)):
            return None
        return _unpack_part(versions[-1 if version is None else version].part)

    async def list_artifact_keys(self, *, app_name: str, user_id: str, session_id: str | None = None) -> list[str]:
        with self._lock:
            names = list(self._places.get(_Place(app_name, user_id, None), ()))
            if session_id:
                names.extend(self._places.get(_Place(app_name, user_id, session_id), ()))
        return sorted(names)

    async def delete_artifact(
        self, *, app_name: str, user_id: str, filename: str, session_id: str | None = None
    ) -> None:
        place = _Place(app_name, user_id, owning_session(filename, session_id))
        with self._lock:
            files = self._places.get(place, {})
            files.pop(filename, None)
            if not files:
                self._places.pop(place, None)

    async def list_artifact_versions(
        self, *, app_name: str, user_id: str, filename: str, session_id: str | None = None
    ) -> list[ArtifactVersion]:
        versions = self._versions(_Place(app_name, user_id, owning_session(filename, session_id)), filename)
        return [_decode_version(kept.version) for kept in versions]

    def _versions(self, place: _Place, filename: str) -> list[_Kept]:
        with self._lock:
            return list(self._places.get(place, {}).get(filename, ()))


def _canonical_uri(place: _Place, filename: str, version: int) -> str:
    session = "" if place.session_id is None else f"/sessions/{place.session_id}"
    return f"memory://apps/{place.app_name}/users/{place.user_id}{session}/artifacts/{filename}/versions/{version}"
