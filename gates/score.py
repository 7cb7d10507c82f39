"""One number for the quality of a block. ``docs/reference/gates.md`` explains it."""

from collections.abc import Iterable
from decimal import ROUND_HALF_UP, Decimal

from gates.base import GateReport, Verdict

WEIGHTS = {
    "contract": Decimal(25),
    "coverage": Decimal(20),
    "mutation": Decimal(30),
    "security": Decimal(15),
    "review": Decimal(10),
}


def compute_quality(reports: Iterable[GateReport]) -> Decimal:
    """0 to 100, two places: the weighted mean of what the gates scored, over the gates that ran.

    A gate that measures no percentage scores 100 or 0 by its verdict; a gate that did not pass scores at most half of what it
    measured, an errored one nothing.
    """
    total = weight = Decimal(0)
    for report in reports:
        share = WEIGHTS.get(report.gate, Decimal(10))
        weight += share
        total += share * _points(report)
    return (total / weight if weight else Decimal(0)).quantize(Decimal("0.01"), ROUND_HALF_UP)


def _points(report: GateReport) -> Decimal:
    if report.verdict is Verdict.ERRORED:
        return Decimal(0)
    if report.score is None:
        return Decimal(100 if report.verdict is Verdict.PASSED else 0)
    points = max(Decimal(0), min(report.score, Decimal(100)))
    return points if report.verdict is Verdict.PASSED else points / 2
