"""Charts of the dashboards as SVG: no script, any width, each bar a link to its flows.

Places are in a box of 100 by 100 that is stretched to the width of the page; words are outside of it, as
HTML.
"""

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import chain

from orchestrator.ops.dashboards.numbers import format_number
from orchestrator.ops.dashboards.panels import Unit

COLOURS = 6
"""How many series have a colour of their own in the style sheet."""
_NAMED = {"passed": "good", "failed": "bad", "cancelled": "soft"}
_ROUND_SECONDS = (
    *(1, 2, 4, 10, 20, 30, 60, 120, 240, 360, 480, 600, 1200, 1800),
    *(3600, 7200, 14400, 28800, 43200),
)
_GAP = 0.22  # of a bar's room


@dataclass(frozen=True, slots=True)
class Shape:
    """A part of a bar, in percent of the box."""

    colour: str
    x: float
    y: float
    width: float
    height: float


@dataclass(frozen=True, slots=True)
class ChartLine:
    """A line through points, as SVG writes them; an interrupted one is several."""

    colour: str
    points: str
    dashed: bool = False


@dataclass(frozen=True, slots=True)
class Column:
    """The room of one step: what it links to, and its numbers in words."""

    x: float
    width: float
    words: str
    href: str


@dataclass(frozen=True, slots=True)
class Legend:
    """A series and its colour."""

    name: str
    colour: str
    total: str


@dataclass(frozen=True, slots=True)
class DayChart:
    """A chart by day. ``ticks`` are the labels of the axis from top to bottom, ``target`` the place of a
    line."""

    shapes: tuple[Shape, ...]
    lines: tuple[ChartLine, ...]
    columns: tuple[Column, ...]
    legend: tuple[Legend, ...]
    ticks: tuple[str, str, str]
    dates: tuple[str, ...]
    target: float | None
    target_words: str

    @property
    def has_before(self) -> bool:
        """Whether the period before is drawn."""
        return any(line.dashed for line in self.lines)

    @property
    def is_empty(self) -> bool:
        """Whether there is nothing to draw."""
        return not self.shapes and not self.lines


def name_colours(names: Sequence[str]) -> dict[str, str]:
    """A colour for each series; those beyond the colours share the last one."""
    return {name: _NAMED.get(name, f"s{min(number, COLOURS - 1)}") for number, name in enumerate(names)}


def find_top(most: float) -> float:
    """The end of an axis: the least of 1, 2, 4, 6 and 8 times a power of ten that is not below ``most``."""
    if most <= 0:
        return 1.0
    power = 10.0 ** math.floor(math.log10(most))
    return next(factor * power for factor in (1, 2, 4, 6, 8, 10) if factor * power >= most * 0.9999)


def find_round_time(most: float) -> float:
    """The end of an axis of seconds: one whose half is a round time, too."""
    return next((float(top) for top in _ROUND_SECONDS if top >= most), 86400 * math.ceil(most / 86400))


def build_day_chart(
    unit: Unit,
    labels: Sequence[str],
    series: Mapping[str, Sequence[float | None]],
    *,
    before: Sequence[float | None] | None,
    links: Sequence[str],
    target: float | None,
    lines: bool,
    adds_up: bool = True,
) -> DayChart:
    """Stacked bars, or lines; ``before`` is the sum of the period before, drawn dashed.

    The legend has the sum of each series that ``adds_up``.
    """
    names = [name for name, values in series.items() if any(values)]
    colours = name_colours(names)
    stacks = [_sum_step(names, series, place) for place in range(len(labels))]
    singles = _list_known(chain.from_iterable(series[name] for name in names))
    tallest = singles if lines else stacks
    heights = [*tallest, *_list_known(before or ())]
    most = max(heights, default=0.0)
    # A target has to be on the scale.
    top = _choose_top(unit, max(most, target or 0.0))
    shapes = () if lines else _stack(names, series, colours, len(labels), top)
    drawn = _draw_lines(names, series, colours, top) if lines else ()
    if before is not None and any(before):
        drawn += tuple(ChartLine("before", points, dashed=True) for points in _connect(before, top))
    width = 100 / max(len(labels), 1)
    columns = tuple(
        Column(round(place * width, 3), round(width, 3), _tell(unit, label, names, series, place), link)
        for place, (label, link) in enumerate(zip(labels, links, strict=True))
    )
    # A sum of percentages or of quantiles means nothing.
    has_totals = adds_up and not lines
    legend = tuple(
        Legend(name, colours[name], _add_up(unit, series[name]) if has_totals else "") for name in names
    )
    return DayChart(
        shapes,
        drawn,
        columns,
        legend,
        (format_number(unit, top), format_number(unit, top / 2), format_number(unit, 0.0)),
        _choose_dates(labels),
        None if target is None else round(100 - 100 * target / top, 2),
        "" if target is None else format_number(unit, target),
    )


