# SPDX-License-Identifier: Apache-2.0
"""The cases of the stores on disk. Each runs in an interpreter of its own, as those of `benchmarks.cases` do:

python -m benchmarks.durable "runwright sqlite" durable_turn
"""

import argparse
import asyncio
import gc
import json
import logging
import os
import sqlite3
import statistics
import subprocess
import sys
from collections.abc import Awaitable, Callable, Iterable
from contextlib import closing
from pathlib import Path
from tempfile import TemporaryDirectory
from time import perf_counter
from typing import Any

from benchmarks import floor
from benchmarks.cases import ANSWER, APP, USER, Bench, Measured, timed
from benchmarks.stores import FILE, FLOOR, FULL, IN_POSTGRES, POSTGRES, SQLITE, STORES

OURS_SHORT = {SQLITE: "", FULL: "_full", FILE: "_file", IN_POSTGRES: "_postgres"}
"""What a measurement of one of our stores is called by, beside the one that peers are compared with."""

SESSIONS = 200


def named(store: str, name: str) -> str:
    head, _, tail = name.partition(".")
    return f"{head}{OURS_SHORT.get(store, '')}.{tail}"


async def durable_turn(store: str, quick: bool, folder: Path) -> Measured:
    """A turn of one text by history length, in one session, one turn after another."""
    ours = store in OURS_SHORT
    lengths = (50, 300) if not ours or quick else (50, 300, 5_000)
    opened = STORES[store]()
    await opened.open(folder)
    await opened.create("warm")
    await opened.turns("warm", 5)
    await opened.create("long")
    done, costs = 0, {}
    for length in lengths:
        await opened.lengthen("long", length - done - 1)
        gc.collect()
        blocks, block = (25, 8) if ours else (5, 2)
        times = [await timed(opened.turns("long", block)) / block * 1e3 for _ in range(blocks)]
        costs[length], done = statistics.median(times), length - 1 + blocks * block
    await opened.close()
    measured = {named(store, f"turn.{length}"): cost for length, cost in costs.items()}
    if len(costs) > 1:
        measured[named(store, "turn.growth")] = costs[max(costs)] / costs[50]
    return measured


async def durable_many(store: str, quick: bool, folder: Path) -> Measured:
    """Many sessions at once, some turns in each: turns a second.

    Once as Python sets its garbage collector, and then, all of them and the floor too, as our command line sets it.
    """
    if store == FLOOR:
        return await many_floor(quick, folder)
    ours = store in OURS_SHORT
    sessions, turns = 50 if quick else SESSIONS, 20 if ours else 1
    opened = STORES[store]()
    await opened.open(folder)
    names = [f"session-{number}" for number in range(sessions)]
    for name in names:
        await opened.create(name)

    async def all_turns(number: int) -> None:
        await asyncio.gather(*(opened.turns(name, number) for name in names))

    await all_turns(3 if ours else 1)
    gc.collect()
    repeats = 5 if ours else 1
    untuned = [await timed(all_turns(turns)) for _ in range(repeats)]
    settle_garbage_collection()
    seconds = [await timed(all_turns(turns)) for _ in range(repeats)]
    await opened.close()
    return {
        "many.turns_per_s": sessions * turns / statistics.median(seconds),
        "many_untuned.turns_per_s": sessions * turns / statistics.median(untuned),
    }


def settle_garbage_collection() -> None:
    """What `runwright.cli` does; written again, since peers do not have it."""
    gc.freeze()
    gc.set_threshold(20_000, 10, 10)


async def many_floor(quick: bool, folder: Path) -> Measured:
    """Those turns written by hand, in sessions that our store has made: see `benchmarks.floor`."""
    sessions, turns, repeats = 50 if quick else SESSIONS, 20, 5
    commits = await commits_a_turn(folder, sessions)
    opened = STORES[SQLITE]()
    await opened.open(folder)
    for number in range(sessions):
        await opened.create(f"session-{number}")
    await opened.turns("session-0", 1)
    events = tuple(opened.as_stored(event) for event in await opened.events("session-0"))
    await opened.close()
    path = folder / "sessions.db"
    with closing(sqlite3.connect(path)) as connection:
        rows = connection.execute(floor.SESSION).fetchall()
        before = sum(row[1] for row in rows)
    by_hand = floor.SqliteFloor(path, events)
    settle_garbage_collection()
    seconds = []
    for repeat in range(repeats + 1):
        number = turns if repeat else 3
        seconds.append(await timed(asyncio.gather(*(by_hand.turns(row, 1, number) for row in rows))))
        rows = [(row[0], row[1] + 2 * number, row[2] + number, *row[3:]) for row in rows]
    by_hand.group.close()
    with closing(sqlite3.connect(path)) as connection:
        written = connection.execute("SELECT count(*) FROM event").fetchone()[0] - before
        ended = connection.execute("SELECT count(*) FROM run WHERE status = 2").fetchone()[0] - 1
    turns_run = sessions * (turns * repeats + 3)
    if (written, ended) != (2 * turns_run, turns_run):
        raise RuntimeError(f"the floor wrote {written} events and {ended} runs in {turns_run} turns")
    return {
        "floor.turns_per_s": sessions * turns / statistics.median(seconds[1:]),
        "floor.commits": by_hand.group.commits / turns_run * sessions,
        "many.commits": commits * sessions,
    }


