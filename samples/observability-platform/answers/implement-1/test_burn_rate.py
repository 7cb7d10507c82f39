"""Burn rate: the arithmetic, each rule on both sides of its rate, refusals."""

from decimal import Decimal

import pytest

from burn_rate import WINDOWS, BurnReport, burn_rate

OBJECTIVE = Decimal("99.9")


def windows(**failed):
    """A million requests in each window; ``w1h=14400`` fails that many of the hour's."""
    counts = {name: failed.get(f"w{name}", 0) for name in WINDOWS}
    return {name: {"good": 1_000_000 - count, "failed": count} for name, count in counts.items()}


def test_the_whole_report_of_an_outage():
    report = burn_rate(OBJECTIVE, windows(w5m=20_000, w30m=18_000, w1h=15_000, w2h=8_000, w6h=3_000, w1d=1_000, w3d=400))
    assert report == BurnReport(
        rates={
            "5m": Decimal("20.00"),
            "30m": Decimal("18.00"),
            "1h": Decimal("15.00"),
            "2h": Decimal("8.00"),
            "6h": Decimal("3.00"),
            "1d": Decimal("1.00"),
            "3d": Decimal("0.40"),
        },
        fired=("1h/5m",),
        severity="page",
        hours_to_exhaustion=Decimal("48.00"),
    )


def test_a_quiet_service():
    report = burn_rate(OBJECTIVE, windows())
    assert set(report.rates.values()) == {Decimal("0.00")}
    assert (report.fired, report.severity, report.hours_to_exhaustion) == ((), "none", None)


def test_windows_are_reported_from_short_to_long():
    shuffled = dict(reversed(windows().items()))
    assert list(burn_rate(OBJECTIVE, shuffled).rates) == ["5m", "30m", "1h", "2h", "6h", "1d", "3d"]


@pytest.mark.parametrize(
    ("long", "short", "failed", "severity"),
    [("1h", "5m", 14_400, "page"), ("6h", "30m", 6_000, "page"), ("1d", "2h", 3_000, "ticket"), ("3d", "6h", 1_000, "ticket")],
)
def test_each_rule_fires_at_its_rate_in_both_windows(long, short, failed, severity):
    at = burn_rate(OBJECTIVE, windows(**{f"w{long}": failed, f"w{short}": failed}))
    assert (at.fired, at.severity) == ((f"{long}/{short}",), severity)
    for name in (long, short):
        below = {f"w{long}": failed, f"w{short}": failed, f"w{name}": failed - 1}
        assert burn_rate(OBJECTIVE, windows(**below)).fired == ()


def test_the_worst_severity_wins_and_all_rules_are_listed():
    report = burn_rate(OBJECTIVE, {name: {"good": 0, "failed": 100} for name in WINDOWS})
    assert report.fired == ("1h/5m", "6h/30m", "1d/2h", "3d/6h")
    assert report.severity == "page"


def test_a_spike_that_is_over_does_not_page():
    assert burn_rate(OBJECTIVE, windows(w1h=20_000)).severity == "none"


@pytest.mark.parametrize(
    ("objective", "rate"),
    [("99", "1.00"), ("99.5", "2.00"), ("99.99", "100.00"), ("50", "0.02"), ("99.999", "1000.00")],
)
def test_a_tighter_objective_burns_faster(objective, rate):
    assert burn_rate(Decimal(objective), windows(w1h=10_000)).rates["1h"] == Decimal(rate)


@pytest.mark.parametrize(("failed", "hours"), [(1_000, "720.00"), (14_400, "50.00"), (1, "720000.00")])
def test_hours_to_exhaustion_follow_the_last_hour(failed, hours):
    assert burn_rate(OBJECTIVE, windows(w1h=failed, w5m=99)).hours_to_exhaustion == Decimal(hours)


def test_rates_round_half_up():
    assert burn_rate(OBJECTIVE, windows(w6h=5, w3d=4)).rates["6h"] == Decimal("0.01")
    assert burn_rate(OBJECTIVE, windows(w6h=5, w3d=4)).rates["3d"] == Decimal("0.00")


def test_a_window_without_traffic_burns_nothing():
    assert burn_rate(OBJECTIVE, windows() | {"1h": {"good": 0, "failed": 0}}).rates["1h"] == Decimal("0.00")


def test_a_single_request_that_fails_is_a_rate_of_all():
    assert burn_rate(OBJECTIVE, windows() | {"5m": {"good": 0, "failed": 1}}).rates["5m"] == Decimal("1000.00")


@pytest.mark.parametrize("objective", ["49.999", "0", "-1", "99.9991", "100"])
def test_an_objective_outside_its_limits_is_refused(objective):
    with pytest.raises(ValueError, match="^objective: must be 50 to 99.999 percent$"):
        burn_rate(Decimal(objective), windows())


@pytest.mark.parametrize("name", WINDOWS)
def test_each_window_is_needed(name):
    incomplete = windows()
    del incomplete[name]
    with pytest.raises(ValueError, match=f"^window {name} is missing$"):
        burn_rate(OBJECTIVE, incomplete)


def test_the_first_unknown_window_is_named():
    with pytest.raises(ValueError, match="^unknown window '2d'$"):
        burn_rate(OBJECTIVE, windows() | {"9h": {"good": 1, "failed": 0}, "2d": {"good": 1, "failed": 0}})


@pytest.mark.parametrize("counts", [{"good": -1, "failed": 0}, {"good": 1, "failed": -1}, {"good": -2, "failed": 4}])
def test_negative_counts_are_refused(counts):
    with pytest.raises(ValueError, match="^window 6h: counts must not be negative$"):
        burn_rate(OBJECTIVE, windows() | {"6h": counts})
