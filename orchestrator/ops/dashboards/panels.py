"""What a panel is: one figure, something by day, or something by part; for the pages and for Grafana
alike."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

from orchestrator.ops.dashboards.period import Period
from orchestrator.ops.dashboards.reader import Reader

REPO = "<repo>"
"""Is in an expression where the dashboard of one repo has a matcher, and the others have nothing."""


class Unit(StrEnum):
    """What a number counts. The value is Grafana's word for it."""

    # Grafana's words, so that the files for it need no table of translations.
    NUMBER = "short"
    PERCENT = "percent"
    SECONDS = "s"
    USD = "currencyUSD"
    TIMES = "none"
    HOURS = "h"


@dataclass(frozen=True, slots=True)
class Target:
    """What a figure should be: at least or at most ``bound``, as the launch runbook has it.

    One ``of_all`` repos says nothing about some of them.
    """

    bound: float
    at_least: bool = True
    of_all: bool = False

    def is_met(self, value: float) -> bool:
        """Whether ``value`` is good enough."""
        # Reaching the bound is enough, in both directions.
        return value >= self.bound if self.at_least else value <= self.bound


@dataclass(frozen=True, slots=True)
class Query:
    """A PromQL expression. ``legend`` is Grafana's pattern for the names of its series."""

    expr: str
    legend: str = ""


@dataclass(frozen=True, slots=True)
class Panel:
    """What all panels have. ``drill`` are the filters of the list of flows behind a figure.

    ``note`` says what is counted, ``grafana_note`` what is different in Grafana.
    """

    key: str
    title: str
    unit: Unit
    queries: tuple[Query, ...]
    note: str = ""
    grafana_note: str = ""
    target: Target | None = None
    drill: Mapping[str, str] | None = None

    def find_target(self, reader: Reader) -> Target | None:
        """The target that its numbers are judged by: one of all repos does not judge some of them."""
        # Ten repos with a flow are a goal of the rollout; for one repo, nobody could reach it.
        target = self.target
        return None if target is not None and target.of_all and reader.repos is not None else target


@dataclass(frozen=True, slots=True)
class FigurePanel(Panel):
    """One number."""

    read: Callable[[Reader], float | None] = field(kw_only=True)


@dataclass(frozen=True, slots=True)
class DaysPanel(Panel):
    """Numbers by day: stacked bars, or lines.

    ``read`` gives, by name of the series, the number of each step of the period. Bars may be added up, except
    where they count people: those of two days may be the same.
    """

    read: Callable[[Reader, tuple[Period, ...]], dict[str, list[float | None]]] = field(kw_only=True)
    lines: bool = False
    adds_up: bool = True


@dataclass(frozen=True, slots=True)
class PartsPanel(Panel):
    """Numbers by part, the largest first. ``part`` is the filter of flows that a part's name is a value
    of."""

    read: Callable[[Reader], dict[str, float | None]] = field(kw_only=True)
    part: str = ""


@dataclass(frozen=True, slots=True)
class Dashboard:
    """Panels under a title. ``uid`` is its address in Grafana, as the launch runbook has it."""

    name: str
    title: str
    question: str
    uid: str
    panels: tuple[FigurePanel | DaysPanel | PartsPanel, ...]

    def find_panel(self, key: str) -> FigurePanel | DaysPanel | PartsPanel | None:
        """The panel with that key."""
        return next((panel for panel in self.panels if panel.key == key), None)

    def select(self, kind: type[Any]) -> tuple[Any, ...]:
        """The panels of one kind."""
        # In the order of the page, which is the order of importance.
        return tuple(panel for panel in self.panels if isinstance(panel, kind))
