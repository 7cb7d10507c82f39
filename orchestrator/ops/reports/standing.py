"""What holds at this moment: the risks that the standup looks at, beside the figures of the last hours.

A report of a day that is over has none of it, because nobody can make it again.
"""

from typing import Final

from orchestrator.ops.dashboards.numbers import format_number, word_target
from orchestrator.ops.dashboards.panels import Target, Unit
from orchestrator.ops.observability import quota_metrics
from orchestrator.ops.reports.document import ReportLine, ReportSection
from providers import quota_report

QUOTA_TARGET: Final = Target(70, at_least=False)
"""Percent of a provider's daily tokens: from there on the launch runbook asks the vendor for more."""
QUEUED_TARGET: Final = Target(0, at_least=False)


def build_standing() -> ReportSection:
    """Each provider's quota, and the flows that have been queued for over five minutes."""
    lines = [
        _build_line(
            f"quota-{one.provider}", f"Quota used: {one.provider}", Unit.PERCENT, one.percent, QUOTA_TARGET
        )
        # Providers without use as well: a key that was forgotten shows as zero percent.
        for one in quota_report.read_quotas().providers
    ]
    # Of all repos and queues: the standup asks whether anybody waits.
    late = sum(row.late for row in quota_metrics.list_late_stages())
    title = "Flows queued for over 5 minutes"
    lines.append(_build_line("queued", title, Unit.NUMBER, float(late), QUEUED_TARGET))
    return ReportSection("Now", tuple(lines), ())


def _build_line(key: str, title: str, unit: Unit, value: float, target: Target) -> ReportLine:
    return ReportLine(
        key,
        title,
        unit.value,
        value,
        format_number(unit, value),
        word_target(unit, target),
        target.is_met(value),
    )
