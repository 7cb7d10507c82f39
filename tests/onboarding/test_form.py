"""From the form to a registered repo."""

import pytest
from django.contrib.auth.models import User
from django.test import Client

from onboarding import engine
from onboarding.models import OnboardingRequest
from orchestrator.repos.models import Repo
from tests import scenes
from tests.onboarding.steps import run_due_steps

GOOD = {
    "repo_name": "Financial-Reporting",
    "block_family": "reporting",
    "team_lead": "lead@example.org",
    "clone_url": "",
}


def ask(**changes: str):
    return Client().post("/onboarding/", GOOD | changes)


def test_a_request_is_stored_and_an_sre_approves_it_once(db):
    answer = ask()
    assert answer["Location"] == "/onboarding/thanks/"
    assert Client().get("/onboarding/thanks/").status_code == 200
    request = OnboardingRequest.objects.get()
    assert (request.repo_name, request.status) == ("financial-reporting", "checking")
    sre = Client()
    sre.force_login(User.objects.create_superuser("sre", "sre@example.org", "pw"))
    body = {"action": "approve", "_selected_action": [request.pk], "index": "0"}
    answer = sre.post("/admin/onboarding/onboardingrequest/", body, follow=True)
    assert "financial-reporting approved" in answer.content.decode()
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


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"repo_name": ""}, "required"),
        ({"repo_name": "no spaces"}, "lower-case letters"),
        ({"team_lead": "nobody"}, "valid email"),
        ({"block_family": ""}, "required"),
        ({"clone_url": "file:///etc"}, "begins with https://"),
        ({"clone_url": "https://user:pw@host/x"}, "Leave user and password out"),
    ],
)
def test_what_the_form_refuses(db, changes, words):
    answer = ask(**changes)
    assert answer.status_code == 422
    assert words in answer.content.decode()
    assert not OnboardingRequest.objects.exists()


def test_one_open_request_for_a_repo_and_none_for_a_registered_one(db):
    ask()
    assert "asked for already" in ask().content.decode()
    engine.reject(OnboardingRequest.objects.get().pk, actor="sre")
    assert ask().status_code == 302
    scenes.make_repo("here")
    assert "enabled already" in ask(repo_name="here").content.decode()


def test_decided_once_only(db):
    ask()
    request = engine.reject(OnboardingRequest.objects.get().pk, actor="a")
    with pytest.raises(engine.AlreadyDecided):
        engine.approve(request.pk, actor="b")
    assert not Repo.objects.exists()


def test_switched_off(db, settings):
    settings.ONBOARDING_ENABLED = False
    answer = ask()
    assert answer.status_code == 503
    assert "Onboarding is paused" in answer.content.decode()
    assert not OnboardingRequest.objects.exists()
