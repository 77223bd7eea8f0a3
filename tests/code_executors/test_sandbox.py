# SPDX-License-Identifier: Apache-2.0
"""What the sandbox keeps code from, with real processes that try."""

import asyncio
import ctypes
import os
import platform
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

import runwright
from runwright import CodeExecutionInput, SandboxedCodeExecutor
from runwright.errors import ConfigurationError
from runwright.types import Outcome
from tests.code_executors.conftest import LIMITS, MARKED, PATIENCE, Run, execute, marked, reached

OK, FAILED, LATE = Outcome.OUTCOME_OK, Outcome.OUTCOME_FAILED, Outcome.OUTCOME_DEADLINE_EXCEEDED
MEBIBYTE = 2**20
_ADD_KEY, _KEYCTL, _SESSION_KEYRING = 248, 250, -3


@contextmanager
def started(command: list[str], **options: Any) -> Iterator["subprocess.Popen[bytes]"]:
    """A process, which is killed in the end."""
    with subprocess.Popen(command, **options) as process:
        try:
            yield process
        finally:
            process.kill()


# --- time and memory


@pytest.mark.parametrize("code", ["while True: pass", "import time; time.sleep(1000)"])
async def test_code_that_does_not_end_is_ended(run_either_way: Run, code: str) -> None:
    result = await run_either_way(f"print('begun', flush=True)\n{MARKED}{code}", timeout_seconds=2)
    assert (result.outcome, result.stdout) == (LATE, "begun\n")
    assert "took longer than 2 seconds" in result.stderr
    assert marked() == []


async def test_processor_time_is_limited_by_itself(run_either_way: Run) -> None:
    result = await run_either_way("while True: pass", cpu_seconds=1)
    assert (result.outcome, result.stderr) == (LATE, "The code took more processor time than it is given.")


async def test_memory_is_limited(run_either_way: Run) -> None:
    result = await run_either_way("held = bytearray(2**30)", memory_bytes=256 * MEBIBYTE)
    assert result.outcome == FAILED and "MemoryError" in result.stderr


async def test_open_files_are_limited(run_either_way: Run) -> None:
    result = await run_either_way("held = [open('/dev/null') for _ in range(100)]", max_open_files=20)
    assert result.outcome == FAILED and "Too many open files" in result.stderr


FORKS = """
import os, time
count = 0
try:
    while count < 100:
        if os.fork() == 0:
            time.sleep(100)
            os._exit(0)
        count += 1
except BlockingIOError:
    print("refused")
"""


async def test_processes_are_limited(run: Run) -> None:
    result = await run(MARKED + FORKS, max_processes=8)
    assert (result.outcome, result.stdout) == (OK, "refused\n")
    assert marked() == []


async def test_processes_are_limited_beside_those_that_the_user_has() -> None:
    if os.geteuid() == 0:
        pytest.skip("NOT TESTED: the system does not limit the processes of root, as the documentation says")
    result = await execute(MARKED + FORKS, max_processes=8, **LIMITS)
    assert (result.outcome, result.stdout) == (OK, "refused\n")


async def test_many_executions_at_once_do_not_take_each_others_processes(run: Run) -> None:
    code = "import os\nfor _ in range(4):\n    if os.fork() == 0: os._exit(0)\n    os.wait()\nprint('ended')"
    results = await asyncio.gather(*(run(code, max_processes=3) for _ in range(6)))
    assert [result.stdout for result in results] == ["ended\n"] * 6


async def test_a_large_file_is_refused(run_either_way: Run) -> None:
    result = await run_either_way("open('large', 'wb').write(b'x' * 2**22)", disk_bytes=MEBIBYTE)
    assert result.outcome == FAILED
    assert "No space left on device" in result.stderr or "File too large" in result.stderr


async def test_many_files_are_refused_together(run: Run) -> None:
    code = "for at in range(50):\n    open(f'/tmp/{at}', 'wb').write(b'x' * 2**17)"
    result = await run(code, disk_bytes=MEBIBYTE)
    assert result.outcome == FAILED and "No space left on device" in result.stderr


async def test_a_flood_of_output_is_cut_in_its_middle(run_either_way: Run) -> None:
    code = "print('first')\nfor _ in range(3000): print('x' * 10000)\nprint('last')"
    result = await run_either_way(code, max_output_bytes=10_000)
    assert result.outcome == OK
    assert result.stdout.startswith("first\n") and result.stdout.endswith("last\n")
    assert "bytes are left out" in result.stdout and len(result.stdout) < 10_100


async def test_code_that_says_no_more_may_go_on(run_either_way: Run) -> None:
    code = "import os, time\nos.close(1)\nos.close(2)\ntime.sleep(0.3)\nopen('made', 'w').write('x')"
    result = await run_either_way(code)
    assert (result.outcome, [file.name for file in result.output_files]) == (OK, ["made"])


