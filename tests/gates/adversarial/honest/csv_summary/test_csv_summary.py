import pytest
from csv_summary import MissingColumnError, summarise

TEXT = "city,amount\nRome,10\nOslo,4\nRome,20\nOslo,n/a\nBonn,\n"


def test_summarise():
    assert summarise(TEXT, "city", "amount") == {
        "Oslo": {"count": 1, "total": 4.0, "mean": 4.0},
        "Rome": {"count": 2, "total": 30.0, "mean": 15.0},
    }


def test_empty_groups_are_left_out():
    assert summarise("city,amount\nBonn,x\n", "city", "amount") == {}


@pytest.mark.parametrize("columns", [("town", "amount"), ("city", "price")])
def test_missing_column(columns):
    with pytest.raises(MissingColumnError):
        summarise(TEXT, *columns)


def test_no_header():
    with pytest.raises(MissingColumnError):
        summarise("", "city", "amount")
