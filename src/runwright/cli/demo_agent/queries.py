# SPDX-License-Identifier: Apache-2.0
"""From a question to one SELECT over one table, or over two where one refers to the other.

Every word of the question is accounted for: it names a table or a column, it says what to do, or it is a value that the
rows must hold. A word that is none of these therefore finds no rows, rather than another question's answer.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from runwright.cli.demo_agent.database import quoted

_COUNT = re.compile(r"\bhow many\b|\bnumber of\b|\bcount\b", re.IGNORECASE)
_AVERAGE = re.compile(r"\b(?:average|mean)\b", re.IGNORECASE)
_TOTAL = re.compile(r"\b(?:total|sum|how much)\b", re.IGNORECASE)
_MOST = re.compile(r"\b(?:most|highest|largest|biggest|longest|top)\b", re.IGNORECASE)
_LEAST = re.compile(r"\b(?:least|fewest|lowest|smallest|shortest)\b", re.IGNORECASE)
_GROUPED = re.compile(r"\b(?:per|by|each|every)\s+(\w+)|\b(?:which|what)((?:\s+\w+){1,3})", re.IGNORECASE)
_NUMBERS = {"two": 2, "three": 3, "four": 4, "five": 5, "six": 6, "seven": 7, "eight": 8, "nine": 9, "ten": 10}
_LIMIT = re.compile(rf"\b(?:top|which|what|the|list|show)\s+(\d{{1,2}}|{'|'.join(_NUMBERS)})\b", re.IGNORECASE)
_IDLE_WORDS = (
    "a all an and any are at average been by came come count database did do does each every fewest find for from give"
    " had has have highest how in is it its largest biggest least list longest lowest many me mean most much number of"
    " on our per place placed please she he show shortest smallest sum table tell that the their them there these they"
    " this to top total us was we were what which who whose with"
)
_IDLE = frozenset(_IDLE_WORDS.split())
_MOST_VALUES = 3
_TEXTS, _NUMERICS = ("CHAR", "TEXT", "CLOB"), ("INT", "REAL", "NUM", "DEC", "FLOA", "DOUB")


@dataclass(frozen=True, slots=True)
class Plan:
    """One query.

    Attributes:
        table: What it is about.
        sql: The query; empty where it is not clear what to ask of the table's ``columns``.
        values: What the rows must hold in one of the ``columns``.
    """

    table: str
    sql: str
    values: Sequence[str] = ()
    columns: Sequence[str] = ()


def plan_for(question: str, tables: Sequence[dict[str, Any]]) -> Plan | None:
    """Plan a query over tables as ``list_tables`` gives them; None where the question names none of them."""
    said = {stem(word) for word in re.findall(r"\w+", question.casefold())}
    read = [_Table.of(entry, said) for entry in tables if entry["columns"]]
    named = [table for table in read if table.is_named]
    named.sort(key=lambda table: min(question.casefold().find(word) for word in table.words))
    for table in named:
        for other in named:  # of two that are named, the one that refers to the other
            if other is not table and any(column.target == other.name for column in table.columns):
                return _Query(question, table, other).plan()
    base = named[0] if named else max(read, key=lambda table: len(table.named), default=None)
    return _Query(question, base).plan() if base is not None and (named or base.named) else None


@dataclass(frozen=True, slots=True)
class _Column:
    name: str
    kind: str
    words: frozenset[str]
    is_key: bool
    target: str

    @property
    def is_text(self) -> bool:
        return not self.kind or any(word in self.kind for word in _TEXTS)

    @property
    def is_number(self) -> bool:
        """A view's computed columns have no type: they may be either."""
        return not self.kind or any(word in self.kind for word in _NUMERICS)


@dataclass(frozen=True, slots=True)
class _Table:
    """A table, and what of it a question names."""

    name: str
    columns: list[_Column]
    words: frozenset[str]
    is_named: bool
    named: list[_Column]

    @classmethod
    def of(cls, entry: dict[str, Any], said: set[str]) -> "_Table":
        words = frozenset(words_of(entry["name"]))
        columns: list[_Column] = []
        for column in entry["columns"]:
            naming = frozenset(words_of(column["name"])) - {"on", "at", "in", "of", "id"}
            key, target = bool(column.get("primary_key")), column.get("references", "").rpartition(".")[0]
            columns.append(_Column(column["name"], column["type"].upper(), naming - words or naming, key, target))
        named = [c for c in columns if c.words and c.words <= said and not c.is_key and not c.target]
        return cls(entry["name"], columns, words, bool(words) and words <= said, named)

    @property
    def key(self) -> _Column:
        return next((column for column in self.columns if column.is_key), self.columns[0])

    @property
    def label(self) -> _Column:
        """What a row is called by: a name or title, or else the first text."""
        texts = [column for column in self.columns if column.is_text and not column.target]
        called = (c for c in texts if words_of(c.name)[-1:] in (["name"], ["title"], ["label"]))
        return next(called, None) or next(iter(texts), self.columns[0])


