# SPDX-License-Identifier: Apache-2.0
"""Wire: standard input and output as the protocol's own, and nobody else's."""

import os
from collections.abc import AsyncGenerator
from dataclasses import dataclass
from io import TextIOWrapper
from typing import Self

import anyio
from anyio import to_thread


@dataclass(frozen=True)
class Wire:
    """Two files that the protocol is spoken over.

    Attributes:
        input: What the client says, a line a message.
        output: Where it is answered.
    """

    input: TextIOWrapper
    output: anyio.AsyncFile[str]

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
        output = anyio.wrap_file(TextIOWrapper(os.fdopen(taken, "wb"), encoding="utf-8"))
        return cls(TextIOWrapper(os.fdopen(given, "rb"), encoding="utf-8", errors="replace"), output)

    async def lines(self) -> AsyncGenerator[str]:
        """What the client says, to the end. One who is cancelled does not wait for the next line."""
        while line := await to_thread.run_sync(self.input.readline, abandon_on_cancel=True):
            yield line
