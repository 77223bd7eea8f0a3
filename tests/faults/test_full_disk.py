# SPDX-License-Identifier: Apache-2.0
"""There is no room on the disk: the error says so, nothing that was acknowledged is lost, and with room it goes on.

A limit on the size of files stands for a full disk everywhere; a small disk is filled where one may be mounted.
"""

import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.faults.children import Children
from tests.faults.stores import new_place

ROOMS = [0, 1, 700, 4096, 20_000, 150_000]
SMALL_DISK = "4m"


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A folder on a disk of its own."""
    folder = tmp_path / "disk"
    folder.mkdir()
    command = ["mount", "-t", "tmpfs", "-o", f"size={SMALL_DISK}", "none", str(folder)]
    try:
        mounted = subprocess.run(command, capture_output=True, text=True, timeout=10)
    except FileNotFoundError:
        pytest.skip("there is no program `mount` to make a small disk with")
    if mounted.returncode:
        pytest.skip(f"a small disk cannot be mounted here (it takes root on Linux): {mounted.stderr.strip()}")
    try:
        yield folder
    finally:
        subprocess.run(["umount", str(folder)], check=True, timeout=10)


@pytest.mark.parametrize("kind", ["sqlite", "file"])
def test_appends_without_room(kind: str, children: Children, tmp_path: Path) -> None:
    outcome = children.start(
        "tests.faults.limits:append_without_room",
        place=new_place(kind, tmp_path, None),
        folder=str(tmp_path),
        rooms=ROOMS,
        disk=False,
    )
    assert len(outcome.result()) == len(ROOMS)


@pytest.mark.parametrize("kind", ["sqlite", "file"])
def test_turns_without_room(kind: str, children: Children, tmp_path: Path, full: bool) -> None:
    size, step = (130_000, 8_000) if kind == "sqlite" else (4_000, 300)
    outcome = children.start(
        "tests.faults.limits:talk_without_room",
        place=new_place(kind, tmp_path, None),
        folder=str(tmp_path),
        rooms=list(range(0, size, step // 8 if full else step)),
    )
    ends = outcome.result()
    assert set(ends) == {"StorageError", "NoneType"}, ends


@pytest.mark.parametrize("kind", ["sqlite", "file"])
def test_appends_on_a_full_disk(kind: str, children: Children, small_disk: Path) -> None:
    outcome = children.start(
        "tests.faults.limits:append_without_room",
        place=new_place(kind, small_disk, None),
        folder=str(small_disk),
        rooms=[0, 4096, 200_000],
        disk=True,
    )
    assert len(outcome.result()) == 3


@pytest.mark.parametrize("kind", ["sqlite", "file"])
def test_a_store_that_cannot_be_made_for_lack_of_room_is_made_later(
    kind: str, children: Children, tmp_path: Path
) -> None:
    outcome = children.start("tests.faults.limits:open_without_room", place=new_place(kind, tmp_path, None))
    assert str(tmp_path) in outcome.result()


def test_an_artifact_without_room(children: Children, tmp_path: Path) -> None:
    outcome = children.start("tests.faults.limits:save_artifacts_without_room", folder=str(tmp_path), disk=False)
    assert outcome.result()


def test_an_artifact_on_a_full_disk(children: Children, small_disk: Path) -> None:
    outcome = children.start("tests.faults.limits:save_artifacts_without_room", folder=str(small_disk), disk=True)
    assert outcome.result()
