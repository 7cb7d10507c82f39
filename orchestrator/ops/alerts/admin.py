"""Tests of alerts for the operators: which chain worked when."""

from django.contrib import admin

from orchestrator.core.admin import ReadOnlyAdmin
from orchestrator.ops.alerts.models import AlertTestResult


@admin.register(AlertTestResult)
class AlertTestResultAdmin(ReadOnlyAdmin):
    """How the tests of alerts ended."""

    list_display = ["created_at", "name", "receivers", "seconds", "error", "requested_by"]
    # No action to test from here: a test pages people, and takes up to 30 seconds.
    list_filter = ["name"]
