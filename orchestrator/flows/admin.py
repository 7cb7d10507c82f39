"""Flows for SREs: everything to read, nothing to edit, and the engine's own verbs as actions."""

from datetime import datetime
from typing import Any

from django import forms
from django.contrib import admin
from django.db.models import OuterRef, QuerySet, Subquery
from django.forms import ModelForm
from django.http import HttpRequest, HttpResponse
from django.urls import reverse
from django.utils import timezone
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString
from unfold.decorators import display
from unfold.widgets import UnfoldAdminIntegerFieldWidget, UnfoldAdminTextareaWidget

from orchestrator.core.admin import (
    AppendOnlyAdmin,
    KeysetAdmin,
    ReadOnlyStackedInline,
    ReadOnlyTabularInline,
    ReasonedAction,
    ReasonedActionsMixin,
    ReasonForm,
)
from orchestrator.core.audit import MOST_REASON
from orchestrator.flows import engine, representation
from orchestrator.flows.engine.verbs import VERBS
from orchestrator.flows.models import (
    Attempt,
    Block,
    Flow,
    FlowEvent,
    GateResult,
    Hold,
    Stage,
    StageWait,
    search,
)
from orchestrator.flows.models.hold import HoldScope
from orchestrator.queues import list_queues
from orchestrator.repos.models import Repo
from providers.models import ProviderCall

LABELS = {
    "passed": "success",
    "failed": "danger",
    "running": "info",
    "ready": "info",
    "waiting": "warning",
    "paused": "warning",
}


CALL_COLUMNS = (
    "stage_kind",
    "provider",
    "model",
    "answered_by",
    "status",
    "input_tokens",
    "output_tokens",
    "cost_usd",
    "latency_ms",
    "error_code",
)


class StagesOfFlow(ReadOnlyTabularInline):
    """The stages of a flow, in order."""

    model = Stage
    fields = [
        "position",
        "kind",
        "round",
        "queue",
        "status",
        "attempts_made",
        "crashes",
        "wait_reason",
        "error_code",
        "started_at",
        "finished_at",
    ]
    ordering = ["position"]


class GatesOfFlow(ReadOnlyTabularInline):
    """What the gates found."""

    model = GateResult
    fields = ["gate", "round", "verdict", "score", "threshold", "summary", "cure"]


class BlockOfFlow(ReadOnlyStackedInline):
    """What the flow yielded."""

    model = Block
    fields = ["family", "name", "version", "summary", "quality_score", "verified", "manifest"]


class PriorityForm(ReasonForm):
    """Which priority, and why."""

    priority = forms.IntegerField(
        min_value=-100,
        max_value=100,
        initial=0,
        widget=UnfoldAdminIntegerFieldWidget(),
        help_text="A higher one goes first, in every repo. Flows begin with 0.",
    )
    field_order = ["priority", "reason"]


