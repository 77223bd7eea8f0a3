# SPDX-License-Identifier: Apache-2.0
"""The command line: ``runwright run``, ``runwright sessions`` and ``runwright demo``."""

import os
import signal
import sys
import threading
from collections.abc import Sequence
from typing import NoReturn

INTERRUPTED = 130
"""The exit code after Ctrl-C."""


def main(arguments: Sequence[str] | None = None) -> NoReturn:
    """Runs a command and exits: 0 it went well, 1 a run failed, 2 it was called wrongly, 130 Ctrl-C.

    Args:
        arguments: The command's words; those that the process was started with where it is None.
    """
    try:
        from runwright.cli.commands import execute
    except ModuleNotFoundError as error:
        if (error.name or "").partition(".")[0] not in ("click", "rich"):
            raise
        print(
            f"The command line needs {error.name}, which is not installed: pip install 'runwright[cli]'",
            file=sys.stderr,
        )
        sys.exit(2)
    code = execute(arguments)
    if code == INTERRUPTED and threading.current_thread() is threading.main_thread():
        signal.signal(signal.SIGINT, signal.SIG_IGN)  # it was heeded: pressed again, it must not break the way out
    tools = [thread for thread in threading.enumerate() if thread.name.startswith("runwright-tool")]
    for thread in tools:
        thread.join(0.2)
    if any(thread.is_alive() for thread in tools):
        # A tool that was cancelled sleeps on in its thread, and Python would wait for it. All is closed by now.
        sys.stdout.flush()
        os._exit(code)
    sys.exit(code)
