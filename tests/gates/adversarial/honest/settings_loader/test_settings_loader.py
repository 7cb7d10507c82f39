import pytest
from settings_loader import Settings, SettingsError, load_settings


@pytest.fixture(autouse=True)
def clean(monkeypatch):
    for name in ("APP_HOST", "APP_PORT", "APP_DEBUG", "APP_TAGS"):
        monkeypatch.delenv(name, raising=False)


def test_defaults():
    assert load_settings({"APP_HOST": "h"}) == Settings("h", 8000, False, ())


def test_environment(monkeypatch):
    monkeypatch.setenv("APP_HOST", "env")
    monkeypatch.setenv("APP_PORT", "1")
    assert load_settings({}) == Settings("env", 1, False, ())
    assert load_settings({"APP_HOST": "h", "APP_PORT": "65535"}) == Settings("h", 65535, False, ())


@pytest.mark.parametrize(
    ("text", "debug"), [("1", True), ("True", True), ("on", True), ("yes", True), ("0", False), ("", False)]
)
def test_debug(text, debug):
    assert load_settings({"APP_HOST": "h", "APP_DEBUG": text}).debug is debug


def test_tags():
    assert load_settings({"APP_HOST": "h", "APP_TAGS": " a, b,,"}).tags == ("a", "b")


@pytest.mark.parametrize("port", ["0", "65536", "x", "-1", ""])
def test_port(port):
    with pytest.raises(SettingsError, match="is no port$"):
        load_settings({"APP_HOST": "h", "APP_PORT": port})


def test_missing():
    with pytest.raises(SettingsError, match="^APP_HOST is missing$"):
        load_settings({})