@admin.register(Flow)
class FlowAdmin(ReasonedActionsMixin, KeysetAdmin):
    """Flows, and the verbs that are safe to use twice."""

    list_display = ["id", "repo", "heading", "state", "cost", "created_at", "finished_at", "error_code"]
    list_filter = ["status", "repo"]
    list_select_related = ["repo"]
    # One field; ``search`` decides what is meant.
    search_fields = ["id"]
    search_help_text = search.HELP
    # The snapshot is megabytes of a repo; a page that shows it would load it.
    exclude = ["snapshot"]
    readonly_fields = ["calls"]
    inlines = [StagesOfFlow, GatesOfFlow, BlockOfFlow]
    actions = ["cancel", "retry", "pause", "resume", "set_priority"]

    def find_rows(self, rows: QuerySet[Flow], words: str) -> QuerySet[Flow]:
        """Those that fit."""
        return search.find_flows(rows, words)

    @display(description="status", ordering="status", label=LABELS)  # type: ignore[untyped-decorator]
    def state(self, flow: Flow) -> str:
        """The status as a label."""
        return flow.status

    @admin.display(description="request")
    def heading(self, flow: Flow) -> str:
        """The title of the request."""
        return representation.request_title(flow)

    @admin.display(description="cost (USD)", ordering="cost_usd")
    def cost(self, flow: Flow) -> str:
        """USD."""
        return representation.format_usd(flow.cost_usd)

    @admin.display(description="provider calls")
    def calls(self, flow: Flow) -> SafeString:
        """A table of what was asked of the providers.

        The ledger has plain ids, so this cannot be an inline.
        """
        # format_html_join escapes every value: error messages quote what a provider sent.
        rows = ProviderCall.objects.filter(flow_id=flow.pk).order_by("created_at").values_list(*CALL_COLUMNS)
        names = ((name.replace("_", " "),) for name in CALL_COLUMNS)
        heading = format_html_join("", '<th class="px-3 py-2 text-left">{}</th>', names)
        cells = "<tr>" + '<td class="px-3 py-2 whitespace-nowrap">{}</td>' * len(CALL_COLUMNS) + "</tr>"
        body = format_html_join("", cells, rows)
        return format_html("<table><thead><tr>{}</tr></thead><tbody>{}</tbody></table>", heading, body)

    def view_on_site(self, flow: Flow) -> str:
        """The page of the flow."""
        return reverse("flow", args=[flow.pk])

    def has_act_permission(self, request: HttpRequest) -> bool:
        """Whether the user may use the verbs: who may change flows, although nobody edits them."""
        return bool(request.user.has_perm("flows.change_flow"))

    @admin.action(description="Cancel", permissions=["act"])
    def cancel(self, request: HttpRequest, rows: QuerySet[Flow]) -> HttpResponse | None:
        """End the chosen flows."""
        return self._act(request, rows, "cancel")

    @admin.action(description="Retry, or end the wait", permissions=["act"])
    def retry(self, request: HttpRequest, rows: QuerySet[Flow]) -> HttpResponse | None:
        """Run failed flows again, and ask again at once for those that wait."""
        return self._act(request, rows, "retry")

    @admin.action(description="Pause", permissions=["act"])
    def pause(self, request: HttpRequest, rows: QuerySet[Flow]) -> HttpResponse | None:
        """Start no further stage of the chosen flows."""
        return self._act(request, rows, "pause")

    @admin.action(description="Resume", permissions=["act"])
    def resume(self, request: HttpRequest, rows: QuerySet[Flow]) -> HttpResponse | None:
        """Continue paused flows."""
        return self._act(request, rows, "resume")

    @admin.action(description="Change the priority", permissions=["act"])
    def set_priority(self, request: HttpRequest, rows: QuerySet[Flow]) -> HttpResponse | None:
        """Let the chosen flows go before or after others."""
        return self._act(request, rows, "priority")

    def _act(self, request: HttpRequest, rows: QuerySet[Flow], name: str) -> HttpResponse | None:
        verb, actor = VERBS[name], request.user.get_username()

        def act_on(flow: Flow, given: dict[str, Any]) -> bool:
            return bool(verb.act(flow.pk, actor=actor, **given))

        action = ReasonedAction(
            name="set_priority" if name == "priority" else name,
            title=verb.title,
            done=verb.done,
            meaning=verb.meaning,
            act=act_on,
            unchanged=verb.unchanged,
            refusals=(engine.EngineError,),
            form=PriorityForm if name == "priority" else ReasonForm,
        )
        return self.run_with_reason(request, rows, action)


class AttemptsOfStage(ReadOnlyTabularInline):
    """The attempts of a stage."""

    model = Attempt
    fields = [
        "number",
        "outcome",
        "worker",
        "model",
        "fallback_from",
        "prompt",
        "started_at",
        "finished_at",
        "error_code",
        "error_message",
    ]


