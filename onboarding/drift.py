"""Every night: is what Terraform has made for each repo still as it was made?

A plan looks, and nothing is applied: what somebody has changed may be meant. People see it in the admin and
by the metric `orchestrator_onboarding_drifted`.
"""

import logging
from datetime import timedelta
from typing import Final

from django.db.models import Q, QuerySet
from django.utils import timezone

from onboarding.models import TerraformState
from onboarding.provisioning.infrastructure import list_missing_settings
from onboarding.provisioning.terraform.states import (
    HeldState,
    StateLocked,
    hold_state,
    release_hold,
    renew_hold,
)
from onboarding.provisioning.terraform.workspace import open_workspace
from orchestrator.celery import app
from orchestrator.core.errors import OrchestratorError
from orchestrator.core.periodic import PeriodicWork
from orchestrator.queues import ONBOARDING_QUEUE

TASK: Final = "onboarding.check_drift"
EVERY: Final = timedelta(hours=24)
_AT_ONCE: Final = 1
log = logging.getLogger(__name__)


def request_due_checks() -> None:
    """Send the one that was looked at longest ago, where that is a day: a plan takes seconds, and flows of
    onboarding wait for the same workers.
    """
    due = _list_due().order_by("drift_checked_at")[:_AT_ONCE]
    for state in due:
        app.send_task(TASK, args=(state.pk,), queue=ONBOARDING_QUEUE, retry=False)


def check_drift(state_id: int) -> list[str] | None:
    """Compare a repo's objects with their state; the addresses that differ, or None where it was not due."""
    state = _list_due().filter(pk=state_id).first()
    # A second message for the same row finds it looked at.
    if state is None or list_missing_settings():
        return None
    try:
        held = hold_state(state.repo_name, "the nightly plan")
    # It is being applied now, so tomorrow is early enough.
    except StateLocked:
        return None
    try:
        differing = _plan(held, state)
    except OrchestratorError as error:
        # Known another time; the older answer stays, with its time.
        log.warning("the drift of %s is not known: %s", state.repo_name, error)
        return None
    finally:
        release_hold(held)
    TerraformState.objects.filter(pk=state.pk).update(drift=differing, drift_checked_at=timezone.now())
    return differing


def _plan(held: HeldState, state: TerraformState) -> list[str]:
    with open_workspace(lambda: renew_hold(held)) as workspace:
        workspace.prepare(state.variables, held.content)
        plan = workspace.plan()
    changes = plan.summary["resource_changes"]
    return sorted(one["address"] for one in changes if one["actions"] != ["no-op"])


def _list_due() -> QuerySet[TerraformState]:
    before = timezone.now() - EVERY
    is_due = Q(drift_checked_at=None, written_at__lt=before) | Q(drift_checked_at__lt=before)
    return TerraformState.objects.filter(is_due, sealed__isnull=False)


WORK: Final = PeriodicWork("the nightly plan of Terraform", 300.0, request_due_checks)
