"""What the prompts say is what the gates do: the example of a contract, the rules, the repository."""

import json
from decimal import Decimal
from typing import Any

import pytest

from gates import runner
from gates.allowlist import describe_rules, describe_test_rules
from gates.base import Candidate, Finding, GateReport, Verdict
from gates.contract_checks import find_objections
from gates.harness.json_schema import convert_formats, make_validator
from orchestrator.flows.generation import prompts
from orchestrator.flows.stage_protocol import Done, Failed
from orchestrator.flows.stages import context, docs, implement, plan, review
from tests.flows.stages import fakes
from tests.flows.stages.fakes import FakeStageContext

pytestmark = pytest.mark.django_db
MODULE = '''"""Fees."""

from decimal import Decimal


def monthly_fees(*, accounts: list[dict], rates: dict, cap: Decimal | None) -> dict:
    """The fee of each account in a month."""
    fees = {}
    for account in accounts:
        if account["plan"] not in rates:
            raise ValueError(account["plan"])
        rate = rates[account["plan"]]
        fees[account["id"]] = rate if cap is None else min(rate, cap)
    return fees
'''


def test_example_of_a_contract_is_one_that_the_gate_takes() -> None:
    contract = json.loads(prompts.read_example())
    subject = Candidate("billing", "monthly_fees", MODULE, "", json.dumps(contract), "")
    assert find_objections(subject, contract) == ()
    entry, namespace = contract["entrypoints"][0], {}  # type: dict[str, Any], dict[str, Any]
    exec(MODULE, namespace)  # noqa: S102 - the text above
    for example in entry["examples"]:
        assert make_validator(entry["input"]).is_valid(example["input"])
        arguments = convert_formats(entry["input"], example["input"], entry["input"])
        if "raises" in example:
            with pytest.raises(ValueError, match="basic"):
                namespace["monthly_fees"](**arguments)
            continue
        result = {key: str(fee) for key, fee in namespace["monthly_fees"](**arguments).items()}
        assert result == example["output"]
        assert make_validator(entry["output"]).is_valid(result)
    text = json.dumps(contract)
    for form in ("$defs", "additionalProperties", "null", "pattern", "decimal"):
        assert f'"{form}"' in text, form


def _prompt(work: FakeStageContext) -> str:
    request = work.requests[-1][1]
    return f"{request.system}\n{request.prompt}"


def _flow(work: FakeStageContext) -> None:
    work.run(context.stage, json.dumps(fakes.CONTEXT))
    work.run(plan.stage, json.dumps(fakes.PLAN))
    work.run(implement.stage, fakes.implementation())


def test_writer_and_reviewer_are_told_what_the_gates_ask(work: FakeStageContext) -> None:
    pins = b"dependencies:\n  - six==1.17.0 --hash=sha256:" + b"0" * 64 + b"\n"
    work.files |= {"billing/rates.py": b"RATE = 1\n", ".blocks/config.yml": pins}
    _flow(work)
    asked = _prompt(work)
    assert describe_rules() in asked
    assert describe_test_rules() in asked
    assert "may import: billing, ledger\n" in asked
    assert "may import: six\n" in asked
    assert "- Money is Decimal." in asked
    assert asked.index("<<<FILE contract.json") < asked.index("<<<FILE capital_ratio.py")


@pytest.mark.parametrize("stage", [context, plan, implement, docs])
def test_request_stands_once(work: FakeStageContext, stage: Any) -> None:
    answers = {
        "context": json.dumps(fakes.CONTEXT),
        "plan": json.dumps(fakes.PLAN),
        "implement": fakes.implementation(),
        "docs": fakes.README,
    }
    for each in (context, plan, implement, docs):
        work.run(each.stage, answers[each.stage.kind])
        if each is stage:
            break
    request = work.requests[-1][1]
    whole = f"{request.stable}\n{request.system}\n{request.prompt}"
    assert whole.count("Divide capital by weighted exposures.") == 1


def test_second_question_shows_the_answer_that_it_is_about(work: FakeStageContext) -> None:
    bad = json.dumps({**fakes.PLAN, "steps": []})
    assert isinstance(work.run(plan.stage, bad, json.dumps(fakes.PLAN)), Done)
    first, second = (request.prompt for _, request in work.requests[-2:])
    assert second.startswith(first)
    assert "<previous_answer digest=" in second
    assert bad in second


@pytest.mark.parametrize(
    ("line", "code"),
    [
        ("# ... rest of the code remains unchanged ...", "answer:elided"),
        ("# ... existing imports ...", "answer:elided"),
        ("    ...  # (keep existing implementation)", "answer:elided"),
        ("# (rest of the file unchanged)", "answer:elided"),
        ("# \u2026 other tests \u2026", "answer:elided"),
        ("# ... more functions here", "answer:elided"),
        ("x = a &amp;&amp; b", "answer:syntax"),
        ("X = \u201ca\u201d", "answer:syntax"),
        ("@@ -1 +1 @@", "answer:syntax"),
        ("1 | def f():", "answer:syntax"),
    ],
)
def test_file_with_something_left_out_is_asked_for_again(
    work: FakeStageContext, line: str, code: str
) -> None:
    work.run(context.stage, json.dumps(fakes.CONTEXT))
    work.run(plan.stage, json.dumps(fakes.PLAN))
    lazy = fakes.implementation(f"{fakes.MODULE}\n{line}\n")
    result = work.run(implement.stage, lazy, lazy)
    assert isinstance(result, Failed)
    assert result.code == code
    assert f"line {len(fakes.MODULE.splitlines()) + 2}" in result.message
    assert line.strip() in result.message


@pytest.mark.parametrize(
    "line",
    [
        "# The rest of the amount goes to the last account.",
        "# Three dots (...) mean that a value is missing.",
        "# Existing accounts keep their rate.",
        "def stop() -> None: ...",
        "# Code points above 0xFFFF take two units.",
        "# Keep the order: callers rely on it.",
    ],
)
def test_honest_comments_are_left_alone(work: FakeStageContext, line: str) -> None:
    work.run(context.stage, json.dumps(fakes.CONTEXT))
    work.run(plan.stage, json.dumps(fakes.PLAN))
    assert isinstance(work.run(implement.stage, fakes.implementation(f"{fakes.MODULE}\n{line}\n")), Done)


def test_failing_test_is_not_called_flaky_and_its_mutants_are_not_listed() -> None:
    failing = GateReport(
        "coverage",
        Verdict.FAILED,
        "1 problem with the tests",
        findings=(Finding("test-failed", "test_ratio: failed"),),
        feedback="test_ratio: failed",
    )
    mutants = GateReport(
        "mutation", Verdict.FAILED, "tests are flaky", score=Decimal(0), feedback="they survived"
    )
    told = runner.compose_feedback((failing, mutants))
    assert "test_ratio" in told
    assert "flaky" not in told
    assert "survived" not in told
    assert "survived" in runner.compose_feedback((mutants,))


def test_reviewer_is_told_the_conventions_and_the_rules(work: FakeStageContext) -> None:
    _flow(work)
    template = prompts.load_prompt("review")
    assert "$conventions" in template.text.template
    assert "$rules" in template.system.template
    assert review.SCHEMA["required"]
