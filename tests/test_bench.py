"""The benchmarks as a whole: what `make bench` runs, and when it says that a goal was missed."""

import pytest

from bench import goals
from bench.__main__ import benchmarks


def test_each_benchmark_has_written_its_results():
    written = {path.stem for path in goals.RESULTS.glob("*.json")}
    assert set(benchmarks()) <= written
    assert {"limiter", "provider_call", "cost"} <= set(benchmarks())


@pytest.mark.parametrize(("value", "missed"), [(4.0, 0), (4.1, 1), (None, 1)])
def test_a_goal_is_missed_above_its_number_and_when_it_was_not_measured(
    value: float | None, missed: int, capsys
):
    assert goals.report({"ratio": value}, {"ratio": ("<=", 4)}) == missed
    assert capsys.readouterr().out.startswith("MISSED ratio" if missed else "met    ratio")


def test_a_goal_is_missed_below_its_number(capsys):
    assert goals.report({"share": 0.98}, {"share": (">=", 0.99)}) == 1
    assert goals.report({"share": 0.99}, {"share": (">=", 0.99)}) == 0
