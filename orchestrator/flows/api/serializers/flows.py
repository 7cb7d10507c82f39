"""The shapes of a flow, in and out."""

from collections import defaultdict
from decimal import Decimal
from typing import Any

from django.db.models import Prefetch, QuerySet
from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers

from blocks.format.limits import MAX_PATH_LENGTH
from orchestrator.flows import representation
from orchestrator.flows.api.serializers.blocks import BlockSerializer
from orchestrator.flows.api.serializers.fields import ErrorSerializer, UsdField
from orchestrator.flows.api.serializers.stages import StageSerializer
from orchestrator.flows.flow_types import BUILT_IN, DEFAULT_NAME, pinned_version
from orchestrator.flows.models import Attempt, Flow, Stage
from orchestrator.flows.models.states import FLOW_ENDED, FlowStatus
from orchestrator.flows.timing import estimates
from orchestrator.rest.links import url_of
from orchestrator.rest.request_bodies import RequestSerializer
from orchestrator.rest.resolved_fields import ResolvedFields
from providers.models import ProviderCall

_BASE64_PATTERN = r"^(?:[A-Za-z0-9+/]{4})*(?:[A-Za-z0-9+/]{2}==|[A-Za-z0-9+/]{3}=)?$"
_PATH_PART = r"(?!\.{1,2}(?:/|$))[^/\\\x00]+"
_BASE64 = {
    "type": "object",
    "properties": {"base64": {"type": "string", "pattern": _BASE64_PATTERN}},
    "required": ["base64"],
    "additionalProperties": False,
}
CONTEXT_SCHEMA: dict[str, Any] = {
    "type": "object",
    "description": "Files of the repo, at most 6 MB. Without `files` the repo is cloned.",
    "properties": {
        "files": {
            "type": "object",
            "description": "The content by its path: a text, or base64 of bytes that are not text.",
            "propertyNames": {
                "maxLength": MAX_PATH_LENGTH,
                "pattern": f"^{_PATH_PART}(?:/{_PATH_PART})*$",
            },
            "additionalProperties": {"anyOf": [{"type": "string"}, _BASE64]},
        }
    },
    "additionalProperties": False,
}


@extend_schema_field(CONTEXT_SCHEMA)
class ContextField(serializers.DictField):
    """The files that a request brings. ``validation`` checks them."""


# It describes the body for OpenAPI only; no view calls is_valid on it.
class NewFlowSerializer(RequestSerializer):
    """What it takes to start a flow. ``validation`` checks it, because each mistake has a code of its own."""

    repo = serializers.CharField(
        required=False,
        allow_blank=True,
        allow_null=True,
        help_text="A registered repo. A token that is bound to one repo may leave it out.",
    )
    feature_request = serializers.RegexField(r"\S", help_text="Markdown, at most 64 KB.")
    flow_type = serializers.ChoiceField(
        choices=sorted({built_in.name for built_in in BUILT_IN}),
        required=False,
        allow_blank=True,
        allow_null=True,
        default=DEFAULT_NAME,
    )
    block_family = serializers.RegexField(
        r"^([a-z0-9][a-z0-9._-]{0,99})?$",
        required=False,
        allow_blank=True,
        allow_null=True,
        help_text="compliance, observability, ...; the plan chooses one where it is left out.",
    )
    context = ContextField(required=False, allow_null=True)  # type: ignore[assignment]  # DRF has one, too


class StageEstimateSerializer(serializers.Serializer[Any]):
    """How long one stage will take."""

    kind = serializers.CharField()
    model = serializers.CharField(
        help_text="Whose stages of this kind were measured; empty where those of all models were."
    )
    p50_seconds = serializers.FloatField()
    p95_seconds = serializers.FloatField()


class EstimateSerializer(serializers.Serializer[Any]):
    """How long a flow will take without repair, from what stages with its models took last."""

    p50_seconds = serializers.FloatField(help_text="Every stage of the critical path at its median.")
    p95_seconds = serializers.FloatField(help_text="Every one of them at its 95th percentile.")
    warning = serializers.CharField(help_text="Why the deadline will probably be missed; empty if not.")
    stages = StageEstimateSerializer(many=True)


