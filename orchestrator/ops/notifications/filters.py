"""The filters of messages, and of the log of what was sent to a webhook."""

import django_filters as filters

from orchestrator.ops.notifications.models import Notification
from orchestrator.rest.filters import StrictFilterSet


class NotificationFilter(StrictFilterSet):
    """``?notifier=slack&status=given_up&severity=critical``."""

    notifier = filters.CharFilter(help_text="What it was sent by: slack, email, webhook, ...")

    class Meta:
        model = Notification
        fields = ["notifier", "status", "severity"]


class DeliveryFilter(StrictFilterSet):
    """``?status=given_up&topic=flow.failed``."""

    topic = filters.CharFilter(field_name="subject", help_text="What it tells of, such as flow.failed.")

    class Meta:
        model = Notification
        fields = ["status", "topic"]
