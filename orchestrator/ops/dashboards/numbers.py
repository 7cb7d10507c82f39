"""Numbers as people read them, by what they count."""

from orchestrator.ops.dashboards.panels import Target, Unit

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


def word_target(unit: Unit, target: Target | None) -> str:
    """``at least 99 %``, ``at most $2``; empty without a target."""
    if target is None:
        return ""
    sign = "at least" if target.at_least else "at most"
    return f"{sign} {format_number(unit, target.bound)}"


def word_before(unit: Unit, old: float | None, new: float | None) -> str:
    """What a number was before, and how much that is more or less than now."""
    words = f"before: {format_number(unit, old)}"
    if not old or new is None:
        return words
    if unit is Unit.PERCENT:
        # 77 % after 69 % are 8 points more, and 11 % more: nobody could tell which is meant.
        change, word = f"{new - old:+.1f}", "points"
    else:
        change, word = f"{100 * (new - old) / old:+.0f}", "%"
    return words if float(change) == 0 else f"{words} ({change} {word})"


def format_duration(seconds: float) -> str:
    """``0.4 s``, ``12 s``, ``3 min 05 s``, ``2 h 10 min``."""
    # From 9.95 on, one decimal would print "10.0 s".
    if seconds < 9.95:
        return f"{seconds:.1f} s"
    if seconds < 60:
        return f"{seconds:.0f} s"
    minutes, rest = divmod(round(seconds), 60)
    if minutes < 60:
        return f"{minutes} min {rest:02d} s"
    return f"{minutes // 60} h {minutes % 60:02d} min"


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
