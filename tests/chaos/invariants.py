"""What must hold after any run, judged from outside: by the rows of the database and the log of the
simulator.
"""

import re
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path

from tests.chaos.stack import LEASE_SECONDS, Stack
from tests.chaos.traffic import Submitted

_SIMULATED = re.compile(r"SIMULATED .*?stage='(\w*)' round=(\d+) title='(\w*)' fault='(\w*)' status=200")
# Each query lists what must not be there. `flow` scopes to the run's database, which holds nothing else.
_DUPLICATE = {
    "stages whose pass was told twice": """
        SELECT stage_id::text FROM flows_flowevent WHERE kind = 'stage.passed'
        GROUP BY 1 HAVING count(*) > 1""",
    "stages with two attempts that passed": """
        SELECT stage_id::text FROM flows_attempt WHERE outcome = 'passed' GROUP BY 1 HAVING count(*) > 1""",
    "attempts that were overtaken and passed all the same": """
        SELECT a.id::text FROM flows_attempt a
        JOIN flows_attempt later ON later.stage_id = a.stage_id AND later.number > a.number
        WHERE a.outcome = 'passed'""",
    "stages that passed by another worker than their last attempt's": """
        SELECT e.stage_id::text FROM flows_flowevent e JOIN LATERAL (SELECT worker FROM flows_attempt a
            WHERE a.stage_id = e.stage_id ORDER BY number DESC LIMIT 1) a ON true
        WHERE e.kind = 'stage.passed' AND e.data->>'worker' <> a.worker""",
    "attempts still open although their stage is not running": """
        SELECT a.id::text FROM flows_attempt a JOIN flows_stage s ON s.id = a.stage_id
        WHERE a.outcome = 'running' AND s.status <> 'running'""",
    "stages that began before one that they need had passed": """
        SELECT DISTINCT s.id::text FROM flows_stage s JOIN flows_attempt a ON a.stage_id = s.id
        JOIN flows_stage n ON n.id = ANY (s.needs)
        WHERE n.repair = '{}' AND (n.status <> 'passed' OR a.started_at < n.finished_at)""",
    "stages that were made ready twice in a row": """
        SELECT stage_id::text FROM (
            SELECT stage_id, kind, lag(kind) OVER (PARTITION BY stage_id ORDER BY id) AS before
            FROM flows_flowevent
            WHERE kind IN ('stage.ready', 'stage.started', 'stage.waiting', 'stage.skipped', 'stage.passed')
        ) e WHERE kind = 'stage.ready' AND before IN ('stage.ready', 'stage.passed')""",
    "stages that need another than those of the newest round before them": """
        SELECT s.id::text FROM flows_stage s JOIN flows_stage n ON n.id = ANY (s.needs)
        JOIN flows_stage later ON later.flow_id = s.flow_id AND later.kind = n.kind AND later.round > n.round
        WHERE s.kind IN ('encore', 'close') AND s.status = 'passed'""",
    "flows whose end was told twice": """
        SELECT flow_id FROM flows_flowevent e WHERE kind IN ('flow.passed', 'flow.failed', 'flow.cancelled')
        GROUP BY 1 HAVING count(*) > 1""",
    "flows that passed with a stage that did not": """
        SELECT DISTINCT f.id FROM flows_flow f JOIN flows_stage s ON s.flow_id = f.id
        WHERE f.status = 'passed' AND s.status NOT IN ('passed', 'failed')""",
    "flows whose cost is not the sum of the ledger": """
        SELECT f.id FROM flows_flow f WHERE f.cost_usd <> (SELECT COALESCE(sum(c.cost_usd), 0)
            FROM providers_providercall c WHERE c.flow_id = f.id)""",
    "settled calls without an answer": """
        SELECT id::text FROM providers_providercall WHERE status = 'settled' AND answer IS NULL""",
    "flows whose stages are not those of their version": """
        SELECT f.id FROM flows_flow f WHERE (f.flow_type_version % 2 = 0)
            <> EXISTS (SELECT 1 FROM flows_stage s WHERE s.flow_id = f.id AND s.kind = 'encore')""",
}
_AFTER_CANCEL = {
    "events after a cancel": """
        SELECT e.id::text FROM flows_flowevent c
        JOIN flows_flowevent e ON e.flow_id = c.flow_id AND e.id > c.id
        WHERE c.kind = 'flow.cancelled'""",
    "attempts that ended well after a cancel": """
        SELECT a.id::text FROM flows_flow f JOIN flows_stage s ON s.flow_id = f.id
        JOIN flows_attempt a ON a.stage_id = s.id
        WHERE f.status = 'cancelled' AND a.outcome = 'passed' AND a.finished_at > f.finished_at""",
    "artifacts after a cancel": """
        SELECT a.id::text FROM flows_flow f JOIN flows_artifact a ON a.flow_id = f.id
        WHERE f.status = 'cancelled' AND a.created_at > f.finished_at""",
    "stages that continue after a cancel": """
        SELECT s.id::text FROM flows_flow f JOIN flows_stage s ON s.flow_id = f.id
        WHERE f.status = 'cancelled' AND s.status IN ('pending', 'ready', 'running', 'waiting')""",
    # A heartbeat, and what a crowded machine adds to it.
    "calls that left long after a cancel": f"""
        SELECT format('%s left %s after the cancel of %s, its attempt began %s and ended %s',
            p.stage_kind, p.created_at - f.finished_at, f.id,
            a.started_at - f.finished_at, a.finished_at - f.finished_at)
        FROM flows_flow f JOIN providers_providercall p ON p.flow_id = f.id
        LEFT JOIN flows_attempt a ON a.id = p.attempt_id
        WHERE f.status = 'cancelled'
        AND p.created_at > f.finished_at + interval '{LEASE_SECONDS / 3 + 5} seconds'""",
}


