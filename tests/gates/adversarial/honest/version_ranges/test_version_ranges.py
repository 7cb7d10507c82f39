import pytest
from version_ranges import matches_range


@pytest.mark.parametrize(
    ("version", "wanted", "holds"),
    [
        ("1.2", ">=1.2,<2", True),
        ("2", ">=1.2,<2", False),
        ("1.1.9", ">=1.2,<2", False),
        ("1.10", ">1.9", True),
        ("1.9", ">1.9", False),
        ("1.0", "==1", True),
        ("1.0.1", "==1", False),
        ("1.0.1", "!=1", True),
        ("1", "!=1.0.0", False),
        ("2", "<=2", True),
        ("2.0.1", "<=2", False),
    ],
)
def test_ranges(version, wanted, holds):
    assert matches_range(version, wanted) is holds


@pytest.mark.parametrize("wanted", ["", "1", "~1", ">=1,", ">=1.2.3.4", ">= 1"])
def test_no_range(wanted):
    with pytest.raises(ValueError, match=f"^not a range: {wanted}$"):
        matches_range("1", wanted)
