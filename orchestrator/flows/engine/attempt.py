"""What a live attempt writes before it ends, and what is left to run."""

from collections.abc import Mapping
from typing import Any

from psycopg.types.json import Jsonb

from orchestrator.core import database
from orchestrator.flows.engine import transitions
from orchestrator.flows.engine.claim import Claim
from orchestrator.flows.engine.errors import Fenced

# The stage is locked too: a row that is only read shows what it was when the statement began, which was before a cancel that
# held the flow's lock meanwhile. A locked one is read again.
_PROGRESS = """
WITH f AS (SELECT id FROM flows_flow WHERE id = %(flow)s FOR NO KEY UPDATE), s AS (
    SELECT st.id, st.flow_id FROM f JOIN flows_stage st ON st.flow_id = f.id
    WHERE st.id = %(stage)s AND st.token = %(token)s AND st.status = 'running' FOR NO KEY UPDATE OF st
)
INSERT INTO flows_flowevent (flow_id, kind, stage_id, data, created_at)
SELECT s.flow_id, 'stage.progress', s.id, %(data)s, clock_timestamp() FROM s
RETURNING id
"""
_REMAINING = """
SELECT id, queue FROM flows_stage WHERE flow_id = %(flow)s AND status IN ('ready', 'pending') ORDER BY position
"""


def record_progress(claim: Claim, message: str, data: Mapping[str, Any]) -> None:
    """Tell followers something; raises ``Fenced`` when the attempt is no longer the live one."""
    shown = {"stage": claim.kind, "round": claim.round, "message": message, **data}
    if not database.fetch_rows(
        _PROGRESS,
        {"flow": claim.flow_id, "stage": claim.stage_id, "token": claim.token, "data": Jsonb(shown)},
    ):
        raise Fenced(f"{claim.flow_id}: attempt {claim.attempt_number} of {claim.kind} is not the live one.")


def refresh_cost(flow_id: str) -> None:
    """Take a late settlement into the flow's cost."""
    transitions.refresh_cost(flow_id)


def list_remaining_stages(flow_id: str) -> list[tuple[int, str]]:
    """The stages that are left, in order: id and queue. The chain is rebuilt from this."""
    return [(row.id, row.queue) for row in database.fetch_rows(_REMAINING, {"flow": flow_id})]
