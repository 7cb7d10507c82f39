"""Training records for the operators: people, modules, sessions, scores, certificates, feedback, files."""

from typing import Any

from django import forms
from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied
from django.db.models import Field, URLField
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.urls import reverse
from unfold.admin import ModelAdmin
from unfold.decorators import action
from unfold.widgets import UnfoldAdminFileFieldWidget, UnfoldAdminSelectWidget

from orchestrator.core.admin import ReadOnlyAdmin, ReadOnlyTabularInline, UndeletableAdmin
from orchestrator.ops.training.certificates import issue_earned_certificates
from orchestrator.ops.training.csv_import import decode_csv, import_csv
from orchestrator.ops.training.errors import CsvRefused
from orchestrator.ops.training.import_kinds import IMPORT_KINDS
from orchestrator.ops.training.models import (
    Certificate,
    Feedback,
    Trainee,
    TrainingModule,
    TrainingScore,
    TrainingSession,
)
from orchestrator.ops.training.standing import read_standing


class ImportForm(forms.Form):
    """Which kind of file, and the file."""

    kind = forms.ChoiceField(choices=[(name, name) for name in IMPORT_KINDS], widget=UnfoldAdminSelectWidget)
    file = forms.FileField(widget=UnfoldAdminFileFieldWidget)


class ScoresOfTrainee(ReadOnlyTabularInline):
    """The results of one person."""

    model = TrainingScore
    fields = readonly_fields = ["module", "percent", "taken_on"]


@admin.register(Trainee)
class TraineeAdmin(ModelAdmin):  # type: ignore[misc]  # unfold has no types
    """People, and the way to the files."""

    list_display = ["name", "email", "team", "duty", "certificate"]
    list_filter = ["duty", "team"]
    list_select_related = ["certificate"]
    search_fields = ["name", "email", "team"]
    fields = ["email", "name", "team", "duty"]
    inlines = [ScoresOfTrainee]
    actions_list = ["import_file"]

    @action(description="Import CSV; thresholds", url_path="import")  # type: ignore[untyped-decorator]
    def import_file(self, request: HttpRequest) -> HttpResponse:
        """Take a file; what is wrong with it is listed with the numbers of its lines."""
        if not self.has_change_permission(request):
            raise PermissionDenied
        form = ImportForm(request.POST or None, request.FILES or None)
        bad_lines: Any = ()
        if request.method == "POST" and form.is_valid():
            try:
                text = decode_csv(form.cleaned_data["file"].read())
                done = import_csv(form.cleaned_data["kind"], text, actor=request.user.get_username())
            except CsvRefused as error:
                # The form keeps the kind that was chosen, so only the file is chosen again.
                form.add_error("file", error.message)
                bad_lines = error.bad_lines
            else:
                words = f"{done.lines} lines: {done.added} added, {done.changed} changed, "
                messages.success(
                    request, f"{words}{done.unchanged} as before; {done.certificates} certificates issued."
                )
                return HttpResponseRedirect(reverse("admin:training_trainee_changelist"))
        context = {
            **self.admin_site.each_context(request),
            "title": "Import training records",
            "form": form,
            "bad_lines": bad_lines,
            "kinds": {name: ",".join(kind.columns) for name, kind in IMPORT_KINDS.items()},
            "figures": read_standing(),
        }
        return TemplateResponse(request, "admin/training/import.html", context)


@admin.register(TrainingModule)
class TrainingModuleAdmin(UndeletableAdmin):
    """The modules of the course."""

    list_display = ["number", "title", "is_required"]


@admin.register(TrainingSession)
class TrainingSessionAdmin(ModelAdmin):  # type: ignore[misc]  # unfold has no types
    """Meetings, their recordings, and who was there."""

    list_display = ["reference", "kind", "module", "held_on", "recording_url"]
    list_filter = ["kind", "module"]
    list_select_related = ["module"]
    search_fields = ["reference"]
    autocomplete_fields = ["attendees"]

    def formfield_for_dbfield(self, db_field: "Field[Any, Any]", request: HttpRequest, **kwargs: Any) -> Any:
        """An address that is typed without a scheme is one of https, which Django's form would not take."""
        if isinstance(db_field, URLField):
            kwargs["assume_scheme"] = "https"
        return super().formfield_for_dbfield(db_field, request, **kwargs)


@admin.register(TrainingScore)
class TrainingScoreAdmin(ModelAdmin):  # type: ignore[misc]  # unfold has no types
    """Results. A certificate that is due because of one is issued with it."""

    list_display = ["trainee", "module", "percent", "taken_on"]
    list_filter = ["module"]
    list_select_related = ["trainee", "module"]
    search_fields = ["trainee__name", "trainee__email"]
    autocomplete_fields = ["trainee"]

    def save_model(self, request: HttpRequest, obj: TrainingScore, form: Any, change: bool) -> None:
        """Write the result, and the certificate that it may complete."""
        super().save_model(request, obj, form, change)
        # As after an import: nobody has to remember it.
        issue_earned_certificates(request.user.get_username())


@admin.register(Certificate)
class CertificateAdmin(ReadOnlyAdmin):
    """Certificates, which only results bring."""

    list_display = ["trainee", "number", "issued_at", "issued_by"]
    list_select_related = ["trainee"]
    search_fields = ["trainee__name", "trainee__email"]


@admin.register(Feedback)
class FeedbackAdmin(ModelAdmin):  # type: ignore[misc]  # unfold has no types
    """What people say."""

    list_display = ["given_on", "about", "stars", "comment"]
    list_filter = ["about", "given_on"]
    search_fields = ["comment", "reference"]
