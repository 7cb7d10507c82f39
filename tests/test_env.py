"""The environment's readers: a bad value names itself and what is allowed."""

import os
import subprocess
import sys
from collections.abc import Callable
from datetime import date
from decimal import Decimal
from pathlib import Path

import pytest
from django.core.exceptions import ImproperlyConfigured

from orchestrator import env


@pytest.mark.parametrize(
    ("read", "value", "expected"),
    [
        (lambda: env.read_text("X_TEST", "d"), "", "d"),
        (lambda: env.read_text("X_TEST", "d"), "v", "v"),
        (lambda: env.read_flag("X_TEST", default=False), "ON", True),
        (lambda: env.read_flag("X_TEST", default=True), "0", False),
        (lambda: env.read_integer("X_TEST", 3), "", 3),
        (lambda: env.read_integer("X_TEST", 3, low=1, high=5), "5", 5),
        (lambda: env.read_decimal("X_TEST", "50"), "0.1", Decimal("0.1")),
        (lambda: env.read_names("X_TEST"), " a, b ,,", ("a", "b")),
        (lambda: env.read_url("X_TEST"), "http://host:1/p/", "http://host:1/p"),
        (lambda: env.read_url("X_TEST"), "", ""),
        (lambda: env.read_identifiers("X_TEST"), "vllm, open_router2", ("vllm", "open_router2")),
        (lambda: env.read_period("X_TEST"), "", None),
        (
            lambda: env.read_period("X_TEST"),
            "2026-11-16/2026-11-30",
            (date(2026, 11, 16), date(2026, 11, 30)),
        ),
        (lambda: env.read_models("X_TEST"), "", {}),
        (
            lambda: env.read_models("X_TEST"),
            '{"a/b:c": {"input": 0, "output": "0.1"}}',
            {"a/b:c": {"input": Decimal(0), "output": Decimal("0.1")}},
        ),
    ],
)
def test_good_values(
    monkeypatch: pytest.MonkeyPatch, read: Callable[[], object], value: str, expected: object
) -> None:
    monkeypatch.setenv("X_TEST", value)
    assert read() == expected


@pytest.mark.parametrize(
    ("read", "value", "message"),
    [
        (lambda: env.read_identifiers("X_TEST"), "vLLM", "use a letter"),
        (lambda: env.read_identifiers("X_TEST"), "a,a", "is taken"),
        (lambda: env.read_identifiers("X_TEST", taken=("gates",)), "gates", "is taken"),
        (lambda: env.read_period("X_TEST"), "2026-11-16", "use 2026-11-16/2026-11-30"),
        (lambda: env.read_period("X_TEST"), "2026-11-16/2026-11-31", "use 2026-11-16/2026-11-30"),
        (lambda: env.read_period("X_TEST"), "2026-11-30/2026-11-16", "is after its last"),
        (lambda: env.read_models("X_TEST"), "{", "not JSON"),
        (lambda: env.read_models("X_TEST"), "[]", "not an object of models"),
        (lambda: env.read_models("X_TEST"), '{"m": {"input": "1"}}', "both or none"),
        (lambda: env.read_models("X_TEST"), '{"m": {"price": "1"}}', "both or none"),
        (lambda: env.read_models("X_TEST"), '{"m": {"input": "x", "output": "1"}}', "not a number"),
        (lambda: env.read_models("X_TEST"), '{"m": {"input": "-1", "output": "NaN"}}', "from 0 to"),
        (lambda: env.read_text("X_TEST"), "", "X_TEST is required"),
        (lambda: env.read_text("X_TEST", choices=("a", "b")), "c", "choose one of a, b"),
        (lambda: env.read_flag("X_TEST", default=False), "maybe", "use true or false"),
        (lambda: env.read_integer("X_TEST", 1), "1.5", "not a whole number"),
        (lambda: env.read_integer("X_TEST", 1, low=1, high=100), "101", "from 1 to 100"),
        (lambda: env.read_integer("X_TEST", 1), "-1", "at least 0"),
        (lambda: env.read_decimal("X_TEST", "1"), "NaN", "at least 0"),
        (lambda: env.read_decimal("X_TEST", "1"), "much", "not a number"),
        (lambda: env.read_url("X_TEST"), "ftp://host", "not a URL"),
        (lambda: env.read_url("X_TEST"), "host", "not a URL"),
    ],
)
def test_bad_values(
    monkeypatch: pytest.MonkeyPatch, read: Callable[[], object], value: str, message: str
) -> None:
    monkeypatch.setenv("X_TEST", value)
    with pytest.raises(ImproperlyConfigured, match=message) as caught:
        read()
    assert "X_TEST" in str(caught.value)


def test_a_value_may_lie_in_a_file(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "secret").write_text("from the file\n", encoding="utf-8")
    monkeypatch.setenv("X_TEST_FILE", str(tmp_path / "secret"))
    assert env.read_text("X_TEST") == "from the file"
    monkeypatch.setenv("X_TEST", "from the environment")
    with pytest.raises(ImproperlyConfigured, match="both set"):
        env.read_text("X_TEST")


def test_a_missing_file_is_named(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("X_TEST_FILE", str(tmp_path / "absent"))
    with pytest.raises(ImproperlyConfigured, match="X_TEST_FILE cannot be read"):
        env.read_text("X_TEST")


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("CIRCUIT_BREAKER_THRESHOLD", "0"),
        ("DATABASE_URL", "sqlite:///x"),
        ("REDIS_URL", "http://x"),
        ("QUALITY_GATE_MODE", "lax"),
        ("OPENAI_TIMEOUT_SECONDS", "0"),
        ("SECRET_KEY", ""),
    ],
)
def test_a_bad_setting_stops_start_up(name: str, value: str) -> None:
    values = os.environ | {"DATABASE_URL": "postgres://x/y", "SECRET_KEY": "x"} | {name: value}
    code = "import django; from django.conf import settings; settings.DEBUG"
    done = subprocess.run(
        [sys.executable, "-c", code],
        env=values | {"DJANGO_SETTINGS_MODULE": "orchestrator.settings"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode != 0
    assert f"ImproperlyConfigured: {name}" in done.stderr
