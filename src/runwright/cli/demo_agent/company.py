# SPDX-License-Identifier: Apache-2.0
"""What the demo works on when no folder and no database is named: the papers and the books of a small tea importer.

The company, its people and its figures are made up. The same rows come out on every machine.
"""

import os
import random
import sqlite3
from contextlib import closing
from datetime import date, timedelta
from pathlib import Path

COMPANY = "Kettle & Crane"
PAPERS = Path(__file__).with_name("papers")
"""The folder with the company's papers, in Markdown."""

_Order = tuple[int, int, int, int, float, str, str]


def create_database(path: str | os.PathLike[str]) -> None:
    """Fill a new SQLite file with the company's books: 24 products, 40 customers and 320 orders.

    Raises:
        sqlite3.OperationalError: The file cannot be made, or has these tables already.
    """
    # Only randrange and choice: their sequences are the same in every Python version.
    dice = random.Random(1887)
    customers = _customer_rows(dice)
    orders = _order_rows(dice, customer_count=len(customers))
    with closing(sqlite3.connect(path)) as connection, connection:
        connection.executescript(_SCHEMA)
        connection.executemany(
            "INSERT INTO products VALUES (?, ?, ?, ?, ?, ?, ?)",
            [(number, *product, dice.randrange(0, 900)) for number, product in enumerate(_PRODUCTS, 1)],
        )
        connection.executemany("INSERT INTO customers VALUES (?, ?, ?, ?, ?)", customers)
        connection.executemany("INSERT INTO orders VALUES (?, ?, ?, ?, ?, ?, ?)", orders)


def _customer_rows(dice: random.Random) -> list[tuple[int, str, str, str, str]]:
    rows: list[tuple[int, str, str, str, str]] = []
    for number in range(1, 41):
        # Each pair of words once: 8 and 5 have no common factor.
        name = f"{_FIRST_WORDS[number % 8]} {_SECOND_WORDS[number % 5]}"
        city, country = dice.choice(_CITIES)
        rows.append((number, name, dice.choice(("cafe", "shop", "hotel", "online")), city, country))
    return rows


def _order_rows(dice: random.Random, *, customer_count: int) -> list[_Order]:
    rows: list[_Order] = []
    for number in range(1, 321):
        # Some customers and some teas are favourites: the lower of two throws.
        customer = 1 + min(dice.randrange(customer_count), dice.randrange(customer_count))
        product = 1 + min(dice.randrange(len(_PRODUCTS)), dice.randrange(len(_PRODUCTS)))
        quantity = dice.randrange(1, 41)
        ordered_on = date(2025, 1, 2) + timedelta(days=number * 178 // 320)
        status = "open" if number > 300 else "shipped" if number > 270 else dice.choice(_PAST_STATUSES)
        rows.append(
            (number, customer, product, quantity, _PRODUCTS[product - 1][4], ordered_on.isoformat(), status),
        )
    return rows


_SCHEMA = """
CREATE TABLE products (
    id INTEGER PRIMARY KEY, name TEXT NOT NULL, kind TEXT NOT NULL, origin TEXT NOT NULL, supplier TEXT NOT NULL,
    price REAL NOT NULL, stock INTEGER NOT NULL
);
CREATE TABLE customers (
    id INTEGER PRIMARY KEY, name TEXT NOT NULL, kind TEXT NOT NULL, city TEXT NOT NULL, country TEXT NOT NULL
);
CREATE TABLE orders (
    id INTEGER PRIMARY KEY, customer_id INTEGER NOT NULL REFERENCES customers(id),
    product_id INTEGER NOT NULL REFERENCES products(id), quantity INTEGER NOT NULL, unit_price REAL NOT NULL,
    ordered_on TEXT NOT NULL, status TEXT NOT NULL
);
CREATE VIEW monthly_revenue AS
    SELECT substr(ordered_on, 1, 7) AS month, count(*) AS orders, round(sum(quantity * unit_price), 2) AS revenue
    FROM orders WHERE status NOT IN ('cancelled', 'returned') GROUP BY month;
"""

_PAST_STATUSES = ("delivered",) * 16 + ("returned", "cancelled")
_FIRST_WORDS = ("Blue", "Copper", "Quiet", "Morning", "Harbour", "Willow", "Paper", "Lantern")
_SECOND_WORDS = ("Teahouse", "Kettle", "Leaf Company", "Provisions", "Corner")
_CITIES = (
    ("Berlin", "Germany"), ("Hamburg", "Germany"), ("Vienna", "Austria"), ("Zurich", "Switzerland"),
    ("Paris", "France"), ("London", "United Kingdom"), ("Edinburgh", "United Kingdom"), ("Dublin", "Ireland"),
    ("Copenhagen", "Denmark"), ("Lisbon", "Portugal"), ("New York", "United States"), ("Toronto", "Canada"),
    ("São Paulo", "Brazil"), ("Tokyo", "Japan"), ("Singapore", "Singapore"), ("Sydney", "Australia"),
)  # fmt: skip

# Name, kind, origin, supplier, price of a 100 g bag in euros.
_PRODUCTS: tuple[tuple[str, str, str, str, float], ...] = (
    ("Assam Breakfast", "black", "India", "Dihing Valley Estate", 5.90),
    ("Darjeeling First Flush", "black", "India", "Margaret's Ridge", 14.50),
    ("Earl Grey", "black", "India", "Dihing Valley Estate", 6.40),
    ("Sencha", "green", "Japan", "Okumidori Growers", 9.80),
    ("Jasmine Pearls", "green", "China", "Fuding Tea Cooperative", 12.90),
    ("Peppermint", "herbal", "Egypt", "Nile Delta Herbs", 4.20),
    ("Genmaicha", "green", "Japan", "Okumidori Growers", 8.40),
    ("Ceylon Orange Pekoe", "black", "Sri Lanka", "Uva Highlands", 6.80),
    ("Dragon Well", "green", "China", "Fuding Tea Cooperative", 16.20),
    ("Masala Chai", "black", "India", "Dihing Valley Estate", 6.90),
    ("Tie Guan Yin", "oolong", "China", "Fuding Tea Cooperative", 13.40),
    ("Kenya Gold Tips", "black", "Kenya", "Kericho Smallholders", 7.20),
    ("Alishan High Mountain", "oolong", "Taiwan", "Chiayi Mist Garden", 19.80),
    ("Rooibos", "herbal", "South Africa", "Cederberg Farmers", 4.90),
    ("Silver Needle", "white", "China", "Fuding Tea Cooperative", 24.00),
    ("Chamomile", "herbal", "Egypt", "Nile Delta Herbs", 4.40),
    ("White Peony", "white", "China", "Fuding Tea Cooperative", 15.60),
    ("Matcha Ceremonial", "green", "Japan", "Okumidori Growers", 42.00),
    ("Oriental Beauty", "oolong", "Taiwan", "Chiayi Mist Garden", 22.50),
    ("Ripe Pu-erh", "dark", "China", "Menghai Old Trees", 11.80),
    ("Gyokuro", "green", "Japan", "Okumidori Growers", 31.00),
    ("Lemongrass Ginger", "herbal", "Sri Lanka", "Uva Highlands", 4.60),
    ("Nepal Golden Ilam", "black", "Nepal", "Ilam Hill Growers", 12.20),
    ("Raw Pu-erh 2012", "dark", "China", "Menghai Old Trees", 38.50),
)
