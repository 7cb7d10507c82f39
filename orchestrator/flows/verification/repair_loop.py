"""The repair loop: the best candidate so far, when another round makes no sense, and what its implementer is
told.

A round starts from the best candidate that there has been, by gates passed, then by quality score; one that
came out worse is set aside with a word about why. What is sealed is never the best but what passed.

Gates and reviewer judge the same candidate, one after the other or side by side. Each leaves a record of what
it saw and found; the implementer of the next round reads both, and a record counts only for the files that it
is about.
"""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from decimal import Decimal
from typing import Any

from gates import runner, score
from gates.base import GateReport, Verdict
from orchestrator.flows.generation.block_files import digest_files
from orchestrator.flows.stage_outputs import JudgedGate
from orchestrator.flows.stage_protocol import Failed, NewArtifact, Repair, StageContext
from orchestrator.flows.verification import gate_reports

FEEDBACK_BYTES = 8192
BEST = "best"
"""Kind of the artifact that holds the best candidate so far."""
RECORDS = ("verdict", "review")
"""Kinds of the artifacts in which gates and reviewer record what they found."""
AGAIN = "implement"
"""The kind of stage with which a repair round begins."""
_MARGIN = Decimal("1.25")
"""A repair prompt is longer than the one before it: files and findings come on top."""


@dataclass(frozen=True, slots=True)
class FailedCandidate:
    """A candidate that was judged and did not pass. ``files`` are path to text."""

    round: int
    stage_id: int
    candidate_sha256: str
    gates_passed: int
    quality_score: str
    summary: str
    feedback: str
    files: Mapping[str, str]

    @property
    def rank(self) -> tuple[int, Decimal]:
        """More is better."""
        return self.gates_passed, Decimal(self.quality_score)


@dataclass(frozen=True, slots=True)
class RepairBasis:
    """What a round starts from: path to text, and what was found in it. ``kept`` is for later rounds."""

    files: Mapping[str, str]
    feedback: str
    kept: tuple[NewArtifact, ...] = ()


def best_candidate(context: StageContext) -> FailedCandidate | None:
    """The best candidate of the earlier rounds."""
    content = context.read_artifact(BEST)
    return FailedCandidate(**json.loads(content)) if content else None


def decide_repair(
    context: StageContext, kind: str, found: tuple[GateReport, ...], files: Mapping[str, str], **more: Any
) -> Repair | Failed:
    """What follows from gates that did not pass: a round, or the end where a round would change nothing.

    ``kind`` names the record with which rounds compare themselves; ``more`` goes into it.
    """
    report = gate_reports.worst_report(found)
    code, message = (
        f"gate:{report.gate}-{report.verdict}",
        f"The {report.gate} gate {report.verdict}: {report.summary}",
    )
    if report.verdict is Verdict.ERRORED and not any(
        each.feedback for each in found if each.verdict is not Verdict.PASSED
    ):
        # The implementer cannot fix this: a tool or the sandbox is at fault, and may work at a later attempt.
        cure = report.cure or "See the log of the gates queue, then retry."
        return Failed(
            code, message, cure, retryable=True, artifacts=gate_reports.evidence_artifacts(found), gates=found
        )
    cure = (
        report.cure
        or "Read `blocks verify show TASK --verbose`, then make the request more precise and retry."
    )
    artifacts = (
        record_round(context, kind, found, files, passed=False, **more),
        *gate_reports.evidence_artifacts(found),
    )
    # Another round on the same failure would cost money and end here again.
    if repeats_failure(context, kind, found, files):
        text = f"The repair round brought back what an earlier one had failed with. {message}"
        return Failed("gates:no-progress", text, cure, artifacts=artifacts, gates=found)
    if (refused := _refuse_round(context)) is not None:
        return replace(refused, message=f"{refused.message} {message}", artifacts=artifacts, gates=found)
    feedback = clip_text(runner.compose_feedback(found))
    return Repair(feedback, AGAIN, code, message, cure, artifacts=artifacts, gates=found)


def choose_basis(context: StageContext, files: Mapping[str, str]) -> RepairBasis:
    """What the round starts from: the newest candidate ``files``, or the best of those before it."""
    before, now = best_candidate(context), _read_newest_candidate(context, files)
    if now is None:
        # Nothing is recorded of these files: a flow from before records held what is read here.
        return RepairBasis(files if before is None else before.files, context.feedback)
    # On equal rank the newer one wins: it has at least tried to answer the findings.
    if before is not None and before.rank > now.rank:
        return RepairBasis(before.files, _compose_feedback(before, now))
    content = json.dumps(asdict(now), ensure_ascii=False).encode()
    kept = NewArtifact(BEST, f"best-{now.round}.json", content, "application/json")
    return RepairBasis(now.files, now.feedback, (kept,))


