"""What a repo's team is paged for: what only they, or only with them somebody, can change.

Everything else is about the whole product, and Alertmanager pages the SREs for it.
"""

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Final

from django.db.models import Count, F, Q
from django.utils import timezone

from orchestrator.flows.engine.waits import REPO_BUDGET
from orchestrator.flows.models import Flow, Stage
from orchestrator.ops.notifications.models import Severity
from orchestrator.repos.models import RepoHalt

WINDOW: Final = timedelta(hours=1)
MINIMUM_ENDED: Final = 4
"""Of fewer flows in the hour, failures say little."""


@dataclass(frozen=True, slots=True)
class RepoCondition:
    """``find`` gives, by the id of a repo, what is wrong in a sentence.

    ``page_severity`` is PagerDuty's. The page ends when the condition was not seen for ``rest``: one that
    comes and goes is one page.
    """

    name: str
    page_severity: str
    severity: Severity
    rest: timedelta
    find: Callable[[Collection[int]], Mapping[int, str]]


def find_halted(repos: Collection[int]) -> dict[int, str]:
    """Repos that something keeps switched off."""
    # The oldest reason is written last, so it is the one that is kept.
    halts = RepoHalt.objects.filter(repo__in=repos).select_related("repo").order_by("-id")
    return {one.repo_id: f"{one.repo} is switched off by {one.key}: {one.reason}" for one in halts}


def find_spent_budgets(repos: Collection[int]) -> dict[int, str]:
    """Repos of which flows wait for the repo's own budget."""
    # The limiter has refused them; what the repo has used is not computed here once more.
    waiting = Stage.objects.filter(status="waiting", waits_for=REPO_BUDGET, flow__repo__in=repos)
    rows = waiting.values("flow__repo").annotate(
        name=F("flow__repo__name"), flows=Count("flow", distinct=True)
    )
    return {row["flow__repo"]: _describe_spent(row["name"], row["flows"]) for row in rows}


def _describe_spent(repo: str, flows: int) -> str:
    return (
        f"{repo} has spent its budget of the last 24 hours; {flows} of its flows wait. "
        f"An operator sets more: `blocks config set budget.usd_day N --repo {repo}`."
    )


def find_failing(repos: Collection[int]) -> dict[int, str]:
    """Repos of which at least half of the flows of the last hour failed."""
    ended = Flow.objects.filter(
        repo__in=repos, finished_at__gt=timezone.now() - WINDOW, status__in=["passed", "failed"]
    )
    rows = ended.values("repo").annotate(
        name=F("repo__name"), all=Count("pk"), failed=Count("pk", filter=Q(status="failed"))
    )
    return {
        row["repo"]: f"{row['failed']} of the {row['all']} flows of {row['name']} in the last hour failed."
        for row in rows
        if row["all"] >= MINIMUM_ENDED and 2 * row["failed"] >= row["all"]
    }


# Budgets come back hour by hour, and a flow that passes between two that fail is not yet the cure.
_MOMENT: Final = timedelta(minutes=15)
CONDITIONS: Final = (
    RepoCondition("halted", "error", Severity.P2, timedelta(0), find_halted),
    RepoCondition("budget spent", "warning", Severity.P3, _MOMENT, find_spent_budgets),
    RepoCondition("flows fail", "error", Severity.P2, _MOMENT, find_failing),
)
