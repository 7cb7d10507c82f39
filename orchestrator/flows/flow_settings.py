"""What is in force for one flow: models, thresholds, context limits. A repo may be stricter than all, never laxer."""

from collections.abc import Mapping
from decimal import Decimal
from typing import Any

from django.conf import settings

from gates.base import Policy

_MODELS = {
    "architect": "ARCHITECT_MODEL",
    "implementation": "IMPLEMENTATION_MODEL",
    "context": "CONTEXT_MODEL",
    "fallback": "FALLBACK_MODEL",
}
_STRICTNESS = ("off", "advisory", "strict")


def model(chosen: Mapping[str, Any], role: str) -> str:
    """The model for ``role`` (architect, implementation, context, fallback); empty where there is no fallback."""
    return str(chosen.get(f"{role}.model") or getattr(settings, _MODELS[role]))


def gate_policy(chosen: Mapping[str, Any]) -> Policy:
    """Mode and thresholds: of the organisation's and the repo's, always the stricter."""
    return Policy(
        mode=max(settings.QUALITY_GATE_MODE, str(chosen.get("gates.mode") or "off"), key=_strictness),
        min_unit_coverage=_raised(chosen, "gates.min_unit_coverage", settings.MIN_UNIT_COVERAGE),
        min_mutation_kill_rate=_raised(
            chosen, "gates.min_mutation_kill_rate", settings.MIN_MUTATION_KILL_RATE
        ),
    )


def context_budget(chosen: Mapping[str, Any]) -> tuple[int, bool]:
    """Bytes that the bundle may measure (1 KB is 1,000 bytes), and whether it is pruned to them."""
    pruning = chosen.get("context.pruning.enabled")
    kilobytes = chosen.get("context.max_size_kb") or settings.CONTEXT_MAX_SIZE_KB
    return int(kilobytes) * 1000, settings.CONTEXT_PRUNING_ENABLED if pruning is None else bool(pruning)


def repair_rounds(chosen: Mapping[str, Any]) -> int:
    """How many repair rounds a flow may have."""
    return int(chosen.get("max_repair_rounds", settings.MAX_REPAIR_ROUNDS))


def max_cost_usd(chosen: Mapping[str, Any]) -> Decimal:
    """What a flow may cost."""
    return Decimal(str(chosen.get("flow.max_cost_usd", settings.FLOW_MAX_COST_USD)))


def _strictness(mode: str) -> int:
    # A word nobody knows counts as the strictest: in doubt, closed.
    return _STRICTNESS.index(mode) if mode in _STRICTNESS else len(_STRICTNESS)


def _raised(chosen: Mapping[str, Any], key: str, floor: int) -> Decimal:
    own = chosen.get(key)
    return max(Decimal(floor), Decimal(str(own))) if own is not None else Decimal(floor)
