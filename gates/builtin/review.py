"""The review gate: another vendor's model has read the block.

It can block; it can never overrule another gate.
"""

import json
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from jsonschema import Draft202012Validator

from gates.base import Candidate, Finding, GateReport, Policy, Verdict
from gates.evidence import format_sarif

SCHEMA: dict[str, Any] = {
    "type": "object",
    "required": ["verdict", "summary", "findings"],
    "additionalProperties": False,
    "properties": {
        "verdict": {"enum": ["approve", "block"]},
        "summary": {"type": "string", "minLength": 1, "maxLength": 4000},
        # Examples of the plan that contradict the request; a stage has checked the quotations.
        "wrong_examples": {"type": "array", "maxItems": 100, "items": {"type": "object"}},
        "findings": {
            "type": "array",
            "maxItems": 100,
            "items": {
                "type": "object",
                "required": ["path", "line", "severity", "message"],
                "additionalProperties": False,
                "properties": {
                    "path": {"type": "string"},
                    "line": {"type": "integer", "minimum": 0},
                    "severity": {"enum": ["error", "warning", "note"]},
                    "message": {"type": "string", "minLength": 1, "maxLength": 4000},
                },
            },
        },
    },
}
_PENALTIES = {"error": 25, "warning": 5, "note": 1}
_CURE = "Fix what the reviewer found, then retry."
_VENDORS_BY_FAMILY = {
    "claude": "anthropic",
    "gpt": "openai",
    "o1": "openai",
    "o3": "openai",
    "o4": "openai",
    "gemini": "google",
}


@dataclass(frozen=True, slots=True)
class ParsedReview:
    """A reviewer's verdict that keeps to ``SCHEMA``. ``findings`` are placed inside the block or nowhere."""

    approved: bool
    summary: str
    findings: tuple[Finding, ...]
    document: dict[str, Any]

    @property
    def blocks(self) -> bool:
        """Whether the block is refused.

        An approval that lists an error contradicts itself, and the error counts.
        """
        has_error = any(finding.severity == "error" for finding in self.findings)
        return not self.approved or has_error


class ReviewGate:
    """Reads the verdict of the review stage.

    No verdict is never a pass, nor is one by the implementer's vendor.
    """

    name = "review"

    def check(self, candidate: Candidate, policy: Policy) -> GateReport:  # noqa: ARG002 - protocol
        if candidate.review is None:
            return self._errored_report("there is no review", "Run the review stage, then the gate again.")
        # A model has the blind spots of its family, so another vendor has to read the block.
        if _find_vendor(candidate.reviewer) in ("", _find_vendor(candidate.implementer)):
            who = candidate.reviewer or "nobody"
            summary = f"the reviewer ({who}) comes from the implementer's vendor or is unknown"
            return self._errored_report(summary, "Set another vendor's model for reviews.")
        # A round trip through JSON, so that the schema sees plain lists and objects.
        document = json.loads(json.dumps(candidate.review))
        errors = [error.message for error in Draft202012Validator(SCHEMA).iter_errors(document)]
        if errors:
            summary = f"the review is malformed: {errors[0][:200]}"
            return self._errored_report(summary, "Run the review stage again.")
        return self._report(candidate, _parse_review(candidate, document))

    def _errored_report(self, summary: str, cure: str) -> GateReport:
        return GateReport(self.name, Verdict.ERRORED, summary, cure=cure)

    def _report(self, candidate: Candidate, review: ParsedReview) -> GateReport:
        penalty = sum(_PENALTIES[finding.severity] for finding in review.findings)
        return GateReport(
            gate=self.name,
            verdict=Verdict.FAILED if review.blocks else Verdict.PASSED,
            summary=f"{candidate.reviewer}: {review.summary[:300]}",
            score=Decimal(max(0, 100 - penalty)),
            findings=review.findings,
            evidence={
                "review.json": json.dumps(review.document, indent=1).encode(),
                "review.sarif": format_sarif(candidate.reviewer, "", review.findings, candidate.files),
            },
            details={"reviewer": candidate.reviewer, "implementer": candidate.implementer},
            feedback=_compose_feedback(review) if review.blocks else "",
            cure=_CURE if review.blocks else "",
        )


def _compose_feedback(review: ParsedReview) -> str:
    lines = [review.summary[:800]]
    for finding in review.findings[:15]:
        place = f"{finding.path}:{finding.line}"
        lines.append(f"- {place} {finding.severity}: {finding.message[:600]}")
    return "\n".join(lines)


def _parse_review(candidate: Candidate, document: dict[str, Any]) -> ParsedReview:
    """``document`` must keep to ``SCHEMA``."""
    return ParsedReview(
        approved=document["verdict"] == "approve",
        summary=document["summary"],
        findings=tuple(_parse_finding(candidate, remark) for remark in document["findings"]),
        document=document,
    )


def _parse_finding(candidate: Candidate, remark: dict[str, Any]) -> Finding:
    """The remark as a finding. A place outside the block is dropped, the remark is kept."""
    # The reviewer is a model: it may name files and lines that do not exist.
    path, line = remark["path"], remark["line"]
    if path not in candidate.files:
        path, line = "", 0
    elif line > candidate.files[path].count("\n") + 1:
        line = 0
    return Finding("review", remark["message"], remark["severity"], path, line)


def _find_vendor(model: str) -> str:
    """Vendor of ``vendor/model`` or ``vendor:model``, or by the family of a bare model name."""
    for sign in ("/", ":"):
        if sign in model:
            return model.split(sign, 1)[0].lower()
    name = model.lower()
    for family, vendor in _VENDORS_BY_FAMILY.items():
        if name.startswith(family):
            return vendor
    return name


gate = ReviewGate()
