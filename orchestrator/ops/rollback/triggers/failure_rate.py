"""Over 10 % of the flows of an hour fail, as the launch runbook says; the alert ``flow_failure_rate`` has the
same limits.
"""

from datetime import timedelta
from typing import Final

from django.db.models import Count, Q
from django.utils import timezone

from orchestrator.flows.models import Flow
from orchestrator.ops.rollback.trigger_protocol import MeasuredFigure

LIMIT: Final = 0.10
# One failure of four flows is 25 % and no emergency.
MINIMUM_ENDED: Final = 10
WINDOW: Final = timedelta(hours=1)


class FailureRateTrigger:
    """The share of failures among the flows that passed or failed in the last hour."""

    setting = "ROLLBACK_FAILURE_RATE"
    alert = "flow_failure_rate"
    # The window is an hour already; the looks only bridge a moment.
    looks = 3

    def measure(self) -> MeasuredFigure:
        """The failure rate, from 0 to 1, by the ends of flows."""
        # A cancelled flow says nothing, so that a rollback that cancels flows is not a reason for another.
        ended = Flow.objects.filter(
            finished_at__gt=timezone.now() - WINDOW, status__in=["passed", "failed"]
        ).aggregate(all=Count("pk"), failed=Count("pk", filter=Q(status="failed")))
        # Of no flows there is no rate, and 0 would say that all is well.
        rate = ended["failed"] / ended["all"] if ended["all"] else None
        words = "no flow ended" if rate is None else f"{rate:.0%} of {ended['all']} flows failed"
        return MeasuredFigure(
            rate, LIMIT, ended["all"], MINIMUM_ENDED, f"{words} in the last hour (limit 10 %)"
        )


TRIGGER: Final = FailureRateTrigger()
