"""The launch runbook's rollback as an SRE types it: plan, apply, announce, vote, restore."""

import json
from typing import Any

import pytest

from orchestrator.dev.receivers import Receivers
from orchestrator.ops.notifications import delivery
from orchestrator.ops.rollback import enforcement
from orchestrator.repos import tokens
from tests import scenes
from tests.blocks.conftest import blocks, offline, repo, work  # noqa: F401 - fixtures

# Each command is a process of its own, which takes seconds on a machine that is busy.
pytestmark = pytest.mark.timeout(600)


def run_task(name: str, args: Any = (), **_: Any) -> None:
    """The control worker: what is sent is done at once."""
    {delivery.TASK: delivery.deliver, enforcement.TASK: enforcement.finish_rollback}[name](*args)


@pytest.fixture
def sre(blocks, transactional_db, settings, monkeypatch):  # noqa: F811
    """`blocks` as somebody with an operator's token of their own."""
    monkeypatch.setattr("orchestrator.celery.app.send_task", run_task)
    settings.PILOT_REPOS = ("compliance-service",)
    for name in ("financial-reporting", "auth-service"):
        scenes.make_repo(name, team_lead=f"{name}@example.org")
    made: dict[str, str] = {}

    def run(*words: str, person: str = "sre", code: int = 0) -> str:
        if person not in made:
            made[person] = tokens.create_token(person)[1]
        done = blocks(*words, BLOCKS_TOKEN=made[person])
        assert done.returncode == code, (words, done.stdout, done.stderr)
        return str(done.stdout if code == 0 else done.stderr)

    with Receivers() as receivers:
        settings.SLACK_API_URL, settings.SLACK_BOT_TOKEN = f"{receivers.url}/slack/api", "xoxb-" + "1" * 12
        run.received = receivers.received  # type: ignore[attr-defined]
        yield run


def test_to_pilot_scope_and_back(sre):
    plan = sre("rollback", "plan", "--to", "pilot")
    assert "financial-reporting" in plan
    assert "2 repos are switched off" in plan
    done = json.loads(sre("rollback", "apply", "--to", "pilot", "--reason", "many flows fail", "--json"))
    assert done["status"] == "in_force"
    assert "enabled: true\n" in sre("config", "show", "--repo", "compliance-service")
    assert "enabled: false\n" in sre("config", "show", "--repo", "financial-reporting")
    assert "onboarding: paused" in sre("rollback", "status")
    # The rollback is not announced before somebody has looked.
    first, *_, last = [one["id"] for one in done["announcements"]]
    said = [message["text"] for message in sre.received.slack_messages]
    assert not [text for text in said if "rollback in progress" in text]
    assert ": sent" in sre("rollback", "announce", str(first))
    assert [message["text"] for message in sre.received.slack_messages][-1].startswith(
        "🚨 Orchestrator rollback in progress."
    )
    sre("rollback", "announce", str(first), code=2)
    assert ": dropped" in sre("rollback", "announce", str(last), "--drop")

    restore = ("rollback", "restore", "--repo", "financial-reporting")
    assert "without GO by PM, TL, SRE" in sre(*restore, code=2)
    for role in ("pm", "tl", "sre"):
        vote = ("rollback", "vote", "--repo", "financial-reporting", "--role", role, "--verdict", "go")
        assert f"{role} go by token:{role}" in sre(*vote, person=role)
    assert "financial-reporting: enabled again by token:sre" in sre(*restore)
    assert "enabled: true\n" in sre("config", "show", "--repo", "financial-reporting")
    assert "enabled: false\n" in sre("config", "show", "--repo", "auth-service")


def test_the_previous_version_prints_what_to_type(sre):
    assert "$ kubectl rollout undo deployment/flowengine -n production" in sre(
        "rollback", "plan", "--to", "version"
    )
    shown = sre("rollback", "apply", "--to", "version", "--reason", "regressions of v1.2")
    assert "rollback 1 to version: in_force" in shown.replace(shown.split()[1], "1", 1)


def test_what_a_trigger_asks_for_is_declined(sre):
    asked = enforcement.ask_for_rollback(trigger="quota", reason="96 % used", actor="orchestrator")
    assert ": asked" in sre("rollback", "status")
    shown = sre("rollback", "decline", str(asked.pk), "--reason", "the vendor has raised it")
    assert ": declined" in shown
    assert "Not exactly one rollback" in sre("rollback", "restore", code=2)
