# SPDX-License-Identifier: Apache-2.0
"""Sessions as files: the suites of every durable store, and what only this one promises."""

# ruff: noqa: ASYNC220, ASYNC240 - the tests look at the files, one at a time

import asyncio
import json
import logging
import os
import signal
import subprocess
import sys
import textwrap
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from runwright.durable import DurableSessionService
from runwright.errors import (
    CorruptedDataError,
    InputValidationError,
    LeaseLostError,
    SessionBusyError,
    StaleSessionError,
    StorageError,
)
from runwright.event import Event, EventActions
from runwright.session import GetSessionConfig, Session
from runwright.sessions.file import FileSessionService
from runwright.sessions.file import index as file_index
from runwright.sessions.file.places import file_name
from runwright.testing import DurableSessionContract, SessionServiceContract
from runwright.types import UserContent, text_of

SECONDS = 60.0


class TestFileSessions(SessionServiceContract):
    @pytest.fixture(autouse=True)
    def _place(self, tmp_path: Path) -> None:
        self.folder = tmp_path / "sessions"

    async def create_service(self) -> FileSessionService:
        return FileSessionService(self.folder)

    async def reopen(self, service: FileSessionService) -> FileSessionService:
        await service.close()
        return FileSessionService(self.folder)


class TestFileRuns(DurableSessionContract):
    @pytest.fixture(autouse=True)
    def _place(self, tmp_path: Path) -> None:
        self.folder = tmp_path / "sessions"

    async def create_service(self) -> FileSessionService:
        return FileSessionService(self.folder)

    async def reopen(self, service: DurableSessionService) -> FileSessionService:
        await service.close()
        return FileSessionService(self.folder)

    async def another(self, service: DurableSessionService) -> FileSessionService:
        return FileSessionService(self.folder)


def said(text: str, delta: dict[str, Any] | None = None) -> Event:
    actions = EventActions(state_delta=delta or {})
    return Event(author="user", invocation_id="i", content=UserContent(text), actions=actions)


async def texts(service: FileSessionService, session_id: str = "s") -> list[str]:
    session = await service.get_session(app_name="app", user_id="u", session_id=session_id)
    assert session is not None
    return [text_of(event.content) for event in session.events]


async def filled(service: FileSessionService, count: int, session_id: str = "s") -> Session:
    session = await service.create_session(app_name="app", user_id="u", session_id=session_id)
    for number in range(count):
        await service.append_event(session, said(str(number)))
    return session


@pytest.fixture
async def service(tmp_path: Path) -> Any:
    service = FileSessionService(tmp_path)
    yield service
    await service.close()


@pytest.fixture
def log(tmp_path: Path) -> Path:
    return tmp_path / "app" / "u" / "s.jsonl"


