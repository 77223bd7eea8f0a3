# SPDX-License-Identifier: Apache-2.0
"""The command line: ``runwright run``, ``runwright sessions``, ``runwright mcp`` and ``runwright demo``."""

import gc
import os
import signal
import sys
import threading
from collections.abc import Sequence
from typing import NoReturn

INTERRUPTED = 130
"""The exit code after Ctrl-C."""

YOUNG_OBJECTS = 20_000
"""How many objects are made before the garbage collector looks at them: more than the turns that run at once hold."""


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
    settle_garbage_collection()
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


def settle_garbage_collection() -> None:
    """Spares the collector what was imported, and what turns that run at once hold until they end: a fifth of their
    time. A server of one's own does the same, once all is imported."""
    gc.freeze()
    gc.set_threshold(YOUNG_OBJECTS, 10, 10)
