# SPDX-License-Identifier: Apache-2.0
"""LoopClients: each event loop has a client of its own."""

import asyncio
import gc
import threading
import weakref

import pytest

from runwright import errors
from runwright.clients import LoopClients
from runwright.models.loading import load, load_now


class Client:
    """A client that knows in which loop it was made and closed."""

    def __init__(self) -> None:
        self.loop = asyncio.get_running_loop()
        self.closed_in: asyncio.AbstractEventLoop | None = None

    async def close(self) -> None:
        self.closed_in = asyncio.get_running_loop()


def clients() -> LoopClients[Client]:
    return LoopClients(Client, Client.close)


async def test_a_loop_has_one_client_until_it_is_closed() -> None:
    held = clients()
    first = held.get()
    assert held.get() is first
    await held.close()
    assert first.closed_in is asyncio.get_running_loop()
    assert held.get() is not first


def test_each_loop_has_its_own() -> None:
    held = clients()

    async def get() -> Client:
        return held.get()

    first, second = asyncio.run(get()), asyncio.run(get())
    assert first is not second
    assert first.loop is not second.loop


async def test_a_client_is_closed_in_its_own_loop() -> None:
    held = clients()
    started, leave = threading.Event(), threading.Event()
    made: list[Client] = []

    async def elsewhere() -> None:
        made.append(held.get())
        started.set()
        await asyncio.to_thread(leave.wait)

    thread = threading.Thread(target=lambda: asyncio.run(elsewhere()))
    thread.start()
    await asyncio.to_thread(started.wait)
    mine = held.get()
    await held.close()
    leave.set()
    await asyncio.to_thread(thread.join)
    assert mine.closed_in is asyncio.get_running_loop()
    assert made[0].closed_in is made[0].loop is not mine.loop


def test_the_client_of_a_loop_that_is_gone_is_let_go() -> None:
    held = clients()

    async def get() -> Client:
        return held.get()

    client = asyncio.run(get())
    asyncio.run(held.close())
    assert client.closed_in is None


async def test_a_package_that_is_missing_names_its_extra() -> None:
    assert (await load("json", "none")).__name__ == "json"
    for loading in (
        load("no_such_package", "some-extra"),
        asyncio.to_thread(load_now, "no_such_package", "some-extra"),
    ):
        with pytest.raises(errors.MissingDependencyError, match=r"pip install 'runwright\[some-extra\]'"):
            await loading


def test_clients_of_loops_that_are_gone_are_not_piled_up() -> None:
    held = clients()
    left: list[weakref.ref[Client]] = []

    async def get() -> None:
        left.append(weakref.ref(held.get()))

    for _ in range(3):
        asyncio.run(get())
    gc.collect()
    assert [one() is not None for one in left] == [False, False, True]


async def test_a_client_that_does_not_close_keeps_no_other_from_it() -> None:
    closed: list[str] = []

    async def close(name: str) -> None:
        closed.append(name)
        if name == "broken":
            raise OSError("it broke")

    names = iter(["broken", "whole"])
    held = LoopClients(lambda: next(names), close)
    started, leave = threading.Event(), threading.Event()

    async def elsewhere() -> None:
        held.get()
        started.set()
        await asyncio.to_thread(leave.wait)

    thread = threading.Thread(target=lambda: asyncio.run(elsewhere()))
    thread.start()
    await asyncio.to_thread(started.wait)
    held.get()
    with pytest.raises(OSError, match="it broke"):
        await held.close()
    leave.set()
    await asyncio.to_thread(thread.join)
    assert sorted(closed) == ["broken", "whole"]


async def test_closing_does_not_wait_for_a_loop_that_is_stuck(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("runwright.clients._SECONDS_TO_CLOSE", 0.05)
    held = clients()
    started, leave = threading.Event(), threading.Event()

    async def elsewhere() -> None:
        held.get()
        started.set()
        leave.wait()  # as code does that blocks its loop

    thread = threading.Thread(target=lambda: asyncio.run(elsewhere()))
    thread.start()
    await asyncio.to_thread(started.wait)
    await held.close()
    leave.set()
    await asyncio.to_thread(thread.join)
