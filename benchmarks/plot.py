# SPDX-License-Identifier: Apache-2.0
"""Draws what a turn costs as its session grows. The only module that needs matplotlib (extra `bench`)."""

import statistics
from pathlib import Path

import matplotlib
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, NullFormatter, NullLocator

from benchmarks.peers import OURS
from benchmarks.report import TEXT_LENGTHS, Samples, number

INK, FAINT = "#1f2937", "#e5e7eb"
STYLES = (("text", "-", "o", "model ignores the request"), ("text_read", (0, (4, 2)), "s", "model reads the request"))


def draw(path: Path, samples: Samples, labels: dict[str, str]) -> None:
    """Writes an SVG of ms a turn over history length; the same figures give the same bytes.

    Args:
        path: Where to write.
        samples: What was measured.
        labels: Library -> the name it is shown by, in drawing order.
    """
    matplotlib.rcParams["svg.hashsalt"] = OURS
    figure = Figure(figsize=(8, 4.8), layout="constrained")
    axes = figure.add_subplot()
    for library, label in labels.items():
        color = "#0f766e" if library == OURS else "#c2410c"
        for prefix, line, marker, meaning in STYLES:
            measured = samples.get(library, {})
            lengths = [length for length in TEXT_LENGTHS if measured.get(f"{prefix}.{length}")]
            if not lengths:
                continue
            rounds = [measured[f"{prefix}.{length}"] for length in lengths]
            costs = [statistics.median(values) for values in rounds]
            face = color if prefix == "text" else "white"
            axes.plot(
                lengths, costs, linestyle=line, marker=marker, color=color, markerfacecolor=face, linewidth=1.8,
                markersize=6, label=f"{label}, {meaning}",
            )  # fmt: skip
            axes.fill_between(lengths, [*map(min, rounds)], [*map(max, rounds)], color=color, alpha=0.12, linewidth=0)
            if prefix == "text":
                axes.annotate(
                    f"{number(costs[-1])} ms", (lengths[-1], costs[-1]), xytext=(9, 0), textcoords="offset points",
                    va="center", color=color, fontsize=10, fontweight="bold",
                )  # fmt: skip
    axes.set(xscale="log", yscale="log")
    axes.set_xlim(40, 12_000)
    low, high = axes.get_ylim()
    axes.set_ylim(low / 1.6, high * 1.6)
    axes.set_xticks(TEXT_LENGTHS)
    axes.xaxis.set_minor_locator(NullLocator())
    axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:,.0f}"))
    axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:,g}"))
    axes.yaxis.set_minor_formatter(NullFormatter())
    axes.grid(axis="y", color=FAINT, linewidth=0.8)
    axes.set_axisbelow(True)
    axes.spines[["top", "right"]].set_visible(False)
    axes.spines[["left", "bottom"]].set_color("#9ca3af")
    axes.tick_params(colors=INK, which="both", length=3)
    axes.set_xlabel("turns already in the session", color=INK)
    axes.set_ylabel("milliseconds a turn", color=INK)
    axes.set_title("What a text turn costs as its session grows", loc="left", color=INK, fontsize=13, fontweight="bold")
    figure.legend(loc="outside lower center", ncols=2, frameon=False, fontsize=9, labelcolor=INK)
    figure.savefig(path, format="svg", facecolor="white", metadata={"Date": None})
