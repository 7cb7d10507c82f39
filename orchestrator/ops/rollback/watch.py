"""The automatic rollback: a figure beyond its limit takes the rollout back to pilot scope, once.

1. The dispatcher's leader looks every ``LOOK_SECONDS``. What it saw is in rows, so a restart in the middle
   forgets nothing and begins nothing again.
2. A figure with too little data behind it is *not enough data*: an alert, and no act.
3. A figure has to be beyond its limit at several looks in a row, see ``RollbackTrigger.looks``.
4. In the first week of a deployment, and where ROLLBACK_DRY_RUN says so, the decision is only written down
   and told. Nothing is halted.
5. A trigger acts, or pauses and asks, once: it is armed again when its figure is not beyond its limit any
   longer and no rollback is left. While one is in force or asked for, no trigger does anything.
6. Nothing here ends a rollback: a figure that is good again brings nothing back.
"""

from collections.abc import Iterator
from datetime import timedelta
from functools import partial
from typing import Final
from uuid import NAMESPACE_URL, uuid5

from django.conf import settings
from django.db import OperationalError, transaction
from django.db.models import Count
from django.utils import timezone

from orchestrator.core import database
from orchestrator.core.periodic import PeriodicWork
from orchestrator.flows.scheduler.isolation import IsolatedSteps
from orchestrator.ops.incidents.opening import write_key
from orchestrator.ops.notifications import delivery
from orchestrator.ops.notifications.message_templates import render_template
from orchestrator.ops.rollback import enforcement
from orchestrator.ops.rollback.errors import RollbackInForce
from orchestrator.ops.rollback.models import (
    NOT_OVER,
    DecisionKind,
    Rollback,
    RollbackKind,
    TriggerDecision,
    TriggerState,
)
from orchestrator.ops.rollback.trigger_protocol import TRIGGERS, MeasuredFigure, RollbackTrigger

# Prometheus evaluates its rules as often; three looks are within its alerts' own patience.
LOOK_SECONDS: Final = 15.0
# Long enough for a night, a weekend and a release of the repos that are on.
DRY_WEEK: Final = timedelta(days=7)
STATEMENT_SECONDS: Final = 3.0
ACTOR: Final = "orchestrator"
OK, BEYOND, NOT_ENOUGH_DATA, UNREADABLE, OFF = "ok", "beyond", "not_enough_data", "unreadable", "off"
_STEPS: Final = IsolatedSteps()
VERDICTS: Final = (OK, BEYOND, NOT_ENOUGH_DATA, UNREADABLE, OFF)


def look() -> None:
    """Measure every trigger, and do what follows; one that fails holds up no other."""
    for name, trigger in TRIGGERS.items():
        _STEPS.run(f"the trigger {name}", partial(check_trigger, name, trigger))


def check_trigger(name: str, trigger: RollbackTrigger) -> TriggerState:
    """Measure one trigger, and do what follows; the state as it is written."""
    # Before the lock: a slow measurement must not hold up the next look.
    figure = _measure(trigger)
    with transaction.atomic():
        # One look at a time: a leader that was slow and its successor both see the same figure.
        TriggerState.objects.get_or_create(name=name, defaults={"verdict": OK})
        state = TriggerState.objects.select_for_update().get(pk=name)
        was_doubtful = _is_doubtful(state, figure)
        state.verdict = _judge(trigger, figure)
        if figure is not None:
            state.value, state.samples, state.detail = figure.value, figure.samples, figure.detail[:300]
        # One look at a good figure, or at none, starts the count again.
        state.beyond = state.beyond + 1 if state.verdict == BEYOND else 0
        state.checked_at = timezone.now()
        is_free = not Rollback.objects.filter(kind=RollbackKind.PILOT, status__in=NOT_OVER).exists()
        # Too little data, too: what it acted on is gone, and the next time is another one.
        if state.verdict in {OK, NOT_ENOUGH_DATA} and is_free:
            state.armed = True
        if state.armed and is_free and state.beyond >= trigger.looks:
            # In the transaction that acts: both are there, or neither.
            state.armed = False
            _decide(name, trigger, state, write_key(trigger.alert, figure.labels if figure else {}))
        # Told when it begins, not at every look.
        elif _is_doubtful(state, figure) and not was_doubtful:
            _write_decision(name, DecisionKind.NOT_ENOUGH_DATA, state)
            _tell(name, state, "There is not enough data to roll back; nothing was done.")
        state.save()
    return state