async def commits_a_turn(folder: Path, sessions: int) -> float:
    """How many transactions our store makes for a turn of many sessions at once; counted apart from what is timed."""
    commits = 0

    class Counting(sqlite3.Connection):
        def execute(self, statement: str, *values: Any) -> sqlite3.Cursor:
            nonlocal commits
            commits += statement == "COMMIT"
            return super().execute(statement, *values)

    connect = sqlite3.connect
    counted = folder / "counted"
    counted.mkdir()
    opened = STORES[SQLITE]()
    sqlite3.connect = lambda *args, **options: connect(*args, factory=Counting, **options)  # type: ignore[assignment]
    try:
        await opened.open(counted)
    finally:
        sqlite3.connect = connect
    names = [f"session-{number}" for number in range(sessions)]
    for name in names:
        await opened.create(name)
    await asyncio.gather(*(opened.turns(name, 3) for name in names))
    commits = 0
    await asyncio.gather(*(opened.turns(name, 20) for name in names))
    counted_commits = commits
    await opened.close()
    return counted_commits / (sessions * 20)


async def postgres_turn(store: str, quick: bool, folder: Path) -> Measured:
    """A turn of one text in PostgreSQL beside its bare round trips, in turns, each with a connection of its own."""
    import asyncpg

    opened = STORES[store]()
    await opened.open(folder)
    for name in ("ours", "bare"):
        await opened.create(name)
        await opened.turns(name, 1)
    events = tuple(opened.as_stored(event) for event in await opened.events("ours"))
    connection = await asyncpg.connect(os.environ[POSTGRES])
    writer = await connection.fetchval("SELECT max(number) FROM runwright_writer")
    session = await connection.fetchrow("SELECT * FROM runwright_session WHERE id = 'bare'")
    bare = floor.PostgresFloor(connection, session, writer=writer, events=events)

    async def bare_turns(number: int) -> None:
        for _ in range(number):
            await bare.turn()

    blocks, block = (10, 10) if quick else (40, 10)
    await opened.turns("ours", 50)
    await bare_turns(50)
    gc.collect()
    ours, floors = [], []
    for _ in range(blocks):
        ours.append(await timed(opened.turns("ours", block)) / block * 1e3)
        floors.append(await timed(bare_turns(block)) / block * 1e3)
    await connection.close()
    await opened.close()
    trips = await round_trips(folder)
    if trips != floor.PostgresFloor.ROUND_TRIPS:
        raise RuntimeError(f"a turn of ours takes {trips} round trips: measure the floor with as many")
    return {
        "turn_postgres.ms": statistics.median(ours),
        "turn_postgres.bare": statistics.median(floors),
        "turn_postgres.over_bare": statistics.median(ours) / statistics.median(floors),
        "turn_postgres.trips": trips,
    }


async def round_trips(folder: Path) -> float:
    """How many statements a turn of ours sends to PostgreSQL; counted apart from what is timed."""
    import asyncpg

    sent = 0

    def note(query: Any) -> None:
        nonlocal sent
        sent += 1

    async def connect(*args: Any, **options: Any) -> Any:
        connection = await plain(*args, **options)
        connection.add_query_logger(note)
        return connection

    plain, asyncpg.connect = asyncpg.connect, connect
    try:
        opened = STORES[IN_POSTGRES]()
        await opened.open(folder)
        await opened.create("counted")
        await opened.turns("counted", 2)
        sent = 0
        await opened.turns("counted", 50)
        counted = sent
        await opened.close()
    finally:
        asyncpg.connect = plain
    return counted / 50


