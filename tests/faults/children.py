# SPDX-License-Identifier: Apache-2.0
"""Programs in processes of their own, which may be killed, stopped and limited: forked from a warm server, so that
one starts in a few milliseconds. Run as a module, this file is that server.

The server is told over its standard input what to do, one JSON object a line, and answers each with one. It ends, and
kills the programs that still run, when that input ends. The system ends each program after the seconds that it was
given.
"""

import contextlib
import importlib
import itertools
import json
import os
import signal
import subprocess
import sys
import threading
import time
import traceback
from pathlib import Path
from typing import Any, NamedTuple

REPOSITORY = Path(__file__).resolve().parents[2]
SECONDS = 60
"""How long a program may take where nothing else is said: then the system ends it."""

KILLED = -signal.SIGKILL if sys.platform != "win32" else -9


class Outcome(NamedTuple):
    """How a program ended.

    Attributes:
        status: 0 where it returned; minus the signal's number where it was killed.
        result: What it returned.
        errors: What it wrote to its standard error.
    """

    status: int
    result: Any
    errors: str


class Child:
    """A program that was started."""

    def __init__(self, children: "Children", pid: int, report: Path) -> None:
        self.pid = pid
        self._children = children
        self._report = report

    def signal(self, number: int) -> None:
        """Sends it a signal. It must not have been waited for."""
        os.kill(self.pid, number)

    def wait(self) -> Outcome:
        """Returns when it has ended."""
        status = self._children.asked(do="wait", pid=self.pid)["status"]
        result = json.loads(self._report.read_text()) if self._report.exists() else None
        errors = Path(f"{self._report}.err")
        return Outcome(status, result, errors.read_text(errors="replace") if errors.exists() else "")

    def result(self) -> Any:
        """What it returned; it must have ended well."""
        outcome = self.wait()
        assert outcome.status == 0, f"the program ended with {outcome.status}:\n{outcome.errors}"
        return outcome.result


class Children:
    """The server, as the tests use it.

    Args:
        folder: Where the programs' reports go.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._numbers = itertools.count(1)
        self._lock = threading.Lock()
        self._server = subprocess.Popen(
            [sys.executable, "-W", "error", "-m", "tests.faults.children"],
            cwd=REPOSITORY,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )

    def start(self, program: str, *, seconds: int = SECONDS, **arguments: Any) -> Child:
        """Starts ``module:function`` with these arguments, which are JSON. A coroutine function is run in a loop."""
        report = self._folder / f"{next(self._numbers)}.json"
        given = {"program": program, "arguments": arguments, "report": str(report), "seconds": seconds}
        return Child(self, self.asked(do="start", **given)["pid"], report)

    def run(self, program: str, *, seconds: int = SECONDS, **arguments: Any) -> Outcome:
        """Starts a program and waits for its end."""
        return self.start(program, seconds=seconds, **arguments).wait()

    def asked(self, **request: Any) -> Any:
        """What the server answers."""
        assert self._server.stdin is not None
        assert self._server.stdout is not None
        with self._lock:
            self._server.stdin.write(json.dumps(request) + "\n")
            self._server.stdin.flush()
            answer = self._server.stdout.readline()
        assert answer, "the server of the fault tests is gone"
        return json.loads(answer)

    def close(self) -> None:
        """Kills what runs and ends the server."""
        assert self._server.stdin is not None
        assert self._server.stdout is not None
        with contextlib.suppress(BrokenPipeError):
            self._server.stdin.close()
        try:
            self._server.wait(10)
        except subprocess.TimeoutExpired:
            self._server.kill()
            self._server.wait()
        self._server.stdout.close()


def wait_for_file(path: Path | str, *, seconds: float = 20.0) -> None:
    """Returns when there is such a file: a program made it to say how far it is."""
    give_up_at = time.monotonic() + seconds
    while not os.path.exists(path):
        assert time.monotonic() < give_up_at, f"{path} did not appear in {seconds:g} seconds"
        time.sleep(0.005)


# --- the server -------------------------------------------------------------------------------------------------------


def serve() -> None:
    """Starts programs as it is told, until its input ends."""
    running: set[int] = set()
    try:
        for line in sys.stdin:
            request = json.loads(line)
            if request["do"] == "start":
                answer = {"pid": _started(request)}
                running.add(answer["pid"])
            else:
                _, status = os.waitpid(request["pid"], 0)
                running.discard(request["pid"])
                answer = {"status": os.waitstatus_to_exitcode(status)}
            sys.stdout.write(json.dumps(answer) + "\n")
            sys.stdout.flush()
    finally:
        for pid in running:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
            os.waitpid(pid, 0)


def _started(request: dict[str, Any]) -> int:
    module, _, name = request["program"].partition(":")
    with contextlib.suppress(Exception):  # what is wrong with it, the program says
        importlib.import_module(module)  # in the server, so that it is there for the next one
    pid = os.fork()
    if pid:
        return pid
    status = 1
    try:
        _redirect(request["report"] + ".err")
        signal.alarm(request["seconds"])
        result = getattr(importlib.import_module(module), name)(**request["arguments"])
        new = Path(request["report"] + ".new")
        new.write_text(json.dumps(result))
        new.rename(request["report"])
        status = 0
    except BaseException:  # noqa: BLE001 - the process ends with it, and whoever waits reads it
        traceback.print_exc()
    finally:
        sys.stderr.flush()
        os._exit(status)


def _redirect(errors: str) -> None:
    """Takes the server's pipes away from a program."""
    nothing = os.open(os.devnull, os.O_RDONLY)
    file = os.open(errors, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    os.dup2(nothing, 0)
    os.dup2(file, 1)
    os.dup2(file, 2)
    os.close(nothing)
    os.close(file)


if __name__ == "__main__":
    serve()
