from slo.alerts import threshold_alert


def test_one_percent_is_allowed():
    assert threshold_alert("search", 0.01) is None
    assert threshold_alert("search", 0.011).severity == "page"
