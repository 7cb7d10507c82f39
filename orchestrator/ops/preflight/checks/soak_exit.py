"""The exit criteria of the soak, as the soak report judges them."""

from collections.abc import Iterator
from typing import Final

from django.conf import settings

from orchestrator.ops.dashboards.period import Period
from orchestrator.ops.preflight.check_protocol import ChecklistLine, LineAnswer, LineOutcome, ask, judge
from orchestrator.ops.reports.building import build_report
from orchestrator.ops.reports.document import ReportLine
from orchestrator.ops.reports.report_kind import REPORT_KINDS

# Each line, and the figures of the report that have to reach their targets for it.
_FIGURES: Final = {
    "soak-repos-active": ("repos", "active-repos"),
    "soak-flows": ("flows-passed",),
    "soak-success": ("success",),
    "soak-latency": ("p95",),
    "soak-cost": ("cost-per-feature",),
    "soak-in-time": ("in-time",),
    "soak-p1": ("p1-incidents",),
    "soak-feedback": ("feedback",),
}
_ANSWER: Final = "Enter it in the admin (Reports, Figure answers), or look for the reason in the soak report."


class SoakExitCheck:
    """Builds the report over SOAK_DAYS, without keeping it."""

    section = "Phase 6 Exit Criteria (Nov 30, 2025)"
    phases = (7,)
    lines = (
        ChecklistLine("soak-repos-active", "All 10 repos onboarded and active"),
        ChecklistLine("soak-flows", "≥50 flows executed successfully"),
        ChecklistLine("soak-success", "Flow success rate: ≥99% (baseline: 100% in pilot)"),
        ChecklistLine("soak-latency", "P95 latency: <120s (baseline: 118s in pilot)"),
        ChecklistLine("soak-cost", "Cost/feature: <$2.00 (baseline: $1.60 in pilot)"),
        ChecklistLine("soak-in-time", "SLO compliance: ≥95% (baseline: 97.7% in pilot)"),
        ChecklistLine("soak-p1", "Zero P1 incidents (P2/P3 acceptable with runbook resolution)"),
        ChecklistLine("soak-feedback", "Stakeholder feedback: ≥4.0/5.0"),
    )

    def look(self) -> Iterator[LineAnswer]:
        """Each line by its figures."""
        days = settings.SOAK_DAYS
        if days is None:
            cure = "Set SOAK_DAYS to the first and the last day of the soak."
            for line in self.lines:
                yield judge(line.key, False, "SOAK_DAYS is not set", cure)
            return
        report = build_report(REPORT_KINDS.get("soak"), Period(*days))
        found = {line.key: line for section in report.sections for line in section.lines}
        for key, names in _FIGURES.items():
            yield _judge_figures(key, [found[name] for name in names])


def _judge_figures(key: str, figures: list[ReportLine]) -> LineAnswer:
    words = "; ".join(f"{one.title}: {one.words}" for one in figures)
    if any(one.met is None for one in figures):
        return ask(key, words, _ANSWER)
    outcome = LineOutcome.PASS if all(one.met for one in figures) else LineOutcome.FAIL
    return LineAnswer(key, outcome, words, "" if outcome is LineOutcome.PASS else _ANSWER)


CHECK = SoakExitCheck()
