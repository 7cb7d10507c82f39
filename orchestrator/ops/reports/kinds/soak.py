"""The soak report: the exit criteria of phase 6, and the four files of its evidence package.

Names of files and criteria are the launch runbook's.
"""

from dataclasses import replace
from datetime import date

from django.conf import settings

from orchestrator.ops.dashboards.panels import FigurePanel, Target, Unit
from orchestrator.ops.dashboards.period import Period
from orchestrator.ops.reports.asked import ask_figure
from orchestrator.ops.reports.report_kind import ReportKind, SectionPlan, find_figure, find_table

# Only the soak counts flows that passed; the dashboards show a rate.
_PASSED = FigurePanel(
    "flows-passed",
    "Flows executed successfully",
    Unit.NUMBER,
    (),
    note="Flows that passed.",
    target=Target(50, of_all=True),
    drill={"ended": "passed"},
    read=lambda reader: float(reader.flows()[0].passed),
)


def _find_soak(day: date) -> Period | None:
    days = settings.SOAK_DAYS
    # Due once, on the last day of the setting: a phase has one report.
    return Period(*days) if days is not None and days[1] == day else None


KIND = ReportKind(
    "soak",
    "Soak observation report",
    (
        SectionPlan(
            "Exit criteria",
            (
                # Ten repos in the soak; the fifty of the dashboard are those of the rollout.
                replace(find_figure("repos"), target=Target(10, of_all=True)),
                replace(find_figure("active-repos"), target=Target(100, of_all=True)),
                _PASSED,
                *map(find_figure, ("success", "p95", "cost-per-feature", "in-time")),
                ask_figure("p1-incidents"),
                ask_figure("feedback"),
            ),
        ),
        SectionPlan(
            "Reliability",
            (
                *map(find_figure, ("uptime", "flows", "people")),
                *map(find_table, ("ends-by-day", "p95-by-day", "uptime-by-provider", "flows-by-repo")),
            ),
        ),
        SectionPlan(
            "Cost",
            (
                *map(find_figure, ("spend", "spend-a-day", "tokens")),
                *map(find_table, ("spend-by-day", "spend-by-model", "spend-by-repo")),
                find_table("cost-per-feature-by-repo"),
            ),
        ),
        SectionPlan(
            "Return on spend",
            (*map(find_figure, ("return", "hours", "value")), find_table("value-by-repo")),
        ),
        SectionPlan(
            "Quality",
            (
                *map(find_figure, ("quality", "kill-rate", "coverage", "gates-passed")),
                *map(find_table, ("pass-rate-by-gate", "quality-by-repo", "scores-by-day")),
            ),
        ),
        SectionPlan(
            "Failed flows",
            (ask_figure("p2-incidents", judged=False), find_table("failures-by-reason")),
        ),
    ),
    find_period=_find_soak,
    files={
        # Folders as the launch runbook has them, although this phase is not the pilot.
        "planning/50_pilot/evidence/sre/10_repo_soak_results.md": ("Exit criteria", "Reliability"),
        "planning/50_pilot/evidence/biz/10_repo_cost_analysis.md": ("Cost", "Return on spend"),
        "planning/50_pilot/evidence/qa/10_repo_quality_metrics.md": ("Quality",),
        "planning/60_launch/incidents/soak_incidents.md": ("Failed flows",),
    },
)
