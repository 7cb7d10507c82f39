"""Decides whether a plan is applied."""

from infra.checks import deletions
from infra.plan import read_plan


def may_apply(plan: str) -> tuple[bool, list[str]]:
    """Whether all checks hold, and what does not."""
    problems = [f"{address}: would be deleted" for address in deletions(read_plan(plan))]
    return not problems, problems
