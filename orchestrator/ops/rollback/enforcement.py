"""How a rollback begins and comes into force, so that no crash leaves half of one.

1. One transaction writes the rollback, switches the repos off, pauses onboarding, drafts what is to be said,
   opens the incident, and publishes ``rollback.applied``. A process that dies before the commit leaves
   nothing; from the commit on, no new flow of an affected repo starts.
2. The outbox sends a task until the rollback is in force: it cancels flows, where that was chosen. A task
   that dies is sent again, and cancelling a flow twice cancels it once.
3. When nothing is left to cancel, one compare-and-set brings the rollback into force. Of two tasks, one does.

Nothing here ends a rollback: that is for people, see ``restoration``.
"""

from typing import Final

from django.db import transaction
from django.utils import timezone

from orchestrator.celery import app
from orchestrator.core import database
from orchestrator.core.models import OutgoingEvent
from orchestrator.core.outbox import publish_event
from orchestrator.flows.engine import control, holds
from orchestrator.flows.models import Flow, HoldScope
from orchestrator.flows.models.states import FLOW_OPEN
from orchestrator.ops.incidents import opening
from orchestrator.ops.incidents.handling import find_incident
from orchestrator.ops.incidents.models import Incident, IncidentSource
from orchestrator.ops.notifications.happenings import announce
from orchestrator.ops.notifications.models import Topic
from orchestrator.ops.rollback import announcement, plan, record
from orchestrator.ops.rollback.errors import RollbackInForce, RollbackNotInForce
from orchestrator.ops.rollback.models import (
    NOT_OVER,
    Rollback,
    RollbackKind,
    RollbackRepo,
    RollbackStatus,
    RunningFlows,
)
from orchestrator.queues import Queue
from orchestrator.repos import halts
from orchestrator.repos.models import Repo

EVENT: Final = "rollback.applied"
TASK: Final = "ops.finish_rollback"
_LOCK: Final = "SELECT pg_advisory_xact_lock(hashtextextended('rollback', 0))"


def apply_rollback(
    kind: str,
    *,
    reason: str,
    actor: str,
    flows: str = RunningFlows.DRAIN,
    eta: str = "not known yet",
    incident: int | None = None,
    trigger: str = "",
    dedup_key: str = "",
) -> Rollback:
    """Begin a rollback; one that a trigger asks for is answered with yes by that.

    ``incident`` is the number of the incident that it belongs to. Without one, a P1 opens, or the incident
    that is open under ``dedup_key`` becomes one. Raises ``RollbackInForce`` where one of this kind is in
    force, and ``UnknownIncident``.
    """
    # One transaction for everything that must not be half done. What takes long, cancelling, comes after it.
    with transaction.atomic():
        # Everybody who begins or asks comes through here one after another.
        database.fetch_rows(_LOCK)
        known = Rollback.objects.select_for_update().filter(kind=kind, status__in=NOT_OVER).first()
        if known is not None and known.status != RollbackStatus.ASKED:
            raise RollbackInForce(f"{known}, by {known.actor} since {known.created_at:%Y-%m-%d %H:%M} UTC.")
        affected = list(plan.list_affected(kind))
        if known is None:
            # First the rollback and its incident: what it does is told on the timeline.
            rollback = Rollback(kind=kind, status=RollbackStatus.APPLYING, trigger=trigger)
            rollback.incident = _find_incident(kind, reason, actor, incident, affected, dedup_key).pk
        else:
            rollback = known
            rollback.status = RollbackStatus.APPLYING
        rollback.flows, rollback.reason, rollback.actor = flows, reason, actor[:150]
        rollback.save()
        _take_back(rollback, affected, eta)
        publish_event(EVENT, {"rollback": rollback.pk})
    rollback.refresh_from_db()
    return rollback


def _take_back(rollback: Rollback, affected: list[Repo], eta: str) -> None:
    """Switch off, pause, draft, tell: everything that the first transaction does."""
    # One that was asked for has its rows already.
    rows = [RollbackRepo(rollback=rollback, repo=repo) for repo in affected]
    RollbackRepo.objects.bulk_create(rows, ignore_conflicts=True)
    if rollback.kind != RollbackKind.VERSION:
        halts.pause_onboarding(rollback.key, reason=rollback.reason, actor=rollback.actor)
        # Those that are off already are halted too, so that nobody switches one on past the votes.
        scope = Repo.objects.exclude(name__in=_list_kept(rollback))
        halts.halt_repos(scope, rollback.key, reason=rollback.reason, actor=rollback.actor)
        _release_held(rollback)
    drafts = plan.draft_beginning(rollback.kind, affected, reason=rollback.reason, eta=eta)
    announcement.write_drafts(rollback, drafts)
    text = (
        f"Rollback {rollback.pk} to {rollback.get_kind_display()} begins: {rollback.reason}. "
        f"{len(affected)} repos are switched off; their running flows {rollback.flows}."
    )
    record.write_note(rollback, text)
    announce(Topic.ROLLBACK_STARTED, record.list_facts(rollback))


def _list_kept(rollback: Rollback) -> tuple[str, ...]:
    return plan.list_pilot() if rollback.kind == RollbackKind.PILOT else ()


