"""The repair loop: from which candidate a round starts, when none starts, and what a model may refuse."""

import json
import re
from dataclasses import replace
from decimal import Decimal
from typing import Any

import pytest

from gates.base import Finding, GateReport, Verdict
from orchestrator.flows.stage_protocol import Budget, Done, Failed, Park, Repair
from orchestrator.flows.stages import docs, implement, plan, review, seal, verify
from orchestrator.flows.verification import repair_loop
from tests.flows.stages import fakes
from tests.flows.stages.fakes import NONCE, FakeStageContext, Gates, failing

FIRST, SECOND, THIRD = (f"{fakes.MODULE}# {number}\n" for number in ("first", "second", "third"))
REQUEST = "# Basel I capital ratio\n\nHold at most 8 % of capital.\nHold at least 9 % of capital."
REFUSAL = (
    f"<<<CONTRADICTION {NONCE}>>>\n'At most 8 %' and 'at least 9 %' exclude each other.\n<<<END {NONCE}>>>\n"
)


def _round(work: FakeStageContext, feedback: str, module: str) -> Any:
    """The next round: an implementation and its verdict."""
    work.round, work.feedback = work.round + 1, feedback
    assert isinstance(work.run(implement.stage, fakes.implementation(module)), Done)
    return work.run(verify.stage)


@pytest.fixture
def failed_once(planned: FakeStageContext, gates: Gates) -> FakeStageContext:
    """One gate of four has failed in the first round."""
    planned.run(implement.stage, fakes.implementation(FIRST))
    gates(failing("mutation", "One survived.", score=Decimal(58)))
    assert isinstance(planned.run(verify.stage), Repair)
    return planned


def test_round_that_came_out_worse_is_set_aside(failed_once: FakeStageContext, gates: Gates) -> None:
    gates(failing("mutation", "Nine survived."), failing("coverage", "Half of it."))
    worse = _round(failed_once, "fix it", SECOND)
    assert isinstance(worse, Repair)
    gates(failing("mutation", "Two survived."))
    _round(failed_once, worse.feedback, THIRD)
    asked = failed_once.requests[-1][1].prompt
    assert "came out worse than that of round 1" in asked
    assert "Half of it." in asked
    assert "mutation: fix it" in asked
    assert "# first" in asked
    assert "# second" not in asked


def test_better_round_becomes_the_basis_and_so_does_an_equal_one(
    failed_once: FakeStageContext, gates: Gates
) -> None:
    gates(failing("mutation", "Still one.", score=Decimal(59)))
    better = _round(failed_once, "fix it", SECOND)
    gates(failing("mutation", "Another one.", score=Decimal(59)))
    _round(failed_once, better.feedback, THIRD)
    assert "set aside" not in failed_once.requests[-1][1].prompt
    assert repair_loop.best_candidate(failed_once).files["capital_ratio.py"] == SECOND  # type: ignore[union-attr]
    _round(failed_once, better.feedback, FIRST)
    assert repair_loop.best_candidate(failed_once).files["capital_ratio.py"] == THIRD  # type: ignore[union-attr]


def test_block_that_only_the_reviewer_refused_is_better_than_one_that_a_gate_did(
    implemented: FakeStageContext, gates: Gates
) -> None:
    gates()
    implemented.run(verify.stage)
    gates(failing("review", "Wrong rate."))
    blocked = implemented.run(review.stage, json.dumps({**fakes.APPROVAL, "verdict": "block"}))
    assert isinstance(blocked, Repair)
    gates(failing("mutation"))
    worse = _round(implemented, blocked.feedback, SECOND)
    _round(implemented, worse.feedback, THIRD)
    assert "review: fix it" in implemented.requests[-1][1].prompt
    assert repair_loop.best_candidate(implemented).gates_passed == 4  # type: ignore[union-attr]


def test_what_passed_is_sealed_not_what_was_best_before(failed_once: FakeStageContext, gates: Gates) -> None:
    gates()
    assert isinstance(_round(failed_once, "fix it", SECOND), Done)
    failed_once.run(review.stage, json.dumps(fakes.APPROVAL))
    result = failed_once.run(seal.stage)
    assert isinstance(result, Done)
    assert failed_once.artifacts["module"].decode() == SECOND


def test_failure_that_comes_back_after_another_one_stops_the_loop(
    failed_once: FakeStageContext, gates: Gates
) -> None:
    gates(failing("mutation", "Two survived.", score=Decimal(59)))
    between = _round(failed_once, "fix it", SECOND)
    assert isinstance(between, Repair)
    gates(failing("mutation", "One survived."))
    result = _round(failed_once, between.feedback, THIRD)
    assert isinstance(result, Failed)
    assert result.code == "gates:no-progress"


def test_another_uncovered_line_is_another_failure(planned: FakeStageContext, gates: Gates) -> None:
    planned.run(implement.stage, fakes.implementation(FIRST))
    finding = Finding("uncovered", "no test runs these lines", "warning", "capital_ratio.py", 4, 4)
    gates(failing("coverage", findings=(finding,)))
    planned.run(verify.stage)
    gates(failing("coverage", findings=(replace(finding, line=5, end_line=5),)))
    assert isinstance(_round(planned, "fix it", SECOND), Repair)


