"""Build a report: read the panels of its kind over a period, as the dashboards do.

Every figure is a sum over the tables of days, so a report costs the same however many flows are stored. Of
the last so many hours, only those before the first whole day are counted from the rows.
"""

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Final

from blocks.format import canonical
from orchestrator.ops.dashboards.links import link_flows, link_part
from orchestrator.ops.dashboards.numbers import format_number, word_before, word_target
from orchestrator.ops.dashboards.panels import DaysPanel, FigurePanel, PartsPanel, Unit
from orchestrator.ops.dashboards.period import Period, begin_day
from orchestrator.ops.dashboards.reader import Reader
from orchestrator.ops.dashboards.roi import RoiAssumptions
from orchestrator.ops.reports.asked import AskedFigure
from orchestrator.ops.reports.document import (
    ReportAssumption,
    ReportDocument,
    ReportLine,
    ReportRow,
    ReportSection,
    ReportTable,
)
from orchestrator.ops.reports.report_kind import ReportKind, SectionPlan
from orchestrator.ops.reports.standing import build_standing

LONGEST_PARTS: Final = 100
"""Rows of a table; callers name block families, so they are not bounded otherwise."""
ASK: Final = "ask a person"
_DIGITS: Final = 6
"""Decimals that are kept: the order in which a database adds floats shows after them."""


def build_report(
    kind: ReportKind, period: Period, repo: str = "", assumed: RoiAssumptions | None = None
) -> ReportDocument:
    """The report of ``period``, of one repo or of all.

    Built again for a period that is over, from the same rows and with the same assumptions, it is the same.
    """
    # One reader for all sections: sums that two panels ask for are read once.
    reader = Reader(period, (repo,) if repo else None, assumed)
    before = reader.before() if kind.compare else None
    filters = {"repo": repo} if repo else {}
    since, until = find_bounds(period)
    sections = [_build_section(plan, reader, before, filters) for plan in kind.sections]
    # What all repos share is not shown to one of them.
    if period.since is not None and not repo:
        sections.append(build_standing())
    return ReportDocument(
        kind.name,
        kind.title,
        repo,
        period.first.isoformat(),
        period.last.isoformat(),
        canonical.format_time(since),
        canonical.format_time(until),
        tuple(sections),
        tuple(ReportAssumption(*one) for one in reader.assumed.describe()),
    )


def find_bounds(period: Period) -> tuple[datetime, datetime]:
    """The moments between which things count in ``period``."""
    if period.since is not None:
        return period.since, period.since + timedelta(days=period.length)
    return begin_day(period.first), begin_day(period.last + timedelta(days=1))


def _build_section(
    plan: SectionPlan, reader: Reader, before: Reader | None, filters: Mapping[str, str]
) -> ReportSection:
    lines, tables = [], []
    for panel in plan.panels:
        match panel:
            # An asked figure is a figure panel, too, and takes the first way.
            case FigurePanel():
                lines.append(_build_line(panel, reader, before, filters))
            case PartsPanel():
                tables.append(_build_parts(panel, reader, filters))
            case DaysPanel():
                tables.append(_build_days(panel, reader, filters))
    return ReportSection(plan.title, tuple(lines), tuple(tables))


def _build_line(
    panel: FigurePanel, reader: Reader, before: Reader | None, filters: Mapping[str, str]
) -> ReportLine:
    # Rounded before it is judged: what is shown and what the target says can then not contradict.
    value = _round(panel.read(reader))
    old = None if before is None else _round(panel.read(before))
    target = panel.find_target(reader)
    return ReportLine(
        panel.key,
        panel.title,
        panel.unit.value,
        value,
        ASK if value is None and isinstance(panel, AskedFigure) else format_number(panel.unit, value),
        word_target(panel.unit, target),
        None if target is None or value is None else target.is_met(value),
        old,
        "" if before is None else word_before(panel.unit, old, value),
        panel.note,
        link_flows(panel, reader.period, filters),
    )


def _build_parts(panel: PartsPanel, reader: Reader, filters: Mapping[str, str]) -> ReportTable:
    # A part without a value has nothing to compare, and no place in an order by size.
    found = {name: _round(value) for name, value in panel.read(reader).items() if value is not None}
    # By name where sizes are equal: the report made again must have the same order.
    order = sorted(found, key=lambda name: (-(found[name] or 0.0), name))
    target = panel.find_target(reader)
    rows = tuple(
        ReportRow(
            name or "none",
            (found[name],),
            (format_number(panel.unit, found[name]),),
            None if target is None else target.is_met(found[name] or 0.0),
            link_part(panel, reader.period, filters, name),
        )
        for name in order[:LONGEST_PARTS]
    )
    left_out = max(0, len(order) - LONGEST_PARTS)
    words = word_target(panel.unit, target)
    return ReportTable(panel.key, panel.title, panel.unit.value, ("value",), rows, words, left_out)


def _build_days(panel: DaysPanel, reader: Reader, filters: Mapping[str, str]) -> ReportTable:
    steps = reader.period.steps
    series = panel.read(reader, steps)
    target = panel.find_target(reader)
    rows = []
    for place, step in enumerate(steps):
        values = tuple(_round(numbers[place]) for numbers in series.values())
        words = tuple(_format_cell(panel.unit, value) for value in values)
        flows = link_flows(panel, step, filters)
        judged = [] if target is None else [target.is_met(value) for value in values if value is not None]
        # One day below the target has missed it, also where another series of that day is above.
        met = all(judged) if judged else None
        rows.append(ReportRow(step.first.isoformat(), values, words, met, flows))
    title = panel.title.replace("by day", "by week") if reader.period.is_by_week else panel.title
    goal = word_target(panel.unit, target)
    return ReportTable(panel.key, title, panel.unit.value, tuple(series), tuple(rows), goal)


def _format_cell(unit: Unit, value: float | None) -> str:
    return "" if value is None else format_number(unit, value)


def _round(value: float | None) -> float | None:
    return None if value is None else round(value, _DIGITS)
