"""Rollbacks for the operators: what is taken back, the votes, what is to be said, and what triggers saw."""

from collections.abc import Callable
from typing import Any
from urllib.parse import urlencode

from django import forms
from django.contrib import admin, messages
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from unfold.admin import ModelAdmin
from unfold.decorators import display
from unfold.widgets import UnfoldAdminIntegerFieldWidget

from orchestrator.core.admin import AppendOnlyAdmin, ReadOnlyAdmin, ReadOnlyTabularInline
from orchestrator.core.errors import OrchestratorError
from orchestrator.ops.rollback import announcement, enforcement, plan, restoration
from orchestrator.ops.rollback.models import (
    Announcement,
    Rollback,
    RollbackRepo,
    RollbackVote,
    TriggerDecision,
    TriggerState,
)


class ReposOfRollback(ReadOnlyTabularInline):
    """The repos that it has switched off."""

    model = RollbackRepo
    fields = readonly_fields = ["repo", "restored_at", "restored_by"]


class VotesOfRollback(ReadOnlyTabularInline):
    """Who said what to bringing a repo back."""

    model = RollbackVote
    fields = readonly_fields = ["created_at", "repo", "role", "person", "verdict", "reason", "expires_at"]


class AnnouncementsOfRollback(ReadOnlyTabularInline):
    """What is to be said."""

    model = Announcement
    fields = readonly_fields = ["target", "body", "status", "decided_by"]


class _DecidingAdmin(AppendOnlyAdmin):
    """Rows that are added by a function of the room. What it refuses is said above the form, which keeps its
    words."""

    def add_view(self, request: HttpRequest, form_url: str = "", extra_context: Any = None) -> HttpResponse:
        """The form; Django takes back what the refused one has begun."""
        try:
            answer: HttpResponse = super().add_view(request, form_url, extra_context)
        except OrchestratorError as error:
            self.message_user(request, f"{error.message} {error.cure}", messages.ERROR)
            typed = {name: request.POST[name] for name in self.form.base_fields if name in request.POST}
            # Django fills a form with the values of its address.
            return redirect(f"{request.path}?{urlencode(typed)}")
        return answer


def _act_on_each(
    owner: ModelAdmin, request: HttpRequest, rows: QuerySet[Any], act: Callable[[Any, str], object]
) -> None:
    """Call ``act`` with each row and the name of the person; what is refused is said and undoes nothing."""
    # One transaction for each row, as the functions open it.
    for row in rows:
        try:
            act(row, request.user.get_username())
        except OrchestratorError as error:
            owner.message_user(request, f"{row}: {error.message} {error.cure}", messages.WARNING)
        else:
            owner.message_user(request, f"{row}: done.", messages.SUCCESS)


class RollbackForm(forms.ModelForm):  # type: ignore[type-arg]  # Django has no generics at run time
    """What a person says to begin a rollback."""

    incident = forms.IntegerField(
        required=False,
        min_value=1,
        widget=UnfoldAdminIntegerFieldWidget(),
        help_text="The number of the incident whose timeline tells of it. Without one, a P1 opens.",
    )

    class Meta:
        model = Rollback
        fields = ["kind", "flows", "reason"]


@admin.register(Rollback)
class RollbackAdmin(_DecidingAdmin):
    """Rollbacks, the newest first. Adding one rolls back."""

    form = RollbackForm
    list_display = [
        "created_at",
        "kind",
        "state",
        "flows",
        "reason",
        "trigger",
        "actor",
        "incident",
        "ended_at",
    ]
    list_filter = ["status", "kind", "trigger"]
    search_fields = ["reason", "actor"]
    # On one screen: who has to say GO, for what, and what was said already.
    inlines = [ReposOfRollback, VotesOfRollback, AnnouncementsOfRollback]
    actions = ["decline", "end"]

    def get_inlines(self, request: HttpRequest, obj: Any = None) -> list[Any]:
        """None for one that is not begun yet."""
        return [] if obj is None else super().get_inlines(request, obj)

    def has_decide_permission(self, request: HttpRequest) -> bool:
        """People who may begin a rollback may also answer one that asks, and end one."""
        return bool(request.user.has_perm("rollback.add_rollback"))

    def get_fields(self, request: HttpRequest, obj: Any = None) -> list[str]:  # noqa: ARG002
        """A form with the plan for a new one."""
        own = ["kind", "flows", "reason"]
        return (
            [*own, "status", "trigger", "actor", "incident", "created_at"]
            if obj
            else [*own, "incident", "plan"]
        )

    def get_readonly_fields(self, request: HttpRequest, obj: Any = None) -> list[str]:  # noqa: ARG002
        """Everything of one that there is."""
        return ["status", "trigger", "actor", "incident", "created_at"] if obj else ["plan"]

    @admin.display(description="what it would do")
    def plan(self, rollback: Rollback) -> str:  # noqa: ARG002 - Django's signature
        """The plan of a rollback to pilot scope."""
        found = plan.plan_rollback("pilot", "drain")
        repos = ", ".join(repo.repo_name for repo in found.repos) or "none"
        return " ".join([*found.steps, f"To pilot scope it affects: {repos}."])

    @display(
        description="status",
        ordering="status",
        label={"asked": "warning", "applying": "danger", "in_force": "danger", "ended": "success"},
    )  # type: ignore[untyped-decorator]
    def state(self, rollback: Rollback) -> str:
        """The status as a label."""
        return rollback.status

    def save_model(
        self,
        request: HttpRequest,
        obj: Rollback,
        form: Any,
        change: bool,  # noqa: ARG002 - Django's signature
    ) -> None:
        """Begin it, as the API does."""
        # The form's own object has no row: it takes the number of the one that was begun.
        made = enforcement.apply_rollback(
            obj.kind,
            reason=obj.reason,
            flows=obj.flows,
            incident=form.cleaned_data["incident"],
            actor=request.user.get_username(),
        )
        obj.pk = made.pk

    @admin.action(description="Decline: what a trigger has paused continues", permissions=["decide"])
    def decline(self, request: HttpRequest, rows: QuerySet[Rollback]) -> None:
        """Say no to the chosen ones that ask."""

        def act(row: Rollback, actor: str) -> None:
            enforcement.decline_rollback(row.pk, actor=actor, reason="by hand in the admin")

        _act_on_each(self, request, rows, act)

    @admin.action(description="End, where no repo is left to bring back", permissions=["decide"])
    def end(self, request: HttpRequest, rows: QuerySet[Rollback]) -> None:
        """End the chosen ones, after GO by PM, TL and SRE."""

        def act(row: Rollback, actor: str) -> None:
            restoration.restore_repo(row.pk, "", actor=actor)

        _act_on_each(self, request, rows, act)


