# SPDX-License-Identifier: Apache-2.0
"""What a run measured, as a table and as a plot."""

import os
import platform
import re
import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from benchmarks.peers import OURS

# column (a library, or a library and its store) -> measurement -> one value a round.
Samples = Mapping[str, Mapping[str, Sequence[Any]]]


@dataclass(frozen=True, kw_only=True)
class Row:
    """One line of the table. `bar` is the limit that ours is held to: at most, or at least where more is better."""

    key: str
    label: str
    bar: float | None = None
    inclusive: bool = False
    more_is_better: bool = False
    comparable: bool = True

    def bar_text(self) -> str:
        if self.bar is None:
            return ""
        return (">" if self.more_is_better else "<") + ("= " if self.inclusive else " ") + number(self.bar)

    def met(self, value: float) -> str:
        if self.bar is None:
            return ""
        within = value > self.bar if self.more_is_better else value < self.bar
        return "yes" if within or (self.inclusive and value == self.bar) else "NO"


def _turns(prefix: str, label: str, lengths: Sequence[int], bar: float) -> list[Row]:
    rows = [Row(key=f"{prefix}.{length}", label=f"{label}, turn {length:,}, ms", bar=bar) for length in lengths]
    growth = f"{label}, longest history / turn {lengths[0]}"
    return [*rows, Row(key=f"{prefix}.growth", label=growth, bar=1.2, inclusive=True, comparable=False)]


TEXT_LENGTHS = (50, 300, 600, 1000, 5000)
MEMORY_ROWS = (
    Row(key="import.seconds", label="import Runner, Agent: whole process, s", bar=0.12),
    Row(key="import.over_bare", label="import, over a bare interpreter, s"),
    Row(key="import.rss", label="import, resident memory, MB", bar=30),
    Row(key="import.foreign", label="import, third-party packages loaded", bar=0, inclusive=True, comparable=False),
    *_turns("text", "text turn", TEXT_LENGTHS, 0.15),
    *_turns("text_read", "text turn, model reads the request", TEXT_LENGTHS, 0.15),
    *_turns("tool_def", "tool turn, plain def", (20, 500), 0.5),
    *_turns("tool_async", "tool turn, async def", (20, 500), 0.25),
    Row(key="chunk.us", label="streamed chunk, us", bar=6),
    Row(key="chunk.made_by_model", label="of it, the model making its response, us"),
    Row(key="many.turns_per_s", label="1,000 sessions x 5 turns at once, turns/s", bar=8_000, more_is_better=True),
    Row(key="many.rss", label="1,000 sessions x 5 turns, memory added, MB", bar=20),
    Row(key="idle.kb", label="idle session of 4 turns, memory, KB"),
)


def _stores(key: str, label: str, names: Sequence[tuple[str, str]], **options: Any) -> list[Row]:
    return [Row(key=key.format(short), label=label.format(name), **options) for short, name in names]


