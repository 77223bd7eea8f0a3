# SPDX-License-Identifier: Apache-2.0
"""Wire: standard input and output as the protocol's own, and nobody else's."""

import asyncio
import os
import threading
from collections.abc import AsyncGenerator
from io import TextIOWrapper
from typing import Self, TextIO

from anyio import to_thread


class Wire:
    """Two files that the protocol is spoken over, a line a message.

    Args:
        said: What the client says.
        answered: Where it is answered.
    """

    def __init__(self, said: TextIO, answered: TextIO) -> None:
        self._said = said
        self._answered = answered
        self._lines: asyncio.Queue[str] = asyncio.Queue()
        self._room = threading.Semaphore(1)

    @classmethod
    def claim(cls) -> Self:
        """Takes this process's standard input and output, for good.

        From then on, what anybody prints, child processes among them, goes to standard error, and standard input is
        empty.
        """
        given, taken = os.dup(0), os.dup(1)
        empty = os.open(os.devnull, os.O_RDONLY)
        os.dup2(empty, 0)
        os.dup2(2, 1)
        os.close(empty)
        # Open to the end: a thread may still wait for the client's next word, and closing would wait for the thread.
        said = TextIOWrapper(os.fdopen(given, "rb", closefd=False), encoding="utf-8", errors="replace")
        return cls(said, TextIOWrapper(os.fdopen(taken, "wb", closefd=False), encoding="utf-8"))

    async def lines(self) -> AsyncGenerator[str]:
        """What the client says, until it leaves."""
        loop = asyncio.get_running_loop()
        # Nothing ends a read that waits, so the process does not wait for this thread.
        threading.Thread(target=self._read, args=(loop,), name="mcp wire", daemon=True).start()
        while line := await self._lines.get():
            self._room.release()
            yield line

    async def write(self, text: str) -> None:
        """Answers. Where nobody listens any more, the client has left."""
        try:
            await to_thread.run_sync(self._write, text)
        except BrokenPipeError:
            self._lines.put_nowait("")

    async def flush(self) -> None:
        """Nothing: what is written is sent."""

    def _read(self, loop: asyncio.AbstractEventLoop) -> None:
        line = "-"
        while line:
            self._room.acquire()
            try:
                line = self._said.readline()
            except OSError:  # a client that broke off
                line = ""
            if loop.is_closed():
                return
            loop.call_soon_threadsafe(self._lines.put_nowait, line)

    def _write(self, text: str) -> None:
        self._answered.write(text)
        self._answered.flush()
