"""Runs the load of one table."""

from collections.abc import Callable, Iterable, Mapping

from pipelines.contract import Column


def select(rows: Iterable[Mapping[str, str]], columns: tuple[Column, ...]) -> list[dict[str, str]]:
    """The agreed columns of each row. A missing one is a ``KeyError`` at 3 a.m.: the comparison must come first."""
    return [{column.name: row[column.name] for column in columns} for row in rows]


def load(rows: Iterable[Mapping[str, str]], columns: tuple[Column, ...], write: Callable[[dict[str, str]], None]) -> int:
    """Write every row and return how many there were."""
    selected = select(rows, columns)
    for row in selected:
        write(row)
    return len(selected)
