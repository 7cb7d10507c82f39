"""The states of requests and their steps, and the only moves between them.

``engine`` moves a status along these tables; a database constraint holds the values, a trigger the moves, a
test all three.
"""

from typing import Final

from django.db.models import TextChoices


# The values are in triggers.sql, in REST and in filters of the admin; a new one needs a migration.
class OnboardingStatus(TextChoices):
    """Where a request stands."""

    CHECKING = "checking"
    QUEUED = "queued"
    PROVISIONING = "provisioning"
    READY = "ready"
    REJECTED = "rejected"
    EXPIRED = "expired"
    FAILED = "failed"
    CANCELLED = "cancelled"
    OFFBOARDING = "offboarding"
    UNDO_FAILED = "undo_failed"
    OFFBOARDED = "offboarded"


class StepKind(TextChoices):
    """What a step is for: to look, to make, or to take back what was made."""

    CHECK = "check"
    PROVISION = "provision"
    UNDO = "undo"


class StepStatus(TextChoices):
    """Where a step stands. ``failed``: a person has to change something; ``errored``: the far side or we."""

    PENDING = "pending"
    RUNNING = "running"
    WAITING = "waiting"
    PASSED = "passed"
    FAILED = "failed"
    ERRORED = "errored"
    SKIPPED = "skipped"


# FAILED leads back to where it came from, by retry only. Nothing leads out of what is over for good.
REQUEST_TRANSITIONS: Final[dict[str, frozenset[str]]] = {
    OnboardingStatus.CHECKING: frozenset(
        {
            OnboardingStatus.QUEUED,
            OnboardingStatus.REJECTED,
            OnboardingStatus.EXPIRED,
            OnboardingStatus.FAILED,
            OnboardingStatus.CANCELLED,
        }
    ),
    OnboardingStatus.QUEUED: frozenset({OnboardingStatus.PROVISIONING, OnboardingStatus.CANCELLED}),
    OnboardingStatus.PROVISIONING: frozenset({OnboardingStatus.READY, OnboardingStatus.FAILED}),
    OnboardingStatus.READY: frozenset({OnboardingStatus.OFFBOARDING}),
    OnboardingStatus.REJECTED: frozenset(),
    OnboardingStatus.EXPIRED: frozenset(),
    OnboardingStatus.FAILED: frozenset(
        {
            OnboardingStatus.CHECKING,
            OnboardingStatus.PROVISIONING,
            OnboardingStatus.REJECTED,
            OnboardingStatus.CANCELLED,  # where nothing was provisioned yet
            OnboardingStatus.OFFBOARDING,
        }
    ),
    OnboardingStatus.CANCELLED: frozenset(),
    OnboardingStatus.OFFBOARDING: frozenset({OnboardingStatus.OFFBOARDED, OnboardingStatus.UNDO_FAILED}),
    OnboardingStatus.UNDO_FAILED: frozenset({OnboardingStatus.OFFBOARDING}),
    OnboardingStatus.OFFBOARDED: frozenset(),
}
# RUNNING to PENDING is a lease that ran out; RUNNING to WAITING is an answer that has to come, or trouble of
# the far side that is tried again. A step that passed is never run again.
STEP_TRANSITIONS: Final[dict[str, frozenset[str]]] = {
    StepStatus.PENDING: frozenset({StepStatus.RUNNING, StepStatus.SKIPPED}),
    StepStatus.RUNNING: frozenset(
        {
            StepStatus.PENDING,
            StepStatus.WAITING,
            StepStatus.PASSED,
            StepStatus.FAILED,
            StepStatus.ERRORED,
            StepStatus.SKIPPED,
        }
    ),
    StepStatus.WAITING: frozenset({StepStatus.RUNNING, StepStatus.SKIPPED}),
    StepStatus.PASSED: frozenset(),
    StepStatus.FAILED: frozenset({StepStatus.PENDING, StepStatus.SKIPPED}),  # by retry; by cancel or offboard
    StepStatus.ERRORED: frozenset({StepStatus.PENDING, StepStatus.SKIPPED}),
    StepStatus.SKIPPED: frozenset(),
}
# While one of these is the status, there is no second request for the same repo.
REQUEST_OPEN: Final = (
    OnboardingStatus.CHECKING,
    OnboardingStatus.QUEUED,
    OnboardingStatus.PROVISIONING,
    OnboardingStatus.FAILED,
    OnboardingStatus.OFFBOARDING,
    OnboardingStatus.UNDO_FAILED,
)
# In which status of the request the steps of a kind may run.
RUNS_IN: Final[dict[str, str]] = {
    StepKind.CHECK: OnboardingStatus.CHECKING,
    StepKind.PROVISION: OnboardingStatus.PROVISIONING,
    StepKind.UNDO: OnboardingStatus.OFFBOARDING,
}
