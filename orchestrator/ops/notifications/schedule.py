"""What is removed of the log of webhooks, and when."""

from datetime import timedelta
from typing import Final

from django.utils import timezone

from orchestrator.core.periodic import PeriodicWork
from orchestrator.ops.notifications import webhook_turns
from orchestrator.ops.notifications.models import Notification, NotificationStatus

KEPT: Final = timedelta(days=30)
# A look must be quick; what is left is removed at the next.
_MOST_ROWS: Final = 1000


def remove_old_deliveries() -> None:
    """Delete webhooks that were done with long ago, with their attempts."""
    old = Notification.objects.filter(
        notifier=webhook_turns.NOTIFIER,
        status__in=[NotificationStatus.SENT, NotificationStatus.GIVEN_UP],
        created_at__lt=timezone.now() - KEPT,
    )
    numbers = list(old.order_by("id").values_list("pk", flat=True)[:_MOST_ROWS])
    Notification.objects.filter(pk__in=numbers).delete()


WORK: Final = PeriodicWork("the removal of old deliveries of webhooks", 600.0, remove_old_deliveries)
