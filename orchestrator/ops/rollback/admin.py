"""Rollbacks for the operators: what is taken back, the votes, what is to be said, and what triggers saw."""

from typing import Any

from django import forms
from django.contrib import admin, messages
from django.db.models import QuerySet
from django.http import HttpRequest
from unfold.decorators import display

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


class RollbackForm(forms.ModelForm):  # type: ignore[type-arg]  # Django has no generics at run time
    """What a person says to begin a rollback."""

    class Meta:
        model = Rollback
        fields = ["kind", "flows", "reason"]


@admin.register(Rollback)
class RollbackAdmin(AppendOnlyAdmin):
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

    def get_fields(self, request: HttpRequest, obj: Any = None) -> list[str]:  # noqa: ARG002
        """A form with the plan for a new one."""
        own = ["kind", "flows", "reason"]
        return [*own, "status", "trigger", "actor", "incident", "created_at"] if obj else [*own, "plan"]

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
        form: Any,  # noqa: ARG002 - Django's signature
        change: bool,  # noqa: ARG002
    ) -> None:
        """Begin it, as the API does."""
        # The form's own object has no row: it takes the number of the one that was begun.
        made = enforcement.apply_rollback(
            obj.kind, reason=obj.reason, flows=obj.flows, actor=request.user.get_username()
        )
        obj.pk = made.pk


class VoteForm(forms.ModelForm):  # type: ignore[type-arg]  # Django has no generics at run time
    """A GO or a NO, checked as everywhere."""

    class Meta:
        model = RollbackVote
        fields = ["rollback", "repo", "role", "verdict", "reason"]


@admin.register(RollbackVote)
class RollbackVoteAdmin(AppendOnlyAdmin):
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


class _ActingAdmin(ReadOnlyAdmin):
    """Rows on which people act one by one; what is refused is said, and undoes nothing else."""

    # One transaction for each row, as the functions below open it.
    def act_on_each(self, request: HttpRequest, rows: QuerySet[Any], act: Any) -> None:
        """Call ``act`` with each row and the name of the person."""
        for row in rows:
            try:
                act(row, request.user.get_username())
            except OrchestratorError as error:
                self.message_user(request, f"{row}: {error.message} {error.cure}", messages.WARNING)
            else:
                self.message_user(request, f"{row}: done.", messages.SUCCESS)


@admin.register(RollbackRepo)
class RollbackRepoAdmin(_ActingAdmin):
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
        self.act_on_each(
            request,
            rows.select_related("rollback", "repo"),
            lambda row, actor: restoration.restore_repo(row.rollback.pk, row.repo.name, actor=actor),
        )


@admin.register(Announcement)
class AnnouncementAdmin(_ActingAdmin):
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
        self.act_on_each(
            request, rows, lambda row, actor: announcement.send_announcement(row.pk, actor=actor)
        )

    @admin.action(description="Drop: do not send", permissions=["send"])
    def drop(self, request: HttpRequest, rows: QuerySet[Announcement]) -> None:
        """Leave the chosen drafts unsent."""
        self.act_on_each(
            request, rows, lambda row, actor: announcement.drop_announcement(row.pk, actor=actor)
        )


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
