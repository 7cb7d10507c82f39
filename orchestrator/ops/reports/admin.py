"""The written reports for the operators, as people read them."""

from typing import Any

from django import forms
from django.conf import settings
from django.contrib import admin
from django.http import HttpRequest
from unfold.widgets import UnfoldAdminSelectWidget

from orchestrator.core.admin import AppendOnlyAdmin, ReadOnlyAdmin
from orchestrator.ops.reports import texts
from orchestrator.ops.reports.asked import ASKED
from orchestrator.ops.reports.document import ReportDocument
from orchestrator.ops.reports.models import FigureAnswer, Report


@admin.register(Report)
class ReportAdmin(ReadOnlyAdmin):
    """Reports, the newest first; nobody edits one."""

    list_display = ["last", "kind", "repo", "missed", "created_at", "digest"]
    list_filter = ["kind"]
    search_fields = ["repo", "digest"]
    date_hierarchy = "last"
    # A count of all rows costs a scan with every search.
    show_full_result_count = False
    fields = ["kind", "repo", "first", "last", "created_at", "digest", "text"]

    @admin.display(description="missed targets")
    def missed(self, report: Report) -> str:
        """The figures that missed their targets."""
        document = ReportDocument.from_json(report.content)
        lines = [line for section in document.sections for line in section.lines]
        return ", ".join(line.title for line in lines if line.met is False) or "none"

    @admin.display(description="report")
    def text(self, report: Report) -> str:
        """The whole report as Markdown."""
        return texts.write_markdown(ReportDocument.from_json(report.content), settings.PUBLIC_URL)


class FigureAnswerForm(forms.ModelForm):  # type: ignore[type-arg]  # Django has no generics at run time
    """An answer, to one of the figures that reports ask for."""

    key = forms.ChoiceField(
        choices=[(key, figure.title) for key, figure in ASKED.items()], widget=UnfoldAdminSelectWidget
    )

    class Meta:
        model = FigureAnswer
        fields = ["key", "day", "value", "source"]


@admin.register(FigureAnswer)
class FigureAnswerAdmin(AppendOnlyAdmin):
    """What people said of figures that nothing in the system can say."""

    form = FigureAnswerForm
    list_display = ["day", "key", "value", "source", "person", "created_at"]
    list_filter = ["key"]

    def save_model(self, request: HttpRequest, obj: FigureAnswer, form: Any, change: bool) -> None:
        """Write down who said it."""
        # From the session, never from the form: who said it is part of the evidence.
        obj.person = request.user.get_username()
        super().save_model(request, obj, form, change)
