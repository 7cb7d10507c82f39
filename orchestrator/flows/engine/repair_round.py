"""Repair rounds: stages inserted behind the one that found the block wanting. Called under the flow's lock."""

import json
from typing import Any

from psycopg.types.json import Jsonb

from orchestrator.core import database
from orchestrator.flows import flow_types
from orchestrator.flows.engine import transitions
from orchestrator.flows.stage_protocol import Repair

_REMEMBER = """
UPDATE flows_stage SET output = %(output)s, repair = %(repair)s WHERE id = %(stage)s
"""
_ASKED = """
SELECT id, position, round, repair FROM flows_stage WHERE id = %(stage)s
"""
# The unique key on (flow, position) is checked at the commit only, so positions may shift in one update.
_SHIFT = """
UPDATE flows_stage SET position = position + %(by)s WHERE flow_id = %(flow)s AND position > %(position)s
"""
_INSERT = """
WITH room AS (
    SELECT %(sendable)s AND NOT EXISTS (SELECT 1 FROM flows_queueload q
        WHERE q.queue = (%(queues)s::text[])[1] AND q.full_until > now()) AS yes
)
INSERT INTO flows_stage (flow_id, position, kind, round, queue, status, worker, attempts_made, crashes, failures, repair,
    ready_at, wait_reason, waits_for, sent_at, sends, fair_tag, feedback, output, error_code, error_message, error_cure)
SELECT %(flow)s, %(position)s + t.n, t.kind, %(round)s, t.queue, CASE t.n WHEN 1 THEN 'ready' ELSE 'pending' END, '', 0, 0, 0,
    '{}', CASE t.n WHEN 1 THEN clock_timestamp() END, '', '', CASE WHEN t.n = 1 AND room.yes THEN clock_timestamp() END,
    CASE WHEN t.n = 1 AND room.yes THEN 1 ELSE 0 END, 0, %(feedback)s, '{}', '', '', ''
FROM room, unnest(%(kinds)s::text[], %(queues)s::text[]) WITH ORDINALITY AS t(kind, queue, n) ORDER BY t.n
RETURNING id, kind, queue, status, sent_at
"""


def store_request(stage_id: int, asked: Repair) -> None:
    """Keep what a stage found and what it asked for, so that a retry can grant one more round."""
    params = {"stage": stage_id, "output": Jsonb(dict(asked.output))}
    database.fetch_rows(
        _REMEMBER, params | {"repair": Jsonb({"insert": list(asked.insert), "feedback": asked.feedback})}
    )


def insert_round(held: Any, stage_id: int) -> bool:
    """Insert the round that ``stage_id`` asked for behind it; its first stage is ready. True: it counts as sent."""
    (asked,) = database.fetch_rows(_ASKED, {"stage": stage_id})
    repair = json.loads(asked.repair)
    flow_type = flow_types.pinned_version(held.flow_type, held.flow_type_version)
    specs = [flow_type.spec(kind) for kind in repair["insert"]]
    database.fetch_rows(_SHIFT, {"flow": held.id, "position": asked.position, "by": len(specs)})
    params = {
        "flow": held.id,
        "position": asked.position,
        "round": asked.round + 1,
        "kinds": [spec.kind for spec in specs],
        "queues": [spec.queue.value for spec in specs],
        "feedback": repair["feedback"],
        "sendable": held.status != "paused",
    }
    inserted = database.fetch_rows(_INSERT, params)
    (first,) = [row for row in inserted if row.status == "ready"]
    transitions.record_event(
        held.id, "round.inserted", stage_id, {"round": params["round"], "stages": params["kinds"]}
    )
    shown = {"stage": first.kind, "round": params["round"], "queue": first.queue}
    transitions.record_event(held.id, "stage.ready", first.id, shown)
    return first.sent_at is not None
