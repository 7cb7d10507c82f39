"""A round whose files a person wrote: a flow that has failed continues from them, through every gate.

One transaction: the flow is reopened, a round begins, and its first stage has passed with the files before
any worker can see it. A message for that stage that is on its way finds it passed, and does nothing.
"""

from django.db import transaction

from orchestrator.core import database
from orchestrator.core.sql import load_statements
from orchestrator.flows.engine import control, repair_round, transitions
from orchestrator.flows.engine.claim import claim
from orchestrator.flows.engine.errors import NotEditable
from orchestrator.flows.engine.finish import finish
from orchestrator.flows.models import Flow
from orchestrator.flows.models.states import FlowStatus
from orchestrator.flows.stage_protocol import Done

_ENDED_WITHOUT_BLOCK = frozenset({FlowStatus.FAILED, FlowStatus.CANCELLED})
_FEEDBACK = "The files were edited by a person."
_SQL = load_statements(__file__)


def begin_edited_round(flow_id: str, kind: str, written: Done, *, actor: str) -> Flow:
    """Let a flow continue with what a person wrote in place of its stage ``kind``; with a new deadline.

    Raises ``NotEditable``, ``RepoLimitReached`` where its repo may not have one more open flow, and
    ``FlowHalted`` where a rollback keeps it switched off.
    """
    with transaction.atomic():
        held = transitions.lock_flow(flow_id)
        if held is None or held.status not in _ENDED_WITHOUT_BLOCK:
            status = held.status if held else "unknown"
            raise NotEditable(f"{flow_id} is {status}: it has no failed candidate.")
        newest = database.fetch_rows(_SQL["find_newest_stage"], {"flow": flow_id, "kind": kind})
        if not newest or newest[0].status != "passed":
            raise NotEditable(f"{flow_id} ended before it had files to edit.")
        control.reopen_flow(flow_id, actor=actor)
        # Stages that found something have asked for a round; after any other end, this asks for one.
        database.fetch_rows(
            _SQL["ask_for_round"],
            {"flow": flow_id, "stage": newest[0].id, "kind": kind, "feedback": _FEEDBACK},
        )
        repair_round.begin_round(held)
        control.bring_back_stages(flow_id)
        (first,) = database.fetch_rows(_SQL["find_newest_stage"], {"flow": flow_id, "kind": kind})
        taken = claim(first.id, actor)
        if taken is None:
            raise NotEditable(f"An operator holds {kind} stages at present.")
        # A claim need not wait for the disk; what a person wrote does.
        database.fetch_rows(_SQL["wait_for_the_disk"])
        transitions.record_event(flow_id, "round.edited", first.id, {"by": actor, "round": first.round})
        finish(taken, written)
        control.send_ready_stages(flow_id)
    return Flow.objects.select_related("repo").get(pk=flow_id)
