# SPDX-License-Identifier: Apache-2.0
"""What is asked: a question's parts, what each is about, and what it leaves to the question before."""

import re
from dataclasses import dataclass
from typing import Literal

from runwright.cli.demo_agent.clock import places_in

Kind = Literal["clock", "data", "documents", "files", "sql", "tables", "talk"]

_ASKING = r"(?:how|what|which|who|when|where|why|is|are|does|do|can|list|show|tell|give)\b"
_QUESTION_WORDS = re.compile(_ASKING, re.IGNORECASE)
_SPLIT = re.compile(rf"[?!;]+\s*|\.\s+|,?\s+and\s+(?={_ASKING})", re.IGNORECASE)
_FOLLOWS = re.compile(
    r"^(?:(?:and|or|also|then|but)\b[\s,]*(?:(?:what|how) about\b\s*)?|(?:what|how) about\b\s*)", re.IGNORECASE
)
_CLOCK = re.compile(
    r"\b(?:what time|time is it|the time|time difference|local time|time zones?|clock|what day|the date|today"
    r"|hours?\b.*\b(?:apart|ahead|behind|between))\b|^time\b",
    re.IGNORECASE,
)
_NOW = re.compile(r"\b(?:what time is it|what(?:'s| is) the (?:time|date)|what day is it)\b", re.IGNORECASE)
_DATA = re.compile(
    r"^(?:which|list|show)\b|\b(?:how many|how much|number of|count|total|sum|average|mean|most|least|fewest|highest|"
    r"lowest|largest|smallest|biggest|top|per|rows?|revenue|sales)\b",
    re.IGNORECASE,
)
_SQL = re.compile(
    r"(?:select|with\b.*\bselect|insert into|update \S+ set|delete from|drop|create|alter|pragma)\b", re.IGNORECASE
)
_TABLES = re.compile(r"\b(?:tables?|columns?|schema|databases?)\b", re.IGNORECASE)
_FILES = re.compile(r"\b(?:documents?|files?|papers?|folders?)\b", re.IGNORECASE)
_ABOUT = re.compile(r"\b(?:about|say|says|mention|mentions|contain|contains|explain|explains)\b", re.IGNORECASE)
_TALK = re.compile(r"^(?:hi|hello|hey|thanks?|thank you|help|what can you do|who are you)\b[\w\s,]*$", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Part:
    """One thing that is asked.

    Attributes:
        text: The question, whole: what a follow-up leaves out is filled in.
        added: Of a follow-up, what it says itself.
        places: The places that it names, or means.
    """

    kind: Kind
    text: str
    places: tuple[str, ...] = ()
    added: str = ""

    @property
    def query(self) -> str:
        return f"{self.text} {self.added}".strip()


def parts_of(question: str, before: list[str]) -> list[Part]:
    """Understand a question.

    Args:
        before: The questions before it, oldest first.
    """
    whole, added = _filled_in(" ".join(question.split()), before)
    if _SQL.match(whole):
        return [Part("sql", whole)]
    everywhere = places_in(whole)
    earlier = [places for each in before if (places := places_in(each))]
    known = everywhere or (earlier[-1] if earlier else [])
    parts: list[Part] = []
    for text in filter(None, (piece.strip(" ,.") for piece in _SPLIT.split(whole))):
        kind = _kind(text, bool(known))
        places = places_in(text)
        if kind == "clock" and not places and re.search(r"\b(?:there|they|them)\b", text):
            places = known
        parts.append(Part(kind, text, tuple(places), added))
    return parts or [Part("talk", whole)]


def _filled_in(question: str, before: list[str]) -> tuple[str, str]:
    """Give the question with what it leaves to the one before, and what it adds to that."""
    if not before or not _FOLLOWS.match(question):
        return question, ""
    added = _FOLLOWS.sub("", question).strip(" ?.!")
    if _QUESTION_WORDS.match(added):
        return _FOLLOWS.sub("", question), ""
    previous, _ = _filled_in(before[-1], before[:-1])
    new, old = places_in(added), places_in(previous)
    if new and old and added.casefold().split()[-1] in new[-1].casefold():
        for name in old[1:]:
            previous = re.sub(rf"(?:,|\band\b)\s*{re.escape(name)}\b", "", previous)
        return re.sub(rf"\b{re.escape(old[0])}\b", " and ".join(new), previous), ""
    return previous, added


def _kind(text: str, has_places: bool) -> Kind:
    if _TALK.match(text):
        return "talk"
    if _NOW.search(text) or (_CLOCK.search(text) and has_places):
        return "clock"
    if _TABLES.search(text) and not re.search(r"\b(?:in|from|of) (?:the )?(?:table )?[\w\"]+ (?:table)?$", text):
        return "tables"
    if _FILES.search(text) and not _ABOUT.search(text):
        return "files"
    return "data" if _DATA.search(text) and not _ABOUT.search(text) else "documents"
