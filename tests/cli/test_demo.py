# SPDX-License-Identifier: Apache-2.0
"""``runwright demo``: on its own data and on folders and databases that it has never seen, with facts checked."""

import re
import sqlite3
from collections.abc import AsyncIterator
from contextlib import aclosing, closing
from pathlib import Path

import pytest

from runwright import InMemoryRunner, RunConfig, StreamingMode
from runwright.cli.demo_agent.agent import Workplace
from runwright.cli.demo_agent.model import OfflineModel
from runwright.types import text_of
from tests.cli.conftest import ESCAPES, Command, Start

FILMS = """
CREATE TABLE Director (DirectorId INTEGER PRIMARY KEY, FullName VARCHAR(80), Country TEXT);
CREATE TABLE Film (
    FilmId INTEGER PRIMARY KEY, Title NVARCHAR(200), DirectorId INTEGER REFERENCES Director, ReleaseDate DATE,
    Runtime INTEGER, Rating NUMERIC, Genre TEXT
);
CREATE TABLE "order" (id INTEGER PRIMARY KEY, film_id INT, qty INT, buyer TEXT);
INSERT INTO Director VALUES (1, 'Agnès Varda', 'France'), (2, 'Akira Kurosawa', 'Japan'),
    (3, 'Jane Campion', 'Ireland');
INSERT INTO Film VALUES
    (1, 'Cleo from 5 to 7', 1, '1962-04-11', 90, 7.9, 'Drama'), (2, 'Vagabond', 1, '1985-12-04', 105, 7.6, 'Drama'),
    (3, 'Seven Samurai', 2, '1954-04-26', 207, 8.6, 'Action'), (4, 'Ran', 2, '1985-06-01', 162, 8.2, 'Action'),
    (5, 'The Piano', 3, '1993-05-15', 121, 7.5, 'Drama'), (6, 'Ikiru', 2, '1952-10-09', 143, 8.3, 'Drama');
INSERT INTO "order" VALUES (1, 1, 3, 'ann'), (2, 3, 1, 'bob'), (3, 3, 2, 'ann');
"""
LOG = """\
# Ship's log

The Meridian left Bergen on 3 March with nineteen sailors.

## Rations

Each sailor is given four biscuits and a lemon a day.

## Repairs

The mizzen mast was replaced in Lisbon by the carpenter Ottoline Gray.
"""


class Asked:
    """A conversation with the demo's agent, without the command line."""

    def __init__(self, workplace: Workplace) -> None:
        self.runner = InMemoryRunner(workplace.agent(OfflineModel()))
        self.calls: list[str] = []

    async def __call__(self, question: str) -> str:
        self.calls = []
        text = ""
        stream = self.runner.run_async(user_id="u", session_id="s", new_message=question)
        async with aclosing(stream):
            async for event in stream:
                self.calls += [call.name or "" for call in event.get_function_calls()]
                text += text_of(event.content)
        return text


@pytest.fixture
async def own() -> AsyncIterator[Asked]:
    with Workplace(None, None) as workplace:
        asked = Asked(workplace)
        yield asked
        await asked.runner.close()


@pytest.fixture
def films(tmp_path: Path) -> Path:
    path = tmp_path / "films.db"
    with closing(sqlite3.connect(path)) as connection, connection:
        connection.executescript(FILMS)
    return path


@pytest.fixture
def log(tmp_path: Path) -> Path:
    folder = tmp_path / "ship"
    folder.mkdir()
    (folder / "log.md").write_text(LOG)
    return folder


@pytest.fixture
async def foreign(films: Path, log: Path) -> AsyncIterator[Asked]:
    with Workplace(log, films) as workplace:
        asked = Asked(workplace)
        yield asked
        await asked.runner.close()