def _find_incident(
    kind: str,
    reason: str,
    actor: str,
    number: int | None,
    affected: list[Repo],
    dedup_key: str,
) -> Incident:
    if number is not None:
        return find_incident(number)
    title = f"Rollback to {RollbackKind(kind).label}: {reason}"
    # The alert of the same figure and the trigger have one incident, whichever is first. A person's rollback
    # stands alone.
    incident, _ = opening.open_incident(
        title, "P1", actor=actor, source=IncidentSource.ROLLBACK, repos=affected, dedup_key=dedup_key
    )
    return incident


def ask_for_rollback(*, trigger: str, reason: str, actor: str, dedup_key: str = "") -> Rollback:
    """Pause what a rollback to pilot scope would switch off, and ask people; they apply or decline it."""
    with transaction.atomic():
        database.fetch_rows(_LOCK)
        if Rollback.objects.filter(kind=RollbackKind.PILOT, status__in=NOT_OVER).exists():
            raise RollbackInForce
        affected = list(plan.list_affected(RollbackKind.PILOT))
        # A P1 all the same: people are woken to answer, and what is paused waits for them.
        incident = _find_incident(RollbackKind.PILOT, reason, actor, None, affected, dedup_key)
        rollback = Rollback.objects.create(
            kind=RollbackKind.PILOT,
            status=RollbackStatus.ASKED,
            trigger=trigger,
            flows=RunningFlows.DRAIN,
            reason=reason,
            actor=actor,
            incident=incident.pk,
        )
        halts.pause_onboarding(rollback.key, reason=reason, actor=actor)
        for repo in affected:
            # One that somebody has paused before stays paused after both answers.
            held = holds.hold(HoldScope.REPO, repo.name, actor=actor, reason=reason)
            RollbackRepo.objects.create(rollback=rollback, repo=repo, held=held)
        record.write_note(
            rollback,
            f"{reason}. {len(affected)} repos and onboarding are paused. Yes: `blocks rollback apply`; "
            f"no: `blocks rollback decline {rollback.pk}`.",
        )
    return rollback


def decline_rollback(number: int, *, actor: str, reason: str) -> Rollback:
    """Answer a rollback that a trigger asks for with no: what it has paused continues."""
    with transaction.atomic():
        rollback = record.find_rollback(number, locked=True)
        if rollback.status != RollbackStatus.ASKED:
            raise RollbackNotInForce(f"{rollback}; only one that asks can be declined.")
        # In one transaction with the answer: a crash between them would leave repos paused by nobody.
        _release_held(rollback)
        halts.resume_onboarding(rollback.key)
        rollback.status, rollback.ended_at = RollbackStatus.DECLINED, timezone.now()
        rollback.ended_by = actor[:150]
        rollback.save()
        record.write_note(rollback, f"{actor} declines the rollback: {reason}", actor=actor)
    return rollback


def _release_held(rollback: Rollback) -> None:
    # Stages that waited continue in fair order, with their deadlines moved by the pause.
    for row in rollback.repos.filter(held=True).select_related("repo"):
        holds.release(HoldScope.REPO, row.repo.name)
    rollback.repos.filter(held=True).update(held=False)


def send_to_worker(event: OutgoingEvent) -> bool:
    """The outbox's subscriber: send the task until the rollback is in force."""
    # Asked each time, because the task does not tell the outbox that it is done.
    pending = Rollback.objects.filter(pk=event.payload["rollback"], status=RollbackStatus.APPLYING)
    if not pending.exists():
        return True
    # retry=False: the outbox repeats the delivery itself.
    app.send_task(TASK, args=(event.payload["rollback"],), queue=Queue.CONTROL.value, retry=False)
    return False


def finish_rollback(number: int) -> None:
    """Cancel what is to be cancelled, then bring the rollback into force. Again, it does what is left."""
    rollback = Rollback.objects.filter(pk=number, status=RollbackStatus.APPLYING).first()
    if rollback is None:
        return
    # Outside the transaction below: cancelling hundreds of flows must not hold the row of the rollback.
    cancelled = _cancel_flows(rollback) if rollback.flows == RunningFlows.CANCEL else 0
    with transaction.atomic():
        rollback = record.find_rollback(number, locked=True)
        # The other of two tasks was quicker.
        if rollback.status != RollbackStatus.APPLYING:
            return
        rollback.status, rollback.in_force_at = RollbackStatus.IN_FORCE, timezone.now()
        rollback.save(update_fields=["status", "in_force_at"])
        announcement.write_drafts(rollback, plan.draft_end(rollback.kind))
        record.write_note(rollback, f"Rollback {rollback.pk} is in force; {cancelled} flows were cancelled.")


def _cancel_flows(rollback: Rollback) -> int:
    repos = rollback.repos.values("repo")
    unfinished = Flow.objects.filter(repo__in=repos, status__in=FLOW_OPEN)
    reason = f"rollback {rollback.pk}: {rollback.reason}"
    # One transaction for each. No new one can appear: the repos are off since before this began.
    return sum(
        control.cancel(flow, actor=rollback.actor, reason=reason)
        for flow in unfinished.order_by("id").values_list("pk", flat=True)
    )
