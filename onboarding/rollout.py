"""The rules of the rollout: how many repos begin in a day, whose turn it is, and what stops all of them.

A repo counts for the day on which its provisioning began, in UTC. What has begun is finished in any case:
half a repo helps nobody. Others begin only while nothing holds them:

- ``ONBOARDING_ENABLED`` is false, an SRE has closed the portal, or a rollback is in force. Then the portal
  takes no requests either.
- A P1 is open, or was resolved without GO by PM, TL and SRE since. The portal takes requests, and they wait.
  This follows from the incidents themselves, so no P1 is too short to be noticed.
"""

from collections import Counter
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Final

from django.conf import settings
from django.db import transaction
from django.db.models import Min
from django.utils import timezone

from onboarding import engine
from onboarding.errors import NothingToVoteOn
from onboarding.models import OnboardingRequest, OnboardingStatus, OnboardingStep, RolloutVote
from orchestrator.core import audit, database
from orchestrator.ops.incidents.models import Incident, IncidentSource, IncidentStatus
from orchestrator.ops.rollback.errors import VoteRefused
from orchestrator.ops.rollback.models import VoterRole, VoteVerdict
from orchestrator.repos import halts
from orchestrator.repos.models import OnboardingPause

SWITCH: Final = "portal-switch"
"""The key of the pause that an SRE sets by hand."""
_LOCK: Final = "SELECT pg_advisory_xact_lock(hashtextextended('onboarding: whose turn', 0))"
# Nobody plans for longer; it also ends the search where no repo may begin at all.
_HORIZON: Final = timedelta(days=365)


@dataclass(frozen=True, slots=True)
class RolloutStanding:
    """Whether requests are taken and begun, and what is missing. Empty texts: nothing."""

    is_open: bool
    closed: str
    hold: str
    missing_votes: tuple[str, ...]
    begun_today: int
    most_per_day: int
    in_line: int


def read_standing(today: date | None = None) -> RolloutStanding:
    """How the rollout stands now."""
    closed, paused = find_closure(), _find_p1()
    return RolloutStanding(
        is_open=not closed,
        closed=closed,
        hold=closed or paused,
        missing_votes=_list_missing_votes() if paused else (),
        begun_today=OnboardingRequest.objects.filter(provisioned_on=today or _today()).count(),
        most_per_day=settings.ONBOARDING_MAX_PER_DAY,
        in_line=OnboardingRequest.objects.filter(status=OnboardingStatus.QUEUED).count(),
    )


def find_closure() -> str:
    """Why the portal takes no requests, in a sentence; empty where it does."""
    if not settings.ONBOARDING_ENABLED:
        return "Onboarding is switched off."
    # The oldest reason: it is what people have heard of.
    pause = OnboardingPause.objects.first()
    return "" if pause is None else f"Onboarding is paused: {pause.reason}"


def find_hold() -> str:
    """What keeps queued requests from beginning, in a sentence; empty where nothing does."""
    return find_closure() or _find_p1()


def close_portal(*, actor: str, reason: str) -> None:
    """Take no requests and begin none, until ``open_portal``. Again, it changes nothing."""
    with audit.act_as(actor, reason):
        halts.pause_onboarding(SWITCH, reason=reason, actor=actor)


def open_portal(*, actor: str, reason: str) -> None:
    """Take requests again, where nothing else keeps the portal closed."""
    with audit.act_as(actor, reason):
        halts.resume_onboarding(SWITCH)


def cast_vote(*, role: str, verdict: str, actor: str, reason: str = "") -> RolloutVote:
    """Write down what ``actor`` says to taking repos again after a P1; the third GO resumes.

    Raises ``NothingToVoteOn`` while a P1 is open or none has paused anything, and ``VoteRefused`` where
    somebody votes in a second role.
    """
    with transaction.atomic():
        # Two votes at once: the second sees the first, or neither would be the last of three.
        database.fetch_rows(_LOCK)
        if not _find_p1():
            raise NothingToVoteOn("No P1 has paused onboarding.")
        if _list_open_p1():
            raise NothingToVoteOn(
                f"{_find_p1()}", cure="Resolve the incident first: `blocks incident resolve`."
            )
        live = _list_live_votes()
        if any(vote.person == actor and vote.role != role for vote in live):
            raise VoteRefused(f"{actor} has voted in another role already.")
        others = {vote.role for vote in live if vote.verdict == VoteVerdict.GO and vote.role != role}
        refused = any(vote.verdict == VoteVerdict.NO and vote.role != role for vote in live)
        is_last = verdict == VoteVerdict.GO and len(others) == len(VoterRole) - 1 and not refused
        return RolloutVote.objects.create(
            role=VoterRole(role),
            person=actor[:150],
            verdict=VoteVerdict(verdict),
            reason=reason,
            resumes=is_last,
            expires_at=timezone.now() + timedelta(hours=settings.ROLLBACK_VOTE_HOURS),
        )