@dataclass
class Verdict:
    """Counts of what was broken, and a line for each kind of it."""

    lost: int = 0
    stuck: int = 0
    duplicate_charges: int = 0
    effects_after_cancel: int = 0
    extra_calls: int = 0
    allowed_extra_calls: int = 0
    unexpected_exits: int = 0
    findings: list[str] = field(default_factory=list)

    @property
    def clean(self) -> bool:
        """Whether nothing was broken."""
        broken = self.lost + self.stuck + self.duplicate_charges + self.effects_after_cancel
        broken += self.unexpected_exits
        return broken == 0 and self.extra_calls <= self.allowed_extra_calls


def judge(stack: Stack, submitted: list[Submitted], errors: list[str], kills: int) -> Verdict:
    """Look at everything once the run has come to rest."""
    verdict = Verdict()
    _ends(stack, submitted, errors, verdict)
    verdict.duplicate_charges = _counted(stack, _DUPLICATE, verdict)
    verdict.effects_after_cancel = _counted(stack, _AFTER_CANCEL, verdict)
    _calls(stack, kills, verdict)
    verdict.unexpected_exits = len(stack.ended_by_itself)
    if stack.ended_by_itself:
        verdict.findings.append(f"ended without being killed: {sorted(stack.ended_by_itself)}")
    return verdict


def unfinished(stack: Stack) -> int:
    """Flows that have not ended."""
    return int(stack.rows("SELECT count(*) FROM flows_flow WHERE finished_at IS NULL")[0][0])


def _ends(stack: Stack, submitted: list[Submitted], errors: list[str], verdict: Verdict) -> None:
    found = {
        row[0]: row for row in stack.rows("SELECT id, status, error_code, idempotency_key FROM flows_flow")
    }
    for one in submitted:
        row = found.get(one.flow_id)
        if row is None:
            verdict.lost += 1
            verdict.findings.append(f"lost: {one.flow_id} was accepted and is not there")
        elif row[1] not in {"passed", "failed", "cancelled"}:
            verdict.stuck += 1
        elif row[1] != ("cancelled" if one.cancelled else one.expected):
            verdict.lost += 1
            verdict.findings.append(
                f"lost: {one.flow_id} ended as {row[1]} {row[2]} instead of {one.expected}"
            )
    strangers = len(found) - len({one.flow_id for one in submitted})
    if strangers:
        verdict.duplicate_charges += strangers
        verdict.findings.append(f"{strangers} flows that nobody was told of")
    if errors:
        verdict.lost += len(errors)
        verdict.findings.append(f"requests that were never answered: {errors[:5]}")
    if verdict.stuck:
        query = """SELECT s.status, s.queue, s.kind, count(*)
            FROM flows_flow f JOIN flows_stage s ON s.flow_id = f.id
            WHERE f.finished_at IS NULL AND s.status IN ('ready', 'running', 'waiting') GROUP BY 1, 2, 3"""
        verdict.findings.append(f"stuck: {stack.rows(query)}")


def _counted(stack: Stack, queries: dict[str, str], verdict: Verdict) -> int:
    total = 0
    for what, query in queries.items():
        rows = stack.rows(query)
        total += len(rows)
        if rows:
            verdict.findings.append(f"{len(rows)} {what}: {[row[0] for row in rows[:5]]}")
    return total


def answered(log: Path) -> Counter[tuple[str, str, str]]:
    """How often the simulator answered whole, by title, stage and round."""
    lines = log.read_text(errors="replace").splitlines() if log.exists() else []
    found = (_SIMULATED.search(line) for line in lines)
    return Counter((match[3], match[1], match[2]) for match in found if match and not match[4])


def _calls(stack: Stack, kills: int, verdict: Verdict) -> None:
    """No more answers than needed, except for calls that died on the way; and no charge of a call that the
    simulator did not see.
    """
    answers = answered(stack.logs / "simulator.log")
    verdict.extra_calls = sum(count - 1 for count in answers.values())
    expired = stack.rows("SELECT count(*) FROM flows_attempt WHERE outcome = 'expired'")[0][0]
    verdict.allowed_extra_calls = kills + int(expired)
    charged: Counter[tuple[str, str, str]] = Counter()
    query = r"""SELECT substring(f.feature_request FROM '# (\w+)'), c.stage_kind, s.round::text,
            extract(epoch FROM c.created_at)::float8, extract(epoch FROM c.settled_at)::float8
        FROM providers_providercall c JOIN flows_flow f ON f.id = c.flow_id
        JOIN flows_stage s ON s.id = c.stage_id
        WHERE c.status = 'settled'"""
    for title, kind, round_, asked, settled in stack.rows(query):
        # A simulator that is killed may have answered and not written it down.
        if not any(asked - 1 < killed < settled + 1 for killed in stack.simulator_kills):
            charged[(title, kind, round_)] += 1
    phantom = sum((charged - answers).values())
    if phantom:
        verdict.duplicate_charges += phantom
        verdict.findings.append(f"{phantom} charges without an answer, such as {list(charged - answers)[:3]}")
    if verdict.extra_calls > verdict.allowed_extra_calls:
        verdict.findings.append(
            f"{verdict.extra_calls} extra calls; {verdict.allowed_extra_calls} are explained"
        )
