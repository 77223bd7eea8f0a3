# SPDX-License-Identifier: Apache-2.0
"""The demo's search over real folders: what it finds, what it leaves out, and what it reads."""

import os
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import Barrier
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from runwright.cli.demo_agent.company import PAPERS
from runwright.cli.demo_agent.search import DocumentSearch

# What a model, or somebody who wants to break one, may send: also halves of surrogate pairs, which JSON can carry.
ANY_TEXT = st.text(st.characters(exclude_categories=())) | st.text("ab \"*^():-+{}'%NEARANDORT\0", max_size=20)


@pytest.fixture(scope="module")
def papers() -> Iterator[DocumentSearch]:
    search = DocumentSearch(PAPERS)
    yield search
    search.close()


def paths(result: dict[str, Any]) -> list[str]:
    return [hit["path"] for hit in result["hits"]]


class TestSearch:
    @pytest.mark.parametrize(
        ("question", "path", "words"),
        [
            ("How long may customers return unopened tea?", "handbook/returns.md", "within 30 days"),
            ("When is shipping free?", "handbook/shipping.md", "free for orders over 150 euros"),
            ("how should gyokuro be brewed", "products/brewing.md", "55 degrees"),
            ("What should I do if there is a fire?", "warehouse/safety.md", "nearest green door"),
            ("who leads the TOKYO office", "offices.md", "Haruki Sato"),
            ("sao paulo", "offices.md", "Rua Augusta"),
            ("how many holidays do we have", "handbook/working-time.md", "30 days of paid holiday"),
        ],
    )
    def test_questions_find_their_passage_first(
        self, papers: DocumentSearch, question: str, path: str, words: str
    ) -> None:
        first = papers.search_documents(question)["hits"][0]
        assert first["path"] == path
        assert words in first["snippet"].replace("\n", " ")

    def test_the_line_of_a_hit_is_the_line_that_reading_gives(self, papers: DocumentSearch) -> None:
        hit = papers.search_documents("forklift licence")["hits"][0]
        assert hit["heading"] == "Safety in the warehouse"
        assert "forklift" in papers.read_document(hit["path"], hit["line"], 1)["text"]

    def test_passages_with_every_word_come_before_those_with_some(self, tmp_path: Path) -> None:
        (tmp_path / "some.txt").write_text("kettle kettle kettle kettle")
        (tmp_path / "every.txt").write_text("a kettle, and then much that is neither here nor there, and a crane")
        assert paths(DocumentSearch(tmp_path).search_documents("kettle crane")) == ["every.txt", "some.txt"]

    def test_the_beginning_of_a_word_finds_it(self, tmp_path: Path) -> None:
        (tmp_path / "a.txt").write_text("photosynthesis")
        assert paths(DocumentSearch(tmp_path).search_documents("photosyn")) == ["a.txt"]

    def test_max_results_is_kept_within_bounds(self, papers: DocumentSearch) -> None:
        assert len(papers.search_documents("tea", 2)["hits"]) == 2
        assert len(papers.search_documents("tea", -5)["hits"]) == 1
        assert len(papers.search_documents("the a of euros days tea hamburg", 10_000)["hits"]) == 20

    def test_nothing_found_says_what_there_is(self, papers: DocumentSearch) -> None:
        result = papers.search_documents("xylophone")
        assert result["hits"] == []
        assert "other words" in result["hint"]

    @pytest.mark.parametrize("query", ["", "  ", "?!", '"', "☕"])
    def test_a_query_without_words_says_what_to_do(self, papers: DocumentSearch, query: str) -> None:
        assert "Name what to look for" in papers.search_documents(query)["error"]

    @pytest.mark.parametrize(
        "query", ['tea AND NOT "x (', "path:tea", "NEAR(a b, 2)", "tea*", "-tea", "{a b} : c", "^"]
    )
    def test_operators_mean_nothing(self, papers: DocumentSearch, query: str) -> None:
        result = papers.search_documents(query)
        assert result.get("hits") is not None or "no words" in result["error"]

    @given(ANY_TEXT)
    def test_any_text_is_a_query(self, papers: DocumentSearch, query: str) -> None:
        result = papers.search_documents(query)
        assert ("hits" in result) != ("error" in result)
        msgspec.json.encode(result)

    def test_headings_without_text_are_found_and_fences_hold_no_headings(self, tmp_path: Path) -> None:
        (tmp_path / "a.md").write_text(
            "# Guide\n\n## Marmalade\n\n## Code\n\n```sh\n# install\nrun me\n```\n\n# Zebra\n"
        )
        search = DocumentSearch(tmp_path)
        hits = {word: search.search_documents(word)["hits"][0] for word in ("marmalade", "run me", "zebra")}
        assert (hits["marmalade"]["heading"], hits["marmalade"]["line"]) == ("Guide > Marmalade", 3)
        assert hits["run me"]["heading"] == "Guide > Code"
        assert (hits["zebra"]["heading"], hits["zebra"]["line"]) == ("Zebra", 12)

    def test_a_very_long_line_is_cut_around_the_hit(self, tmp_path: Path) -> None:
        (tmp_path / "a.json").write_text("x " * 5_000 + "needle" + " y" * 5_000)
        snippet = DocumentSearch(tmp_path).search_documents("needle")["hits"][0]["snippet"]
        assert "needle" in snippet
        assert len(snippet) < 700

    def test_threads_share_one_index(self) -> None:
        search = DocumentSearch(PAPERS)
        start = Barrier(8)

        def ask(_number: int) -> dict[str, Any]:
            start.wait()
            return search.search_documents("carrier claim", 20)

        with ThreadPoolExecutor(8) as pool:
            results = list(pool.map(ask, range(8)))
        assert all(result == results[0] for result in results)
        found = [(hit["path"], hit["line"]) for hit in results[0]["hits"]]
        assert len(found) == len(set(found)) > 1
        assert search.list_documents()["count"] == 9


