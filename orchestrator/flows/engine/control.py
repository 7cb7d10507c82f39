"""What people may do to a flow: cancel, pause, resume, retry, change its priority. Each is one short transaction."""

from django.conf import settings
from django.db import transaction

from orchestrator.core import database
from orchestrator.flows.engine import broker, repair_round, transitions
from orchestrator.flows.engine.attempt import list_remaining_stages
from orchestrator.flows.engine.errors import NotPausable, NotRetryable
from orchestrator.flows.models import Flow
from orchestrator.flows.models.states import FLOW_ENDED, FlowStatus

_CANCEL = """
WITH stopped AS (
    SELECT id, token FROM flows_stage WHERE flow_id = %(flow)s AND status IN ('pending', 'ready', 'running', 'waiting')
), a AS (
    UPDATE flows_attempt at SET outcome = 'cancelled', finished_at = clock_timestamp()
    FROM stopped WHERE at.token = stopped.token AND at.outcome = 'running'
), s AS (
    UPDATE flows_stage st SET status = 'cancelled', token = NULL, lease_until = NULL, not_before = NULL, wait_reason = '',
        waits_for = '', finished_at = clock_timestamp()
    FROM stopped WHERE st.id = stopped.id
)
UPDATE flows_flow SET status = 'cancelled', finished_at = clock_timestamp() WHERE id = %(flow)s
"""
_PAUSE = """
WITH s AS (
    UPDATE flows_stage SET status = 'waiting', wait_reason = %(reason)s, not_before = NULL
    WHERE flow_id = %(flow)s AND status = 'ready'
)
UPDATE flows_flow SET status = 'paused' WHERE id = %(flow)s
"""
# The time a flow was paused does not count against its deadline.
_RESUME = """
WITH since AS (
    SELECT max(created_at) AS at FROM flows_flowevent WHERE flow_id = %(flow)s AND kind = 'flow.paused'
), s AS (
    UPDATE flows_stage SET status = 'ready', wait_reason = '', ready_at = clock_timestamp(),
        sent_at = clock_timestamp(), sends = 1
    WHERE flow_id = %(flow)s AND status = 'waiting' AND not_before IS NULL
    RETURNING id, kind, round, queue
), moved AS (
    UPDATE flows_flow f SET status = CASE
            WHEN EXISTS (SELECT 1 FROM flows_stage x WHERE x.flow_id = f.id AND x.status = 'waiting' AND x.not_before IS NOT NULL)
            THEN 'waiting' WHEN f.started_at IS NULL THEN 'pending' ELSE 'running' END,
        deadline_at = f.deadline_at + (clock_timestamp() - COALESCE(since.at, clock_timestamp()))
    FROM since WHERE f.id = %(flow)s
)
SELECT id, kind, round, queue FROM s
"""
_UNSENT = """
UPDATE flows_stage SET sent_at = clock_timestamp(), sends = 1 WHERE flow_id = %(flow)s AND status = 'ready'
"""
_REOPEN = """
WITH p AS (UPDATE flows_stage SET status = 'pending' WHERE flow_id = %(flow)s AND status = 'skipped')
UPDATE flows_flow SET status = 'running', finished_at = NULL, error_code = '', error_message = '', error_cure = '',
    deadline_at = clock_timestamp() + make_interval(secs => %(deadline)s) WHERE id = %(flow)s
"""
_LAST_FAILED = """
SELECT id, repair <> '{}' AS asked_for_repair FROM flows_stage
WHERE flow_id = %(flow)s AND status = 'failed' ORDER BY position DESC LIMIT 1
"""
_AGAIN = """
UPDATE flows_stage SET status = 'ready', ready_at = clock_timestamp(), sent_at = clock_timestamp(), sends = 1, failures = 0,
    crashes = 0, finished_at = NULL, error_code = '', error_message = '', error_cure = ''
WHERE id = %(stage)s RETURNING kind, round, queue
"""


def cancel(flow_id: str, *, actor: str = "", reason: str = "") -> bool:
    """End a flow now. After the commit nothing of a running attempt counts; it stops within a heartbeat.

    False when the flow had already ended (or does not exist): then nothing has changed.
    """
    with transaction.atomic():
        held = transitions.lock_flow(flow_id)
        if held is None or held.status in FLOW_ENDED:
            return False
        database.fetch_rows(_CANCEL, {"flow": flow_id})
        transitions.refresh_cost(flow_id)
        transitions.record_event(flow_id, "flow.cancelled", None, {"by": actor, "reason": reason})
    return True


