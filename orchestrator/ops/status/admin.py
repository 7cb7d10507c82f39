"""The status page for the operators: planned maintenance, news that went out, who reads them."""

from typing import Any

from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils import timezone

from orchestrator.core.admin import ReadOnlyAdmin, UndeletableAdmin
from orchestrator.ops.status.models import Maintenance, StatusNews, StatusReader


@admin.register(Maintenance)
class MaintenanceAdmin(UndeletableAdmin):
    """Planned maintenance. While it runs, messages of P2 and P3 wait."""

    list_display = ["title", "starts_at", "ends_at", "cancelled_at", "created_by"]
    fields = ["title", "text", "starts_at", "ends_at", "cancelled_at", "silence_id", "created_by"]
    readonly_fields = ["cancelled_at", "silence_id", "created_by"]
    actions = ["call_off"]

    def has_change_permission(self, request: HttpRequest, obj: Maintenance | None = None) -> bool:
        """What was announced stays as it was: call it off, and plan another."""
        return obj is None and super().has_change_permission(request, obj)

    def save_model(self, request: HttpRequest, obj: Maintenance, form: Any, change: bool) -> None:
        """Write down who planned it."""
        obj.created_by = request.user.get_username()
        super().save_model(request, obj, form, change)

    @admin.action(description="Call off", permissions=["change"])
    def call_off(self, request: HttpRequest, rows: QuerySet[Maintenance]) -> None:
        """End or cancel the chosen maintenance now; what is over already stays as it is."""
        now = timezone.now()
        count = rows.filter(cancelled_at=None, ends_at__gt=now).update(cancelled_at=now)
        self.message_user(request, f"{count} called off; the others are over or were called off before.")


@admin.register(StatusNews)
class StatusNewsAdmin(ReadOnlyAdmin):
    """Entries of the feed."""

    list_display = ["at", "title"]
    search_fields = ["title", "body"]


@admin.register(StatusReader)
class StatusReaderAdmin(ReadOnlyAdmin):
    """Who gets the news by mail."""

    list_display = ["email", "confirmed_at", "asked_at"]
    search_fields = ["email"]