class TestTheCommand:
    def test_the_conversation_and_what_it_says(self, command: Command, tmp_path: Path) -> None:
        done = command("demo", TMPDIR=str(tmp_path))
        assert (done.returncode, done.stderr) == (0, "")
        for fact in (
            "within 30 days of delivery",
            "Opened bags cannot go back on the shelf",
            "| Morning Provisions | 21 |",
            "| 2025-02 | 15,452.60 |",
            "Led by Haruki Sato",
            "in Tokyo (UTC+09:00)",
            "Led by Beatriz Nunes",
            "in São Paulo (UTC-03:00)",
            "In all, 6 questions in one session: ",
            "runwright demo --folder DIR --database FILE.db",
        ):
            assert fact in done.stdout
        assert "\x1b" not in done.stdout
        assert [path.name for path in tmp_path.iterdir() if path.name.startswith("runwright")] == []

    def test_tools_of_one_turn_are_called_together(self, command: Command) -> None:
        shown = command("demo", "--ask", "Who leads the Tokyo office, and what time is it there?").stdout
        calls = [line for line in shown.splitlines() if line.startswith(("→", "✓"))]
        assert [line.split()[:2] for line in calls] == [
            ["→", "search_documents"], ["→", "world_clock"], ["✓", "search_documents"], ["✓", "world_clock"]
        ]  # fmt: skip

    def test_a_folder_and_a_database_of_ones_own(self, command: Command, films: Path, log: Path) -> None:
        before = films.read_bytes(), sorted(path.name for path in films.parent.iterdir())
        done = command(
            "demo", "--folder", str(log), "--database", str(films),
            "--ask", "How many biscuits is each sailor given?",
            "--ask", "How many films are by the director Akira Kurosawa?",
        )  # fmt: skip
        assert (done.returncode, done.stderr) == (0, "")
        assert "four biscuits and a lemon a day" in done.stdout
        assert "**3** films with “Akira Kurosawa” in " in done.stdout
        assert (films.read_bytes(), sorted(path.name for path in films.parent.iterdir())) == before

    @pytest.mark.parametrize("named", ["--folder", "--database", "both"])
    def test_questions_are_found_for_data_that_nobody_knows(
        self, command: Command, films: Path, log: Path, named: str
    ) -> None:
        words = {"--folder": ["--folder", str(log)], "--database": ["--database", str(films)]}
        done = command("demo", *(words["--folder"] + words["--database"] if named == "both" else words[named]))
        assert (done.returncode, done.stderr) == (0, "")
        if named != "--database":
            assert "The Meridian left Bergen" in done.stdout
        if named != "--folder":
            assert "**6** films." in done.stdout
            assert "| Drama | 4 |" in done.stdout
        assert "in Tokyo (UTC+09:00)" in done.stdout
        assert "I could not" not in done.stdout

    @pytest.mark.parametrize(
        ("words", "said"),
        [
            (["--folder", "nowhere"], "There is no folder 'nowhere'"),
            (["--database", "nowhere.db"], "There is no database 'nowhere.db'"),
            (["--database", "sky/agent.py"], "cannot be read as an SQLite database"),
            (["--model", "unknown-1"], "No model class answers for 'unknown-1'"),
            (["--ask", " "], "--ask needs a question"),
        ],
    )
    def test_wrong_words_are_told(self, command: Command, words: list[str], said: str) -> None:
        done = command("demo", *words)
        assert (done.returncode, done.stdout) == (2, "")
        assert said in done.stderr
        assert "Traceback" not in done.stderr

    @pytest.mark.parametrize("columns", [80, 120])
    def test_it_fits_a_terminal(self, terminal: Start, columns: int) -> None:
        demo = terminal("demo", "--ask", "Which five customers placed the most orders?", columns=columns)
        assert demo.end() == 0
        assert "Morning Provisions" in demo.shown
        lines = [ESCAPES.sub("", line.strip("\r").rsplit("\r", 1)[-1]) for line in demo.raw.split("\n")]
        assert max(len(line.rstrip()) for line in lines) <= columns
        assert not re.search(r"\x1b\[[0-9;]*(?:3[37]|4\d|9[37]|10\d)m", demo.raw)  # no white, yellow or backgrounds

    def test_ctrl_c_stops_it_and_cleans_up(self, terminal: Start, tmp_path: Path) -> None:
        demo = terminal("demo", TMPDIR=str(tmp_path))
        demo.wait_for("within 30 days")
        demo.type("\x03")
        assert demo.end() == 130
        assert "Traceback" not in demo.shown
        assert [path.name for path in tmp_path.iterdir() if path.name.startswith("runwright")] == []


