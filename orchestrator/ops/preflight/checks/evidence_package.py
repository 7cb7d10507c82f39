"""The files of the evidence package: they are in the soak report that was kept."""

from collections.abc import Iterator
from typing import Final

from django.conf import settings

from orchestrator.ops.dashboards.period import Period
from orchestrator.ops.preflight.check_protocol import ChecklistLine, LineAnswer, judge
from orchestrator.ops.reports.archive import find_report

_WORDS: Final = {
    "evidence-soak": "Soak observation report: `planning/50_pilot/evidence/sre/10_repo_soak_results.md`",
    "evidence-cost": "Cost analysis: `planning/50_pilot/evidence/biz/10_repo_cost_analysis.md`",
    "evidence-quality": "Quality metrics: `planning/50_pilot/evidence/qa/10_repo_quality_metrics.md`",
    "evidence-incidents": "Incident log (if any): `planning/60_launch/incidents/soak_incidents.md`",
}


class EvidencePackageCheck:
    """Looks for the stored report; its files are made from it at any time."""

    section = "Evidence Package (For G6, Dec 5)"
    phases = (7,)
    lines = tuple(ChecklistLine(key, words) for key, words in _WORDS.items())

    def look(self) -> Iterator[LineAnswer]:
        """One report has all of them."""
        days = settings.SOAK_DAYS
        report = None if days is None else find_report("soak", Period(*days))
        found = "no soak report is kept" if report is None else f"report {report.pk}, {report.digest[:12]}"
        cure = "Set SOAK_DAYS; the report is written by itself when the last day of the soak was counted."
        for key in _WORDS:
            yield judge(key, report is not None, found, cure)


CHECK = EvidencePackageCheck()
