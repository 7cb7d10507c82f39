"""Two breakers and a switch.

The quota breaker watches what is used, the health breaker whether calls succeed, and an operator can pause a
provider; each is checked where a call is admitted, in the same transaction as the limits.

A refusal (429, an account without money) is neither success nor failure: it moves ``not_before`` for
everybody, by a pause that each refusal in a row doubles.
"""

from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from django.conf import settings
from django.db import connection, transaction

from orchestrator.core import audit
from providers.models import ProviderChange, ProviderState

# Fixed by the product; only the threshold between them is a setting.
WARNING_PERCENT: Final = 70
ROLLBACK_PERCENT: Final = 95
# Refusals in a row after which one call at a time asks.
REFUSALS_BEFORE_PROBE: Final = 3


@dataclass(frozen=True, slots=True)
class HealthPolicy:
    """A failure adds ``failure`` points, a success takes one off; ``opens_at`` points open the breaker.

    With 2 and 10, five failures in a row open it, and so does any mix with more than a third of failures, in
    time. A failure older than a minute is forgotten. The first pause is doubled by each probe that fails, up
    to the longest.
    """

    opens_at: int = 10
    failure: int = 2
    first_pause_seconds: int = 10
    longest_pause_seconds: int = 300


# A provider that was never called has no row yet; the switch needs one.
_ENSURE_ROW: Final = """
    SELECT provider_rebuild_counters(%s)
    WHERE NOT EXISTS (SELECT 1 FROM providers_providerstate WHERE provider = %s)
"""

HEALTH: Final = HealthPolicy()


class QuotaLevel(StrEnum):
    """How far a provider's daily tokens are used up."""

    OK = "ok"
    WARNING = "warning"
    PAUSED = "paused"
    ROLLBACK = "rollback"


def quota_level(used: int, quota: int) -> QuotaLevel:
    """Return the level at ``used`` of ``quota`` tokens.

    Without the quota breaker, nothing pauses and nothing is rolled back.
    """
    percent = 100 * used
    if settings.ENABLE_CIRCUIT_BREAKER and percent >= ROLLBACK_PERCENT * quota:
        return QuotaLevel.ROLLBACK
    if settings.ENABLE_CIRCUIT_BREAKER and percent >= settings.CIRCUIT_BREAKER_THRESHOLD * quota:
        return QuotaLevel.PAUSED
    return QuotaLevel.WARNING if percent >= WARNING_PERCENT * quota else QuotaLevel.OK


def pause_provider(provider: str, *, actor: str, reason: str) -> bool:
    """No call to ``provider`` leaves until it is resumed.

    False: it was paused before; nothing is recorded.
    """
    return _set_paused(provider, paused=True, actor=actor, reason=reason)


def resume_provider(provider: str, *, actor: str, reason: str) -> bool:
    """Calls to ``provider`` may leave again. False: it was not paused; nothing is recorded."""
    return _set_paused(provider, paused=False, actor=actor, reason=reason)


def end_wait(provider: str, *, actor: str, reason: str) -> bool:
    """Let calls to ``provider`` leave at once, although it asked to wait: the account was topped up, say.

    False: nobody waited; nothing is recorded. Raises ``ValueError`` as ``pause_provider`` does.
    """
    _check_change(provider, actor, reason)
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute("SELECT provider_now()")
        (now,) = cursor.fetchone()
        waiting = ProviderState.objects.filter(provider=provider, not_before__gt=now)
        if not waiting.update(not_before=None, throttles=0, wait_code="", wait_reason=""):
            return False
        ProviderChange.objects.create(
            provider=provider,
            action=ProviderChange.Action.RESUMED,
            actor=actor.strip(),
            reason=reason.strip(),
            created_at=now,
        )
    return True


def _check_change(provider: str, actor: str, reason: str) -> None:
    if provider not in settings.PROVIDERS:
        raise ValueError(f"there is no provider {provider!r}")
    if not actor.strip() or not reason.strip():
        raise ValueError("a change of a provider says who made it and why")


def _set_paused(provider: str, *, paused: bool, actor: str, reason: str) -> bool:
    _check_change(provider, actor, reason)
    with transaction.atomic():
        with connection.cursor() as cursor:
            cursor.execute(_ENSURE_ROW, [provider, provider])
            audit.name_actor(actor, reason)
            # Compare and set in one statement: of two operators who pause at once, one is recorded.
            changed = ProviderState.objects.filter(provider=provider, paused=not paused).update(
                paused=paused, pause_reason=reason.strip() if paused else ""
            )
            if not changed:
                return False
            # The same clock as the limiter's, so that changes and calls sort together.
            cursor.execute("SELECT provider_now()")
            (now,) = cursor.fetchone()
        action = ProviderChange.Action.PAUSED if paused else ProviderChange.Action.RESUMED
        ProviderChange.objects.create(
            provider=provider, action=action, actor=actor.strip(), reason=reason.strip(), created_at=now
        )
    return True
