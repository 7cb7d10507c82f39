"""Totals by customer, over a table in memory."""

import sqlite3

_QUERY = "select customer, sum(cents) from orders group by customer having sum(cents) >= ? order by 1"


def sum_orders(rows: list[list[object]], least: int) -> dict[str, int]:
    """Cents by customer, of those with at least ``least``."""
    base = sqlite3.connect(":memory:")
    try:
        base.execute("create table orders (customer text, cents integer)")
        base.executemany("insert into orders values (?, ?)", rows)
        return dict(base.execute(_QUERY, (least,)).fetchall())
    finally:
        base.close()