def record_round(
    context: StageContext,
    kind: str,
    found: tuple[GateReport, ...],
    files: Mapping[str, str],
    *,
    passed: bool,
    **more: Any,
) -> NewArtifact:
    """What later rounds compare themselves with: this round's files and findings, and those of the rounds
    before.
    """
    content = {
        "passed": passed,
        "stage_id": context.stage_id,
        "round": context.round,
        "candidate_sha256": digest_files(files),
        "fingerprint": gate_reports.fingerprint_findings(found, files),
        "before": _list_failures(context, kind),
        "reports": [_describe_report(report) for report in found],
        "feedback": clip_text(runner.compose_feedback(found)),
        **more,
    }
    return NewArtifact(
        kind, f"{kind}-{context.round}.json", json.dumps(content, indent=2).encode(), "application/json"
    )


def repeats_failure(
    context: StageContext, kind: str, found: tuple[GateReport, ...], files: Mapping[str, str]
) -> bool:
    """Whether an earlier round failed with the same files or with the same failure.

    A stage that is run again (a person retried the flow) does not compare itself with itself: it may
    continue.
    """
    content = context.read_artifact(kind)
    if content is not None and json.loads(content)["stage_id"] == context.stage_id:
        return False
    fingerprint, candidate = gate_reports.fingerprint_findings(found, files), digest_files(files)
    return any(
        each["candidate_sha256"] == candidate or each["fingerprint"] == fingerprint
        for each in _list_failures(context, kind)
    )


def _list_failures(context: StageContext, kind: str) -> list[dict[str, Any]]:
    """The rounds that failed before this stage, oldest first."""
    content = context.read_artifact(kind)
    if content is None:
        return []
    newest = json.loads(content)
    earlier: list[dict[str, Any]] = newest["before"]
    # A stage that runs again replaces its own record.
    if newest["passed"] or newest["stage_id"] == context.stage_id:
        return earlier
    return [*earlier, {key: newest[key] for key in ("round", "candidate_sha256", "fingerprint")}]


def _describe_report(report: GateReport) -> dict[str, str | None]:
    return {
        "gate": report.gate,
        "verdict": str(report.verdict),
        "summary": report.summary,
        # Percentages are text, because JSON has no exact decimals.
        "score": None if report.score is None else str(report.score),
        "threshold": None if report.threshold is None else str(report.threshold),
    }


def _read_newest_candidate(context: StageContext, files: Mapping[str, str]) -> FailedCandidate | None:
    """What gates and reviewer found in ``files``; ``None`` where no record of a failure is about them."""
    digest = digest_files(files)
    contents = [content for kind in RECORDS if (content := context.read_artifact(kind)) is not None]
    records = [json.loads(content) for content in contents]
    about = [record for record in records if record["candidate_sha256"] == digest and "reports" in record]
    failed = [record for record in about if not record["passed"]]
    if not failed:
        return None
    reports = gate_reports.restore_reports(
        JudgedGate.parse(report) for record in about for report in record["reports"]
    )
    return FailedCandidate(
        # The round of a reviewer that has not run before is its own, so that it may be the smaller one.
        round=max(record["round"] for record in about),
        stage_id=failed[0]["stage_id"],
        candidate_sha256=digest,
        gates_passed=sum(report.verdict is Verdict.PASSED for report in reports),
        quality_score=str(score.compute_quality(reports)),
        summary="; ".join(
            f"{report.gate}: {report.summary}" for report in reports if report.verdict is not Verdict.PASSED
        )[:1000],
        feedback=clip_text("\n\n".join(record["feedback"] for record in failed)),
        files=dict(files),
    )


def _compose_feedback(basis: FailedCandidate, now: FailedCandidate) -> str:
    aside = (
        f"Your last attempt (round {now.round}) came out worse than that of round {basis.round} "
        "and has been set aside: "
        f"{clip_text(now.summary, 600)}\n"
        f"You are shown the files of round {basis.round} again. What was found in them:\n\n"
    )
    return clip_text(aside + basis.feedback)


def _refuse_round(context: StageContext) -> Failed | None:
    """Why a round may not start: time and money for it have to be there before it does."""
    if context.round > context.settings.max_repair_rounds:
        return None  # the engine ends the flow, with what the gates said as the reason
    left, ceiling = context.read_budget(AGAIN), context.settings.max_cost_usd
    seconds, usd = left.round_seconds * float(_MARGIN), left.round_usd * _MARGIN
    if left.seconds_left is not None and left.seconds_left < seconds:
        return Failed(
            "repair:out-of-time",
            f"A repair round takes about {seconds:.0f} s, "
            f"and the flow has {max(0.0, left.seconds_left):.0f} s left.",
            "Retry the flow, which gives it a new deadline; "
            "if this happens often, raise FLOW_DEADLINE_SECONDS.",
        )
    if left.spent_usd + usd > ceiling:
        return Failed(
            "repair:over-budget",
            f"A repair round costs about {usd:.4f} USD; {left.spent_usd:.4f} of {ceiling:.4f} USD are spent.",
            "Raise flow.max_cost_usd, or make the request smaller and start a new flow.",
        )
    return None


def clip_text(text: str, size: int = FEEDBACK_BYTES) -> str:
    """``text`` in at most ``size`` bytes of UTF-8."""
    # Eight bytes are room for the mark. A character that is cut in half is left out.
    data = text.encode("utf-8", "replace")
    return text if len(data) <= size else data[: size - 8].decode("utf-8", "ignore") + "\n[cut]\n"
