"""What gates said, as later stages and the manifest need it. ``repair_loop`` decides what follows from it."""

import hashlib
import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from decimal import Decimal
from typing import Any

from gates.base import Candidate, Finding, GateReport, Verdict
from orchestrator.core.redaction import redact_text
from orchestrator.flows.stage_outputs import JudgedGate, KeptEvidence
from orchestrator.flows.stage_protocol import Failed, NewArtifact


def redact_reports(found: Iterable[GateReport], subject: Candidate) -> tuple[GateReport, ...]:
    """``found`` without secrets: a block may print what it reads in the repo's files, and a report is shown,
    kept for years and told to models.

    What the models themselves have written stays, so that lines are recognised and examples can be run again.
    """
    written = [*subject.files.values(), *map(json.dumps, subject.planned_examples)]
    # In JSON, as most evidence has it, quotes and letters beyond ASCII look different.
    known = "\n".join([*written, *map(json.dumps, written)])
    return tuple(_redact_report(report, known) for report in found)


def _redact_report(report: GateReport, known: str) -> GateReport:
    def redact(value: Any) -> Any:
        match value:
            case str():
                return redact_text(value, known)[0]
            case bytes():
                return redact_text(value.decode("utf-8", "surrogateescape"), known)[0].encode(
                    "utf-8", "surrogateescape"
                )
            case Mapping():
                return {key: redact(item) for key, item in value.items()}
            case list() | tuple():
                return type(value)(map(redact, value))
            case Finding():
                return replace(value, message=redact(value.message), snippet=redact(value.snippet))
        return value

    return replace(
        report,
        summary=redact(report.summary),
        findings=redact(report.findings),
        evidence=redact(report.evidence),
        details=redact(report.details),
        feedback=redact(report.feedback),
    )


def summarise_reports(reports: Iterable[GateReport], round_: int) -> tuple[JudgedGate, ...]:
    """Reports as later stages read them. Evidence is named by digest, and by the kind of the artifact that
    holds it.
    """
    return tuple(_summarise_report(report, round_) for report in reports)


def _summarise_report(report: GateReport, round_: int) -> JudgedGate:
    return JudgedGate(
        gate=report.gate,
        verdict=str(report.verdict),
        summary=report.summary,
        # Percentages are text, because JSON has no exact decimals.
        score=None if report.score is None else str(report.score),
        threshold=None if report.threshold is None else str(report.threshold),
        seconds=round(report.seconds, 3),
        round=round_,
        evidence={
            name: KeptEvidence(hashlib.sha256(content).hexdigest(), evidence_kind(report.gate, name))
            for name, content in sorted(report.evidence.items())
        },
    )


def restore_reports(gates: Iterable[JudgedGate]) -> tuple[GateReport, ...]:
    """Recorded verdicts as reports again, as far as a score needs them."""
    return tuple(
        GateReport(
            gate=gate.gate,
            verdict=Verdict(gate.verdict),
            summary=gate.summary,
            score=None if gate.score is None else Decimal(gate.score),
            threshold=None if gate.threshold is None else Decimal(gate.threshold),
        )
        for gate in gates
    )


def evidence_kind(gate: str, name: str) -> str:
    """The artifact kind under which a gate's evidence is kept."""
    # The column of the artifact's kind holds 100 characters.
    return f"evidence:{gate}:{name}"[:100]


def evidence_artifacts(found: Iterable[GateReport]) -> tuple[NewArtifact, ...]:
    """The gates' evidence as artifacts."""
    return tuple(
        NewArtifact(evidence_kind(report.gate, name), name[:255], content, "application/octet-stream")
        for report in found
        for name, content in sorted(report.evidence.items())
    )


def fingerprint_findings(found: Iterable[GateReport], files: Mapping[str, str]) -> str:
    """A digest of what was found wrong in ``files``.

    Blind to line numbers but not to the code there: the same failure is known again in moved code, and
    another line left uncovered is another failure.
    """
    lines = {path: text.splitlines() for path, text in files.items()}
    wrong = [
        (
            report.gate,
            str(report.verdict),
            sorted((item.rule, item.path, item.message, _read_code(item, lines)) for item in report.findings)
            or report.summary,
        )
        for report in found
        if report.verdict is not Verdict.PASSED
    ]
    # Ordered as text: a summary is in the place of findings where there are none, and Python cannot compare
    # the two.
    return hashlib.sha256(json.dumps(sorted(wrong, key=str)).encode()).hexdigest()


def _read_code(item: Finding, lines: Mapping[str, list[str]]) -> str:
    if item.line < 1:
        return ""
    # Without indentation: code that moved into a branch is the same code.
    return "\n".join(
        line.strip() for line in lines.get(item.path, [])[item.line - 1 : max(item.line, item.end_line)]
    )


def worst_report(found: Sequence[GateReport]) -> GateReport:
    """The report that a failed flow is named after: the first that failed, else the first that errored."""
    # What failed can be fixed by the implementer, what errored by an operator only.
    failed = [report for report in found if report.verdict is Verdict.FAILED]
    return (failed or [report for report in found if report.verdict is not Verdict.PASSED])[0]


def all_passed(found: Sequence[GateReport]) -> bool:
    """Whether every gate passed in any mode: what a verified block needs."""
    return bool(found) and all(report.verdict is Verdict.PASSED for report in found)


def missing_report_failure(found: Iterable[GateReport], names: Iterable[str]) -> Failed | None:
    """A failure where a gate gave no report at all: no result is never a pass."""
    absent = sorted(set(names) - {report.gate for report in found})
    if not absent:
        return None
    return Failed(
        "gate:no-result",
        f"No result from: {', '.join(absent)}.",
        "Run `manage.py doctor` on a worker of the gates queue and fix what it names.",
        retryable=True,
    )
