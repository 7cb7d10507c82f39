"""Numbers as people read them, by what they count."""

from orchestrator.ops.dashboards.panels import Unit
from orchestrator.web.components.timeline import format_duration

NOTHING = "no data"


def format_number(unit: Unit, value: float | None) -> str:
    """``$1,234.50``, ``97.3 %``, ``1 min 58 s``, ``2 min``, ``1,234``; the words for None."""
    if value is None:
        return NOTHING
    if unit is Unit.USD:
        return _format_usd(value)
    if unit is Unit.SECONDS:
        # Two minutes to the second are a limit or the end of an axis, and not a measurement.
        return format_duration(value).removesuffix(" 00 s").removesuffix(" 00 min") if value else "0 s"
    if unit is Unit.PERCENT:
        return f"{_round_down(value):g} %"
    if unit is Unit.TIMES:
        return f"{value:,.1f}\N{MULTIPLICATION SIGN}"
    words = f"{value:,.0f}" if value >= 100 or value == round(value) else f"{value:,.1f}"
    return f"{words} h" if unit is Unit.HOURS else words


def _format_usd(value: float) -> str:
    if value == 0:
        return "$0"
    # A call may cost a hundredth of a cent; 0.00 would hide it.
    if value < 0.01:
        return f"${value:.4f}"
    if value >= 1:
        return f"${value:,.2f}"
    words = f"${value:.3f}"
    return words[:-1] if words.endswith("0") else words


def _round_down(percent: float) -> float:
    # Down, because 99.96 % is not 100 %, and must not look like it.
    return int(percent * 10 + 1e-9) / 10
