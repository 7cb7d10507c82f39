"""Running, judging, scoring, and what the implementer is told."""

import re
from dataclasses import replace
from decimal import Decimal
from pathlib import Path

import pytest
from django.conf import LazySettings

from gates import runner
from gates.base import Candidate, GateReport, Policy, Verdict
from gates.builtin import mutation
from gates.registry import GATES
from gates.runner import FEEDBACK_BYTES, compose_feedback, judge_reports, run_gate, run_gates
from gates.sandbox import interpreter, registry
from gates.score import compute_quality
from orchestrator.core.registry import Registry
from tests.gates.blocks import SOUND, approved, block
from tests.gates.harness_answers import MUTANT, MUTATION

PASSED = GateReport("contract", Verdict.PASSED, "kept", score=Decimal(100))
FAILED = GateReport(
    "mutation", Verdict.FAILED, "survivors", score=Decimal(50), feedback="- line 3", cure="Add tests."
)
ERRORED = GateReport("security", Verdict.ERRORED, "no scanner", cure="Tell the operator.")

# Process ids grow, so the honest runs are the first two.
COUNTING = """import os
from parcel import fee


def test_fee():
    assert fee(1) == 250 and fee(501) == 490 and os.getpid() - os.getppid() <= 3
"""


@pytest.mark.parametrize(
    ("mode", "reports", "expected"),
    [
        ("strict", [PASSED], True),
        ("strict", [PASSED, FAILED], False),
        ("strict", [PASSED, ERRORED], False),
        ("strict", [], False),
        ("advisory", [PASSED, FAILED], True),
        ("advisory", [PASSED, ERRORED], True),
        ("advisory", [], False),
        ("off", [FAILED, ERRORED], True),
        ("unheard-of", [FAILED], False),
    ],
)
def test_modes(mode: str, reports: list[GateReport], expected: bool) -> None:
    assert judge_reports(reports, Policy(mode=mode)) is expected


def test_a_sound_block_passes_every_gate_in_the_order_asked_for() -> None:
    names = ("review", "mutation", "contract", "security", "coverage")

    reports = run_gates(replace(SOUND, review=approved()), Policy(), names)

    assert [report.gate for report in reports] == list(names)
    assert {report.verdict for report in reports} == {Verdict.PASSED}
    assert compose_feedback(reports) == ""
    assert Decimal(90) < compute_quality(reports) <= 100
    assert all(report.seconds > 0 for report in reports if report.gate != "review")
    assert all(report.evidence for report in reports)


def test_an_unknown_gate_errs() -> None:
    report = run_gate("astrology", SOUND, Policy())

    assert report.verdict is Verdict.ERRORED
    assert "contract" in report.cure


class Broken:
    name = "broken"

    def check(self, candidate: Candidate, policy: Policy) -> GateReport:
        assert (candidate, policy) == (SOUND, Policy())
        raise ZeroDivisionError("oops")


broken_gate = Broken()


def test_a_gate_that_crashes_errs(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(runner, "GATES", Registry("gate", {"broken": "tests.gates.test_runner:broken_gate"}))

    report = run_gate("broken", SOUND, Policy())

    assert report.verdict is Verdict.ERRORED
    assert "ZeroDivisionError" in report.summary


def test_a_raised_threshold_refuses_what_a_lower_one_takes() -> None:
    assert run_gate("mutation", SOUND, Policy(min_mutation_kill_rate=Decimal(60))).verdict is Verdict.PASSED
    assert (
        run_gate("mutation", SOUND, Policy(min_mutation_kill_rate=Decimal("99.9"))).verdict is Verdict.FAILED
    )


def test_feedback_names_survivors_and_never_the_control() -> None:
    reports = run_gates(
        block(tests="from parcel import fee\n\n\ndef test_fee():\n    assert fee(1) > 0\n"),
        Policy(),
        ("coverage", "mutation"),
    )

    text = compose_feedback(reports)

    assert "every test passed" in text
    assert text.count("became") <= 10
    assert "no test runs these lines" in text
    assert not re.search(r"(?i)\bnull|\bseed|control|sabotage:", text)


def test_feedback_of_flaky_tests_tells_no_null_mutant_and_no_seed() -> None:
    reports = run_gates(block(tests=COUNTING), Policy(), ("mutation",))

    assert reports[0].verdict is Verdict.FAILED
    assert not re.search(
        r"(?i)\bnull|\bseed|\braise [a-z]{9}\b", f"{compose_feedback(reports)}{reports[0].findings}"
    )


@pytest.mark.parametrize(
    ("unrun", "feasible", "verdict"),
    [(0, True, Verdict.PASSED), (7, True, Verdict.ERRORED), (7, False, Verdict.FAILED)],
)
def test_mutants_for_which_there_was_no_time(
    monkeypatch: pytest.MonkeyPatch, unrun: int, feasible: bool, verdict: Verdict
) -> None:
    answer = {**MUTATION, "mutants": [MUTANT] * 30, "unrun": unrun, "feasible": feasible}
    monkeypatch.setattr(mutation, "run_harness", lambda *_: answer)

    report = run_gate("mutation", SOUND, Policy())

    assert report.verdict is verdict
    assert bool(report.feedback) is (verdict is Verdict.FAILED)


def test_missing_interpreter_is_told_apart_from_a_missing_sandbox(
    settings: LazySettings, tmp_path: Path
) -> None:
    settings.SANDBOX_VENV = tmp_path
    settings.SANDBOX_BACKEND = "linux"
    interpreter.find_interpreter.cache_clear()
    registry._chosen.clear()
    try:
        report = run_gate("coverage", SOUND, Policy())
    finally:
        interpreter.find_interpreter.cache_clear()
        registry._chosen.clear()

    assert report.verdict is Verdict.ERRORED
    assert report.details["code"] == "gates:no-sandbox"
    assert "make setup" in report.cure
    assert "python -m gates.sandbox.build" in report.cure


def test_feedback_is_bounded_and_leaves_room_for_each_gate() -> None:
    long = [
        replace(FAILED, gate=gate, feedback=f"{gate} {'ü' * 20_000}") for gate in ("contract", "coverage")
    ]

    text = compose_feedback([*long, FAILED, PASSED])

    assert len(text.encode()) <= FEEDBACK_BYTES
    assert "- line 3" in text
    assert text.index("## contract") < text.index("## coverage") < text.index("## mutation")
    assert text.count("[cut]") == 2


def test_quality_is_weighted_and_a_failure_counts_half() -> None:
    assert compute_quality([]) == 0
    assert compute_quality([PASSED]) == 100
    assert compute_quality([PASSED, FAILED]) == Decimal("59.09")
    assert compute_quality([PASSED, ERRORED]) == Decimal("62.50")


@pytest.mark.parametrize("name", GATES)
def test_every_gate_refuses_an_empty_block(name: str) -> None:
    report = run_gate(name, Candidate("logistics", "parcel", "", "", ""), Policy())

    assert report.gate == name == GATES.get(name).name
    assert report.verdict is not Verdict.PASSED
    assert report.cure
