"""The alerts: for each a test that went through the real chain lately."""

from collections.abc import Iterator
from typing import Final

from orchestrator.ops.preflight.check_protocol import PHASES, ChecklistLine, LineAnswer
from orchestrator.ops.preflight.readings import judge_alert_test

_WORDS: Final = {
    "budget_burn_rate": "Budget Burn Rate: Daily spend >$50 → Slack #ops-alerts",
    "quality_degradation": "Quality Degradation: Mutation kill-rate <60% → PagerDuty SRE",
    "slo_violation": "SLO Violation: P95 latency >150s → PagerDuty SRE",
    "mass_failure": "Mass Failure: >5 failures/hour → PagerDuty incident commander",
}


class AlertsCheck:
    """Reads how the newest test of each alert ended. Sends none: a look must page nobody."""

    section = "Alerts Configured"
    phases = PHASES
    lines = tuple(ChecklistLine(f"alert-{name}", words) for name, words in _WORDS.items())

    def look(self) -> Iterator[LineAnswer]:
        """One line for each alert."""
        # From one list, so that a line and its alert cannot part.
        for name in _WORDS:
            yield judge_alert_test(f"alert-{name}", name)


CHECK = AlertsCheck()
