"""What the mutation gate counts, and what it makes of it."""

from dataclasses import replace
from decimal import Decimal
from typing import Any

import pytest

from gates.base import GateReport, Policy, Verdict
from gates.builtin import mutation
from gates.builtin.mutation import MutantCounts
from gates.runner import run_gate
from tests.gates.blocks import SOUND, block
from tests.gates.harness_answers import MUTANT, MUTATION


def _mutants(function: str, **counts: int) -> list[dict[str, Any]]:
    """So many mutants of ``function`` with each status."""
    return [
        {**MUTANT, "function": function, "status": status}
        for status, count in counts.items()
        for _ in range(count)
    ]


@pytest.fixture
def judge(monkeypatch: pytest.MonkeyPatch) -> Any:
    """The gate's report where the harness measured these mutants."""

    def judge_measured(mutants: list[dict[str, Any]], **changes: Any) -> GateReport:
        answer = {**MUTATION, "mutants": mutants, **changes}
        monkeypatch.setattr(mutation, "run_harness", lambda *_: answer)
        return run_gate("mutation", SOUND, Policy())

    return judge_measured


def test_crashes_and_timeouts_are_counted_apart_and_are_no_kills(judge: Any) -> None:
    report = judge(_mutants("fee", Killed=10, Survived=10, RuntimeError=40, Timeout=5, Ignored=3))

    assert (report.verdict, report.score) == (Verdict.FAILED, Decimal("50.00"))
    counted = ("killed_by_assertion", "killed_by_crash", "killed_by_timeout", "missed", "equivalent")
    assert [report.details[name] for name in counted] == [10, 40, 5, 10, 3]


def test_a_function_all_of_whose_changes_are_equivalent_is_not_hollow(judge: Any) -> None:
    report = judge(_mutants("fee", Killed=30) + _mutants("_log", Ignored=8))

    assert (report.verdict, report.score) == (Verdict.PASSED, Decimal(100))


@pytest.mark.parametrize(
    ("counts", "rule"),
    [
        ({"Survived": 6}, "hollow"),
        ({"Killed": 1, "Survived": 5}, "weak-function"),
        ({"Killed": 3, "Survived": 5}, ""),
    ],
)
def test_a_rich_table_does_not_help_a_function_beside_it(
    judge: Any, counts: dict[str, int], rule: str
) -> None:
    report = judge(_mutants("", Killed=200) + _mutants("fee", **counts))

    assert report.score > 90
    assert [finding.rule for finding in report.findings if finding.severity == "error"] == [rule][
        : bool(rule)
    ]


def test_an_entry_point_counts_with_the_functions_that_it_reaches(judge: Any) -> None:
    report = judge(_mutants("", Killed=200) + _mutants("fee", Killed=2, Survived=10))

    assert report.details["entrypoints"] == {"fee": "16.67"}


def test_one_null_mutant_that_dies_fails_the_block(judge: Any) -> None:
    report = judge(_mutants("fee", Killed=30), nulls_killed=1)

    assert [finding.rule for finding in report.findings] == ["unstable-tests"]


def test_a_stand_in_that_tests_pass_on_is_shown_with_a_call(judge: Any) -> None:
    passed_on = {
        **MUTANT,
        "status": "Survived",
        "compared": 40,
        "differing": 40,
        "example": "fee(1) gives 251",
    }

    report = judge(_mutants("fee", Killed=30), stand_ins=[passed_on])

    assert report.verdict is Verdict.FAILED
    assert "fee(1) gives 251" in report.feedback


def test_without_a_change_to_notice_nothing_was_missed() -> None:
    nothing = MutantCounts(total=0, killed=0, missed=0, crashed=0, timeouts=0, equivalent=0)

    assert nothing.rate == 100
    assert replace(nothing, total=3, equivalent=3).rate == 100
    assert replace(nothing, total=3, crashed=3).rate == 0


def test_code_of_one_change_is_judged_and_no_size_is_too_small() -> None:
    module = "def half(number: int) -> int:\n    return number // 2\n"
    tests = "from parcel import half\n\n\ndef test_half():\n    assert [half(n) for n in (0, 1, 7)] == [0, 0, 3]\n"
    contract = SOUND.contract.replace('"fee"', '"half"').replace("weight", "number")

    report = run_gate("mutation", block(module, tests, contract), Policy())

    assert report.verdict is Verdict.PASSED, report.summary
    assert report.details["null_mutants"] >= 12
