"""Flows for SREs: everything to read, nothing to edit, and the engine's own verbs as actions."""

from collections.abc import Callable
from typing import Any

from django.contrib import admin, messages
from django.db.models import QuerySet
from django.forms import ModelForm
from django.http import HttpRequest
from django.urls import reverse
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString
from unfold.admin import ModelAdmin
from unfold.decorators import display

from orchestrator.core.admin import ReadOnlyAdmin, ReadOnlyStackedInline, ReadOnlyTabularInline
from orchestrator.flows import engine, representation
from orchestrator.flows.models import Attempt, Block, Flow, FlowEvent, GateResult, Hold, Stage
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


@admin.register(Flow)
class FlowAdmin(ReadOnlyAdmin):
    """Flows, and the verbs that are safe to use twice."""

    list_display = ["id", "repo", "heading", "state", "cost", "created_at", "finished_at", "error_code"]
    list_filter = ["status", "repo", "block_family", "created_at"]
    list_select_related = ["repo"]
    search_fields = ["id", "repo__name", "error_code", "created_by", "trace_parent"]
    date_hierarchy = "created_at"
    # The snapshot is megabytes of a repo; a page that shows it would load it.
    exclude = ["snapshot"]
    readonly_fields = ["calls"]
    inlines = [StagesOfFlow, GatesOfFlow, BlockOfFlow]
    actions = ["cancel", "retry", "pause", "resume"]

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
        heading = format_html_join("", "<th>{}</th>", ((name.replace("_", " "),) for name in CALL_COLUMNS))
        cells = "<tr>" + "<td>{}</td>" * len(CALL_COLUMNS) + "</tr>"
        body = format_html_join("", cells, rows)
        return format_html("<table><thead><tr>{}</tr></thead><tbody>{}</tbody></table>", heading, body)

    def view_on_site(self, flow: Flow) -> str:
        """The page of the flow."""
        return reverse("flow", args=[flow.pk])

    def has_act_permission(self, request: HttpRequest) -> bool:
        """Whether the user may use the verbs: who may change flows, although nobody edits them."""
        return bool(request.user.has_perm("flows.change_flow"))

    @admin.action(description="Cancel", permissions=["act"])
    def cancel(self, request: HttpRequest, rows: QuerySet[Flow]) -> None:
        """End the chosen flows."""
        self._act_on_each(request, rows, engine.cancel, "cancelled")

    @admin.action(description="Retry, or end the wait", permissions=["act"])
    def retry(self, request: HttpRequest, rows: QuerySet[Flow]) -> None:
        """Run failed flows again, and ask again at once for those that wait."""
        self._act_on_each(request, rows, engine.retry, "run again")

    @admin.action(description="Pause", permissions=["act"])
    def pause(self, request: HttpRequest, rows: QuerySet[Flow]) -> None:
        """Start no further stage of the chosen flows."""
        self._act_on_each(request, rows, engine.pause, "paused")

    @admin.action(description="Resume", permissions=["act"])
    def resume(self, request: HttpRequest, rows: QuerySet[Flow]) -> None:
        """Continue paused flows."""
        self._act_on_each(request, rows, engine.resume, "resumed")

    def _act_on_each(
        self, request: HttpRequest, rows: QuerySet[Flow], verb: Callable[..., Any], done: str
    ) -> None:
        count = 0
        for flow in rows:
            try:
                # A verb says whether it changed something: cancelling a cancelled flow is not counted.
                count += bool(verb(flow.pk, actor=request.user.get_username()))
            except engine.EngineError as error:
                self.message_user(request, f"{error} {error.cure}", messages.WARNING)
        self.message_user(request, f"{count} {done}.", messages.SUCCESS if count else messages.INFO)


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
class StageAdmin(ReadOnlyAdmin):
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
        "wait_reason",
    ]
    list_filter = ["status", "queue", "kind"]
    list_select_related = ["flow"]
    search_fields = ["flow__id", "error_code"]
    # A token fences the writes of an attempt, so nobody needs to see it.
    exclude = ["token"]
    inlines = [AttemptsOfStage]

    @display(description="status", ordering="status", label=LABELS)  # type: ignore[untyped-decorator]
    def state(self, stage: Stage) -> str:
        """The status as a label."""
        return stage.status


@admin.register(FlowEvent)
class FlowEventAdmin(ReadOnlyAdmin):
    """Everything that happened, newest first."""

    list_display = ["created_at", "flow", "kind", "stage", "data"]
    list_filter = ["kind", "created_at"]
    list_select_related = ["flow", "stage"]
    search_fields = ["flow__id"]
    ordering = ["-id"]
    # Counting millions of events would take longer than showing a page of them.
    show_full_result_count = False


@admin.register(Block)
class BlockAdmin(ReadOnlyAdmin):
    """Blocks that flows yielded."""

    list_display = ["family", "name", "version", "repo", "quality_score", "verified", "created_at"]
    list_filter = ["family", "verified", "repo"]
    list_select_related = ["repo"]
    search_fields = ["name", "family", "flow__id"]


@admin.register(GateResult)
class GateResultAdmin(ReadOnlyAdmin):
    """Every report of a gate, newest first."""

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


class HoldForm(ModelForm):  # type: ignore[type-arg]  # generic in its types only
    """What to hold, by name."""

    class Meta:
        model = Hold
        fields = ["scope", "target", "reason"]

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
class HoldAdmin(ModelAdmin):  # type: ignore[misc]  # unfold has no types
    """Pauses beyond one flow: of everything, of a repo, of a queue.

    Adding one pauses, deleting one releases.
    """

    form = HoldForm
    list_display = ["scope", "target", "reason", "actor", "created_at"]
    fields = ["scope", "target", "reason"]

    def save_model(self, request: HttpRequest, obj: Hold, form: Any, change: bool) -> None:  # noqa: ARG002
        """Through the engine, which knows what a pause touches."""
        engine.hold(obj.scope, obj.target, actor=request.user.get_username(), reason=obj.reason)
        # Django logs the addition by the primary key, which the engine's insert does not give back.
        obj.pk = Hold.objects.get(scope=obj.scope, target=obj.target).pk

    def delete_model(self, request: HttpRequest, obj: Hold) -> None:  # noqa: ARG002 - Django's signature
        """Release."""
        engine.release(obj.scope, obj.target)

    def delete_queryset(self, request: HttpRequest, queryset: QuerySet[Hold]) -> None:
        """Release each."""
        # Not queryset.delete(): a release does more than delete the row.
        for hold in queryset:
            self.delete_model(request, hold)

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """A pause stands or is released; it is not altered."""
        return obj is None and bool(super().has_change_permission(request, obj))
