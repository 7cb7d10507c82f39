"""The shapes of flows and of what belongs to a flow: the source of answers and OpenAPI.

The order of the fields is the order in the answer. Amounts are USD as decimal digits, without padding;
durations are seconds. ``tests/rest/answers.json`` holds every shape byte for byte.
"""

from collections.abc import Mapping
from datetime import datetime
from decimal import Decimal
from typing import Any

from django.db.models import Prefetch, QuerySet, Sum
from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers

from gates.base import Verdict
from orchestrator.flows import representation
from orchestrator.flows.flow_types import pinned_version
from orchestrator.flows.models import (
    Attempt,
    Block,
    Flow,
    FlowEvent,
    GateResult,
    Replay,
    ReplayStatus,
    Stage,
)
from orchestrator.flows.models.states import FLOW_ENDED, AttemptOutcome, FlowStatus, StageStatus
from orchestrator.flows.timing import estimates
from providers.base import UsageSource
from providers.models import CallStatus, ProviderCall

_VERDICTS = [verdict.value for verdict in Verdict]


class UsdField(serializers.CharField):
    """An amount of USD as plain decimal digits."""

    def __init__(self, **options: Any) -> None:
        super().__init__(help_text="USD, as decimal digits.", **options)

    def to_representation(self, value: Decimal) -> str:  # type: ignore[override]  # stubs: only str
        """``0.01275`` for a column that holds ``0.01275000``."""
        return representation.format_usd(value)


class ErrorSerializer(serializers.Serializer[Any]):
    """Why something failed, and what fixes it."""

    code = serializers.CharField()
    message = serializers.CharField()
    cure = serializers.CharField()


# It describes the body for OpenAPI only; no view calls is_valid on it.
class NewFlowSerializer(serializers.Serializer[Any]):
    """What it takes to start a flow. ``validation`` checks it, because each mistake has a code of its own."""

    repo = serializers.CharField(
        required=False, help_text="A registered repo. A token that is bound to one repo may leave it out."
    )
    feature_request = serializers.CharField(help_text="Markdown, at most 64 KB.")
    flow_type = serializers.CharField(required=False, default="plan_impl_review_docs")
    block_family = serializers.CharField(
        required=False, allow_blank=True, help_text="compliance, observability, ..."
    )
    context = serializers.DictField(  # type: ignore[assignment]
        required=False, help_text='{"files": {path: text or {"base64": "..."}}}, at most 6 MB.'
    )


class AttemptSerializer(serializers.ModelSerializer[Attempt]):
    """One execution of a stage."""

    outcome = serializers.ChoiceField(choices=AttemptOutcome.choices)

    class Meta:
        model = Attempt
        fields = [
            "number",
            "outcome",
            "worker",
            "model",
            "fallback_from",
            "started_at",
            "finished_at",
            "error_code",
            "error_message",
        ]


class StageSerializer(serializers.ModelSerializer[Stage]):
    """One step of a flow. Needs in its context ``cost_by_stage``, USD by the stage's id, and ``wasted``,
    ids.
    """

    status = serializers.ChoiceField(choices=StageStatus.choices)
    model = serializers.SerializerMethodField(help_text="The model that answered last.")
    wait_reason = serializers.SerializerMethodField(help_text="Why it waits; empty if it does not.")
    progress = serializers.SerializerMethodField(help_text="What it does now; empty if it does not run.")
    duration_seconds = serializers.SerializerMethodField()
    cost_usd = serializers.SerializerMethodField(help_text="USD, as decimal digits.")
    wasted = serializers.SerializerMethodField(
        help_text="It ran beside a stage that asked for a repair, and its work was paid for once more."
    )
    error = serializers.SerializerMethodField()
    attempts = AttemptSerializer(many=True)

    class Meta:
        model = Stage
        fields = [
            "id",
            "position",
            "kind",
            "round",
            "queue",
            "needs",
            "status",
            "model",
            "wait_reason",
            "progress",
            "not_before",
            "started_at",
            "finished_at",
            "duration_seconds",
            "cost_usd",
            "wasted",
            "error",
            "attempts",
        ]

    def get_model(self, stage: Stage) -> str:
        """The model of the newest attempt that asked one."""
        # The attempts were prefetched in order: a filter here would send a query for each stage.
        models = [attempt.model for attempt in stage.attempts.all() if attempt.model]
        return models[-1] if models else ""

    def get_wait_reason(self, stage: Stage) -> str:
        """A stage keeps its last reason; only one that waits shows it."""
        return representation.read_reason(stage.wait_reason) if stage.status == StageStatus.WAITING else ""

    def get_progress(self, stage: Stage) -> str:
        """What a running stage said last; a query for each one that runs."""
        if stage.status != StageStatus.RUNNING:
            return ""
        said = FlowEvent.objects.filter(flow_id=stage.flow_id, stage=stage, kind="stage.progress")
        newest = said.order_by("-id").values_list("data__message", flat=True).first()
        return str(newest or "")

    def get_duration_seconds(self, stage: Stage) -> float | None:
        """From its start to its end, or until now."""
        return representation.seconds_between(stage.started_at, stage.finished_at)

    def get_cost_usd(self, stage: Stage) -> str:
        """The sum over its provider calls."""
        costs: Mapping[int, Decimal] = self.context["cost_by_stage"]
        return representation.format_usd(costs.get(stage.pk) or Decimal(0))

    def get_wasted(self, stage: Stage) -> bool:
        """Whether its cost is part of what the flow wasted."""
        return stage.pk in self.context["wasted"]

    @extend_schema_field(ErrorSerializer(allow_null=True))
    def get_error(self, stage: Stage) -> dict[str, str] | None:
        """Why it failed."""
        return representation.describe_error(stage)


