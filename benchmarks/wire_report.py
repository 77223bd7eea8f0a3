# SPDX-License-Identifier: Apache-2.0
"""What the cases of the wires measured, as tables: a request by provider and history, and the rest."""

import os
import platform
import statistics
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from benchmarks.report import MEMORY_ROWS, Row, as_markdown, as_text, number, table

WIRES = "Wires"
PACKAGES = ("anthropic", "google-genai", "httpx2", "mcp", "openai", "runwright")
BAR_MS, BAR_SHARE = 0.3, 0.15

_NAMES = {
    "gemini": "Gemini (google-genai)",
    "responses": "OpenAI Responses (openai)",
    "chat": "OpenAI Chat Completions (openai)",
    "claude": "Claude (anthropic)",
}
_OTHER_ROWS = (
    *(row for row in MEMORY_ROWS if row.key.startswith("import.")),
    Row(key="mcp.bare_cpu_ms", label="call of an MCP tool over stdio, the SDK's client, ms of CPU"),
    Row(key="mcp.bare_ms", label="the same by the clock, ms"),
    Row(key="mcp.added_cpu_ms", label="what McpToolset adds to it, ms of CPU"),
    Row(key="mcp.added_ms", label="the same by the clock, ms"),
)
_HEADER = (
    "request, messages of history",
    "bare SDK call, ms",
    "its floor, ms",
    "adapter adds to the bare call",
    "adapter adds to the floor",
    "a whole turn adds to the bare call",
    "a whole turn adds to the floor",
    "bar",
    "adapter, bare call: met?",
    "adapter, floor: met?",
    "turn, bare call: met?",
)
_METHOD = (
    "Each figure is milliseconds of this process's CPU and, in brackets, of the clock, in which the server's time is, "
    "and that of whatever else the machine is doing. What is added is held to its bar by the CPU's time.\n\n"
    "A request is one that an agent makes: an instruction, two tools, and a conversation in which every other turn "
    "calls one of them. A server in a child process answers at once with twenty words, whole or as a stream of twenty "
    "chunks. The ways to ask alternate call by call in one process and one event loop, over conversations that grow by "
    "two messages a turn around the length named; a figure is the median of the blocks' medians, and what is added the "
    "median of the blocks' differences.\n\n"
    "*The bare SDK call* is the one that the SDK's documentation shows, with messages, tools and settings that are "
    "there already in what the SDK takes fastest (its types for Gemini, dicts for the others), and the text read from "
    "the answer. *Its floor* is the same SDK sending the same request as a prepared dict of JSON and, where it can, "
    "giving the answer as JSON, without most of its conversion: what is added to it is all that our code does. *The "
    "adapter* is `generate_content_async` with the same messages in our types. *A whole turn* is `Runner.run_async`, "
    "from the user's message to the stored answer, with sessions in memory. Where less than nothing is added, ours is "
    "the faster one: it makes JSON of a request without the SDK's types.\n\n"
    f"The bar is what is added: less than {BAR_MS} ms at 10 messages, and less than {BAR_SHARE:.0%} of the bare call "
    "at 1,000."
)

Samples = Mapping[str, Sequence[Any]]


def requests_table(samples: Samples) -> list[list[str]]:
    """The header and a line for each provider, mode and length that was measured."""
    lines = [list(_HEADER)]
    cases = dict.fromkeys(key.rsplit(".", 1)[0] for key in samples if key.split(".")[0] in _NAMES)
    for case in cases:
        found = {key.rsplit(".", 1)[1]: statistics.median(values) for key, values in samples.items()
                 if key.rsplit(".", 1)[0] == case}  # fmt: skip
        provider, mode, length = case.split(".")
        bare = found["bare_cpu_ms"]
        added = {(way, below): found[f"{way}_over_{below}_cpu_ms"]
                 for way in ("adapter", "agent") for below in ("bare", "floor")}  # fmt: skip
        judged = (("adapter", "bare"), ("adapter", "floor"), ("agent", "bare"))
        label = f"{_NAMES[provider]}, {'streamed' if mode == 'stream' else mode}, {int(length):,}"
        lines.append(
            [
                label,
                *(f"{number(found[f'{way}_cpu_ms'])} ({number(found[f'{way}_ms'])})" for way in ("bare", "floor")),
                *(_added(found, way, below, bare) for way in ("adapter", "agent") for below in ("bare", "floor")),
                {"10": f"< {BAR_MS} ms", "1000": f"< {BAR_SHARE:.0%}"}.get(length, ""),
                *(_met(length, added[pair], bare) for pair in judged),
            ]
        )
    return lines


def _added(found: Mapping[str, float], way: str, below: str, bare: float) -> str:
    cpu, wall = found[f"{way}_over_{below}_cpu_ms"], found[f"{way}_over_{below}_ms"]
    return f"{cpu:+.2f} ({wall:+.2f}), {cpu / bare:+.0%}"


def _met(length: str, added: float, bare: float) -> str:
    if length not in ("10", "1000"):
        return ""
    return "yes" if (added < BAR_MS if length == "10" else added < BAR_SHARE * bare) else "NO"


def shown(samples: Samples) -> str:
    """Both tables for a terminal."""
    tables = [lines for lines in (requests_table(samples), _others(samples)) if len(lines) > 1]
    return "\n\n".join(map(as_text, tables))


def section(samples: Samples, versions: Sequence[str], remarks: Sequence[str]) -> str:
    """The Markdown of this part of the results."""
    where = f"Python {platform.python_version()} on {platform.system()} {platform.machine()}, {os.cpu_count()} cores."
    return "\n\n".join(
        [
            f"{datetime.now(UTC):%Y-%m-%d}. {', '.join(versions)}. {where}",
            _METHOD,
            as_markdown(requests_table(samples)),
            as_markdown(_others(samples)),
            *remarks,
        ]
    )


def _others(samples: Samples) -> list[list[str]]:
    return table({"runwright": samples}, [], _OTHER_ROWS)
