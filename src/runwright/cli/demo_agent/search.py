# SPDX-License-Identifier: Apache-2.0
"""Full-text search over the text files of one folder.

Its public methods are tools: they take JSON and return JSON, and may be called from several threads at once. A call
that cannot be answered returns ``{"error": ...}`` with what would work instead, so that a model can correct itself.
"""

import difflib
import os
import re
import sqlite3
import threading
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from runwright.cli.demo_agent.texts import LeftOutError, is_skipped, load_lines, passages_of, printable

_MAX_FILE_BYTES = 1_000_000
_READ_CHARACTERS = 20_000
_EXCERPT_CHARACTERS = 600
_MARKDOWN = (".md", ".markdown", ".mdx")
_FILLER_WORDS = (
    "a about an and are as at be by can could did do document documents does for from had has have how i if in is it"
    " its list may me my of on or our please say says show tell that the their them there they this to us was we were"
    " what when where which who will with would you your"
)
_FILLERS = frozenset(_FILLER_WORDS.split())
_INDEX = """
CREATE VIRTUAL TABLE passages USING fts5(
    stem, heading, body, path UNINDEXED, line UNINDEXED, tokenize = 'porter unicode61 remove_diacritics 2'
);
"""
_SEARCH = """
SELECT rowid, path, line, heading, body, -bm25(passages, 1.0, 2.0, 1.0) AS score
FROM passages WHERE passages MATCH ? ORDER BY score DESC, rowid LIMIT ?
"""


