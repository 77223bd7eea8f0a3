# SPDX-License-Identifier: Apache-2.0
"""Files in memory: the suite of every store, and what only this one promises."""

from runwright.artifacts.in_memory import InMemoryArtifactService
from runwright.testing import ArtifactServiceContract
from runwright.types import Part


class TestInMemoryArtifacts(ArtifactServiceContract):
    async def create_service(self) -> InMemoryArtifactService:
        return InMemoryArtifactService()


async def test_where_a_version_lies() -> None:
    service = InMemoryArtifactService()
    for name in ("f.txt", "user:f.txt"):
        await service.save_artifact(app_name="a", user_id="u", session_id="s", filename=name, artifact=Part(text="x"))
    of_session = await service.get_artifact_version(app_name="a", user_id="u", session_id="s", filename="f.txt")
    of_user = await service.get_artifact_version(app_name="a", user_id="u", filename="user:f.txt")
    assert of_session is not None and of_user is not None
    assert of_session.canonical_uri == "memory://apps/a/users/u/sessions/s/artifacts/f.txt/versions/0"
    assert of_user.canonical_uri == "memory://apps/a/users/u/artifacts/user:f.txt/versions/0"
