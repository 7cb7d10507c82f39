"""What may be used of each vendor in a day, and the breaker before it is used up."""

from collections.abc import Iterator
from typing import Final

from django.conf import settings

from orchestrator.ops.preflight.check_protocol import PHASES, ChecklistLine, LineAnswer, judge

QUOTAS: Final = {"anthropic": 2_000_000, "openai": 1_500_000, "google": 500_000}
"""Tokens a day that the runbook has agreed with each vendor."""
BREAKER_PERCENT: Final = 85


class ModelAccessCheck:
    """Reads the limits that the gateway holds calls to."""

    section = "Model API Access"
    phases = PHASES
    lines = (
        ChecklistLine("quota-anthropic", "Anthropic (Claude) quota: 2M tokens/day (increased from 1M)"),
        ChecklistLine("quota-openai", "OpenAI (GPT-4) quota: 1.5M tokens/day (increased from 1M)"),
        ChecklistLine("quota-google", "Google AI (Gemini) quota: 500K tokens/day (unchanged)"),
        ChecklistLine("circuit-breaker", "Circuit breaker enabled: pause at 85% quota"),
    )

    def look(self) -> Iterator[LineAnswer]:
        """A larger limit fails too: calls would then run into the vendor's own."""
        for provider, tokens in QUOTAS.items():
            # What the gateway holds calls to; what the vendor grants is only known to its console.
            limit = settings.PROVIDERS[provider]["daily_token_quota"]
            yield judge(
                f"quota-{provider}",
                limit == tokens,
                f"{limit:,} tokens a day",
                f"Set {provider.upper()}_DAILY_TOKEN_QUOTA={tokens}, and see that the vendor grants as much.",
            )
        # A breaker that pauses earlier is as good; one that pauses later is not.
        enabled, percent = settings.ENABLE_CIRCUIT_BREAKER, settings.CIRCUIT_BREAKER_THRESHOLD
        yield judge(
            "circuit-breaker",
            enabled and percent <= BREAKER_PERCENT,
            f"pauses at {percent} %" if enabled else "is off",
            f"Set ENABLE_CIRCUIT_BREAKER=true and CIRCUIT_BREAKER_THRESHOLD={BREAKER_PERCENT}.",
        )


CHECK = ModelAccessCheck()
