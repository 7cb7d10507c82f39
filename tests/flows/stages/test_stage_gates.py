"""Verify and review: verdicts, repair rounds, and when no round would help."""

import json
from decimal import Decimal
from typing import Any

import pytest
from django.conf import LazySettings

from gates import runner
from gates.base import Finding, GateReport, Verdict
from orchestrator.flows.stage_protocol import Done, Failed, Repair
from orchestrator.flows.stages import context, implement, plan, review, verify
from tests.flows.stages import fakes
from tests.flows.stages.fakes import FakeStageContext, Gates, failing

BLOCKING = {
    "verdict": "block",
    "summary": "Wrong rate.",
    "findings": [{"path": "capital_ratio.py", "line": 5, "severity": "error", "message": "Inverted."}],
}


def test_passing_gates_are_recorded(implemented: FakeStageContext, gates: Gates) -> None:
    fake = gates()
    result = implemented.run(verify.stage)
    assert isinstance(result, Done)
    assert [report.gate for report in result.gates] == list(runner.DEFAULT_GATES)
    assert result.output["passed"] is True
    assert result.output["gates"][0]["score"] == "97.5"
    candidate, policy, names = fake.seen[0]
    assert (candidate.family, candidate.name, candidate.module) == (
        "compliance",
        "capital_ratio",
        fakes.MODULE,
    )
    assert (candidate.implementer, candidate.review, candidate.previous_contract) == (
        "openai:gpt-4-turbo",
        None,
        None,
    )
    assert names == runner.DEFAULT_GATES
    assert policy.mode == "strict"
    assert implemented.artifacts["evidence:mutation:mutation.json"] == b"{}"


def test_failed_gate_starts_a_repair_round(implemented: FakeStageContext, gates: Gates) -> None:
    gates(failing("mutation"))
    result = implemented.run(verify.stage)
    assert isinstance(result, Repair)
    assert result.again == "implement"
    assert (result.code, result.cure) == ("gate:mutation-failed", "Fix schema or implementation, then retry.")
    assert "mutation: fix it" in result.feedback
    assert len(result.gates) == 4
    assert result.output["passed"] is False


def test_repair_round_shows_files_and_findings_to_the_implementer(
    implemented: FakeStageContext, gates: Gates
) -> None:
    gates(failing("mutation"))
    result = implemented.run(verify.stage)
    assert isinstance(result, Repair)
    implemented.round, implemented.feedback = 2, result.feedback
    again = implemented.run(implement.stage, fakes.implementation(fakes.MODULE + "# better\n"))
    request = implemented.requests[-1][1]
    assert "mutation: fix it" in request.prompt
    assert fakes.TESTS.strip() in request.prompt
    assert isinstance(again, Done)
    assert [call["round"] for call in again.output["calls"]] == [1, 2]
    assert "repair_digest" in again.output["calls"][1]
    assert implemented.artifacts["module"].endswith(b"# better\n")


def test_feedback_is_at_most_8_kb(implemented: FakeStageContext, gates: Gates) -> None:
    gates(GateReport("coverage", Verdict.FAILED, "Low.", feedback="é" * 10_000))
    result = implemented.run(verify.stage)
    assert isinstance(result, Repair)
    assert len(result.feedback.encode()) <= 8192


def _second_round(work: FakeStageContext, module: str) -> Any:
    work.feedback, work.round = "fix it", 2
    work.run(implement.stage, fakes.implementation(module))
    return work.run(verify.stage)


def test_same_files_again_stop_the_loop(implemented: FakeStageContext, gates: Gates) -> None:
    gates(failing("mutation", "Two survived."))
    implemented.run(verify.stage)
    gates(failing("mutation", "Three survived."))
    result = _second_round(implemented, fakes.MODULE)
    assert isinstance(result, Failed)
    assert result.code == "gates:no-progress"
    assert "mutation gate failed: Three survived." in result.message
    assert result.cure == "Fix schema or implementation, then retry."
    assert result.gates


def test_same_findings_again_stop_the_loop_even_on_other_lines(
    implemented: FakeStageContext, gates: Gates
) -> None:
    gates(failing("mutation", findings=(Finding("survived", "a < b", path="capital_ratio.py", line=5),)))
    implemented.run(verify.stage)
    gates(failing("mutation", findings=(Finding("survived", "a < b", path="capital_ratio.py", line=9),)))
    result = _second_round(implemented, fakes.MODULE.replace("\n\n\n", "\n\n\n#\n#\n#\n#\n"))
    assert isinstance(result, Failed)
    assert result.code == "gates:no-progress"


def test_other_findings_get_another_round(implemented: FakeStageContext, gates: Gates) -> None:
    gates(failing("mutation", "Nine survived."))
    implemented.run(verify.stage)
    gates(failing("mutation", "Two survived."))
    assert isinstance(_second_round(implemented, fakes.MODULE + "# better\n"), Repair)


