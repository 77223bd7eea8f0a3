# SPDX-License-Identifier: Apache-2.0
"""What the fault tests share. They run in a short form, and in full where RUNWRIGHT_FAULTS is `full`: `make faults`."""

import os
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.faults.children import Children
from tests.faults.stores import Place, new_place


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Skips the tests of this folder where processes cannot be forked."""
    if sys.platform != "win32":
        return
    for item in items:
        if Path(__file__).parent in item.path.parents:
            item.add_marker(pytest.mark.skip(reason="it forks, kills and limits processes as POSIX has it"))


@pytest.fixture(scope="session")
def full() -> bool:
    """Whether all is to be tried that can be, however long that takes."""
    return os.environ.get("RUNWRIGHT_FAULTS") == "full"


@pytest.fixture(scope="session")
def children(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Children]:
    """Runs programs in processes of their own."""
    children = Children(tmp_path_factory.mktemp("children"))
    try:
        yield children
    finally:
        children.close()


@pytest.fixture(params=["sqlite", "postgres", "file"])
def anywhere(request: pytest.FixtureRequest, tmp_path: Path) -> Place:
    """An empty store of each kind."""
    kind = request.param
    return new_place(kind, tmp_path, request.getfixturevalue("postgres_database") if kind == "postgres" else None)


@pytest.fixture(params=["sqlite", "postgres"])
def place(request: pytest.FixtureRequest, tmp_path: Path) -> Place:
    """An empty database of each kind."""
    kind = request.param
    return new_place(kind, tmp_path, request.getfixturevalue("postgres_database") if kind == "postgres" else None)
