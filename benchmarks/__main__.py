# SPDX-License-Identifier: Apache-2.0
"""Measures Runwright, and a peer beside it: medians of alternating rounds, each in its own process."""

import argparse
import importlib.metadata
import json
import os
import re
import subprocess
import sys
from collections import defaultdict
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from time import perf_counter

from benchmarks import cases, durable, peers, report, stores, wire_report, wires
from benchmarks.peers import OURS, ROOT, parse_requirement, python_with

ROUNDS = 3
PEER_ROUNDS = {"many_sessions": 2, "tool_turn": 2}  # a round of these takes a slow peer half a minute
WIRES_ROUNDS = 2
CASE_SECONDS = 300
# case -> store -> rounds. What is slow, or says the same each time, has fewer.
DURABLE_ROUNDS: dict[str, dict[str, int]] = {
    "durable_turn": {
        stores.SQLITE: 3, stores.FULL: 2, stores.FILE: 2, stores.ADK_DATABASE: 2, stores.ADK_SQLITE: 2,
        stores.LANGGRAPH: 2, stores.AGNO: 2,
    },
    "durable_many": {stores.SQLITE: 3, stores.FLOOR: 3, stores.ADK_DATABASE: 1, stores.ADK_SQLITE: 1},
    "postgres_turn": {stores.IN_POSTGRES: 3},
    "cold_load": {
        stores.SQLITE: 3, stores.IN_POSTGRES: 2, stores.FILE: 2, stores.ADK_DATABASE: 2, stores.ADK_SQLITE: 2,
        stores.LANGGRAPH: 2, stores.AGNO: 2,
    },
    "stored_bytes": {
        stores.SQLITE: 1, stores.FILE: 1, stores.ADK_DATABASE: 1, stores.ADK_SQLITE: 1, stores.LANGGRAPH: 1,
        stores.AGNO: 1,
    },
    "list_page": {stores.SQLITE: 1, stores.IN_POSTGRES: 1},
    "resume": {stores.SQLITE: 2, stores.IN_POSTGRES: 2},
}  # fmt: skip
POSTGRES_SETTINGS = {"fsync": "on", "full_page_writes": "on", "shared_buffers": "128MB"}
SERVER = "with the settings that PostgreSQL comes with: fsync and full_page_writes are on"


@dataclass(frozen=True)
class Child:
    """One run of a case in a process of its own.

    Attributes:
        python: The interpreter.
        module: The module that runs it there.
        subject: What is measured: the library, or the store.
        column: Where in the table its figures go.
        rounds: How often it is run.
    """

    python: str
    module: str
    subject: str
    column: str
    rounds: int

    def run(self, case: str, quick: bool) -> dict[str, object]:
        """Runs it once.

        Raises:
            RuntimeError: The case failed or took too long.
        """
        if self.subject != stores.IN_POSTGRES:
            return run_case(self, case, quick)
        with new_database() as url:
            return run_case(self, case, quick, {stores.POSTGRES: url})


def run_case(child: Child, case: str, quick: bool, variables: dict[str, str] | None = None) -> dict[str, object]:
    """Runs one case in a child process; returns what it measured.

    Raises:
        RuntimeError: The case failed or took too long.
    """
    command = [child.python, "-m", child.module, child.subject, case, *(["--quick"] if quick else [])]
    # Compiled modules are kept, as they are where a library is installed for use.
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
    environment |= variables or {}
    try:
        done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, timeout=CASE_SECONDS)
    except subprocess.TimeoutExpired as error:
        raise RuntimeError(f"{child.subject} {case}: no result after {CASE_SECONDS} s") from error
    if done.returncode != 0:
        lines = (done.stderr.strip() or f"exit status {done.returncode}").splitlines()
        reason = next((line for line in reversed(lines) if re.match(r"[\w.]*(Error|Exception)\b", line)), lines[-1])
        raise RuntimeError(f"{child.subject} {case} failed: {reason}\n  to see it all: {' '.join(command)}")
    return json.loads(done.stdout.splitlines()[-1])


_server: list[str] = []
"""The URL of the PostgreSQL that is measured; empty where there is none."""


@contextmanager
def postgres() -> Iterator[str]:
    """A server for the cases in PostgreSQL, where there is one; says what it is like, or why there is none."""
    try:
        from tests import postgres as testing  # optional: the packages of the extra `dev`
    except ModuleNotFoundError as error:
        yield f"NO POSTGRESQL: {error.name} is not installed; install the extra `dev`"
        return
    if other := os.environ.get("RUNWRIGHT_TEST_POSTGRES"):
        _server[:] = [other]
        yield "a server that is not of our making (RUNWRIGHT_TEST_POSTGRES)"
    elif testing.MISSING:
        yield f"NO POSTGRESQL: {testing.MISSING}"
    else:
        server = testing.PostgresServer(settings=POSTGRES_SETTINGS)
        try:
            server.start()
            _server[:] = [server.url()]
            yield SERVER
        finally:
            server.close()
    _server.clear()


