# SPDX-License-Identifier: Apache-2.0
"""Encrypted credentials: the suite of every service, and what encryption and the file promise."""

import asyncio
import os
import sqlite3
import stat
import subprocess
import sys
import traceback
from collections.abc import AsyncIterator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from runwright.credential import AuthConfig, AuthCredential
from runwright.credentials.encrypted import EncryptedCredentialService
from runwright.errors import (
    ConfigurationError,
    CorruptedDataError,
    InputValidationError,
    MissingDependencyError,
    RunwrightError,
    StorageError,
)
from runwright.testing import CredentialServiceContract

pytest.importorskip("cryptography", reason="the service needs it: pip install 'runwright[credentials]'")

KEY, OTHER_KEY = EncryptedCredentialService.generate_key(), EncryptedCredentialService.generate_key()
SECRET = "ghp-this-must-not-be-seen"
SAVER = """
import asyncio, sys
from dataclasses import dataclass
from runwright.credential import AuthConfig, AuthCredential
from runwright.credentials.encrypted import EncryptedCredentialService

@dataclass
class Owner:
    app_name: str
    user_id: str

async def main(path, name):
    service = EncryptedCredentialService(path)
    sys.stdin.readline()
    for number in range(20):
        credential = AuthCredential(auth_type="apiKey", api_key=f"{name} {number}")
        config = AuthConfig(credential_key=str(number), exchanged_auth_credential=credential)
        await service.save_credential(config, Owner("app", name))
        await service.save_credential(config, Owner("app", "shared"))
    await service.close()

asyncio.run(main(*sys.argv[1:]))
"""


@dataclass
class Owner:
    app_name: str = "app"
    user_id: str = "u"


def secret(value: str = SECRET, key: str = "github") -> AuthConfig:
    credential = AuthCredential(auth_type="apiKey", api_key=value)
    return AuthConfig(credential_key=key, exchanged_auth_credential=credential)


class TestEncryptedCredentials(CredentialServiceContract):
    @pytest.fixture(autouse=True)
    def place(self, tmp_path: Path) -> None:
        self._path = tmp_path / "not there yet" / "credentials.db"

    async def create_service(self) -> EncryptedCredentialService:
        return EncryptedCredentialService(self._path, KEY)

    async def reopen(self, service: Any) -> EncryptedCredentialService:
        await service.close()
        return EncryptedCredentialService(self._path, KEY)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "credentials.db"


@pytest.fixture
async def service(path: Path) -> AsyncIterator[EncryptedCredentialService]:
    opened = EncryptedCredentialService(path, KEY)
    yield opened
    await opened.close()


def in_file(path: Path, statement: str, *values: Any) -> list[Any]:
    with closing(sqlite3.connect(path)) as connection, connection:
        return connection.execute(statement, values).fetchall()


