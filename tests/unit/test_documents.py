# SPDX-License-Identifier: Apache-2.0
"""The README's Python runs, and what the documents name exists."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
SNIPPETS = re.findall(r"```python\n(.*?)```", (ROOT / "README.md").read_text(encoding="utf-8"), re.DOTALL)


def test_the_readme_has_snippets() -> None:
    assert len(SNIPPETS) >= 3


@pytest.mark.parametrize("snippet", SNIPPETS, ids=range(len(SNIPPETS)))
def test_each_snippet_of_the_readme_runs(snippet: str) -> None:
    done = subprocess.run(
        [sys.executable, "-X", "dev", "-W", "error", "-c", snippet],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip(), "a snippet that prints nothing shows nothing"
    # In its debug mode, asyncio also says how slow the machine is.
    assert [line for line in done.stderr.splitlines() if not re.match(r"Executing <.* took ", line)] == []


@pytest.mark.parametrize("document", ["README.md", "ARCHITECTURE.md", "CHANGELOG.md"])
def test_the_files_that_a_document_links_to_exist(document: str) -> None:
    text = (ROOT / document).read_text(encoding="utf-8")
    for target in re.findall(r"\]\(([^)#]+)\)", text):
        if "://" not in target:
            assert (ROOT / target).exists(), f"{document} links to {target}"


def test_the_modules_that_the_architecture_names_exist() -> None:
    text = (ROOT / "ARCHITECTURE.md").read_text(encoding="utf-8").split("## Departures")[0]
    named = set(re.findall(r"\*\*`([a-z_/]+\.py)`\*\*|`([a-z_]+/[a-z_]+\.py)`", text))
    paths = {first or second for first, second in named}
    assert len(paths) > 10
    for path in paths:
        assert (ROOT / "src" / "runwright" / path).exists() or (ROOT / path).exists(), path
