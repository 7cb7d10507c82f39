"""What the clock finds by looking: steps that may run, leases that ran out, requests without steps."""

from typing import Final

from django.conf import settings
from django.db import transaction

from onboarding.engine import rows
from onboarding.models import OnboardingRequest, OnboardingStatus
from orchestrator.core import database
from orchestrator.core.sql import load_statements

_SQL = load_statements(__file__)
LOST: Final = "Its worker was lost; it is run again."


def find_due_steps(*, request_id: int | None = None, limit: int = 100) -> list[int]:
    """The ids of steps that may run now, of one request or of all."""
    found = database.fetch_rows(_SQL["find_due_steps"], {"request": request_id, "limit": limit})
    return [row.id for row in found]


def complete_requests() -> int:
    """Give steps to requests that have none: code of the release before has written them."""
    bare = OnboardingRequest.objects.filter(status=OnboardingStatus.CHECKING, steps=None)
    with transaction.atomic():
        locked = list(bare.select_for_update(no_key=True, skip_locked=True, of=("self",)))
        for request in locked:
            rows.add_steps(request)
    return len(locked)


def take_back_lost_steps() -> int:
    """Let steps run again whose worker was lost; how many. One that loses too many workers has errored."""
    lost = database.fetch_rows(_SQL["find_lost_steps"])
    return sum(_take_back(row.request_id, row.id, row.token) for row in lost)


def _take_back(request_id: int, step_id: int, token: object) -> bool:
    from_here = {
        "step": step_id,
        "token": token,
        "reason": LOST,
        "most": settings.ENGINE_MAX_CRASHES,
        "pause": float(settings.ENGINE_BACKOFF_SECONDS),
    }
    with transaction.atomic():
        request = rows.lock_request(request_id)
        # Asked again under the lock: the worker may have renewed its lease, or finished.
        taken = database.find_row(_SQL["take_back_step"], from_here)
        if taken is None:
            return False
        if taken.status == "errored":
            _fail_request(request, taken.kind, f"{taken.name} lost its worker {taken.crashes} times.")
    return True


def _fail_request(request: OnboardingRequest, kind: str, text: str) -> None:
    status = OnboardingStatus.UNDO_FAILED if kind == "undo" else OnboardingStatus.FAILED
    rows.move_request(request, status)
    rows.record_event(request, status.value, "", text)