@contextmanager
def new_database() -> Iterator[str]:
    """A database of its own for one run of a case."""
    from tests import postgres as testing

    with testing.new_database(_server[0]) as url:
        yield url


Plan = dict[str, list[Child]]


def memory_plan(chosen: list[str], pythons: dict[str, str], quick: bool) -> Plan:
    """What is run for the cases in memory."""
    return {
        case: [
            Child(
                python, "benchmarks.cases", library, library,
                1 if quick else ROUNDS if library == OURS else PEER_ROUNDS.get(case, ROUNDS),
            )
            for library, python in pythons.items()
        ]
        for case in chosen
    }  # fmt: skip


def durable_plan(chosen: list[str], peer: str | None, requirement: str | None, quick: bool) -> Plan:
    """What is run for the cases on disk, its environments made where they are missing."""
    ours = python_with(f"{OURS}-durable", *peers.DURABLE_OURS)
    pythons = dict.fromkeys((stores.SQLITE, stores.FULL, stores.FILE, stores.FLOOR), ours)
    if _server:
        pythons[stores.IN_POSTGRES] = ours
    if peer and requirement:
        adk = python_with(f"{requirement.replace('==', '-')}-db", requirement, *peers.DURABLE_ADK)
        pythons |= dict.fromkeys((stores.ADK_DATABASE, stores.ADK_SQLITE), adk)
        for store, library in ((stores.LANGGRAPH, "langgraph"), (stores.AGNO, "agno")):
            pythons[store] = python_with(peers.FURTHER[library][0].replace("==", "-"), *peers.FURTHER[library])
    plan: Plan = {}
    for case in chosen:
        plan[case] = [
            Child(
                pythons[store], "benchmarks.durable", store,
                OURS if store.startswith(OURS) or store == stores.FLOOR else store, 1 if quick else rounds,
            )
            for store, rounds in DURABLE_ROUNDS[case].items() if store in pythons
        ]  # fmt: skip
    return plan


def wires_plan(chosen: list[str], quick: bool) -> Plan:
    """What is run for the cases of the wires, with the SDKs installed; the core is imported without them."""
    pythons = dict.fromkeys(wires.CASES, python_with(f"{OURS}-wires", *peers.WIRES_OURS))
    pythons["core_import"] = python_with(OURS, *peers.OURS_ALONE)
    rounds = 1 if quick else WIRES_ROUNDS
    return {
        case: [Child(pythons[case], "benchmarks.wires", subject, OURS, rounds) for subject in wires.SUBJECTS[case]]
        for case in chosen
    }


def measure(plan: Plan, quick: bool) -> tuple[report.Samples, list[str], list[str]]:
    """Runs every case in alternating rounds; returns the samples, what of ours failed, and what of the peers."""
    samples: dict[str, dict[str, list[object]]] = defaultdict(lambda: defaultdict(list))
    failures: list[str] = []
    peer_failures: list[str] = []
    for case, children in plan.items():
        for round_ in range(max((child.rounds for child in children), default=0)):
            for child in children:
                if round_ >= child.rounds:
                    continue
                print(f"{case:15} round {round_ + 1}  {child.subject:36}", end="", flush=True)
                started = perf_counter()
                try:
                    measured = child.run(case, quick)
                except RuntimeError as error:
                    (failures if child.column == OURS else peer_failures).append(str(error))
                    print("  FAILED")
                    continue
                print(f"{perf_counter() - started:6.1f} s")
                for key, value in measured.items():
                    samples[child.column][key].append(value)
    report.add_ratios(samples[OURS])
    return samples, failures, peer_failures


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


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("--vs", metavar="PEER", help="measure a peer in the same run, as in google-adk==2.13.0; the "
                        "cases on disk then measure LangGraph and agno as well")  # fmt: skip
    parser.add_argument("--case", action="append", choices=[*cases.CASES, *durable.CASES, *wires.CASES],
                        help="only this case (may be repeated)")  # fmt: skip
    parser.add_argument("--part", choices=["memory", "disk", "wires"], help="only the cases in memory, those on disk, "
                        "or those of the wires")  # fmt: skip
    parser.add_argument("--quick", action="store_true", help="one round of smaller sizes; not to be held to the bars")
    parser.add_argument("--output", type=Path, help="folder for RESULTS.md and the plot (default: benchmarks/, and "
                        "only for whole parts with a peer)")  # fmt: skip
    options = parser.parse_args()
    options.peer = options.label = None
    if options.vs:
        try:
            options.peer, version = parse_requirement(options.vs)
        except ValueError as error:
            parser.error(str(error))
        options.label = f"{options.peer} {version}"
    return options