@admin.register(Stage)
class StageAdmin(KeysetAdmin):
    """Stages with their attempts: where work stands and why it waits."""

    list_display = [
        "flow",
        "kind",
        "round",
        "queue",
        "state",
        "attempts_made",
        "crashes",
        "ready_at",
        "started_at",
        "ran",
        "wait_reason",
    ]
    list_filter = ["status", "queue"]
    list_select_related = ["flow"]
    search_fields = ["flow_id"]
    search_help_text = "The id of a flow"
    # A token fences the writes of an attempt, so nobody needs to see it.
    exclude = ["token"]
    inlines = [AttemptsOfStage]

    @display(description="status", ordering="status", label=LABELS)  # type: ignore[untyped-decorator]
    def state(self, stage: Stage) -> str:
        """The status as a label."""
        return stage.status

    @admin.display(description="ran (s)")
    def ran(self, stage: Stage) -> str:
        """How long it took, or has taken so far."""
        return _count_seconds(stage.started_at, stage.finished_at)


@admin.register(StageWait)
class StageWaitAdmin(StageAdmin):
    """What waits now: for what, since when, and when it is tried again."""

    list_display = [
        "flow",
        "kind",
        "queue",
        "wait_reason",
        "waits_since",
        "waited",
        "not_before",
        "waits_for",
    ]
    list_filter = ["queue"]
    inlines: list[Any] = []

    def get_queryset(self, request: HttpRequest) -> QuerySet[Stage]:
        """What waits, with the moment at which it began to."""
        rows: QuerySet[Stage] = super().get_queryset(request)
        # In one query for the page: the event that began each wait.
        began = FlowEvent.objects.filter(flow_id=OuterRef("flow_id"), stage_id=OuterRef("pk"))
        newest = began.filter(kind="stage.waiting").order_by("-id").values("created_at")[:1]
        return rows.annotate(began=Subquery(newest))

    @admin.display(description="waits since")
    def waits_since(self, stage: Any) -> datetime | None:
        """When the wait began."""
        since: datetime | None = stage.began
        return since

    @admin.display(description="waited (s)")
    def waited(self, stage: Any) -> str:
        """How long so far."""
        return _count_seconds(stage.began, None)


@admin.register(Attempt)
class AttemptAdmin(KeysetAdmin):
    """Each execution of a stage: by which worker, when, for how long, and how it ended."""

    list_display = [
        "stage",
        "number",
        "result",
        "worker",
        "model",
        "started_at",
        "finished_at",
        "ran",
        "error_code",
    ]
    list_filter = ["outcome"]
    list_select_related = ["stage"]
    search_fields = ["stage__flow_id"]
    search_help_text = "The id of a flow"
    exclude = ["token"]

    @display(
        description="outcome",
        label={"passed": "success", "failed": "danger", "expired": "danger", "parked": "warning"},
    )  # type: ignore[untyped-decorator]
    def result(self, attempt: Attempt) -> str:
        """The outcome as a label."""
        return attempt.outcome

    @admin.display(description="ran (s)")
    def ran(self, attempt: Attempt) -> str:
        """How long it took, or has taken so far."""
        return _count_seconds(attempt.started_at, attempt.finished_at)


def _count_seconds(begin: datetime | None, end: datetime | None) -> str:
    """From ``begin`` to ``end``, or until now."""
    if begin is None:
        return "-"
    return f"{((end or timezone.now()) - begin).total_seconds():,.1f}"


@admin.register(FlowEvent)
class FlowEventAdmin(KeysetAdmin):
    """Everything that happened, newest first."""

    list_display = ["created_at", "flow", "kind", "stage", "data"]
    list_select_related = ["flow", "stage"]
    search_fields = ["flow_id"]
    search_help_text = "The id of a flow"


@admin.register(Block)
class BlockAdmin(KeysetAdmin):
    """Blocks that flows yielded."""

    list_display = ["family", "name", "version", "repo", "quality_score", "verified", "created_at"]
    list_filter = ["verified", "repo"]
    list_select_related = ["repo"]
    search_fields = ["flow_id"]
    search_help_text = "The id of a flow, or the name of a block"

    def find_rows(self, rows: QuerySet[Block], words: str) -> QuerySet[Block]:
        """The block of a flow, or all versions of a block."""
        return rows.filter(flow_id=words) if words.startswith("task_") else rows.filter(name=words)


