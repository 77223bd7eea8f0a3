# SPDX-License-Identifier: Apache-2.0
"""One execution of code in a process of its own, as this program sees it: a folder, a launcher, and what it reports."""

import contextlib
import os
import selectors
import shutil
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Sequence
from pathlib import Path
from typing import IO, Any, NamedTuple

import msgspec

from runwright.code_executors.launcher import CODE, GIVEN_AT, INPUT, OUTPUT, REPORT, WORK
from runwright.errors import ConfigurationError, InputValidationError

_LAUNCHER = Path(__file__).with_name("launcher.py")
_CHUNK = 65536
_GRACE_SECONDS = 10.0
"""How long the launcher may take beside the code, before it is killed itself."""


class Ended(NamedTuple):
    """How an execution ended.

    Attributes:
        exit_code: As a shell shows it; 128 and the signal's number where one ended it.
        timed_out: Whether its time was up.
        files: What it made, by name.
        files_left_out: How many more files it made than were taken.
    """

    exit_code: int
    timed_out: bool
    stdout: str
    stderr: str
    files: list[tuple[str, bytes]]
    files_left_out: int


class Execution:
    """One execution. :meth:`run` blocks; :meth:`stop` ends it, from any thread.

    Args:
        settings: What the launcher is told, but for the folder.
        most_output: How many bytes are kept of each of the two outputs.
    """

    def __init__(self, settings: dict[str, Any], *, most_output: int) -> None:
        self._settings = settings
        self._most_output = most_output
        self._lock = threading.Lock()
        self._control: IO[bytes] | None = None
        self._is_stopped = False

    def stop(self) -> None:
        """Has the code, and all that it started, killed."""
        with self._lock:
            self._is_stopped = True
            if self._control is not None:
                self._control.close()

    def run(self, code: str, files: Sequence[tuple[str, bytes]]) -> Ended:
        """Runs code to its end, and leaves nothing behind.

        Raises:
            ConfigurationError: This system cannot keep the code in as it is asked to.
            InputValidationError: A file cannot be put into its folder.
        """
        folder = Path(tempfile.mkdtemp(prefix="runwright-"))
        try:
            _fill(folder, code, files)
            process, outputs = self._executed(folder)
            report = _read_report(folder, process.returncode, outputs[1].text())
            made = [(name, (folder / OUTPUT / str(at)).read_bytes()) for at, name in enumerate(report["files"])]
        finally:
            _remove(folder)
        stdout, stderr = (one.text().replace(f"{folder}/", "") for one in outputs)
        return Ended(report["exit_code"], report["timed_out"], stdout, stderr, made, report["files_left_out"])

    def _executed(self, folder: Path) -> "tuple[subprocess.Popen[bytes], list[_Kept]]":
        settings = msgspec.json.encode({**self._settings, "folder": str(folder)}).decode()
        deadline = time.monotonic() + self._settings["seconds"] + _GRACE_SECONDS
        with subprocess.Popen(
            [sys.executable, "-I", "-S", "-B", str(_LAUNCHER), settings],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            env={},
            start_new_session=True,
        ) as process:
            try:
                with self._lock:
                    self._control = process.stdin
                    if self._is_stopped and self._control is not None:
                        self._control.close()
                outputs = self._read(process, deadline)
                with contextlib.suppress(subprocess.TimeoutExpired):
                    process.wait(max(0.0, deadline - time.monotonic()))
            finally:
                process.kill()  # Nothing, where it has ended.
                with self._lock:
                    self._control = None
        return process, outputs

    def _read(self, process: "subprocess.Popen[bytes]", deadline: float) -> "list[_Kept]":
        """Reads both outputs to their end."""
        outputs = [_Kept(self._most_output), _Kept(self._most_output)]
        with selectors.DefaultSelector() as selector:
            for stream, kept in zip((process.stdout, process.stderr), outputs, strict=True):
                assert stream is not None
                selector.register(stream.fileno(), selectors.EVENT_READ, kept)
            while selector.get_map() and (left := deadline - time.monotonic()) > 0:
                for key, _ in selector.select(left):
                    if chunk := os.read(key.fd, _CHUNK):
                        key.data.add(chunk)
                    else:
                        selector.unregister(key.fd)
        return outputs


class _Kept:
    """The beginning and the end of an output, which may be as long as it likes."""

    def __init__(self, most: int) -> None:
        self._half = most // 2
        self._head = bytearray()
        self._tail = bytearray()
        self._left_out = 0

    def add(self, chunk: bytes) -> None:
        room = self._half - len(self._head)
        self._head += chunk[:room]
        self._tail += chunk[room:] if room < len(chunk) else b""
        if (over := len(self._tail) - self._half) > 0:
            del self._tail[:over]
            self._left_out += over

    def text(self) -> str:
        head, tail = (bytes(one).decode(errors="replace") for one in (self._head, self._tail))
        if self._left_out:
            return f"{head}\n... {self._left_out} bytes are left out ...\n{tail}"
        return bytes(self._head + self._tail).decode(errors="replace")


def _fill(folder: Path, code: str, files: Sequence[tuple[str, bytes]]) -> None:
    for name in (WORK, INPUT, OUTPUT):
        (folder / name).mkdir()
    (folder / CODE).write_text(code, encoding="utf-8", errors="replace", newline="\n")
    for name, data in files:
        if os.path.isabs(name) or ".." in Path(name).parts:
            raise InputValidationError(f"The file {name!r} cannot be given to code: give a relative name without ..")
        path = folder / INPUT / name
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(data)
            os.utime(path, ns=(GIVEN_AT, GIVEN_AT))
        except (OSError, ValueError) as error:
            raise InputValidationError(f"The file {name!r} cannot be given to code: {error}") from error


def _read_report(folder: Path, returned: int, said: str) -> dict[str, Any]:
    """What the launcher says. Where it was killed before it could, so was the code.

    Raises:
        ConfigurationError: The system does not let it keep the code in.
    """
    try:
        report: dict[str, Any] = msgspec.json.decode((folder / REPORT).read_bytes())
    except (FileNotFoundError, msgspec.DecodeError):
        if returned < 0:
            return {"exit_code": 128 - returned, "timed_out": False, "files": [], "files_left_out": 0}
        raise ConfigurationError(f"Code cannot be started with {sys.executable}: {said.strip()}") from None
    if refused := report.get("refused"):
        raise ConfigurationError(
            f"This system cannot keep code away from its files, processes and network: {refused}. Run it where a "
            "process may have namespaces of its own (on Linux 5.12 or newer: as root with CAP_SYS_ADMIN, or with user "
            "namespaces allowed), or accept limits on its resources alone: "
            "SandboxedCodeExecutor(isolation='limits', network='allow')"
        )
    return report


def _remove(folder: Path) -> None:
    """Removes the folder, whatever the code has made of the rights in it."""
    for parent, folders, _ in os.walk(folder):
        for name in folders:
            path = os.path.join(parent, name)
            if not os.path.islink(path):
                os.chmod(path, 0o700)
    with contextlib.suppress(FileNotFoundError):  # The launcher removes it where it was told to stop.
        shutil.rmtree(folder)