DURABLE_LENGTHS = (50, 300, 5000)
_EACH = (("", "SQLite"), ("_postgres", "PostgreSQL"), ("_file", "FileSessionService"))
_PAGES = [("page_" + whose, where) for whose in ("app", "user") for where in ("first", "middle", "last")]
DURABLE_ROWS = (
    *(Row(key=f"turn.{n}", label=f"text turn, SQLite file, turn {n:,}, ms", bar=0.6) for n in DURABLE_LENGTHS),
    Row(key="turn.growth", label="text turn, SQLite file, longest history / turn 50", bar=1.2, inclusive=True,
        comparable=False),
    *(Row(key=f"turn_full.{n}", label=f'the same, durability="full", turn {n:,}, ms') for n in DURABLE_LENGTHS),
    *(Row(key=f"turn_file.{n}", label=f"the same, FileSessionService, turn {n:,}, ms") for n in DURABLE_LENGTHS),
    Row(key="many.turns_per_s", label="200 sessions at once, SQLite file, turns/s", bar=4_000, more_is_better=True),
    Row(key="many_untuned.turns_per_s", label="the same with the garbage collector as Python sets it, turns/s",
        more_is_better=True),
    Row(key="floor.turns_per_s", label="the same rows and commits written by hand (the floor), turns/s"),
    Row(key="many.of_floor", label="200 sessions at once, ours / the floor", bar=0.5, inclusive=True,
        more_is_better=True),
    Row(key="many.commits", label="transactions while each of the 200 has a turn, ours"),
    Row(key="floor.commits", label="transactions while each of the 200 has a turn, the floor"),
    Row(key="turn_postgres.ms", label="text turn, PostgreSQL on loopback, ms"),
    Row(key="turn_postgres.bare", label="its bare round trips, ms"),
    Row(key="turn_postgres.over_bare", label="text turn, PostgreSQL, ours / its bare round trips", bar=2.5),
    Row(key="turn_postgres.trips", label="round trips a turn, of ours and of the bare ones"),
    *_stores("load{}.ms", "cold load of 600 events, {}, ms", _EACH, bar=5),
    *_stores("open{}.ms", "the same by a service that is new, its opening in it, {}, ms", _EACH),
    *(Row(key=f"bytes.{n}", label=f"stored bytes an event, SQLite, {n:,} turns") for n in (500, 5000)),
    Row(key="bytes.empty", label="bytes of a file without events, SQLite", comparable=False),
    Row(key="bytes_over_json.500", label="stored bytes / JSON of the events, SQLite, 500 turns"),
    Row(key="bytes_over_json.5000", label="stored bytes / JSON of the events, SQLite, 5,000 turns", bar=1.3,
        inclusive=True),
    Row(key="bytes_over_json.more", label="the same of the 4,500 turns between: an event more", bar=1.3,
        inclusive=True),
    Row(key="bytes.growth", label="stored bytes an event, 5,000 turns / 500 turns", bar=1.2, inclusive=True),
    Row(key="bytes_file.5000", label="stored bytes an event, FileSessionService, 5,000 turns"),
    *(row for key, where in _PAGES for row in _stores(
        f"{key}{{}}.{where}", f"{where} page of 50 of 1,000,000 sessions, by {key[5:]}, {{}}, ms", _EACH[:2], bar=5)),
    *_stores("resume{}.ms", "resume after 200 events, to the first new one, {}, ms", _EACH[:2]),
)  # fmt: skip

# ours -> what it is a share of: one value a round.
_RATIOS = {"many.of_floor": ("many.turns_per_s", "floor.turns_per_s")}


def add_ratios(measured: dict[str, list[Any]]) -> None:
    """Adds what is a ratio of two measurements of the same round."""
    for key, (share, whole) in _RATIOS.items():
        ratios = [a / b for a, b in zip(measured.get(share, ()), measured.get(whole, ()), strict=False)]
        if ratios:
            measured[key] = ratios


def number(value: float) -> str:
    """Writes three digits, without exponents."""
    if value == int(value) or abs(value) >= 100:
        return f"{value:,.0f}"
    return f"{value:.{1 if abs(value) >= 10 else 2 if abs(value) >= 1 else 3}f}"


def _cell(values: Sequence[float]) -> str:
    if not values:
        return "-"
    middle, low, high = (number(f(values)) for f in (statistics.median, min, max))
    return middle if low == high else f"{middle} ({low} to {high})"


def _times_better(row: Row, ours: Sequence[float], theirs: Sequence[Sequence[float]]) -> str:
    """How much better ours is than the best of the others."""
    medians = [statistics.median(values) for values in theirs if values]
    if not (row.comparable and ours and medians):
        return ""
    best = max(medians) if row.more_is_better else min(medians)
    ratio = best / statistics.median(ours)
    return number(1 / ratio if row.more_is_better else ratio)


def table(samples: Samples, peers: Sequence[str], rows: Sequence[Row]) -> list[list[str]]:
    """Returns the header and the rows: medians, with lowest and highest. What nobody measured is left out."""
    better = [] if not peers else ["times better" if len(peers) == 1 else "times better than the best"]
    lines = [["case", *peers, "ours", *better, "bar", "met?"]]
    for row in rows:
        ours, *theirs = (samples.get(column, {}).get(row.key, ()) for column in (OURS, *peers))
        if not ours and not any(theirs):
            continue
        compared = [_times_better(row, ours, theirs)] if peers else []
        met = row.met(statistics.median(ours)) if ours else ""
        lines.append([row.label, *map(_cell, theirs), _cell(ours), *compared, row.bar_text(), met])
    return lines