class BlockSerializer(serializers.ModelSerializer[Block]):
    """What a flow yielded."""

    quality_score = serializers.CharField()
    # The primary key of the manifest's blob is its digest, so no file is read.
    manifest_sha256 = serializers.CharField(source="manifest_id")
    url = serializers.SerializerMethodField()

    class Meta:
        model = Block
        fields = [
            "family",
            "name",
            "version",
            "summary",
            "verified",
            "quality_score",
            "manifest_sha256",
            "created_at",
            "url",
        ]

    def get_url(self, block: Block) -> str:
        """Where the archive is."""
        return f"/api/v1/flows/{block.flow_id}/block/"


class EstimateSerializer(serializers.Serializer[Any]):
    """How long a flow will take without repair, from how long its kinds of stages took last."""

    p50_seconds = serializers.FloatField(help_text="Every stage of the critical path at its median.")
    p95_seconds = serializers.FloatField(help_text="Every one of them at its 95th percentile.")
    warning = serializers.CharField(help_text="Why the deadline will probably be missed; empty if not.")


class FlowSummarySerializer(serializers.Serializer[Flow]):
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
    url = serializers.SerializerMethodField()

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
        found = estimates.estimate_flow(flow_type, flow.created_at, flow.deadline_at)
        return None if found is None else EstimateSerializer(found).data

    def get_url(self, flow: Flow) -> str:
        """Where the whole flow is."""
        return f"/api/v1/flows/{flow.id}/"


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


class SnapshotSerializer(serializers.Serializer[Flow]):
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
        self._stages_read: dict[str, tuple[list[Stage], dict[int, Decimal]]] = {}

    @extend_schema_field(StageSerializer(many=True))
    def get_stages(self, flow: Flow) -> Any:
        """Its stages in order, each with its attempts."""
        stages, costs = self._read_stages(flow)
        wasted = representation.list_wasted(stages, costs)
        return StageSerializer(
            stages, many=True, context={"cost_by_stage": costs, "wasted": frozenset(wasted)}
        ).data

    def get_wasted_usd(self, flow: Flow) -> str:
        """What was paid for work on files that were repaired meanwhile."""
        stages, costs = self._read_stages(flow)
        wasted = representation.list_wasted(stages, costs)
        return representation.format_usd(sum((costs[stage] for stage in wasted), Decimal(0)))

    def _read_stages(self, flow: Flow) -> tuple[list[Stage], dict[int, Decimal]]:
        """Its stages with their attempts, and USD by stage: three queries, once for all fields."""
        if flow.pk not in self._stages_read:
            attempts: Prefetch[str, QuerySet[Attempt], str] = Prefetch(
                "attempts", Attempt.objects.order_by("number")
            )
            costs = dict(_calls_of(flow).values_list("stage_id").annotate(total=Sum("cost_usd")))
            stages = list(flow.stages.order_by("position").prefetch_related(attempts))
            self._stages_read[flow.pk] = stages, costs
        return self._stages_read[flow.pk]

    def get_cost_by_provider(self, flow: Flow) -> dict[str, str]:
        """USD by provider."""
        costs = _calls_of(flow).values_list("provider").annotate(total=Sum("cost_usd"))
        return {name: representation.format_usd(total or Decimal(0)) for name, total in sorted(costs)}

    @extend_schema_field(TimeSpentSerializer)
    def get_time(self, flow: Flow) -> dict[str, Any]:
        """Where the seconds went."""
        stages, _ = self._read_stages(flow)
        return representation.measure_time(flow, _calls_of(flow), stages)

    @extend_schema_field(BlockSerializer(allow_null=True))
    def get_block(self, flow: Flow) -> Any:
        """What it yielded; ``null`` where it has no block."""
        block = Block.objects.filter(flow=flow).first()
        return None if block is None else BlockSerializer(block).data


