# SPDX-License-Identifier: Apache-2.0
"""The project's own rules: what may be imported, what may be written in a file, what the core may depend on."""

import ast
import json
import os
import re
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
SOURCE = ROOT / "src" / "runwright"
CORE_DEPENDENCIES = {"msgspec"}
# In the standard library of a newer Python than the oldest that we support, imported behind a version check.
NEWER_STANDARD_LIBRARY = {"annotationlib"}
# The rooms that may use what an extra brings; everything else is the core.
OUTSIDE_THE_CORE = {
    "artifacts",
    "cli",
    "credentials",
    "engines",
    "memories",
    "migrate",
    "models",
    "plugins",
    "server",
    "sessions",
    "storage",
    "testing",
    "tools",
    "ui",
}
NOT_OURS = {".git", ".venv", ".nox", "__pycache__", "build", "dist", "htmlcov"}
CACHES = re.compile(r"^\.(coverage.*|hypothesis|\w+_cache)$")

# Written in pieces, so that this file holds none of them.
REGISTRY_HOSTS = (
    "pypi" + ".org",
    "python" + "hosted.org",
    "npmjs" + ".",
    "crates" + ".io",
    "rubygems" + ".org",
    "proxy.golang" + ".org",
    "anaconda" + ".org",
    "docker" + ".io",
    "ghcr" + ".io",
    "quay" + ".io",
)
MACHINE_PATHS = re.compile(r"(?<![\w.])(?:/home/\w|/Users/\w|/root/[\w.]|[A-Z]:\\Users\\\w)")


def files_of_the_project() -> Iterator[tuple[str, str]]:
    """Every text file that belongs to the project: its path below the root, and its text."""
    for folder, folders, names in os.walk(ROOT):
        folders[:] = [name for name in folders if name not in NOT_OURS and not CACHES.match(name)]
        if "pyvenv.cfg" in names:
            folders.clear()  # somebody's environment
            continue
        for name in names:
            path = Path(folder, name)
            if CACHES.match(name) or not path.is_file():
                continue
            try:
                yield path.relative_to(ROOT).as_posix(), path.read_text(encoding="utf-8")
            except UnicodeDecodeError:
                continue  # an image or a database


def source_files() -> list[Path]:
    return sorted(SOURCE.rglob("*.py"))


def modules_after(statement: str) -> set[str]:
    """The top-level names of what a fresh interpreter has loaded once the statement ran."""
    program = (
        f"import json, sys; before = set(sys.modules); {statement}; print(json.dumps([*sys.modules.keys() - before]))"
    )
    command = [sys.executable, "-I", "-c", program]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)
    assert done.returncode == 0, done.stderr
    names = {name.partition(".")[0] for name in json.loads(done.stdout)}
    return {name for name in names if not name.startswith("_sysconfigdata_")}  # the standard library's, per platform


def imported_names(path: Path) -> set[str]:
    """The top-level names that a file imports anywhere, inside functions too."""
    names: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            names.update(alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.level == 0 and node.module:
            names.add(node.module)
    return {name.partition(".")[0] for name in names}


def test_importing_runner_and_agent_loads_nothing_but_the_standard_library_and_msgspec() -> None:
    loaded = modules_after("import runwright; runwright.Runner; runwright.Agent")
    msgspec_and_its_own = modules_after("import msgspec")  # it takes typing_extensions where that is installed

    assert "runwright" in loaded
    assert sorted(loaded - sys.stdlib_module_names - msgspec_and_its_own - {"runwright"}) == []


def test_importing_the_package_alone_loads_not_even_msgspec() -> None:
    loaded = modules_after("import runwright")

    assert sorted(loaded - sys.stdlib_module_names) == ["runwright"]


def test_the_core_imports_only_the_standard_library_and_msgspec() -> None:
    allowed = sys.stdlib_module_names | NEWER_STANDARD_LIBRARY | CORE_DEPENDENCIES | {"runwright"}
    foreign = {
        path.relative_to(SOURCE).as_posix(): sorted(imported_names(path) - allowed)
        for path in source_files()
        if path.relative_to(SOURCE).parts[0] not in OUTSIDE_THE_CORE and imported_names(path) - allowed
    }

    assert foreign == {}


def test_the_core_depends_on_msgspec_alone() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]

    assert [re.split(r"[^\w-]", requirement)[0] for requirement in project["dependencies"]] == ["msgspec"]


def test_every_source_file_starts_with_its_licence_line() -> None:
    files = source_files()
    without = [
        path.relative_to(ROOT).as_posix()
        for path in files
        if path.read_text(encoding="utf-8").split("\n", 1)[0] != "# SPDX-License-Identifier: Apache-2.0"
    ]

    assert files
    assert without == []


def test_no_file_names_a_package_registry() -> None:
    found = [f"{path}: {host}" for path, text in files_of_the_project() for host in REGISTRY_HOSTS if host in text]

    assert found == []


def test_no_file_holds_a_path_of_somebodys_machine() -> None:
    found = [f"{path}: {match[0]}" for path, text in files_of_the_project() for match in MACHINE_PATHS.finditer(text)]

    assert found == []


def test_constraints_are_exact_pins_and_nothing_else() -> None:
    pin = re.compile(r"[a-z0-9][a-z0-9-]*==[0-9][\w.]*( ; (python_full_version|sys_platform) \S+ '[\w.]+')?")
    lines = (ROOT / "constraints.txt").read_text(encoding="utf-8").splitlines()

    assert lines
    assert [line for line in lines if not pin.fullmatch(line)] == []


@pytest.mark.parametrize(
    "extra",
    [
        "anthropic",
        "bench",
        "cli",
        "credentials",
        "dev",
        "gemini",
        "mcp",
        "models",
        "object-store",
        "openai",
        "openapi",
        "postgres",
        "recordings",
        "sqlite-vec",
    ],
)
def test_what_an_extra_asks_for_is_pinned(extra: str) -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    asked = {re.split(r"[^\w-]", line)[0] for line in project["optional-dependencies"][extra]} - {"runwright"}
    pinned = {line.partition("==")[0] for line in (ROOT / "constraints.txt").read_text(encoding="utf-8").splitlines()}

    assert asked
    assert sorted(asked - pinned) == []