class VoteForm(forms.ModelForm):  # type: ignore[type-arg]  # Django has no generics at run time
    """A GO or a NO, checked as everywhere."""

    class Meta:
        model = RollbackVote
        fields = ["rollback", "repo", "role", "verdict", "reason"]


@admin.register(RollbackVote)
class RollbackVoteAdmin(_DecidingAdmin):
    """Votes on bringing repos back; nobody changes one."""

    form = VoteForm
    list_display = ["created_at", "rollback", "repo", "role", "person", "verdict", "reason", "expires_at"]
    list_filter = ["role", "verdict"]
    list_select_related = ["rollback", "repo"]

    def save_model(
        self,
        request: HttpRequest,
        obj: RollbackVote,
        form: Any,  # noqa: ARG002 - Django's signature
        change: bool,  # noqa: ARG002
    ) -> None:
        """Cast the vote of the person who is logged in."""
        made = restoration.cast_vote(
            obj.rollback.pk,
            obj.repo.name if obj.repo else "",
            role=obj.role,
            verdict=obj.verdict,
            actor=request.user.get_username(),
            reason=obj.reason,
        )
        obj.pk, obj.expires_at = made.pk, made.expires_at


@admin.register(RollbackRepo)
class RollbackRepoAdmin(ReadOnlyAdmin):
    """Repos that are rolled back; each comes back alone, after GO by PM, TL and SRE."""

    list_display = ["repo", "rollback", "restored_at", "restored_by"]
    list_filter = ["restored_at"]
    list_select_related = ["rollback", "repo"]
    search_fields = ["repo__name"]
    actions = ["restore"]

    def has_restore_permission(self, request: HttpRequest) -> bool:
        """People who may begin a rollback may also take it back."""
        return bool(request.user.has_perm("rollback.add_rollback"))

    @admin.action(description="Bring back", permissions=["restore"])
    def restore(self, request: HttpRequest, rows: QuerySet[RollbackRepo]) -> None:
        """Bring the chosen ones back."""

        def act(row: RollbackRepo, actor: str) -> None:
            restoration.restore_repo(row.rollback.pk, row.repo.name, actor=actor)

        _act_on_each(self, request, rows.select_related("rollback", "repo"), act)


@admin.register(Announcement)
class AnnouncementAdmin(ReadOnlyAdmin):
    """What is to be said of rollbacks: look, then send or drop."""

    list_display = ["created_at", "rollback", "target", "body", "status", "decided_by"]
    list_filter = ["status"]
    list_select_related = ["rollback"]
    actions = ["send", "drop"]

    def has_send_permission(self, request: HttpRequest) -> bool:
        """People who may begin a rollback may also speak of it."""
        return bool(request.user.has_perm("rollback.add_rollback"))

    @admin.action(description="Send", permissions=["send"])
    def send(self, request: HttpRequest, rows: QuerySet[Announcement]) -> None:
        """Send the chosen drafts, each once."""

        def act(row: Announcement, actor: str) -> None:
            announcement.send_announcement(row.pk, actor=actor)

        _act_on_each(self, request, rows, act)

    @admin.action(description="Drop: do not send", permissions=["send"])
    def drop(self, request: HttpRequest, rows: QuerySet[Announcement]) -> None:
        """Leave the chosen drafts unsent."""

        def act(row: Announcement, actor: str) -> None:
            announcement.drop_announcement(row.pk, actor=actor)

        _act_on_each(self, request, rows, act)


@admin.register(TriggerState)
class TriggerStateAdmin(ReadOnlyAdmin):
    """What the triggers see."""

    list_display = ["name", "verdict", "detail", "value", "samples", "armed", "checked_at"]


@admin.register(TriggerDecision)
class TriggerDecisionAdmin(ReadOnlyAdmin):
    """What the triggers decided."""

    list_display = ["created_at", "trigger", "decision", "detail", "rollback"]
    list_filter = ["trigger", "decision"]
    list_select_related = ["rollback"]
