# SPDX-License-Identifier: Apache-2.0
"""What tools answered, said in Markdown. Nothing is said that is not in their results."""

import re
from collections.abc import Sequence
from typing import Any

from runwright.cli.demo_agent.queries import Plan, stem

_SHOWN_ROWS = 20
_SHOWN_COLUMNS = 6
_CELL_CHARACTERS = 60
_WHOLE_CHARACTERS = 320
ENOUGH = 0.5
"""More than this part of the words must be held by a passage that is taken for an answer."""
_PROSE = (".md", ".markdown", ".mdx", ".txt", ".text", ".rst")


def coverage(result: dict[str, Any]) -> float:
    """Tell how many of a search's words its best passage holds, from 0 to 1."""
    return max((_held(result.get("terms", ()), hit) for hit in result.get("hits", ())), default=0.0)


def from_search(result: dict[str, Any], added: str = "") -> str:
    """Say what a search found: the best passage and where it stands.

    Args:
        added: Words that matter more than the others.
    """
    if "error" in result:
        return f"I could not search: {result['error']}"
    hits: list[dict[str, Any]] = result["hits"]
    searched = result.get("documents_searched", 0)
    terms: list[str] = result.get("terms", [])
    if not hits:
        words = ", ".join(f"“{word}”" for word in terms)
        return f"None of the {searched} documents mentions {words}." if searched else "There is no document to search."
    first = [term for term in terms if term in added.casefold()]
    weights = [(_held(first, hit), _held(terms, hit)) for hit in hits]
    at = weights.index(max(weights))
    best, sure = hits[at], weights[at][bool(not first)] > ENOUGH
    where = f"`{best['path']}`, line {best['line']}"
    if best["heading"]:
        where += f" ({best['heading']})"
    lead = f"From {where}:" if sure else f"The documents do not answer that. The closest passage is in {where}:"
    return f"{lead}\n\n{_passage(best['path'], best['snippet'], terms)}"


def _held(terms: Sequence[str], hit: dict[str, Any]) -> float:
    text = f"{hit['snippet']} {hit['heading']} {hit['path']}".casefold()
    return sum(_root(term) in text for term in terms) / max(1, len(terms))


def _root(term: str) -> str:
    """The beginning of a word that its forms have in common."""
    return term if len(term) <= 4 else stem(term)[: max(4, len(term) - 3)]


def _passage(path: str, snippet: str, terms: Sequence[str]) -> str:
    """A passage as it stands: code, tables and lists as such, prose as a quotation, cut to what matters."""
    lines = snippet.split("\n")
    if not path.lower().endswith(_PROSE):
        fence = "~~~" if "```" in snippet else "```"
        return f"{fence}\n{snippet}\n{fence}"
    if lines[0].startswith(("|", "```")):
        return snippet
    is_list = any(line.startswith(("-", "*")) for line in lines)
    pieces = lines if is_list else re.split(r"(?<=[.!?])\s+(?=[\"'“(]?[A-Z0-9])", " ".join(lines))
    weights = [sum(_root(term) in piece.casefold() for term in terms) for piece in pieces]
    if is_list:
        return "\n".join([piece for piece, weight in zip(pieces, weights, strict=True) if weight == max(weights)][:6])
    at = weights.index(max(weights)) if len(snippet) > _WHOLE_CHARACTERS else 1
    return "> " + " ".join(pieces[max(0, at - 1) : at + 3])


def from_files(result: dict[str, Any]) -> str:
    """Say which documents there are."""
    documents: list[dict[str, Any]] = result.get("documents", [])
    if not documents:
        return "There are no documents in the folder that can be read as text."
    lines = [f"- `{entry['path']}`: {entry['title'] or 'text'}, {entry['lines']} lines" for entry in documents[:20]]
    count = result.get("count", len(documents))
    more = f"\n\n… and {count - len(lines)} more." if count > len(lines) else ""
    return f"**{count}** document{'s' * (count != 1)}:\n\n" + "\n".join(lines) + more


def from_tables(result: dict[str, Any]) -> str:
    """Say which tables there are."""
    if "error" in result:
        return f"I could not look at the database: {result['error']}"
    rows = [
        [table["name"], table["rows"], ", ".join(column["name"] for column in table["columns"])]
        for table in result["tables"]
    ]
    return f"`{result['database']}` holds:\n\n{_table(['table', 'rows', 'columns'], rows, cell=160)}"


def is_empty(result: dict[str, Any], plan: Plan) -> bool:
    """Tell whether a query failed, or no row holds what it was to find."""
    rows: list[list[Any]] = result.get("rows", [])
    return not rows or (bool(plan.values) and len(rows) == 1 and rows[0] in ([0], [None]))


