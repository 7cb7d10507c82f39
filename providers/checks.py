"""What start-up says about the settings of the providers."""

from typing import Any

from django.conf import settings
from django.core.checks import CheckMessage, Warning, register


@register()
def check_circuit_breaker(**_options: Any) -> list[CheckMessage]:
    """Without the quota breaker nothing warns, pauses or rolls back before a quota is used up."""
    if settings.ENABLE_CIRCUIT_BREAKER:
        return []
    return [
        Warning(
            "ENABLE_CIRCUIT_BREAKER is false: stages are started until the last token of a quota, "
            "and nothing is rolled back.",
            hint="Set ENABLE_CIRCUIT_BREAKER=true. "
            "The quotas themselves and the health breaker hold in any case.",
            id="providers.W001",
        )
    ]
