"""A review can block and cannot be faked into a pass."""

from dataclasses import replace
from typing import Any

import pytest

from gates.base import Policy, Verdict
from gates.runner import run_gate
from tests.gates.blocks import SOUND, approved

REMARK = {"path": "parcel.py", "line": 4, "severity": "warning", "message": "Say why."}
ERROR = {**REMARK, "severity": "error"}


def _verdict(
    review: Any, reviewer: str = "anthropic/claude-opus", implementer: str = "openai/gpt-5.1"
) -> Verdict:
    candidate = replace(SOUND, review=review, reviewer=reviewer, implementer=implementer)
    return run_gate("review", candidate, Policy()).verdict


@pytest.mark.parametrize(
    ("review", "expected"),
    [
        (approved(), Verdict.PASSED),
        (approved([REMARK]), Verdict.PASSED),
        (approved(verdict="block"), Verdict.FAILED),
        (approved([ERROR]), Verdict.FAILED),
        (None, Verdict.ERRORED),
        ({}, Verdict.ERRORED),
        ({"verdict": "approved", "summary": "x", "findings": []}, Verdict.ERRORED),
        ({**approved(), "override": ["mutation"]}, Verdict.ERRORED),
        (approved([{**REMARK, "severity": "fatal"}]), Verdict.ERRORED),
        (approved([{**REMARK, "line": -1}]), Verdict.ERRORED),
    ],
)
def test_verdicts(review: Any, expected: Verdict) -> None:
    assert _verdict(review) is expected


@pytest.mark.parametrize(
    ("reviewer", "implementer"),
    [
        ("openai/gpt-5-mini", "openai/gpt-5.1"),
        ("gpt-5-mini", "openai/gpt-5.1"),
        ("gemini-3-pro", "google/gemini-3-flash"),
        ("", "openai/gpt-5.1"),
    ],
)
def test_a_vendor_does_not_review_its_own_work(reviewer: str, implementer: str) -> None:
    assert _verdict(approved(), reviewer, implementer) is Verdict.ERRORED


def test_a_place_outside_the_block_is_dropped_and_the_remark_kept() -> None:
    review = approved([{**REMARK, "path": "/etc/passwd"}, {**REMARK, "line": 9999}])

    report = run_gate("review", replace(SOUND, review=review), Policy())

    assert [(finding.path, finding.line, finding.message) for finding in report.findings] == [
        ("", 0, "Say why."),
        ("parcel.py", 0, "Say why."),
    ]
