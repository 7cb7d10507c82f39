"""A provider has used over 95 % of its daily tokens: soon calls are refused that flows need to end."""

from typing import Final

from orchestrator.ops.rollback.trigger_protocol import MeasuredFigure
from providers import quota_report

LIMIT: Final = 0.95


class QuotaTrigger:
    """The fullest daily quota of all providers."""

    setting = "ROLLBACK_QUOTA"
    alert = "provider_quota_rollback"
    looks = 3

    def measure(self) -> MeasuredFigure:
        """Used tokens over the quota, of the fullest provider."""
        # A provider without a quota has none to exhaust.
        found = [one for one in quota_report.read_quotas().providers if one.limit > 0]
        if not found:
            return MeasuredFigure(None, LIMIT, 0, 1, "no provider has a daily quota")
        fullest = max(found, key=lambda one: one.used / one.limit)
        ratio = fullest.used / fullest.limit
        detail = f"{fullest.provider} has used {ratio:.0%} of its daily tokens (limit 95 %)"
        # Tokens of the ledger are counted and not estimated: one provider with a quota is enough.
        return MeasuredFigure(ratio, LIMIT, len(found), 1, detail, {"provider": fullest.provider})


TRIGGER: Final = QuotaTrigger()