# --- what it sees


async def test_nothing_of_this_programs_environment_is_seen(
    run_either_way: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("API_KEY", "very-secret")
    result = await run_either_way("import os; print(sorted(os.environ))")
    assert set(eval(result.stdout)) <= {"HOME", "TMPDIR", "LC_CTYPE"}  # Python itself sets the last


async def test_the_environment_of_other_processes_is_not_seen(run: Run) -> None:
    with started(["sleep", str(PATIENCE)], env={**os.environ, "API_KEY": "very-secret"}) as secret:
        code = f"import glob\nprint(open('/proc/{secret.pid}/environ').read(), glob.glob('/proc/*'))"
        result = await run(code)
    assert result.outcome == FAILED and "very-secret" not in result.stdout + result.stderr


async def test_no_open_file_of_this_program_is_passed_on(run_either_way: Run, tmp_path: Path) -> None:
    (tmp_path / "secret").write_text("very-secret")
    handle = os.open(tmp_path / "secret", os.O_RDONLY)
    os.set_inheritable(handle, True)
    code = """
import os
for handle in range(3, 200):
    try:
        print(handle, os.fstat(handle))
    except OSError:
        pass
"""
    try:
        result = await run_either_way(code)
    finally:
        os.close(handle)
    assert (result.outcome, result.stdout) == (OK, "")


async def test_files_are_not_seen_but_pythons_and_those_that_are_named(run: Run, tmp_path: Path) -> None:
    (tmp_path / "secret").write_text("very-secret")
    (tmp_path / "open").mkdir()
    (tmp_path / "open" / "data").write_text("1,2")
    code = f"""
import os
print(os.path.exists({str(tmp_path / "secret")!r}), os.path.exists("/etc/passwd"), os.path.exists("/proc/self"))
print(open({str(tmp_path / "open" / "data")!r}).read())
open({str(tmp_path / "open" / "data")!r}, "w")
"""
    result = await run(code, readable_paths=[str(tmp_path / "open")])
    assert result.stdout == "False False False\n1,2\n"
    assert "Read-only file system" in result.stderr
    assert (tmp_path / "open" / "data").read_text() == "1,2"


async def test_python_and_the_system_cannot_be_changed(run: Run) -> None:
    code = """
import os, sys
for place in (os.path.dirname(os.__file__), sys.prefix, "/usr", "/usr/lib", "/etc", "/", "/dev"):
    try:
        open(os.path.join(place, "left"), "w")
        print("written", place)
    except OSError:
        pass
"""
    result = await run(code)
    assert (result.outcome, result.stdout) == (OK, "")
    assert not any(map(os.path.lexists, (f"{sys.prefix}/left", "/usr/left", "/etc/left", "/dev/left", "/left")))


async def test_code_has_no_rights_beyond_a_plain_users(run: Run) -> None:
    code = """
import ctypes, os
print(os.geteuid() == 0)
print(ctypes.CDLL(None).mount(b"tmpfs", b"/folder", b"tmpfs", 0, None))
print(ctypes.CDLL(None).prctl(39, 0, 0, 0, 0))  # PR_GET_NO_NEW_PRIVS
"""
    assert (await run(code)).stdout == "False\n-1\n1\n"


async def test_code_gets_no_rights_in_a_namespace_of_its_own(run: Run) -> None:
    """There it could mount a file system as large as it likes, past ``disk_bytes``."""
    code = """
import ctypes
library = ctypes.CDLL(None)
print(library.unshare(0x10000000))  # CLONE_NEWUSER
print(library.unshare(0x10000000 | 0x20000))
print(library.mount(b"tmpfs", b"/folder", b"tmpfs", 0, b"size=10g"))
"""
    assert (await run(code)).stdout == "-1\n-1\n-1\n"


async def test_the_keys_of_this_programs_session_are_out_of_reach(run: Run) -> None:
    library: Any = ctypes.CDLL(None, use_errno=True)
    if platform.machine() != "x86_64":
        pytest.skip("NOT TESTED: the numbers of the system calls are those of x86-64")
    # What is in the session's keyring may be read by whoever has that, other users among them.
    key = library.syscall(_ADD_KEY, b"user", b"rw-test", b"very-secret", 11, _SESSION_KEYRING)
    if key < 0:
        pytest.skip(f"NOT TESTED: no key can be kept here: {os.strerror(ctypes.get_errno())}")
    code = f"""
import ctypes
held = ctypes.create_string_buffer(100)
library = ctypes.CDLL(None)
print(library.syscall({_KEYCTL}, 11, {key}, held, 100), held.value)  # KEYCTL_READ
print(library.syscall({_KEYCTL}, 10, {_SESSION_KEYRING}, b"user", b"rw-test", 0))  # KEYCTL_SEARCH
"""
    try:
        assert (await run(code)).stdout == "-1 b''\n-1\n"
    finally:
        library.syscall(_KEYCTL, 9, key, _SESSION_KEYRING)  # KEYCTL_UNLINK


async def test_the_rest_of_python_is_there(run_either_way: Run) -> None:
    code = """
import asyncio, concurrent.futures, ctypes, datetime, decimal, hashlib, json, random, sqlite3, ssl, tempfile, zoneinfo
async def main():
    process = await asyncio.create_subprocess_exec("/bin/echo", "hi", stdout=-1)
    return (await process.communicate())[0]
print(asyncio.run(main()), sqlite3.connect("db").execute("select 1").fetchone())
with concurrent.futures.ThreadPoolExecutor(2) as pool:
    print(list(pool.map(abs, [-1, 2])), tempfile.TemporaryFile().write(b"x"))
"""
    result = await run_either_way(code)
    assert (result.stdout, result.stderr) == ("b'hi\\n' (1,)\n[1, 2] 1\n", "")


# --- the network


async def talk_to(run: Run, code: str, **settings: str) -> tuple[str, bool]:
    """Runs code that may connect to a server on this machine; gives what it says, and whether it did."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        server.setblocking(False)
        port = server.getsockname()[1]
        result = await run(code.replace("PORT", str(port)), **settings)
        try:
            server.accept()[0].close()
        except BlockingIOError:
            return result.stdout + result.stderr, False
    return result.stdout + result.stderr, True


CONNECT = "import socket; socket.create_connection(('127.0.0.1', PORT), 5); print('connected')"


async def test_there_is_no_network_not_even_this_machines(run: Run) -> None:
    said, connected = await talk_to(run, CONNECT)
    assert "Network is unreachable" in said and not connected


async def test_the_network_is_there_where_it_is_allowed(run: Run) -> None:
    assert await talk_to(run, CONNECT, network="allow") == ("connected\n", True)


@pytest.mark.parametrize("network", ["deny", "allow"])
async def test_sockets_in_files_are_out_of_reach(run: Run, tmp_path: Path, network: str) -> None:
    path = tmp_path / "s"
    if len(str(path)) > 100:
        pytest.skip(f"NOT TESTED: {path} is too long for the name of a socket")
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(str(path))
        server.listen()
        code = f"import socket; socket.socket(socket.AF_UNIX).connect({str(path)!r})"
        result = await run(code, network=network)
    assert "FileNotFoundError" in result.stderr


# --- other processes


async def test_other_processes_cannot_be_reached(run: Run) -> None:
    code = f"import os\nprint(os.getpid() < 10, os.getppid())\nos.kill({os.getpid()}, 0)"
    result = await run(code)
    assert result.stdout == "True 1\n" and "ProcessLookupError" in result.stderr


async def test_its_group_is_its_own(run_either_way: Run) -> None:
    result = await run_either_way("import os, signal\nos.killpg(0, signal.SIGKILL)")
    assert (result.outcome, result.exit_code) == (FAILED, 137)
    assert result.stderr == "The code was ended by the signal 9."


GRANDCHILD = """
import os, time
if os.fork() == 0:
    os.setsid()
    if os.fork() == 0:
        time.sleep(1000)
    os._exit(0)
os.wait()
print("left one behind", flush=True)
"""


async def test_what_it_leaves_running_is_killed(run_either_way: Run) -> None:
    result = await run_either_way(MARKED + GRANDCHILD)
    assert (result.outcome, result.stdout) == (OK, "left one behind\n")
    assert marked() == []


async def test_what_it_leaves_running_is_killed_when_its_time_is_up(run_either_way: Run) -> None:
    result = await run_either_way(MARKED + GRANDCHILD + "time.sleep(1000)", timeout_seconds=2)
    assert result.outcome == LATE
    assert marked() == []


async def test_a_cancelled_execution_is_killed_before_it_returns(run_either_way: Run) -> None:
    running = asyncio.create_task(run_either_way(MARKED + GRANDCHILD + "time.sleep(1000)"))
    await reached(lambda: len(marked()) >= 2)
    running.cancel()
    running.cancel()
    with pytest.raises(asyncio.CancelledError):
        await running
    assert marked() == []


async def test_executions_that_are_cancelled_while_they_begin_leave_nothing(run_either_way: Run) -> None:
    for pause in range(0, 60, 6):
        running = asyncio.create_task(run_either_way(MARKED + "import time; time.sleep(1000)"))
        await asyncio.sleep(pause / 1000)
        running.cancel()
        with pytest.raises(asyncio.CancelledError):
            await running
    assert marked() == []


async def test_a_program_that_is_killed_takes_its_code_with_it(run: Run, tmp_path: Path) -> None:
    program = f"""
import asyncio, tempfile
from tests.code_executors.conftest import MARKED, execute
tempfile.tempdir = {str(tmp_path)!r}
asyncio.run(execute(MARKED + "import time; time.sleep(1000)"))
"""
    with started([sys.executable, "-c", program], cwd=Path(__file__).parents[2]):
        await reached(marked)
    await reached(lambda: not marked() and not list(tmp_path.glob("runwright-*")))


def test_a_plain_users_code_is_kept_in_too(full: None, tmp_path: Path) -> None:
    if os.geteuid() != 0:
        pytest.skip("the other tests are of a plain user already")
    python = f"/usr/bin/python{sys.version_info.major}.{sys.version_info.minor}"
    if not os.path.exists(python):
        pytest.skip(f"NOT TESTED: there is no {python} that a plain user could start")
    program = '''
import asyncio
from runwright import CodeExecutionInput, SandboxedCodeExecutor
code = """
import ctypes, os
print(os.listdir('/folder'), os.geteuid())
open('made', 'w').write('1')
for change in (lambda: os.rename('/etc', '/other'), lambda: os.mkdir('/usr2'), lambda: open('/code.py', 'w')):
    try:
        change()
    except OSError:
        print('kept')
print(ctypes.CDLL(None).unshare(0x10000000))
"""
given = CodeExecutionInput(code=code)
print(asyncio.run(SandboxedCodeExecutor().execute_code(None, given)))
'''
    packages = [str(Path(one.__file__ or "").parents[1]) for one in (runwright, sys.modules["msgspec"])]
    done = subprocess.run(
        [python, "-B", "-c", program],
        env={"PYTHONPATH": ":".join(packages)},
        user=12345,
        group=12345,
        extra_groups=[],
        cwd="/",
        capture_output=True,
        text=True,
    )
    if "PermissionError" in done.stderr or "No module named" in done.stderr or "this system" in done.stderr.lower():
        pytest.skip(f"NOT TESTED: a plain user cannot do this here: {done.stderr.strip().splitlines()[-1]}")
    assert "[] 12345\\nkept\\nkept\\nkept\\n-1\\n" in done.stdout and "name='made'" in done.stdout, done


# --- where it cannot be done


async def test_a_system_that_keeps_nothing_in_is_told(full: None) -> None:
    executor = SandboxedCodeExecutor()
    executor.disk_bytes = -1  # a mount that the system refuses
    with pytest.raises(ConfigurationError, match=r"isolation='limits', network='allow'"):
        await executor.check()


async def test_other_systems_than_linux_are_told_what_to_accept(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "platform", "darwin")
    with pytest.raises(ConfigurationError, match=r"isolation='limits', network='allow'"):
        await SandboxedCodeExecutor().check()


async def test_a_python_that_the_code_cannot_start_is_told(full: None, tmp_path: Path) -> None:
    """It lies in a folder that the code does not see."""
    elsewhere = tmp_path / "python"
    elsewhere.symlink_to(sys.executable)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sys, "executable", str(elsewhere))
        with pytest.raises(ConfigurationError, match=r"could not be started.*readable_paths"):
            await SandboxedCodeExecutor().check()


async def test_a_python_that_cannot_be_started_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "python").write_text("#!/bin/sh\necho no python >&2\nexit 1\n")
    (tmp_path / "python").chmod(0o755)
    monkeypatch.setattr(sys, "executable", str(tmp_path / "python"))
    with pytest.raises(ConfigurationError, match="no python"):
        await execute("print(1)", **LIMITS)


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"isolation": "limits"}, "network='allow'"),
        ({"network": "some"}, "'deny' or 'allow'"),
        ({"isolation": "none"}, "'full' or 'limits'"),
        ({"stateful": True}, "cannot be stateful"),
        ({"timeout_seconds": None}, "needs timeout_seconds"),
        ({"timeout_seconds": 0}, "more than 0"),
        ({"max_processes": 0}, "max_processes is 1 or more"),
        ({"readable_paths": ["/"]}, "not all"),
        ({"memory": 1}, "did you mean memory_bytes="),
    ],
)
def test_settings_that_cannot_be_are_named(settings: dict[str, object], said: str) -> None:
    with pytest.raises(ConfigurationError, match=said):
        SandboxedCodeExecutor(**settings)


def test_the_input_takes_what_adks_takes() -> None:
    assert CodeExecutionInput(code="1").input_files == []
