"""Small bars: a score against its threshold, what each part cost, where the time went. Widths are percent."""

from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal

from orchestrator.ops.dashboards.numbers import format_duration


@dataclass(frozen=True, slots=True)
class Bar:
    """A score and what is needed, both 0 to 100."""

    score: float
    threshold: float | None


@dataclass(frozen=True, slots=True)
class Share:
    """One part of a whole. ``x`` and ``width`` are percent; ``words`` is the amount."""

    name: str
    words: str
    width: float
    x: float = 0.0


def _format_percent(value: Decimal | float) -> float:
    # SVG would draw a bar of more than 100 % over its neighbour.
    return round(min(100.0, max(0.0, float(value))), 2)


def score_bar(score: Decimal | None, threshold: Decimal | None) -> Bar | None:
    """Nothing where the gate measures nothing."""
    return (
        None
        if score is None
        else Bar(_format_percent(score), None if threshold is None else _format_percent(threshold))
    )


def split_into_shares(amounts: Mapping[str, Decimal]) -> list[Share]:
    """USD by name, each as wide as its part of the dearest, in the order given."""
    # Relative to the dearest and not to the sum, so that a cheap part is still wide enough to see.
    most = max(amounts.values(), default=Decimal(0))
    return [
        Share(name or "none", f"${amount:.4f}", _format_percent(100 * amount / most) if most else 0.0)
        for name, amount in amounts.items()
    ]


def time_bar(spent: Mapping[str, float | None], waited: float, judging: float = 0.0) -> list[Share]:
    """Split the wall time into models, gates, waiting and the orchestrator's own time.

    ``waited`` seconds belong to the orchestrator's time in ``spent``. So do ``judging`` seconds: the
    time so far of gates that have not ended, which ``spent`` does not count as gates yet.
    """
    wall, own = spent["wall_seconds"] or 0.0, spent["own_seconds"] or 0.0
    # The clocks of processes differ a little: each part takes at most what is left of the wall time.
    waiting = min(waited, own)
    judging = min(judging, own - waiting)
    parts = {
        "models": spent["provider_seconds"] or 0.0,
        "gates": (spent["gates_seconds"] or 0.0) + judging,
        "waiting": waiting,
        "orchestrator": own - waiting - judging,
    }
    found, x = [], 0.0
    for name, seconds in parts.items():
        # Four widths that are each rounded up could exceed 100, so the last one takes only the rest.
        width = min(_format_percent(100 * seconds / wall) if wall else 0.0, round(100 - x, 2))
        found.append(Share(name, format_duration(seconds), width, round(x, 2)))
        x += width
    return found
