"""`blocks onboarding` as an SRE types it. The runbook's commands are typed by tests of their own."""

import json

import pytest

from onboarding.models import OnboardingRequest
from orchestrator.repos import tokens
from tests.blocks.conftest import blocks, offline, repo, work  # noqa: F401 - fixtures
from tests.onboarding.steps import pass_due_steps

# Each command is a process of its own, which takes seconds on a machine that is busy.
pytestmark = pytest.mark.timeout(600)


def test_a_list_is_scheduled_approved_and_offboarded(blocks, transactional_db, work):  # noqa: F811
    secret = tokens.create_token("sre")[1]

    def run(*words: str, code: int = 0) -> str:
        done = blocks("onboarding", *words, BLOCKS_TOKEN=secret)
        assert done.returncode == code, (words, done.stdout, done.stderr)
        return str(done.stdout if code == 0 else done.stderr)

    listed = work / "repos.csv"
    listed.write_text("acme/billing, payments, lead@example.org\nacme/ledger, <b>, nobody\n")
    refused = run("schedule", str(listed), code=2)
    assert "1 line cannot be taken: line 2 team_lead: " in refused
    listed.write_text("acme/billing, payments, lead@example.org\n")
    assert "checking  billing  lead@example.org" in run("schedule", str(listed), "--on", "2020-01-01")
    reference = OnboardingRequest.objects.get().reference
    assert "approved_on_behalf token:sre on leave" in run("approve", reference, "--reason", "on leave")
    pass_due_steps()
    shown = json.loads(run("show", reference, "--json"))
    assert (shown["status"], shown["decided_by"]) == ("ready", "token:sre")
    assert "offboarding  billing" in run("offboard", reference, "--reason", "moved")
    assert "not cancelled any more" in run("cancel", reference, "--reason", "x", code=2)
