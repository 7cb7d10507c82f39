"""Incidents for the operators: the list that shows what is open, one screen for each, and what people do."""

from typing import Any

from django import forms
from django.contrib import admin, messages
from django.db.models import QuerySet
from django.http import HttpRequest
from unfold.admin import ModelAdmin
from unfold.decorators import display

from orchestrator.core.admin import AppendOnlyAdmin, ReadOnlyTabularInline, UndeletableAdmin
from orchestrator.core.errors import OrchestratorError
from orchestrator.ops.incidents import diagnosis, handling, opening, review
from orchestrator.ops.incidents.models import (
    RESOLVE_WITHIN,
    ActionItem,
    EntryKind,
    Incident,
    IncidentAlert,
    IncidentEntry,
    IncidentReview,
)

_REVIEW_LABELS = {"overdue": "danger", "due": "warning", "finished": "success"}


class EntriesOfIncident(ReadOnlyTabularInline):
    """The timeline."""

    model = IncidentEntry
    fields = readonly_fields = ["at", "kind", "text", "actor"]


class AlertsOfIncident(ReadOnlyTabularInline):
    """The alerts that joined it."""

    model = IncidentAlert
    fields = readonly_fields = ["name", "severity", "summary", "starts_at", "ends_at"]


class ActionsOfIncident(ReadOnlyTabularInline):
    """What people will do."""

    model = ActionItem
    fields = readonly_fields = ["text", "owner", "due", "done_at"]


class IncidentForm(forms.ModelForm):  # type: ignore[type-arg]  # Django has no generics at run time
    """What a person says when an incident opens, and may change later: severity and commander."""

    class Meta:
        model = Incident
        fields = ["title", "severity", "commander", "repos"]


@admin.register(Incident)
class IncidentAdmin(UndeletableAdmin):
    """Incidents, the newest first. Every change goes the same way as through the API."""

    form = IncidentForm
    list_display = [
        "number",
        "level",
        "title",
        "state",
        "commander",
        "detected_at",
        "resolve_by",
        "resolved_at",
    ]
    list_filter = ["status", "severity", "source"]
    search_fields = ["title", "dedup_key", "commander"]
    # Counting all of them for each page of a search would cost more than the page.
    show_full_result_count = False
    actions = ["acknowledge", "resolve"]
    inlines = [EntriesOfIncident, AlertsOfIncident, ActionsOfIncident]
    autocomplete_fields = ["repos"]
    _shown = [
        "status",
        "source",
        "dedup_key",
        "detected_at",
        "resolve_by",
        "opened_at",
        "opened_by",
        "acknowledged_at",
        "acknowledged_by",
        "acknowledged_until",
        "escalate_at",
        "resolved_at",
        "resolved_by",
        "diagnosis",
        "review_text",
    ]

    def get_fields(self, request: HttpRequest, obj: Any = None) -> list[str]:  # noqa: ARG002
        """A form for a new one; all of it for one that there is."""
        own = ["title", "severity", "commander", "repos"]
        return [*own, *self._shown] if obj else own

    def get_readonly_fields(self, request: HttpRequest, obj: Any = None) -> list[str]:  # noqa: ARG002
        """The title stays, because messages were sent under it."""
        return ["title", "repos", *self._shown] if obj else []

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """One that is resolved stays as it is."""
        # The trigger would refuse it; without a form nobody tries.
        is_over = obj is not None and obj.resolved_at is not None
        return not is_over and bool(super().has_change_permission(request, obj))

    @admin.display(description="number", ordering="id")
    def number(self, incident: Incident) -> int:
        """As messages name it."""
        return incident.pk

    @display(
        description="severity",
        ordering="severity",
        label={"P1": "danger", "P2": "warning", "P3": "info", "P4": "info"},
    )  # type: ignore[untyped-decorator]
    def level(self, incident: Incident) -> str:
        """The severity as a label."""
        return incident.severity

    @display(
        description="status",
        ordering="status",
        label={"open": "danger", "acknowledged": "warning", "resolved": "success"},
    )  # type: ignore[untyped-decorator]
    def state(self, incident: Incident) -> str:
        """The status as a label."""
        return incident.status

    @admin.display(description="resolve by")
    def resolve_by(self, incident: Incident) -> Any:
        """When the severity wants it resolved."""
        return incident.detected_at + RESOLVE_WITHIN[incident.severity]

    @admin.display(description="diagnosis")
    def diagnosis(self, incident: Incident) -> str:
        """What the failures have in common."""
        return diagnosis.diagnose_incident(incident).verdict

    @admin.display(description="review")
    def review_text(self, incident: Incident) -> str:
        """The review as Markdown, filled in as far as it is known."""
        return review.write_markdown(incident)

    def save_model(self, request: HttpRequest, obj: Incident, form: Any, change: bool) -> None:
        """Open it, or change severity and commander, as the API does."""
        actor = request.user.get_username()
        if not change:
            made, _ = opening.open_incident(
                obj.title,
                obj.severity,
                actor=actor,
                commander=obj.commander,
                repos=form.cleaned_data["repos"],
            )
            # The form's own object has no row yet: from here on it is the one that was opened.
            obj.pk, obj.opened_at = made.pk, made.opened_at
            return
        # Only what the form has changed: the row may have moved on while it was open in the browser.
        if "severity" in form.changed_data:
            handling.set_severity(obj.pk, obj.severity, actor=actor)
        if "commander" in form.changed_data:
            handling.hand_over(obj.pk, obj.commander, actor=actor)

    # Django would write the many-to-many rows of the form's object, which the opening has written.
    def save_related(self, request: HttpRequest, form: Any, formsets: Any, change: bool) -> None:
        """Nothing: the repos are written when it opens, and the tables are read-only."""

    @admin.action(description="Acknowledge: escalation stops for a while", permissions=["change"])
    def acknowledge(self, request: HttpRequest, rows: QuerySet[Incident]) -> None:
        """Take the chosen ones."""
        self._act_on_each(request, rows, handling.acknowledge, "acknowledged")

    @admin.action(description="Resolve", permissions=["change"])
    def resolve(self, request: HttpRequest, rows: QuerySet[Incident]) -> None:
        """End the chosen ones."""
        self._act_on_each(request, rows, handling.resolve, "resolved")

    def _act_on_each(self, request: HttpRequest, rows: QuerySet[Incident], act: Any, done: str) -> None:
        # One transaction for each: one that is refused does not undo the others.
        for row in rows:
            try:
                act(row.pk, actor=request.user.get_username())
            except OrchestratorError as error:
                self.message_user(request, f"{row}: {error.message}", messages.WARNING)
            else:
                self.message_user(request, f"{row} is {done}.", messages.SUCCESS)


