"""The shapes of flows for OpenAPI. ``shown`` writes them; a test holds the two against each other."""

from typing import Any

from rest_framework import serializers as s

from orchestrator.flows.models.states import AttemptOutcome, FlowStatus, StageStatus
from providers.models import CallStatus

_MONEY = "USD, as decimal digits."


class FlowAsked(s.Serializer[Any]):
    """What it takes to start a flow."""

    repo = s.CharField(
        required=False, help_text="A registered repo. A token that is bound to one repo may leave it out."
    )
    feature_request = s.CharField(help_text="Markdown, at most 64 KB.")
    flow_type = s.CharField(required=False, default="plan_impl_review_docs")
    block_family = s.CharField(required=False, allow_blank=True, help_text="compliance, observability, ...")
    context = s.DictField(  # type: ignore[assignment]  # the field of that name, not the base class's property
        required=False, help_text='{"files": {path: text or {"base64": "..."}}}, at most 6 MB.'
    )


class Error(s.Serializer[Any]):
    """Why something failed, and what mends it."""

    code = s.CharField()
    message = s.CharField()
    cure = s.CharField()


class AttemptShown(s.Serializer[Any]):
    """One execution of a stage."""

    number = s.IntegerField()
    outcome = s.ChoiceField(choices=AttemptOutcome.choices)
    worker = s.CharField()
    model = s.CharField()
    fallback_from = s.CharField()
    started_at = s.DateTimeField()
    finished_at = s.DateTimeField(allow_null=True)
    error_code = s.CharField()
    error_message = s.CharField()


class StageShown(s.Serializer[Any]):
    """One step of a flow."""

    id = s.IntegerField()
    position = s.IntegerField()
    kind = s.CharField()
    round = s.IntegerField()
    queue = s.CharField()
    status = s.ChoiceField(choices=StageStatus.choices)
    model = s.CharField()
    wait_reason = s.CharField()
    not_before = s.DateTimeField(allow_null=True)
    started_at = s.DateTimeField(allow_null=True)
    finished_at = s.DateTimeField(allow_null=True)
    duration_seconds = s.FloatField(allow_null=True)
    cost_usd = s.CharField(help_text=_MONEY)
    error = Error(allow_null=True)
    attempts = AttemptShown(many=True)


class BlockShown(s.Serializer[Any]):
    """What a flow yielded."""

    family = s.CharField()
    name = s.CharField()
    version = s.IntegerField()
    summary = s.CharField()
    verified = s.BooleanField()
    quality_score = s.CharField()
    manifest_sha256 = s.CharField()
    created_at = s.DateTimeField()
    url = s.CharField()


class FlowBrief(s.Serializer[Any]):
    """One line of a list."""

    id = s.CharField()
    repo = s.CharField()
    status = s.ChoiceField(choices=FlowStatus.choices)
    wait_reason = s.CharField(help_text="Why it waits; empty if it does not.")
    flow_type = s.CharField()
    block_family = s.CharField()
    title = s.CharField()
    created_by = s.CharField()
    created_at = s.DateTimeField()
    started_at = s.DateTimeField(allow_null=True)
    finished_at = s.DateTimeField(allow_null=True)
    deadline_at = s.DateTimeField(allow_null=True)
    duration_seconds = s.FloatField(help_text="Since creation, while the flow runs.")
    cost_usd = s.CharField(help_text=_MONEY)
    error = Error(allow_null=True)
    url = s.CharField()


class TimeShown(s.Serializer[Any]):
    """Where the seconds went."""

    wall_seconds = s.FloatField(allow_null=True)
    provider_seconds = s.FloatField(help_text="In calls of models.")
    gates_seconds = s.FloatField(help_text="In gates.")
    own_seconds = s.FloatField(
        allow_null=True, help_text="The rest: the orchestrator's own time, waiting included."
    )


class SnapshotShown(s.Serializer[Any]):
    """The repo that a flow carries."""

    sha256 = s.CharField(allow_null=True)
    origin = s.CharField(
        help_text="git+<url>@<commit> of a clone; empty where the files came with the request."
    )


class FlowShown(FlowBrief):
    """One flow, whole."""

    feature_request = s.CharField()
    snapshot = SnapshotShown()
    settings = s.DictField()
    stages = StageShown(many=True)
    cost_by_provider = s.DictField(child=s.CharField())
    time = TimeShown()
    block = BlockShown(allow_null=True)


class FlowPage(s.Serializer[Any]):
    """A page of flows."""

    next = s.URLField(allow_null=True)
    previous = s.URLField(allow_null=True)
    results = FlowBrief(many=True)


class GateShown(s.Serializer[Any]):
    """One gate's report in one round."""

    gate = s.CharField()
    round = s.IntegerField()
    verdict = s.ChoiceField(choices=["passed", "failed", "errored"])
    score = s.CharField(allow_null=True)
    threshold = s.CharField(allow_null=True)
    summary = s.CharField()
    cure = s.CharField()
    findings = s.ListField()
    details = s.DictField()
    seconds = s.FloatField()
    created_at = s.DateTimeField()


class GatesShown(s.Serializer[Any]):
    """Every gate's reports."""

    flow = s.CharField()
    status = s.ChoiceField(choices=FlowStatus.choices)
    gates = GateShown(many=True)


class ReplayedGate(s.Serializer[Any]):
    """A gate's sealed verdict beside the one that it gave again."""

    gate = s.CharField()
    sealed = s.ChoiceField(choices=["passed", "failed", "errored"])
    sealed_score = s.CharField(allow_null=True)
    replayed = s.ChoiceField(choices=["passed", "failed", "errored"])
    replayed_score = s.CharField(allow_null=True)
    summary = s.CharField()
    same = s.BooleanField()


class ReplayShown(s.Serializer[Any]):
    """The gates run again on a sealed block."""

    flow = s.CharField()
    status = s.ChoiceField(choices=["pending", "running", "done"])
    same = s.BooleanField(
        allow_null=True, help_text="Whether every gate gave its sealed verdict again; null until done."
    )
    requested_at = s.DateTimeField()
    finished_at = s.DateTimeField(allow_null=True)
    comparison = ReplayedGate(many=True)
    error = Error(
        allow_null=True,
        help_text="Why the gates could not be run as they were then: what is missing or was changed.",
    )


class CallShown(s.Serializer[Any]):
    """One provider call."""

    id = s.UUIDField()
    provider = s.CharField()
    model = s.CharField()
    fallback_from = s.CharField(help_text="The model that was asked first, where another answered.")
    stage = s.CharField()
    status = s.ChoiceField(choices=CallStatus.choices)
    reserved_tokens = s.IntegerField()
    tokens = s.DictField(child=s.IntegerField())
    cost_usd = s.CharField(help_text=_MONEY)
    price = s.DictField()
    latency_ms = s.IntegerField(allow_null=True)
    error_code = s.CharField()
    error_message = s.CharField()
    created_at = s.DateTimeField()
    settled_at = s.DateTimeField(allow_null=True)


class CallsShown(s.Serializer[Any]):
    """Every provider call."""

    flow = s.CharField()
    cost_usd = s.CharField(help_text=_MONEY)
    calls = CallShown(many=True)


class EvidenceShown(s.Serializer[Any]):
    """Evidence files: text, or base64 where a file is none."""

    flow = s.CharField()
    status = s.ChoiceField(choices=FlowStatus.choices)
    files = s.DictField()