def _choose_top(unit: Unit, most: float) -> float:
    if unit is Unit.PERCENT:
        # A scale of percent that ended at 200 would be nonsense.
        return 100.0
    if unit is Unit.SECONDS:
        return find_round_time(most)
    top = find_top(most)
    # Half a flow would be in the middle of the axis.
    return max(top, 2.0) if unit is Unit.NUMBER else top


def _list_known(values: Iterable[float | None]) -> list[float]:
    return [value for value in values if value is not None]


def _sum_step(names: Sequence[str], series: Mapping[str, Sequence[float | None]], place: int) -> float:
    return sum(series[name][place] or 0.0 for name in names)


def _stack(
    names: Sequence[str],
    series: Mapping[str, Sequence[float | None]],
    colours: Mapping[str, str],
    steps: int,
    top: float,
) -> tuple[Shape, ...]:
    width = 100 / max(steps, 1)
    found = []
    for place in range(steps):
        under = 0.0
        for name in names:
            height = 100 * (series[name][place] or 0.0) / top
            if height:
                x = width * (place + _GAP / 2)
                y = 100 - under - height
                found.append(
                    Shape(
                        colours[name],
                        round(x, 3),
                        round(y, 3),
                        round(width * (1 - _GAP), 3),
                        round(height, 3),
                    )
                )
            under += height
    return tuple(found)


def _draw_lines(
    names: Sequence[str],
    series: Mapping[str, Sequence[float | None]],
    colours: Mapping[str, str],
    top: float,
) -> tuple[ChartLine, ...]:
    return tuple(ChartLine(colours[name], points) for name in names for points in _connect(series[name], top))


def _connect(values: Sequence[float | None], top: float) -> list[str]:
    """Points of the lines through ``values``; a missing one interrupts."""
    width = 100 / max(len(values), 1)
    runs: list[list[str]] = [[]]
    for place, value in enumerate(values):
        if value is None:
            runs.append([])
            continue
        y = max(0.0, 100 - 100 * value / top)
        runs[-1].append(f"{width * (place + 0.5):.2f},{y:.2f}")
    # One point alone is drawn as a line to itself, which round ends make a dot.
    return [" ".join(run if len(run) > 1 else run * 2) for run in runs if run]


def _tell(
    unit: Unit, label: str, names: Sequence[str], series: Mapping[str, Sequence[float | None]], place: int
) -> str:
    parts = [f"{name} {format_number(unit, series[name][place])}" for name in names]
    return f"{label}: {', '.join(parts) or 'nothing'}"


def _add_up(unit: Unit, values: Sequence[float | None]) -> str:
    return format_number(unit, sum(value or 0.0 for value in values))


def _choose_dates(labels: Sequence[str]) -> tuple[str, ...]:
    """The first, the middle and the last label; all of a short week would not fit on a phone."""
    if len(labels) < 3:
        return tuple(labels)
    return (labels[0], labels[len(labels) // 2], labels[-1])
