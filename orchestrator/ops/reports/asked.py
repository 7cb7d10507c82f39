"""Figures that nothing in the system can say: a person writes them down, with a day and where they are from.

A report shows the newest answer whose day is in its period, and asks where there is none.
"""

from dataclasses import dataclass, replace
from typing import Final

from orchestrator.ops.dashboards.panels import FigurePanel, Target, Unit
from orchestrator.ops.dashboards.period import Period
from orchestrator.ops.reports.models import FigureAnswer


@dataclass(frozen=True, slots=True)
class AskedFigure(FigurePanel):
    """A figure that a person has to be asked for."""


def find_answer(key: str, period: Period) -> float | None:
    """What a person said last of the days of ``period``."""
    answers = FigureAnswer.objects.filter(key=key, day__range=(period.first, period.last))
    newest = answers.order_by("-day", "-id").values_list("value", flat=True).first()
    return None if newest is None else float(newest)


def _ask(key: str, title: str, target: Target, note: str) -> AskedFigure:
    return AskedFigure(
        key,
        title,
        Unit.NUMBER,
        (),
        note=note,
        target=target,
        read=lambda reader: find_answer(key, reader.period),
    )


_FIGURES: Final = (
    _ask("p1-incidents", "P1 incidents", Target(0, at_least=False), "Incidents of severity P1."),
    # Below one and below ten days in the runbook; like its other limits, they may just be reached.
    _ask("p2-incidents", "P2 incidents a month", Target(1, at_least=False), "The average of the period."),
    _ask("feedback", "Stakeholder feedback, of 5", Target(4), "The average of the answers."),
    _ask("cycle-time", "Cycle time, days", Target(10, at_least=False), "From request to release."),
    _ask("certified-teams", "Certified teams, percent", Target(75), "Teams with a certified member."),
    _ask("open-tickets", "Open support tickets", Target(9, at_least=False), "At the end of the period."),
)
ASKED: Final[dict[str, AskedFigure]] = {figure.key: figure for figure in _FIGURES}


def ask_figure(key: str, *, judged: bool = True) -> AskedFigure:
    """The asked figure ``key``, with its target where it is ``judged``."""
    return ASKED[key] if judged else replace(ASKED[key], target=None)