def run_part(title: str, chosen: list[str], options: argparse.Namespace) -> tuple[str, list[str]]:
    """Measures one part and prints its table; returns its section of the results, and what failed."""
    started, peer = perf_counter(), options.peer
    ours = f"{OURS} {version_of_ours()}"
    with postgres() as server:
        if title == report.MEMORY:
            pythons = {OURS: python_with(OURS, *peers.OURS_ALONE)}
            if peer:
                pythons[peer] = python_with(options.vs.replace("==", "-"), options.vs)
            plan, columns = memory_plan(chosen, pythons, options.quick), [peer] if peer else []
            labels = [*([options.label] if peer else []), ours]
        else:
            plan = durable_plan(chosen, peer, options.vs, options.quick)
            columns = [*dict.fromkeys(one.column for some in plan.values() for one in some if one.column != OURS)]
            further = [known[0].replace("==", " ") for known in peers.FURTHER.values()] if peer else []
            labels = [*([options.label] if peer else []), *further, ours]
        samples, failures, peer_failures = measure(plan, options.quick)
    remarks = [*report.foreign_packages(samples), *(dict.fromkeys(one.splitlines()[0] for one in peer_failures))]
    if peer_failures:
        print(*peer_failures, sep="\n", file=sys.stderr)
    if title == report.DURABLE and server.startswith("NO"):
        remarks.append(server)
    if options.quick:
        remarks.append(
            "One round of smaller sizes (50 to 100 sessions at once, 20,000 listed): not to be held to the bars."
        )
    rows = report.MEMORY_ROWS if title == report.MEMORY else report.DURABLE_ROWS
    print(f"\n{report.as_text(report.table(samples, columns, rows))}\n")
    print(*remarks, f"{perf_counter() - started:.0f} s in all", sep="\n")
    folder = options.output or Path(__file__).parent
    drawn = title == report.MEMORY and "text_turn" in chosen and not failures and writes_results(options)
    if drawn and plot(folder, samples, dict(zip([*columns, OURS], labels, strict=True))):
        remarks.append("![Milliseconds a turn by history length](turn_cost.svg)")
    return report.section(title, samples, peers=columns, versions=labels, remarks=remarks, server=server), failures


def run_wires(chosen: list[str], options: argparse.Namespace) -> tuple[str, list[str]]:
    """Measures the wires and prints their tables; returns their section of the results, and what failed."""
    started = perf_counter()
    plan = wires_plan(chosen, options.quick)
    samples, failures, _ = measure(plan, options.quick)
    remarks = [f"When this ended, {os.getloadavg()[0]:.1f} processes wanted to run on {os.cpu_count()} cores."]
    if options.quick:
        remarks.append("One round of fewer calls: not to be held to the bars.")
    print(f"\n{wire_report.shown(samples[OURS])}\n")
    print(*remarks, f"{perf_counter() - started:.0f} s in all", sep="\n")
    versions = peers.versions_in(plan["request"][0].python, wire_report.PACKAGES) if "request" in plan else []
    return wire_report.section(samples[OURS], versions, remarks), failures


def writes_results(options: argparse.Namespace) -> bool:
    """Whether the results are kept: whole parts with a peer are, or what a folder was named for."""
    whole = not options.case and not options.quick
    return bool(options.output or (whole and (options.peer or options.part == "wires")))


def main() -> int:
    """Runs the benchmarks; returns 0 when every case ran, whether or not the bars were met."""
    options = arguments()
    if options.output:
        options.output.mkdir(parents=True, exist_ok=True)
    failures: list[str] = []
    sections: dict[str, str] = {}
    parts = (
        ("memory", report.MEMORY, cases.CASES),
        ("disk", report.DURABLE, durable.CASES),
        ("wires", wire_report.WIRES, wires.CASES),
    )
    for part, title, known in parts:
        chosen = [case for case in known if not options.case or case in options.case]
        if not chosen or options.part not in (None, part):
            continue
        try:
            run = run_wires if part == "wires" else partial(run_part, title)
            sections[title], failed = run(chosen, options)
        except subprocess.CalledProcessError as error:
            print(f"could not install what is measured: {error}", file=sys.stderr)
            return 1
        failures += failed
    for failure in failures:
        print(failure, file=sys.stderr)
    if failures or not writes_results(options):
        print("RESULTS.md left as it is: " + ("cases failed" if failures else "not whole parts with a peer"))
        return 1 if failures else 0
    print(f"wrote {report.write_results(options.output or Path(__file__).parent, sections)}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
