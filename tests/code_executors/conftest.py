# SPDX-License-Identifier: Apache-2.0
"""A sandbox for each test, and a look at what it leaves: processes and folders."""

import asyncio
import tempfile
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from runwright import CodeExecutionInput, CodeExecutionResult, File, SandboxedCodeExecutor
from runwright.errors import ConfigurationError

PATIENCE = 20.0
"""Seconds after which something that should have happened is taken to hang."""

MARK = "rw-marked"
"""What processes are called that a test looks for: code calls itself so with :data:`MARKED`."""

MARKED = f"import ctypes\nctypes.CDLL(None).prctl(15, b{MARK!r})\n"

LIMITS: dict[str, Any] = {"isolation": "limits", "network": "allow"}

Run = Callable[..., Awaitable[CodeExecutionResult]]


def marked() -> list[str]:
    """The processes that call themselves marked, dead ones that nobody waited for among them."""
    found: list[str] = []
    for entry in Path("/proc").glob("[0-9]*"):
        try:
            if (entry / "comm").read_text().strip() == MARK:
                found.append(entry.name)
        except OSError:
            continue
    return found


async def reached(condition: Callable[[], Any]) -> None:
    """Returns when something has come true."""
    async with asyncio.timeout(PATIENCE):
        while not condition():  # noqa: ASYNC110 - other processes tell nobody
            await asyncio.sleep(0.01)


@pytest.fixture(autouse=True)
def leaves_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Fails a test after which a process or a folder of an execution is there."""
    place = tmp_path / "temporary"
    place.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(place))
    yield
    assert list(place.iterdir()) == []
    for entry in Path("/proc").glob("[0-9]*"):
        try:
            command = (entry / "cmdline").read_bytes().decode(errors="replace")
        except OSError:
            continue
        assert str(place) not in command, f"left running: {command}"


@pytest.fixture(scope="session")
def refusal() -> str | None:
    """Why this system cannot keep code in; None where it can."""
    try:
        asyncio.run(SandboxedCodeExecutor().check())
    except ConfigurationError as error:
        return str(error)
    return None


@pytest.fixture
def full(refusal: str | None) -> None:
    """Skips a test of what keeps code in where the system does not let us."""
    if refusal is not None:
        pytest.skip(f"NOT TESTED, code cannot be kept in here: {refusal}")


async def execute(code: str, *files: File, **settings: Any) -> CodeExecutionResult:
    executor = SandboxedCodeExecutor(**{"timeout_seconds": PATIENCE, **settings})
    context: Any = None  # it does not look at the run
    return await executor.execute_code(context, CodeExecutionInput(code=code, input_files=list(files)))


@pytest.fixture
def run(full: None) -> Run:
    """Runs code that is kept in."""
    return execute


@pytest.fixture(params=["full", "limits"])
def run_either_way(request: pytest.FixtureRequest) -> Run:
    """Runs code in a way that each isolation is to have."""
    if request.param == "full":
        request.getfixturevalue("full")
        return execute

    async def limited(code: str, *files: File, **settings: Any) -> CodeExecutionResult:
        return await execute(code, *files, **LIMITS, **settings)

    return limited