def test_stage_run_again_does_not_compare_itself_with_itself(
    implemented: FakeStageContext, gates: Gates
) -> None:
    gates(failing("mutation"))
    implemented.run(verify.stage)
    assert isinstance(verify.stage.run(implemented), Repair)


@pytest.mark.parametrize(("feedback", "kind"), [("", Failed), ("the tests end the interpreter", Repair)])
def test_errored_is_never_a_pass(
    implemented: FakeStageContext, gates: Gates, feedback: str, kind: type
) -> None:
    gates(
        GateReport("coverage", Verdict.ERRORED, "No sandbox.", feedback=feedback, cure="Install bubblewrap.")
    )
    result = implemented.run(verify.stage)
    assert isinstance(result, kind)
    assert (result.code, result.cure) == ("gate:coverage-errored", "Install bubblewrap.")  # type: ignore[attr-defined]
    assert getattr(result, "retryable", False) is (kind is Failed)


def test_gate_without_a_report_is_no_pass(
    implemented: FakeStageContext, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(verify.runner, "run_gates", lambda *_: (fakes.passing("contract"),))
    result = implemented.run(verify.stage)
    assert isinstance(result, Failed)
    assert result.code == "gate:no-result"
    assert "mutation" in result.message


@pytest.mark.parametrize(("mode", "ran"), [("advisory", True), ("off", False)])
def test_laxer_modes_do_not_block(
    implemented: FakeStageContext, gates: Gates, settings: LazySettings, mode: str, ran: bool
) -> None:
    settings.QUALITY_GATE_MODE = mode
    fake = gates(failing("mutation"))
    result = implemented.run(verify.stage)
    assert isinstance(result, Done)
    assert result.output["passed"] is False
    assert bool(result.gates) is bool(fake.seen) is ran


@pytest.mark.parametrize(
    ("own", "coverage", "kill_rate", "mode"),
    [
        ({}, 90, 60, "strict"),
        ({"gates.min_unit_coverage": 95, "gates.min_mutation_kill_rate": 80}, 95, 80, "strict"),
        (
            {"gates.min_unit_coverage": 10, "gates.min_mutation_kill_rate": 0, "gates.mode": "off"},
            90,
            60,
            "strict",
        ),
        ({"gates.mode": "lenient"}, 90, 60, "lenient"),
    ],
)
def test_repo_may_raise_but_never_lower(
    implemented: FakeStageContext, gates: Gates, own: dict[str, Any], coverage: int, kill_rate: int, mode: str
) -> None:
    implemented.pinned = own
    fake = gates(failing("mutation"))
    assert isinstance(implemented.run(verify.stage), Repair)
    policy = fake.seen[0][1]
    assert (policy.min_unit_coverage, policy.min_mutation_kill_rate) == (
        Decimal(coverage),
        Decimal(kill_rate),
    )
    assert policy.mode == mode


def test_reviewer_sees_numbered_files_and_verdicts(implemented: FakeStageContext, gates: Gates) -> None:
    fake = gates()
    implemented.run(verify.stage)
    result = implemented.run(review.stage, json.dumps(fakes.APPROVAL))
    assert isinstance(result, Done)
    assert result.output["verdict"] == "approve"
    provider, request = implemented.requests[-1]
    assert provider == "anthropic"
    assert "   4 | def capital_ratio(capital):" in request.prompt
    assert "mutation: passed, All well." in request.prompt
    candidate, _, names = fake.seen[-1]
    assert names == ("review",)
    assert candidate.review == fakes.APPROVAL
    assert (candidate.reviewer, candidate.implementer) == (
        "anthropic:claude-sonnet-4-5",
        "openai:gpt-4-turbo",
    )


def test_blocking_review_starts_a_round_with_a_new_review(
    implemented: FakeStageContext, gates: Gates
) -> None:
    implemented.run(verify.stage)
    gates(failing("review", "Wrong rate."))
    result = implemented.run(review.stage, json.dumps(BLOCKING))
    assert isinstance(result, Repair)
    assert result.again == "implement"
    assert result.code == "gate:review-failed"
    assert json.loads(implemented.artifacts["review"])["review"] == BLOCKING
    gates()
    _second_round(implemented, fakes.MODULE)
    gates(failing("review", "Still wrong."))
    again = implemented.run(review.stage, json.dumps(BLOCKING))
    assert isinstance(again, Failed)
    assert again.code == "gates:no-progress"


def test_reviewer_is_of_another_house(implemented: FakeStageContext, gates: Gates) -> None:
    implemented.pinned = {"architect.model": "gpt-5"}
    implemented.run(verify.stage)
    result = implemented.run(review.stage, json.dumps(fakes.APPROVAL))
    assert isinstance(result, Done)
    assert implemented.requests[-1][0] == "google"


def test_no_other_house_no_review(implemented: FakeStageContext, gates: Gates) -> None:
    implemented.pinned = {"architect.model": "gpt-5", "context.model": "gpt-5-mini"}
    implemented.run(verify.stage)
    result = implemented.run(review.stage)
    assert isinstance(result, Failed)
    assert result.code == "review:same-vendor"


def test_fallback_of_the_implementers_house_does_not_review(
    implemented: FakeStageContext, gates: Gates
) -> None:
    implemented.run(verify.stage)
    implemented.answering_model = "gpt-4-turbo"
    result = implemented.run(review.stage, json.dumps(fakes.APPROVAL))
    assert isinstance(result, Failed)
    assert result.code == "review:same-vendor"


def test_reviewer_who_quotes_an_approval_is_asked_again(implemented: FakeStageContext, gates: Gates) -> None:
    implemented.run(verify.stage)
    quoting = f"The comment says {json.dumps(fakes.APPROVAL)}.\n{json.dumps(BLOCKING)}"
    result = implemented.run(review.stage, quoting, json.dumps(fakes.APPROVAL))
    assert isinstance(result, Done)
    assert "Answer with one object" in implemented.requests[-1][1].prompt


EXAMPLES = [
    {"call": "capital_ratio", "construct": "{}", "input": '{"capital": "8"}', "output": output, "raises": ""}
    for output in ('"0.08"', '"0.09"', '"0.10"')
]


def test_an_example_that_request_and_reviewer_find_wrong_is_withdrawn_and_kept_as_evidence(
    work: FakeStageContext, gates: Gates
) -> None:
    """The gates stop running it, the implementer is told, and later reviews do not bring it back."""
    work.feature_request = "# Ratio\n\nEight of capital give a ratio of 0.08."
    fake = gates(failing("contract"))
    work.run(context.stage, json.dumps(fakes.CONTEXT))
    work.run(plan.stage, json.dumps({**fakes.PLAN, "examples": EXAMPLES}))
    work.run(implement.stage, fakes.implementation())
    refused = work.run(verify.stage)
    assert isinstance(refused, Repair)
    assert len(fake.seen[0][0].planned_examples) == 3
    dispute = {"number": 2, "quote": "Eight of capital give a ratio of 0.08.", "why": "8 gives 0.08."}
    disputing = {**fakes.APPROVAL, "wrong_examples": [dispute]}
    unfounded = {**fakes.APPROVAL, "wrong_examples": [{**dispute, "quote": "nine of capital give 0.09"}]}
    gates()
    work.run(review.stage, json.dumps(unfounded), json.dumps(disputing))
    assert "quotes no sentence of the request" in work.requests[-1][1].prompt

    work.round, work.feedback = 2, refused.feedback
    work.run(implement.stage, fakes.implementation(fakes.MODULE + "# better\n"))
    assert "Example 2 of the plan is withdrawn" in work.requests[-1][1].prompt
    fake = gates()
    work.run(review.stage, json.dumps(fakes.APPROVAL))
    work.run(verify.stage)
    candidate = fake.seen[-1][0]
    assert [example["output"] for example in candidate.planned_examples] == ["0.08", "0.10"]
    (withdrawn,) = candidate.withdrawn_examples
    assert (withdrawn["why"], withdrawn["example"]["output"]) == ("8 gives 0.08.", "0.09")


def test_private_modules_of_the_plan_are_written_judged_and_sealed(
    work: FakeStageContext, gates: Gates
) -> None:
    fake = gates()
    work.run(context.stage, json.dumps(fakes.CONTEXT))
    work.run(plan.stage, json.dumps({**fakes.PLAN, "private_modules": ["capital_ratio_rates"]}))
    helper = "RATE = 1\n"
    files = {
        "contract.json": json.dumps(fakes.CONTRACT) + "\n",
        "capital_ratio_rates.py": helper,
        "capital_ratio.py": fakes.MODULE,
        "test_capital_ratio.py": fakes.TESTS,
    }
    written = work.run(implement.stage, fakes.delimited(files))
    assert isinstance(written, Done)
    work.run(verify.stage)
    assert fake.seen[0][0].private_modules == {"capital_ratio_rates": helper}
    assert "capital_ratio_rates.py" in fake.seen[0][0].files


def test_a_private_module_that_could_stand_in_for_another_is_planned_again(work: FakeStageContext) -> None:
    work.run(context.stage, json.dumps(fakes.CONTEXT))
    bad = json.dumps({**fakes.PLAN, "private_modules": ["requests"]})
    assert isinstance(work.run(plan.stage, bad, json.dumps(fakes.PLAN)), Done)
    assert "does not begin with capital_ratio_" in work.requests[-1][1].prompt
