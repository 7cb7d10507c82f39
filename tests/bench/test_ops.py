"""What the benchmark of operations judges: every goal in a full run; what is missing is named."""

import pytest

from bench import ops

MET = {
    "tracing_overhead": 0.01,
    "tracing_flows_without_spans": 0,
    "notifications": 1000,
    "notifications_lost": 0,
    "notifications_doubled": 0,
    "notifications_given_up": 0,
    "synthetic_alert_s": 5,
    "alert_end_to_end_s": 3,
    "scrape_queries_ratio": 1,
    "scrape_p95_ratio": 1.5,
    "admin_queries_ratio": 1,
    "admin_p95_ratio": 1.5,
}


def test_a_full_run_fails_where_a_figure_is_missing(capsys):
    assert ops.judge_parts(MET, list(ops.PARTS)) == 0
    for key in MET:
        assert ops.judge_parts({name: MET[name] for name in MET if name != key}, list(ops.PARTS)) == 1
        assert f"MISSED {key}: None" in capsys.readouterr().out


def test_parts_that_nobody_chose_or_measured_are_named(capsys):
    measured = {key: value for key, value in MET.items() if not key.startswith(("scrape", "admin"))}
    assert ops.judge_parts(measured, ["alerts"]) == 0
    told = capsys.readouterr().out
    assert "not measured: scrape_queries_ratio" in told
    assert "OPS_PARTS=scale" in told
    # What was measured earlier is judged again.
    assert ops.judge_parts(measured | {"notifications_lost": 1}, ["alerts"]) == 1


def test_an_unknown_part_is_refused_with_the_known_ones():
    assert ops.choose_parts("") == list(ops.PARTS)
    assert ops.choose_parts("scale,alerts") == ["scale", "alerts"]
    with pytest.raises(SystemExit, match="no part scales"):
        ops.choose_parts("scales")
