import pytest
from feature_flags import read_flag


@pytest.mark.parametrize(
    ("value", "on"),
    [("1", True), (" TRUE ", True), ("yes", True), ("on", True), ("0", False), ("", False), ("no", False)],
)
def test_set(monkeypatch, value, on):
    monkeypatch.setenv("FEATURE_DARK", value)
    assert read_flag("dark", not on) is on
    assert read_flag("Dark", not on) is on


@pytest.mark.parametrize("default", [True, False])
def test_not_set(monkeypatch, default):
    monkeypatch.delenv("FEATURE_DARK", raising=False)
    assert read_flag("dark", default) is default
