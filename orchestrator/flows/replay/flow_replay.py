"""A finished flow run again from its record: without a call or a cost, and without a change to the flow.

Each stage gets its recorded inputs and the recorded answers of its model, found by the digest of the request.
So a difference shows in the stage where it arises and does not spread to the stages behind it: a prompt that
is built in another way today, an answer that is parsed in another way, a gate that judges in another way.
"""

import hashlib
import json
import logging
import traceback
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from decimal import Decimal
from functools import cached_property
from typing import Any

from gates.base import GateReport
from orchestrator.flows.flow_settings import FlowSettings
from orchestrator.flows.flow_types import pinned_version
from orchestrator.flows.models import Artifact, Flow, GateResult, Stage
from orchestrator.flows.models.states import StageStatus
from orchestrator.flows.replay import requests
from orchestrator.flows.replay.comparison import (
    MISSING,
    clip_text,
    digest_bytes,
    find_differences,
    same_bytes,
    strip_times,
)
from orchestrator.flows.stage_outputs import PERSON
from orchestrator.flows.stage_protocol import (
    Budget,
    Done,
    Failed,
    NewArtifact,
    Park,
    Repair,
    StageResult,
    stage_nonce,
)
from orchestrator.flows.stages.registry import load_stage
from providers import ledger
from providers.base import Completion, Request
from providers.models import ProviderCall

log = logging.getLogger(__name__)
# The block is the manifest's files and nothing more; its archive holds the manifest, and with it the time of
# the seal.
# Comparing the archive would report a difference in every replay. The facts of a bundle are kept only where
# the context was collected before its stage was admitted, and the stage's output holds them.
_DERIVED = frozenset({"block", "bundle-facts"})
_OF_ARCHIVES = frozenset({"block_sha256", "log_sequence", "paths"})


@dataclass(frozen=True, slots=True)
class Difference:
    """One thing that is different: in which stage, what, as recorded and as replayed."""

    stage: str
    round: int
    what: str
    recorded: str
    replayed: str


@dataclass(frozen=True, slots=True)
class FlowReplayReport:
    """The result of a replay. ``skipped`` are stages of which too little is recorded, with the reason."""

    flow: str
    stages: int
    calls: int
    differences: tuple[Difference, ...]
    skipped: tuple[str, ...]

    def as_json(self) -> dict[str, Any]:
        """The report as it is kept and shown."""
        return {**asdict(self), "same": not self.differences}


class Unrecorded(Exception):
    """The stage asks something that it did not ask originally.

    Control flow of this module; nobody reads it.
    """

    def __init__(self, request_digest: str) -> None:
        super().__init__(f"no answer is recorded for a request with the digest {request_digest}")
        self.request_digest = request_digest


