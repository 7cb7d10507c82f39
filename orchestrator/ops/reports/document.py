"""What a report says, as plain values: stored as JSON, answered over REST, written as Markdown and CSV.

A document is complete: what reads it computes nothing. Days and moments are UTC.
"""

import json
from dataclasses import asdict, dataclass
from typing import Any, Self


@dataclass(frozen=True, slots=True)
class ReportLine:
    """One figure. ``words`` and ``target`` are for people, ``met`` is None where there is nothing to judge.

    ``value`` and ``before`` are in ``unit``, ``flows`` is the address of the flows behind the figure.
    """

    key: str
    title: str
    unit: str
    value: float | None
    words: str
    target: str = ""
    met: bool | None = None
    before: float | None = None
    change: str = ""
    note: str = ""
    flows: str = ""


@dataclass(frozen=True, slots=True)
class ReportRow:
    """One row of a table: a part or a day, its numbers in the order of the columns, and its flows."""

    name: str
    values: tuple[float | None, ...]
    words: tuple[str, ...]
    met: bool | None = None
    flows: str = ""


@dataclass(frozen=True, slots=True)
class ReportTable:
    """Figures by part or by day. ``left_out`` says how many smaller parts there are."""

    key: str
    title: str
    unit: str
    columns: tuple[str, ...]
    rows: tuple[ReportRow, ...]
    target: str = ""
    left_out: int = 0


@dataclass(frozen=True, slots=True)
class ReportSection:
    """Figures and tables under a heading."""

    title: str
    lines: tuple[ReportLine, ...]
    tables: tuple[ReportTable, ...]


@dataclass(frozen=True, slots=True)
class ReportAssumption:
    """What the return on spend assumes: a setting, words for it, and its value."""

    setting: str
    title: str
    value: str


@dataclass(frozen=True, slots=True)
class ReportDocument:
    """A report of a period, of all repos where ``repo`` is empty.

    ``first`` and ``last`` are days, both within. ``since`` and ``until`` are the moments between which things
    count: midnights, or those of the last so many hours.
    """

    kind: str
    title: str
    repo: str
    first: str
    last: str
    since: str
    until: str
    sections: tuple[ReportSection, ...]
    assumptions: tuple[ReportAssumption, ...]

    def find_line(self, key: str) -> ReportLine | None:
        """The first line with that key."""
        return next((line for section in self.sections for line in section.lines if line.key == key), None)

    def find_table(self, key: str) -> ReportTable | None:
        """The first table with that key."""
        # Keys are unique within a document: the first is the only one.
        tables = (table for section in self.sections for table in section.tables)
        return next((table for table in tables if table.key == key), None)

    def to_json(self) -> dict[str, Any]:
        """Plain values: what JSON gives back is equal to them."""
        # Through JSON: tuples become lists, as they come back from the database, so both compare equal.
        content: dict[str, Any] = json.loads(json.dumps(asdict(self)))
        return content

    @classmethod
    def from_json(cls, content: dict[str, Any]) -> Self:
        """A document that was stored; what later releases add has its default."""
        sections = tuple(_read_section(one) for one in content["sections"])
        assumptions = tuple(ReportAssumption(**one) for one in content["assumptions"])
        # Fields that an older release did not write take their defaults; unknown ones stop here, loudly.
        return cls(**{**content, "sections": sections, "assumptions": assumptions})


def _read_section(content: dict[str, Any]) -> ReportSection:
    lines = tuple(ReportLine(**one) for one in content["lines"])
    return ReportSection(content["title"], lines, tuple(map(_read_table, content["tables"])))


def _read_table(content: dict[str, Any]) -> ReportTable:
    # JSON has lists only; the frozen classes hold tuples.
    rows = tuple(
        ReportRow(**{**row, "values": tuple(row["values"]), "words": tuple(row["words"])})
        for row in content["rows"]
    )
    return ReportTable(**{**content, "columns": tuple(content["columns"]), "rows": rows})