@pytest.mark.parametrize(
    ("left", "own", "code"),
    [
        (Budget(24.0, Decimal(0), 20.0, Decimal("0.05")), {}, "repair:out-of-time"),
        (Budget(-3.0, Decimal(0), 0.0, Decimal(0)), {}, "repair:out-of-time"),
        (
            Budget(3600.0, Decimal("0.45"), 20.0, Decimal("0.05")),
            {"flow.max_cost_usd": "0.50"},
            "repair:over-budget",
        ),
        (
            Budget(3600.0, Decimal("1.98"), 20.0, Decimal("0.05")),
            {},
            "repair:over-budget",
        ),  # FLOW_MAX_COST_USD is 2
    ],
)
def test_round_that_time_or_money_does_not_admit_is_not_begun(
    implemented: FakeStageContext, gates: Gates, left: Budget, own: dict[str, Any], code: str
) -> None:
    implemented.left, implemented.pinned = left, own
    gates(failing("mutation"))
    result = implemented.run(verify.stage)
    assert isinstance(result, Failed)
    assert (result.code, result.retryable) == (code, False)
    assert "Two mutants survived." in result.message
    assert result.cure
    assert result.gates


@pytest.mark.parametrize("ceiling", [None, "0.60"])
def test_round_within_time_and_money_begins(
    implemented: FakeStageContext, gates: Gates, ceiling: str | None
) -> None:
    implemented.left = Budget(None if ceiling is None else 25.0, Decimal("0.45"), 20.0, Decimal("0.05"))
    implemented.pinned = {} if ceiling is None else {"flow.max_cost_usd": ceiling}
    gates(failing("mutation"))
    assert isinstance(implemented.run(verify.stage), Repair)


def test_flow_without_rounds_left_ends_with_the_gate_and_not_with_the_money(
    implemented: FakeStageContext, gates: Gates
) -> None:
    implemented.left, implemented.round = Budget(0.0, Decimal(9), 20.0, Decimal(1)), 3
    gates(failing("mutation"))
    result = implemented.run(verify.stage)
    assert isinstance(result, Repair)
    assert result.code == "gate:mutation-failed"


def test_implementer_may_say_that_the_request_contradicts_itself(planned: FakeStageContext) -> None:
    planned.feature_request = REQUEST
    result = planned.run(implement.stage, f"I cannot do this.\n\n{REFUSAL}")
    assert isinstance(result, Failed)
    assert (result.code, result.retryable) == ("spec:contradiction", False)
    assert "'At most 8 %' and 'at least 9 %'" in result.message
    assert "Fix the feature request" in result.cure


def test_contradiction_that_does_not_quote_the_request_is_asked_about(planned: FakeStageContext) -> None:
    result = planned.run(implement.stage, REFUSAL, fakes.implementation())
    assert isinstance(result, Done)
    assert "Quote both sentences to the letter" in planned.requests[-1][1].prompt


def test_files_beside_a_contradiction_are_asked_about(planned: FakeStageContext) -> None:
    result = planned.run(implement.stage, fakes.implementation() + REFUSAL, fakes.implementation())
    assert isinstance(result, Done)
    assert "either all files, or the contradiction alone" in planned.requests[-1][1].prompt


def _claim(first: str, second: str) -> dict[str, str]:
    return {"first": first, "second": second, "why": "no figure is both."}


def test_architect_may_say_so_too(work: FakeStageContext) -> None:
    work.feature_request = REQUEST
    claim = _claim("at most 8 %  of capital", "\u201cAt least 9 % of capital.\u201d")
    result = work.run(plan.stage, json.dumps({**fakes.PLAN, "block_name": "json", "contradictions": [claim]}))
    assert isinstance(result, Failed)
    assert result.code == "spec:contradiction"
    assert "exclude each other: no figure is both." in result.message


@pytest.mark.parametrize(
    "claims",
    [None, [], [_claim("", "  ")], [_claim("none", "None.")], [_claim("n/a", "No contradictions")]],
)
def test_plan_without_a_contradiction_is_a_plan(work: FakeStageContext, claims: Any) -> None:
    answer = fakes.PLAN if claims is None else {**fakes.PLAN, "contradictions": claims}
    assert isinstance(work.run(plan.stage, json.dumps(answer)), Done)
    assert "contradictions" not in work.outputs["plan"]


@pytest.mark.parametrize(
    "claim",
    [
        _claim("at most 8 %", "the request is vague"),
        _claim("at most 8 %", "at most 8 %"),
        _claim("at most 8 %", "none"),
    ],
)
def test_architect_is_asked_again_for_the_two_sentences(
    work: FakeStageContext, claim: dict[str, str]
) -> None:
    work.feature_request = REQUEST
    answer = json.dumps({**fakes.PLAN, "contradictions": [claim]})
    assert isinstance(work.run(plan.stage, answer, json.dumps(fakes.PLAN)), Done)
    assert "does not quote two sentences" in work.requests[-1][1].prompt


