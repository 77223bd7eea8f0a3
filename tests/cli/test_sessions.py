# SPDX-License-Identifier: Apache-2.0
"""``runwright sessions`` in processes of its own, and where ``runwright run`` keeps what was said."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from tests.cli.conftest import ENVIRONMENT, SECONDS, Command

OF = ("--app", "sky")


@pytest.fixture
def talked(folder: Path, command: Command) -> Path:
    """Three sessions in the default store: a and b of the user, c of somebody else."""
    for session, user in (("a", "user"), ("b", "user"), ("c", "ann")):
        done = command("run", "sky", "What is the weather?", "--session", session, "--user", user)
        assert (done.returncode, done.stderr) == (0, "")
    return folder


class TestWhereARunKeepsItsSession:
    def test_the_conversation_goes_on_in_the_next_process(self, folder: Path, command: Command) -> None:
        for count in (1, 3, 5):
            assert f"You said {count} things" in command("run", "sky", "before", "--session", "s").stdout
        assert (folder / ".runwright" / "sessions.db").is_file()
        assert (folder / ".runwright" / ".gitignore").read_text() == "*\n"

    @pytest.mark.parametrize("place", ["kept", "kept/sessions.db", "sqlite:///kept.db"])
    def test_a_place_that_is_named(self, folder: Path, command: Command, place: str) -> None:
        for count in (1, 3):
            done = command("run", "sky", "before", "--session", "s", "--store", place)
            assert (done.returncode, done.stderr) == (0, "")
            assert f"You said {count} things" in done.stdout
        assert "You said 5 things" in command("run", "sky", "before", "--session", "s", RUNWRIGHT_SESSIONS=place).stdout
        assert not (folder / ".runwright").exists()
        assert "s" in command("sessions", "ls", *OF, "--store", place).stdout

    def test_nothing_is_kept_in_memory(self, folder: Path, command: Command) -> None:
        for environment in ({}, {"RUNWRIGHT_SESSIONS": "kept"}):
            done = command("run", "sky", "before", "--session", "s", "--in-memory", **environment)
            assert "You said 1 things" in done.stdout
        assert sorted(path.name for path in folder.iterdir()) == ["durable", "sky"]
        assert command("run", "sky", "x", "--in-memory", "--store", "kept").returncode == 2

    def test_the_agents_own_store_comes_before_the_environments(self, folder: Path, command: Command) -> None:
        command("run", "durable", "before", "--session", "s", RUNWRIGHT_SESSIONS="kept")
        assert (folder / "durable" / "log.jsonl").exists()
        assert not (folder / "kept").exists()
        command("run", "durable", "before", "--session", "s", "--store", "kept")
        assert (folder / "kept").exists()


class TestLs:
    def test_sessions_are_listed_by_page(self, talked: Path, command: Command) -> None:
        done = command("sessions", "ls", *OF, "--limit", "2")
        header, *rows = done.stdout.splitlines()
        assert header.split() == ["session", "user", "events", "last", "change"]
        assert [row.split()[:3] for row in rows] == [["a", "user", "4"], ["b", "user", "4"]]
        assert done.stderr.startswith("There are more: --after ")
        rest = command("sessions", "ls", *OF, "--after", done.stderr.split()[-1], "--json")
        (last,) = (json.loads(line) for line in rest.stdout.splitlines())
        assert (last["id"], last["userId"], last["appName"], last["eventCount"]) == ("c", "ann", "sky", 4)
        assert rest.stderr == ""

    def test_those_of_one_user(self, talked: Path, command: Command) -> None:
        assert [row.split()[0] for row in command("sessions", "ls", *OF, "--user", "ann").stdout.splitlines()[1:]] == [
            "c"
        ]

    @pytest.mark.parametrize("place", ["none.db", "none", "sqlite:///none.db"])
    def test_a_store_that_is_not_there_is_not_made(self, folder: Path, command: Command, place: str) -> None:
        done = command("sessions", "ls", *OF, "--store", place)
        assert (done.returncode, done.stdout) == (2, "")
        assert "There are no sessions at" in done.stderr
        assert sorted(path.name for path in folder.iterdir()) == ["durable", "sky"]

    def test_a_page_that_is_none(self, talked: Path, command: Command) -> None:
        done = command("sessions", "ls", *OF, "--after", "x")
        assert done.returncode == 2
        assert "page token" in done.stderr

    def test_a_reader_that_leaves_early_is_no_error(self, talked: Path) -> None:
        for words in (("ls", *OF), ("show", "a", *OF), ("export", "a", *OF)):
            process = subprocess.Popen(
                [sys.executable, "-m", "runwright", "sessions", *words],
                stdout=subprocess.PIPE, stderr=subprocess.PIPE, cwd=talked, env=ENVIRONMENT,
            )  # fmt: skip
            assert process.stdout is not None and process.stderr is not None
            process.stdout.close()
            errors = process.stderr.read()
            process.stderr.close()
            assert (process.wait(SECONDS), errors) == (0, b"")


class TestShow:
    def test_what_was_said(self, talked: Path, command: Command) -> None:
        done = command("sessions", "show", "a", *OF)
        lines = done.stdout.splitlines()
        assert lines[0].startswith("a  4 events, ")
        assert lines[1:] == [
            "user: What is the weather?",
            "sky: weather  city: Oslo",
            "sky: weather = city: Oslo · sky: blue",
            "sky: The sky over Oslo is **blue**.",
        ]
        last = command("sessions", "show", "c", *OF, "--user", "ann", "--last", "1", "--json")
        shown = json.loads(last.stdout)
        assert [event["author"] for event in shown["events"]] == ["sky"]

    def test_a_session_that_is_not_there(self, talked: Path, command: Command) -> None:
        for words in (("show", "c"), ("export", "c", "-o", "file"), ("rm", "c", "--yes")):
            done = command("sessions", words[0], *words[1:], *OF)
            assert (done.returncode, done.stdout) == (2, "")
            assert "'c'" in done.stderr
        assert not (talked / "file").exists()


class TestExportAndImport:
    def test_a_session_moves_to_another_store(self, talked: Path, command: Command) -> None:
        assert command("sessions", "export", "a", *OF, "-o", "a.jsonl").returncode == 0
        exported = (talked / "a.jsonl").read_text()
        assert exported == command("sessions", "export", "a", *OF).stdout
        done = command("sessions", "import", "-", "--store", "files", "--user", "bob", typed=exported)
        assert (done.returncode, done.stderr) == (0, "")
        assert done.stdout == "Session a of user bob of app sky: 4 events\n"
        again = command("sessions", "export", "a", *OF, "--user", "bob", "--store", "files").stdout
        assert again.splitlines()[1:] == exported.splitlines()[1:]

    def test_an_id_that_is_taken_and_half_an_archive_are_refused(self, talked: Path, command: Command) -> None:
        exported = command("sessions", "export", "a", *OF).stdout
        taken = command("sessions", "import", "-", typed=exported)
        assert (taken.returncode, taken.stdout) == (2, "")
        assert "already" in taken.stderr
        half = command("sessions", "import", "-", "--session", "new", typed=exported[: len(exported) // 2])
        assert half.returncode == 2
        assert "of the archive is no event" in half.stderr
        assert command("sessions", "show", "new", *OF).returncode == 2


class TestRm:
    def test_it_asks(self, talked: Path, command: Command) -> None:
        done = command("sessions", "rm", "a", *OF, typed="n\n")
        assert done.returncode != 0
        assert "Delete a of user user of app sky for good?" in done.stderr
        assert command("sessions", "rm", "a", *OF, typed="y\n").returncode == 0
        assert command("sessions", "rm", "b", *OF, "--yes").returncode == 0
        left = command("sessions", "ls", *OF, "--json").stdout.splitlines()
        assert [json.loads(line)["id"] for line in left] == ["c"]


def test_runs_are_listed_with_how_they_stand(folder: Path, command: Command) -> None:
    (folder / "make.py").write_text(
        "import asyncio, os\n"
        "from runwright.sessions import SqliteSessionService\n"
        "async def main():\n"
        "    service = SqliteSessionService('runs.db')\n"
        "    for name in ('one', 'two'):\n"
        "        session = await service.create_session(app_name='sky', user_id='u', session_id=name)\n"
        "        await service.start_run(session, 'run-' + name)\n"
        "        if name == 'one':\n"
        "            await service.end_run(session, 'run-one', 'failed', error='no luck')\n"
        "    await service.flush()\n"
        "    os._exit(0)\n"
        "asyncio.run(main())\n"
    )
    subprocess.run([sys.executable, "make.py"], cwd=folder, env=ENVIRONMENT, timeout=SECONDS, check=True)
    done = command("sessions", "runs", *OF, "--store", "runs.db")
    assert done.stderr == ""
    rows = [row.split() for row in done.stdout.splitlines()[1:]]
    assert [row[:4] for row in rows] == [["run-one", "one", "u", "failed"], ["run-two", "two", "u", "interrupted"]]
    assert rows[0][-2:] == ["no", "luck"]
    running = command("sessions", "runs", *OF, "--store", "runs.db", "--status", "running", "--json").stdout
    (run,) = (json.loads(line) for line in running.splitlines())
    assert (run["invocationId"], run["interrupted"]) == ("run-two", True)
