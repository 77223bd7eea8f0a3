# SPDX-License-Identifier: Apache-2.0
"""The libraries that are measured: where each keeps the same names, and how a peer gets an environment of its own.

Imports the standard library only, because every measured interpreter reads it.
"""

import importlib
import os
import re
import subprocess
import sys
import venv
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from types import SimpleNamespace

ROOT = Path(__file__).resolve().parent.parent
OURS = "runwright"


@dataclass(frozen=True)
class Library:
    """A library that speaks ADK's language.

    Attributes:
        imports: The name that a case uses -> the module it is imported from.
        import_line: What the import case runs in a fresh interpreter.
        own_modules: Top-level modules that the library may load and still count as free of dependencies.
        long_history: "run" makes long histories by real turns; "append" appends copies of one real turn's events to
            the session service, for a library whose turns are too slow for the other way.
    """

    imports: dict[str, str]
    import_line: str
    own_modules: frozenset[str]
    long_history: str


NAMES = ("Agent", "BaseLlm", "InMemorySessionService", "LlmResponse", "RunConfig", "Runner", "StreamingMode", "types")

LIBRARIES = {
    OURS: Library(
        imports=dict.fromkeys(NAMES, "runwright"),
        import_line="from runwright import Agent, Runner",
        own_modules=frozenset({"runwright", "msgspec"}),
        long_history="run",
    ),
    "google-adk": Library(
        imports={
            "Agent": "google.adk",
            "BaseLlm": "google.adk.models",
            "InMemorySessionService": "google.adk.sessions",
            "LlmResponse": "google.adk.models.llm_response",
            "RunConfig": "google.adk.agents.run_config",
            "Runner": "google.adk",
            "StreamingMode": "google.adk.agents.run_config",
            "types": "google.genai",
        },
        import_line="from google.adk import Agent, Runner",
        own_modules=frozenset({"google"}),
        long_history="append",
    ),
}


# What is installed to measure ours: alone, and on the wires.
OURS_ALONE = ("-e", ".", "-c", "constraints.txt")
WIRES_OURS = ("-e", ".[anthropic,gemini,mcp,openai]", "-c", "constraints.txt")
# What the cases on disk need beside the library itself. google-adk's extra `db` would bring Spanner's client as well.
DURABLE_OURS = ("-e", ".", "asyncpg", "-c", "constraints.txt")
DURABLE_ADK = ("sqlalchemy[asyncio]>=2,<3",)
# Libraries that do not speak ADK's language: only the cases on disk measure them.
FURTHER = {
    "langgraph": ("langgraph==1.2.22", "langgraph-checkpoint-sqlite==3.1.2"),
    "agno": ("agno==3.1.10", *DURABLE_ADK),
}


def load(library: str) -> SimpleNamespace:
    """Imports a library's names, so that each case is written once."""
    table = LIBRARIES[library].imports
    return SimpleNamespace(**{name: getattr(importlib.import_module(module), name) for name, module in table.items()})


def parse_requirement(requirement: str) -> tuple[str, str]:
    """Splits `google-adk==2.13.0` into name and version.

    Raises:
        ValueError: No exact version is named, or no case knows the library.
    """
    match = re.fullmatch(r"([A-Za-z0-9._-]+)==([A-Za-z0-9.]+)", requirement)
    if match is None:
        raise ValueError(f"{requirement!r} names no exact version; write it as google-adk==2.13.0")
    name, version = match.groups()
    if name == OURS or name not in LIBRARIES:
        known = ", ".join(sorted(LIBRARIES.keys() - {OURS}))
        raise ValueError(f"{name!r} cannot be compared with; known peers: {known}")
    return name, version


def python_with(label: str, *installed: str) -> str:
    """Returns the interpreter of an environment in `.bench/` that holds exactly what is named, making it when needed.

    Args:
        label: What the environment is called; another label is another environment.
        installed: Requirements, as pip takes them.
    """
    cache = ROOT / ".bench"
    home = cache / f"{label}-py{sys.version_info.major}.{sys.version_info.minor}"
    python = home / ("Scripts/python.exe" if os.name == "nt" else "bin/python")
    complete = home / "complete"
    if complete.exists():
        return str(python)
    print(f"installing {label} into {home.relative_to(ROOT)} (once)", flush=True)
    cache.mkdir(exist_ok=True)
    (cache / ".gitignore").write_text("*\n")
    venv.create(home, with_pip=True, clear=True)
    pip = [str(python), "-m", "pip", "--disable-pip-version-check", "install", "-qq"]
    subprocess.run([*pip, *installed], check=True, cwd=ROOT)
    complete.touch()
    return str(python)


def versions_in(python: str, packages: Sequence[str]) -> list[str]:
    """Names packages that an interpreter has installed, with their versions."""
    program = (
        "import importlib.metadata as m, sys; print(*(f'{one} {m.version(one)}' for one in sys.argv[1:]), sep='\\n')"
    )
    done = subprocess.run([python, "-c", program, *packages], check=True, capture_output=True, text=True)
    return done.stdout.splitlines()
