"""Small correct functions pass, at any size and on a busy machine."""

import pytest

from gates.base import Policy
from gates.runner import run_gates
from tests.gates.honest.repeated import RUNS, judge_at_once, list_refusals
from tests.gates.honest.textbook import TEXTBOOK, Textbook

# The default suite has no time for all, and the slow one not for all of them five times: the benchmark has.
_SAMPLE, _REPEATED = TEXTBOOK[::25], TEXTBOOK[1::5]


def test_there_are_enough_and_each_has_its_own_name() -> None:
    assert len({textbook.name for textbook in TEXTBOOK}) == len(TEXTBOOK) >= 50


@pytest.mark.parametrize(
    "textbook",
    [pytest.param(each, marks=() if each in _SAMPLE else pytest.mark.slow) for each in TEXTBOOK],
    ids=lambda textbook: textbook.name,
)
def test_a_small_correct_function_passes(textbook: Textbook) -> None:
    assert list_refusals(run_gates(textbook.to_candidate(), Policy())) == {}


@pytest.mark.slow
@pytest.mark.timeout(600)
@pytest.mark.parametrize("textbook", _REPEATED, ids=lambda textbook: textbook.name)
def test_a_small_correct_function_gets_the_same_verdict_five_times_at_once(textbook: Textbook) -> None:
    runs = judge_at_once(textbook.to_candidate(), Policy())

    assert [list_refusals(reports) for reports in runs] == [{}] * RUNS