class FlowSummarySerializer(ResolvedFields, serializers.Serializer[Flow]):
    """One line of a list.

    A list gives ``wait_reasons`` in its context, so that they cost one query in all.
    """

    id = serializers.CharField()
    repo = serializers.CharField(source="repo.name")
    status = serializers.ChoiceField(choices=FlowStatus.choices)
    flow_type = serializers.CharField()
    wait_reason = serializers.SerializerMethodField(help_text="Why it waits; empty if it does not.")
    block_family = serializers.CharField()
    title = serializers.SerializerMethodField()
    created_by = serializers.CharField()
    created_at = serializers.DateTimeField()
    started_at = serializers.DateTimeField(allow_null=True)
    finished_at = serializers.DateTimeField(allow_null=True)
    deadline_at = serializers.DateTimeField(allow_null=True)
    duration_seconds = serializers.SerializerMethodField(help_text="Since creation, while the flow runs.")
    estimate = serializers.SerializerMethodField()
    cost_usd = UsdField()
    error = serializers.SerializerMethodField()
    url = serializers.SerializerMethodField(help_text="Where the whole flow is.")
    html_url = serializers.SerializerMethodField(help_text="Its page, for people.")

    def get_wait_reason(self, flow: Flow) -> str:
        """The reason of the stage that waits."""
        # A single flow asks for its own reason; a list brings those of the whole page.
        reasons = self.context.get("wait_reasons")
        if reasons is None:
            reasons = representation.read_wait_reasons([flow])
        reason: str = reasons.get(flow.id, "")
        return reason

    def get_title(self, flow: Flow) -> str:
        """The first line of the request that says something."""
        return representation.request_title(flow)

    def get_duration_seconds(self, flow: Flow) -> float | None:
        """From its creation to its end, or until now."""
        return representation.seconds_between(flow.created_at, flow.finished_at)

    @extend_schema_field(ErrorSerializer(allow_null=True))
    def get_error(self, flow: Flow) -> dict[str, str] | None:
        """Why it failed."""
        return representation.describe_error(flow)

    @extend_schema_field(EstimateSerializer(allow_null=True))
    def get_estimate(self, flow: Flow) -> Any:
        """How long it will take; ``null`` for a flow that has ended, and while too little is known."""
        if flow.status in FLOW_ENDED:
            return None
        try:
            flow_type = pinned_version(flow.flow_type, flow.flow_type_version)
        except KeyError:
            # A deploy has dropped the version; its flows cannot continue, but people can still read them.
            return None
        found = estimates.estimate_flow(flow_type, flow.settings or {}, flow.created_at, flow.deadline_at)
        return None if found is None else found.to_json()

    def get_url(self, flow: Flow) -> str:
        """Where the whole flow is."""
        return url_of(self.context, f"/api/v1/flows/{flow.id}/")

    def get_html_url(self, flow: Flow) -> str:
        """Where a person looks at it."""
        return url_of(self.context, f"/flows/{flow.id}/")


class TimeSpentSerializer(serializers.Serializer[Any]):
    """Where the seconds of a flow went."""

    wall_seconds = serializers.FloatField(allow_null=True)
    provider_seconds = serializers.FloatField(help_text="In which a model was asked.")
    gates_seconds = serializers.FloatField(help_text="In gates, while no model was asked.")
    own_seconds = serializers.FloatField(
        allow_null=True, help_text="The rest: the orchestrator's own time, waiting included."
    )
    critical_path_seconds = serializers.FloatField(
        help_text="How long the stages ran of which each could only begin after the one before."
    )
    stage_overlap = serializers.FloatField(
        help_text="Seconds of all stages over seconds in which any ran: 1 is one after the other."
    )
    bound_by = serializers.CharField(help_text="What took longest on the critical path, in words.")