def permissions(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def content(path: Path) -> bytes:
    return path.read_bytes()


def overwrite(path: Path, data: bytes) -> None:
    path.write_bytes(data)


async def load(path: Path, *keys: str, config: AuthConfig | None = None, owner: Owner | None = None) -> Any:
    service = EncryptedCredentialService(path, keys)
    try:
        return await service.load_credential(config or secret(), owner or Owner())
    finally:
        await service.close()


async def test_the_secret_is_nowhere_in_the_file(service: EncryptedCredentialService, path: Path) -> None:
    await service.save_credential(secret(), Owner())
    for written in path.parent.iterdir():
        data = written.read_bytes()
        assert SECRET.encode() not in data
        assert KEY.encode() not in data
    ((sealed,),) = in_file(path, "SELECT sealed FROM credentials")
    await service.save_credential(secret(), Owner())
    assert in_file(path, "SELECT sealed FROM credentials") != [(sealed,)]  # the same never looks the same


@pytest.mark.skipif(os.name == "nt", reason="Windows has no such permissions")
async def test_only_its_owner_may_read_the_file(service: EncryptedCredentialService, path: Path) -> None:
    before = os.umask(0)
    try:
        await service.save_credential(secret(), Owner())
    finally:
        os.umask(before)
    assert permissions(path) == 0o600


@pytest.mark.parametrize(
    "moved", ["user_id = 'thief'", "app_name = 'other'", "credential_key = 'gitlab'"], ids=lambda moved: moved[:8]
)
async def test_a_row_that_was_moved_does_not_open(service: EncryptedCredentialService, path: Path, moved: str) -> None:
    await service.save_credential(secret(), Owner())
    in_file(path, f"UPDATE credentials SET {moved}")
    owner = Owner(*in_file(path, "SELECT app_name, user_id FROM credentials")[0])
    ((key,),) = in_file(path, "SELECT credential_key FROM credentials")
    with pytest.raises(CorruptedDataError, match=f"{key}.*{owner.user_id}.*{owner.app_name}"):
        await service.load_credential(secret(key=key), owner)
    assert await service.load_credential(secret(), Owner()) is None


async def test_a_row_that_was_changed_anywhere_does_not_open(service: EncryptedCredentialService, path: Path) -> None:
    await service.save_credential(secret(), Owner())
    ((sealed,),) = in_file(path, "SELECT sealed FROM credentials")
    bad: list[Any] = [sealed[:place] + bytes([sealed[place] ^ 1]) + sealed[place + 1 :] for place in range(len(sealed))]
    bad += [b"", sealed[:10], sealed[:-1], sealed + b"x", "text", 7]
    for value in bad:
        in_file(path, "UPDATE credentials SET sealed = ?", value)
        with pytest.raises(StorageError, match="github") as caught:
            await service.load_credential(secret(), Owner())
        assert SECRET not in str(caught.value)
    in_file(path, "UPDATE credentials SET sealed = ?", sealed)
    assert await service.load_credential(secret(), Owner()) == secret().exchanged_auth_credential


async def test_another_key_does_not_open_it(service: EncryptedCredentialService, path: Path) -> None:
    await service.save_credential(secret(), Owner())
    with pytest.raises(StorageError, match=r"'github' of user 'u'.*give that key too"):
        await load(path, OTHER_KEY)
    assert await load(path, KEY) == secret().exchanged_auth_credential


async def test_keys_are_rotated(service: EncryptedCredentialService, path: Path) -> None:
    for key in ("github", "gitlab"):
        await service.save_credential(secret(key, key), Owner())
    both = EncryptedCredentialService(path, [OTHER_KEY, KEY])
    assert await both.load_credential(secret(), Owner()) == secret("github").exchanged_auth_credential
    await both.save_credential(secret("new", "new"), Owner())
    assert await both.rotate() == 2
    assert await both.rotate() == 0
    await both.close()
    for key in ("github", "gitlab", "new"):
        found = await load(path, OTHER_KEY, config=secret(key=key))
        assert found == secret(key).exchanged_auth_credential
    with pytest.raises(StorageError, match="give that key too"):
        await load(path, KEY)


async def test_a_rotation_that_fails_changes_nothing(service: EncryptedCredentialService, path: Path) -> None:
    for key in ("a", "b", "c"):
        await service.save_credential(secret(key, key), Owner())
    in_file(path, "UPDATE credentials SET sealed = x'01' WHERE credential_key = 'b'")
    before = in_file(path, "SELECT * FROM credentials")
    both = EncryptedCredentialService(path, [OTHER_KEY, KEY])
    with pytest.raises(CorruptedDataError, match="'b'"):
        await both.rotate()
    await both.close()
    assert in_file(path, "SELECT * FROM credentials") == before


async def test_the_key_may_come_from_the_environment(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RUNWRIGHT_CREDENTIAL_KEY", f"{OTHER_KEY}, {KEY}")
    service = EncryptedCredentialService(path)
    await service.save_credential(secret(), Owner())
    await service.close()
    assert await load(path, OTHER_KEY) == secret().exchanged_auth_credential


@pytest.mark.parametrize("key", [None, "", [], "  ", [""]], ids=repr)
def test_without_a_key_it_says_where_to_get_one(path: Path, monkeypatch: pytest.MonkeyPatch, key: Any) -> None:
    monkeypatch.delenv("RUNWRIGHT_CREDENTIAL_KEY", raising=False)
    with pytest.raises(ConfigurationError, match=r"RUNWRIGHT_CREDENTIAL_KEY.*generate_key\(\)"):
        EncryptedCredentialService(path, key)


@pytest.mark.parametrize("bad", ["hunter2", KEY[:-5], KEY + KEY, "hunter2\ud800", "hunter ü"], ids=ascii)
def test_what_is_no_key_is_refused_and_not_shown(path: Path, bad: str) -> None:
    with pytest.raises(ConfigurationError, match="number 2 is not 32 bytes") as caught:
        EncryptedCredentialService(path, [KEY, bad])
    shown = "".join(traceback.format_exception(caught.value))
    assert "hunter" not in shown and bad not in str(caught.value)


async def test_secrets_are_not_shown(service: EncryptedCredentialService, path: Path) -> None:
    assert KEY not in repr(service)
    assert repr(service) == f"EncryptedCredentialService({str(path)!r})"
    shown: BaseException | None
    for value in (f"{SECRET}\ud800", {SECRET: object()}):
        with pytest.raises(InputValidationError, match="github") as caught:
            await service.save_credential(secret(value), Owner())  # type: ignore[arg-type]
        shown = caught.value
        while shown is not None:
            assert SECRET not in repr(shown)
            shown = shown.__cause__ or (None if shown.__suppress_context__ else shown.__context__)
    assert SECRET not in repr(secret())


async def test_names_that_are_not_unicode_are_refused(service: EncryptedCredentialService) -> None:
    with pytest.raises(InputValidationError, match="not valid Unicode"):
        await service.save_credential(secret(), Owner(user_id="half \ud800"))
    with pytest.raises(InputValidationError, match="credential_key"):
        await service.load_credential(secret(key=""), Owner())


async def test_a_file_that_is_none_of_ours_is_named(path: Path) -> None:
    overwrite(path, b"something else altogether" * 100)
    with pytest.raises(CorruptedDataError, match=r"credentials\.db"):
        await load(path, KEY)
    assert content(path) == b"something else altogether" * 100


async def test_a_torn_file_is_an_error(service: EncryptedCredentialService, path: Path) -> None:
    for number in range(50):
        await service.save_credential(secret("x" * 1000, key=str(number)), Owner())
    await service.close()
    overwrite(path, content(path)[:8192])
    with pytest.raises(CorruptedDataError, match=r"credentials\.db"):
        for number in range(50):
            await load(path, KEY, config=secret(key=str(number)))


async def test_a_file_that_cannot_be_reached_is_named(tmp_path: Path) -> None:
    (tmp_path / "in the way").write_text("")
    with pytest.raises(StorageError, match="in the way"):
        await load(tmp_path / "in the way" / "credentials.db", KEY)


async def test_a_newer_file_is_left_alone(path: Path) -> None:
    in_file(path, "PRAGMA user_version = 99")
    with pytest.raises(StorageError, match="newer Runwright"):
        await load(path, KEY)


async def test_a_closed_service_says_so(path: Path) -> None:
    service = EncryptedCredentialService(path, KEY)
    await service.close()
    await service.close()
    with pytest.raises(RunwrightError, match="closed"):
        await service.load_credential(secret(), Owner())


def started(path: Path, name: str) -> subprocess.Popen[str]:
    environment = {**os.environ, "RUNWRIGHT_CREDENTIAL_KEY": KEY}
    arguments = [sys.executable, "-c", SAVER, str(path), name]
    return subprocess.Popen(arguments, stdin=subprocess.PIPE, env=environment, text=True)


async def test_processes_may_share_the_file(service: EncryptedCredentialService, path: Path) -> None:
    savers = [started(path, name) for name in ("one", "two")]
    for saver in savers:
        assert saver.stdin is not None
        saver.stdin.write("go\n")
        saver.stdin.flush()
    for saver in savers:
        with saver:
            await asyncio.to_thread(saver.communicate, timeout=60)
        assert saver.returncode == 0
    for number in range(20):
        for name in ("one", "two"):
            found = await service.load_credential(secret(key=str(number)), Owner(user_id=name))
            assert found is not None and found.api_key == f"{name} {number}"
        shared = await service.load_credential(secret(key=str(number)), Owner(user_id="shared"))
        assert shared is not None and shared.api_key in (f"one {number}", f"two {number}")


def test_the_package_is_imported_when_it_is_used_and_missed_by_name(tmp_path: Path) -> None:
    (tmp_path / "cryptography").mkdir()
    (tmp_path / "cryptography" / "__init__.py").write_text("raise ImportError('not here')")
    code = (
        "import runwright.credentials\n"
        "try:\n"
        f"    runwright.credentials.EncryptedCredentialService('c.db', {KEY!r})\n"
        f"except runwright.errors.{MissingDependencyError.__name__} as error:\n"
        "    print(error)\n"
    )
    environment = {**os.environ, "PYTHONPATH": str(tmp_path)}
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", code], env=environment, capture_output=True, text=True, timeout=60
    )
    assert "runwright[credentials]" in done.stdout, done.stderr
