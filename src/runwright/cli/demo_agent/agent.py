# SPDX-License-Identifier: Apache-2.0
"""The demo's agent: real tools over a folder, a database and the world's clocks, and questions to put to it."""

from collections.abc import Callable
from contextlib import AbstractContextManager, ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from runwright.agents.llm import Agent
from runwright.cli.demo_agent.clock import WorldClock
from runwright.cli.demo_agent.company import COMPANY, PAPERS, create_database
from runwright.cli.demo_agent.database import ReadOnlyDatabase, quoted
from runwright.cli.demo_agent.search import DocumentSearch
from runwright.model import BaseLlm
from runwright.tool import FunctionTool

_INSTRUCTION = """\
You answer questions with your tools: search_documents, read_document and list_documents for what is written down,
list_tables and query_database for figures, world_clock for the time. Say only what they tell you, and say where it
stands (path and line). Call several tools at once where one does not need the other. Answer briefly, in Markdown."""

_QUESTIONS = (
    "How long may customers return unopened tea?",
    "And what about opened bags?",
    "Which five customers placed the most orders?",
    "What was the revenue per month?",
    "Who leads the Tokyo office, and what time is it there?",
    "And São Paulo?",
)


@dataclass(slots=True)
class Workplace(AbstractContextManager["Workplace"]):
    """What the agent may touch. It is left behind as it was found.

    Attributes:
        subject: What it is about, in words.
        questions: What can be asked of it, in an order that makes a conversation.
    """

    folder: Path | None
    database: Path | None
    subject: str = ""
    questions: list[str] = field(default_factory=list[str])
    tools: list[FunctionTool] = field(default_factory=list[FunctionTool])
    _stack: ExitStack = field(default_factory=ExitStack)

    def __enter__(self) -> "Workplace":
        if self.folder is None and self.database is None:
            folder = self._stack.enter_context(TemporaryDirectory(prefix="runwright-demo-"))
            self.folder, self.database = PAPERS, Path(folder, "company.db")
            create_database(self.database)
            self.subject = f"the papers and books of {COMPANY}, a small tea importer that is made up"
            self.questions = list(_QUESTIONS)
        else:
            self.subject = " and ".join(str(path) for path in (self.folder, self.database) if path is not None)
        # In reverse order, so that the search is closed before its folder goes.
        search = DocumentSearch(self.folder) if self.folder is not None else None
        if search is not None:
            self._stack.callback(search.close)
        books = ReadOnlyDatabase(self.database) if self.database is not None else None
        functions: list[Callable[..., Any]] = [WorldClock().world_clock]
        if search is not None:
            functions += [search.search_documents, search.read_document, search.list_documents]
        if books is not None:
            functions += [books.list_tables, books.query_database]
        self.tools = [FunctionTool(function) for function in functions]
        self.questions = self.questions or _questions_about(search, books)
        return self

    def __exit__(self, *_error: object) -> None:
        self._stack.close()

    def agent(self, model: BaseLlm) -> Agent:
        """The agent, with a model."""
        return Agent(
            name="demo",
            description="Answers questions about documents, a database and the time",
            model=model,
            instruction=_INSTRUCTION,
            tools=list(self.tools),
        )


def describe(tool: str, result: dict[str, Any]) -> str | None:
    """Say in a few words what one of the tools answered; None for what speaks for itself."""
    if "error" in result:
        return None
    if tool == "search_documents":
        hits: list[dict[str, Any]] = result["hits"]
        best = f", the best in {hits[0]['path']}, line {hits[0]['line']}" if hits else ""
        return f"{_many(len(hits), 'passage')} in {_many(result['documents_searched'], 'document')}{best}"
    if tool == "query_database":
        more = " and more" if result["truncated"] else ""
        return f"{_many(result['row_count'], 'row')}{more}: {', '.join(result['columns'])}"
    if tool == "list_tables":
        names = [f"{table['name']} ({table['rows']})" for table in result["tables"]]
        return f"{_many(len(names), 'table')}: {', '.join(names)}"
    return f"{_many(result['count'], 'document')}" if tool == "list_documents" else None


def _questions_about(search: DocumentSearch | None, books: ReadOnlyDatabase | None) -> list[str]:
    """Find questions that a folder or a database which nobody knows can answer."""
    questions: list[str] = []
    if search is not None:
        documents = search.list_documents()["documents"]
        questions.append("Which documents are there?")
        titles = [entry["title"] for entry in documents if entry["title"]]
        questions += [f"What do the documents say about {title}?" for title in titles[:2]]
    if books is not None:
        questions.append("Which tables are there?")
        tables = sorted(books.list_tables()["tables"], key=lambda table: -(table["rows"] or 0))
        for table in tables[:1]:
            rows = f"{table['name'].replace('_', ' ').lower().removesuffix('s')}s"
            questions.append(f"How many {rows} are there?")
            if column := _grouping(books, table):
                questions.append(f"How many {rows} are there per {column}?")
    return [*questions, "What time is it in Tokyo and in New York?"]


def _grouping(books: ReadOnlyDatabase, table: dict[str, Any]) -> str | None:
    """The column that sorts the rows into the fewest kinds, if one does."""
    kinds: dict[str, int] = {}
    for column in table["columns"]:
        name = quoted(column["name"])
        if column.get("primary_key") or column.get("references") or column["name"].lower().endswith("id"):
            continue
        asked = books.query_database(f"SELECT count(DISTINCT {name}) FROM {quoted(table['name'])}")
        kinds[column["name"]] = (asked.get("rows") or [[0]])[0][0]
    few = {name: count for name, count in kinds.items() if 1 < count <= min(12, (table["rows"] or 0) // 2)}
    return min(few, key=lambda name: few[name], default=None)


def _many(number: int, thing: str) -> str:
    return f"{number} {thing}{'s' * (number != 1)}"
