"""Repair rounds: stages inserted behind the one that rejected the block. Called under the flow's lock."""

import json
from typing import Any

from psycopg.types.json import Jsonb

from orchestrator.core import database
from orchestrator.core.sql import load_statements
from orchestrator.flows import flow_types
from orchestrator.flows.engine import transitions
from orchestrator.flows.stage_protocol import Repair

_SQL = load_statements(__file__)


def store_request(stage_id: int, asked: Repair) -> None:
    """Keep what a stage found and what it asked for, so that a retry can grant one more round."""
    params = {"stage": stage_id, "output": Jsonb(dict(asked.output))}
    database.fetch_rows(
        _SQL["store_repair_request"],
        params | {"repair": Jsonb({"insert": list(asked.insert), "feedback": asked.feedback})},
    )


def insert_round(held: Any, stage_id: int) -> bool:
    """Insert the round that ``stage_id`` asked for behind it; its first stage is ready.

    True: that stage counts as sent.
    """
    # Read from the row: a retry inserts a round for a request of an earlier attempt.
    (asked,) = database.fetch_rows(_SQL["read_repair_request"], {"stage": stage_id})
    repair = json.loads(asked.repair)
    # The version that the flow began with: a newer one may have other stages.
    flow_type = flow_types.pinned_version(held.flow_type, held.flow_type_version)
    specs = [flow_type.spec(kind) for kind in repair["insert"]]
    database.fetch_rows(
        _SQL["shift_later_stages"], {"flow": held.id, "position": asked.position, "by": len(specs)}
    )
    params = {
        "flow": held.id,
        "position": asked.position,
        "round": asked.round + 1,
        "kinds": [spec.kind for spec in specs],
        "queues": [spec.queue.value for spec in specs],
        "feedback": repair["feedback"],
        "sendable": held.status != "paused",
    }
    inserted = database.fetch_rows(_SQL["insert_repair_round"], params)
    # RETURNING promises no order, so the first stage is found by its status.
    (first,) = [row for row in inserted if row.status == "ready"]
    transitions.record_event(
        held.id, "round.inserted", stage_id, {"round": params["round"], "stages": params["kinds"]}
    )
    shown = {"stage": first.kind, "round": params["round"], "queue": first.queue}
    transitions.record_event(held.id, "stage.ready", first.id, shown)
    return first.sent_at is not None