def begin_due_requests(today: date | None = None) -> list[int]:
    """Let those begin whose turn it is, and tell the others their day; the ids of those that began."""
    if not OnboardingRequest.objects.filter(status=OnboardingStatus.QUEUED).exists():
        return []
    day = today or _today()
    with transaction.atomic():
        # One at a time counts and begins, so no two see the same free place.
        database.fetch_rows(_LOCK)
        hold = find_hold()
        begun = [] if hold else _begin(day)
        _plan(day, hold)
    return begun


def _today() -> date:
    return timezone.now().date()


def _list_open_p1() -> list[Incident]:
    p1 = Incident.objects.filter(severity="P1")
    return list(p1.exclude(status=IncidentStatus.RESOLVED).order_by("id"))


def _find_p1() -> str:
    for incident in _list_open_p1():
        return f"P1 incident {incident.pk} is open: {incident.title}"
    over = _find_last_p1()
    if over is None:
        return ""
    missing = ", ".join(_list_missing_votes())
    return f"P1 incident {over.pk} is resolved, and GO is missing by {missing}: {over.title}"


def _find_last_p1() -> Incident | None:
    """The P1 that ended last, where nobody has said GO since."""
    over = Incident.objects.filter(severity="P1", status=IncidentStatus.RESOLVED)
    # The GO after a rollback is given at the rollback, repo by repo; it is not asked for twice.
    over = over.exclude(source=IncidentSource.ROLLBACK)
    # A P1 of before the first request has paused nothing.
    since = OnboardingStep.objects.aggregate(first=Min("created_at"))["first"]
    resumed = RolloutVote.objects.filter(resumes=True).order_by("id").last()
    if resumed is not None:
        since = resumed.created_at
    if since is None:
        # Nobody was ever onboarded by these rules, so nothing was paused.
        return None
    return over.filter(resolved_at__gt=since).order_by("resolved_at").last()


def _list_live_votes() -> list[RolloutVote]:
    """The newest vote of each role since the last P1 ended; after a NO, only what was said since."""
    over = _find_last_p1()
    if over is None:
        return []
    votes = list(RolloutVote.objects.filter(created_at__gt=over.resolved_at).order_by("id"))
    # From the newest back to the last NO: what was said before it is void.
    for place in reversed(range(len(votes))):
        if votes[place].verdict == VoteVerdict.NO:
            votes = votes[place:]
            break
    now = timezone.now()
    # A NO does not expire: it stays until its own role says GO.
    live = [vote for vote in votes if vote.verdict == VoteVerdict.NO or vote.expires_at > now]
    return list({vote.role: vote for vote in live}.values())


def _list_missing_votes() -> tuple[str, ...]:
    # In the runbook's order, which is that of the roles.
    said = {vote.role for vote in _list_live_votes() if vote.verdict == VoteVerdict.GO}
    return tuple(role.label for role in VoterRole if role.value not in said)


def _begin(day: date) -> list[int]:
    free = settings.ONBOARDING_MAX_PER_DAY - OnboardingRequest.objects.filter(provisioned_on=day).count()
    begun: list[int] = []
    for request in _list_line():
        if len(begun) >= free:
            break
        # It keeps its place in line, and those behind it go first until its day.
        is_early = request.wanted_on is not None and request.wanted_on > day
        if not is_early and engine.begin_provisioning(request.pk, day):
            begun.append(request.pk)
    return begun


def _list_line() -> list[OnboardingRequest]:
    """Those that wait, in their order."""
    return list(OnboardingRequest.objects.filter(status=OnboardingStatus.QUEUED).order_by("queued_at", "id"))


def _plan(today: date, hold: str) -> None:
    """Give each that waits the first day with room."""
    begun = OnboardingRequest.objects.filter(provisioned_on__gte=today)
    taken = Counter(row.provisioned_on for row in begun if row.provisioned_on is not None)
    for request in _list_line():
        day = _find_day(max(today, request.wanted_on or today), taken)
        # Taken in the plan too, so that no day is promised to more than it has room for.
        if day is not None:
            taken[day] += 1
        if request.planned_for != day:
            engine.plan_request(request, day, hold)


def _find_day(first: date, taken: Counter[date]) -> date | None:
    day = first
    while taken[day] >= settings.ONBOARDING_MAX_PER_DAY:
        day += timedelta(days=1)
        if day > first + _HORIZON:
            return None
    return day