class TestAnswers:
    @pytest.mark.parametrize(
        ("question", "facts"),
        [
            (
                "How many customers are in Germany?",
                ["**9** customers with “Germany” in name or kind or city"],
            ),
            ("How many orders are open?", ["**20** orders with “open” in"]),
            ("How many orders came from customers in Germany?", ["**61** orders"]),
            ("What is the price of Sencha?", ["**Sencha**: price **9.80**"]),
            ("Which 3 products have the highest price?", ["Matcha Ceremonial", "Raw Pu-erh 2012", "Gyokuro"]),
            ("What was the total revenue?", ["**65,570.90** total revenue"]),
            ("In which month was revenue highest?", ["| month | total revenue |\n|---|---:|\n| 2025-02 | 15,452.60 |"]),
            ("What is the average price per kind?", ["| herbal | 4.53 |"]),
            ("which country has the most customers", ["|---|---:|\n| Germany | 9 |"]),
            ("SELECT count(*) FROM orders", ["320"]),
            ("DROP TABLE orders", ["Only reading is allowed"]),
            ("which tables are there?", ["| products | 24 |", "unit_price"]),
            ("List the documents", ["**9** documents", "handbook/returns.md"]),
            ("How much does express delivery cost?", ["costs 29 euros", "handbook/shipping.md"]),
            ("how many days of holiday do we have", ["30 days of paid holiday"]),
            ("When is shipping free?", ["over 150 euros"]),
            ("What should I do if there is a fire?", ["nearest green door"]),
            ("Which carrier is used for express?", ["Swift Sparrow"]),
            ("How many hours are between Tokyo and UTC?", ["Tokyo is 9 hours ahead of UTC."]),
            ("What time is it in Tokyo, London and Nairobi?", ["in Tokyo (", "in London (", "in Nairobi ("]),
            ("What time is it in Tokio?", ["No place 'Tokio' is known", "Did you mean Tokyo?"]),
            ("What time is it in the US?", ["several time zones", "Chicago"]),
            ("hello", ["search documents, query a database"]),
        ],
    )
    async def test_facts(self, own: Asked, question: str, facts: list[str]) -> None:
        answer = await own(question)
        for fact in facts:
            assert fact in answer

    @pytest.mark.parametrize(
        "question",
        [
            "How many customers are in Narnia?", "How many customers ordered twice?", "What does Sencha cost?",
            "Which products cost more than 20 euros?", "What is the cheapest product?", "top 3 most expensive products",
            "How many orders were placed in March 2025?", "What is the capital of Peru?", "Who is Zanzibar Quux?",
            "What is the meaning of life?", "xyzzy", "?!",
        ],
    )  # fmt: skip
    async def test_what_is_not_known_is_not_made_up(self, own: Asked, question: str) -> None:
        answer = await own(question)
        assert re.search(
            r"I could not work that out|None of the 9 documents|documents do not answer that|I am the demo", answer
        )
        assert not re.search(r"\*\*\d", answer)

    @pytest.mark.parametrize(
        ("question", "facts"),
        [
            ("How many films are there?", ["**6** films."]),
            ("How many orders are there?", ["**3** orders."]),
            ("Which film has the highest rating?", ["|---|---:|\n| Seven Samurai | 8.60 |"]),
            ("What is the average runtime per genre?", ["| Action | 184.50 |", "| Drama | 114.75 |"]),
            ("Which director has the most films?", ["|---|---:|\n| Akira Kurosawa | 3 |"]),
            ("What is the rating of Ran?", ["**Ran**: Rating **8.20**"]),
            ("Who replaced the mizzen mast?", ["Ottoline Gray", "log.md"]),
            ("how many directors come from Japan", ["**1** directors with “Japan” in FullName or Country."]),
            ("List films longer than 120 minutes", ["I cannot tell what “longer”, “than”, “120”", "`Runtime`"]),
            ("How many ships are there?", ["The documents do not answer that"]),
        ],
    )
    async def test_facts_of_what_nobody_has_seen(self, foreign: Asked, question: str, facts: list[str]) -> None:
        answer = await foreign(question)
        for fact in facts:
            assert fact in answer

    async def test_rows_of_the_same_name_are_not_taken_for_one(self, tmp_path: Path) -> None:
        with closing(sqlite3.connect(tmp_path / "a.db")) as connection, connection:
            connection.executescript(
                "CREATE TABLE author (id INTEGER PRIMARY KEY, name TEXT);"
                "CREATE TABLE book (id INTEGER PRIMARY KEY, author_id INT REFERENCES author(id));"
                "INSERT INTO author VALUES (1, 'Ann'), (2, 'Ann'); INSERT INTO book VALUES (1, 1), (2, 2), (3, 2);"
            )
        with Workplace(None, tmp_path / "a.db") as workplace:
            asked = Asked(workplace)
            assert "| Ann | 2 |\n| Ann | 1 |" in await asked("Which authors have the most books?")
            assert "name a table or a column" in await asked("Who wrote them?")
            await asked.runner.close()

    async def test_follow_ups_use_what_was_said(self, own: Asked) -> None:
        assert "**9** customers" in await own("How many customers are in Germany?")
        assert own.calls[0] == "list_tables"
        assert "**3** customers" in await own("And in France?")
        assert "list_tables" not in own.calls  # the tables are known by now
        assert "Haruki Sato" in await own("Who leads the Tokyo office?")
        assert "Beatriz Nunes" in await own("And São Paulo?")
        assert "in São Paulo (" in await own("And what time is it there?")

    async def test_what_is_streamed_is_what_is_said_and_it_is_counted(self, own: Asked) -> None:
        config = RunConfig(streaming_mode=StreamingMode.SSE)
        chunks: list[str] = []
        run = own.runner.start(user_id="u", session_id="s", new_message="When is shipping free?", run_config=config)
        async for event in run:
            if event.partial:
                chunks.append(text_of(event.content))
        assert len(chunks) > 10
        assert "".join(chunks) == run.text
        assert (run.usage.candidates_token_count or 0) > len(run.text) // 5
        assert (run.usage.prompt_token_count or 0) > 500
