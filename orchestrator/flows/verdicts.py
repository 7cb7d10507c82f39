"""What gates said, as later stages, the manifest and the repair loop need it."""

import hashlib
import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from decimal import Decimal
from typing import Any

from gates.base import GateReport, Verdict
from orchestrator.flows.stages.base import Failed, NewArtifact, Repair, Work

FEEDBACK_BYTES = 8192


def facts(reports: Iterable[GateReport], round_: int) -> list[dict[str, Any]]:
    """Reports as JSON; percentages as text. Evidence is named by digest, and by the kind of the artifact that holds it."""
    return [
        {
            "gate": report.gate,
            "verdict": str(report.verdict),
            "summary": report.summary,
            "score": None if report.score is None else str(report.score),
            "threshold": None if report.threshold is None else str(report.threshold),
            "seconds": round(report.seconds, 3),
            "round": round_,
            "evidence": {
                name: {"sha256": hashlib.sha256(content).hexdigest(), "artifact": evidence_kind(report.gate, name)}
                for name, content in sorted(report.evidence.items())
            },
        }
        for report in reports
    ]


def reports(gates: Iterable[Mapping[str, Any]]) -> tuple[GateReport, ...]:
    """Facts as reports again, as far as a score needs them."""
    return tuple(
        GateReport(
            gate=str(gate["gate"]),
            verdict=Verdict(gate["verdict"]),
            summary=str(gate["summary"]),
            score=None if gate["score"] is None else Decimal(gate["score"]),
            threshold=None if gate["threshold"] is None else Decimal(gate["threshold"]),
        )
        for gate in gates
    )


def evidence_kind(gate: str, name: str) -> str:
    """The artifact kind under which a gate's evidence is kept."""
    return f"evidence:{gate}:{name}"[:100]


def evidence(found: Iterable[GateReport]) -> tuple[NewArtifact, ...]:
    """The gates' evidence as artifacts."""
    return tuple(
        NewArtifact(evidence_kind(report.gate, name), name[:255], content, "application/octet-stream")
        for report in found
        for name, content in sorted(report.evidence.items())
    )


def fingerprint(found: Iterable[GateReport]) -> str:
    """A digest of what was found wrong, blind to line numbers, so that the same failure is known again in moved code."""
    wrong = [
        (
            report.gate,
            str(report.verdict),
            sorted((item.rule, item.path, item.message) for item in report.findings) or report.summary,
        )
        for report in found
        if report.verdict is not Verdict.PASSED
    ]
    return hashlib.sha256(json.dumps(sorted(wrong, key=str)).encode()).hexdigest()


def clipped(feedback: str) -> str:
    """At most 8 KB of ``feedback``: what comes first counts most."""
    encoded = feedback.encode()
    if len(encoded) <= FEEDBACK_BYTES:
        return feedback
    notice = "\n(cut)"
    return encoded[: FEEDBACK_BYTES - len(notice)].decode(errors="ignore") + notice


def worst(found: Sequence[GateReport]) -> GateReport:
    """The report that a failed flow is named after: the first that failed, else the first that errored."""
    failed = [report for report in found if report.verdict is Verdict.FAILED]
    return (failed or [report for report in found if report.verdict is not Verdict.PASSED])[0]


def passed(found: Sequence[GateReport]) -> bool:
    """Whether every gate passed, whatever the mode: what a verified block needs."""
    return bool(found) and all(report.verdict is Verdict.PASSED for report in found)


def missing(found: Iterable[GateReport], names: Iterable[str]) -> Failed | None:
    """A failure where a gate gave no report at all: no result is never a pass."""
    absent = sorted(set(names) - {report.gate for report in found})
    if not absent:
        return None
    return Failed(
        "gate:no-result",
        f"No result from: {', '.join(absent)}.",
        "Run `manage.py doctor` on a worker of the gates queue and mend what it names.",
        retryable=True,
    )


def stopped(found: Sequence[GateReport], feedback: str, *, unchanged: bool, insert: tuple[str, ...]) -> Repair | Failed:
    """What follows from gates that did not pass: a repair round, or the end where a round would change nothing."""
    report = worst(found)
    code = f"gate:{report.gate}-{report.verdict}"
    if report.verdict is Verdict.ERRORED and not any(each.feedback for each in found if each.verdict is not Verdict.PASSED):
        # Nothing that the implementer could mend: a tool or the sandbox is at fault, which a later attempt may find mended.
        return Failed(code, _message(report), report.cure or "See the log of the gates queue, then retry.", retryable=True)
    cure = report.cure or "Read `blocks verify show TASK --verbose`, then make the request more precise and retry."
    if unchanged:
        return Failed("gates:no-progress", f"The repair round changed nothing. {_message(report)}", cure)
    return Repair(clipped(feedback), insert, code, _message(report), cure)


def unchanged(work: Work, kind: str, candidate_digest: str, found: str) -> bool:
    """Whether the newest record of ``kind``, from another stage, blames the same files or the same failure."""
    content = work.artifact(kind)
    if content is None:
        return False
    before = json.loads(content)
    if before["passed"] or before["stage_id"] == work.stage_id:
        return False
    return bool(before["candidate_sha256"] == candidate_digest or before["fingerprint"] == found)


def record(work: Work, kind: str, candidate_digest: str, found: str, *, passed: bool, **more: Any) -> NewArtifact:
    """What the next round compares itself with."""
    content = {
        "passed": passed,
        "stage_id": work.stage_id,
        "round": work.round,
        "candidate_sha256": candidate_digest,
        "fingerprint": found,
        **more,
    }
    return NewArtifact(kind, f"{kind}-{work.round}.json", json.dumps(content, indent=2).encode(), "application/json")


def with_proof(
    result: Repair | Failed, output: Mapping[str, Any], artifacts: tuple[NewArtifact, ...], found: tuple[GateReport, ...]
) -> Repair | Failed:
    """``result`` with what the gates left behind."""
    if isinstance(result, Repair):
        return replace(result, output=output, artifacts=artifacts, gates=found)
    return replace(result, artifacts=artifacts, gates=found)


def _message(report: GateReport) -> str:
    return f"The {report.gate} gate {report.verdict}: {report.summary}"
