"""Messages for the operators: what was sent to whom, what was given up, and sending it again."""

from typing import Any

from django.contrib import admin, messages
from django.db.models import QuerySet
from django.http import HttpRequest

from orchestrator.core.admin import ReadOnlyAdmin
from orchestrator.ops.notifications.delivery import send_again
from orchestrator.ops.notifications.models import Notification


@admin.register(Notification)
class NotificationAdmin(ReadOnlyAdmin):
    """Messages to people."""

    list_display = ["created_at", "notifier", "target", "subject", "status", "attempts", "error_message"]
    list_filter = ["status", "notifier"]
    search_fields = ["target", "subject", "body", "created_by"]
    show_full_result_count = False
    actions = ["send_again"]

    def has_send_permission(self, request: HttpRequest) -> bool:
        """People who may change notifications."""
        return request.user.has_perm("notifications.change_notification")

    @admin.action(description="Send again what was given up", permissions=["send"])
    def send_again(self, request: HttpRequest, queryset: QuerySet[Notification]) -> None:
        """Send the chosen messages again; others than given up ones are left alone and counted."""
        chosen: list[Any] = list(queryset)
        sent = sum(send_again(one) for one in chosen)
        messages.info(request, f"{sent} of {len(chosen)} are sent again; the others were not given up.")
