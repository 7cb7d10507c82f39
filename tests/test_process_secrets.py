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
from orchestrator.process_secrets import (
    MAY_HOLD,
    SECRETS,
    WITHHELD,
    may_hold,
    read_withheld,
    refuse_foreign_secrets,
    withhold_secrets,
)

ROOT = Path(__file__).parents[1]
SERVER_KEY = "VLLM_API_KEY"  # of a compatible server, whose name is the operator's choice
EVERYTHING = {name: f"marked-{name.lower()}" for name in (*SECRETS, SERVER_KEY)} | {
    "EMAIL_URL": "smtp://me:marked@localhost:25",
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
    # The line for compatible servers becomes a worker for each.
    assert set(MAY_HOLD) == set(stack.read_procfile()) | {"compatible"}


def test_only_workers_of_providers_hold_their_keys_and_only_control_signs() -> None:
    models = {"anthropic", "openai", "google", "compatible"}
    for process in MAY_HOLD:
        for key in ("OPENAI_API_KEY", SERVER_KEY):
            assert may_hold(process, key) == (process in models)
        for key in ("EVIDENCE_SIGNING_KEY", "PAGERDUTY_ROUTING_KEY", "EMAIL_URL"):
            assert may_hold(process, key) == (process == "control")
        # Leads are asked by a direct message with buttons, beside the notifications.
        assert may_hold(process, "SLACK_BOT_TOKEN") == (process in {"control", "onboarding"})


def test_a_worker_of_a_compatible_server_holds_no_more_than_the_others() -> None:
    given = withhold_secrets("vllm", EVERYTHING)
    assert given["PROCESS"] == "compatible"
    assert given[SERVER_KEY] == EVERYTHING[SERVER_KEY]
    assert given["EVIDENCE_SIGNING_KEY"] == given["SLACK_BOT_TOKEN"] == WITHHELD


def test_what_no_setting_reads_is_refused_as_well() -> None:
    for name in ("GITHUB_TOKEN", SERVER_KEY, "AWS_SECRET_ACCESS_KEY_FILE"):
        with pytest.raises(
            ImproperlyConfigured, match=f"The process exporter may not hold {name}"
        ) as refused:
            refuse_foreign_secrets({"PROCESS": "exporter", name: "marked"})
        assert "marked" not in str(refused.value)
    refuse_foreign_secrets({"PROCESS": "exporter", "GITHUB_TOKEN": WITHHELD, "METRICS_TOKEN": "marked"})
    # A command that a person types belongs to no process.
    refuse_foreign_secrets({"GITHUB_TOKEN": "marked"})


def test_a_process_knows_that_there_is_a_mail_server_and_not_its_password(monkeypatch) -> None:
    monkeypatch.setenv("PROCESS", "web")
    assert "marked" not in read_withheld("EMAIL_URL", WITHHELD)
    assert read_withheld("EMAIL_URL", WITHHELD).startswith("smtp://")
    assert read_withheld("EMAIL_URL", "") == ""


@pytest.mark.parametrize("process", MAY_HOLD)
def test_a_process_starts_with_what_is_withheld_and_not_with_more(process, monkeypatch) -> None:
    given = withhold_secrets(process, EVERYTHING)
    assert all(may_hold(process, name) for name, value in given.items() if "marked" in value)
    monkeypatch.setenv("PROCESS", process)
    for name in (*SECRETS, SERVER_KEY):
        if may_hold(process, name):
            assert read_withheld(name, "marked") == "marked"
            continue
        assert read_withheld(name, WITHHELD) != "marked"
        with pytest.raises(ImproperlyConfigured, match=f"The process {process} may not hold {name}"):
            read_withheld(name, "marked")


@pytest.mark.slow
def test_the_real_settings_refuse_a_key_that_is_not_for_the_process() -> None:
    for process, name in (("exporter", "SECRET_KEY"), ("web", "SLACK_BOT_TOKEN"), ("gates", SERVER_KEY)):
        refused = start(withhold_secrets(process, EVERYTHING) | {name: EVERYTHING[name]})
        assert refused.returncode != 0
        assert f"The process {process} may not hold {name}" in refused.stderr
        assert "marked" not in refused.stderr
    for process in ("exporter", "web"):
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


@pytest.mark.slow
def test_sign_in_needs_its_secret_in_the_web_process_only() -> None:
    shared = {"DATABASE_URL": EVERYTHING["DATABASE_URL"], "SECRET_KEY": "x"}
    shared |= {"OIDC_ISSUER": "https://id.example.org", "OIDC_CLIENT_ID": "blocks"}
    shared |= {"OIDC_EMAIL_DOMAINS": "example.org"}
    assert start(shared | {"PROCESS": "onboarding"}).returncode == 0
    refused = start(shared | {"PROCESS": "web"})
    assert refused.returncode != 0
    assert "set OIDC_CLIENT_SECRET" in refused.stderr
    assert start(shared | {"PROCESS": "web", "OIDC_CLIENT_SECRET": "s3cret"}).returncode == 0
    assert "OIDC_EMAIL_DOMAINS" in start(shared | {"OIDC_EMAIL_DOMAINS": ""}).stderr