class RecordedStageContext:
    """A ``stage_protocol.StageContext`` over the record of a flow.

    It reads what existed before the stage and gives the original answers of the models.
    """

    def __init__(self, flow: Flow, stage: Stage) -> None:
        self._flow, self._stage = flow, stage
        self.flow_id, self.repo, self.stage_id, self.kind, self.round = (
            flow.id,
            flow.repo.name,
            stage.id,
            stage.kind,
            stage.round,
        )
        self.attempt_number = stage.attempts_made
        self.feature_request, self.block_family, self.feedback = (
            flow.feature_request,
            flow.asked_family,
            stage.feedback,
        )
        self.snapshot = b"" if flow.snapshot is None else bytes(flow.snapshot.content)
        # No clone URL: a replay must not depend on what a remote repo holds today.
        self.origin, self.clone_url = flow.origin, ""
        self.nonce = stage_nonce(stage.id, flow.nonce_seed)
        self.calls = 0

    @cached_property
    def settings(self) -> FlowSettings:
        """The settings that the flow was created with."""
        return FlowSettings.parse(self._flow.settings)

    def read_output(self, kind: str) -> Mapping[str, Any]:
        """The output of the newest passed stage of ``kind`` before this one, as far as it comes after
        that.
        """
        known = pinned_version(self._flow.flow_type, self._flow.flow_type_version).kinds_before(self.kind)
        if kind != self.kind and kind not in known:
            return {}
        before = Stage.objects.filter(
            # Only what came before: a later repair round must not feed an earlier stage of its replay.
            flow=self._flow,
            kind=kind,
            status=StageStatus.PASSED,
            position__lt=self._stage.position,
        )
        return before.order_by("-position").values_list("output", flat=True).first() or {}

    def read_artifact(self, kind: str) -> bytes | None:
        """The newest artifact of ``kind`` that a stage before this one left."""
        before = Artifact.objects.filter(flow=self._flow, kind=kind, stage__position__lt=self._stage.position)
        content = before.order_by("-stage__position", "-id").values_list("blob__content", flat=True).first()
        return None if content is None else bytes(content)

    def read_budget(self, again: str) -> Budget:  # noqa: ARG002 - the protocol's
        """Return a budget without limits.

        The time and money that were left are not recorded, so an end caused by them is not replayed.
        """
        return Budget(seconds_left=None, spent_usd=Decimal(0), round_seconds=0.0, round_usd=Decimal(0))

    def store_evidence(self, content: bytes) -> str:
        """The SHA-256 of ``content``; nothing is kept."""
        return hashlib.sha256(content).hexdigest()

    def attach_snapshot(self, snapshot: bytes, origin: str) -> None:
        """Nothing: the flow keeps its snapshot."""

    def keep_artifacts(self, artifacts: tuple[NewArtifact, ...]) -> None:
        """Nothing: the record stays as it is."""

    def call_model(self, provider: str, request: Request) -> Completion:
        """The recorded answer; raises ``Unrecorded``."""
        asked = ledger.digest_request(provider, request)
        answered = ProviderCall.objects.filter(
            stage_id=self.stage_id, request_digest=asked, answer__isnull=False
        )
        # The first answer: a later one to the same request belongs to an attempt that was run again.
        call = answered.order_by("created_at").first()
        if call is None:
            raise Unrecorded(asked)
        self.calls += 1
        return ledger.read_completion(call)

    def report_progress(self, message: str, **data: Any) -> None:
        """Nothing: nobody follows a replay."""


def run_requested(replay_id: int) -> None:
    """Run a replay of a flow that waits; one that another worker has taken is left to it."""
    requested = requests.take_replay(replay_id)
    if requested is None:
        return
    report = replay_flow(requested.flow)
    requests.finish_replay(requested, same=not report.differences, result=report.as_json())


def replay_flow(flow: Flow) -> FlowReplayReport:
    """Run every stage of a finished flow again and compare.

    Gates run for real, so call it where the sandbox is.
    """
    differences: list[Difference] = []
    skipped: list[str] = []
    calls, stages = 0, list(flow.stages.order_by("position"))
    for stage in stages:
        if why := _why_not_replayable(stage):
            skipped.append(f"{stage.kind} round {stage.round}: {why}")
            continue
        # A context for each stage: a difference in one must not reach the next.
        work = RecordedStageContext(flow, stage)
        differences += _replay_stage(stage, work)
        calls += work.calls
    return FlowReplayReport(flow.id, len(stages) - len(skipped), calls, tuple(differences), tuple(skipped))


def _why_not_replayable(stage: Stage) -> str:
    """Why a stage cannot be run again from its record; empty if it can."""
    if stage.status not in {StageStatus.PASSED, StageStatus.FAILED}:
        return f"it was {stage.status}"
    # A person's work is not repeated from a record of calls.
    if stage.kind == "implement" and stage.output.get("provider") == PERSON:
        return "a person wrote its files"
    # These errors came from the service, the vendor or the clock around the stage, and no record repeats
    # them.
    if stage.status == StageStatus.FAILED and stage.error_code.startswith(
        ("engine:", "provider:", "flow:", "repair:out-of-time", "repair:over-budget")
    ):
        return f"it ended by {stage.error_code}, which is not a result of its own"
    return ""


