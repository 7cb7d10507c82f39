"""The daily report: the targets of the launch runbook's standup, and what else a day should look like."""

from dataclasses import replace

from orchestrator.ops.dashboards.period import Period
from orchestrator.ops.reports.report_kind import ReportKind, SectionPlan, find_figure, find_table

KIND = ReportKind(
    "daily",
    "Daily report",
    (
        # First, and nothing else in it: the standup reads this section and may stop there.
        SectionPlan("Targets", tuple(map(find_figure, ("success", "p95", "cost-per-feature", "quality")))),
        SectionPlan(
            "Reliability",
            (find_figure("in-time"), find_figure("uptime"), find_table("failures-by-reason")),
        ),
        SectionPlan("Gates", tuple(map(find_figure, ("kill-rate", "coverage", "gates-passed")))),
        SectionPlan(
            "Cost",
            (
                *map(find_figure, ("spend-a-day", "spend", "tokens")),
                *map(find_table, ("spend-by-model", "spend-by-repo")),
            ),
        ),
        SectionPlan(
            "Adoption",
            (
                *map(find_figure, ("flows", "people")),
                # Targets of a rollout are not those of a day.
                *(replace(find_figure(key), target=None) for key in ("repos", "active-repos")),
                find_table("flows-by-repo"),
            ),
        ),
    ),
    find_period=lambda day: Period(day, day),
    for_one_repo=True,
)
