"""Goals and results: when a goal is missed, what the small form judges, and where figures are kept."""

from pathlib import Path

import pytest

from bench import goals
from bench.__main__ import list_benchmarks
from bench.goals import at_least, at_most


def test_each_benchmark_has_written_its_results():
    written = {path.stem for path in goals.RESULTS.glob("*.json")}
    assert set(list_benchmarks()) <= written
    assert {"limiter", "provider_call", "cost"} <= set(list_benchmarks())


@pytest.mark.parametrize(("value", "missed"), [(4.0, 0), (4.1, 1), (None, 1)])
def test_a_goal_is_missed_above_its_number_and_when_it_was_not_measured(
    value: float | None, missed: int, capsys
):
    assert goals.judge_results({"ratio": value}, {"ratio": at_most(4)}) == missed
    assert capsys.readouterr().out.startswith("MISSED ratio" if missed else "met    ratio")


def test_a_goal_is_missed_below_its_number(capsys):
    assert goals.judge_results({"share": 0.98}, {"share": at_least(0.99)}) == 1
    assert goals.judge_results({"share": 0.99}, {"share": at_least(0.99)}) == 0


def test_the_small_form_judges_only_what_holds_at_every_size(monkeypatch, capsys):
    monkeypatch.setattr(goals, "SMALL", True)
    wanted = {"speed": at_least(100), "lost": at_most(0, exact=True)}
    assert goals.judge_results({"speed": 1, "lost": 0}, wanted) == 0
    assert goals.judge_results({"speed": 1, "lost": 1}, wanted) == 1
    assert "speed" not in capsys.readouterr().out


def test_the_small_form_never_writes_into_the_results_of_full_runs(monkeypatch, tmp_path: Path, capsys):
    monkeypatch.setattr(goals, "SMALL", True)
    monkeypatch.setattr(goals, "RESULTS", tmp_path / "results")
    monkeypatch.delenv("BENCH_RESULTS", raising=False)
    goals.write_results("speed", {"flows": 1})
    assert not (tmp_path / "results").exists()
    monkeypatch.setenv("BENCH_RESULTS", str(tmp_path / "elsewhere"))
    goals.write_results("speed", {"flows": 1})
    assert (tmp_path / "elsewhere" / "speed.json").exists()
