"""What the dispatcher finds by looking: leases that ran out, deadlines that passed, waits that are over."""

from collections import Counter
from collections.abc import Sequence
from typing import Any, Final
from uuid import UUID

from django.conf import settings
from django.db import transaction

from orchestrator.core import database
from orchestrator.core.periodic import PeriodicWork
from orchestrator.core.sql import load_statements
from orchestrator.flows.engine import transitions
from orchestrator.flows.models.states import FLOW_ENDED

_SQL = load_statements(__file__)
STOPPED, LOST, LOST_WITH_OTHERS = (
    "engine:worker-stopped",
    "engine:worker-lost",
    "engine:worker-lost-with-others",
)
"""Why an attempt ended without its worker saying so."""
SHARED_WEIGHT = 1 / 3


def find_expired_leases(limit: int = 100) -> list[Any]:
    """Running stages whose lease has run out: id, flow_id, token."""
    return database.fetch_rows(_SQL["find_expired_leases"], {"limit": limit})


def expire_lease(flow_id: str, stage_id: int, token: UUID, *, shared: bool = False) -> bool:
    """Take a stage from a lost worker: ready again, after a pause from the second time on, or failed after
    too many crashes.

    ``shared``: the worker held other stages too, any of which may have ended it. False: its lease is live.
    """
    with transaction.atomic():
        return _take_back(
            flow_id, stage_id, token, code=LOST_WITH_OTHERS if shared else LOST, lease_counts=True
        )


def count_by_process(stages: Sequence[Any]) -> Counter[str]:
    """How many of ``stages`` each process held, by the beginning of its workers' names."""
    return Counter(read_process(stage.worker) for stage in stages)


def read_process(worker: str) -> str:
    """The host and process of a worker's name, which may end with a thread."""
    return ":".join(worker.split(":")[:2])


def give_back_stage(flow_id: str, stage_id: int, token: UUID) -> bool:
    """Give a stage back because its worker has to stop: ready again, without counting a crash."""
    with transaction.atomic():
        return _take_back(flow_id, stage_id, token, code=STOPPED, lease_counts=False)


def give_back_stages(workers: Sequence[str]) -> int:
    """Give back everything that workers hold whose names begin with one of ``workers``; how many stages."""
    held = database.fetch_rows(_SQL["find_stages_of_workers"], {"workers": list(workers)})
    return sum(give_back_stage(stage.flow_id, stage.id, stage.token) for stage in held)


def take_stages_of_dead(workers: Sequence[str]) -> int:
    """Take the stages of processes that are known to be dead, before their leases run out; how many."""
    held = database.fetch_rows(_SQL["find_stages_of_workers"], {"workers": list(workers)})
    counts = count_by_process(held)
    return sum(_take_from_dead(stage, shared=counts[read_process(stage.worker)] > 1) for stage in held)


def _take_from_dead(stage: Any, *, shared: bool) -> bool:
    code = LOST_WITH_OTHERS if shared else LOST
    with transaction.atomic():
        return _take_back(stage.flow_id, stage.id, stage.token, code=code, lease_counts=False)


def _take_back(flow_id: str, stage_id: int, token: UUID, *, code: str, lease_counts: bool) -> bool:
    # Flow before stage. The lease is read after this, since it may be renewed during the wait for the lock.
    transitions.lock_flow(flow_id)
    found = database.fetch_rows(
        _SQL["lock_expired_stage"], {"stage": stage_id, "token": token, "given_up": not lease_counts}
    )
    if not found:
        return False
    (stage,) = found
    crashed = code != STOPPED
    why = (
        f"The worker {stage.worker} was lost." if crashed else "The worker stopped before the stage was done."
    )
    transitions.end_attempt(token, "expired", code=code, message=why)
    transitions.refresh_cost(flow_id)
    crashes = stage.crashes + int(crashed)
    # A stage that kills its workers, by memory for example, must not do so for ever.
    if crashed and _weigh_crashes(stage_id, crashes) >= settings.ENGINE_MAX_CRASHES:
        reason = {
            "code": "engine:worker-crashed",
            "message": f"The stage {stage.kind} lost its worker {crashes} times, last {stage.worker}.",
            "cure": "Look for what kills the worker (memory, the node); then retry the flow.",
        }
        transitions.fail_stage(flow_id, stage_id, **reason, worker=stage.worker)
        transitions.fail_flow(flow_id, **reason)
        return True
    shown = {"stage": stage.kind, "round": stage.round, "reason": why}
    # The first time a machine may have gone; after that, what takes a worker with it must not take one after
    # the other.
    if crashed and (pause := transitions.compute_pause(crashes - 1)):
        params = {"stage": stage_id, "reason": why, "pause": pause}
        row = database.fetch_row(_SQL["let_lost_stage_wait"], params)
        transitions.rest_flow(flow_id)
        shown["until"] = row.not_before.isoformat()
        transitions.record_event(flow_id, "stage.waiting", stage_id, shown)
        return True
    database.fetch_rows(_SQL["return_stage"], {"stage": stage_id, "crashed": int(crashed)})
    shown |= {"queue": stage.queue, "worker": stage.worker}
    transitions.record_event(flow_id, "stage.ready", stage_id, shown)
    return True


def _weigh_crashes(stage_id: int, crashes: int) -> float:
    """The last ``crashes`` of a stage, of which each counts less where other stages were lost with it."""
    params = {
        "stage": stage_id,
        "crashes": crashes,
        "shared": LOST_WITH_OTHERS,
        "lost": [LOST, LOST_WITH_OTHERS],
    }
    shared: int = database.fetch_row(_SQL["count_shared_crashes"], params).shared
    return crashes - shared + shared * SHARED_WEIGHT


def find_overdue_flows(limit: int = 100) -> list[str]:
    """Flows past their deadline that nothing holds."""
    return [row.id for row in database.fetch_rows(_SQL["find_overdue_flows"], {"limit": limit})]


def fail_overdue_flow(flow_id: str) -> bool:
    """Fail a flow for its deadline, and its live stages; fence running attempts. False: it had ended."""
    reason = {
        "code": "flow:deadline-exceeded",
        "message": "The flow did not end before its deadline.",
        "cure": "See which stage took the time; "
        "retry the flow for a new deadline, or raise FLOW_DEADLINE_SECONDS.",
    }
    with transaction.atomic():
        held = transitions.lock_flow(flow_id)
        if held is None or held.status in FLOW_ENDED:
            return False
        # Each of them failed for this reason, so that each runs again after a retry.
        for stage in database.fetch_rows(_SQL["lock_live_stages"], {"flow": flow_id}):
            # Only a running stage has an attempt to close.
            if stage.token is not None:
                transitions.end_attempt(
                    stage.token, "expired", code=reason["code"], message=reason["message"]
                )
            transitions.fail_stage(flow_id, stage.id, **reason)
        transitions.fail_flow(flow_id, **reason)
    return True


def refresh_late_costs(seconds: float = 3600.0) -> int:
    """Correct the cost of flows with a call of unknown use that ended in the last ``seconds``; how many."""
    return len(database.fetch_rows(_SQL["refresh_late_costs"], {"seconds": seconds}))


LATE_COSTS: Final = PeriodicWork("late costs", 60.0, refresh_late_costs)


def release_due_stages(limit: int = 200) -> int:
    """Make stages ready whose pause after a failure is over; how many.

    ``capacity`` releases those that wait for a provider.
    """
    return len(database.fetch_rows(_SQL["release_due_stages"], {"limit": limit}))
