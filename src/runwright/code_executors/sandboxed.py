# SPDX-License-Identifier: Apache-2.0
"""SandboxedCodeExecutor: code that runs on this machine, in a process of its own that is kept in."""

import asyncio
import base64
import math
import mimetypes
import os
import signal
import sys
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import TYPE_CHECKING, Any, Literal

from runwright.code_executor import BaseCodeExecutor, CodeExecutionInput, CodeExecutionResult, File
from runwright.code_executors.launcher import COULD_NOT_START
from runwright.code_executors.process import Ended, Execution
from runwright.errors import ConfigurationError, InputValidationError
from runwright.types import Outcome

if TYPE_CHECKING:
    from runwright.invocation import InvocationContext

_MEBIBYTE = 2**20
_OUT_OF_CPU_TIME = 128 + signal.SIGXCPU if sys.platform != "win32" else None


class SandboxedCodeExecutor(BaseCodeExecutor):
    """Runs each piece of code on this machine, in a new Python process that is kept in.

    What the code gets: a folder that is empty but for the files it is given, which is its working directory; this
    Python with the packages installed for it; and the time, memory and so on that are set here. Files that it leaves in
    its folder come back and become artifacts. Nothing else is left: processes that it started are killed, its folder is
    removed.

    What ``isolation="full"`` (Linux) keeps it from, by namespaces of its own for mounts, processes, network and the
    rest: it sees no files but Python's, the system's libraries and programs (``/usr``, ``/lib`` ...) and
    ``readable_paths``, all of which it cannot change; no process but its own, which it so can neither look into nor
    kill; no network, not even that of this machine, nor its sockets in files; no environment variables and no open
    files of this program, nor the keys of its session. It has no rights beyond a plain user's, not even in a namespace
    of its own, and where this program runs as root it runs as another user; where not, it keeps this program's user and
    groups. Where the system does not allow this, it is refused before the model is asked.

    What it does not keep it from. It is no virtual machine: code shares the kernel, and whoever knows a hole in that
    gets out. It can read what is installed for this Python and in ``/usr``, so keep no secrets there; and sockets and
    pipes that lie there, or in ``readable_paths``, it can connect and write to where its user may. ``network="allow"``
    gives it all of this machine's network: services on loopback, sockets without a file (abstract ones), the metadata
    service of a cloud. It can use up its limits, which are for each process where that is said, and so slow this
    machine down; and it can measure what else runs here by the time things take. What it prints goes to the model, and
    what it writes into files to the artifacts: take neither for harmless. Against people who attack you in earnest, run
    agents in virtual machines.

    ``isolation="limits"`` (any POSIX system) has the limits alone: the code can read, and change, what this program's
    user can, reach the network and stop this program. The limit of processes counts all of the user's, and does not
    hold for root; what code leaves behind is killed as far as it is found. It is for code that you would run yourself.

    Attributes:
        timeout_seconds: How long an execution may take by the clock.
        cpu_seconds: How much processor time each process may take; a second more than ``timeout_seconds`` where it is
            None, so that the clock has the first word.
        memory_bytes: How much address space each process may have.
        disk_bytes: How much it may write, all files together (they lie in memory); with ``isolation="limits"``, how
            long each file may be.
        max_processes: How many processes and threads it may have at a time.
        max_open_files: How many files each process may have open.
        max_output_bytes: How much is kept of each of standard output and standard error: the beginning and the end.
        max_output_files: How many files come back.
        max_output_file_bytes: How large they may be together.
        network: ``"deny"``, or ``"allow"`` for that of this machine.
        isolation: ``"full"`` or ``"limits"``.
        readable_paths: Files and folders beside Python's that it may read.

    Raises:
        ConfigurationError: The settings contradict each other.
    """

    timeout_seconds: float | None = 30.0
    cpu_seconds: float | None = None
    memory_bytes: int = 1024 * _MEBIBYTE
    disk_bytes: int = 64 * _MEBIBYTE
    max_processes: int = 32
    max_open_files: int = 256
    max_output_bytes: int = 64_000
    max_output_files: int = 16
    max_output_file_bytes: int = 16 * _MEBIBYTE
    network: Literal["deny", "allow"] = "deny"
    isolation: Literal["full", "limits"] = "full"
    readable_paths: list[str] = []

    def model_post_init(self, context: object, /) -> None:
        self._is_checked = False
        if self.stateful:
            raise ConfigurationError("SandboxedCodeExecutor starts anew each time: it cannot be stateful")
        if self.network not in ("deny", "allow") or self.isolation not in ("full", "limits"):
            raise ConfigurationError(
                "SandboxedCodeExecutor: network is 'deny' or 'allow', and isolation 'full' or 'limits', not "
                f"{self.network!r} and {self.isolation!r}"
            )
        if self.isolation == "limits" and self.network == "deny":
            raise ConfigurationError(
                "Limits alone keep no code from the network: SandboxedCodeExecutor(isolation='limits', "
                "network='allow') says that you accept this"
            )
        if self.timeout_seconds is None:
            raise ConfigurationError("SandboxedCodeExecutor needs timeout_seconds: code may never end by itself")
        for name in ("cpu_seconds", "memory_bytes", "disk_bytes", "max_processes", "max_open_files"):
            value: Any = getattr(self, name)
            if value is not None and value < 1:
                raise ConfigurationError(f"SandboxedCodeExecutor: {name} is 1 or more, not {value!r}")
        if any(os.path.abspath(path) == "/" for path in self.readable_paths):
            raise ConfigurationError("SandboxedCodeExecutor: readable_paths is part of the file system, not all")

    async def check(self) -> None:
        """Tries, the first time, whether code can be kept in here.

        Raises:
            ConfigurationError: It cannot. The message says why, and what else could be done.
        """
        if self._is_checked:
            return
        ended = await self._run("", [])
        if ended.exit_code == COULD_NOT_START:
            raise ConfigurationError(
                f"{ended.stderr.strip()}. Where Python needs more than its own folders, name them: "
                "SandboxedCodeExecutor(readable_paths=[...])"
            )
        self._is_checked = True

    async def execute_code(
        self, invocation_context: "InvocationContext", code_execution_input: CodeExecutionInput
    ) -> CodeExecutionResult:
        """Runs code. Where the task is cancelled the code is killed, and this returns once it is gone.

        Raises:
            ConfigurationError: It cannot be kept in here.
            InputValidationError: The files that it is given are too large, or have names that lead elsewhere.
        """
        files = [(file.name, _bytes_of(file)) for file in code_execution_input.input_files]
        if sum(len(data) for _, data in files) > self.disk_bytes:
            raise InputValidationError(
                f"The code is given more than {self.disk_bytes} bytes of files: raise disk_bytes of "
                "SandboxedCodeExecutor, or name fewer in input_artifacts"
            )
        return self._result(await self._run(code_execution_input.code, files))

    async def _run(self, code: str, files: list[tuple[str, bytes]]) -> Ended:
        if os.name != "posix":
            raise ConfigurationError("SandboxedCodeExecutor needs a POSIX system: on this one, run code in a container")
        if self.isolation == "full" and sys.platform != "linux":
            raise ConfigurationError(
                "Only Linux can keep code in fully: elsewhere, run code in a container, or accept limits on its "
                "resources alone: SandboxedCodeExecutor(isolation='limits', network='allow')"
            )
        execution = Execution(self._settings(), most_output=self.max_output_bytes)
        thread = ThreadPoolExecutor(1, thread_name_prefix="runwright-code")  # Code takes no threads from anybody else.
        running = asyncio.get_running_loop().run_in_executor(thread, partial(execution.run, code, files))
        thread.shutdown(wait=False)
        try:
            return await asyncio.shield(running)
        except asyncio.CancelledError:
            execution.stop()
            await _ended(running)
            raise

    def _settings(self) -> dict[str, Any]:
        """What the launcher is told."""
        seconds = self.timeout_seconds
        cpu = self.cpu_seconds or (seconds or 0.0) + 1.0
        prefixes = (sys.prefix, sys.base_prefix, sys.exec_prefix, sys.base_exec_prefix, *self.readable_paths)
        return {
            "python": os.path.abspath(sys.executable),
            "isolated": self.isolation == "full",
            "network": self.network == "allow",
            "readable": sorted({path for one in prefixes for path in (os.path.abspath(one), os.path.realpath(one))}),
            "seconds": seconds,
            "disk": self.disk_bytes,
            "limits": {
                "CPU": math.ceil(cpu),
                "AS": self.memory_bytes,
                "FSIZE": self.disk_bytes,
                "NOFILE": self.max_open_files,
                "NPROC": self.max_processes,
                "CORE": 0,
            },
            "most_files": self.max_output_files,
            "most_bytes": self.max_output_file_bytes,
        }

    def _result(self, ended: Ended) -> CodeExecutionResult:
        outcome, said = self._outcome(ended)
        notes = [ended.stderr.rstrip("\n")] if ended.stderr else []
        notes += [said] if said else []
        if ended.files_left_out:
            notes.append(f"{ended.files_left_out} files were too many or too large, and are lost.")
        files = [
            File(
                name=name,
                content=data,
                mime_type=mimetypes.guess_type(name)[0] or "application/octet-stream",
            )
            for name, data in ended.files
        ]
        return CodeExecutionResult(
            stdout=ended.stdout,
            stderr="\n".join(notes),
            output_files=files,
            exit_code=ended.exit_code,
            outcome=outcome,
        )

    def _outcome(self, ended: Ended) -> tuple[Outcome, str]:
        """Whether the code ran well, and what is to be said of it that it does not say itself."""
        if ended.timed_out:
            return Outcome.OUTCOME_DEADLINE_EXCEEDED, f"The code took longer than {self.timeout_seconds:g} seconds."
        if ended.exit_code == _OUT_OF_CPU_TIME:
            return Outcome.OUTCOME_DEADLINE_EXCEEDED, "The code took more processor time than it is given."
        if ended.exit_code == 0:
            return Outcome.OUTCOME_OK, ""
        if ended.exit_code > 128:
            return Outcome.OUTCOME_FAILED, f"The code was ended by the signal {ended.exit_code - 128}."
        return Outcome.OUTCOME_FAILED, "" if ended.stderr else f"The code ended with status {ended.exit_code}."


def _bytes_of(file: File) -> bytes:
    return base64.b64decode(file.content) if isinstance(file.content, str) else file.content


async def _ended(running: "asyncio.Future[Ended]") -> None:
    """Waits for an execution that was told to stop, however often its task is cancelled meanwhile."""
    while not running.done():
        try:
            await asyncio.wait([running])
        except asyncio.CancelledError:
            continue
    if not running.cancelled():
        running.exception()  # nobody asks for it any more
