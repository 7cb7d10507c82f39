"""Each process of the Procfile holds the secrets that it uses, and no other."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
from django.core.exceptions import ImproperlyConfigured
from django.core.management import CommandError, call_command
from flower import urls

from orchestrator.dev import stack
from orchestrator.ops.observability.exporter import is_allowed
from orchestrator.ops.observability.management.commands import flower
from orchestrator.process_secrets import MAY_HOLD, SECRETS, WITHHELD, read_withheld, withhold_secrets

ROOT = Path(__file__).parents[1]
EVERYTHING = {name: f"marked-{name.lower()}" for name in SECRETS} | {
    "DATABASE_URL": "postgres://nobody:marked@localhost/none",
    "DATABASE_REPLICA_URLS": "postgres://nobody:marked@localhost/replica",
    "REDIS_URL": "redis://:marked@localhost:1/0",
}
# What starts each process far enough to read its settings.
READ_SETTINGS = "import django; django.setup()"


def start(environment: dict[str, str]) -> "subprocess.CompletedProcess[str]":
    clean = {name: value for name, value in os.environ.items() if name not in SECRETS}
    clean |= {"DJANGO_SETTINGS_MODULE": "orchestrator.settings"} | environment
    command = [sys.executable, "-c", READ_SETTINGS]
    return subprocess.run(command, cwd=ROOT, env=clean, capture_output=True, text=True, check=False)


def test_the_table_has_a_row_for_each_process() -> None:
    assert set(MAY_HOLD) == set(stack.read_procfile())


def test_only_workers_of_providers_hold_their_keys_and_only_control_signs() -> None:
    models = {"anthropic", "openai", "google"}
    for name, held in MAY_HOLD.items():
        assert ("OPENAI_API_KEY" in held) == (name in models)
        assert ("EVIDENCE_SIGNING_KEY" in held) == (name == "control")


@pytest.mark.parametrize("process", MAY_HOLD)
def test_a_process_starts_with_what_is_withheld_and_not_with_more(process, monkeypatch) -> None:
    given = withhold_secrets(process, EVERYTHING)
    assert {name for name, value in given.items() if "marked" in value} <= MAY_HOLD[process]
    monkeypatch.setenv("PROCESS", process)
    for name in SECRETS:
        if name in MAY_HOLD[process]:
            assert read_withheld(name, "marked") == "marked"
            continue
        assert read_withheld(name, WITHHELD) != "marked"
        with pytest.raises(ImproperlyConfigured, match=f"The process {process} may not hold {name}"):
            read_withheld(name, "marked")


def test_the_real_settings_refuse_a_key_that_is_not_for_the_process() -> None:
    refused = start(EVERYTHING | {"PROCESS": "exporter"})
    assert refused.returncode != 0
    assert "The process exporter may not hold SECRET_KEY" in refused.stderr
    assert "marked-secret_key" not in refused.stderr
    for process in ("exporter", "flower"):
        taken = start(withhold_secrets(process, EVERYTHING))
        assert (taken.returncode, taken.stderr) == (0, "")


def test_a_secret_in_a_file_is_withheld_too(tmp_path) -> None:
    given = withhold_secrets("web", {"OPENAI_API_KEY_FILE": str(tmp_path / "key")})
    assert given == {"PROCESS": "web", "OPENAI_API_KEY": WITHHELD}


def test_metrics_and_flower_need_a_credential_beyond_this_machine(settings, monkeypatch) -> None:
    monkeypatch.delenv("FLOWER_BASIC_AUTH", raising=False)
    with pytest.raises(CommandError, match="set METRICS_TOKEN"):
        call_command("exporter", host="0.0.0.0", port=0)
    with pytest.raises(CommandError, match="set FLOWER_BASIC_AUTH"):
        call_command("flower", address="0.0.0.0", port=0)
    assert is_allowed("")
    settings.METRICS_TOKEN = "m" * 20
    assert [is_allowed(header) for header in ("", "Bearer no", f"Bearer {'m' * 20}")] == [False, False, True]


def test_flower_has_no_address_that_changes_anything(monkeypatch) -> None:
    monkeypatch.setattr(urls, "handlers", list(urls.handlers))
    flower.close_controls()
    left = {handler[0] for handler in urls.handlers if isinstance(handler, tuple)}
    assert "/api/workers" in left
    for word in ("shutdown", "revoke", "apply", "send-task", "pool", "abort", "rate-limit", "timeout"):
        assert not [path for path in left if word in path], word
