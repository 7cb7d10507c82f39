"""An SRE decides on a request in the admin."""

import pytest
from django.contrib.auth.models import User
from django.test import Client

from onboarding import engine
from orchestrator.repos.models import Repo
from tests import scenes
from tests.onboarding.steps import ask_for, keep_only, run_due_steps


@pytest.fixture(autouse=True)
def few_steps(monkeypatch):
    """The decision, and one step that shows what it leads to."""
    keep_only(monkeypatch, "lead_approved", "registration")


def test_an_sre_approves_a_request_once(db):
    request = ask_for("financial-reporting")
    sre = Client()
    sre.force_login(User.objects.create_superuser("sre", "sre@example.org", "pw"))
    body = {"action": "approve", "_selected_action": [request.pk], "index": "0"}
    body |= {"confirmed": "yes", "reason": "the lead is on leave"}
    answer = sre.post("/admin/onboarding/onboardingrequest/", body, follow=True)
    assert "1 approved: financial-reporting" in answer.content.decode()
    run_due_steps()
    repo = Repo.objects.get()
    assert (repo.name, repo.domain, repo.team_lead) == (
        "financial-reporting",
        "reporting",
        "lead@example.org",
    )
    request.refresh_from_db()
    assert (request.status, request.repo, request.decided_by) == ("ready", repo, "sre")
    assert (
        "approved already"
        in sre.post("/admin/onboarding/onboardingrequest/", body, follow=True).content.decode()
    )


def test_one_open_request_for_a_repo_and_none_for_a_registered_one(db):
    request = ask_for("ledger")
    with pytest.raises(engine.AlreadyRequested):
        ask_for("ledger")
    engine.reject(request.pk, actor="sre")
    ask_for("ledger")
    scenes.make_repo("here")
    with pytest.raises(engine.AlreadyEnabled):
        ask_for("here")


def test_decided_once_only(db):
    request = engine.reject(ask_for("ledger").pk, actor="a")
    with pytest.raises(engine.AlreadyDecided):
        engine.approve(request.pk, actor="b")
    assert not Repo.objects.exists()
