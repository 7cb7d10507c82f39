"""The one way to call a model: limits, ledger, breaker, adapter, settlement, cost, in that order.

(Interface; the implementation lands with the limiter.)
"""

from dataclasses import dataclass, field
from decimal import Decimal
from uuid import UUID

from providers.base import Completion, Request


@dataclass(frozen=True, slots=True)
class Caller:
    """On whose behalf a call is made. ``ceiling_usd`` is what the flow may still spend."""

    repo: str
    flow_id: str | None = None
    stage_id: int | None = None
    attempt_id: int | None = None
    stage_kind: str = ""
    ceiling_usd: Decimal | None = None
    fallback_model: str = ""
    forbidden_vendors: frozenset[str] = field(default_factory=frozenset)


@dataclass(frozen=True, slots=True)
class Answered:
    """A completion and what it cost. ``replayed``: a stored answer of an earlier attempt, not paid again."""

    completion: Completion
    call_id: UUID
    cost_usd: Decimal
    provider: str
    model: str
    replayed: bool = False
    fallback_from: str = ""


def complete(provider: str, request: Request, caller: Caller) -> Answered:
    """Call ``provider``; raises ``NotAdmitted``, ``NeverAdmissible`` or a ``ProviderError``."""
    raise ConnectionError("providers.calls is not built yet")
