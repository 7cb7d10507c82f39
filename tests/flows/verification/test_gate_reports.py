"""What gates report leaves for pages, rows and evidence without the secrets of the repo."""

import json
from dataclasses import replace

from gates.base import Finding, GateReport, Verdict
from orchestrator.flows.verification.gate_reports import redact_reports
from tests.gates.blocks import SOUND

SECRET = "Xy7%tresor-Kq2"
LINE = f'password = "{SECRET}"'


def test_a_report_says_nothing_that_the_repo_keeps_secret() -> None:
    """The block reads a file of the repo and prints it in its test."""
    report = GateReport(
        "coverage",
        Verdict.FAILED,
        summary=f"1 test failed: {LINE}",
        findings=(Finding("test-failed", LINE, path="test_parcel.py", line=3, snippet=LINE),),
        evidence={
            "tests.txt": LINE.encode(),
            "coverage.json": json.dumps({"output": LINE}).encode(),
            "raw.bin": b"\xff\xfe" + LINE.encode(),
        },
        details={"errors": [{"text": LINE}], "count": 1},
        feedback=f"Fix this:\n{LINE}",
    )
    (clean,) = redact_reports([report], SOUND)
    assert SECRET not in repr(clean)
    assert all(SECRET.encode() not in content for content in clean.evidence.values())
    assert json.loads(clean.evidence["coverage.json"]) == {"output": 'password = "[REDACTED]"'}
    assert clean.evidence["raw.bin"].startswith(b"\xff\xfe")
    assert clean.details["count"] == 1
    assert (clean.gate, clean.verdict, clean.findings[0].line) == ("coverage", Verdict.FAILED, 3)


def test_what_models_wrote_stays_so_that_it_is_recognised_and_can_run_again() -> None:
    planned = {"call": "sign_in", "input": {"password": 'Tr0ub4dor"&3'}, "output": True}
    subject = replace(SOUND, tests=f"{SOUND.tests}\n{LINE}\n", planned_examples=(planned,))
    report = GateReport(
        "contract",
        Verdict.PASSED,
        summary=LINE,
        evidence={"contract.json": json.dumps({"planned_examples": [planned], "tests": LINE}).encode()},
    )
    assert redact_reports([report], subject) == (report,)
