# SPDX-License-Identifier: Apache-2.0
"""The tests on every supported Python that this machine has: ``nox``, or ``nox -s tests-3.12`` for one.

A Python that is not here is skipped with a warning, and listed as skipped at the end; none is downloaded.
"""

import os
from pathlib import Path

import nox

VERSIONS = ["3.11", "3.12", "3.13", "3.14"]

nox.options.default_venv_backend = "venv"
nox.options.download_python = "never"
nox.options.error_on_missing_interpreters = False

# The versions that pyenv keeps but has not switched on are here as well; those already on PATH come first.
kept = Path(os.environ.get("PYENV_ROOT") or Path.home() / ".pyenv") / "versions"
folders = [str(folder) for version in VERSIONS for folder in sorted(kept.glob(f"{version}.*/bin"))]
os.environ["PATH"] = os.pathsep.join([os.environ.get("PATH", ""), *folders])


@nox.session(python=VERSIONS)
def tests(session: nox.Session) -> None:
    """Runs the tests against the pinned versions; arguments after ``--`` go to pytest."""
    session.install("--disable-pip-version-check", "-qq", "-c", "constraints.txt", "-e", ".[dev]")
    session.run("python", "-m", "pytest", "-q", *session.posargs)
