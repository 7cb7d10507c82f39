"""What an operator types: `blocks notify` and `blocks alerts test`, over REST, to receivers on loopback."""

import pytest
from typer.testing import CliRunner

from blocks.cli import notify
from orchestrator.dev.receivers import Receivers
from orchestrator.ops.notifications import delivery
from orchestrator.repos import tokens
from tests.blocks.conftest import blocks, offline, repo, work  # noqa: F401 - fixtures


@pytest.fixture
def operator(settings, transactional_db, monkeypatch):
    """An operator's environment. Each task is run at once, as the control worker of ``make up`` does."""
    monkeypatch.setattr(delivery.app, "send_task", lambda _, args, **__: delivery.deliver(*args))
    with Receivers() as receivers:
        settings.SLACK_API_URL = f"{receivers.url}/slack/api"
        settings.SLACK_BOT_TOKEN = "xoxb-" + "1" * 12
        settings.EMAIL_HOST = "localhost"
        yield receivers, {"BLOCKS_TOKEN": tokens.create_token("sre")[1]}


def test_the_messages_of_the_runbook(blocks, operator):  # noqa: F811
    receivers, environment = operator
    text = "🚨 Orchestrator rollback in progress. New onboarding paused. Existing flows will continue."
    done = blocks("notify", "slack", "--channel", "engineering", "--message", text, **environment)
    assert (done.returncode, done.stdout) == (0, "sent to #engineering\n"), done.stderr
    assert receivers.received.slack_messages[0]["text"] == text
    done = blocks(
        *("notify", "email", "--to", "affected_repos@company.com"),
        *("--subject", "[Blocks Orchestrator] Temporary Rollback", "--body", "Disabled for now."),
        **environment,
    )
    assert done.stdout == "sent to affected_repos@company.com\n"


def test_a_message_that_is_refused_says_what_to_do(blocks, operator):  # noqa: F811
    done = blocks("notify", "slack", "--channel", "nobody", "--message", "x", **operator[1])
    assert done.returncode == 2
    assert "channel_not_found" in done.stderr
    assert "cure: Correct the channel's name" in done.stderr


def test_a_message_that_has_to_wait_is_kept(operator, service, work, monkeypatch):  # noqa: F811
    operator[0].received.refuse_next = [(429, "ratelimited")]
    # In this process, so that the command need not wait for as long as a user would.
    monkeypatch.setattr(notify, "WAIT_SECONDS", 1)
    monkeypatch.chdir(work)
    command = ["slack", "--channel", "engineering", "--message", "x"]
    done = CliRunner().invoke(notify.app, command, env={"BLOCKS_API_URL": service.url} | operator[1])
    # The outbox tries again later than the command waits.
    assert done.exit_code == 8
    assert "kept for #engineering, and sent as soon as possible" in done.stdout


def test_a_repo_may_not_speak_for_the_operators(blocks, operator):  # noqa: F811
    done = blocks("notify", "slack", "--channel", "engineering", "--message", "x")
    assert done.returncode == 4


def test_an_alert_cannot_be_tested_without_its_servers(blocks, operator):  # noqa: F811
    done = blocks("alerts", "test", "budget_burn_rate", **operator[1])
    assert done.returncode == 5
    assert "cure: Set PROMETHEUS_URL and ALERTMANAGER_URL" in done.stderr
