# SPDX-License-Identifier: Apache-2.0
"""The suite that every artifact service passes."""

import asyncio
from typing import Any, TypedDict

import pytest

from runwright.artifact import BaseArtifactService
from runwright.errors import InputValidationError
from runwright.testing.service_suite import ServiceSuite
from runwright.types import Blob, Part


class _User(TypedDict):
    app_name: str
    user_id: str


class _Owner(_User):
    session_id: str


OWNER = _Owner(app_name="app", user_id="u", session_id="s")
OTHERS = [
    _Owner(app_name="app", user_id="u", session_id="t"),
    _Owner(app_name="app", user_id="v", session_id="s"),
    _Owner(app_name="other", user_id="u", session_id="s"),
]
BAD_NAMES = [
    "",
    "  ",
    "user:",
    "a\0b",
    "/etc/passwd",
    "\\windows",
    "C:\\x",
    "C:/x",
    "..",
    "../x",
    "a/../../x",
    "a\\..\\x",
    "user:/x",
    "user:../x",
    "user:a\0b",
    "half \ud800",
]
GOOD_NAMES = [
    "a.txt",
    "dir/a.txt",
    "a b.txt",
    "..a",
    "a..b",
    "ünï 文字 🙂.png",
    "a:b",
    "%2e%2e",
    "versions/1",
    "A" * 100,
    "A" * 300,
    "文" * 100,
    "CON",
    "con.txt",
    ".hidden",
    "trailing.",
    "_under_score",
    "=41",
    "~",
    'a?b*c|d<e>"f"',
    "line\nbreak",
]
ODD_IDS = ["..", ".", "../../x", "/etc", "a\\..\\b", "user:", "A" * 300, "文字", "a\0b"]


