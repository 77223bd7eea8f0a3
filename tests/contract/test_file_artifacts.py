# SPDX-License-Identifier: Apache-2.0
"""Files in a folder: the suite of every store, and what only a disk can do or suffer."""

import asyncio
import errno
import hashlib
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from runwright.artifacts.file import FileArtifactService
from runwright.errors import CorruptedDataError, StorageError
from runwright.testing import ArtifactServiceContract
from runwright.types import Part

OWNER: Any = {"app_name": "app", "user_id": "u", "session_id": "s"}
SAVER = """
import asyncio, sys
from runwright.artifacts.file import FileArtifactService
from runwright.types import Part

async def main(folder, name, versions):
    service = FileArtifactService(folder)
    sys.stdin.readline()
    for number in range(versions):
        part = Part(text=f"{name} {number}") if number % 2 else Part(text="the same")
        version = await service.save_artifact(
            app_name="app", user_id="u", session_id="s", filename="f", artifact=part, custom_metadata={"by": name}
        )
        print(version, part.text + ".", flush=True)

asyncio.run(main(sys.argv[1], sys.argv[2], int(sys.argv[3])))
"""


def binary(data: bytes) -> Part:
    return Part.from_bytes(data=data, mime_type="application/octet-stream")


CHURNER = """
import asyncio, sys
from runwright.artifacts.file import FileArtifactService
from runwright.types import Part

async def main(folder, name):
    service = FileArtifactService(folder)
    part = Part.from_bytes(data=b"the same bytes" * 100, mime_type="text/plain")
    owner = {"app_name": "app", "user_id": "u", "session_id": "s"}
    sys.stdin.readline()
    for number in range(25):
        for filename in (name, "shared"):
            await service.save_artifact(filename=filename, artifact=part, **owner)
        assert await service.load_artifact(filename=name, **owner) == part
        assert await service.list_versions(filename=name, **owner) == [0]
        assert await service.load_artifact(filename="shared", **owner) in (part, None)
        for filename in (name, "shared"):
            await service.delete_artifact(filename=filename, **owner)

asyncio.run(main(*sys.argv[1:]))
"""


def started(folder: Path, name: str, versions: int) -> subprocess.Popen[str]:
    """A process that saves versions once it is told to go, and tells of each that was acknowledged."""
    arguments = [sys.executable, "-c", SAVER, str(folder), name, str(versions)]
    return subprocess.Popen(arguments, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)


def acknowledged(lines: list[str]) -> dict[int, str]:
    """Text by version."""
    told = [line.strip() for line in lines]
    # A process that was killed may have been cut off in the middle of a line.
    whole = [line.removesuffix(".").split(" ", 1) for line in told if line.endswith(".")]
    return {int(version): text for version, text in whole}


def files_in(folder: Path) -> list[Path]:
    return sorted(path for path in folder.rglob("*") if path.is_file())


def bytes_on_disk(folder: Path) -> int:
    """What the files named data and the blobs take, each file counted once whatever names it has."""
    found = {path.stat().st_ino: path.stat().st_size for path in files_in(folder) if path.name != "metadata.json"}
    return sum(found.values())


class TestFileArtifacts(ArtifactServiceContract):
    @pytest.fixture(autouse=True)
    def folder(self, tmp_path: Path) -> Path:
        self._path = tmp_path / "not there yet" / "artifacts"
        return self._path

    async def create_service(self) -> FileArtifactService:
        return FileArtifactService(self._path)

    async def reopen(self, service: Any) -> FileArtifactService:
        await service.close()
        return FileArtifactService(self._path)


@pytest.fixture
def service(tmp_path: Path) -> FileArtifactService:
    return FileArtifactService(tmp_path / "artifacts")


async def test_where_a_version_lies(tmp_path: Path) -> None:
    service = FileArtifactService(tmp_path)
    await service.save_artifact(filename="Report 1.txt", artifact=Part(text="x"), **OWNER)
    await service.save_artifact(filename="user:uri", artifact=Part.from_uri(file_uri="gs://b/f"), **OWNER)
    of_session = await service.get_artifact_version(filename="Report 1.txt", **OWNER)
    of_user = await service.get_artifact_version(filename="user:uri", **OWNER)
    assert of_session is not None and of_user is not None
    home = tmp_path / "apps/app/users/u"
    assert of_session.canonical_uri == (home / "sessions/s/artifacts/_report=201.txt/0/data").as_uri()
    assert of_user.canonical_uri == (home / "artifacts/uri/0/metadata.json").as_uri()
    assert (home / "sessions/s/artifacts/_report=201.txt/0/data").read_text() == "x"


