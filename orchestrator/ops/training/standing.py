"""What the records say to the thresholds of the launch runbook: training completion, recordings, feedback.

The bounds are the runbook's: at least 30 people certified, at least 80 % of those who took part; training
feedback of at least 4.5 of 5, stakeholder feedback of at least 4.0; in phase 7 at least 75 % of the teams.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date
from decimal import ROUND_DOWN, Decimal
from typing import Final

from django.conf import settings
from django.db.models import Avg, Count, Q, QuerySet

from orchestrator.ops.training.models import (
    Certificate,
    Feedback,
    FeedbackSubject,
    OnCallDuty,
    SessionKind,
    Trainee,
    TrainingScore,
    TrainingSession,
)

LEAST_CERTIFIED: Final = 30
LEAST_PASS_RATE: Final = 80
LEAST_TRAINING_STARS: Final = Decimal("4.5")
LEAST_STAKEHOLDER_STARS: Final = Decimal("4.0")
LEAST_CERTIFIED_TEAMS: Final = 75
RUNBOOK_MODULE: Final = 4
"""The module of runbooks and rollback, which everybody on call has to pass."""


@dataclass(frozen=True, slots=True)
class TrainingFigure:
    """One figure beside its bound. ``value`` is None where there is nothing to judge yet."""

    key: str
    title: str
    value: Decimal | None
    least: Decimal
    basis: str

    @property
    def met(self) -> bool:
        """Whether the bound is reached; never without data."""
        return self.value is not None and self.value >= self.least


def read_standing() -> list[TrainingFigure]:
    """Every figure that a checklist of the runbook has a bound for."""
    # Certificates and not scores: they stay when a module is added.
    certified = Certificate.objects.count()
    tried = Trainee.objects.filter(scores__isnull=False).distinct().count()
    held = TrainingSession.objects.filter(kind=SessionKind.MODULE).aggregate(
        all=Count("id"), published=Count("id", filter=~Q(recording_url=""))
    )
    return [
        TrainingFigure(
            "certified", "People certified", Decimal(certified), Decimal(LEAST_CERTIFIED), "certificates"
        ),
        _share("pass-rate", "Pass rate, percent", certified, tried, LEAST_PASS_RATE, "people with a score"),
        _rate_feedback("training-feedback", FeedbackSubject.TRAINING, LEAST_TRAINING_STARS),
        _share("recordings", "Recordings, percent", held["published"], held["all"], 100, "sessions"),
        _rate_feedback("stakeholder-feedback", FeedbackSubject.ORCHESTRATOR, LEAST_STAKEHOLDER_STARS),
        _rate_teams(Trainee.objects.all(), Q(certificate__isnull=False)),
    ]


def _share(key: str, title: str, part: int, whole: int, least: int, of: str) -> TrainingFigure:
    """A share in percent. It is cut and not rounded up: 79.96 % is not 80 %."""
    value = None if not whole else (Decimal(100 * part) / whole).quantize(Decimal("0.1"), ROUND_DOWN)
    return TrainingFigure(key, title, value, Decimal(least), f"{part} of {whole} {of}")


def _rate_teams(people: QuerySet[Trainee], is_certified: Q) -> TrainingFigure:
    # Who has no team entered says nothing about any team.
    teams = people.exclude(team="").aggregate(
        all=Count("team", distinct=True), certified=Count("team", distinct=True, filter=is_certified)
    )
    title = "Teams with a certified member, percent"
    return _share("certified-teams", title, teams["certified"], teams["all"], LEAST_CERTIFIED_TEAMS, "teams")


def _rate_feedback(key: str, about: FeedbackSubject, least: Decimal) -> TrainingFigure:
    stars, count = average_feedback(about)
    title = f"Average feedback on the {about.value}, of 5"
    return TrainingFigure(key, title, stars, least, f"{count} answers")


def average_feedback(
    about: FeedbackSubject, first: date | None = None, last: date | None = None
) -> tuple[Decimal | None, int]:
    """The average stars, cut to two digits, and the number of answers, from ``first`` to ``last``."""
    # Both ends belong to it, as in every report.
    rows = Feedback.objects.filter(about=about)
    if first is not None:
        rows = rows.filter(given_on__gte=first)
    if last is not None:
        rows = rows.filter(given_on__lte=last)
    found = rows.aggregate(stars=Avg("stars"), count=Count("id"))
    # PostgreSQL gives an exact average of an exact column, so nothing is rounded up over a bound.
    stars = None if found["stars"] is None else Decimal(found["stars"]).quantize(Decimal("0.01"), ROUND_DOWN)
    return stars, int(found["count"])


def read_certified_teams(last: date) -> Decimal | None:
    """The share of teams with a certified member, in percent, as it was on the day ``last``.

    None where no team was known. People count for the team that they are in now: former teams are not kept.
    """
    people = Trainee.objects.filter(created_at__date__lte=last)
    return _rate_teams(people, Q(certificate__issued_at__date__lte=last)).value


def count_on_call(duty: OnCallDuty) -> int:
    """How many people have a part of the rotation."""
    return Trainee.objects.filter(duty=duty).count()


def find_untrained_on_call() -> list[str]:
    """Names of people on call who have not passed the module of the runbooks."""
    passed = TrainingScore.objects.filter(
        module=RUNBOOK_MODULE, percent__gte=settings.TRAINING_PASS_MARK
    ).values("trainee")
    return _name(Trainee.objects.exclude(duty=OnCallDuty.NONE).exclude(pk__in=passed))


def find_absent_on_call(kind: SessionKind) -> list[str]:
    """Names of people on call who were in no session of ``kind``."""
    present = TrainingSession.objects.filter(kind=kind, attendees__isnull=False).values("attendees")
    return _name(Trainee.objects.exclude(duty=OnCallDuty.NONE).exclude(pk__in=present))


def _name(people: Iterable[Trainee]) -> list[str]:
    return sorted(one.name for one in people)
