"""The states of flows, stages and attempts, and the only moves between them.

``engine`` moves a status along these tables; a database constraint holds the values, a trigger the moves, a
test all three.
"""

from django.db.models import TextChoices


# The values are on the wire, in events and in triggers.sql; a new one needs a migration there.
class FlowStatus(TextChoices):
    """Where a flow stands."""

    PENDING = "pending"
    RUNNING = "running"
    WAITING = "waiting"
    PAUSED = "paused"
    PASSED = "passed"
    FAILED = "failed"
    CANCELLED = "cancelled"


class StageStatus(TextChoices):
    """Where a stage stands."""

    PENDING = "pending"
    READY = "ready"
    RUNNING = "running"
    WAITING = "waiting"
    PASSED = "passed"
    FAILED = "failed"
    SKIPPED = "skipped"
    CANCELLED = "cancelled"


class AttemptOutcome(TextChoices):
    """How one execution of a stage ended; empty while it runs."""

    RUNNING = "running"
    PASSED = "passed"
    FAILED = "failed"
    PARKED = "parked"
    EXPIRED = "expired"
    CANCELLED = "cancelled"


# A flow may fail without having run: its deadline passes while it is pending or paused.
FLOW_TRANSITIONS: dict[str, frozenset[str]] = {
    FlowStatus.PENDING: frozenset(
        {FlowStatus.RUNNING, FlowStatus.PAUSED, FlowStatus.FAILED, FlowStatus.CANCELLED}
    ),
    FlowStatus.RUNNING: frozenset(
        {FlowStatus.WAITING, FlowStatus.PAUSED, FlowStatus.PASSED, FlowStatus.FAILED, FlowStatus.CANCELLED}
    ),
    FlowStatus.WAITING: frozenset(
        {FlowStatus.RUNNING, FlowStatus.PAUSED, FlowStatus.FAILED, FlowStatus.CANCELLED}
    ),
    FlowStatus.PAUSED: frozenset(
        {
            FlowStatus.PENDING,
            FlowStatus.RUNNING,
            FlowStatus.WAITING,
            FlowStatus.PASSED,  # its last stage was running when it was paused
            FlowStatus.FAILED,
            FlowStatus.CANCELLED,
        }
    ),
    FlowStatus.PASSED: frozenset(),
    FlowStatus.FAILED: frozenset({FlowStatus.RUNNING}),  # by retry only
    FlowStatus.CANCELLED: frozenset({FlowStatus.RUNNING}),  # by retry only
}
# RUNNING to READY is a lease that ran out or an error worth another try; RUNNING to WAITING is a provider
# without room. WAITING becomes READY first, so that a stage takes its turn in the queue. What is under way
# becomes SKIPPED when another stage of the flow fails for good.
STAGE_TRANSITIONS: dict[str, frozenset[str]] = {
    StageStatus.PENDING: frozenset(
        {StageStatus.READY, StageStatus.RUNNING, StageStatus.SKIPPED, StageStatus.CANCELLED}
    ),
    StageStatus.READY: frozenset(
        {
            StageStatus.RUNNING,
            StageStatus.WAITING,
            StageStatus.FAILED,
            StageStatus.SKIPPED,
            StageStatus.CANCELLED,
        }
    ),
    StageStatus.RUNNING: frozenset(
        {
            StageStatus.READY,
            StageStatus.WAITING,
            StageStatus.PASSED,
            StageStatus.FAILED,
            StageStatus.SKIPPED,
            StageStatus.CANCELLED,
        }
    ),
    StageStatus.WAITING: frozenset(
        {StageStatus.READY, StageStatus.FAILED, StageStatus.SKIPPED, StageStatus.CANCELLED}
    ),
    StageStatus.PASSED: frozenset(),
    StageStatus.FAILED: frozenset({StageStatus.READY}),  # by retry only
    StageStatus.SKIPPED: frozenset({StageStatus.PENDING, StageStatus.READY}),  # by retry only
    StageStatus.CANCELLED: frozenset({StageStatus.PENDING, StageStatus.READY}),  # by retry only
}
FLOW_ENDED = frozenset({FlowStatus.PASSED, FlowStatus.FAILED, FlowStatus.CANCELLED})
# For queries: partial indexes serve those that say what a flow is, and not those that say what it is not.
FLOW_OPEN = tuple(status for status in FlowStatus if status not in FLOW_ENDED)
STAGE_ENDED = frozenset({StageStatus.PASSED, StageStatus.FAILED, StageStatus.SKIPPED, StageStatus.CANCELLED})