class DocumentSearch:
    """Full-text search over the text files below one folder, ranked by BM25.

    The index is held in memory and built by the first call; files that change later are found as they were, but read as
    they are. Whether a file is text is told by its content, not its name. Hidden files, ``node_modules``, virtual
    environments and links are not looked at, and nothing outside the folder can be read. Close it after use.

    Args:
        folder: The folder to search.
        max_files: Index at most so many files.

    Raises:
        FileNotFoundError: There is no such folder.
        NotADirectoryError: It is a file.
    """

    def __init__(self, folder: str | os.PathLike[str], *, max_files: int = 2_000) -> None:
        self._root = Path(folder).expanduser().resolve()
        if not self._root.exists():
            raise FileNotFoundError(f"There is no folder {os.fspath(folder)!r}. Name one that exists.")
        if not self._root.is_dir():
            raise NotADirectoryError(f"{os.fspath(folder)!r} is a file. Name the folder that holds it.")
        self._max_files = max_files
        self._lock = threading.Lock()
        self._documents: dict[str, dict[str, Any]] = {}
        self._left_out: Counter[str] = Counter()
        self._indexed = False
        # One connection under one lock: a database in memory belongs to its connection.
        self._connection = sqlite3.connect(":memory:", check_same_thread=False)

    def close(self) -> None:
        """Free the index. Calling it again does nothing; searching afterwards is an error."""
        with self._lock:
            self._connection.close()

    def search_documents(self, query: str, max_results: int = 5) -> dict[str, Any]:
        """Search the documents for words and return the passages that fit best.

        Args:
            query: Words or a question, in plain language. Operators have no meaning.
            max_results: How many passages to return, 1 to 20.

        Returns:
            ``hits``, best first: each with ``path``, ``line``, ``heading``, ``snippet`` and ``score``.
        """
        terms = _search_terms(query)
        if not terms:
            return {"error": "The query holds no words. Name what to look for, for example 'returns opened bags'."}
        with self._lock:
            self._build_index()
            hits = self._ranked(terms, max(1, min(max_results, 20)))
        result: dict[str, Any] = {"terms": terms, "hits": hits, "documents_searched": len(self._documents)}
        if not hits:
            result["hint"] = "No passage holds any of these words. Try other words, or list the documents."
        return result

    def list_documents(self) -> dict[str, Any]:
        """List the documents that can be searched and read, with their titles and lengths.

        Returns:
            ``documents`` (the first 200), their number as ``count``, and ``left_out``: reasons with numbers of files.
        """
        with self._lock:
            self._build_index()
        documents = [{"path": path, **facts} for path, facts in self._documents.items()]
        return {"count": len(documents), "documents": documents[:200], "left_out": dict(self._left_out)}

    def read_document(self, path: str, start_line: int = 1, max_lines: int = 100) -> dict[str, Any]:
        """Read lines of one document, for example around a line that a search has found.

        Args:
            path: The document's path as search_documents and list_documents give it.
            start_line: The first line to read; lines count from 1.
            max_lines: How many lines to read, 1 to 400.

        Returns:
            ``text`` with ``start_line``, ``end_line`` and ``total_lines``; ``next_line`` where there is more.
        """
        with self._lock:
            self._build_index()
        if path not in self._documents:
            near = difflib.get_close_matches(path[:200], list(self._documents), n=3, cutoff=0.4)
            suggestions = near or list(self._documents)[:10]
            return {"error": f"There is no document {printable(path[:200])!r}.", "suggestions": suggestions}
        try:
            lines = load_lines(self._root / path, _MAX_FILE_BYTES)
        except LeftOutError as reason:
            return {"error": f"{path!r} cannot be read any more: {reason}."}
        if start_line > len(lines):
            return {"error": f"{path!r} ends at line {len(lines)}. Start at a lower line.", "total_lines": len(lines)}
        first = max(1, start_line)
        last = min(len(lines), first - 1 + max(1, min(max_lines, 400)))
        text = "\n".join(lines[first - 1 : last])
        if len(text) > _READ_CHARACTERS:
            cut = text[:_READ_CHARACTERS]
            text = cut.rpartition("\n")[0] or cut  # whole lines, but for one that alone is too long
            last = first + text.count("\n")
        result = {"path": path, "text": text, "start_line": first, "end_line": last, "total_lines": len(lines)}
        return {**result, "next_line": last + 1} if last < len(lines) else result

    def _ranked(self, terms: Sequence[str], limit: int) -> list[dict[str, Any]]:
        """Give passages that hold every term first, then those that hold some, else words that begin like one."""
        every = " AND ".join(f'"{term}"' for term in terms)
        some = " OR ".join(f'"{term}"' for term in terms)
        begun = " OR ".join(f'"{term}" *' for term in terms)
        found: dict[int, dict[str, Any]] = {}
        for match in (every, some, begun):
            if len(found) < limit and not (match == begun and found):
                for number, *row in self._connection.execute(_SEARCH, (match, limit)):
                    found.setdefault(number, _hit(row, terms))
        return list(found.values())[:limit]

    def _build_index(self) -> None:
        if self._indexed:
            return
        self._connection.executescript(_INDEX)
        for path in self._files():
            name = path.relative_to(self._root).as_posix()
            if len(self._documents) >= self._max_files:
                self._left_out[f"over the limit of {self._max_files} files"] += 1
                continue
            try:
                if printable(name) != name:
                    raise LeftOutError("name is not Unicode")
                lines = load_lines(path, _MAX_FILE_BYTES)
            except LeftOutError as reason:
                self._left_out[str(reason)] += 1
                continue
            stem = re.sub(r"[\W_]+", " ", name.rpartition(".")[0] or name)
            passages = list(passages_of(lines, markdown=name.lower().endswith(_MARKDOWN)))
            rows = [(stem, heading, "\n".join(block), name, number) for number, heading, block in passages]
            self._connection.executemany("INSERT INTO passages VALUES (?, ?, ?, ?, ?)", rows)
            title = next((heading.split(" > ")[0] for _, heading, _ in passages if heading), "")
            self._documents[name] = {"title": title, "lines": len(lines)}
        self._indexed = True

    def _files(self) -> Iterator[Path]:
        for folder, folders, names in os.walk(self._root):
            kept = [name for name in sorted(folders) if not Path(folder, name, "pyvenv.cfg").is_file()]
            folders[:] = [name for name in kept if not is_skipped(name)]
            yield from (Path(folder, name) for name in sorted(names) if not is_skipped(name))


def _search_terms(query: str) -> list[str]:
    """Take the words of any text, so that nothing in it can be an operator of the search language."""
    words = dict.fromkeys(re.findall(r"[^\W_]+", printable(query).casefold()))
    return ([word for word in words if word not in _FILLERS] or list(words))[:24]


def _hit(row: Sequence[Any], terms: Sequence[str]) -> dict[str, Any]:
    path, line, heading, body, score = row
    lines: list[str] = body.split("\n")
    weights = [sum(term in text.casefold() for term in terms) for text in lines]
    best = weights.index(max(weights))
    snippet = body
    if len(body) > _EXCERPT_CHARACTERS:  # from the best line on, or within it where it alone is too long
        snippet = "\n".join(lines[best:])
        at = max(0, min((found for term in terms if (found := snippet.casefold().find(term)) >= 0), default=0) - 100)
        snippet = snippet[at : at + _EXCERPT_CHARACTERS]
    return {"path": path, "line": line + best, "heading": heading, "snippet": snippet, "score": round(score, 2)}
