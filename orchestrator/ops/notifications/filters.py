"""The filters of the log of deliveries."""

import django_filters as filters

from orchestrator.ops.notifications.models import Notification


class DeliveryFilter(filters.FilterSet):  # type: ignore[misc]  # django-filter has no types
    """``?status=given_up&topic=flow.failed``."""

    topic = filters.CharFilter(field_name="subject")

    class Meta:
        model = Notification
        fields = ["status", "topic"]