def _calls_of(flow: Flow) -> QuerySet[ProviderCall]:
    # Without an order: a sum by group would otherwise be grouped by the columns of the order, too.
    return ProviderCall.objects.filter(flow_id=flow.id).order_by()


class FlowPageSerializer(serializers.Serializer[Any]):
    """A page of flows."""

    next = serializers.URLField(allow_null=True)
    previous = serializers.URLField(allow_null=True)
    results = FlowSummarySerializer(many=True)


class EventStageSerializer(serializers.ModelSerializer[Stage]):
    """The stage that an event is about."""

    class Meta:
        model = Stage
        fields = ["id", "kind", "round"]


class FlowEventSerializer(serializers.Serializer[FlowEvent]):
    """One event of a flow; ``stage`` is left out of an event that is about the whole flow."""

    id = serializers.IntegerField()
    kind = serializers.CharField()
    at = serializers.DateTimeField(source="created_at")
    stage = EventStageSerializer(required=False)
    data = serializers.JSONField()  # type: ignore[assignment]  # a field of that name

    def to_representation(self, event: FlowEvent) -> dict[str, Any]:
        """The event as JSON."""
        body = super().to_representation(event)
        # Left out and not null, as clients of this API have always seen it.
        if event.stage is None:
            del body["stage"]
        return body


class GateResultSerializer(serializers.ModelSerializer[GateResult]):
    """One gate's report in one round."""

    verdict = serializers.ChoiceField(choices=_VERDICTS)
    # Text, because a float would lose the decimals of 87.50.
    score = serializers.CharField(allow_null=True)
    threshold = serializers.CharField(allow_null=True)
    findings = serializers.ListField()
    details = serializers.DictField()

    class Meta:
        model = GateResult
        fields = [
            "gate",
            "round",
            "verdict",
            "score",
            "threshold",
            "summary",
            "cure",
            "findings",
            "details",
            "seconds",
            "created_at",
        ]


class FlowGatesSerializer(serializers.Serializer[Any]):
    """Every gate's reports."""

    flow = serializers.CharField()
    status = serializers.ChoiceField(choices=FlowStatus.choices)
    gates = GateResultSerializer(many=True)


class TokenCountsSerializer(serializers.Serializer[ProviderCall]):
    """The tokens of a call in disjoint parts."""

    input = serializers.IntegerField(source="input_tokens")
    cache_read = serializers.IntegerField(source="cache_read_tokens")
    cache_write_5m = serializers.IntegerField(source="cache_write_5m_tokens")
    cache_write_1h = serializers.IntegerField(source="cache_write_1h_tokens")
    output = serializers.IntegerField(source="output_tokens")
    reasoning = serializers.IntegerField(source="reasoning_tokens")


class ProviderCallSerializer(serializers.ModelSerializer[ProviderCall]):
    """One provider call with its tokens and its cost; never the prompt or the answer."""

    id = serializers.UUIDField()
    model = serializers.CharField(
        source="shown_model", help_text="The model that answered, by the provider's words."
    )
    asked_model = serializers.CharField(source="model", help_text="The name that was asked.")
    fallback_from = serializers.CharField(help_text="The model that was asked first, where another answered.")
    usage_source = serializers.ChoiceField(
        choices=[source.value for source in UsageSource], help_text="Where the charged tokens come from."
    )
    stage = serializers.CharField(source="stage_kind")
    status = serializers.ChoiceField(choices=CallStatus.choices)
    tokens = TokenCountsSerializer(source="*")
    cost_usd = UsdField()
    price = serializers.DictField()

    class Meta:
        model = ProviderCall
        fields = [
            "id",
            "provider",
            "model",
            "asked_model",
            "fallback_from",
            "stage",
            "status",
            "reserved_tokens",
            "tokens",
            "usage_source",
            "cost_usd",
            "price",
            "latency_ms",
            "error_code",
            "error_message",
            "created_at",
            "settled_at",
        ]


