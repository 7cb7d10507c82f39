"""A pipeline of generators over log lines."""

import re
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

_LINE = re.compile(r"^(?P<level>[A-Z]+) (?P<source>[\w.]+): (?P<message>.*)$")


@dataclass(frozen=True, slots=True)
class Record:
    level: str
    source: str
    message: str


def _parse(lines: Iterable[str]) -> Iterator[Record]:
    for line in lines:
        if match := _LINE.match(line.strip()):
            yield Record(**match.groupdict())


def _at_least(records: Iterable[Record], level: str) -> Iterator[Record]:
    order = ["DEBUG", "INFO", "WARNING", "ERROR"]
    floor = order.index(level)
    yield from (record for record in records if record.level in order and order.index(record.level) >= floor)


def messages(lines: list[str], level: str) -> Iterator[str]:
    """The messages of records of ``level`` or above, with their source."""
    for record in _at_least(_parse(lines), level):
        yield f"[{record.source}] {record.message}"


def count_by_source(lines: list[str]) -> dict[str, int]:
    """How many records each source wrote, most first."""
    return dict(Counter(record.source for record in _parse(lines)).most_common())
