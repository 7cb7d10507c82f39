"""Waits that end before their time: because a person asks, or because a fallback was set meanwhile.

A stage whose wait ends so is asked again at once, behind the stages that wait for the same provider: it loses
its turn, and nobody is overtaken. What it was refused may be refused again; then it waits with the reason of
that moment.
"""

from orchestrator.core import database
from orchestrator.core.sql import load_statements
from orchestrator.flows.engine import transitions

REPO_BUDGET = "repo"
"""What a stage waits for that its repo's own budget has refused; no provider has this name."""
# Each takes from what is left for the next of its repo, so a long line is not asked all at once.
_PER_REPO = 4

_SQL = load_statements(__file__)


def end_waits(flow_id: str, *, actor: str, reason: str = "") -> int:
    """End what a flow waits for, except for people; how many waits. Called under the flow's lock."""
    ended = database.fetch_rows(_SQL["end_waits"], {"flow": flow_id})
    if ended:
        who = transitions.tell_who(actor, reason)
        transitions.record_event(flow_id, "flow.retried", ended[0].id, who)
    for stage in ended:
        shown = {"stage": stage.kind, "round": stage.round, "queue": stage.queue}
        transitions.record_event(flow_id, "stage.ready", stage.id, shown)
    return len(ended)


def end_waits_for_fallback(*, in_environment: bool = False, limit: int = 200) -> int:
    """End the waits of flows whose repo, or the organisation, has set a fallback since; how many.

    ``in_environment``: the environment has one, so that every flow without a fallback of its own is asked
    again.
    """
    params = {"everyone": in_environment, "limit": limit}
    return len(database.fetch_rows(_SQL["end_waits_for_fallback"], params))


def end_waits_for_budget() -> int:
    """Ask again for stages that wait for their repo's budget, when some is expected or was set; how many."""
    return len(database.fetch_rows(_SQL["end_waits_for_budget"], {"per_repo": _PER_REPO}))