class FlowCallsSerializer(serializers.Serializer[Any]):
    """Every provider call of a flow."""

    flow = serializers.CharField()
    cost_usd = UsdField()
    calls = ProviderCallSerializer(many=True)


class FlowEvidenceSerializer(serializers.Serializer[Any]):
    """Evidence files: text, or base64 where a file is not text."""

    flow = serializers.CharField()
    status = serializers.ChoiceField(choices=FlowStatus.choices)
    files = serializers.DictField()


class EvidenceKeySerializer(serializers.Serializer[Any]):
    """One public key."""

    key_id = serializers.CharField(help_text="SHA-256 of the key as SubjectPublicKeyInfo (DER).")
    algorithm = serializers.ChoiceField(choices=["ed25519"])
    public_key = serializers.CharField(help_text="PEM.")
    current = serializers.BooleanField(help_text="Whether blocks are signed with it now.")


class EvidenceKeysSerializer(serializers.Serializer[Any]):
    """All keys that have signed evidence, the current one first."""

    keys = EvidenceKeySerializer(many=True)


class ReplayedGateSerializer(serializers.Serializer[Any]):
    """A gate's sealed verdict beside the one that it gave again."""

    gate = serializers.CharField()
    sealed = serializers.ChoiceField(choices=_VERDICTS)
    sealed_score = serializers.CharField(allow_null=True)
    replayed = serializers.ChoiceField(choices=_VERDICTS)
    replayed_score = serializers.CharField(allow_null=True)
    summary = serializers.CharField()
    same = serializers.BooleanField()


class GateReplaySerializer(serializers.Serializer[Replay]):
    """The gates run again on a sealed block."""

    flow = serializers.CharField(source="flow_id")
    status = serializers.ChoiceField(choices=ReplayStatus.choices)
    same = serializers.BooleanField(
        allow_null=True, help_text="Whether every gate gave its sealed verdict again; null until done."
    )
    requested_at = serializers.DateTimeField(source="created_at")
    finished_at = serializers.DateTimeField(allow_null=True)
    comparison = serializers.SerializerMethodField()
    error = ErrorSerializer(
        allow_null=True,
        help_text="Why the gates could not be run in the original environment: what is missing or changed.",
    )

    @extend_schema_field(ReplayedGateSerializer(many=True))
    def get_comparison(self, replay: Replay) -> Any:
        """Each gate's sealed verdict beside the new one; empty until done."""
        return replay.result or []


class DifferenceSerializer(serializers.Serializer[Any]):
    """One thing that a replay found to be different."""

    stage = serializers.CharField()
    round = serializers.IntegerField()
    what = serializers.CharField(
        help_text="prompt digest, result, output <path>, artifact <kind>, gate <name>"
    )
    recorded = serializers.CharField()
    replayed = serializers.CharField()


class FlowReplayReportSerializer(serializers.Serializer[Any]):
    """The result of a flow's replay."""

    flow = serializers.CharField()
    stages = serializers.IntegerField(help_text="Stages that were run again.")
    calls = serializers.IntegerField(help_text="Recorded answers that were used; none was paid again.")
    same = serializers.BooleanField()
    differences = DifferenceSerializer(many=True)
    skipped = serializers.ListField(child=serializers.CharField())


class OffsetDateTimeField(serializers.DateTimeField):
    """A time that ends in ``+00:00``, as this answer always had it; every other answer ends in ``Z``."""

    def to_representation(self, value: datetime) -> str:
        """ISO 8601 with the offset in digits."""
        return value.isoformat()


class FlowReplaySerializer(serializers.Serializer[Replay]):
    """The replay of a flow from its record."""

    id = serializers.IntegerField()
    flow = serializers.CharField(source="flow_id")
    status = serializers.SerializerMethodField()
    created_by = serializers.CharField()
    created_at = OffsetDateTimeField()
    finished_at = OffsetDateTimeField(allow_null=True)
    report = serializers.SerializerMethodField()

    @extend_schema_field(serializers.ChoiceField(choices=["pending", "running", "same", "different"]))
    def get_status(self, replay: Replay) -> str:
        """A replay that is done says here whether it came out the same."""
        if replay.status != ReplayStatus.DONE:
            return replay.status
        return "same" if replay.same else "different"

    @extend_schema_field(FlowReplayReportSerializer(allow_null=True))
    def get_report(self, replay: Replay) -> Any:
        """``null`` until the replay is done."""
        return replay.result
