"""Reconciliation: what matches, what is preferred, what stays open, what is refused."""

from decimal import Decimal

import pytest

from reconciliation import Match, Reconciliation, reconcile


def entry(id, amount, date="2026-03-10"):
    return {"id": id, "date": date, "amount": amount}


def pairs(result):
    return [(match.ledger_id, match.statement_id) for match in result.matches]


def test_the_whole_result():
    ledger = [entry("L1", "100.00"), entry("L2", "-25.50"), entry("L3", "7.00")]
    statement = [entry("S1", "-25.49", "2026-03-12"), entry("S2", "100.00", "2026-03-09")]
    assert reconcile(ledger, statement, Decimal("0.01"), 2) == Reconciliation(
        matches=(Match("L1", "S2", Decimal("0.00"), -1), Match("L2", "S1", Decimal("0.01"), 2)),
        unmatched_ledger=("L3",),
        unmatched_statement=(),
        difference=Decimal("-6.99"),
        balanced=False,
    )


def test_nothing_against_nothing_is_balanced():
    result = reconcile([], [])
    assert (result.matches, result.balanced, result.difference) == ((), True, 0)


@pytest.mark.parametrize(
    ("amount", "matched"),
    [("10.00", True), ("10.05", True), ("9.95", True), ("10.06", False), ("9.94", False), ("-10.00", False)],
)
def test_the_tolerance_is_inclusive_on_both_sides(amount, matched):
    assert bool(reconcile([entry("L1", "10.00")], [entry("S1", amount)], Decimal("0.05")).matches) is matched


@pytest.mark.parametrize(
    ("day", "matched"),
    [("2026-03-08", True), ("2026-03-12", True), ("2026-03-07", False), ("2026-03-13", False)],
)
def test_the_window_is_inclusive_on_both_sides(day, matched):
    assert bool(reconcile([entry("L1", "1")], [entry("S1", "1", day)], window_days=2).matches) is matched


def test_by_default_amounts_agree_exactly_and_days_within_three():
    near = [entry("S1", "1.01"), entry("S2", "1.00", "2026-03-14"), entry("S3", "1.00", "2026-03-13")]
    assert pairs(reconcile([entry("L1", "1.00")], near)) == [("L1", "S3")]
    assert pairs(reconcile([entry("L1", "1.00")], near[:2])) == []


def test_the_closest_amount_wins_over_the_closest_day():
    statement = [entry("S1", "10.01"), entry("S2", "10.00", "2026-03-12")]
    assert pairs(reconcile([entry("L1", "10.00")], statement, Decimal("0.05"))) == [("L1", "S2")]


def test_of_equal_amounts_the_closest_day_wins():
    statement = [entry("S1", "10.00", "2026-03-12"), entry("S2", "10.00", "2026-03-11")]
    assert pairs(reconcile([entry("L1", "10.00")], statement)) == [("L1", "S2")]


def test_equal_candidates_are_taken_in_order():
    ledger = [entry("L1", "5.00"), entry("L2", "5.00")]
    statement = [entry("S1", "5.00"), entry("S2", "5.00"), entry("S3", "5.00")]
    result = reconcile(ledger, statement)
    assert pairs(result) == [("L1", "S1"), ("L2", "S2")]
    assert result.unmatched_statement == ("S3",)


def test_an_entry_is_used_once():
    result = reconcile([entry("L1", "5.00"), entry("L2", "5.00")], [entry("S1", "5.00")])
    assert pairs(result) == [("L1", "S1")]
    assert (result.unmatched_ledger, result.balanced) == (("L2",), False)


@pytest.mark.parametrize(
    ("ledger", "statement", "balanced"),
    [
        (["10.00"], ["10.00"], True),
        (["10.00"], ["10.01"], False),  # matched within the tolerance, totals differ
        (["10.00", "0.00"], ["10.00"], False),  # totals agree, one of ours is open
        (["10.00"], ["10.00", "0.00"], False),  # totals agree, one of theirs is open
    ],
)
def test_balanced_needs_equal_totals_and_nothing_open(ledger, statement, balanced):
    ours = [entry(f"L{n}", amount) for n, amount in enumerate(ledger)]
    theirs = [entry(f"S{n}", amount) for n, amount in enumerate(statement)]
    assert reconcile(ours, theirs, Decimal("0.01")).balanced is balanced


def test_a_repeated_id_is_refused_on_its_side():
    twice = [entry("A", "1"), entry("A", "2")]
    with pytest.raises(ValueError, match="^ledger: id 'A' is repeated$"):
        reconcile(twice, [])
    with pytest.raises(ValueError, match="^statement: id 'A' is repeated$"):
        reconcile([], twice)


def test_both_sides_may_use_the_same_id():
    assert pairs(reconcile([entry("A", "1")], [entry("A", "1")])) == [("A", "A")]


def test_fractions_of_a_cent_are_refused():
    with pytest.raises(ValueError, match="^ledger: amount of 'A' has more than two places$"):
        reconcile([entry("A", "1.001")], [])


def test_a_negative_tolerance_is_refused():
    with pytest.raises(ValueError, match="^tolerance: must not be negative$"):
        reconcile([], [], Decimal("-0.01"))


@pytest.mark.parametrize("days", [-1, 32])
def test_a_window_outside_its_limits_is_refused(days):
    with pytest.raises(ValueError, match="^window_days: must be 0 to 31$"):
        reconcile([], [], window_days=days)


def test_the_window_may_be_nothing_or_a_month():
    month = [entry("S1", "1", "2026-04-10")]
    assert reconcile([entry("L1", "1")], month, window_days=31).balanced
    assert not reconcile([entry("L1", "1")], month, window_days=0).balanced


def test_a_date_that_is_none_is_refused():
    with pytest.raises(ValueError, match="isoformat|out of range|month|day"):
        reconcile([entry("A", "1", "2026-02-30")], [])