class ArtifactServiceContract(ServiceSuite[BaseArtifactService]):
    """Subclass it, say how the service is made, and pytest runs it (with pytest-asyncio in its ``auto`` mode)::

        class TestMyService(ArtifactServiceContract):
            async def create_service(self):
                return MyService()

    Each test gets a new, empty service and closes it. A service whose files outlive it overrides ``reopen`` too.
    """

    async def test_versions_count_from_zero(self, service: BaseArtifactService) -> None:
        for version in range(3):
            assert await service.save_artifact(filename="f", artifact=Part(text=f"v{version}"), **OWNER) == version
        service = await self.restarted(service)
        assert await service.list_versions(filename="f", **OWNER) == [0, 1, 2]
        assert await service.load_artifact(filename="f", **OWNER) == Part(text="v2")
        for version in range(3):
            expected = Part(text=f"v{version}")
            assert await service.load_artifact(filename="f", version=version, **OWNER) == expected
            assert await service.get_artifact(filename="f", version=version, **OWNER) == expected

    async def test_there_is_nothing_where_nothing_was_saved(self, service: BaseArtifactService) -> None:
        await service.save_artifact(filename="f", artifact=Part(text="v0"), **OWNER)
        assert await service.load_artifact(filename="g", **OWNER) is None
        for version in (1, -1, 99):
            assert await service.load_artifact(filename="f", version=version, **OWNER) is None
            assert await service.get_artifact_version(filename="f", version=version, **OWNER) is None
        assert await service.list_versions(filename="g", **OWNER) == []
        assert await service.list_artifact_versions(filename="g", **OWNER) == []
        assert await service.get_artifact_version(filename="g", **OWNER) is None
        for other in OTHERS:
            assert await service.load_artifact(filename="f", **other) is None
            assert await service.list_artifact_keys(**other) == []

    @pytest.mark.parametrize(
        "part",
        [
            Part.from_bytes(data=bytes(range(256)) * 50, mime_type="image/png"),
            Part.from_bytes(data=b"", mime_type="application/octet-stream"),
            Part(inline_data=Blob(data=b"x", mime_type="text/csv", display_name="tåble")),
            Part(text="text 文字\n\x00 🙂"),
            Part(text=""),
            Part.from_uri(file_uri="gs://bucket/file", mime_type="video/mp4"),
        ],
        ids=["bytes", "no bytes", "named", "text", "no text", "uri"],
    )
    async def test_a_file_comes_back_as_it_was(self, service: BaseArtifactService, part: Part) -> None:
        await service.save_artifact(filename="f", artifact=part, **OWNER)
        service = await self.restarted(service)
        assert await service.load_artifact(filename="f", **OWNER) == part

    async def test_nothing_in_a_part_is_nothing_to_save(self, service: BaseArtifactService) -> None:
        with pytest.raises(InputValidationError, match="nothing to save"):
            await service.save_artifact(filename="f", artifact=Part(), **OWNER)
        assert await service.list_artifact_keys(**OWNER) == []

    @pytest.mark.parametrize(
        "artifact", ["text", {"text": "text"}, {"inlineData": {"data": "dGV4dA==", "mimeType": "text/plain"}}], ids=repr
    )
    async def test_what_stands_for_a_part_is_taken(self, service: BaseArtifactService, artifact: Any) -> None:
        await service.save_artifact(filename="f", artifact=artifact, **OWNER)
        loaded = await service.load_artifact(filename="f", **OWNER)
        assert loaded in (Part(text="text"), Part.from_bytes(data=b"text", mime_type="text/plain"))

    @pytest.mark.parametrize("bad", [object(), "half \ud800", {1, object()}], ids=repr)
    async def test_metadata_that_is_not_json_is_refused_and_nothing_is_written(
        self, service: BaseArtifactService, bad: Any
    ) -> None:
        with pytest.raises(InputValidationError, match="'f'"):
            await service.save_artifact(filename="f", artifact=Part(text="x"), custom_metadata={"bad": bad}, **OWNER)
        assert await service.list_artifact_keys(**OWNER) == []

    async def test_text_that_is_not_unicode_is_refused_and_nothing_is_written(
        self, service: BaseArtifactService
    ) -> None:
        with pytest.raises(InputValidationError, match="'f'"):
            await service.save_artifact(filename="f", artifact=Part(text="half \ud800"), **OWNER)
        assert await service.list_artifact_keys(**OWNER) == []

    async def test_what_is_done_to_a_part_does_not_reach_the_store(self, service: BaseArtifactService) -> None:
        part = Part.from_bytes(data=b"one", mime_type="text/plain")
        metadata: dict[str, Any] = {"tags": ["a"]}
        await service.save_artifact(filename="f", artifact=part, custom_metadata=metadata, **OWNER)
        loaded = await service.load_artifact(filename="f", **OWNER)
        for held in (part, loaded):
            assert held is not None and held.inline_data is not None
            held.inline_data.data = b"changed"
        metadata["tags"].append("b")
        (listed,) = await service.list_artifact_versions(filename="f", **OWNER)
        listed.custom_metadata["tags"].append("c")
        again = await service.load_artifact(filename="f", **OWNER)
        assert again == Part.from_bytes(data=b"one", mime_type="text/plain")
        known = await service.get_artifact_version(filename="f", **OWNER)
        assert known is not None and known.custom_metadata == {"tags": ["a"]}

    async def test_what_is_known_of_a_version(self, service: BaseArtifactService) -> None:
        png = Part.from_bytes(data=b"x", mime_type="image/png")
        await service.save_artifact(filename="f", artifact=png, custom_metadata={"k": [1, None]}, **OWNER)
        await service.save_artifact(filename="f", artifact=Part(text="x"), **OWNER)
        service = await self.restarted(service)
        first, second = await service.list_artifact_versions(filename="f", **OWNER)
        assert (first.version, first.mime_type, first.custom_metadata) == (0, "image/png", {"k": [1, None]})
        assert (second.version, second.mime_type, second.custom_metadata) == (1, "text/plain", {})
        assert 0 < first.create_time <= second.create_time
        assert first.canonical_uri and second.canonical_uri and first.canonical_uri != second.canonical_uri
        assert await service.get_artifact_version(filename="f", **OWNER) == second
        assert await service.get_artifact_version(filename="f", version=0, **OWNER) == first

    async def test_files_of_the_user_are_seen_in_all_their_sessions(self, service: BaseArtifactService) -> None:
        await service.save_artifact(filename="user:f", artifact=Part(text="mine"), **OWNER)
        user = _User(app_name="app", user_id="u")
        assert await service.save_artifact(filename="user:f", artifact=Part(text="mine 2"), **user) == 1
        same_user, other_user, other_app = OTHERS
        assert await service.load_artifact(filename="user:f", **same_user) == Part(text="mine 2")
        assert await service.load_artifact(filename="user:f", **user) == Part(text="mine 2")
        assert await service.list_versions(filename="user:f", **same_user) == [0, 1]
        for other in (other_user, other_app):
            assert await service.load_artifact(filename="user:f", **other) is None
        assert await service.load_artifact(filename="f", **OWNER) is None

    async def test_the_names_are_sorted(self, service: BaseArtifactService) -> None:
        for name in ("b", "user:c", "a", "dir/x", "b"):
            await service.save_artifact(filename=name, artifact=Part(text="x"), **OWNER)
        await service.save_artifact(filename="elsewhere", artifact=Part(text="x"), **OTHERS[0])
        assert await service.list_artifact_keys(**OWNER) == ["a", "b", "dir/x", "user:c"]
        assert await service.list_artifact_keys(**OTHERS[0]) == ["elsewhere", "user:c"]
        assert await service.list_artifact_keys(app_name="app", user_id="u") == ["user:c"]

    async def test_deleting_takes_all_versions(self, service: BaseArtifactService) -> None:
        for name in ("f", "f", "g", "user:f"):
            await service.save_artifact(filename=name, artifact=Part(text="x"), **OWNER)
        await service.save_artifact(filename="f", artifact=Part(text="other"), **OTHERS[0])
        await service.delete_artifact(filename="f", **OWNER)
        await service.delete_artifact(filename="none", **OWNER)
        assert await service.list_artifact_keys(**OWNER) == ["g", "user:f"]
        assert await service.load_artifact(filename="f", **OWNER) is None
        assert await service.load_artifact(filename="f", **OTHERS[0]) == Part(text="other")
        assert await service.save_artifact(filename="f", artifact=Part(text="new"), **OWNER) == 0

    @pytest.mark.parametrize("name", GOOD_NAMES)
    async def test_odd_names_are_names_like_any_other(self, service: BaseArtifactService, name: str) -> None:
        for filename in (name, f"user:{name}"):
            await service.save_artifact(filename=filename, artifact=Part(text=filename), **OWNER)
        service = await self.restarted(service)
        assert await service.list_artifact_keys(**OWNER) == sorted([name, f"user:{name}"])
        for filename in (name, f"user:{name}"):
            assert await service.load_artifact(filename=filename, **OWNER) == Part(text=filename)

    async def test_a_separator_in_one_name_does_not_reach_into_another(self, service: BaseArtifactService) -> None:
        await service.save_artifact(filename="d", artifact=Part(text="x"), app_name="a", user_id="b/c", session_id="s")
        assert await service.load_artifact(filename="d", app_name="a/b", user_id="c", session_id="s") is None
        assert await service.load_artifact(filename="c/d", app_name="a", user_id="b", session_id="s") is None

    @pytest.mark.parametrize("name", BAD_NAMES, ids=repr)
    async def test_a_name_that_leads_out_of_its_place_is_refused(self, service: BaseArtifactService, name: str) -> None:
        with pytest.raises(InputValidationError, match="name"):
            await service.save_artifact(filename=name, artifact=Part(text="x"), **OWNER)
        with pytest.raises(InputValidationError, match="name"):
            await service.load_artifact(filename=name, **OWNER)
        with pytest.raises(InputValidationError, match="name"):
            await service.delete_artifact(filename=name, **OWNER)
        assert await service.list_artifact_keys(**OWNER) == []

    async def test_names_that_differ_in_capitals_alone_are_two(self, service: BaseArtifactService) -> None:
        for name in ("readme", "README", "Readme", "_readme", "_r_e_a_d_m_e"):
            await service.save_artifact(filename=name, artifact=Part(text=name), **OWNER)
        for name in ("readme", "README", "Readme", "_readme", "_r_e_a_d_m_e"):
            assert await service.load_artifact(filename=name, **OWNER) == Part(text=name)
            assert await service.list_versions(filename=name, **OWNER) == [0]

    @pytest.mark.parametrize(
        "odd", ["..", ".", "../../x", "/etc", "a\\..\\b", "user:", "A" * 300, "文字", "a\0b"], ids=repr
    )
    async def test_an_odd_owner_is_one_like_any_other(self, service: BaseArtifactService, odd: str) -> None:
        owners = [
            _Owner(app_name=odd, user_id="u", session_id="s"),
            _Owner(app_name="app", user_id=odd, session_id="s"),
            _Owner(app_name="app", user_id="u", session_id=odd),
        ]
        for number, owner in enumerate(owners):
            await service.save_artifact(filename="f", artifact=Part(text=str(number)), **owner)
        service = await self.restarted(service)
        for number, owner in enumerate(owners):
            assert await service.load_artifact(filename="f", **owner) == Part(text=str(number))
            assert await service.list_artifact_keys(**owner) == ["f"]
        assert await service.list_artifact_keys(**OWNER) == []

    async def test_a_sessions_file_needs_its_session(self, service: BaseArtifactService) -> None:
        user = _User(app_name="app", user_id="u")
        with pytest.raises(InputValidationError, match="session_id"):
            await service.save_artifact(filename="f", artifact=Part(text="x"), **user)
        with pytest.raises(InputValidationError, match="session_id"):
            await service.load_artifact(filename="f", **user)

    async def test_many_at_once_get_a_version_each(self, service: BaseArtifactService) -> None:
        versions = await asyncio.gather(
            *(service.save_artifact(filename="f", artifact=Part(text=str(number)), **OWNER) for number in range(50))
        )
        assert sorted(versions) == list(range(50))
        for number, version in enumerate(versions):
            assert await service.load_artifact(filename="f", version=version, **OWNER) == Part(text=str(number))

    async def test_the_same_bytes_may_be_saved_any_number_of_times(self, service: BaseArtifactService) -> None:
        part = Part.from_bytes(data=b"same" * 1000, mime_type="text/plain")
        for name in ("f", "f", "g", "user:f"):
            await service.save_artifact(filename=name, artifact=part, **OWNER)
        await service.delete_artifact(filename="f", **OWNER)
        for name in ("g", "user:f"):
            assert await service.load_artifact(filename=name, **OWNER) == part
        assert await service.save_artifact(filename="f", artifact=part, **OWNER) == 0
        assert await service.load_artifact(filename="f", **OWNER) == part

    async def test_what_is_saved_while_others_delete_is_whole_or_gone(self, service: BaseArtifactService) -> None:
        part = Part.from_bytes(data=b"same" * 1000, mime_type="text/plain")
        kept = Part(text="kept")
        await service.save_artifact(filename="kept", artifact=kept, **OWNER)

        async def save_and_delete() -> None:
            for _ in range(5):
                await service.save_artifact(filename="f", artifact=part, **OWNER)
                assert await service.load_artifact(filename="f", **OWNER) in (part, None)
                await service.delete_artifact(filename="f", **OWNER)

        async with asyncio.TaskGroup() as group:
            for _ in range(4):
                group.create_task(save_and_delete())
        assert await service.list_artifact_keys(**OWNER) == ["kept"]
        assert await service.save_artifact(filename="f", artifact=part, **OWNER) == 0
        assert await service.load_artifact(filename="f", **OWNER) == part
        assert await service.load_artifact(filename="kept", **OWNER) == kept