def as_text(lines: Sequence[Sequence[str]]) -> str:
    """Lays a table out for a terminal."""
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    rows = ["  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip() for line in lines]
    return "\n".join([rows[0], "  ".join("-" * width for width in widths), *rows[1:]])


def as_markdown(lines: Sequence[Sequence[str]]) -> str:
    """Lays a table out as Markdown: names to the left, figures to the right."""
    header, *rows = ("| " + " | ".join(line) + " |" for line in lines)
    rule = "|---|" + "---:|" * (len(lines[0]) - 1)
    return "\n".join([header, rule, *rows])


def foreign_packages(samples: Samples) -> list[str]:
    """Says which third-party packages an import brought, a line a library."""
    lines = []
    for library, measured in samples.items():
        names = sorted({name for round_ in measured.get("import.foreign_names", ()) for name in round_})
        if names:
            lines.append(f"Importing {library} also loads: {', '.join(names)}.")
    return lines


MEMORY, DURABLE = "In memory", "On disk"
_METHODS = {
    MEMORY: (
        "Each figure is the median (lowest to highest in brackets) of rounds that alternate between the libraries, "
        "each round in a new process of the library's own interpreter, with a model that answers at once. A turn's "
        "cost is the median over blocks of consecutive turns at that history length, with garbage collection in "
        "it; the longest history is 5,000 turns (tools: 500) that ours really ran, and 1,000 (tools: 500) for "
        "google-adk, made by appending copies of a real turn's events to its session service."
    ),
    DURABLE: (
        "Measured in the same way; google-adk's history is made by appending copies of a real turn's events, the "
        "others' by real turns. agno's agent is shown the whole history. All files are on the same disk, and "
        "everything has the settings that it comes with: what ours acknowledged then survives the process being "
        'killed; with durability="full", as with the peers\' settings, the power failing too.\n\n'
        "*The floor* is the statements of SqliteSessionService, with the rows of a turn of one text that it had "
        "stored, run by one thread that commits all that waits at once, for 200 tasks that each wait twice a turn, as "
        "ours do. It has no agent, runner, request or check and keeps nothing; of an event it makes a dict with new "
        "ids and its JSON. The two rows of transactions show how often each commits.\n\n"
        "*The bare round trips* are the three statements of a turn of PostgresSessionService over one connection of "
        "asyncpg, with the same values, in blocks that alternate with ours in one process. The server is on "
        "loopback, {server}.\n\n"
        "*Stored bytes* are those of the whole file with its indexes, the sessions and the runs, after it was closed; "
        "the JSON is that of the events alone, without what is default. *Cold load* reads a session that "
        "nothing in the process holds; where the service is new as well, connecting and looking at the schema are in "
        "it. The million sessions have a key of state each, and a "
        "thousand users whose sessions lie far apart; they were made by SQL."
    ),
}


def section(
    title: str, samples: Samples, *, peers: Sequence[str], versions: Sequence[str], remarks: Sequence[str], server: str
) -> str:
    """Returns the Markdown of one part of the results: when and where, how, the table, the remarks."""
    rows = MEMORY_ROWS if title == MEMORY else DURABLE_ROWS
    text = [
        f"{datetime.now(UTC):%Y-%m-%d}. {', '.join(versions)}. Python {platform.python_version()} on "
        f"{platform.system()} {platform.machine()}, {os.cpu_count()} cores.",
        _METHODS[title].format(server=server),
        as_markdown(table(samples, peers, rows)),
        *remarks,
    ]
    return "\n\n".join(text)


def write_results(folder: Path, sections: Mapping[str, str]) -> Path:
    """Writes RESULTS.md with these parts; one that is not among them stays as it was. Returns its path."""
    results = folder / "RESULTS.md"
    old = results.read_text(encoding="utf-8") if results.exists() else ""
    _, *parts = re.split(r"^## (.+)\n\n", old, flags=re.MULTILINE)
    kept = dict(zip(parts[::2], (part.strip() for part in parts[1::2]), strict=True)) | dict(sections)
    text = ["# Benchmark results", "Written by `make bench`; do not edit."]
    for title in dict.fromkeys((MEMORY, DURABLE, *kept)):
        if title in kept:
            text += [f"## {title}", kept[title]]
    results.write_text("\n\n".join(text) + "\n", encoding="utf-8")
    return results