@admin.register(GateResult)
class GateResultAdmin(KeysetAdmin):
    """Every report of a gate, newest first."""

    list_display = ["created_at", "flow", "gate", "round", "outcome", "score", "threshold", "summary"]
    list_filter = ["verdict"]
    list_select_related = ["flow"]
    search_fields = ["flow_id"]
    search_help_text = "The id of a flow"

    @display(
        description="verdict",
        ordering="verdict",
        label={"passed": "success", "failed": "danger", "errored": "warning"},
    )  # type: ignore[untyped-decorator]
    def outcome(self, result: GateResult) -> str:
        """The verdict as a label."""
        return result.verdict


class HoldForm(ModelForm):  # type: ignore[type-arg]  # generic in its types only
    """What to hold, by name."""

    class Meta:
        model = Hold
        fields = ["scope", "target", "reason"]

    # The column may be empty, for holds by a command; a person says why.
    reason = forms.CharField(
        max_length=MOST_REASON,
        widget=UnfoldAdminTextareaWidget(attrs={"rows": 3}),
        help_text="Shown to everybody whose work waits, and kept in the audit trail.",
    )

    def clean(self) -> dict[str, Any]:
        """Refuse a target that does not exist, and one beside everything."""
        found: dict[str, Any] = super().clean() or self.cleaned_data
        scope, target = found.get("scope"), found.get("target", "")
        if scope == HoldScope.EVERYTHING and target:
            self.add_error("target", "Leave it empty: everything has no target.")
        if scope == HoldScope.REPO and not Repo.objects.filter(name=target).exists():
            self.add_error("target", f"No repo is registered as {target!r}.")
        if scope == HoldScope.QUEUE and target not in list_queues():
            self.add_error("target", f"Choose one of {', '.join(list_queues())}.")
        return found


@admin.register(Hold)
class HoldAdmin(ReasonedActionsMixin, AppendOnlyAdmin):
    """Pauses beyond one flow: of everything, of a repo, of a queue.

    Adding one pauses; the action releases.
    """

    form = HoldForm
    list_display = ["scope", "target", "reason", "actor", "created_at", "lasts"]
    fields = ["scope", "target", "reason"]
    actions = ["release"]

    @admin.display(description="lasts (s)")
    def lasts(self, hold: Hold) -> str:
        """How long so far."""
        return _count_seconds(hold.created_at, None)

    def has_release_permission(self, request: HttpRequest) -> bool:
        """Whether the user may let everything continue."""
        return bool(request.user.has_perm("flows.delete_hold"))

    @admin.action(description="Release: let the work continue", permissions=["release"])
    def release(self, request: HttpRequest, rows: QuerySet[Hold]) -> HttpResponse | None:
        """End the chosen pauses."""
        actor = request.user.get_username()

        def act_on(hold: Hold, given: dict[str, Any]) -> bool:
            return engine.release(hold.scope, hold.target, actor=actor, reason=given["reason"])

        action = ReasonedAction(
            name="release",
            title="Release",
            done="released",
            meaning="Stages that waited for it continue in fair order. Their deadlines move by that time.",
            act=act_on,
            unchanged="somebody has released it already",
        )
        return self.run_with_reason(request, rows, action)

    def save_model(self, request: HttpRequest, obj: Hold, form: Any, change: bool) -> None:  # noqa: ARG002
        """Through the engine, which knows what a pause touches."""
        engine.hold(obj.scope, obj.target, actor=request.user.get_username(), reason=obj.reason)
        # Django logs the addition by the primary key, which the engine's insert does not give back.
        obj.pk = Hold.objects.get(scope=obj.scope, target=obj.target).pk