def _replay_stage(stage: Stage, work: RecordedStageContext) -> list[Difference]:
    def found(what: str, recorded: Any, replayed: Any) -> Difference:
        return Difference(stage.kind, stage.round, what, clip_text(recorded), clip_text(replayed))

    try:
        # A stage with effects outside of the flow, such as a seal that is logged and stored for ever,
        # rehearses them.
        implementation = load_stage(stage.kind)
        result = getattr(implementation, "rehearse", implementation.run)(work)
    except Unrecorded as unknown:
        recorded = ProviderCall.objects.filter(stage_id=stage.pk, answer__isnull=False).values_list(
            "request_digest", flat=True
        )
        return [found("prompt digest", ", ".join(recorded) or MISSING, unknown.request_digest)]
    # The outermost edge of a stage, as in the runner; in a replay a crash is a difference.
    except Exception as error:  # noqa: BLE001
        # The frames only, never the error's text, which may quote anything.
        where = "".join(traceback.format_tb(error.__traceback__))
        kind = type(error).__name__
        log.error("the replay of %s crashed with %s at\n%s", stage, kind, where)  # noqa: TRY400
        return [found("result", stage.status, f"an unexpected {kind}")]
    ended = [
        found("result", _describe_ending(stage), ending)
        for ending in [_describe_result(result)]
        if ending != _describe_ending(stage)
    ]
    artifacts = () if isinstance(result, Park) else result.artifacts
    kept, timed = _recorded_artifacts(stage), _digests_with_times(stage, artifacts)
    return [
        *ended,
        *(found(*one) for one in _compare_outputs(stage, result, timed)),
        *(found(*one) for one in _compare_artifacts(kept, artifacts, timed)),
        *(found(*one) for one in _compare_gates(stage, () if isinstance(result, Park) else result.gates)),
    ]


def _describe_ending(stage: Stage) -> str:
    return "passed" if stage.status == StageStatus.PASSED else f"failed with {stage.error_code}"


def _describe_result(result: StageResult) -> str:
    match result:
        case Done():
            return "passed"
        case Repair() | Failed():
            return f"failed with {result.code}"
        case Park():
            return f"waits: {result.reason}"


def _compare_outputs(
    stage: Stage, result: StageResult, timed: frozenset[str]
) -> Iterable[tuple[str, str, str]]:
    # Through JSON, as the recorded output went: a tuple comes back as a list.
    output = json.loads(json.dumps(dict(result.output))) if isinstance(result, Done | Repair) else {}
    kept = [
        {key: value for key, value in each.items() if key not in _OF_ARCHIVES}
        for each in (stage.output, output)
    ]
    for path, recorded, replayed in find_differences(*(strip_times(each, digests_of=timed) for each in kept)):
        yield f"output {path}", recorded, replayed


def _recorded_artifacts(stage: Stage) -> dict[str, bytes]:
    rows = Artifact.objects.filter(stage=stage).select_related("blob")
    return {row.kind: bytes(row.blob.content) for row in rows}


def _digests_with_times(stage: Stage, artifacts: Iterable[NewArtifact]) -> frozenset[str]:
    """The recorded and the new digests of files that differ only in their times."""
    kept = _recorded_artifacts(stage)
    pairs = [(kept[new.kind], new.content) for new in artifacts if new.kind in kept]
    return frozenset(
        # An output names its files by digest. Where a file differs only in times, both digests mean the same.
        digest_bytes(each)
        for old, new in pairs
        if old != new and same_bytes(old, new)
        for each in (old, new)
    )


def _compare_artifacts(
    kept: Mapping[str, bytes], artifacts: Iterable[NewArtifact], timed: frozenset[str]
) -> Iterable[tuple[str, str, str]]:
    made = {new.kind: new.content for new in artifacts}
    for kind in sorted({*kept, *made} - _DERIVED):
        old, new = kept.get(kind), made.get(kind)
        if old is None or new is None:
            yield (
                f"artifact {kind}",
                MISSING if old is None else digest_bytes(old),
                MISSING if new is None else digest_bytes(new),
            )
        elif not same_bytes(old, new, timed):
            yield f"artifact {kind}", digest_bytes(old), digest_bytes(new)


def _compare_gates(stage: Stage, reports: Iterable[GateReport]) -> Iterable[tuple[str, str, str]]:
    kept = {
        row.gate: _format_verdict(row.verdict, row.score, row.summary)
        for row in GateResult.objects.filter(stage=stage)
    }
    made = {
        report.gate: _format_verdict(report.verdict.value, report.score, report.summary) for report in reports
    }
    for gate in sorted({*kept, *made}):
        if kept.get(gate) != made.get(gate):
            # A gate that is missing on one side is a difference, too.
            yield f"gate {gate}", kept.get(gate, MISSING), made.get(gate, MISSING)


def _format_verdict(verdict: str, score: Decimal | None, summary: str) -> str:
    return f"{verdict} {'' if score is None else f'{Decimal(score):.2f} '}{summary}"
