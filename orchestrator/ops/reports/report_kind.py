"""What a kind of report is: a module in ``kinds/`` with its panels and its periods, and a line in
``REPORT_KINDS``.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import date
from typing import Any, Final

from orchestrator.core.registry import Registry
from orchestrator.ops.dashboards.description import DASHBOARDS
from orchestrator.ops.dashboards.panels import DaysPanel, FigurePanel, PartsPanel
from orchestrator.ops.dashboards.period import Period
from orchestrator.ops.reports.document import ReportDocument

PLAIN_MESSAGE: Final = "report"
"""The template of a message that is the whole report."""


@dataclass(frozen=True, slots=True)
class SectionPlan:
    """Panels of the dashboards under a heading: a report computes no figure of its own."""

    title: str
    panels: tuple[FigurePanel | DaysPanel | PartsPanel, ...]


def _name_nothing(_: ReportDocument) -> Mapping[str, Any]:
    return {}


@dataclass(frozen=True, slots=True)
class ReportKind:
    """One kind of report.

    ``find_period`` gives the period that ends with a day, or None where none does: the schedule asks it for
    each day that is over. Only what is ``for_one_repo`` may be asked for one repo. ``message`` is the
    template that subscribers get, filled in with ``values``. ``files`` are names of files with the titles of
    their sections.
    """

    name: str
    title: str
    sections: tuple[SectionPlan, ...]
    find_period: Callable[[date], Period | None]
    # Comparing reads twice as much, so only the report whose readers ask for it does.
    compare: bool = False
    for_one_repo: bool = False
    message: str = PLAIN_MESSAGE
    values: Callable[[ReportDocument], Mapping[str, Any]] = _name_nothing
    files: Mapping[str, tuple[str, ...]] = field(default_factory=dict)

    @property
    def topic(self) -> str:
        """What people subscribe to."""
        return f"report.{self.name}"


def find_figure(key: str) -> FigurePanel:
    """The figure of the dashboards that is called ``key``."""
    # A key that no dashboard has ends the import with StopIteration: a typo is found at start, not on Friday.
    found = [dashboard.find_panel(key) for dashboard in DASHBOARDS]
    return next(panel for panel in found if isinstance(panel, FigurePanel))


def find_table(key: str) -> DaysPanel | PartsPanel:
    """The chart or the parts of the dashboards that are called ``key``."""
    found = [dashboard.find_panel(key) for dashboard in DASHBOARDS]
    return next(panel for panel in found if isinstance(panel, DaysPanel | PartsPanel))


REPORT_KINDS: Final[Registry[ReportKind]] = Registry(
    "report",
    {
        # By path: the kinds import this module, so it cannot import them.
        "daily": "orchestrator.ops.reports.kinds.daily:KIND",
        "weekly": "orchestrator.ops.reports.kinds.weekly:KIND",
        "soak": "orchestrator.ops.reports.kinds.soak:KIND",
        "rollout": "orchestrator.ops.reports.kinds.rollout:KIND",
    },
)