class TestWhatIsIndexed:
    def test_text_is_told_by_content_and_the_rest_is_counted(self, tmp_path: Path) -> None:
        (tmp_path / "notes").write_text("a text without an ending")
        (tmp_path / "image.md").write_bytes(b"\x89PNG\r\n\x1a\n" + bytes(range(256)))
        (tmp_path / "late.txt").write_bytes(b"text " * 2_000 + bytes(10))
        (tmp_path / "big.txt").write_text("x" * 1_000_001)
        (tmp_path / "second").write_text("one too many")
        (tmp_path / ".env").write_text("secret")
        for folder in (".git", "node_modules", ".venv", "env"):
            (tmp_path / folder).mkdir()
            (tmp_path / folder / "inside.txt").write_text("secret")
        (tmp_path / "env" / "pyvenv.cfg").write_text("home = somewhere")
        search = DocumentSearch(tmp_path, max_files=1)
        listed = search.list_documents()
        assert [document["path"] for document in listed["documents"]] == ["notes"]
        assert listed["left_out"] == {
            "larger than 1,000,000 bytes": 1,
            "no text": 2,
            "over the limit of 1 files": 1,
        }
        assert search.search_documents("secret")["hits"] == []

    def test_links_are_not_followed(self, tmp_path: Path) -> None:
        outside = tmp_path / "outside"
        outside.mkdir()
        (outside / "secret.txt").write_text("secret")
        inside = tmp_path / "inside"
        inside.mkdir()
        (inside / "open.txt").write_text("open")
        (inside / "file.txt").symlink_to(outside / "secret.txt")
        (inside / "folder").symlink_to(outside)
        search = DocumentSearch(inside)
        assert search.search_documents("secret")["hits"] == []
        assert search.list_documents()["left_out"] == {"not a regular file": 1}
        for path in ("file.txt", "folder/secret.txt"):
            assert search.read_document(path)["suggestions"] == ["open.txt"]

    @pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="this system has no named pipes")
    def test_a_pipe_is_not_waited_for(self, tmp_path: Path) -> None:
        os.mkfifo(tmp_path / "pipe")
        search = DocumentSearch(tmp_path)
        assert search.list_documents()["left_out"] == {"not a regular file": 1}
        assert "error" in search.read_document("pipe")

    def test_a_name_that_is_not_unicode_is_left_out(self, tmp_path: Path) -> None:
        try:
            (tmp_path / os.fsdecode(b"caf\xe9.txt")).write_text("coffee")
        except (OSError, UnicodeError):
            pytest.skip("this file system takes Unicode names only")
        listed = DocumentSearch(tmp_path).list_documents()
        assert listed["left_out"] == {"name is not Unicode": 1}
        msgspec.json.encode(listed)

    def test_an_empty_folder_is_searched_without_a_hit(self, tmp_path: Path) -> None:
        assert DocumentSearch(tmp_path).search_documents("tea")["hits"] == []

    def test_a_wrong_folder_is_named_at_once(self, tmp_path: Path) -> None:
        with pytest.raises(FileNotFoundError, match=r"no folder '.*nowhere'"):
            DocumentSearch(tmp_path / "nowhere")
        (tmp_path / "file").touch()
        with pytest.raises(NotADirectoryError, match="Name the folder that holds it"):
            DocumentSearch(tmp_path / "file")


