"""What people may do to a flow: cancel, pause, resume, retry, change its priority.

Each is one short transaction.
"""

from django.conf import settings
from django.db import transaction

from orchestrator.core import audit, database, tracing
from orchestrator.core.sql import load_statements
from orchestrator.flows.engine import (
    broker,
    flow_trace,
    old_flows,
    repair_round,
    repo_limits,
    transitions,
    waits,
)
from orchestrator.flows.engine.errors import FlowHalted, NotPausable, NotRetryable
from orchestrator.flows.engine.routes import list_routes
from orchestrator.flows.models import Flow
from orchestrator.flows.models.states import FLOW_ENDED, FlowStatus
from orchestrator.repos import halts, repo_settings

_UNDER_WAY = frozenset({FlowStatus.RUNNING, FlowStatus.WAITING})
_REOPENED = frozenset({FlowStatus.FAILED, FlowStatus.CANCELLED})
_SQL = load_statements(__file__)


def cancel(flow_id: str, *, actor: str = "", reason: str = "") -> bool:
    """End a flow now. After the commit no write of a running attempt counts; it stops within a heartbeat.

    False when the flow had already ended (or does not exist): then nothing has changed.
    """
    with transaction.atomic():
        held = transitions.lock_flow(flow_id)
        if held is None or held.status in FLOW_ENDED:
            return False
        audit.name_actor(actor, reason)
        # Under the flow's lock no stage can start or pass between the look above and this update.
        database.fetch_rows(_SQL["cancel_flow"], {"flow": flow_id})
        transitions.refresh_cost(flow_id)
        transitions.record_event(flow_id, "flow.cancelled", None, {"by": actor, "reason": reason})
        flow_trace.record_end_after_commit(flow_id)
    return True


def pause(flow_id: str, *, actor: str = "", reason: str = "") -> bool:
    """Start no further stage of a flow; what runs may end.

    False if it was paused already; raises ``NotPausable`` if it has ended.
    """
    with transaction.atomic():
        held = transitions.lock_flow(flow_id)
        if held is None or held.status in FLOW_ENDED:
            raise NotPausable(f"{flow_id} has ended.")
        # A second pause would write a second event, and a resume would then count only the time since it.
        if held.status == FlowStatus.PAUSED:
            return False
        audit.name_actor(actor, reason)
        by = f" by {actor}" if actor else ""
        end = f": {reason}" if reason else "."
        why = f"The flow is paused{by}{end}"
        database.fetch_rows(_SQL["pause_flow"], {"flow": flow_id, "reason": why})
        transitions.record_event(flow_id, "flow.paused", None, {"by": actor, "reason": reason})
    return True


def resume(flow_id: str, *, actor: str = "", reason: str = "") -> bool:
    """Let a paused flow continue, with its deadline moved by the pause.

    False if it was not paused; raises ``NotPausable`` if it has ended.
    """
    with transaction.atomic():
        held = transitions.lock_flow(flow_id)
        if held is None or held.status in FLOW_ENDED:
            raise NotPausable(f"{flow_id} has ended.")
        if held.status != FlowStatus.PAUSED:
            return False
        audit.name_actor(actor, reason)
        # First, so that followers read it before the stages that become ready.
        transitions.record_event(flow_id, "flow.resumed", None, transitions.tell_who(actor, reason))
        for stage in database.fetch_rows(_SQL["resume_flow"], {"flow": flow_id}):
            shown = {"stage": stage.kind, "round": stage.round, "queue": stage.queue}
            transitions.record_event(flow_id, "stage.ready", stage.id, shown)
        # A stage that became ready while the flow was paused has not been sent either.
        send_ready_stages(flow_id)
    return True


