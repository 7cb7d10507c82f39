from decimal import Decimal

from loan_plan import Rate, plan_loan


def _plan(amount, percent, months):
    plan = plan_loan(Decimal(amount), Decimal(percent), months)
    return [tuple(str(part) for part in (rate.interest, rate.repaid, rate.left)) for rate in plan]


def test_even():
    assert _plan("300", "12", 3) == [
        ("3.00", "100.00", "200.00"),
        ("2.00", "100.00", "100.00"),
        ("1.00", "100.00", "0.00"),
    ]


def test_the_last_takes_the_rest():
    assert _plan("100", "0", 3) == [
        ("0.00", "33.33", "66.67"),
        ("0.00", "33.33", "33.34"),
        ("0.00", "33.34", "0.00"),
    ]


def test_half_a_cent_goes_up():
    assert _plan("6", "1", 1) == [("0.01", "6", "0")]
    assert plan_loan(Decimal("1.01"), Decimal("0"), 2)[0] == Rate(
        Decimal("0.00"), Decimal("0.51"), Decimal("0.50")
    )


def test_nothing_is_repaid_twice():
    assert _plan("0.02", "0", 3) == [
        ("0.00", "0.01", "0.01"),
        ("0.00", "0.01", "0.00"),
        ("0.00", "0.00", "0.00"),
    ]
