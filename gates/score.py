"""One number for the quality of a block. ``docs/reference/gates.md`` explains it."""

from collections.abc import Iterable
from decimal import ROUND_HALF_UP, Decimal

from gates.base import GateReport, Verdict

# Mutation weighs most: it is the hardest to pass without testing anything. 100 over the five.
WEIGHTS = {
    "contract": Decimal(25),
    "coverage": Decimal(20),
    "mutation": Decimal(30),
    "security": Decimal(15),
    "review": Decimal(10),
}
_DEFAULT_WEIGHT = Decimal(10)
_TWO_PLACES = Decimal("0.01")
_HUNDRED = Decimal(100)


def compute_quality(reports: Iterable[GateReport]) -> Decimal:
    """0 to 100, two places: the weighted mean of the gates' points, over the gates that ran.

    A gate that measures no percentage has 100 points or 0, by its verdict. A gate that failed has half of
    what it measured, one that errored has nothing.
    """
    total = Decimal(0)
    weights = Decimal(0)
    for report in reports:
        weight = WEIGHTS.get(report.gate, _DEFAULT_WEIGHT)
        weights += weight
        total += weight * _points_of(report)
    if not weights:
        return Decimal("0.00")
    return (total / weights).quantize(_TWO_PLACES, ROUND_HALF_UP)


def compute_percentage(part: int, whole: int) -> Decimal:
    """``part`` of ``whole`` in percent, two places; 100 where ``whole`` is 0."""
    if whole == 0:
        return _HUNDRED
    return (_HUNDRED * part / whole).quantize(_TWO_PLACES)


def _points_of(report: GateReport) -> Decimal:
    passed = report.verdict is Verdict.PASSED
    if report.verdict is Verdict.ERRORED:
        return Decimal(0)
    if report.score is None:
        return _HUNDRED if passed else Decimal(0)
    # Some scores are differences and may fall below 0.
    points = max(Decimal(0), min(report.score, _HUNDRED))
    # A block that failed by little is still better than one that failed by much.
    return points if passed else points / 2
