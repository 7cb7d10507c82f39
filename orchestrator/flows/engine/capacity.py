"""Stages that wait for room at a provider: who waits, who was let go and has not called yet, and letting go.

A stage that is let go keeps ``waits_for``: that is its turn, so it need not wait behind those who still do. Whoever comes
fresh does (``behind``), else a stage that needs little room would always overtake one that needs more.
"""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from orchestrator.core import database

_PER_REPO: Final = 50  # heads of a repo that one look considers; the next look is a tenth of a second away
_TURN_SECONDS: Final = 30.0  # a turn that is not taken in this time keeps its room from nobody

_PROVIDERS = """
SELECT DISTINCT waits_for AS provider FROM flows_stage WHERE status = 'waiting' AND waits_for <> '' AND not_before IS NOT NULL
"""
_WAITING = """
SELECT id, repo_id, priority, tokens, nano_usd FROM (
    SELECT st.id, st.flow_id, fl.repo_id, fl.priority, st.wait_tokens AS tokens, st.wait_nano_usd AS nano_usd,
        row_number() OVER (PARTITION BY fl.repo_id ORDER BY fl.priority DESC, st.flow_id) AS place
    FROM flows_stage st JOIN flows_flow fl ON fl.id = st.flow_id
    WHERE st.status = 'waiting' AND st.waits_for = %(provider)s AND st.not_before IS NOT NULL AND fl.status <> 'paused'
) heads WHERE place <= %(limit)s ORDER BY priority DESC, flow_id
"""
# A turn counts until its call is in the limiter's own counters.
_TURNS = """
SELECT count(*) AS calls, COALESCE(sum(st.wait_tokens), 0)::bigint AS tokens,
    COALESCE(sum(st.wait_nano_usd), 0)::bigint AS nano_usd
FROM flows_stage st WHERE st.status IN ('ready', 'running') AND st.waits_for = %(provider)s
    AND st.ready_at > clock_timestamp() - make_interval(secs => %(seconds)s)
    AND NOT EXISTS (SELECT 1 FROM flows_attempt at JOIN providers_providercall c ON c.stage_id = st.id AND c.attempt_id = at.id
        WHERE at.stage_id = st.id AND at.outcome = 'running')
"""
# The time for which it waited for others does not count against a flow's deadline.
_LET_GO = """
WITH f AS (
    SELECT st.id AS stage_id, fl.id, st.waiting_since
    FROM flows_stage st JOIN flows_flow fl ON fl.id = st.flow_id
    WHERE st.id = ANY(%(stages)s::bigint[]) AND st.status = 'waiting' AND fl.status <> 'paused'
    FOR NO KEY UPDATE OF fl SKIP LOCKED
), s AS (
    UPDATE flows_stage st SET status = 'ready', wait_reason = '', not_before = NULL, waiting_since = NULL,
        ready_at = clock_timestamp(), sent_at = NULL, sends = 0
    FROM f WHERE st.id = f.stage_id AND st.status = 'waiting' RETURNING st.id, st.flow_id, st.kind, st.round, st.queue
), later AS (
    UPDATE flows_flow fl SET deadline_at = fl.deadline_at + (clock_timestamp() - f.waiting_since)
    FROM f WHERE fl.id = f.id AND f.waiting_since IS NOT NULL
)
INSERT INTO flows_flowevent (flow_id, kind, stage_id, data, created_at)
SELECT s.flow_id, 'stage.ready', s.id, jsonb_build_object('stage', s.kind, 'round', s.round, 'queue', s.queue),
    clock_timestamp() FROM s
RETURNING id
"""
_STALE = """
SELECT id, waits_for AS provider, wait_tokens AS tokens, wait_nano_usd AS nano_usd FROM flows_stage
WHERE status = 'waiting' AND waits_for <> '' AND not_before < %(now)s ORDER BY not_before, id LIMIT %(limit)s
"""
_REWORD = """
UPDATE flows_stage SET wait_reason = %(reason)s, not_before = %(until)s
WHERE id = %(stage)s AND status = 'waiting' AND waits_for <> '' AND not_before IS NOT NULL
"""
_BEHIND = """
SELECT count(*) AS n FROM (SELECT 1 FROM flows_stage WHERE waits_for = %(provider)s AND id <> %(stage)s
    AND (status = 'waiting' AND not_before IS NOT NULL OR status = 'ready') LIMIT 1000) others
"""


@dataclass(frozen=True, slots=True)
class WaitingStage:
    """A stage that waits for room: for one call of so many tokens and nano-USD."""

    id: int
    repo_id: int
    priority: int
    tokens: int
    nano_usd: int


def list_awaited_providers() -> list[str]:
    """The providers for whose room any stage waits."""
    return [row.provider for row in database.fetch_rows(_PROVIDERS, {})]


def list_waiting_stages(provider: str) -> list[WaitingStage]:
    """The oldest that wait for ``provider``, of every repo, by priority and age."""
    return [
        WaitingStage(*row)
        for row in database.fetch_rows(_WAITING, {"provider": provider, "limit": _PER_REPO})
    ]


def sum_open_grants(provider: str) -> Any:
    """What stages that were let go will ask for: ``calls``, ``tokens``, ``nano_usd``."""
    return database.fetch_rows(_TURNS, {"provider": provider, "seconds": _TURN_SECONDS})[0]


def grant_room(stages: Collection[int]) -> int:
    """Make these stages ready, with their turn, their flows' deadlines moved by the wait; how many."""
    return len(database.fetch_rows(_LET_GO, {"stages": list(stages)})) if stages else 0


def find_late_stages(now: datetime, limit: int) -> Sequence[Any]:
    """Stages whose expected time has passed without room: id, provider, tokens, nano_usd."""
    return database.fetch_rows(_STALE, {"now": now, "limit": limit})


def update_wait_reason(stage_id: int, reason: str, until: datetime) -> None:
    """Say why a stage still waits, and until when."""
    database.fetch_rows(_REWORD, {"stage": stage_id, "reason": reason, "until": until})


def count_stages_ahead(provider: str, stage_id: int) -> int:
    """How many other stages wait for ``provider``, or have a turn that they are on their way to take."""
    return int(database.fetch_rows(_BEHIND, {"provider": provider, "stage": stage_id})[0].n)
