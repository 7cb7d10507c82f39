"""The rollout report: the success metrics of phase 7, and those of the months after it."""

from datetime import date

from django.conf import settings

from orchestrator.ops.dashboards.period import Period
from orchestrator.ops.reports.asked import ask_figure
from orchestrator.ops.reports.report_kind import ReportKind, SectionPlan, find_figure, find_table


def _find_rollout(day: date) -> Period | None:
    days = settings.ROLLOUT_DAYS
    # Due once, on the last day of the setting: a phase has one report.
    return Period(*days) if days is not None and days[1] == day else None


KIND = ReportKind(
    "rollout",
    "Rollout report",
    (
        SectionPlan(
            "By the end of the rollout",
            (
                *map(find_figure, ("repos", "flows-in-all", "active-repos")),
                ask_figure("certified-teams"),
                ask_figure("open-tickets"),
            ),
        ),
        SectionPlan(
            "In the long term",
            (*map(find_figure, ("return", "spend-a-day", "quality")), ask_figure("p2-incidents")),
        ),
        SectionPlan(
            "Return on spend",
            (
                *map(find_figure, ("value", "hours", "spend", "cost-per-feature")),
                *map(find_table, ("value-by-repo", "cost-per-feature-by-repo", "blocks-by-day")),
            ),
        ),
        SectionPlan(
            "Adoption",
            (find_figure("people"), *map(find_table, ("started-by-day", "people-by-day", "flows-by-repo"))),
        ),
    ),
    find_period=_find_rollout,
)
