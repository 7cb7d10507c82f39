from datetime import date
from decimal import Decimal

from ledger.audit_file import line
from ledger.model import Posting


def test_whole_amounts_have_two_places():
    assert line(Posting("A", date(2026, 3, 10), Decimal(5))) == '{"amount": "5.00", "date": "2026-03-10", "id": "A"}'