class TestTheFiles:
    async def test_a_log_is_a_header_and_a_line_for_each_thing_that_was_stored(
        self, service: FileSessionService, log: Path
    ) -> None:
        session = await service.create_session(
            app_name="app", user_id="u", session_id="s", state={"k": 1, "user:name": "Ann"}
        )
        await service.start_run(session, "run-1", said("grüße 文字", {"k": 2}))
        await service.end_run(session, "run-1", "failed", error="no \ud800")
        header, first, second = (json.loads(line) for line in log.read_text(encoding="utf-8").splitlines())
        assert (header["format"], header["appName"], header["userId"], header["id"]) == (
            "runwright.session", "app", "u", "s",
        )  # fmt: skip
        assert header["state"] == {"k": 1}
        assert "grüße 文字" in log.read_text(encoding="utf-8")
        assert (first["seq"], first["run"]) == (1, {"invocationId": "run-1", "status": "running"})
        assert first["event"]["content"]["parts"] == [{"text": "grüße 文字"}]
        assert second["run"] == {"invocationId": "run-1", "status": "failed", "error": "no \\ud800"}

    @pytest.mark.parametrize("durability", ["normal", "full"])
    async def test_a_log_is_only_ever_appended_to(self, tmp_path: Path, durability: Any, log: Path) -> None:
        service = FileSessionService(tmp_path, durability=durability)
        session = await service.create_session(app_name="app", user_id="u", session_id="s")
        before = log.read_bytes()
        for number in range(3):
            await service.append_event(session, said(str(number), {"user:n": number}))
            assert log.read_bytes().startswith(before)
            before = log.read_bytes()
        assert before.count(b"\n") == 4
        await service.close()

    async def test_the_names_of_files_are_those_of_the_sessions_where_they_can_be(self) -> None:
        assert file_name("my-app_2") == "my-app_2"
        assert file_name("ann@example.com") == "ann%40example.com"
        assert file_name("Ann") == "%41nn"
        assert file_name("..") == "%2e%2e"
        assert file_name("") == "%"
        assert file_name("con") == "%63on"

    @given(st.text(max_size=300), st.text(max_size=300))
    def test_no_two_names_share_a_file_and_none_leads_out_of_the_folder(self, one: str, other: str) -> None:
        for name in (one, other):
            file = file_name(name)
            assert 0 < len(file) <= 180
            assert file == os.path.basename(file)
            assert file.isascii() and file.islower() == (file.upper() != file)
            assert not file.startswith((".", "~"))
        assert (file_name(one) == file_name(other)) == (one == other)

    async def test_ids_that_differ_in_case_are_two_sessions(self, service: FileSessionService) -> None:
        for session_id in ("s", "S", "a" * 300, "a" * 299 + "b"):
            await filled(service, 1, session_id)
        listed = await service.list_sessions(app_name="app")
        assert [one.id for one in listed.sessions] == ["s", "S", "a" * 300, "a" * 299 + "b"]

    async def test_deleting_leaves_no_file_of_the_session(self, service: FileSessionService, log: Path) -> None:
        session = await filled(service, 1)
        await service.start_run(session, "run-1")
        await service.delete_session(app_name="app", user_id="u", session_id="s")
        assert not log.parent.exists()
        with pytest.raises(LeaseLostError):
            again = await service.create_session(app_name="app", user_id="u", session_id="s")
            assert again.seq == 0
            await service.append_event(session, said("from the old one"))

    async def test_a_long_history_of_shared_state_is_made_short(self, tmp_path: Path) -> None:
        service, other = FileSessionService(tmp_path), FileSessionService(tmp_path)
        session = await service.create_session(app_name="app", user_id="u", session_id="s", state={"user:kept": "yes"})
        theirs = await other.get_session(app_name="app", user_id="u", session_id="s")
        for number in range(40):
            await service.append_event(session, said("x", {"user:big": "x" * 10_000 + str(number)}))
        assert (tmp_path / "app" / "u" / "~user.jsonl").stat().st_size < 100_000
        assert theirs is not None
        expected = {"kept": "yes", "big": "x" * 10_000 + "39"}
        assert await other.get_user_state(app_name="app", user_id="u") == expected
        await service.append_event(session, said("x", {"user:more": 1}))
        await service.close()
        assert await other.get_user_state(app_name="app", user_id="u") == expected | {"more": 1}
        await other.close()


