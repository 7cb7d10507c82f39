"""What a live attempt writes before it ends."""

from collections.abc import Mapping
from typing import Any

from psycopg.types.json import Jsonb

from orchestrator.core import database
from orchestrator.core.sql import load_statements
from orchestrator.flows.engine import transitions
from orchestrator.flows.engine.claim import Claim
from orchestrator.flows.engine.errors import Fenced

_SQL = load_statements(__file__)


def record_progress(claim: Claim, message: str, data: Mapping[str, Any]) -> None:
    """Tell followers something; raises ``Fenced`` when the attempt is no longer the live one."""
    shown = {"stage": claim.kind, "round": claim.round, "message": message, **data}
    # No row: the token is not the live one. Another worker may run the stage now.
    if not database.fetch_rows(
        _SQL["record_progress"],
        {"flow": claim.flow_id, "stage": claim.stage_id, "token": claim.token, "data": Jsonb(shown)},
    ):
        raise Fenced(f"{claim.flow_id}: attempt {claim.attempt_number} of {claim.kind} is not the live one.")


def refresh_cost(flow_id: str) -> None:
    """Take a late settlement into the flow's cost."""
    transitions.refresh_cost(flow_id)