class NoteForm(forms.ModelForm):  # type: ignore[type-arg]  # Django has no generics at run time
    """A note of a person."""

    kind = forms.ChoiceField(choices=[(kind.value, kind.label) for kind in handling.NOTE_KINDS])

    class Meta:
        model = IncidentEntry
        fields = ["incident", "kind", "text"]


@admin.register(IncidentEntry)
class IncidentEntryAdmin(AppendOnlyAdmin):
    """Entries of timelines; people add notes, and nobody changes one."""

    form = NoteForm
    list_display = ["at", "incident", "kind", "text", "actor"]
    list_filter = ["kind"]
    list_select_related = ["incident"]
    search_fields = ["text", "actor"]
    show_full_result_count = False

    def save_model(
        self,
        request: HttpRequest,
        obj: IncidentEntry,
        form: Any,  # noqa: ARG002 - Django's signature
        change: bool,  # noqa: ARG002
    ) -> None:
        """Write the note, redacted and with its author."""
        actor = request.user.get_username()
        made = handling.add_note(obj.incident_id, obj.text, actor=actor, kind=EntryKind(obj.kind))
        obj.pk = made.pk


@admin.register(IncidentReview)
class IncidentReviewAdmin(UndeletableAdmin):
    """Reviews, those that are due first."""

    list_display = ["incident", "due_at", "state", "finished_at", "finished_by"]
    list_filter = ["finished_at"]
    list_select_related = ["incident"]
    fields = ["incident", "due_at", *handling.REVIEW_TEXTS, "finished_at", "finished_by"]
    readonly_fields = ["incident", "due_at", "finished_at", "finished_by"]
    actions = ["finish"]

    def has_add_permission(self, request: HttpRequest) -> bool:  # noqa: ARG002 - Django's signature
        """Never: a review is made when its incident is resolved."""
        return False

    @display(description="status", label=_REVIEW_LABELS)  # type: ignore[untyped-decorator]
    def state(self, found: IncidentReview) -> str:
        """Whether it is finished, due or overdue."""
        if found.finished_at is not None:
            return "finished"
        return "overdue" if review.is_overdue(found) else "due"

    def save_model(
        self,
        request: HttpRequest,
        obj: IncidentReview,
        form: Any,
        change: bool,  # noqa: ARG002 - Django's signature
    ) -> None:
        """Write the texts, redacted."""
        handling.write_review(obj.incident.pk, form.cleaned_data, actor=request.user.get_username())

    @admin.action(description="Finish: the root cause is known", permissions=["change"])
    def finish(self, request: HttpRequest, rows: QuerySet[IncidentReview]) -> None:
        """Finish the chosen ones."""
        for row in rows.select_related("incident"):
            try:
                handling.write_review(row.incident.pk, {}, actor=request.user.get_username(), finish=True)
            except OrchestratorError as error:
                self.message_user(request, f"{row}: {error.message}", messages.WARNING)


@admin.register(ActionItem)
class ActionItemAdmin(ModelAdmin):  # type: ignore[misc]  # unfold has no types
    """What people will do, so that an incident does not come again."""

    list_display = ["text", "owner", "due", "done_at", "incident"]
    list_filter = ["done_at"]
    list_select_related = ["incident"]
    search_fields = ["text", "owner"]
    fields = ["incident", "text", "owner", "due", "done_at", "done_by"]
    readonly_fields = ["done_at", "done_by"]
    actions = ["finish"]

    @admin.action(description="Done", permissions=["change"])
    def finish(self, request: HttpRequest, rows: QuerySet[ActionItem]) -> None:
        """Note that the chosen ones are done."""
        for row in rows.select_related("incident"):
            handling.finish_action(row.incident.pk, row.pk, actor=request.user.get_username())