async def test_nothing_is_written_outside_the_folder(tmp_path: Path) -> None:
    service = FileArtifactService(tmp_path / "inside" / "artifacts")
    for odd in ("..", ".", "../../../../x", "/x", "~", "a\\..\\..\\x"):
        for owner in ({"app_name": odd}, {"user_id": odd}, {"session_id": odd}):
            await service.save_artifact(filename="f", artifact=Part(text="x"), **{**OWNER, **owner})
    assert all(path.is_relative_to(service.root_dir) for path in files_in(tmp_path))
    assert files_in(tmp_path)


async def test_bytes_that_are_there_cost_nothing(service: FileArtifactService) -> None:
    data = os.urandom(100_000)
    for name in ("f", "f", "f", "g", "user:f"):
        await service.save_artifact(filename=name, artifact=binary(data), **OWNER)
    await service.save_artifact(filename="f", artifact=binary(data), app_name="other", user_id="v", session_id="t")
    assert bytes_on_disk(service.root_dir) == len(data)
    assert [path.name for path in (service.root_dir / "blobs").iterdir()] == [hashlib.sha256(data).hexdigest()]
    await service.save_artifact(filename="f", artifact=binary(data + b"x"), **OWNER)
    assert bytes_on_disk(service.root_dir) == 2 * len(data) + 1


async def test_what_no_version_needs_is_removed(service: FileArtifactService) -> None:
    for name in ("f", "f", "g"):
        await service.save_artifact(filename=name, artifact=binary(b"shared"), **OWNER)
    await service.save_artifact(filename="f", artifact=binary(b"of f alone"), **OWNER)
    await service.delete_artifact(filename="f", **OWNER)
    blobs = [path.read_bytes() for path in (service.root_dir / "blobs").iterdir()]
    assert blobs == [b"shared"]
    await service.delete_artifact(filename="g", **OWNER)
    assert files_in(service.root_dir) == []


async def test_fifty_megabytes_come_back_as_they_were(service: FileArtifactService) -> None:
    data = os.urandom(1024 * 1024) * 50
    for _ in range(2):
        await service.save_artifact(filename="large", artifact=binary(data), **OWNER)
    loaded = await FileArtifactService(service.root_dir).load_artifact(filename="large", version=1, **OWNER)
    assert loaded is not None and loaded.inline_data is not None
    assert loaded.inline_data.data == data
    assert bytes_on_disk(service.root_dir) == len(data)


