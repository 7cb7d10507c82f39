from decimal import Decimal

import pytest

from ledger.importers import parse_amount, parse_statement


def test_decimal_comma():
    assert parse_amount("-1.234,50") == Decimal("-1234.50")


def test_no_amount():
    with pytest.raises(ValueError, match="not an amount: 'x'"):
        parse_amount("x")


def test_header_is_skipped():
    assert [p.id for p in parse_statement("id;date;amount;text\nS1;10.03.2026;5,00;fee")] == ["S1"]
