# SPDX-License-Identifier: Apache-2.0
"""A program that talks for long, and says now and then what it holds."""

import asyncio
import gc
import os
import threading
import tracemalloc
from typing import Any

from runwright import Runner
from runwright.config import RunnerConfig
from tests.faults.stores import APP, Place
from tests.faults.talk import talker


def talk_for_long(place: Any, rounds: int, sessions: int, turns: int, traced: bool) -> list[dict[str, int]]:
    """Has so many new sessions talk at once for so many turns, round after round.

    Returns:
        What the process held after each round: ``memory`` in bytes, of Python's own objects where ``traced``, else of
        the process; ``files``, ``threads`` and ``tasks``.
    """
    return asyncio.run(_talk_for_long(Place(*place), rounds, sessions, turns, traced))


async def _talk_for_long(place: Place, rounds: int, sessions: int, turns: int, traced: bool) -> list[dict[str, int]]:
    service = place.open()
    config = RunnerConfig(held_sessions=sessions)
    held: list[dict[str, int]] = []
    if traced:
        tracemalloc.start()

    async def talk(runner: Runner, user_id: str) -> None:
        for number in range(turns):
            async for _ in runner.run_async(user_id=user_id, session_id="s", new_message=f"{number}"):
                pass

    async with Runner(APP, talker(), service, auto_create_session=True, config=config) as runner:
        for number in range(rounds):
            async with asyncio.TaskGroup() as group:
                for place_in_round in range(sessions):
                    group.create_task(talk(runner, f"u{number}-{place_in_round}"))
            await service.flush()
            held.append(_held(traced))
    await service.close()
    return held


def _held(traced: bool) -> dict[str, int]:
    gc.collect()
    with open("/proc/self/statm", encoding="ascii") as file:
        resident = int(file.read().split()[1]) * os.sysconf("SC_PAGE_SIZE")
    return {
        "memory": tracemalloc.get_traced_memory()[0] if traced else resident,
        "files": len(os.listdir("/proc/self/fd")),
        "threads": threading.active_count(),
        "tasks": len(asyncio.all_tasks()),
    }
