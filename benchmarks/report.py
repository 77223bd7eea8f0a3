# SPDX-License-Identifier: Apache-2.0
"""What a run measured, as a table and as a plot."""

import os
import platform
import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from benchmarks.peers import OURS

# library -> measurement -> one value a round.
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
ROWS = (
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


def _times_better(row: Row, ours: Sequence[float], theirs: Sequence[float]) -> str:
    if not (row.comparable and ours and theirs):
        return ""
    ratio = statistics.median(theirs) / statistics.median(ours)
    return number(1 / ratio if row.more_is_better else ratio)


def table(samples: Samples, peer: str | None) -> list[list[str]]:
    """Returns the header and the rows: medians, with lowest and highest. What nobody measured is left out."""
    lines = [["case", *([peer] if peer else []), "ours", *(["times better"] if peer else []), "bar", "met?"]]
    for row in ROWS:
        ours, theirs = (samples.get(library or "", {}).get(row.key, ()) for library in (OURS, peer))
        if not ours and not theirs:
            continue
        compared = [_times_better(row, ours, theirs)] if peer else []
        met = row.met(statistics.median(ours)) if ours else ""
        lines.append([row.label, *([_cell(theirs)] if peer else []), _cell(ours), *compared, row.bar_text(), met])
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


def write_results(
    folder: Path, samples: Samples, *, peer: str | None, versions: Sequence[str], remarks: Sequence[str]
) -> Path:
    """Writes RESULTS.md, the table followed by the remarks; returns its path."""
    method = (
        "Each figure is the median (lowest to highest in brackets) of rounds that alternate between the libraries, "
        "each round in a new process of the library's own interpreter, with a model that answers at once. A turn's "
        "cost is the median over blocks of consecutive turns at that history length, with garbage collection in "
        "it; the longest history is 5,000 turns (tools: 500) that ours really ran, and 1,000 (tools: 500) for "
        "google-adk, made by appending copies of a real turn's events to its session service."
    )
    text = [
        "# Benchmark results",
        "Written by `make bench`; do not edit.",
        f"{datetime.now(UTC):%Y-%m-%d}. {', '.join(versions)}. Python {platform.python_version()} on "
        f"{platform.system()} {platform.machine()}, {os.cpu_count()} cores.",
        method,
        as_markdown(table(samples, peer)),
        *remarks,
    ]
    results = folder / "RESULTS.md"
    results.write_text("\n\n".join(text) + "\n", encoding="utf-8")
    return results