async def cold_load(store: str, quick: bool, folder: Path) -> Measured:
    """A session of 600 events that nothing in the process holds, read whole by an open service, and by a new one."""
    events = 600
    opened = STORES[store]()
    await opened.open(folder)
    await opened.create("long")
    await opened.lengthen("long", events // 2)
    measured: Measured = {}
    for name, new in (("load.ms", False), ("open.ms", True)):
        times = []
        for _ in range(3 if quick else 15):
            seconds, number = await opened.load("long", new=new)
            if number != events:
                raise RuntimeError(f"{number} events were read of {events}")
            times.append(seconds * 1e3)
        measured[named(store, name)] = statistics.median(times)
    await opened.close()
    return measured


async def stored_bytes(store: str, quick: bool, folder: Path) -> Measured:
    """What is on disk for a session of turns of one text, when all is closed: everything that the store has made."""
    ours = store in OURS_SHORT
    lengths = (500, 5_000) if ours and not quick else (500,)
    measured: Measured = {}
    sizes, encoded = {}, {}
    for length in (0, *lengths):
        place = folder / str(length)
        place.mkdir()
        opened = STORES[store]()
        await opened.open(place)
        await opened.create("long")
        await opened.lengthen("long", length)
        if length and hasattr(opened, "as_json"):
            events = await opened.events("long")
            if len(events) != 2 * length:
                raise RuntimeError(f"{len(events)} events were stored in {length} turns")
            encoded[length] = sum(len(opened.as_json(event)) for event in events)
        await opened.close()
        sizes[length] = sum(file.stat().st_size for file in place.rglob("*") if file.is_file())
    if sizes[0]:  # some make their file at the first use
        measured[named(store, "bytes.empty")] = sizes[0]
    for length in lengths:
        measured[named(store, f"bytes.{length}")] = sizes[length] / (2 * length)
        if encoded:
            measured[named(store, f"bytes_over_json.{length}")] = sizes[length] / encoded[length]
    if len(lengths) > 1:
        few, many = min(lengths), max(lengths)
        measured[named(store, "bytes.growth")] = (sizes[many] / many) / (sizes[few] / few)
        measured[named(store, "bytes_over_json.more")] = (sizes[many] - sizes[few]) / (encoded[many] - encoded[few])
    return measured


async def list_page(store: str, quick: bool, folder: Path) -> Measured:
    """Pages of 50 among a million sessions of an app, and among the thousand of one of its users."""
    from benchmarks import million

    number = 20_000 if quick else million.SESSIONS
    opened = STORES[store]()
    await opened.open(folder)
    await opened.create("first")  # makes the tables
    started = perf_counter()
    users = await million.fill(store, folder, number)
    print(f"{number} sessions made in {perf_counter() - started:.1f} s", file=sys.stderr)
    service, measured = opened.bench.service, {}
    for whose, user in (("app", None), ("user", users[len(users) // 2])):
        for where, token in (await million.tokens(store, folder, user)).items():
            times = []
            for _ in range(3 if quick else 15):
                started = perf_counter()
                page = await service.list_sessions(app_name=APP, user_id=user, page_size=50, page_token=token)
                times.append((perf_counter() - started) * 1e3)
                if len(page.sessions) != 50 or (page.next_page_token is None) != (where == "last"):
                    raise RuntimeError(f"the {where} page of the {whose} holds {len(page.sessions)} sessions")
            measured[named(store, f"page_{whose}.{where}")] = statistics.median(times)
    await opened.close()
    return measured


CUT_AFTER = 200


def answer_calling(bench: Bench, request: Any) -> Iterable[Any]:
    """Calls the tool until the log is longer than where the run is cut."""
    yield bench.text(ANSWER) if len(request.contents) > CUT_AFTER + 10 else bench.call("tell", city="Zurich")


async def tell(city: str) -> str:
    """Tells the weather."""
    return "sunny"


async def resume(store: str, quick: bool, folder: Path) -> Measured:
    """A run whose process ended without a word after 200 events: from `resume()` to the first new event."""
    times = []
    for number in range(2 if quick else 5):
        place, session = folder / str(number), f"cut-{os.getpid()}-{number}"
        place.mkdir()
        command = [sys.executable, "-m", "benchmarks.durable", store, "cut"]
        command += ["--folder", str(place), "--session", session]
        await asyncio.to_thread(subprocess.run, command, check=True, timeout=120)
        opened = STORES[store]()
        await opened.open(place, answer_calling, [tell])
        (stopped,) = await opened.bench.runner.recover(session_id=session, user_id=USER)
        started = perf_counter()
        run = opened.bench.runner.resume(stopped)
        first = None
        async for event in run:
            times.append((perf_counter() - started) * 1e3)
            first = event
            break
        if first is None or len(await opened.events(session)) <= CUT_AFTER:
            raise RuntimeError("the run did not go on")
        await opened.close()
    return {named(store, "resume.ms"): statistics.median(times)}


async def cut(store: str, folder: Path, session: str) -> None:
    """Starts a run, and ends this process when it has stored 200 events."""
    opened = STORES[store]()
    await opened.open(folder, answer_calling, [tell])
    await opened.create(session)
    number = 1  # the user's
    async for _ in opened.bench.events(session):
        number += 1
        if number == CUT_AFTER:
            os._exit(0)
    raise RuntimeError(f"the run ended after {number} events")


CASES: dict[str, Callable[[str, bool, Path], Awaitable[Measured]]] = {
    "durable_turn": durable_turn,
    "durable_many": durable_many,
    "postgres_turn": postgres_turn,
    "cold_load": cold_load,
    "stored_bytes": stored_bytes,
    "list_page": list_page,
    "resume": resume,
}


async def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.durable", description="Runs one case right here.")
    parser.add_argument("store", choices=[*STORES, FLOOR])
    parser.add_argument("case", choices=[*CASES, "cut"])
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--folder", type=Path)
    parser.add_argument("--session")
    options = parser.parse_args()
    logging.disable(logging.WARNING)  # a warning every turn would be measured too
    if options.case == "cut":
        return await cut(options.store, options.folder, options.session)
    with TemporaryDirectory(prefix="runwright-bench-", dir=os.environ.get("RUNWRIGHT_BENCH_FOLDER")) as folder:
        print(json.dumps(await CASES[options.case](options.store, options.quick, Path(folder))))


if __name__ == "__main__":
    asyncio.run(main())
