# SPDX-License-Identifier: Apache-2.0
"""Where the recordings of real exchanges lie. They are no part of the project: without them these tests are skipped."""

import os
from pathlib import Path

import pytest

SHARED = Path(os.environ.get("RUNWRIGHT_SHARED") or Path(__file__).resolve().parents[3] / "shared")
RECORDINGS = SHARED / "recordings"


def recorded(*folders: str) -> list[object]:
    """The recordings in these folders, as parameters of a test; one that is skipped where there are none."""
    found = [path for folder in folders for path in sorted((RECORDINGS / folder).glob("*.*"))]
    if not found:
        missing = pytest.mark.skip(reason=f"there are no recordings in {'/'.join(folders)}: set RUNWRIGHT_SHARED")
        return [pytest.param(None, id="-".join(folders), marks=missing)]
    return [pytest.param(path, id=f"{path.parent.name}/{path.stem}") for path in found]


def recording(name: str) -> Path:
    """One recording, by its path below the folder of recordings; the test is skipped where it is not there."""
    path = RECORDINGS / name
    if not path.exists():
        pytest.skip(f"the recording {name} is not there: set RUNWRIGHT_SHARED")
    return path
