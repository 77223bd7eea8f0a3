# SPDX-License-Identifier: Apache-2.0
"""Object stores: the suite of every store, over S3 on a real socket, a folder and memory; and what can fail."""

import asyncio
import hashlib
import json
import os
import subprocess
import sys
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from runwright.artifacts.object_store import GcsArtifactService, ObjectStoreArtifactService, S3ArtifactService
from runwright.errors import ConfigurationError, CorruptedDataError, MissingDependencyError, StorageError
from runwright.testing import ArtifactServiceContract
from runwright.types import Part
from tests.contract.s3_server import PAGE, S3Server, running_s3_server

obstore = pytest.importorskip("obstore", reason="the object stores need it: pip install 'runwright[object-store]'")

OWNER: Any = {"app_name": "app", "user_id": "u", "session_id": "s"}
HOME = "apps/app/users/u/sessions/s"
SAVER = """
import asyncio, json, sys
from runwright.artifacts.object_store import S3ArtifactService
from runwright.types import Part

async def main(bucket, endpoint, name, versions):
    service = S3ArtifactService(
        bucket, endpoint=endpoint, region="us-east-1", access_key_id="tests", secret_access_key="tests",
        client_options={"allow_http": True},
    )
    sys.stdin.readline()
    for number in range(versions):
        part = Part(text=f"{name} {number}") if number % 2 else Part(text="the same")
        version = await service.save_artifact(
            app_name="app", user_id="u", session_id="s", filename="f", artifact=part
        )
        print(json.dumps([version, part.text]), flush=True)

asyncio.run(main(*sys.argv[1:4], int(sys.argv[4])))
"""


class Raw(NamedTuple):
    """The store behind a service, as another program sees it."""

    url: str
    options: dict[str, Any]

    @property
    def store(self) -> Any:
        return obstore.store.from_url(self.url, **self.options)

    def service(self) -> ObjectStoreArtifactService:
        return ObjectStoreArtifactService(self.url, **self.options)

    def sizes(self, prefix: str = "apps") -> dict[str, int]:
        return {one["path"]: one["size"] for one in obstore.list(self.store, prefix).collect()}

    def blobs(self) -> dict[str, int]:
        return {key: size for key, size in self.sizes().items() if "/blobs/" in key}

    def read(self, key: str) -> bytes:
        return bytes(obstore.get(self.store, key).bytes())

    def write(self, key: str, data: bytes) -> None:
        obstore.put(self.store, key, data)

    def delete(self, key: str) -> None:
        obstore.delete(self.store, key)


@pytest.fixture(scope="module")
def s3() -> Iterator[S3Server]:
    yield from running_s3_server()


@pytest.fixture
def in_s3(s3: S3Server) -> Raw:
    return Raw(f"s3://{s3.new_bucket()}/some where", s3.options)


@pytest.fixture
def in_folder(tmp_path: Path) -> Raw:
    (tmp_path / "objects").mkdir()
    return Raw((tmp_path / "objects").as_uri(), {})


@pytest.fixture(params=["in_s3", "in_folder"])
def raw(request: pytest.FixtureRequest) -> Raw:
    return request.getfixturevalue(request.param)


def binary(data: bytes) -> Part:
    return Part.from_bytes(data=data, mime_type="image/png")


class TestArtifactsInS3(ArtifactServiceContract):
    @pytest.fixture(autouse=True)
    def place(self, s3: S3Server) -> None:
        self._bucket, self._options = s3.new_bucket(), s3.options

    async def create_service(self) -> S3ArtifactService:
        return S3ArtifactService(self._bucket, prefix="files", **self._options)

    async def reopen(self, service: Any) -> S3ArtifactService:
        await service.close()
        return S3ArtifactService(self._bucket, prefix="files", **self._options)


class TestArtifactsInAFolderOfObjects(ArtifactServiceContract):
    @pytest.fixture(autouse=True)
    def place(self, tmp_path: Path) -> None:
        self._url = (tmp_path / "not there yet").as_uri()

    async def create_service(self) -> ObjectStoreArtifactService:
        return ObjectStoreArtifactService(self._url)

    async def reopen(self, service: Any) -> ObjectStoreArtifactService:
        await service.close()
        return ObjectStoreArtifactService(self._url)