async def test_processes_that_save_at_once_lose_nothing(service: FileArtifactService) -> None:
    each, names = 25, ("one", "two", "three")
    savers = [started(service.root_dir, name, each) for name in names]
    saved: dict[int, str] = {}
    for saver in savers:
        assert saver.stdin is not None
        saver.stdin.write("go\n")
        saver.stdin.flush()
    for saver in savers:
        with saver:
            output, _ = await asyncio.to_thread(saver.communicate, timeout=60)
        assert saver.returncode == 0
        saved |= acknowledged(output.splitlines())
    assert sorted(saved) == list(range(each * len(names)))
    assert await service.list_versions(filename="f", **OWNER) == sorted(saved)
    for version, text in saved.items():
        assert await service.load_artifact(filename="f", version=version, **OWNER) == Part(text=text)
    same_and_others = len(names) * (each // 2) + 1
    assert len(list((service.root_dir / "blobs").iterdir())) == same_and_others
    assert list((service.root_dir / "drafts").iterdir()) == []


def churning(folder: Path, name: str) -> subprocess.Popen[str]:
    """A process that saves and deletes the same bytes over and over, once it is told to go."""
    return subprocess.Popen([sys.executable, "-c", CHURNER, str(folder), name], stdin=subprocess.PIPE, text=True)


async def test_processes_that_save_and_delete_the_same_bytes_lose_and_leave_nothing(
    service: FileArtifactService,
) -> None:
    kept = binary(b"the same bytes" * 100)
    await service.save_artifact(filename="kept", artifact=kept, **OWNER)
    processes = [churning(service.root_dir, name) for name in ("one", "two", "three")]
    for process in processes:
        assert process.stdin is not None
        process.stdin.write("go\n")
        process.stdin.flush()
    for process in processes:
        with process:
            await asyncio.to_thread(process.communicate, timeout=60)
        assert process.returncode == 0
    assert await service.list_artifact_keys(**OWNER) == ["kept"]
    assert await service.load_artifact(filename="kept", **OWNER) == kept
    await service.delete_artifact(filename="kept", **OWNER)
    assert files_in(service.root_dir) == []


async def test_without_hard_links_each_version_has_its_own_copy(
    service: FileArtifactService, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refused(source: Any, target: Any) -> None:
        raise OSError(errno.EPERM, "Operation not permitted") if Path(source).exists() else FileNotFoundError(source)

    monkeypatch.setattr(os, "link", refused)  # as on a memory card
    for version in range(2):
        assert await service.save_artifact(filename="f", artifact=binary(b"1234"), **OWNER) == version
    assert bytes_on_disk(service.root_dir) == 8
    assert await service.load_artifact(filename="f", version=0, **OWNER) == binary(b"1234")
    await service.delete_artifact(filename="f", **OWNER)
    assert files_in(service.root_dir) == []


async def test_a_blob_with_all_the_links_it_can_have_is_followed_by_another(
    service: FileArtifactService, monkeypatch: pytest.MonkeyPatch
) -> None:
    link = os.link

    def limited(source: Any, target: Any) -> None:
        if os.stat(source).st_nlink >= 4:  # a file system's own limit is some ten thousand
            raise OSError(errno.EMLINK, "Too many links")
        link(source, target)

    monkeypatch.setattr(os, "link", limited)
    for version in range(8):
        assert await service.save_artifact(filename="f", artifact=binary(b"1234"), **OWNER) == version
    for version in range(8):
        assert await service.load_artifact(filename="f", version=version, **OWNER) == binary(b"1234")
    assert bytes_on_disk(service.root_dir) == 3 * 4
    await service.delete_artifact(filename="f", **OWNER)
    assert files_in(service.root_dir) == []


async def test_what_a_killed_process_had_saved_is_there(service: FileArtifactService) -> None:
    with started(service.root_dir, "one", 1_000_000) as saver:
        assert saver.stdin is not None and saver.stdout is not None
        saver.stdin.write("go\n")
        saver.stdin.flush()
        lines = [await asyncio.to_thread(saver.stdout.readline) for _ in range(20)]
        saver.kill()
        lines += (await asyncio.to_thread(saver.stdout.read)).splitlines()
    saved = acknowledged(lines)
    there = await service.list_versions(filename="f", **OWNER)
    assert there[: len(saved)] == list(saved)
    assert len(there) - len(saved) in (0, 1)  # the last one may have been stored and not been told
    for version, text in saved.items():
        assert await service.load_artifact(filename="f", version=version, **OWNER) == Part(text=text)
    assert await service.save_artifact(filename="f", artifact=Part(text="more"), **OWNER) == len(there)


def killed_in_the_middle(service: FileArtifactService) -> Path:
    """What a process leaves that was killed after it had written the bytes of a new version."""
    (version,) = (service.root_dir / "apps").rglob("0")
    draft = service.root_dir / "drafts" / "of-a-killed-process"
    shutil.copytree(version, draft, copy_function=os.link)
    return draft


async def test_what_a_killed_process_left_does_no_harm_and_is_removed_later(service: FileArtifactService) -> None:
    await service.save_artifact(filename="f", artifact=binary(b"kept"), **OWNER)
    draft = killed_in_the_middle(service)
    again = FileArtifactService(service.root_dir)
    assert await again.list_versions(filename="f", **OWNER) == [0]
    assert await again.list_artifact_keys(**OWNER) == ["f"]
    assert await again.save_artifact(filename="f", artifact=binary(b"kept"), **OWNER) == 1
    assert draft.exists()  # its writer may be alive, and slow
    two_days_ago = draft.stat().st_mtime - 2 * 24 * 3600
    os.utime(draft, (two_days_ago, two_days_ago))
    later = FileArtifactService(service.root_dir)
    await later.delete_artifact(filename="f", **OWNER)
    assert files_in(service.root_dir) == []


async def test_a_deletion_that_was_cut_off_is_finished(service: FileArtifactService) -> None:
    await service.save_artifact(filename="f", artifact=binary(b"x"), **OWNER)
    trash = service.root_dir / "trash"
    trash.mkdir()
    (version,) = (service.root_dir / "apps").rglob("0")
    version.parent.rename(trash / "of-a-killed-process")
    assert await service.list_artifact_keys(**OWNER) == []
    await FileArtifactService(service.root_dir).delete_artifact(filename="other", **OWNER)
    assert files_in(service.root_dir) == []


def torn(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-3])


def flipped(path: Path) -> None:
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(data)


def emptied(path: Path) -> None:
    path.write_bytes(b"")


@pytest.mark.parametrize("damage", [torn, flipped, emptied, Path.unlink])
@pytest.mark.parametrize("name", ["data", "metadata.json"])
async def test_damage_is_an_error_that_names_the_file(service: FileArtifactService, name: str, damage: Any) -> None:
    await service.save_artifact(
        filename="f", artifact=binary(b"bytes of it"), custom_metadata={"key": "a long value of it"}, **OWNER
    )
    await service.save_artifact(filename="sound", artifact=binary(b"others"), **OWNER)
    (path,) = (service.root_dir / "apps").rglob(f"f/0/{name}")
    damage(path)
    with pytest.raises(CorruptedDataError) as caught:
        await service.load_artifact(filename="f", **OWNER)
    assert str(path) in str(caught.value)
    if name == "metadata.json":
        with pytest.raises(CorruptedDataError):
            await service.list_artifact_versions(filename="f", **OWNER)
    assert await service.load_artifact(filename="sound", **OWNER) == binary(b"others")
    await service.delete_artifact(filename="f", **OWNER)
    assert await service.list_artifact_keys(**OWNER) == ["sound"]
    assert await service.save_artifact(filename="f", artifact=binary(b"bytes of it"), **OWNER) == 0
    assert await service.load_artifact(filename="f", **OWNER) == binary(b"bytes of it")


async def test_a_new_version_does_not_rest_on_a_damaged_blob(service: FileArtifactService) -> None:
    await service.save_artifact(filename="f", artifact=binary(b"the bytes"), **OWNER)
    (blob,) = (service.root_dir / "blobs").iterdir()
    flipped(blob)
    assert await service.save_artifact(filename="f", artifact=binary(b"the bytes"), **OWNER) == 1
    assert await service.load_artifact(filename="f", **OWNER) == binary(b"the bytes")
    with pytest.raises(CorruptedDataError):
        await service.load_artifact(filename="f", version=0, **OWNER)


async def test_the_folder_may_be_moved(service: FileArtifactService, tmp_path: Path) -> None:
    await service.save_artifact(filename="f", artifact=binary(b"x"), **OWNER)
    service.root_dir.rename(tmp_path / "moved")
    moved = FileArtifactService(tmp_path / "moved")
    assert await moved.load_artifact(filename="f", **OWNER) == binary(b"x")
    known = await moved.get_artifact_version(filename="f", **OWNER)
    assert known is not None and known.canonical_uri.startswith((tmp_path / "moved").as_uri())


async def test_a_folder_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    (tmp_path / "a file").write_text("in the way")
    service = FileArtifactService(tmp_path / "a file" / "artifacts")
    with pytest.raises(StorageError, match="a file"):
        await service.save_artifact(filename="f", artifact=Part(text="x"), **OWNER)


async def test_what_else_lies_in_the_folder_is_left_alone(service: FileArtifactService) -> None:
    await service.save_artifact(filename="f", artifact=Part(text="x"), **OWNER)
    (file,) = (service.root_dir / "apps").rglob("artifacts")
    (file / "Notes").mkdir()
    (file / ".DS_Store").write_text("")
    (file / "f" / "readme").write_text("")
    (file / "f" / "01").mkdir()
    assert await service.list_artifact_keys(**OWNER) == ["f"]
    assert await service.list_versions(filename="f", **OWNER) == [0]
    assert await service.save_artifact(filename="f", artifact=Part(text="y"), **OWNER) == 1
    await service.delete_artifact(filename="f", **OWNER)
    assert await service.list_artifact_keys(**OWNER) == []
