# SPDX-License-Identifier: Apache-2.0
"""The demo's other tools, on real databases and a clock that stands still, and the data that the demo brings."""

import sqlite3
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from runwright.cli.demo_agent.clock import WorldClock
from runwright.cli.demo_agent.company import PAPERS, create_database
from runwright.cli.demo_agent.database import ReadOnlyDatabase

FRIDAY_NOON = datetime(2025, 7, 4, 12, 30, tzinfo=UTC)
# What a model, or somebody who wants to break one, may send: also halves of surrogate pairs, which JSON can carry.
ANY_TEXT = st.text(st.characters(exclude_categories=())) | st.text("ab \"*^():-+{}'%NEARANDORT\0", max_size=20)


@pytest.fixture(scope="module")
def company(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("demo") / "company.db"
    create_database(path)
    return path


@pytest.fixture(scope="module")
def books(company: Path) -> ReadOnlyDatabase:
    return ReadOnlyDatabase(company)


@pytest.fixture(scope="module")
def clock() -> WorldClock:
    return WorldClock(lambda: FRIDAY_NOON)


class TestDatabase:
    def test_tables_with_columns_keys_and_rows(self, books: ReadOnlyDatabase) -> None:
        tables = {table["name"]: table for table in books.list_tables()["tables"]}
        assert {name: table["rows"] for name, table in tables.items()} == {
            "customers": 40,
            "monthly_revenue": 6,
            "orders": 320,
            "products": 24,
        }
        assert tables["monthly_revenue"]["type"] == "view"
        assert tables["orders"]["columns"][:2] == [
            {"name": "id", "type": "INTEGER", "primary_key": True},
            {"name": "customer_id", "type": "INTEGER", "references": "customers.id"},
        ]

    def test_a_query_gives_columns_and_rows(self, books: ReadOnlyDatabase) -> None:
        result = books.query_database("SELECT name, price FROM products ORDER BY price DESC LIMIT 2;")
        assert result == {
            "columns": ["name", "price"],
            "rows": [["Matcha Ceremonial", 42.0], ["Raw Pu-erh 2012", 38.5]],
            "row_count": 2,
            "truncated": False,
        }

    def test_rows_are_bounded_and_it_is_said(self, books: ReadOnlyDatabase) -> None:
        assert books.query_database("SELECT * FROM orders", 10)["truncated"] is True
        assert books.query_database("SELECT * FROM orders", 10_000)["row_count"] == 200
        assert books.query_database("SELECT * FROM products", 24)["truncated"] is False

    @pytest.mark.parametrize(
        "sql",
        [
            "DELETE FROM orders",
            "UPDATE products SET price = 0 RETURNING id",
            "INSERT INTO customers SELECT * FROM customers",
            "WITH a AS (SELECT 1) DELETE FROM orders",
            "REPLACE INTO customers SELECT * FROM customers",
            "DROP TABLE orders",
            "CREATE TABLE t (a)",
            "CREATE TEMP TABLE t AS SELECT 1",
            "ATTACH '{folder}/other.db' AS other",
            "VACUUM INTO '{folder}/copy.db'",
            "PRAGMA journal_mode = WAL",
            "PRAGMA writable_schema = 1",
            "BEGIN EXCLUSIVE",
            "SELECT load_extension('x')",
            "ANALYZE",
        ],
    )
    def test_nothing_but_reading(self, company: Path, tmp_path: Path, books: ReadOnlyDatabase, sql: str) -> None:
        before = company.read_bytes()
        result = books.query_database(sql.format(folder=tmp_path))
        assert "Only reading is allowed" in result["error"]
        assert "products" in result["tables"]
        assert company.read_bytes() == before
        assert list(tmp_path.iterdir()) == []

    def test_one_statement_only(self, books: ReadOnlyDatabase) -> None:
        assert "one statement" in books.query_database("SELECT 1; SELECT 2")["error"]
        assert books.query_database("SELECT 1; -- and no more")["rows"] == [[1]]

    @pytest.mark.parametrize("sql", ["", " ; ", "-- only a comment"])
    def test_an_empty_query_is_an_error(self, books: ReadOnlyDatabase, sql: str) -> None:
        assert "orders" in books.query_database(sql)["tables"]

    def test_a_wrong_name_gives_the_tables_and_near_names(self, books: ReadOnlyDatabase) -> None:
        result = books.query_database("SELECT prise FROM products")
        assert "no such column: prise" in result["error"]
        assert result["tables"]["products"][:2] == ["id", "name"]
        assert "no such table: order" in books.query_database("SELECT * FROM order_s")["error"]

    def test_placeholders_are_an_error(self, books: ReadOnlyDatabase) -> None:
        assert "binding" in books.query_database("SELECT ?")["error"]

    def test_reading_pragmas_work(self, books: ReadOnlyDatabase) -> None:
        assert len(books.query_database("PRAGMA table_info(products)")["rows"]) == 7

    def test_a_query_without_end_is_stopped(self, company: Path) -> None:
        books = ReadOnlyDatabase(company, time_limit=0.05)
        endless = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT count(*) FROM n"
        assert "stopped after 0.05 seconds" in books.query_database(endless)["error"]
        assert books.query_database("SELECT 1")["rows"] == [[1]]

    def test_values_that_json_cannot_hold(self, books: ReadOnlyDatabase) -> None:
        sql = "SELECT x'00ff' AS a, 9e999 AS b, -9e999 AS c, NULL AS d, CAST(x'ff41' AS TEXT) AS e, 1 AS a"
        result = books.query_database(sql)
        assert result["columns"] == ["a", "b", "c", "d", "e", "a"]
        assert result["rows"] == [["<2 bytes>", "inf", "-inf", None, "\ufffdA", 1]]
        msgspec.json.encode(result)

    @given(ANY_TEXT)
    def test_any_text_is_answered(self, books: ReadOnlyDatabase, sql: str) -> None:
        msgspec.json.encode(books.query_database(sql))

    def test_odd_databases_are_listed(self, tmp_path: Path) -> None:
        path = tmp_path / "odd #1?.db"
        with closing(sqlite3.connect(path)) as connection, connection:
            connection.executescript(
                'CREATE TABLE "a ""b"" c" ("x y" INTEGER); CREATE VIEW broken AS SELECT * FROM gone;'
                "CREATE VIRTUAL TABLE notes USING fts5(text); INSERT INTO notes VALUES ('green tea');"
            )
        odd = ReadOnlyDatabase(path)
        tables = {table["name"]: table for table in odd.list_tables()["tables"]}
        assert tables['a "b" c']["columns"] == [{"name": "x y", "type": "INTEGER"}]
        assert (tables["broken"]["columns"], tables["broken"]["rows"]) == ([], None)
        assert set(tables) == {'a "b" c', "broken", "notes"}
        assert odd.query_database("SELECT text FROM notes WHERE notes MATCH 'green'")["rows"] == [["green tea"]]
        assert "gone" in odd.query_database("SELECT * FROM broken")["error"]

    @pytest.mark.parametrize("mode", ["delete", "wal"])
    def test_changes_by_others_are_seen(self, tmp_path: Path, mode: str) -> None:
        path = tmp_path / "live.db"
        create_database(path)
        with closing(sqlite3.connect(path)) as connection:
            connection.execute(f"PRAGMA journal_mode = {mode}")
        books = ReadOnlyDatabase(path)
        with closing(sqlite3.connect(path)) as connection, connection:
            connection.execute("DELETE FROM orders")
        assert books.query_database("SELECT count(*) FROM orders")["rows"] == [[0]]
        path.unlink()
        assert "error" in books.query_database("SELECT 1 FROM orders")
        assert "error" in books.list_tables()
        assert not path.exists()

    def test_threads_query_at_once(self, books: ReadOnlyDatabase) -> None:
        with ThreadPoolExecutor(8) as pool:
            results = list(pool.map(books.query_database, [f"SELECT {n}, count(*) FROM orders" for n in range(40)]))
        assert [result["rows"] for result in results] == [[[n, 320]] for n in range(40)]

    def test_a_wrong_file_is_named_at_once(self, tmp_path: Path) -> None:
        with pytest.raises(FileNotFoundError, match=r"no database '.*nowhere.db'"):
            ReadOnlyDatabase(tmp_path / "nowhere.db")
        assert list(tmp_path.iterdir()) == []
        with pytest.raises(ValueError, match="is not a file"):
            ReadOnlyDatabase(tmp_path)
        (tmp_path / "text.db").write_text("this is no database, though it is long enough to be one " * 10)
        with pytest.raises(ValueError, match="file is not a database"):
            ReadOnlyDatabase(tmp_path / "text.db")
        (tmp_path / "empty.db").touch()
        with pytest.raises(ValueError, match="holds no tables"):
            ReadOnlyDatabase(tmp_path / "empty.db")


class TestClock:
    @pytest.mark.parametrize(
        ("place", "name", "zone", "time"),
        [
            ("Tokyo", "Tokyo", "Asia/Tokyo", "21:30"),
            ("new york", "New York", "America/New_York", "08:30"),
            ("NYC", "NYC", "America/New_York", "08:30"),
            ("São Paulo", "São Paulo", "America/Sao_Paulo", "09:30"),
            ("sao  paulo", "São Paulo", "America/Sao_Paulo", "09:30"),
            ("Europe/Paris", "Paris", "Europe/Paris", "14:30"),
            ("europe/paris", "Paris", "Europe/Paris", "14:30"),
            ("Paris, France", "Paris", "Europe/Paris", "14:30"),
            ("Boise, US", "Boise", "America/Boise", "06:30"),
            ("UK", "UK", "Europe/London", "13:30"),
            ("München", "München", "Europe/Berlin", "14:30"),
            ("Darjeeling, India", "Darjeeling", "Asia/Kolkata", "18:00"),
            ("utc", "UTC", "Etc/UTC", "12:30"),
            ("UTC+2", "UTC+02:00", "UTC+02:00", "14:30"),
            ("gmt -3:30", "UTC-03:30", "UTC-03:30", "09:00"),
            ("+0545", "UTC+05:45", "UTC+05:45", "18:15"),
        ],
    )
    def test_places_under_many_names(self, clock: WorldClock, place: str, name: str, zone: str, time: str) -> None:
        result = clock.world_clock(place)
        assert (result["place"], result["timezone"], result["time"]) == (name, zone, time)

    def test_the_whole_answer(self, clock: WorldClock) -> None:
        assert clock.world_clock("tokyo") == {
            "place": "Tokyo",
            "timezone": "Asia/Tokyo",
            "time": "21:30",
            "date": "2025-07-04",
            "weekday": "Friday",
            "utc_offset": "+09:00",
            "summary": "It is 21:30 on Friday, 4 July 2025 in Tokyo (UTC+09:00).",
        }

    def test_summer_time_is_of_the_moment(self) -> None:
        winter = WorldClock(lambda: datetime(2025, 1, 6, 12, tzinfo=UTC))
        assert winter.world_clock("Berlin")["utc_offset"] == "+01:00"

    def test_an_unknown_place_gives_near_names(self, clock: WorldClock) -> None:
        assert clock.world_clock("Toyko")["suggestions"][0] == "Tokyo"
        assert "Singapore" in clock.world_clock("Singapur")["suggestions"]
        assert "Buenos Aires" in clock.world_clock("buenos")["suggestions"]
        assert "Name a larger city" in clock.world_clock("Xyzzyville")["error"]
        for place in ("UTC+99", "Paris, Texas", "Paris, Xyzzy"):
            assert "error" in clock.world_clock(place)

    def test_a_country_with_several_zones_asks_for_a_city(self, clock: WorldClock) -> None:
        assert "name a city, such as Sydney" in clock.world_clock("Australia")["error"]

    @given(ANY_TEXT)
    def test_any_text_is_a_place_or_an_error(self, clock: WorldClock, place: str) -> None:
        result = clock.world_clock(place)
        assert ("time" in result) != ("error" in result)
        msgspec.json.encode(result)


class TestTheCompany:
    def test_every_machine_gets_the_same(self, company: Path, books: ReadOnlyDatabase, tmp_path: Path) -> None:
        create_database(tmp_path / "again.db")
        with closing(sqlite3.connect(company)) as one, closing(sqlite3.connect(tmp_path / "again.db")) as other:
            assert list(one.iterdump()) == list(other.iterdump())
        revenue = books.query_database("SELECT month, orders, revenue FROM monthly_revenue")["rows"]
        assert revenue[0] == ["2025-01", 47, 10033.0]
        assert revenue[-1] == ["2025-06", 51, 11188.3]

    def test_the_books_are_sound(self, company: Path) -> None:
        with closing(sqlite3.connect(company)) as connection:
            assert connection.execute("PRAGMA foreign_key_check").fetchall() == []
            assert connection.execute("PRAGMA integrity_check").fetchall() == [("ok",)]

    def test_papers_and_books_tell_the_same_story(self, books: ReadOnlyDatabase, clock: WorldClock) -> None:
        growers = (PAPERS / "suppliers" / "growers.md").read_text(encoding="utf-8")
        for (supplier,) in books.query_database("SELECT DISTINCT supplier FROM products")["rows"]:
            assert f"**{supplier}**" in growers
        lines = (PAPERS / "offices.md").read_text(encoding="utf-8").splitlines()
        offices = [line[3:].split(" (")[0] for line in lines if line.startswith("## ")]
        assert len(offices) == 7
        for city in offices:
            assert clock.world_clock(city)["place"] == city
