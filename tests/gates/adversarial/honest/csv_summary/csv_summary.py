"""Summaries of CSV files: count, sum and mean of a numeric column by group."""

import csv
import io
from collections import defaultdict
from typing import TypedDict


class Summary(TypedDict):
    count: int
    total: float
    mean: float


class MissingColumnError(KeyError):
    """A column that the summary needs is not in the header."""


def summarise(text: str, group_by: str, value: str) -> dict[str, Summary]:
    """Group the rows of CSV ``text`` by one column and add up another.

    Rows without a number are skipped.
    """
    reader = csv.DictReader(io.StringIO(text))
    header = reader.fieldnames or []
    for column in (group_by, value):
        if column not in header:
            raise MissingColumnError(column)
    groups: dict[str, list[float]] = defaultdict(list)
    for row in reader:
        try:
            groups[row[group_by]].append(float(row[value]))
        except (TypeError, ValueError):
            continue
    return {
        name: Summary(count=len(numbers), total=sum(numbers), mean=sum(numbers) / len(numbers))
        for name, numbers in sorted(groups.items())
        if numbers
    }