@dataclass(slots=True)
class _Query:
    """What a question asks of a table, and of the one that it refers to."""

    question: str
    base: _Table
    other: _Table | None = None
    used: set[str] = field(default_factory=set[str])

    def plan(self) -> Plan:
        base, question = self.base, self.question
        self.used |= base.words | (self.other.words if self.other else frozenset())
        counted, averaged = bool(_COUNT.search(question)), bool(_AVERAGE.search(question))
        highest = bool(_MOST.search(question))
        ranked = highest or bool(_LEAST.search(question))
        holder, group = self._group(ranked)
        figures = [column for column in base.columns if column.is_number and not column.is_key and not column.target]
        numbers = [column for column in base.named if column in figures and column is not group]
        number = numbers[0] if numbers and not counted else None
        self.used |= number.words if number else frozenset()
        measure, alias = self._measure(number, averaged=averaged)
        given = _LIMIT.search(question)
        limit = (_NUMBERS.get(given[1].lower()) or int(given[1])) if given else 5
        tail = f"{' DESC' if highest else ''} LIMIT {limit}"
        if not counted and number is None and (averaged or (ranked and group is None)):
            return Plan(base.name, "", columns=[column.name for column in figures])
        if group is not None:
            name = self._sql(holder, group)
            # Two rows of another table may be called the same, and are two groups.
            key = name if holder is base else self._sql(holder, holder.key)
            order = f"{alias}{tail}" if ranked else name
            return self._select(f"{name}, {measure} AS {alias}", f" GROUP BY {key} ORDER BY {order}")
        if counted or (number is not None and (averaged or _TOTAL.search(question))):
            return self._select(f"{measure} AS {alias}")
        if number is not None and ranked:
            shown = [base.label, number]
            return self._select(self._list(shown), f" ORDER BY {self._sql(base, number)}{tail}")
        self.used |= {word for column in base.named for word in column.words}
        shown = list(dict.fromkeys([base.label, *base.named])) if base.named else base.columns
        return self._select(self._list(shown) if self.other or base.named else "*")

    def _group(self, ranked: bool) -> tuple[_Table, _Column | None]:
        """The column to group by: one of that name, or what a table of that name calls its rows."""
        base, other = self.base, self.other
        for match in _GROUPED.finditer(self.question):
            for word in (match[1] or (match[2] if ranked else "")).casefold().split():
                named = next((column for column in base.named if stem(word) in column.words), None)
                if named is not None:
                    self.used |= named.words
                    return base, named
                if other is not None and stem(word) in other.words:
                    return other, other.label
                if stem(word) in base.words:
                    break
        return base, None

    def _measure(self, number: _Column | None, *, averaged: bool) -> tuple[str, str]:
        """What is computed, and what it is called."""
        if number is None:
            name = self.base.name.lower()
            return "count(*)", quoted((name if name.endswith("s") else f"{name}s") if name.isidentifier() else "number")
        how, said = ("avg", "average") if averaged else ("sum", "total")
        return f"{how}({self._sql(self.base, number)})", quoted(f"{said}_{number.name}")

    def _sql(self, table: _Table, column: _Column) -> str:
        return f"{quoted(table.name)}.{quoted(column.name)}" if self.other else quoted(column.name)

    def _list(self, columns: Sequence[_Column]) -> str:
        return ", ".join(self._sql(self.base, column) for column in columns)

    def _select(self, what: str, tail: str = "") -> Plan:
        base, other = self.base, self.other
        source = quoted(base.name)
        if other is not None:
            link = next(column for column in base.columns if column.target == other.name)
            source += f" JOIN {quoted(other.name)} ON {self._sql(other, other.key)} = {self._sql(base, link)}"
        within = [(table, c) for table in (base, other) if table for c in table.columns if c.is_text and not c.target]
        values = self._values()
        if len(values) > _MOST_VALUES:
            return Plan(base.name, "", values, [column.name for column in base.columns])
        inside = ", ".join(self._sql(table, column) for table, column in within) or "NULL"
        texts = ["'" + value.replace("'", "''") + "'" for value in values]
        where = " AND ".join(f"{text} COLLATE NOCASE IN ({inside})" for text in texts)
        sql = f"SELECT {what} FROM {source}{f' WHERE {where}' if where else ''}{tail}"
        return Plan(base.name, sql, values, list(dict.fromkeys(column.name for _, column in within)))

    def _values(self) -> list[str]:
        """The words that are left: names as a whole, other words each by itself."""
        text = _LIMIT.sub(" ", self.question)
        values: list[str] = []
        end = -2
        for match in re.finditer(r"[^\W_](?:[\w'-]*\w)?", text):
            word = match[0]
            if word.casefold() in _IDLE or stem(word.casefold()) in self.used:
                continue
            if values and match.start() == end + 1 and word[0].isupper() and values[-1][0].isupper():
                values[-1] += f" {word}"
            else:
                values.append(word)
            end = match.end()
        return list(dict.fromkeys(values))


def words_of(name: str) -> list[str]:
    """The words of a name in snake_case or CamelCase, small, as stems."""
    pieces = re.findall(r"[A-Z]+(?![a-z])|[A-Z]?[^\W\d_A-Z]+|\d+", name)
    return [stem(piece.casefold()) for piece in pieces]


def stem(word: str) -> str:
    """A word without what tells one from many: the same for both, not always a word."""
    if word.endswith("ies") and len(word) > 4:
        return word[:-3] + "y"
    if match := re.search(r"(?<=[sx]|h)es?$", word):  # "boxes", "purchase": cut for both numbers
        return word[: match.start()]
    return word[:-1] if word.endswith("s") and not word.endswith(("ss", "us", "is")) and len(word) > 3 else word