def test_repair_answers_what_changes_and_nothing_else(planned: FakeStageContext, gates: Gates) -> None:
    planned.run(implement.stage, fakes.implementation())
    gates(failing("mutation"))
    planned.run(verify.stage)
    planned.round, planned.feedback = 2, "fix it"
    edit = (
        f"<<<EDIT capital_ratio.py {NONCE}>>>\n<<<SEARCH {NONCE}>>>\n"
        f"    return capital\n<<<REPLACE {NONCE}>>>\n"
        f"    return capital + 1\n<<<END {NONCE}>>>\n"
    )
    misplaced = edit.replace("    return capital\n<<<R", "    return c\n<<<R")
    result = planned.run(implement.stage, misplaced, misplaced)
    assert isinstance(result, Failed)
    assert result.code == "answer:edit-mismatch"
    assert "Leave out a file in which nothing changes" in planned.requests[-1][1].prompt
    before = dict(planned.artifacts)
    assert isinstance(planned.run(implement.stage, edit), Done)
    assert planned.artifacts["module"].decode() == fakes.MODULE.replace(
        "return capital", "return capital + 1"
    )
    assert planned.artifacts["tests"] == before["tests"]
    # Or one file, whole.
    assert isinstance(planned.run(implement.stage, fakes.only("test_capital_ratio.py")), Done)


def test_gates_and_reviewer_that_both_object_are_answered_together(
    implemented: FakeStageContext, gates: Gates
) -> None:
    """Side by side: the reviewer is not shown what the gates say, and the round answers both."""
    gates(failing("mutation"), failing("review", "Wrong rate."))
    assert isinstance(implemented.run(verify.stage), Repair)
    implemented.outputs.pop("verify")
    blocked = implemented.run(review.stage, json.dumps({**fakes.APPROVAL, "verdict": "block"}))
    assert isinstance(blocked, Repair)
    assert "the gates judge these files at the same time" in implemented.requests[-1][1].prompt
    gates()
    _round(implemented, "both", SECOND)
    asked = implemented.requests[-1][1].prompt
    assert "mutation: fix it" in asked
    assert "review: fix it" in asked
    best = repair_loop.best_candidate(implemented)
    assert best is not None
    assert (best.round, best.gates_passed) == (1, 3)


def test_docs_are_written_again_only_where_contract_or_behaviour_changed(
    implemented: FakeStageContext, gates: Gates
) -> None:
    gates()
    assert isinstance(implemented.run(docs.stage, fakes.README), Done)
    first = implemented.outputs["docs"]
    # Another comment is the same behaviour: no model is asked.
    implemented.run(implement.stage, fakes.implementation(SECOND))
    assert isinstance(implemented.run(docs.stage), Done)
    assert implemented.outputs["docs"] == first
    implemented.run(
        implement.stage, fakes.implementation(fakes.MODULE.replace("return capital", "return capital * 2"))
    )
    again = implemented.run(docs.stage, fakes.README)
    assert isinstance(again, Done)
    assert again.output["subject_sha256"] != first["subject_sha256"]
    # The provenance keeps what the first text took.
    assert len(again.output["calls"]) == 2


def test_missing_sandbox_makes_the_flow_wait_for_the_operator(
    implemented: FakeStageContext, gates: Gates
) -> None:
    missing = GateReport(
        "coverage",
        Verdict.ERRORED,
        "gates:no-sandbox: not built.",
        cure="Run `make setup`.",
        details={"code": "gates:no-sandbox"},
    )
    gates(missing)
    result = implemented.run(verify.stage)
    assert isinstance(result, Park)
    assert "not built. Run `make setup`." in result.reason
    assert result.provider == ""


def test_advisory_gates_that_err_do_not_block_and_do_not_verify(
    implemented: FakeStageContext, gates: Gates, settings: Any
) -> None:
    settings.QUALITY_GATE_MODE = "advisory"
    gates(GateReport("coverage", Verdict.ERRORED, "No sandbox.", details={"code": "gates:no-sandbox"}))
    result = implemented.run(verify.stage)
    assert isinstance(result, Done)
    assert result.output["passed"] is False


def test_every_call_of_a_question_is_in_the_provenance(planned: FakeStageContext) -> None:
    planned.round, planned.feedback = 2, "fix it"
    result = planned.run(implement.stage, "Here you are.", fakes.implementation())
    assert isinstance(result, Done)
    calls = result.output["calls"]
    assert len(calls) == 2
    assert all(call["repair_digest"] and call["prompt_digest"] for call in calls)


def test_prompt_says_what_may_be_imported_and_names_no_control(failed_once: FakeStageContext) -> None:
    system = failed_once.requests[-1][1].system
    assert "dataclasses, datetime, decimal" in system
    assert "pytest, unittest, unittest.mock" in system
    # JSON Schema has names with this sign, and a pattern ends with it.
    assert not re.search(r"\$(?!ref|defs)[a-z_{]", system)
