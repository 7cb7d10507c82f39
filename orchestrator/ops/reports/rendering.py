"""A report as Markdown, for people and mails, and as CSV, for spreadsheets.

A target that was missed has a red cross on its line and nothing else has one, so
``grep "❌"`` finds what the launch runbook looks for.
"""

import csv
import io
import re
from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime
from typing import Final

from orchestrator.ops.dashboards.csv_cells import escape_cell
from orchestrator.ops.reports.document import ReportDocument, ReportLine, ReportSection, ReportTable

MISSED: Final = "❌"
MET: Final = "✅"
OPEN: Final = "⚪"
"""There is a target, and nothing to judge by it."""
SHOWN_PARTS: Final = 12
"""How many parts people are shown; JSON and CSV have more."""
# What could open a link, a table cell, a heading or HTML in Markdown. Names come from callers.
_MARKDOWN: Final = re.compile(r"([\\`*_\[\]<>|#])")


def render_markdown(document: ReportDocument, base: str = "") -> str:
    """The whole report. ``base`` is what addresses of flows begin with: ``https://blocks.example.org``."""
    parts = [f"# {word_title(document)}", word_scope(document)]
    parts += [render_section(section, base) for section in document.sections]
    parts.append(render_assumptions(document))
    return "\n\n".join(parts) + "\n"


def word_title(document: ReportDocument) -> str:
    """The title with its days: ``Daily report: 2026-11-29``."""
    # One day is named once: "2026-11-29 to 2026-11-29" reads like a mistake.
    days = document.first if document.first == document.last else f"{document.first} to {document.last}"
    return f"{document.title}: {days}"


def word_scope(document: ReportDocument) -> str:
    """Between which moments things count, and of which repos."""
    since, until = (datetime.fromisoformat(moment) for moment in (document.since, document.until))
    repos = f"The repo {_escape(document.repo)}." if document.repo else "All repos."
    return f"From {since:%Y-%m-%d %H:%M} to {until:%Y-%m-%d %H:%M} UTC. {repos}"


def render_section(section: ReportSection, base: str = "") -> str:
    """A heading, a line for each figure, and the tables."""
    parts = [f"## {section.title}"]
    if section.lines:
        parts.append("\n".join(render_line(line, base) for line in section.lines))
    # A sum of verdicts says something only where every line has one.
    if section.lines and all(line.target for line in section.lines):
        parts.append(_summarise(section.lines))
    parts += [_render_table(table, base) for table in section.tables]
    return "\n\n".join(parts)


def render_line(line: ReportLine, base: str = "") -> str:
    """``- Success rate: 98.7 % (target: at least 99 %) ❌ ([flows](/flows/?ended=failed))``."""
    words = [f"- {line.title}: {line.words}"]
    if line.target:
        words.append(f"(target: {line.target}) {mark(line)}")
    if line.change:
        words.append(f"({line.change})")
    if line.flows:
        words.append(f"([flows]({base}{line.flows}))")
    return " ".join(words)


def mark(line: ReportLine) -> str:
    """Whether the target was met, as a sign; empty without a target."""
    if not line.target:
        return ""
    # None is not False: what nobody has measured was not missed.
    return {True: MET, False: MISSED, None: OPEN}[line.met]


def render_assumptions(document: ReportDocument) -> str:
    """What the return on spend assumes."""
    lines = (f"- {one.title}: {_escape(one.value)}" for one in document.assumptions)
    return "\n".join(("## Assumptions of the return on spend", "", *lines))


def render_csv(document: ReportDocument, base: str = "") -> str:
    """One row for each number: of a figure, of a part, of a day."""
    file = io.StringIO()
    # Unix line ends: the file goes through grep and awk before it goes into a spreadsheet.
    writer = csv.writer(file, lineterminator="\n")
    writer.writerow(("section", "key", "name", "column", "value", "unit", "target", "met", "flows"))
    for section in document.sections:
        for row in _list_cells(section):
            # The address is completed here, because a spreadsheet has no site that it is relative to.
            *cells, flows = row
            cells.append(f"{base}{flows}" if flows else "")
            writer.writerow([escape_cell(cell) for cell in (section.title, *cells)])
    return file.getvalue()


def _summarise(lines: Sequence[ReportLine]) -> str:
    judged = [line.met for line in lines]
    met, missed, open_ones = (judged.count(verdict) for verdict in (True, False, None))
    return f"{met} of {len(judged)} met, {missed} missed, {open_ones} open."


def _render_table(table: ReportTable, base: str) -> str:
    title = f"**{table.title}**" + (f" (target: {table.target})" if table.target else "")
    if not table.rows:
        return f"{title}: nothing"
    head = ["", *map(_escape, table.columns), ""]
    lines = [f"{title}", "", _join(head), _join("---" for _ in head)]
    # Days are all shown: a gap in a row of days would look like a day without flows.
    shown = table.rows[:SHOWN_PARTS] if table.columns == ("value",) else table.rows
    for row in shown:
        name = f"[{_escape(row.name)}]({base}{row.flows})" if row.flows else _escape(row.name)
        lines.append(_join((name, *row.words, {True: MET, False: MISSED, None: ""}[row.met])))
    more = len(table.rows) - len(shown) + table.left_out
    if more:
        lines += ["", f"and {more} more"]
    return "\n".join(lines)


def _join(cells: Iterable[str]) -> str:
    return f"| {' | '.join(cells)} |"


def _list_cells(section: ReportSection) -> Iterator[tuple[object, ...]]:
    for line in section.lines:
        yield (line.key, line.title, "", line.value, line.unit, line.target, line.met, line.flows)
    for table in section.tables:
        for row in table.rows:
            for column, value in zip(table.columns, row.values, strict=True):
                yield (table.key, row.name, column, value, table.unit, table.target, row.met, row.flows)


def _escape(text: str) -> str:
    """A name of others in one line, without meaning to Markdown."""
    return _MARKDOWN.sub(r"\\\1", " ".join(text.split()))