class TestArtifactsInAnObjectStoreInMemory(ArtifactServiceContract):
    async def create_service(self) -> ObjectStoreArtifactService:
        return ObjectStoreArtifactService("memory:///")


async def test_where_a_version_lies(in_s3: Raw) -> None:
    service = in_s3.service()
    await service.save_artifact(filename="F.png", artifact=binary(b"x"), **OWNER)
    known = await service.get_artifact_version(filename="F.png", **OWNER)
    key = f"{HOME}/blobs/_f.png/000000000000-{hashlib.sha256(b'x').hexdigest()}-image=2fpng"
    assert known is not None and known.canonical_uri == f"{in_s3.url}/{key}"
    assert in_s3.read(key) == b"x"
    assert obstore.get(in_s3.store, key).attributes["Content-Type"] == "image/png"


async def test_bytes_that_are_there_cost_nothing(raw: Raw) -> None:
    service, data = raw.service(), os.urandom(10_000)
    for _ in range(3):
        await service.save_artifact(filename="f", artifact=binary(data), **OWNER)
    assert list(raw.blobs().values()) == [len(data)]
    await service.save_artifact(filename="f", artifact=binary(data + b"x"), **OWNER)
    assert sorted(raw.blobs().values()) == [len(data), len(data) + 1]


async def test_a_deleted_file_leaves_one_empty_object(raw: Raw) -> None:
    service = raw.service()
    for _ in range(2):
        for text in ("a", "b", "a"):
            await service.save_artifact(filename="f", artifact=Part(text=text), **OWNER)
        await service.delete_artifact(filename="f", **OWNER)
        await service.delete_artifact(filename="f", **OWNER)
        assert list(raw.sizes().values()) == [0]
    assert await service.list_artifact_keys(**OWNER) == []


async def test_fifty_megabytes_come_back_as_they_were(in_s3: Raw) -> None:
    data = os.urandom(1024 * 1024) * 50
    await in_s3.service().save_artifact(filename="large", artifact=binary(data), **OWNER)
    loaded = await in_s3.service().load_artifact(filename="large", **OWNER)
    assert loaded is not None and loaded.inline_data is not None
    assert loaded.inline_data.data == data
    assert list(in_s3.blobs().values()) == [len(data)]


async def test_more_versions_and_files_than_a_page_holds(in_s3: Raw) -> None:
    service = in_s3.service()
    part = Part.from_uri(file_uri="gs://bucket/file")
    await service.save_artifact(filename="f", artifact=part, **OWNER)
    record, count = in_s3.read(f"{HOME}/artifacts/f/{0:012}"), 2 * PAGE + 10
    await asyncio.gather(
        *(obstore.put_async(in_s3.store, f"{HOME}/artifacts/f/{number:012}", record) for number in range(1, count)),
        *(obstore.put_async(in_s3.store, f"{HOME}/artifacts/g{number}/{0:012}", record) for number in range(20)),
    )
    assert await service.list_versions(filename="f", **OWNER) == list(range(count))
    assert await service.save_artifact(filename="f", artifact=part, **OWNER) == count
    assert await service.list_artifact_keys(**OWNER) == ["f", *sorted(f"g{number}" for number in range(20))]
    await service.delete_artifact(filename="f", **OWNER)
    assert await service.list_versions(filename="f", **OWNER) == []
    assert in_s3.sizes(f"{HOME}/artifacts/f") == {f"{HOME}/artifacts/f/{count + 1:012}": 0}


def started(server: S3Server, bucket: str, name: str, versions: int) -> subprocess.Popen[str]:
    arguments = [sys.executable, "-c", SAVER, bucket, server.options["endpoint"], name, str(versions)]
    return subprocess.Popen(arguments, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)