class TestDamage:
    @pytest.mark.parametrize("torn", [b'{"seq":3,"time":1', b"{", b"\x00\x00\x00", b'{"seq":3,"time":1\n'])
    async def test_a_torn_last_line_is_cut_off(
        self, service: FileSessionService, log: Path, torn: bytes, caplog: pytest.LogCaptureFixture
    ) -> None:
        await filled(service, 2)
        whole = log.read_bytes()
        log.write_bytes(whole + torn)
        assert await texts(service) == ["0", "1"]
        assert log.read_bytes() == whole + torn  # who only reads changes nothing
        session = await service.get_session(app_name="app", user_id="u", session_id="s")
        assert session is not None
        with caplog.at_level(logging.WARNING):
            await service.append_event(session, said("2"))
        assert "half a line" in caplog.text
        assert await texts(service) == ["0", "1", "2"]
        assert log.read_bytes().startswith(whole)

    async def test_every_cut_of_a_log_is_survived_with_all_whole_lines(
        self, service: FileSessionService, tmp_path: Path, log: Path
    ) -> None:
        await filled(service, 2)
        whole = log.read_bytes()
        for size in range(whole.index(b"\n") + 1, len(whole), 7):
            log.write_bytes(whole[:size])
            kept = ["0", "1"][: whole[:size].count(b"\n") - 1]
            again = FileSessionService(tmp_path)
            assert await texts(again) == kept
            session = await again.get_session(app_name="app", user_id="u", session_id="s")
            assert session is not None
            await again.append_event(session, said("more"))
            assert await texts(again) == [*kept, "more"]
            await again.close()

    @pytest.mark.parametrize(
        ("number", "line"),
        [(2, "{not json"), (2, ""), (3, '{"seq":9,"time":1,"event":{}}'), (1, "{}"), (1, "")],
    )
    async def test_damage_anywhere_else_is_named_and_nothing_is_handed_out(
        self, service: FileSessionService, log: Path, number: int, line: str
    ) -> None:
        session = await filled(service, 4)
        lines = log.read_text().splitlines()
        lines[number - 1] = line
        log.write_text("\n".join(lines) + "\n")
        for attempt in (
            lambda: texts(service),
            lambda: service.append_event(session, said("more")),
            lambda: service.list_runs(app_name="app", user_id="u", session_id="s"),
        ):
            with pytest.raises(CorruptedDataError, match=rf"s\.jsonl, line {number}: "):
                await attempt()
        assert log.read_text() == "\n".join(lines) + "\n"

    async def test_an_event_that_is_damaged_inside_is_named(self, service: FileSessionService, log: Path) -> None:
        await filled(service, 3)
        log.write_text(log.read_text().replace('"parts":[{"text":"1"}]', '"parts":7'))
        with pytest.raises(CorruptedDataError, match=r"s\.jsonl, line 3: .*parts"):
            await texts(service)
        after = GetSessionConfig(after_seq=2)
        session = await service.get_session(app_name="app", user_id="u", session_id="s", config=after)
        assert session is not None and [text_of(event.content) for event in session.events] == ["2"]

    async def test_a_log_under_another_name_is_refused(self, service: FileSessionService, log: Path) -> None:
        await filled(service, 1)
        (log.parent / "t.jsonl").write_bytes(log.read_bytes())
        with pytest.raises(CorruptedDataError, match="its name is not that of session 's'"):
            await texts(service, "t")

    @pytest.mark.parametrize("damage", [b"", b"no header\n", b'{"format":"other"}\n'])
    async def test_a_damaged_session_does_not_hide_the_others(
        self, service: FileSessionService, log: Path, damage: bytes, caplog: pytest.LogCaptureFixture
    ) -> None:
        for session_id in ("r", "s", "t"):
            await filled(service, 1, session_id)
        log.write_bytes(damage)
        with caplog.at_level(logging.WARNING):
            seen: list[str] = []
            token: str | None = None
            while not seen or token is not None:
                page = await service.list_sessions(app_name="app", user_id="u", page_size=1, page_token=token)
                seen += [one.id for one in page.sessions]
                token = page.next_page_token
        assert seen == ["r", "t"]
        assert "s.jsonl" in caplog.text
        assert await service.delete_idle_sessions(app_name="app", idle_seconds=3600) == 0
        await service.delete_session(app_name="app", user_id="u", session_id="s")
        assert not log.exists()

    async def test_damaged_shared_state_is_named(self, service: FileSessionService, tmp_path: Path) -> None:
        session = await filled(service, 1)
        await service.append_event(session, said("x", {"user:a": 1}))
        await service.append_event(session, said("x", {"user:b": 1}))
        state = tmp_path / "app" / "u" / "~user.jsonl"
        state.write_text(state.read_text().replace('"a":1', '"a":'))
        with pytest.raises(CorruptedDataError, match=r"~user\.jsonl, line 1: "):
            await texts(service)

    async def test_a_store_that_cannot_be_written_to_says_so(self, tmp_path: Path) -> None:
        (tmp_path / "file").write_text("no folder")
        service = FileSessionService(tmp_path / "file")
        with pytest.raises(StorageError, match="cannot be used"):
            await service.create_session(app_name="app", user_id="u")
        await service.close()
        with pytest.raises(StorageError, match="was closed"):
            await service.create_session(app_name="app", user_id="u")

    async def test_a_write_that_fails_leaves_nothing(
        self, service: FileSessionService, log: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        session = await filled(service, 1)
        before = log.read_bytes()
        write = os.write

        def full(file: int, data: Any) -> int:
            if bytes(data).startswith(b'{"time"'):
                return write(file, bytes(data)[:40])  # there is room for the beginning of the event
            if bytes(data).startswith(b'{"n"'):
                return write(file, data)
            raise OSError(28, "No space left on device")

        with monkeypatch.context() as patched:
            patched.setattr(os, "write", full)
            with pytest.raises(StorageError, match="No space left"):
                await service.append_event(session, said("big", {"user:k": 1}))
            with pytest.raises(StorageError, match="No space left"):
                await service.append_event(session, said("big"))
        assert log.read_bytes() == before
        assert (session.seq, await service.get_user_state(app_name="app", user_id="u")) == (1, {})
        await service.append_event(session, said("1", {"user:k": 2}))
        assert await texts(service) == ["0", "1"]
        assert await service.get_user_state(app_name="app", user_id="u") == {"k": 2}


DIES = """
import asyncio, os, signal, sys
from runwright.event import Event, EventActions
from runwright.sessions.file import log as file_log, state as file_state
from runwright.sessions.file import FileSessionService

def die(*args, **options):
    os.kill(os.getpid(), signal.SIGKILL)

async def main(folder, where):
    service = FileSessionService(folder)
    session = await service.get_session(app_name="app", user_id="u", session_id="s")
    if where == "before the state":
        file_state.write_whole = die
    elif where == "between the two":
        file_log.write_whole = die
    elif where == "within the event":
        def tear(file, data, **options):
            os.write(file, data[:-1])
            die()
        file_log.write_whole = tear
    else:
        file_state.SharedState._settle = die
    delta = {"own": 2, "user:k": 2, "app:k": 2}
    await service.append_event(session, Event(author="user", actions=EventActions(state_delta=delta)))

asyncio.run(main(*sys.argv[1:]))
"""


def run_python(code: str, *words: str) -> "subprocess.CompletedProcess[str]":
    source = str(Path(__file__).resolve().parents[2] / "src")
    return subprocess.run(
        [sys.executable, "-c", textwrap.dedent(code), *words],
        capture_output=True, text=True, env={**os.environ, "PYTHONPATH": source}, timeout=SECONDS, check=False,
    )  # fmt: skip


class TestKills:
    @pytest.mark.parametrize(
        ("where", "stored"),
        [
            ("before the state", False),
            ("between the two", False),
            ("within the event", False),
            ("after the event", True),
        ],
    )
    async def test_an_event_and_shared_state_are_stored_together_or_not_at_all(
        self, tmp_path: Path, where: str, stored: bool
    ) -> None:
        service = FileSessionService(tmp_path)
        first = {"own": 1, "user:k": 1, "app:k": 1}
        session = await service.create_session(app_name="app", user_id="u", session_id="s", state=first)
        done = run_python(DIES, str(tmp_path), where)
        assert (done.returncode, done.stderr) == (-signal.SIGKILL, "")
        expected = {"own": 2, "user:k": 2, "app:k": 2} if stored else first
        for each in (service, FileSessionService(tmp_path)):
            read = await each.get_session(app_name="app", user_id="u", session_id="s")
            assert read is not None
            assert (read.seq, read.state) == (int(stored), expected)
            if each is not service:
                await each.close()
        # Whoever writes next, to whichever session, changes nothing about it; nor does deleting the session.
        other = await service.create_session(app_name="app", user_id="u", session_id="t")
        await service.append_event(other, said("x", {"user:n": 1}))
        await service.append_event(read, said("y", {"app:n": 1}))
        shared = {key: value for key, value in expected.items() if key != "own"} | {"user:n": 1, "app:n": 1}
        await service.delete_session(app_name="app", user_id="u", session_id="s")
        again = FileSessionService(tmp_path)
        left = await again.get_session(app_name="app", user_id="u", session_id="t")
        assert left is not None and left.state == shared
        assert session.id == "s"
        await service.close()
        await again.close()

    async def test_a_session_that_is_deleted_after_the_kill_leaves_its_shared_state(self, tmp_path: Path) -> None:
        service = FileSessionService(tmp_path)
        await service.create_session(app_name="app", user_id="u", session_id="s")
        assert run_python(DIES, str(tmp_path), "after the event").returncode == -signal.SIGKILL
        await service.delete_session(app_name="app", user_id="u", session_id="s")
        assert await service.get_user_state(app_name="app", user_id="u") == {"k": 2}
        await service.close()

    async def test_a_writer_that_was_killed_is_known_to_be_gone(self, tmp_path: Path) -> None:
        service = FileSessionService(tmp_path)
        session = await filled(service, 1)
        code = """
        import asyncio, os, signal, sys
        from runwright.sessions.file import FileSessionService

        async def main():
            service = FileSessionService(sys.argv[1])
            session = await service.get_session(app_name="app", user_id="u", session_id="s")
            await service.start_run(session, "theirs")
            print("running", flush=True)
            await asyncio.sleep(600)

        asyncio.run(main())
        """
        source = str(Path(__file__).resolve().parents[2] / "src")
        child = subprocess.Popen(
            [sys.executable, "-c", textwrap.dedent(code), str(tmp_path)],
            stdout=subprocess.PIPE, env={**os.environ, "PYTHONPATH": source},
        )  # fmt: skip
        assert child.stdout is not None
        assert await asyncio.to_thread(child.stdout.readline) == b"running\n"
        with pytest.raises(SessionBusyError, match="'theirs'"):
            await service.start_run(session, "ours")
        (run,) = await service.list_runs(app_name="app")
        assert (run.status, run.interrupted) == ("running", False)
        child.kill()
        child.wait(SECONDS)
        child.stdout.close()
        (run,) = await service.list_runs(app_name="app")
        assert (run.status, run.interrupted) == ("running", True)
        await service.start_run(session, "ours")
        assert [one.status for one in await service.list_runs(app_name="app")] == ["cancelled", "running"]
        assert len(list((tmp_path / "~writers").iterdir())) == 1
        await service.close()
        assert list((tmp_path / "~writers").iterdir()) == []

    async def test_processes_that_write_to_one_session_lose_nothing(self, tmp_path: Path) -> None:
        code = """
        import asyncio, sys
        from runwright.errors import StaleSessionError
        from runwright.event import Event, EventActions
        from runwright.sessions.file import FileSessionService

        async def main(folder, name):
            service = FileSessionService(folder)
            for number in range(25):
                while True:
                    session = await service.get_session(app_name="app", user_id="u", session_id="s")
                    delta = {f"user:{name}": number, f"app:{name}.{number}": 1}
                    event = Event(author=name, actions=EventActions(state_delta=delta))
                    try:
                        await service.append_event(session, event)
                    except StaleSessionError:
                        continue
                    break
            await service.close()

        asyncio.run(main(*sys.argv[1:]))
        """
        service = FileSessionService(tmp_path)
        await filled(service, 0)
        names = ["a", "b", "c"]
        done = await asyncio.gather(*(asyncio.to_thread(run_python, code, str(tmp_path), name) for name in names))
        assert [one.stderr for one in done] == ["", "", ""]
        session = await service.get_session(app_name="app", user_id="u", session_id="s")
        assert session is not None
        assert session.seq == len(session.events) == 75
        assert {name: session.state[f"user:{name}"] for name in names} == dict.fromkeys(names, 24)
        assert sum(key.startswith("app:") for key in session.state) == 75
        await service.close()


class TestSharing:
    async def test_another_service_sees_what_was_made_again_under_a_name(self, tmp_path: Path) -> None:
        one, other = FileSessionService(tmp_path), FileSessionService(tmp_path)
        session = await filled(one, 3)
        assert await texts(other) == ["0", "1", "2"]
        await other.delete_session(app_name="app", user_id="u", session_id="s")
        await filled(other, 5)
        assert await texts(one) == ["0", "1", "2", "3", "4"]
        with pytest.raises(StaleSessionError, match="made again"):
            await one.append_event(session, said("to the old one"))
        await one.close()
        await other.close()

    async def test_lists_follow_what_others_do(self, tmp_path: Path) -> None:
        one, other = FileSessionService(tmp_path), FileSessionService(tmp_path)
        for number in range(4):
            await filled((one, other)[number % 2], 1, str(number))
            for each in (one, other):
                listed = await each.list_sessions(app_name="app")
                assert [session.id for session in listed.sessions] == [str(n) for n in range(number + 1)]
        await one.delete_session(app_name="app", user_id="u", session_id="1")
        assert [session.id for session in (await other.list_sessions(app_name="app")).sessions] == ["0", "2", "3"]
        await one.close()
        await other.close()

    async def test_headers_are_read_again_only_in_folders_that_changed(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        one, other = FileSessionService(tmp_path), FileSessionService(tmp_path)
        for session_id in ("a", "b"):
            await filled(one, 1, session_id)
        os.utime(tmp_path / "app" / "u", (1000.0, 1000.0))
        read: list[str] = []
        header = file_index.read_header
        monkeypatch.setattr(file_index, "read_header", lambda path: (read.append(path), header(path))[1])
        for expected in (2, 0):
            read.clear()
            assert len((await one.list_sessions(app_name="app")).sessions) == 2
            assert len(read) == expected
        await filled(other, 1, "c")
        assert [session.id for session in (await one.list_sessions(app_name="app")).sessions] == ["a", "b", "c"]
        await one.close()
        await other.close()

    async def test_the_count_of_sessions_is_found_again_when_its_file_is_lost(self, tmp_path: Path) -> None:
        service = FileSessionService(tmp_path)
        for session_id in ("b", "c"):
            await filled(service, 0, session_id)
        (tmp_path / "app" / "~lock").unlink()
        await filled(service, 0, "a")
        assert [one.id for one in (await service.list_sessions(app_name="app")).sessions] == ["b", "c", "a"]
        await service.close()

    async def test_more_sessions_than_are_kept_open(self, service: FileSessionService) -> None:
        sessions = [await filled(service, 1, str(number)) for number in range(150)]
        for session in sessions:
            await service.append_event(session, said("more", {"user:last": session.id}))
        assert await texts(service, "0") == ["0", "more"]
        assert len((await service.list_sessions(app_name="app")).sessions) == 150

    async def test_an_append_reads_nothing_again(
        self, service: FileSessionService, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        session = await filled(service, 3)

        def read(*_: Any) -> bytes:
            raise AssertionError("the log was read")

        monkeypatch.setattr(os, "pread", read)
        await service.append_event(session, said("more"))
        assert session.seq == 4


def test_a_durability_that_does_not_exist(tmp_path: Path) -> None:
    with pytest.raises(InputValidationError, match="'normal' or 'full'"):
        FileSessionService(tmp_path, durability="none")  # pyright: ignore[reportArgumentType]
