"""What people answered in the pre-flight, for the operators."""

from django.contrib import admin

from orchestrator.core.admin import ReadOnlyAdmin
from orchestrator.ops.preflight.models import PersonAnswer


@admin.register(PersonAnswer)
class PersonAnswerAdmin(ReadOnlyAdmin):
    """Answers; new ones are given on the page of the pre-flight."""

    list_display = ["created_at", "phase", "line", "holds", "person", "note", "recorded_by"]
    list_filter = ["phase", "holds"]
    search_fields = ["line", "person", "note"]
