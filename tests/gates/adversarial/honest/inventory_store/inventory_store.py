"""An inventory in an SQLite database in memory."""

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager

_SCHEMA = """
CREATE TABLE item (sku TEXT PRIMARY KEY, name TEXT NOT NULL, stock INTEGER NOT NULL CHECK (stock >= 0));
CREATE INDEX item_name ON item (name);
"""


class OutOfStockError(Exception):
    """More was taken than there is."""


@contextmanager
def _open_store() -> Iterator[sqlite3.Connection]:
    connection = sqlite3.connect(":memory:")
    connection.row_factory = sqlite3.Row
    try:
        connection.executescript(_SCHEMA)
        yield connection
    finally:
        connection.close()


def _add(connection: sqlite3.Connection, sku: str, name: str, stock: int) -> None:
    with connection:
        connection.execute(
            "INSERT INTO item (sku, name, stock) VALUES (?, ?, ?) ON CONFLICT (sku) DO UPDATE SET stock = stock + excluded.stock",
            (sku, name, stock),
        )


def _take(connection: sqlite3.Connection, sku: str, count: int) -> None:
    with connection:
        cursor = connection.execute(
            "UPDATE item SET stock = stock - ? WHERE sku = ? AND stock >= ?", (count, sku, count)
        )
        if cursor.rowcount == 0:
            raise OutOfStockError(sku)


def apply_movements(movements: list[dict[str, object]]) -> list[dict[str, object]]:
    """The stock after ``movements`` (positive: delivered, negative: taken), by SKU."""
    with _open_store() as connection:
        for movement in movements:
            sku, count = str(movement["sku"]), int(str(movement["count"]))
            if count >= 0:
                _add(connection, sku, sku.upper(), count)
            else:
                _take(connection, sku, -count)
        rows = connection.execute("SELECT sku, name, stock FROM item ORDER BY sku").fetchall()
        return [dict(row) for row in rows]
