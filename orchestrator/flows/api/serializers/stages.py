"""The shapes of a stage and its attempts."""

from collections.abc import Mapping
from decimal import Decimal

from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers

from orchestrator.flows import representation
from orchestrator.flows.api.serializers.fields import ErrorSerializer
from orchestrator.flows.models import Attempt, FlowEvent, Stage
from orchestrator.flows.models.states import AttemptOutcome, StageStatus
from orchestrator.rest.resolved_fields import ResolvedFields


class AttemptSerializer(ResolvedFields, serializers.ModelSerializer[Attempt]):
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
            "prompt",
            "started_at",
            "finished_at",
            "error_code",
            "error_message",
        ]


class StageSerializer(ResolvedFields, serializers.ModelSerializer[Stage]):
    """One step of a flow. Needs in its context ``cost_by_stage``, USD by the stage's id, and ``wasted``,
    ids.
    """

    status = serializers.ChoiceField(choices=StageStatus.choices)
    model = serializers.SerializerMethodField(help_text="The model that answered last.")
    prompt = serializers.SerializerMethodField(help_text="The prompt asked last, such as plan.v3.")
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
            "prompt",
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

    def get_prompt(self, stage: Stage) -> str:
        """The prompt of the newest attempt that asked a model."""
        asked = [attempt.prompt for attempt in stage.attempts.all() if attempt.prompt]
        return asked[-1] if asked else ""

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
