import pytest

from slo.query import count_query


def test_failed_requests():
    assert 'status=~"5.."' in count_query("search", "1h", failed=True)


def test_unknown_window():
    with pytest.raises(ValueError, match="unknown window '4h'"):
        count_query("search", "4h", failed=False)
