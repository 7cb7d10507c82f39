"""Figures that the system cannot say, or not always: a person writes them down, with a day and a source.

Records come first where a figure has some. Without them a report shows the newest answer whose day is in its
period, and asks where there is none.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass, replace
from decimal import ROUND_DOWN, Decimal
from typing import Final

from orchestrator.ops.dashboards.panels import FigurePanel, Target, Unit
from orchestrator.ops.dashboards.period import Period
from orchestrator.ops.dashboards.reader import Reader
from orchestrator.ops.incidents.open_incidents import count_detected
from orchestrator.ops.reports.models import FigureAnswer
from orchestrator.ops.training.models import FeedbackSubject
from orchestrator.ops.training.standing import average_feedback, read_certified_teams

_MONTH_DAYS: Final = 30


@dataclass(frozen=True, slots=True)
class AskedFigure(FigurePanel):
    """A figure that a person has to be asked for."""


def find_answer(key: str, period: Period) -> float | None:
    """What a person said last of the days of ``period``."""
    answers = FigureAnswer.objects.filter(key=key, day__range=(period.first, period.last))
    newest = answers.order_by("-day", "-id").values_list("value", flat=True).first()
    return None if newest is None else float(newest)


def _read_nothing(_: Period) -> float | None:
    return None


def _count_p1(period: Period) -> float | None:
    # That there is none on record does not prove that there was none: a person has to say so.
    return float(count_detected("P1", period.first, period.last)) or None


def _average_p2(period: Period) -> float | None:
    count = count_detected("P2", period.first, period.last)
    # Rounded up: a little over one is not one.
    return math.ceil(10 * count * _MONTH_DAYS / period.length) / 10 or None


def _average_stakeholders(period: Period) -> float | None:
    stars, _ = average_feedback(FeedbackSubject.ORCHESTRATOR, period.first, period.last)
    # Cut to the digit that is shown: 3.99 is not 4.
    return None if stars is None else float(stars.quantize(Decimal("0.1"), ROUND_DOWN))


def _share_certified(period: Period) -> float | None:
    share = read_certified_teams(period.last)
    return None if share is None else float(share)


def _ask(
    key: str,
    title: str,
    target: Target,
    note: str,
    read_records: Callable[[Period], float | None] = _read_nothing,
) -> AskedFigure:
    def read(reader: Reader) -> float | None:
        found = read_records(reader.period)
        return find_answer(key, reader.period) if found is None else found

    return AskedFigure(key, title, Unit.NUMBER, (), note=note, target=target, read=read)


_FIGURES: Final = (
    _ask("p1-incidents", "P1 incidents", Target(0, at_least=False), "Incidents of severity P1.", _count_p1),
    # Below one and below ten days in the runbook; like its other limits, they may just be reached.
    _ask(
        "p2-incidents",
        "P2 incidents a month",
        Target(1, at_least=False),
        "The average of the period.",
        _average_p2,
    ),
    _ask(
        "feedback",
        "Stakeholder feedback, of 5",
        Target(4),
        "The average of the answers.",
        _average_stakeholders,
    ),
    _ask("cycle-time", "Cycle time, days", Target(10, at_least=False), "From request to release."),
    _ask(
        "certified-teams",
        "Certified teams, percent",
        Target(75),
        "Teams with a certified member.",
        _share_certified,
    ),
    _ask("open-tickets", "Open support tickets", Target(9, at_least=False), "At the end of the period."),
)
ASKED: Final[dict[str, AskedFigure]] = {figure.key: figure for figure in _FIGURES}


def ask_figure(key: str, *, judged: bool = True) -> AskedFigure:
    """The asked figure ``key``, with its target where it is ``judged``."""
    return ASKED[key] if judged else replace(ASKED[key], target=None)