class TestReading:
    def test_a_part_says_where_it_goes_on(self, papers: DocumentSearch) -> None:
        whole = (PAPERS / "handbook" / "returns.md").read_text(encoding="utf-8")
        first = papers.read_document("handbook/returns.md", max_lines=3)
        assert first["text"].startswith("# Returns and refunds\n")
        assert (first["start_line"], first["end_line"], first["next_line"]) == (1, 3, 4)
        rest = papers.read_document("handbook/returns.md", first["next_line"])
        assert rest["end_line"] == rest["total_lines"] == len(whole.splitlines())
        assert "next_line" not in rest
        assert first["text"] + "\n" + rest["text"] + "\n" == whole

    def test_a_wrong_name_gives_near_ones(self, papers: DocumentSearch) -> None:
        result = papers.read_document("handbook/shiping.md")
        assert result["suggestions"][0] == "handbook/shipping.md"

    @pytest.mark.parametrize(
        "path", ["../company.db", "/etc/passwd", "handbook/../../company.db", "", ".", "a\0b", "\ud800"]
    )
    def test_nothing_outside_is_read(self, papers: DocumentSearch, path: str) -> None:
        result = papers.read_document(path)
        assert "There is no document" in result["error"]
        msgspec.json.encode(result)

    def test_hidden_files_are_not_read(self, tmp_path: Path) -> None:
        (tmp_path / ".env").write_text("secret")
        (tmp_path / ".git").mkdir()
        (tmp_path / ".git" / "config").write_text("secret")
        search = DocumentSearch(tmp_path)
        assert "error" in search.read_document(".env")
        assert "error" in search.read_document("x/../.git/config")

    def test_lines_beyond_the_end_are_an_error_and_odd_numbers_are_not(self, papers: DocumentSearch) -> None:
        assert "ends at line" in papers.read_document("offices.md", 10_000)["error"]
        odd = papers.read_document("offices.md", -3, 0)
        assert (odd["start_line"], odd["end_line"]) == (1, 1)

    def test_long_lines_are_given_in_parts(self, tmp_path: Path) -> None:
        (tmp_path / "a.txt").write_text("\n".join(["x" * 15_000, "y" * 15_000, "z" * 30_000]))
        search = DocumentSearch(tmp_path)
        assert search.read_document("a.txt")["next_line"] == 2
        last = search.read_document("a.txt", 3)
        assert len(last["text"]) == 20_000