def retry(flow_id: str, *, actor: str = "", reason: str = "") -> Flow:
    """Run a failed or cancelled flow on from where it ended, with a new deadline, or end the wait of one that
    waits; raises ``NotRetryable``, ``RepoLimitReached`` where its repo may not have one more open flow, and
    ``FlowHalted`` where a rollback keeps it switched off.

    What passed is kept, and so is what was paid: a stored answer is used again. What ran beside the stage
    that failed runs again. Stages that failed because no repair round was left get one more round instead of
    a second look at the same block.
    """
    with transaction.atomic():
        held = transitions.lock_flow(flow_id)
        audit.name_actor(actor, reason)
        # What waits is asked again at once. It continues from where it is, so nothing has to be reopened.
        if (
            held is not None
            and held.status in _UNDER_WAY
            and waits.end_waits(flow_id, actor=actor, reason=reason)
        ):
            return Flow.objects.select_related("repo").get(pk=flow_id)
        if held is None or held.status not in _REOPENED:
            raise NotRetryable(
                f"{flow_id} is {held.status if held else 'unknown'}; only a flow that failed, was cancelled "
                "or waits for a provider can be retried."
            )
        reopen_flow(flow_id, actor=actor, reason=reason)
        # A second look at the same block would reject it again: the implementer gets another round instead.
        repair_round.begin_asked_round(held)
        bring_back_stages(flow_id)
        send_ready_stages(flow_id)
    return Flow.objects.select_related("repo").get(pk=flow_id)


def reopen_flow(flow_id: str, *, actor: str, reason: str = "") -> None:
    """Let an ended flow run again, with a new deadline. Called under its lock.

    Raises ``RepoLimitReached`` where its repo may not have one more open flow, and ``FlowHalted``.
    """
    flow = Flow.objects.select_related("repo").get(pk=flow_id)
    # What a rollback has cancelled would come back past those who have to agree.
    halted = halts.describe_halt(flow.repo)
    if halted:
        raise FlowHalted(halted)
    old_flows.require_files_for_retry(flow)
    repo_limits.require_open_flow(flow.repo, repo_settings.read_limits(flow.repo.name))
    with tracing.open_root_span("retry flow", {"flow.id": flow_id}):
        reopened = {
            "flow": flow_id,
            "deadline": float(settings.FLOW_DEADLINE_SECONDS),
            "trace_parent": tracing.read_trace_parent(),
        }
        database.fetch_rows(_SQL["reopen_flow"], reopened)
    # A cancelled flow need not have one.
    failed = [stage.id for stage in database.fetch_rows(_SQL["find_failed_stage"], {"flow": flow_id})]
    transitions.record_event(
        flow_id, "flow.retried", next(iter(failed), None), transitions.tell_who(actor, reason)
    )


def bring_back_stages(flow_id: str) -> None:
    """Bring back the stages of a reopened flow that no later round has replaced. Called under its lock."""
    for stage in database.fetch_rows(_SQL["reopen_stages"], {"flow": flow_id}):
        shown = {"stage": stage.kind, "round": stage.round, "queue": stage.queue}
        transitions.record_event(flow_id, "stage.ready", stage.id, shown)


def set_priority(flow_id: str, priority: int, *, actor: str = "", reason: str = "") -> None:
    """A higher priority goes first, in every repo. What is already in the broker keeps its place."""
    with transaction.atomic():
        if transitions.lock_flow(flow_id) is not None:
            audit.name_actor(actor, reason)
            database.fetch_rows(
                _SQL["write_priority"],
                {"flow": flow_id, "priority": priority},
            )
            database.fetch_rows(
                # The tag contains the old priority; a stage without a tag gets a new one at the dispatcher's
                # next look.
                _SQL["clear_fair_tag"],
                {"flow": flow_id},
            )
            changed = transitions.tell_who(actor, reason) | {"priority": priority}
            transitions.record_event(flow_id, "flow.priority", None, changed)


def send_ready_stages(flow_id: str) -> None:
    """Send every stage of a flow that is ready, after the commit. Called under its lock."""
    database.fetch_rows(_SQL["mark_ready_stages_as_sent"], {"flow": flow_id})
    routes = list_routes(flow_id)
    if routes:
        # Not before the commit: a worker could get the message and find the stage not ready yet.
        transaction.on_commit(lambda: broker.send_routes(routes), robust=True)