class SnapshotSerializer(ResolvedFields, serializers.Serializer[Flow]):
    """The repo that a flow carries."""

    sha256 = serializers.CharField(source="snapshot_id", allow_null=True)
    origin = serializers.CharField(
        help_text="git+<url>@<commit> of a clone; empty where the files came with the request."
    )


class FlowSerializer(FlowSummarySerializer):
    """One flow, whole, except for its events, gate results and provider calls."""

    feature_request = serializers.CharField()
    # "*" hands the flow itself to the nested serializer.
    snapshot = SnapshotSerializer(source="*")
    settings = serializers.DictField()
    stages = serializers.SerializerMethodField()
    cost_by_provider = serializers.SerializerMethodField()
    wasted_usd = serializers.SerializerMethodField(
        help_text="USD, part of cost_usd: stages whose files were repaired while they read them."
    )
    time = serializers.SerializerMethodField()
    block = serializers.SerializerMethodField()

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._stages_read: dict[str, list[Stage]] = {}
        self._calls_read: dict[str, list[Any]] = {}

    @extend_schema_field(StageSerializer(many=True))
    def get_stages(self, flow: Flow) -> Any:
        """Its stages in order, each with its attempts."""
        stages, costs = self._read_stages(flow), self._sum_costs(flow)
        wasted = representation.list_wasted(stages, costs)
        return StageSerializer(
            stages, many=True, context={"cost_by_stage": costs, "wasted": frozenset(wasted)}
        ).data

    def get_wasted_usd(self, flow: Flow) -> str:
        """What was paid for work on files that were repaired meanwhile."""
        costs = self._sum_costs(flow)
        wasted = representation.list_wasted(self._read_stages(flow), costs)
        return representation.format_usd(sum((costs[stage] for stage in wasted), Decimal(0)))

    def _read_stages(self, flow: Flow) -> list[Stage]:
        """Its stages with their attempts: two queries, once for all fields."""
        if flow.pk not in self._stages_read:
            attempts: Prefetch[str, QuerySet[Attempt], str] = Prefetch(
                "attempts", Attempt.objects.order_by("number")
            )
            self._stages_read[flow.pk] = list(flow.stages.order_by("position").prefetch_related(attempts))
        return self._stages_read[flow.pk]

    def _read_calls(self, flow: Flow) -> list[Any]:
        """What its provider calls have cost and when they were made: one query, once for all fields."""
        if flow.pk not in self._calls_read:
            rows = ProviderCall.objects.filter(flow_id=flow.id).order_by()
            figures = ("stage_id", "provider", "cost_usd", "created_at", "latency_ms")
            self._calls_read[flow.pk] = list(rows.values_list(*figures, named=True))
        return self._calls_read[flow.pk]

    def _sum_costs(self, flow: Flow) -> dict[int, Decimal]:
        """USD by stage."""
        costs: dict[int, Decimal] = defaultdict(Decimal)
        for call in self._read_calls(flow):
            costs[call.stage_id] += call.cost_usd
        return costs

    def get_cost_by_provider(self, flow: Flow) -> dict[str, str]:
        """USD by provider."""
        costs: dict[str, Decimal] = defaultdict(Decimal)
        for call in self._read_calls(flow):
            costs[call.provider] += call.cost_usd
        return {name: representation.format_usd(total) for name, total in sorted(costs.items())}

    @extend_schema_field(TimeSpentSerializer)
    def get_time(self, flow: Flow) -> dict[str, Any]:
        """Where the seconds went."""
        asked = [(call.created_at, call.latency_ms) for call in self._read_calls(flow)]
        return representation.measure_time(flow, asked, self._read_stages(flow))

    @extend_schema_field(BlockSerializer(allow_null=True))
    def get_block(self, flow: Flow) -> Any:
        """What it yielded; ``null`` where it has no block."""
        # Read with the flow where the view has asked for that; Django raises where there is none.
        block = getattr(flow, "block", None)
        return None if block is None else BlockSerializer(block).data
