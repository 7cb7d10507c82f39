"""The quality score of a block. (Interface; the formula lands with the gates.)"""

from collections.abc import Sequence
from decimal import Decimal

from gates.base import GateReport, Verdict


def quality(reports: Sequence[GateReport]) -> Decimal:
    """0 to 100."""
    passed = sum(report.verdict is Verdict.PASSED for report in reports)
    return Decimal(100 * passed) / Decimal(max(1, len(reports)))
