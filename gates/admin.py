"""Verdicts of gates for SREs: to read."""

from django.contrib import admin
from unfold.decorators import display

from gates.models import GateResult
from orchestrator.core.admin import ReadOnlyAdmin


@admin.register(GateResult)
class GateResultAdmin(ReadOnlyAdmin):
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
