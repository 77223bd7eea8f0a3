# SPDX-License-Identifier: Apache-2.0
"""What closing a runner takes: finding what is to be closed, closing each part in its time, saying that it is done."""

import asyncio
import inspect
from collections.abc import Coroutine, Generator, Iterator
from typing import Any, NoReturn

from runwright.agent import BaseAgent
from runwright.model import BaseLlm
from runwright.tool import BaseToolset


def toolsets_of(agent: BaseAgent) -> Iterator[BaseToolset]:
    """The toolsets of an agent, of all below it, and of those that are its tools."""
    for one in _agents_of(agent):
        for tool in getattr(one, "tools", ()):
            if isinstance(tool, BaseToolset):
                yield tool


def models_of(agent: BaseAgent) -> Iterator[BaseLlm]:
    """The models that these agents made from names. Those that they were given are closed by who made them."""
    for one in _agents_of(agent):
        model: Any = getattr(one, "own_model", None)
        if isinstance(model, BaseLlm):
            yield model


def _agents_of(agent: BaseAgent) -> Iterator[BaseAgent]:
    waiting, seen = [agent], set[int]()
    while waiting:
        for below in waiting.pop().tree():
            if id(below) in seen:
                continue
            seen.add(id(below))
            yield below
            for tool in getattr(below, "tools", ()):
                if isinstance(inner := getattr(tool, "agent", None), BaseAgent):
                    waiting.append(inner)


async def close_each(*parts: tuple[Any, float | None]) -> list[Exception]:
    """Closes each part within its seconds, whatever becomes of the others; gives what went wrong."""
    failures: list[Exception] = []
    for part, seconds in parts:
        try:
            async with asyncio.timeout(seconds):
                closing = part.close()
                if inspect.isawaitable(closing):
                    await closing
        except Exception as error:  # noqa: BLE001 - given back, once the others had their turn
            error.add_note(f"while {part!r} was being closed")
            failures.append(error)
    return failures


class Done(Coroutine[None, None, None]):
    """A coroutine of something that is done: whether it is awaited, run by ``asyncio.run`` or dropped is all one."""

    def __await__(self) -> Generator[None, None, None]:
        return
        yield

    def send(self, value: None) -> None:
        raise StopIteration

    def throw(self, *error: Any) -> NoReturn:
        kind_or_error, *_ = error
        raise kind_or_error

    def close(self) -> None:
        pass
