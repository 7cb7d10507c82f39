"""The review gate: another vendor's model has read the block. It can block, it can never overrule another gate."""

import json
from collections.abc import Mapping
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


class ReviewGate:
    """Reads the verdict that the review stage brought. No verdict, or one from the implementer's own vendor, is no pass."""

    name = "review"

    def check(self, candidate: Candidate, policy: Policy) -> GateReport:  # noqa: ARG002 - the protocol's shape
        if candidate.review is None:
            return self._errored("there is no review", "Run the review stage, then the gate again.")
        if _vendor(candidate.reviewer) in ("", _vendor(candidate.implementer)):
            who = candidate.reviewer or "nobody"
            return self._errored(
                f"the reviewer ({who}) is of the implementer's own vendor or unknown",
                "Set another vendor's model for reviews.",
            )
        review = json.loads(json.dumps(candidate.review))
        errors = [error.message for error in Draft202012Validator(SCHEMA).iter_errors(review)]
        if errors:
            return self._errored(f"the review is malformed: {errors[0][:200]}", "Run the review stage again.")
        return self._judged(candidate, review)

    def _errored(self, summary: str, cure: str) -> GateReport:
        return GateReport(self.name, Verdict.ERRORED, summary, cure=cure)

    def _judged(self, candidate: Candidate, review: Mapping[str, Any]) -> GateReport:
        findings = tuple(_finding(candidate, each) for each in review["findings"])
        # An approval that lists an error contradicts itself; the error counts.
        blocked = review["verdict"] == "block" or any(finding.severity == "error" for finding in findings)
        penalty = sum({"error": 25, "warning": 5, "note": 1}[finding.severity] for finding in findings)
        shown = "\n".join(
            f"- {finding.path}:{finding.line} {finding.severity}: {finding.message[:600]}"
            for finding in findings[:15]
        )
        return GateReport(
            gate=self.name,
            verdict=Verdict.FAILED if blocked else Verdict.PASSED,
            summary=f"{candidate.reviewer}: {review['summary'][:300]}",
            score=Decimal(max(0, 100 - penalty)),
            findings=findings,
            evidence={
                "review.json": json.dumps(review, indent=1).encode(),
                "review.sarif": format_sarif(candidate.reviewer, "", findings, candidate.files),
            },
            details={"reviewer": candidate.reviewer, "implementer": candidate.implementer},
            feedback=f"{review['summary'][:800]}\n{shown}" if blocked else "",
            cure="Mend what the reviewer found, then retry." if blocked else "",
        )


def _finding(candidate: Candidate, each: Mapping[str, Any]) -> Finding:
    """A place outside the block is dropped, the remark kept."""
    known = each["path"] in candidate.files
    line = each["line"] if known and each["line"] <= candidate.files[each["path"]].count("\n") + 1 else 0
    return Finding("review", each["message"], each["severity"], each["path"] if known else "", line)


def _vendor(model: str) -> str:
    """Vendor of ``vendor/model`` or ``vendor:model``, or by the family of a bare model name."""
    for sign in ("/", ":"):
        if sign in model:
            return model.split(sign, 1)[0].lower()
    families = {
        "claude": "anthropic",
        "gpt": "openai",
        "o1": "openai",
        "o3": "openai",
        "o4": "openai",
        "gemini": "google",
    }
    return next(
        (vendor for start, vendor in families.items() if model.lower().startswith(start)), model.lower()
    )
