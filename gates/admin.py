"""Verdicts of gates for SREs: to read."""

from typing import Any

from django.contrib import admin
from django.http import HttpRequest
from unfold.admin import ModelAdmin
from unfold.decorators import display

from gates.models import GateResult


@admin.register(GateResult)
class GateResultAdmin(ModelAdmin):  # type: ignore[misc]  # unfold has no types
    """Every report, newest first."""

    list_display = ["created_at", "flow", "gate", "round", "outcome", "score", "threshold", "summary"]
    list_filter = ["gate", "verdict", "created_at"]
    list_select_related = ["flow"]
    search_fields = ["flow__id", "summary"]
    ordering = ["-id"]

    @display(
        description="verdict",
        ordering="verdict",
        label={"passed": "success", "failed": "danger", "errored": "warning"},
    )  # type: ignore[untyped-decorator]
    def outcome(self, result: GateResult) -> str:
        """The verdict as a label."""
        return result.verdict

    def has_add_permission(self, request: HttpRequest) -> bool:  # noqa: ARG002 - Django's signature
        """Never."""
        return False

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:  # noqa: ARG002 - Django's signature
        """Never."""
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:  # noqa: ARG002 - Django's signature
        """Never."""
        return False
