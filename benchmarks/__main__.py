# SPDX-License-Identifier: Apache-2.0
"""Measures Runwright, and a peer beside it: medians of alternating rounds, each in its own process."""

import argparse
import importlib.metadata
import json
import os
import subprocess
import sys
from collections import defaultdict
from pathlib import Path
from time import perf_counter

from benchmarks import report
from benchmarks.cases import CASES
from benchmarks.peers import OURS, ROOT, parse_requirement, python_with

ROUNDS = 3
PEER_ROUNDS = {"many_sessions": 2, "tool_turn": 2}  # a round of these takes a slow peer half a minute
CASE_SECONDS = 300


def run_case(python: str, library: str, case: str, quick: bool) -> dict[str, object]:
    """Runs one case in a child process; returns what it measured.

    Raises:
        RuntimeError: The case failed or took too long.
    """
    command = [python, "-m", "benchmarks.cases", library, case, *(["--quick"] if quick else [])]
    # Compiled modules are kept, as they are where a library is installed for use.
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
    try:
        done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, timeout=CASE_SECONDS)
    except subprocess.TimeoutExpired as error:
        raise RuntimeError(f"{library} {case}: no result after {CASE_SECONDS} s") from error
    if done.returncode != 0:
        reason = (done.stderr.strip() or f"exit status {done.returncode}").splitlines()[-1]
        raise RuntimeError(f"{library} {case} failed: {reason}\n  to see it all: {' '.join(command)}")
    return json.loads(done.stdout.splitlines()[-1])


def measure(pythons: dict[str, str], cases: list[str], quick: bool) -> tuple[report.Samples, list[str]]:
    """Runs every case in alternating rounds; returns the samples, and what failed."""
    samples: dict[str, dict[str, list[object]]] = {library: defaultdict(list) for library in pythons}
    failures: list[str] = []
    for case in cases:
        for round_ in range(1 if quick else ROUNDS):
            for library, python in pythons.items():
                if library != OURS and round_ >= PEER_ROUNDS.get(case, ROUNDS):
                    continue
                print(f"{case:15} round {round_ + 1}  {library:12}", end="", flush=True)
                started = perf_counter()
                try:
                    measured = run_case(python, library, case, quick)
                except RuntimeError as error:
                    failures.append(str(error))
                    print("  FAILED")
                    continue
                print(f"{perf_counter() - started:6.1f} s")
                for key, value in measured.items():
                    samples[library][key].append(value)
    return samples, failures


def plot(folder: Path, samples: report.Samples, labels: dict[str, str]) -> bool:
    """Draws the plot; without matplotlib says so and returns False."""
    try:
        from benchmarks.plot import draw  # optional: matplotlib
    except ModuleNotFoundError as error:
        print(f"NO PLOT: {error.name} is not installed; install the extra `bench`", file=sys.stderr)
        return False
    draw(folder / "turn_cost.svg", samples, labels)
    return True


def version_of_ours() -> str:
    try:
        return importlib.metadata.version(OURS)
    except importlib.metadata.PackageNotFoundError:
        return "(not installed)"


def main() -> int:
    """Runs the benchmarks; returns 0 when every case ran, whether or not the bars were met."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("--vs", metavar="PEER", help="measure a peer in the same run, as in google-adk==2.13.0")
    parser.add_argument("--case", action="append", choices=CASES, help="only this case (may be repeated)")
    parser.add_argument("--quick", action="store_true", help="one round of smaller sizes; not to be held to the bars")
    parser.add_argument("--output", type=Path, help="folder for RESULTS.md and the plot (default: benchmarks/, and "
                        "only for a whole run with a peer)")  # fmt: skip
    options = parser.parse_args()

    peer, labels = None, {OURS: f"{OURS} {version_of_ours()}"}
    try:
        pythons = {OURS: python_with(OURS, "-e", ".", "-c", "constraints.txt")}
        if options.vs:
            peer, version = parse_requirement(options.vs)
            pythons[peer] = python_with(f"{peer}-{version}", options.vs)
            labels = {peer: f"{peer} {version}", **labels}
    except ValueError as error:
        parser.error(str(error))
    except subprocess.CalledProcessError as error:
        print(f"could not install what is measured: {error}", file=sys.stderr)
        return 1

    started = perf_counter()
    samples, failures = measure(pythons, options.case or list(CASES), options.quick)
    remarks = report.foreign_packages(samples)
    if options.quick:
        remarks.append("One round of smaller sizes (100 sessions, 500 chunks): not to be held to the bars.")
    print(f"\n{report.as_text(report.table(samples, peer))}\n")
    print(*remarks, f"{perf_counter() - started:.0f} s in all", sep="\n")
    for failure in failures:
        print(failure, file=sys.stderr)

    whole = peer is not None and not options.case and not options.quick
    if failures or not (whole or options.output):
        print("RESULTS.md left as it is: " + ("cases failed" if failures else "not a whole run with a peer"))
        return 1 if failures else 0
    folder = options.output or Path(__file__).parent
    folder.mkdir(parents=True, exist_ok=True)
    if "text_turn" in (options.case or CASES) and plot(folder, samples, labels):
        remarks.append("![Milliseconds a turn by history length](turn_cost.svg)")
    written = report.write_results(folder, samples, peer=peer, versions=[*labels.values()], remarks=remarks)
    print(f"wrote {written}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
