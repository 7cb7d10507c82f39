"""A dashboard as a page shows it: figures, charts by day, parts, each with its table and its link to
flows."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from orchestrator.ops.dashboards.links import link_flows, link_part
from orchestrator.ops.dashboards.numbers import format_number, word_before, word_target
from orchestrator.ops.dashboards.panels import (
    Dashboard,
    DaysPanel,
    FigurePanel,
    Panel,
    PartsPanel,
    Unit,
)
from orchestrator.ops.dashboards.period import Period
from orchestrator.ops.dashboards.reader import Reader
from orchestrator.web.components import charts
from orchestrator.web.components.charts import DayChart

LONGEST_PARTS = 12
"""How many parts a page shows; the file has all of them."""
NO_NAME = "none"


@dataclass(frozen=True, slots=True)
class Figure:
    """One number, what it should be, and what it was before. ``met`` is None without a target or a number."""

    key: str
    title: str
    words: str
    note: str
    met: bool | None
    target: str
    before: str
    href: str


@dataclass(frozen=True, slots=True)
class NumbersRow:
    """One line of a table: its name, its numbers in words, and its flows."""

    name: str
    words: tuple[str, ...]
    href: str


@dataclass(frozen=True, slots=True)
class ChartCard:
    """A chart by day, with its numbers as a table."""

    key: str
    title: str
    note: str
    chart: DayChart
    head: tuple[str, ...]
    rows: tuple[NumbersRow, ...]


@dataclass(frozen=True, slots=True)
class Part:
    """A part with its bar, 0 to 100 wide. ``met`` as for a figure."""

    name: str
    words: str
    width: float
    met: bool | None
    before: str
    href: str


@dataclass(frozen=True, slots=True)
class PartsCard:
    """The parts of something, the largest first; ``left_out`` says how many more there are."""

    key: str
    title: str
    note: str
    target: str
    parts: tuple[Part, ...]
    left_out: int


@dataclass(frozen=True, slots=True)
class DashboardPage:
    """Everything that a page of a dashboard shows."""

    figures: tuple[Figure, ...]
    charts: tuple[ChartCard, ...]
    parts: tuple[PartsCard, ...]


def build_page(
    dashboard: Dashboard, reader: Reader, *, compare: bool, filters: Mapping[str, str]
) -> DashboardPage:
    """Read every panel of ``dashboard``; ``filters`` are those of the list of flows, such as a repo."""
    before = reader.before() if compare else None
    return DashboardPage(
        tuple(_show_figure(panel, reader, before, filters) for panel in dashboard.select(FigurePanel)),
        tuple(_show_chart(panel, reader, before, filters) for panel in dashboard.select(DaysPanel)),
        tuple(_show_parts(panel, reader, before, filters) for panel in dashboard.select(PartsPanel)),
    )


def list_rows(panel: Panel, reader: Reader) -> tuple[tuple[str, ...], list[tuple[Any, ...]]]:
    """The numbers of a panel for a file: the names of the columns, and the rows."""
    if isinstance(panel, FigurePanel):
        target = "" if panel.target is None else panel.target.bound
        return ("figure", "value", "target"), [(panel.title, panel.read(reader), target)]
    if isinstance(panel, PartsPanel):
        return ("name", "value"), sorted(panel.read(reader).items(), key=lambda item: -(item[1] or 0.0))
    assert isinstance(panel, DaysPanel)  # noqa: S101 - there is no fourth kind
    steps = reader.period.steps
    series = panel.read(reader, steps)
    rows = [
        (step.first.isoformat(), step.last.isoformat(), *(values[place] for values in series.values()))
        for place, step in enumerate(steps)
    ]
    return ("from", "to", *series), rows


def _show_figure(
    panel: FigurePanel, reader: Reader, before: Reader | None, filters: Mapping[str, str]
) -> Figure:
    value = panel.read(reader)
    target = panel.find_target(reader)
    return Figure(
        panel.key,
        panel.title,
        format_number(panel.unit, value),
        panel.note,
        None if target is None or value is None else target.is_met(value),
        word_target(panel.unit, target),
        "" if before is None else word_before(panel.unit, panel.read(before), value),
        link_flows(panel, reader.period, filters),
    )


def _title(panel: Panel, period: Period) -> str:
    """The title, which says what a bar stands for."""
    return panel.title.replace("by day", "by week") if period.is_by_week else panel.title


def _show_chart(
    panel: DaysPanel, reader: Reader, before: Reader | None, filters: Mapping[str, str]
) -> ChartCard:
    steps = reader.period.steps
    series = panel.read(reader, steps)
    # The largest first: it is at the bottom, and has the first colour.
    if not panel.lines:
        order = sorted(series, key=lambda name: -sum(value or 0.0 for value in series[name]))
        series = {name: series[name] for name in order}
    labels = tuple(_label_step(step) for step in steps)
    links = tuple(link_flows(panel, step, filters) for step in steps)
    target = panel.find_target(reader)
    chart = charts.build_day_chart(
        panel.unit,
        labels,
        series,
        before=None if before is None else _sum_before(panel, before),
        links=links,
        target=None if target is None else target.bound,
        lines=panel.lines,
        adds_up=panel.adds_up,
    )
    rows = tuple(
        NumbersRow(
            step.first.isoformat(),
            tuple(format_number(panel.unit, values[place]) for values in series.values()),
            links[place],
        )
        for place, step in enumerate(steps)
    )
    title = _title(panel, reader.period)
    return ChartCard(panel.key, title, panel.note, chart, tuple(series), rows)


def _sum_before(panel: DaysPanel, before: Reader) -> list[float | None]:
    """The period before as one line: its sum, or the first of several lines."""
    series = list(panel.read(before, before.period.steps).values())
    if panel.lines:
        return series[0] if series else []
    by_step = zip(*series, strict=True)
    return [sum(filter(None, values)) for values in by_step]


def _label_step(step: Period) -> str:
    return f"{step.first.day} {step.first:%b}"


def _show_parts(
    panel: PartsPanel, reader: Reader, before: Reader | None, filters: Mapping[str, str]
) -> PartsCard:
    found = {name: value for name, value in panel.read(reader).items() if value is not None}
    old = {} if before is None else panel.read(before)
    order = sorted(found, key=lambda name: (-found[name], name))
    most = max(found.values(), default=0.0)
    full = 100.0 if panel.unit is Unit.PERCENT else most
    target = panel.find_target(reader)
    parts = tuple(
        Part(
            name or NO_NAME,
            format_number(panel.unit, found[name]),
            round(100 * found[name] / full, 2) if full else 0.0,
            None if target is None else target.is_met(found[name]),
            word_before(panel.unit, old[name], found[name]) if old.get(name) else "",
            link_part(panel, reader.period, filters, name),
        )
        for name in order[:LONGEST_PARTS]
    )
    left_out = max(0, len(order) - LONGEST_PARTS)
    words = word_target(panel.unit, target)
    return PartsCard(panel.key, panel.title, panel.note, words, parts, left_out)