def pause(flow_id: str, *, actor: str = "", reason: str = "") -> bool:
    """Start no further stage of a flow; the running one may end. False if it was paused already; ``NotPausable`` if ended."""
    with transaction.atomic():
        held = transitions.lock_flow(flow_id)
        if held is None or held.status in FLOW_ENDED:
            raise NotPausable(f"{flow_id} has ended.")
        if held.status == FlowStatus.PAUSED:
            return False
        why = f"The flow is paused{f' by {actor}' if actor else ''}{f': {reason}' if reason else '.'}"
        database.fetch_rows(_PAUSE, {"flow": flow_id, "reason": why})
        transitions.record_event(flow_id, "flow.paused", None, {"by": actor, "reason": reason})
    return True


def resume(flow_id: str, *, actor: str = "") -> bool:
    """Let a paused flow go on, its deadline moved by the pause. False if it was not paused; ``NotPausable`` if ended."""
    with transaction.atomic():
        held = transitions.lock_flow(flow_id)
        if held is None or held.status in FLOW_ENDED:
            raise NotPausable(f"{flow_id} has ended.")
        if held.status != FlowStatus.PAUSED:
            return False
        transitions.record_event(flow_id, "flow.resumed", None, {"by": actor})
        for stage in database.fetch_rows(_RESUME, {"flow": flow_id}):
            shown = {"stage": stage.kind, "round": stage.round, "queue": stage.queue}
            transitions.record_event(flow_id, "stage.ready", stage.id, shown)
        # One that became ready while the flow was paused has not been sent either.
        database.fetch_rows(_UNSENT, {"flow": flow_id})
        _send_after_commit(flow_id)
    return True


def retry(flow_id: str, *, actor: str = "") -> Flow:
    """Run a failed flow on from the stage that failed, with a new deadline; raises ``NotRetryable``.

    What passed is kept, and so is what was paid: a stored answer is used again. A stage that failed because no repair round
    was left gets one more round instead of a second look at the same block.
    """
    with transaction.atomic():
        held = transitions.lock_flow(flow_id)
        if held is None or held.status != FlowStatus.FAILED:
            raise NotRetryable(
                f"{flow_id} is {held.status if held else 'unknown'}; only a failed flow can be retried."
            )
        database.fetch_rows(_REOPEN, {"flow": flow_id, "deadline": float(settings.FLOW_DEADLINE_SECONDS)})
        (failed,) = database.fetch_rows(_LAST_FAILED, {"flow": flow_id})
        transitions.record_event(flow_id, "flow.retried", failed.id, {"by": actor})
        if failed.asked_for_repair:
            repair_round.insert_round(held, failed.id)
            database.fetch_rows(_UNSENT, {"flow": flow_id})
        else:
            (stage,) = database.fetch_rows(_AGAIN, {"stage": failed.id})
            shown = {"stage": stage.kind, "round": stage.round, "queue": stage.queue}
            transitions.record_event(flow_id, "stage.ready", failed.id, shown)
        _send_after_commit(flow_id)
    return Flow.objects.select_related("repo").get(pk=flow_id)


def set_priority(flow_id: str, priority: int, *, actor: str = "") -> None:
    """Higher goes first, whatever the repo. What is already in the broker keeps its place."""
    with transaction.atomic():
        if transitions.lock_flow(flow_id) is not None:
            database.fetch_rows(
                "UPDATE flows_flow SET priority = %(priority)s WHERE id = %(flow)s",
                {"flow": flow_id, "priority": priority},
            )
            database.fetch_rows(
                "UPDATE flows_stage SET fair_tag = 0 WHERE flow_id = %(flow)s AND status = 'ready'",
                {"flow": flow_id},
            )
            transitions.record_event(flow_id, "flow.priority", None, {"by": actor, "priority": priority})


def _send_after_commit(flow_id: str) -> None:
    chain = list_remaining_stages(flow_id)
    if chain:
        transaction.on_commit(lambda: broker.send_chain(chain), robust=True)