def from_query(result: dict[str, Any], plan: Plan | None = None) -> str:
    """Say what a query gave.

    Args:
        plan: What was asked; None where the question was SQL itself.
    """
    if "error" in result:
        return f"I could not get that from the database: {result['error']}"
    columns, rows = result["columns"], result["rows"]
    held = ""
    if plan is not None and plan.values:
        held = f"{' and '.join(f'“{value}”' for value in plan.values)} in {' or '.join(plan.columns) or 'it'}"
        if is_empty(result, plan):
            return f"I could not work that out from the database: no row of `{plan.table}` has {held}."
    if not rows:
        return "The database has no such rows."
    if len(columns) == 1 and len(rows) == 1:
        return f"**{_shown(rows[0][0])}** {_words(columns[0])}{f' with {held}' if held else ''}."
    if len(rows) == 1 and len(columns) <= _SHOWN_COLUMNS:
        first, *others = zip(columns, rows[0], strict=True)
        told = ", ".join(f"{_words(name)} **{_shown(value)}**" for name, value in others)
        return f"**{_shown(first[1])}**: {told}."
    more = " or more" if result.get("truncated") else ""
    cut = more or len(rows) > _SHOWN_ROWS
    note = f"\n\nThese are the first {min(len(rows), _SHOWN_ROWS)} of {len(rows)} rows{more}." if cut else ""
    lead = f"Those with {held}:\n\n" if held else ""
    return lead + _table(columns, rows[:_SHOWN_ROWS]) + note


def unclear(plan: Plan) -> str:
    """Say what is not clear about a question to a table."""
    names = ", ".join(f"`{name}`" for name in plan.columns) or "none"
    if plan.values:
        words = ", ".join(f"“{value}”" for value in plan.values)
        return (
            f"I could not work that out: I cannot tell what {words} mean for `{plan.table}`. Its columns are {names}."
        )
    return f"I could not work that out: which figures of `{plan.table}` do you mean? It has {names}."


def not_there(listed: dict[str, Any]) -> str:
    """Say that nothing in the database is named by a question."""
    names = ", ".join(f"`{table['name']}`" for table in listed["tables"])
    return f"I could not work that out from the database. It has {names}: name a table or a column of theirs."


def from_clocks(results: Sequence[dict[str, Any]], *, compare: bool) -> str:
    """Say what the clocks of some places show.

    Args:
        compare: Whether to say how far two of them are apart.
    """
    lines = [_clock(result) for result in results]
    text = "\n".join(lines if len(lines) < 2 else (f"- {line}" for line in lines))
    if not compare or len(results) != 2 or any("error" in result for result in results):
        return text
    first, second = (_minutes(result["utc_offset"]) for result in results)
    hours = f"{abs(first - second) / 60:g} hour{'s' * (abs(first - second) != 60)}"
    apart = f"{hours} {'ahead of' if first >= second else 'behind'}"
    return f"{results[0]['place']} is {apart} {results[1]['place']}.\n\n{text}"


def _clock(result: dict[str, Any]) -> str:
    if "error" in result:
        near = result.get("suggestions")
        return result["error"] + (f" Did you mean {' or '.join(near)}?" if near else "")
    return re.sub(r"^It is (\d\d:\d\d)", r"It is **\1**", result["summary"])


def _minutes(offset: str) -> int:
    minutes = int(offset[1:3]) * 60 + int(offset[4:])
    return -minutes if offset.startswith("-") else minutes


def _table(columns: Sequence[str], rows: Sequence[Sequence[Any]], *, cell: int = _CELL_CHARACTERS) -> str:
    shown = columns[:_SHOWN_COLUMNS]
    numeric = [all(isinstance(row[at], int | float | None) for row in rows) for at in range(len(shown))]
    lines = [
        "| " + " | ".join(_cell(_words(name), cell) for name in shown) + " |",
        "|" + "|".join("---:" if right else "---" for right in numeric) + "|",
        *("| " + " | ".join(_cell(_shown(value), cell) for value in row[:_SHOWN_COLUMNS]) + " |" for row in rows),
    ]
    left = len(columns) - len(shown)
    return "\n".join(lines) + (f"\n\nColumns not shown: {', '.join(columns[_SHOWN_COLUMNS:])}." if left else "")


def _cell(text: str, characters: int) -> str:
    text = " ".join(text.split()).replace("|", "\\|")
    return text if len(text) <= characters else f"{text[:characters]}…"


def _words(name: str) -> str:
    return name.replace("_", " ")


def _shown(value: Any) -> str:
    if value is None:
        return "–"  # noqa: RUF001 - an empty cell
    if isinstance(value, float):
        return f"{value:,.2f}"
    return f"{value:,}" if isinstance(value, int) and abs(value) >= 10_000 else str(value)  # 1985 may be a year