def _measure(trigger: RollbackTrigger) -> MeasuredFigure | None:
    """The figure; None where it cannot be read, which is not a reason to halt anything."""
    try:
        with database.limit_statements(STATEMENT_SECONDS):
            return trigger.measure()
    except OperationalError as error:
        if not database.was_cancelled(error):
            raise
        return None


def _judge(trigger: RollbackTrigger, figure: MeasuredFigure | None) -> str:
    # Off first: then it does not matter whether a figure can be read.
    if getattr(settings, trigger.setting) == OFF:
        return OFF
    if figure is None:
        return UNREADABLE
    if not figure.is_enough:
        return NOT_ENOUGH_DATA
    return BEYOND if figure.is_beyond else OK


def _is_doubtful(state: TriggerState, figure: MeasuredFigure | None) -> bool:
    """Whether the value in ``state`` is beyond the limit of ``figure``, with too little data behind it."""
    if figure is None or state.value is None or state.verdict != NOT_ENOUGH_DATA:
        return False
    return state.value > figure.limit


def _decide(name: str, trigger: RollbackTrigger, state: TriggerState, key: str) -> None:
    """Act, ask, or only say so, in the transaction of the look; ``key`` is that of the incident."""
    if is_dry_run():
        _write_decision(name, DecisionKind.DRY_RUN, state)
        _tell(name, state, "A dry run: the rollout would have been rolled back; nothing was done.")
        return
    reason = f"trigger {name}: {state.detail}"
    try:
        if getattr(settings, trigger.setting) == "ask":
            rollback = enforcement.ask_for_rollback(trigger=name, reason=reason, actor=ACTOR, dedup_key=key)
            _write_decision(name, DecisionKind.ASKED, state, rollback)
            outcome = "Repos outside the pilot and onboarding are paused; people decide"
        else:
            rollback = enforcement.apply_rollback(
                RollbackKind.PILOT, reason=reason, actor=ACTOR, trigger=name, dedup_key=key
            )
            _write_decision(name, DecisionKind.ACTED, state, rollback)
            outcome = "The rollout is rolled back to pilot scope; people bring repos back"
    except RollbackInForce:
        # A person was quicker by a moment: what the trigger wants is done.
        return
    # Also where people were paged before, by the alert: they have to hear what was done since.
    _tell(name, state, f"{outcome}. Incident {rollback.incident}; `blocks rollback status` shows it.", "P1")


def is_dry_run() -> bool:
    """Whether triggers only say what they would do: by the setting, or in a deployment's first week."""
    if settings.ROLLBACK_DRY_RUN != "auto":
        return bool(settings.ROLLBACK_DRY_RUN == "on")
    # The oldest of all triggers: one that is added later does not begin another week.
    first = TriggerState.objects.order_by("first_checked_at").values_list("first_checked_at", flat=True)
    begun = first.first()
    return begun is None or timezone.now() < begun + DRY_WEEK


def _write_decision(
    name: str, decision: DecisionKind, state: TriggerState, rollback: Rollback | None = None
) -> TriggerDecision:
    return TriggerDecision.objects.create(
        trigger=name,
        decision=decision,
        value=state.value,
        samples=state.samples,
        detail=state.detail,
        rollback=rollback,
    )


def _tell(name: str, state: TriggerState, outcome: str, severity: str = "P2") -> None:
    """Tell #ops-alerts what was done or not done, and why."""
    values = {"trigger": name, "detail": state.detail, "outcome": outcome}
    message = render_template("rollback_trigger", values)
    newest = TriggerDecision.objects.filter(trigger=name).order_by("-id").values_list("pk", flat=True)[0]
    delivery.notify_once(
        uuid5(NAMESPACE_URL, f"blocks:trigger-decision:{newest}"),
        "slack",
        "#ops-alerts",
        message.body,
        severity=severity,
        created_by=ACTOR,
    )


def count_decisions() -> Iterator[tuple[str, str, int]]:
    """Trigger, decision and how often; zeros, too, so that a first one is an increase."""
    # order_by(): the order of the model would be grouped by, too.
    rows = TriggerDecision.objects.order_by().values_list("trigger", "decision").annotate(Count("pk"))
    counts = {(trigger, decision): count for trigger, decision, count in rows}
    for name in TRIGGERS.names():
        for decision in DecisionKind.values:
            yield name, decision, counts.get((name, decision), 0)


WORK: Final = PeriodicWork("the triggers of the rollback", LOOK_SECONDS, look)
