"""Requests for repos, with what an SRE may do to them; the list that is scheduled; the rollout as a whole."""

from collections.abc import Callable
from typing import Any, Final

from django import forms
from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.urls import reverse
from django.utils.html import format_html_join
from django.utils.safestring import SafeString, mark_safe
from unfold.decorators import action, display
from unfold.widgets import UnfoldAdminDateWidget, UnfoldAdminSelectWidget, UnfoldAdminTextareaWidget

from onboarding import batch, engine, rollout
from onboarding.errors import BatchRefused
from onboarding.models import (
    OnboardingEvent,
    OnboardingRequest,
    OnboardingStep,
    RepoPage,
    RolloutVote,
    TerraformState,
)
from orchestrator.core.admin import (
    ReadOnlyAdmin,
    ReadOnlyStackedInline,
    ReadOnlyTabularInline,
    ReasonedAction,
    ReasonedActionsMixin,
    ReasonForm,
)
from orchestrator.core.errors import OrchestratorError
from orchestrator.ops.rollback.models import VoterRole, VoteVerdict

_LABELS: Final = {
    "checking": "info",
    "queued": "info",
    "provisioning": "info",
    "offboarding": "info",
    "ready": "success",
    "failed": "danger",
    "undo_failed": "danger",
}


class OnboardingBatchForm(forms.Form):
    """A list of repos, pasted or from a file."""

    repos = forms.CharField(
        max_length=batch.MOST_BYTES,
        strip=False,
        widget=UnfoldAdminTextareaWidget(attrs={"rows": 12, "spellcheck": "false"}),
        help_text=f"One repo a line: {', '.join(batch.COLUMNS)}. The last five may be missing.",
    )
    wanted_on = forms.DateField(
        required=False,
        widget=UnfoldAdminDateWidget,
        help_text="Not before this day, where a line names none.",
    )


class RolloutVoteForm(ReasonForm):
    """GO or NO after a P1."""

    role = forms.ChoiceField(choices=VoterRole.choices, widget=UnfoldAdminSelectWidget)
    verdict = forms.ChoiceField(choices=VoteVerdict.choices, widget=UnfoldAdminSelectWidget)
    field_order = ["role", "verdict", "reason"]


class StepsOfRequest(ReadOnlyStackedInline):
    """Checks and provisioning, with their logs."""

    model = OnboardingStep
    # Below the request: what went wrong is what people come for, and the theme hides tabs behind three dots.
    tab = False
    # Not the token: it fences the writes of an attempt, so nobody needs to see it.
    fields = readonly_fields = [
        *("kind", "name", "status", "attempt", "reason", "cure", "not_before", "outputs", "lines"),
        *("started_at", "finished_at"),
    ]

    @admin.display(description="log")
    def lines(self, step: OnboardingStep) -> SafeString:
        """The log, a line each."""
        kept = [(one["at"][:19], one["line"]) for one in step.log]
        return format_html_join(mark_safe("<br>"), "{} {}", kept)


class EventsOfRequest(ReadOnlyTabularInline):
    """The timeline."""

    model = OnboardingEvent
    tab = False
    fields = readonly_fields = ["created_at", "kind", "actor", "text"]


