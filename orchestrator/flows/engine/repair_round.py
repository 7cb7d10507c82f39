"""Repair rounds: what wrote the block, and everything behind it that has begun, runs once more.

A round begins when no other stage of the flow is under way, so that it answers what all of them have found.
The flow's row says that a repair was asked for: every finish locks that row, and so reads it as it is at that
moment. Called under the flow's lock.
"""

import json
from collections.abc import Sequence
from typing import Any

from psycopg.types.json import Jsonb

from orchestrator.core import database
from orchestrator.core.sql import load_statements
from orchestrator.flows import flow_types
from orchestrator.flows.engine import transitions
from orchestrator.flows.engine.claim import Claim
from orchestrator.flows.models.states import StageStatus
from orchestrator.flows.stage_protocol import Repair

LIVE = frozenset({StageStatus.READY, StageStatus.RUNNING, StageStatus.WAITING})
_SQL = load_statements(__file__)


def store_request(claim: Claim, asked: Repair) -> None:
    """Keep what a stage found and what it asked for, so that a retry can grant one more round."""
    params = {"flow": claim.flow_id, "stage": claim.stage_id, "output": Jsonb(dict(asked.output))}
    database.fetch_rows(
        _SQL["store_repair_request"],
        params | {"repair": Jsonb({"insert": [asked.again], "feedback": asked.feedback})},
    )


def begin_round(held: Any) -> tuple[int, ...]:
    """Insert the round that stages of the flow ``held`` have asked for, unless one of its stages is under
    way.

    Its first stage is ready. The stages that count as sent, for the caller to send.
    """
    stages = database.fetch_rows(_SQL["list_stages"], {"flow": held.id})
    if any(stage.status in LIVE for stage in stages):
        # That stage may still find something; its end begins the round.
        transitions.rest_flow(held.id)
        return ()
    asking = _list_open_requests(stages)
    requests = [json.loads(stage.repair) for stage in asking]
    # The version that the flow began with: a newer one may have other stages.
    flow_type = flow_types.pinned_version(held.flow_type, held.flow_type_version)
    again = _list_kinds_again(flow_type, {request["insert"][0] for request in requests}, stages)
    replaced = {stage.kind: stage for stage in stages if stage.kind in again}
    position = max(stage.position for stage in replaced.values())
    # Not counted from those that ask: a reviewer may ask in its first round about files of a later one.
    round_ = max(stage.round for stage in replaced.values()) + 1
    database.fetch_rows(_SQL["shift_later_stages"], {"flow": held.id, "position": position, "by": len(again)})
    inserted = database.fetch_rows(
        _SQL["insert_repair_round"],
        {
            "flow": held.id,
            "position": position,
            "round": round_,
            "asked": [stage.id for stage in asking],
            "feedback": "\n\n".join(request["feedback"] for request in requests),
            "sendable": held.status != "paused",
            # The stages go to the queues of those that they replace: their models are the same.
            "queues": [replaced[kind].queue for kind in again],
            **_describe_round(flow_type, again),
        },
    )
    # RETURNING promises no order, so rows are found by kind and status.
    fresh = {row.kind: row.id for row in inserted}
    database.fetch_rows(
        _SQL["redirect_needs"],
        {
            "flow": held.id,
            "replaced": [replaced[kind].id for kind in again],
            "fresh": [fresh[kind] for kind in again],
        },
    )
    (first,) = [row for row in inserted if row.status == "ready"]
    transitions.record_event(
        held.id, "round.inserted", asking[-1].id, {"round": round_, "stages": list(again)}
    )
    shown = {"stage": first.kind, "round": round_, "queue": first.queue}
    transitions.record_event(held.id, "stage.ready", first.id, shown)
    return () if first.sent_at is None else (first.id,)


def begin_asked_round(held: Any) -> None:
    """Begin the round that stages of a flow asked for that has failed; nothing where none did."""
    if _list_open_requests(database.fetch_rows(_SQL["list_stages"], {"flow": held.id})):
        begin_round(held)


def _list_open_requests(stages: Sequence[Any]) -> list[Any]:
    """Of the stages of a flow those that asked for a repair and were not followed by a round."""
    newest = {stage.kind: stage.round for stage in stages}
    return [stage for stage in stages if stage.repair != "{}" and stage.round == newest[stage.kind]]


def _list_kinds_again(
    flow_type: flow_types.FlowType, first: set[str], stages: Sequence[Any]
) -> tuple[str, ...]:
    """The kinds of the round in order: ``first``, and what is behind it and has begun."""
    newest = {stage.kind: stage for stage in stages}
    begun = {kind for kind, stage in newest.items() if _has_begun(stage)}
    # Where requests name several kinds, the one furthest up writes for all.
    (start, *_) = [spec.kind for spec in flow_type.order.stages if spec.kind in first]
    return tuple(kind for kind in flow_type.kinds_behind(start) if kind in begun)


def _has_begun(stage: Any) -> bool:
    # Stopped before a worker took it: the stages that it needs had passed, so it belongs to the old round,
    # too.
    stopped = stage.status == StageStatus.SKIPPED and not stage.in_line and stage.needs_left == 0
    return stage.started_at is not None or stopped


def _describe_round(flow_type: flow_types.FlowType, again: tuple[str, ...]) -> dict[str, Any]:
    """The edges between the kinds of a round. Its stages are counted from 1."""
    order = flow_type.order
    edges = [
        (again.index(spec.kind) + 1, again.index(order.stages[place].kind) + 1)
        for spec, needs in zip(order.stages, order.needs, strict=True)
        for place in needs
        if spec.kind in again[1:] and order.stages[place].kind in again
    ]
    needing = [edge[0] for edge in edges]
    return {
        "kinds": list(again),
        "needing": needing,
        "needed": [edge[1] for edge in edges],
        "needs_left": [needing.count(number) for number in range(1, len(again) + 1)],
    }
