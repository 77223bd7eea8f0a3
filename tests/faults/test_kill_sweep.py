# SPDX-License-Identifier: Apache-2.0
"""A run that is killed anywhere goes on in another process, and ends as if nothing had been."""

import shutil
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.faults.children import KILLED, Children
from tests.faults.killing import NOWHERE, Point
from tests.faults.stores import new_place
from tests.faults.sweep import REPORT

RUN = "tests.faults.sweep:run"
CHANGING = ("id", "timestamp", "invocation_id", "usage_metadata")
STATE = {"looked_up": "t", "note": "n", "user:note": "n"}
KINDS = ["sqlite", "postgres", "file"]


class Sweep:
    """Kills the run at one point after the other, each in a session of its own."""

    def __init__(self, children: Children, kind: str, shape: str, folder: Path, postgres: str | None) -> None:
        self._children = children
        self._shape = shape
        self._kind = kind
        self._folder = folder
        self._postgres = postgres
        self.whole = self.start("whole", NOWHERE)
        assert self.whole["runs"] == ["completed"]
        assert self.whole["report"] == REPORT
        self.expected = canonical(self.whole["events"])
        self._done = self._tools_of("whole")

    def start(self, name: str, point: Point, *, send: bool = True) -> Any:
        """Runs the program to its end; None where it was killed on the way, as it was to be."""
        (self._folder / name).mkdir(exist_ok=True)
        outcome = self._children.run(
            RUN,
            place=new_place(self._kind, self._folder / name, self._postgres),
            folder=str(self._folder / name),
            session_id=name,
            point=point,
            send=send,
            shape=self._shape,
        )
        if outcome.status == KILLED:
            return None
        assert outcome.status == 0, f"{name}: the program ended with {outcome.status}:\n{outcome.errors}"
        return outcome.result

    def points(self, *, full: bool) -> list[Point]:
        """Where to kill: everywhere, or at points spread out, with one in the middle of each write to the store."""
        whole = self.whole
        steps = set(range(1, whole["steps"] + 1, 1 if full else 31))
        for number, (start, end) in enumerate(whole["stores"]):
            steps.add((start + 1, end + 1)[number % 2])
        points = [Point("step", number) for number in sorted(steps)]
        if self._kind == "sqlite":
            statements = range(1, whole["statements"] + 1, 1 if full else 37)
            points += [Point(kind, n) for n in statements for kind in ("statement", "executed")]
        if self._kind == "file":
            writes = range(1, self.start("counted", Point("write", 0))["writes"] + 1, 1 if full else 5)
            points += [Point(kind, n) for n in writes for kind in ("write", "half")]
        return points

    def check(self, name: str, result: dict[str, Any]) -> None:
        """Checks that a session ended as the uninterrupted one did."""
        folder = self._folder / name
        assert result["runs"] == ["completed"]
        acknowledged = lines(folder / "acknowledged")
        ids = [event["id"] for event in result["events"]]
        assert set(acknowledged) <= set(ids), "an acknowledged event is lost"
        assert len(set(acknowledged)) == len(acknowledged), "an event was given twice"
        assert_answered_once(result["events"])
        done = Counter(lines(folder / "done"))
        assert all(count == 1 for count in self.tried(name, "pay").values())
        assert all(count == 1 for count in done.values()), f"done twice: {done}"
        unknown = forgive_unknown(found := canonical(result["events"]))
        # How long the requests are says that the models saw the same; not so where one was told of the unknown.
        assert unknown or usage(result["events"]) == usage(self.whole["events"])
        assert found == self.expected
        assert self._tools_of(name) - Counter({"pay": unknown}) == self._done - Counter({"pay": unknown})
        assert result["report"] == REPORT
        state = result["state"]
        assert {key: state[key] for key in STATE} == STATE
        assert state[f"app:note_of_{name}"] == "n"

    def _tools_of(self, name: str) -> Counter[str]:
        """How often each tool did something."""
        return Counter(line.split()[0] for line in lines(self._folder / name / "done"))

    def tried(self, name: str, tool: str) -> Counter[str]:
        """How often each call of a tool was made."""
        return Counter(line for line in lines(self._folder / name / "tried") if line.startswith(f"{tool} "))

    def clean(self, name: str) -> None:
        """Removes what is no longer needed."""
        shutil.rmtree(self._folder / name)


@pytest.fixture(params=KINDS)
def sweep(request: pytest.FixtureRequest, children: Children, tmp_path: Path) -> Iterator[Sweep]:
    kind = request.param
    postgres = request.getfixturevalue("postgres_database") if kind == "postgres" else None
    yield Sweep(children, kind, "steps", tmp_path, postgres)


def lines(path: Path) -> list[str]:
    return path.read_text().splitlines() if path.exists() else []