@admin.register(OnboardingRequest)
class OnboardingRequestAdmin(ReasonedActionsMixin, ReadOnlyAdmin):
    """Requests, newest first.

    They come through the portal, REST or a list, and are acted on, not edited.
    """

    list_display = ["reference", "repo_name", "block_family", "team_lead", "state", "phase", "planned_for"]
    list_filter = ["status", "phase", "code_host", "block_family", "planned_for"]
    search_fields = ["reference", "repo_name", "code_host_path", "team_lead"]
    # Of the client that has asked, and of no use to people.
    exclude = ["idempotency_key", "body_digest"]
    inlines = [EventsOfRequest, StepsOfRequest]
    actions = ["approve", "reject", "retry", "cancel", "offboard"]
    actions_list = ["schedule", "show_rollout"]

    # Not ``status`` itself: unfold colours a label only where a method of the admin yields it.
    @display(description="status", ordering="status", label=_LABELS)  # type: ignore[untyped-decorator]
    def state(self, row: OnboardingRequest) -> str:
        """The status as a label."""
        return row.status

    # Django asks for ``has_<word>_permission`` for each word in the ``permissions`` of an action.
    def has_decide_permission(self, request: HttpRequest) -> bool:
        """Whether the user may act: who may change requests, although nobody edits them."""
        return bool(request.user.has_perm("onboarding.change_onboardingrequest"))

    @admin.action(description="Approve on behalf of the team lead", permissions=["decide"])
    def approve(self, request: HttpRequest, rows: QuerySet[OnboardingRequest]) -> HttpResponse | None:
        """Say yes, and why it was not the lead."""
        words = ("Approve", "approved", "You say yes instead of the team lead. Your reason is kept.")
        return self._act(request, rows, "approve", words, engine.approve, "on_behalf")

    @admin.action(description="Reject", permissions=["decide"])
    def reject(self, request: HttpRequest, rows: QuerySet[OnboardingRequest]) -> HttpResponse | None:
        """Say no."""
        words = ("Reject", "rejected", "The request is over; the repo may be asked for again.")
        return self._act(request, rows, "reject", words, engine.reject)

    @admin.action(description="Retry from the step that failed", permissions=["decide"])
    def retry(self, request: HttpRequest, rows: QuerySet[OnboardingRequest]) -> HttpResponse | None:
        """Continue."""
        words = ("Retry", "started again", "What has passed is not run again.")
        return self._act(request, rows, "retry", words, engine.retry)

    @admin.action(description="Cancel", permissions=["decide"])
    def cancel(self, request: HttpRequest, rows: QuerySet[OnboardingRequest]) -> HttpResponse | None:
        """End what was not provisioned yet."""
        words = ("Cancel", "cancelled", "Only what was not provisioned yet is cancelled.")
        return self._act(request, rows, "cancel", words, engine.cancel)

    @admin.action(description="Offboard", permissions=["decide"])
    def offboard(self, request: HttpRequest, rows: QuerySet[OnboardingRequest]) -> HttpResponse | None:
        """Take back what was provisioned."""
        meaning = "What carries our mark is deleted, in reverse order. Flows and evidence stay."
        return self._act(
            request, rows, "offboard", ("Offboard", "being offboarded", meaning), engine.offboard
        )

    def _act(
        self,
        request: HttpRequest,
        rows: QuerySet[OnboardingRequest],
        name: str,
        words: tuple[str, str, str],
        door: Callable[..., Any],
        reason: str = "reason",
    ) -> HttpResponse | None:
        title, done, meaning = words
        # The engine's doors are safe to go through twice, so a second click is answered and does nothing.

        def act_on(row: OnboardingRequest, given: dict[str, Any]) -> object:
            return door(row.pk, actor=request.user.get_username(), **{reason: given["reason"]})

        made = ReasonedAction(
            name=name,
            title=title,
            done=done,
            meaning=meaning,
            act=act_on,
            unchanged="nothing is left to do",
            refusals=(OrchestratorError,),
        )
        return self.run_with_reason(request, rows, made)

    @action(description="Schedule a list", url_path="schedule")  # type: ignore[untyped-decorator]
    def schedule(self, request: HttpRequest) -> HttpResponse:
        """Ask for many repos at once; every line that cannot be taken is listed with its number."""
        self._require_decide(request)
        form = OnboardingBatchForm(request.POST or None)
        bad_lines: Any = ()
        if request.method == "POST" and form.is_valid():
            given = form.cleaned_data
            # An account, and not anonymous: the permission above was asked for.
            actor: Any = request.user
            try:
                made = batch.schedule_batch(
                    given["repos"], actor=actor.get_username(), person=actor, wanted_on=given["wanted_on"]
                )
            except BatchRefused as error:
                bad_lines = error.bad_lines
                # Each line is listed once, below.
                form.add_error("repos", "None of it was taken." if bad_lines else error.message)
            else:
                messages.success(request, f"{len(made)} repos are asked for; each is checked and approved.")
                return HttpResponseRedirect(reverse("admin:onboarding_onboardingrequest_changelist"))
        context = {"title": "Schedule a list of repos", "form": form, "bad_lines": bad_lines}
        return self._render(request, "schedule", context)

    @action(description="The rollout: switch, votes", url_path="rollout")  # type: ignore[untyped-decorator]
    def show_rollout(self, request: HttpRequest) -> HttpResponse:
        """How the rollout stands, with the switch and the votes."""
        if not self.has_view_permission(request):
            raise PermissionDenied
        wanted = request.POST.get("do", "")
        switch = ReasonForm(request.POST if wanted in {"close", "open"} else None, prefix="switch")
        vote = RolloutVoteForm(request.POST if wanted == "vote" else None, prefix="vote")
        if request.method == "POST":
            self._require_decide(request)
            if self._change_rollout(request, wanted, switch, vote):
                return HttpResponseRedirect(request.path)
        context = {
            "title": "The rollout",
            "standing": rollout.read_standing(),
            "switch": switch,
            "vote": vote,
            "votes": RolloutVote.objects.order_by("-id")[:10],
            "may_decide": self.has_decide_permission(request),
        }
        return self._render(request, "rollout", context)

    def _change_rollout(
        self, request: HttpRequest, wanted: str, switch: forms.Form, vote: forms.Form
    ) -> bool:
        """Do what was asked for; False where the form has a mistake, or it is refused."""
        actor = request.user.get_username()
        # The buttons of one form: which was pressed is its value.
        doors = {"close": rollout.close_portal, "open": rollout.open_portal}
        if wanted in doors and switch.is_valid():
            doors[wanted](actor=actor, reason=switch.cleaned_data["reason"])
            messages.success(request, "The portal is closed." if wanted == "close" else "The switch is open.")
            return True
        if wanted == "vote" and vote.is_valid():
            try:
                messages.success(request, str(rollout.cast_vote(**vote.cleaned_data, actor=actor)))
            except OrchestratorError as error:
                vote.add_error(None, f"{error.message} {error.cure}")
                return False
            return True
        return False

    def _require_decide(self, request: HttpRequest) -> None:
        if not self.has_decide_permission(request):
            raise PermissionDenied

    def _render(self, request: HttpRequest, name: str, context: dict[str, Any]) -> HttpResponse:
        whole = {**self.admin_site.each_context(request), "opts": self.opts, **context}
        return TemplateResponse(request, f"admin/onboarding/{name}.html", whole)


@admin.register(TerraformState)
class TerraformStateAdmin(ReadOnlyAdmin):
    """What Terraform has made for each repo, and what the last nightly plan found different."""

    list_display = ["repo_name", "reference", "version", "written_at", "drift_checked_at", "drift", "held_by"]
    search_fields = ["repo_name", "reference"]


@admin.register(RepoPage)
class RepoPageAdmin(ReadOnlyAdmin):
    """What the services of repos were paged for, and until when."""

    list_display = ["repo", "condition", "words", "begun_at", "ended_at"]
    list_filter = ["condition"]
    list_select_related = ["repo"]
    search_fields = ["repo__name"]
