"""Pauses beyond one flow: a repo, a queue (with it a provider), everything. Stages in their scope wait, and say why."""

from django.db import transaction

from orchestrator.core import database
from orchestrator.flows.models import Hold, HoldScope
from orchestrator.repos.models import Repo

_IN_SCOPE = """
    SELECT h.scope, h.target, h.reason, h.actor FROM flows_hold h WHERE h.scope = 'everything'
        OR h.scope = 'repo' AND h.target = r.repo_name OR h.scope = 'queue' AND h.target = st.queue
    ORDER BY h.id LIMIT 1
"""


def held(queue: str, repo: str) -> str:
    """SQL that is true while anything holds the stages of the expressions ``queue`` and ``repo`` (its name)."""
    return f"""EXISTS (SELECT 1 FROM flows_hold h WHERE h.scope = 'everything'
        OR h.scope = 'repo' AND h.target = {repo} OR h.scope = 'queue' AND h.target = {queue})"""  # noqa: S608 - no values


HOLD_READY = f"""
WITH f AS (
    SELECT st.id AS stage_id, fl.id, CASE WHEN h.scope IS NULL THEN 'The flow is paused.' ELSE
        CASE h.scope WHEN 'everything' THEN 'All flows are' ELSE h.scope || ' ' || h.target || ' is' END || ' paused'
        || CASE WHEN h.actor <> '' THEN ' by ' || h.actor ELSE '' END
        || CASE WHEN h.reason <> '' THEN ': ' || h.reason ELSE '.' END END AS reason
    FROM flows_stage st JOIN flows_flow fl ON fl.id = st.flow_id JOIN repos r ON r.id = fl.repo_id
        LEFT JOIN LATERAL ({_IN_SCOPE}) h ON true
    WHERE st.status = 'ready' AND (h.scope IS NOT NULL OR fl.status = 'paused') AND (%(any)s OR fl.status = 'paused')
    ORDER BY st.id LIMIT %(limit)s FOR NO KEY UPDATE OF fl SKIP LOCKED
), s AS (
    UPDATE flows_stage st SET status = 'waiting', wait_reason = f.reason, not_before = NULL, sent_at = NULL
    FROM f WHERE st.id = f.stage_id AND st.status = 'ready' RETURNING st.id, st.flow_id, st.kind, st.round, f.reason
), moved AS (
    UPDATE flows_flow fl SET status = 'waiting' FROM s WHERE fl.id = s.flow_id AND fl.status = 'running'
)
INSERT INTO flows_flowevent (flow_id, kind, stage_id, data, created_at)
SELECT s.flow_id, 'stage.waiting', s.id, jsonb_build_object('stage', s.kind, 'round', s.round, 'reason', s.reason),
    clock_timestamp() FROM s
RETURNING id
"""  # noqa: S608 - made of constants
LET_GO = f"""
WITH f AS (
    SELECT st.id AS stage_id, fl.id
    FROM flows_stage st JOIN flows_flow fl ON fl.id = st.flow_id JOIN repos r ON r.id = fl.repo_id
    WHERE st.status = 'waiting' AND st.not_before IS NULL AND fl.status <> 'paused'
        AND NOT EXISTS ({_IN_SCOPE})
    ORDER BY st.id LIMIT %(limit)s FOR NO KEY UPDATE OF fl SKIP LOCKED
), s AS (
    UPDATE flows_stage st SET status = 'ready', wait_reason = '', ready_at = clock_timestamp(), sent_at = NULL, sends = 0
    FROM f WHERE st.id = f.stage_id AND st.status = 'waiting' RETURNING st.id, st.flow_id, st.kind, st.round, st.queue
)
INSERT INTO flows_flowevent (flow_id, kind, stage_id, data, created_at)
SELECT s.flow_id, 'stage.ready', s.id, jsonb_build_object('stage', s.kind, 'round', s.round, 'queue', s.queue),
    clock_timestamp() FROM s
RETURNING id
"""  # noqa: S608 - made of constants
# The time for which it was held does not count against a flow's deadline.
_EXTEND = """
UPDATE flows_flow fl SET deadline_at = fl.deadline_at + (clock_timestamp() - GREATEST(fl.created_at, %(since)s))
FROM repos r WHERE r.id = fl.repo_id AND fl.status IN ('pending', 'running', 'waiting', 'paused')
    AND (%(scope)s = 'everything' OR %(scope)s = 'repo' AND r.repo_name = %(target)s
        OR %(scope)s = 'queue' AND EXISTS (SELECT 1 FROM flows_stage st WHERE st.flow_id = fl.id
            AND st.queue = %(target)s AND st.status IN ('ready', 'waiting')))
"""


def hold(scope: str, target: str = "", *, actor: str = "", reason: str = "") -> bool:
    """Start no stage in ``scope`` (``everything``, ``repo``, ``queue``: a provider's queue has its name).

    What runs may end. False if it was held already. The dispatcher turns what is ready into waiting, with the reason.
    """
    with transaction.atomic():
        _, made = Hold.objects.get_or_create(
            scope=HoldScope(scope), target=target, defaults={"actor": actor, "reason": reason}
        )
        if scope == HoldScope.REPO:
            Repo.objects.filter(name=target).update(paused=True)
    return made


def release(scope: str, target: str = "") -> bool:
    """Take a hold away; what waited for it goes on in fair order. False if there was none."""
    with transaction.atomic():
        held = Hold.objects.select_for_update().filter(scope=scope, target=target).first()
        if scope == HoldScope.REPO:
            Repo.objects.filter(name=target).update(paused=False)
        if held is None:
            return False
        database.fetch_rows(_EXTEND, {"since": held.created_at, "scope": str(scope), "target": target})
        held.delete()
    return True


def hold_ready_stages(limit: int) -> int:
    """Make ready stages that are held or paused wait; how many did."""
    return len(database.fetch_rows(HOLD_READY, {"limit": limit, "any": Hold.objects.exists()}))


def release_held_stages(limit: int) -> int:
    """Make stages ready that nothing holds any more; how many."""
    return len(database.fetch_rows(LET_GO, {"limit": limit}))