async def test_processes_that_save_at_once_lose_nothing(s3: S3Server) -> None:
    bucket, each, names = s3.new_bucket(), 15, ("one", "two")
    savers = [started(s3, bucket, name, each) for name in names]
    saved: dict[int, str] = {}
    for saver in savers:
        assert saver.stdin is not None
        saver.stdin.write("go\n")
        saver.stdin.flush()
    for saver in savers:
        with saver:
            output, _ = await asyncio.to_thread(saver.communicate, timeout=60)
        assert saver.returncode == 0
        saved |= dict(json.loads(line) for line in output.splitlines())
    service = S3ArtifactService(bucket, **s3.options)
    assert sorted(saved) == list(range(each * len(names)))
    assert await service.list_versions(filename="f", **OWNER) == sorted(saved)
    for version, text in saved.items():
        assert await service.load_artifact(filename="f", version=version, **OWNER) == Part(text=text)


async def test_services_that_share_a_store_delete_and_save_at_once(raw: Raw) -> None:
    part = binary(b"the same bytes")
    services = [raw.service() for _ in range(3)]

    async def work(service: ObjectStoreArtifactService) -> None:
        for _ in range(8):
            await service.save_artifact(filename="f", artifact=part, **OWNER)
            assert await service.load_artifact(filename="f", **OWNER) in (part, None)
            await service.delete_artifact(filename="f", **OWNER)
        await service.save_artifact(filename=f"last of {id(service)}", artifact=part, **OWNER)

    async with asyncio.TaskGroup() as group:
        for service in services:
            group.create_task(work(service))
    assert await services[0].list_versions(filename="f", **OWNER) == []
    assert len(await services[0].list_artifact_keys(**OWNER)) == len(services)
    assert await services[1].save_artifact(filename="f", artifact=part, **OWNER) == 0
    assert await services[2].load_artifact(filename="f", **OWNER) == part


async def test_what_a_killed_process_left_does_no_harm(raw: Raw) -> None:
    service, data = raw.service(), b"bytes of nobody"
    blob = f"{HOME}/blobs/f/{0:012}-{hashlib.sha256(data).hexdigest()}-image=2fpng"
    raw.write(blob, data)
    assert await service.list_artifact_keys(**OWNER) == []
    assert await service.save_artifact(filename="f", artifact=binary(data), **OWNER) == 0
    assert list(raw.blobs()) == [blob]
    raw.write(f"{HOME}/artifacts/f/{1:012}", b"")  # deleted, and killed before anything was removed
    assert await service.list_artifact_keys(**OWNER) == []
    assert await service.save_artifact(filename="f", artifact=binary(data), **OWNER) == 0
    await service.delete_artifact(filename="f", **OWNER)
    assert list(raw.sizes().values()) == [0]


@pytest.mark.parametrize("damage", ["torn", "changed", "gone"])
@pytest.mark.parametrize("kind", ["blobs", "artifacts"])
async def test_damage_is_an_error_that_names_the_object(raw: Raw, kind: str, damage: str) -> None:
    service = raw.service()
    for text in ("zero", "one", "two"):
        await service.save_artifact(filename="f", artifact=Part(text=text), **OWNER)
    if kind == "artifacts":
        key = f"{HOME}/artifacts/f/{1:012}"
    else:
        key = f"{HOME}/blobs/f/{0:012}-{hashlib.sha256(b'one').hexdigest()}-text=2fplain"
    data = raw.read(key)
    if damage == "gone":
        raw.delete(key)
    else:
        raw.write(key, data[:-1] if damage == "torn" else data[:-1] + bytes([data[-1] ^ 1]))
    with pytest.raises(CorruptedDataError, match="artifacts/f" if kind == "artifacts" else key):
        await service.load_artifact(filename="f", version=1, **OWNER)