def canonical(events: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Events without what is different in each run, and without the number of the artifact's version, which a tool
    that is repeated saves again."""
    shown: list[dict[str, Any]] = []
    for event in events:
        kept = {key: value for key, value in event.items() if key not in CHANGING}
        actions = dict(kept.get("actions", {}))
        if actions.get("artifact_delta"):
            actions["artifact_delta"] = sorted(actions["artifact_delta"])
        delta = actions.get("state_delta", {})
        actions["state_delta"] = {key.partition("_of_")[0]: value for key, value in delta.items()}
        kept["actions"] = actions
        parts: list[dict[str, Any]] = []
        for part in (kept.get("content") or {}).get("parts") or ():
            held = dict(part)
            for holder in ("function_call", "function_response"):
                if holder in held:
                    held[holder] = {key: value for key, value in held[holder].items() if key != "id"}
            parts.append(held)
        if parts:
            kept["content"] = {**kept["content"], "parts": parts}
        shown.append(kept)
    # Branches that run at the same time may take turns otherwise: a stable sort keeps the order in each.
    return sorted(shown, key=lambda event: event.get("branch") or "")


def usage(events: list[dict[str, Any]]) -> list[tuple[str, str]]:
    return sorted((event["author"], repr(event.get("usage_metadata"))) for event in events)


def forgive_unknown(events: list[dict[str, Any]]) -> bool:
    """Puts the answer in place that ``pay`` would have given where nobody knows it. Gives whether it was so."""
    for event in events:
        for part in (event.get("content") or {}).get("parts") or ():
            answer = part.get("function_response", {})
            if answer.get("name") == "pay" and answer["response"].get("error") == "unknown":
                answer["response"] = {"paid": 3}
                return True
    return False


def assert_answered_once(events: list[dict[str, Any]]) -> None:
    parts = [part for event in events for part in (event.get("content") or {}).get("parts") or ()]
    calls = [part["function_call"]["id"] for part in parts if "function_call" in part]
    answers = [part["function_response"]["id"] for part in parts if "function_response" in part]
    assert len(set(calls)) == len(calls)
    assert sorted(answers) == sorted(calls)


def kill_at_each(sweep: Sweep, points: list[Point]) -> None:
    killed = 0
    for point in points:
        name = f"{point.kind}-{point.number}"
        result = sweep.start(name, point)
        if result is None:
            killed += 1
            result = sweep.start(name, NOWHERE, send=False)
        try:
            sweep.check(name, result)
        except BaseException as error:
            error.add_note(f"killed at {name}")
            raise
        sweep.clean(name)
    assert killed >= 20


def test_a_run_killed_anywhere_ends_as_it_would_have(sweep: Sweep, full: bool) -> None:
    kill_at_each(sweep, sweep.points(full=full))


@pytest.fixture
def sweep_of_branches(children: Children, tmp_path: Path) -> Sweep:
    return Sweep(children, "sqlite", "branches", tmp_path, None)


def test_branches_and_loops_killed_anywhere_end_as_they_would_have(sweep_of_branches: Sweep, full: bool) -> None:
    kill_at_each(sweep_of_branches, sweep_of_branches.points(full=full))


def test_a_run_killed_again_and_again_ends_as_it_would_have(sweep: Sweep, full: bool) -> None:
    steps = sweep.whole["steps"]
    for first in range(2, steps, 3 if full else 41):
        name = f"twice-{first}"
        result = sweep.start(name, Point("step", first))
        for again in (first // 2, 7, 40) if full else (first // 2, 25):
            if result is None:
                result = sweep.start(name, Point("step", again + 1), send=False)
        if result is None:
            result = sweep.start(name, NOWHERE, send=False)
        try:
            sweep.check(name, result)
        except BaseException as error:
            error.add_note(f"killed at {name}")
            raise
        sweep.clean(name)


def test_a_new_message_after_a_run_that_was_killed_finds_its_session_sound(sweep: Sweep, full: bool) -> None:
    steps = sweep.whole["steps"]
    for step in range(3, steps, 1 if full else 41):
        name = f"new-{step}"
        if sweep.start(name, Point("step", step)) is not None:
            continue
        result = sweep.start(name, NOWHERE, send=True)
        try:
            assert result["runs"][-1] == "completed"
            assert set(result["runs"][:-1]) <= {"cancelled", "completed"}
            assert_answered_once(result["events"])
            newest = result["events"][-1]["invocation_id"]
            last = [event for event in result["events"] if event["invocation_id"] == newest]
            assert canonical(last) == sweep.expected
            assert all(count == 1 for count in sweep.tried(name, "pay").values())
        except BaseException as error:
            error.add_note(f"killed at {name}")
            raise
        sweep.clean(name)