async def test_a_large_blob_that_is_damaged_is_an_error_too(in_folder: Raw) -> None:
    service = in_folder.service()
    await service.save_artifact(filename="f", artifact=binary(bytes(17 * 1024 * 1024)), **OWNER)
    ((blob, size),) = in_folder.blobs().items()
    for damaged in (bytes(size - 1), bytes(size - 1) + b"x", bytes(size + 1), b""):
        in_folder.write(blob, damaged)
        with pytest.raises(CorruptedDataError, match=blob):
            await service.load_artifact(filename="f", **OWNER)
    in_folder.delete(blob)
    with pytest.raises(CorruptedDataError, match="the bytes are not there"):
        await service.load_artifact(filename="f", **OWNER)


async def test_a_log_with_a_hole_is_an_error_and_no_version_is_added(raw: Raw) -> None:
    service = raw.service()
    for text in ("zero", "one", "two"):
        await service.save_artifact(filename="f", artifact=Part(text=text), **OWNER)
    raw.delete(f"{HOME}/artifacts/f/{1:012}")
    with pytest.raises(CorruptedDataError, match="an entry is missing"):
        await service.save_artifact(filename="f", artifact=Part(text="three"), **OWNER)
    await service.save_artifact(filename="g", artifact=Part(text="sound"), **OWNER)
    assert await service.load_artifact(filename="g", **OWNER) == Part(text="sound")


async def test_no_bucket_is_an_error_that_says_so(s3: S3Server) -> None:
    service = S3ArtifactService("no-such-bucket", **s3.options)
    for call in (
        service.save_artifact(filename="f", artifact=Part(text="x"), **OWNER),
        service.load_artifact(filename="f", **OWNER),
        service.list_artifact_keys(**OWNER),
        service.delete_artifact(filename="f", **OWNER),
    ):
        with pytest.raises(StorageError, match=r"no bucket for s3://no-such-bucket: create it"):
            await call


async def test_no_access_is_an_error_that_says_so(s3: S3Server) -> None:
    service = S3ArtifactService(s3.new_bucket(), **s3.options)
    s3.check_access(True)
    try:
        with pytest.raises(StorageError, match="refused access: give credentials"):
            await service.list_artifact_keys(**OWNER)
        with pytest.raises(StorageError, match="refused access: give credentials"):
            await service.save_artifact(filename="f", artifact=Part(text="x"), **OWNER)
    finally:
        s3.check_access(False)
    assert await service.save_artifact(filename="f", artifact=Part(text="x"), **OWNER) == 0


async def test_no_server_is_an_error_that_says_so(s3: S3Server) -> None:
    options = {
        **s3.options,
        "endpoint": "http://127.0.0.1:9",
        "retry_config": {"max_retries": 1, "retry_timeout": timedelta(seconds=1)},
    }
    service = S3ArtifactService("bucket", **options)
    with pytest.raises(StorageError, match="cannot be reached: look at the endpoint") as caught:
        await service.save_artifact(filename="f", artifact=Part(text="x"), **OWNER)
    assert caught.value.__cause__ is not None
    assert "Debug source" not in str(caught.value)


@pytest.mark.parametrize(
    ("url", "options"), [("nonsense://x", {}), ("no url", {}), ("s3://bucket", {"no_such_option": 1})]
)
def test_what_no_store_understands_is_refused_at_once(url: str, options: dict[str, Any]) -> None:
    with pytest.raises(ConfigurationError, match="cannot be opened"):
        ObjectStoreArtifactService(url, **options)


def test_a_bucket_of_google_is_named_by_its_name() -> None:
    service = GcsArtifactService("bucket", prefix="/some/where/", skip_signature=True)
    assert service.url == "gs://bucket/some/where"


def test_the_driver_is_imported_when_it_is_used_and_missed_by_name(tmp_path: Path) -> None:
    (tmp_path / "obstore.py").write_text("raise ImportError('not here')")
    code = (
        "import runwright.artifacts\n"
        "try:\n"
        "    runwright.artifacts.S3ArtifactService('bucket')\n"
        f"except runwright.errors.{MissingDependencyError.__name__} as error:\n"
        "    print(error)\n"
    )
    environment = {**os.environ, "PYTHONPATH": str(tmp_path)}
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", code], env=environment, capture_output=True, text=True, timeout=60
    )
    assert "runwright[object-store]" in done.stdout, done.stderr
