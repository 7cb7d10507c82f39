"""What may be asked for, and that a repo is asked for once."""

import threading
from datetime import timedelta
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.core.exceptions import ValidationError
from django.db import connection
from django.utils import timezone

from onboarding import engine
from onboarding.models import OnboardingRequest
from tests import scenes
from tests.onboarding.steps import ask_for


@pytest.mark.django_db(transaction=True)
def test_of_two_requests_at_once_one_is_taken_and_the_other_is_told():
    outcomes: list[str] = []
    begin = threading.Barrier(4)

    def ask() -> None:
        begin.wait()
        try:
            outcomes.append(ask_for().reference[:4])
        except engine.AlreadyRequested as error:
            outcomes.append(error.code)
        finally:
            connection.close()

    threads = [threading.Thread(target=ask) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(outcomes) == ["ONB-", *["onboarding:already-requested"] * 3]
    assert OnboardingRequest.objects.count() == 1


@pytest.mark.parametrize(
    ("given", "field"),
    [
        ({"code_host_path": "no-owner"}, "code_host_path"),
        ({"code_host_path": "a/b/c"}, "code_host_path"),
        ({"code_host_path": "https://github.com/a/b"}, "code_host_path"),
        ({"code_host_path": "a/b.git"}, "code_host_path"),
        ({"code_host_path": "a/.."}, "code_host_path"),
        ({"code_host_path": "-a/b"}, "code_host_path"),
        ({"code_host_path": "a/<b>"}, "code_host_path"),
        ({"code_host_path": "a/b\n"}, "code_host_path"),
        ({"code_host": "gitlab", "code_host_path": "alone"}, "code_host_path"),
        ({"code_host": "svn", "code_host_path": "a/b"}, "code_host"),
        ({"ci_system": "jenkins"}, "ci_system"),
        ({"ci_credentials": "none"}, "ci_credentials"),
        ({"phase": "beta"}, "phase"),
        ({"block_family": "<b>risk</b>"}, "block_family"),
        ({"block_family": ""}, "block_family"),
        ({"team_lead": "<script>@example.org"}, "team_lead"),
        ({"team_lead": "nobody"}, "team_lead"),
        ({"name": "<img src=x>"}, "repo_name"),
        ({"clone_url": "https://10.0.0.1/a/b.git"}, "clone_url"),
        ({"clone_url": "https://169.254.169.254/latest/meta-data"}, "clone_url"),
        ({"clone_url": "https://[::1]/a/b.git"}, "clone_url"),
        ({"clone_url": "https://localhost/a/b.git"}, "clone_url"),
        ({"clone_url": "https://git.corp.internal/a/b.git"}, "clone_url"),
        ({"clone_url": "https://me:secret@github.com/a/b.git"}, "clone_url"),
        ({"clone_url": "file:///etc/passwd"}, "clone_url"),
    ],
)
def test_what_is_refused_with_its_field(db, given, field):
    with pytest.raises(ValidationError) as refused:
        ask_for(**given)
    assert field in refused.value.message_dict
    assert not OnboardingRequest.objects.exists()


@pytest.mark.parametrize(
    ("email", "lead", "words"),
    [
        ("lead@example.org", "lead@example.org", "from a second person"),
        ("Lead@Example.org", "lead@example.ORG", "from a second person"),
        ("ann@example.org", "ann+lead@example.org", "from a second person"),
        ("ann+work@example.org", "ann@example.org", "from a second person"),
        ("", "lead@example.org", "no e-mail address"),
    ],
)
@pytest.mark.parametrize("asks_by", ["requested_by", "token_maker"])
def test_nobody_is_the_lead_of_their_own_request(db, email, lead, words, asks_by):
    ann = User.objects.create_user("ann", email)
    given: dict[str, Any] = {asks_by: ann, "team_lead": lead}
    with pytest.raises(ValidationError) as refused:
        ask_for(**given)
    (said,) = refused.value.message_dict["team_lead"]
    assert words in said
    assert not OnboardingRequest.objects.exists()


def test_an_account_is_its_name_too_where_that_is_an_address(db):
    ann = User.objects.create_user("ann@example.org", "ann.bell@example.org")
    for own in ("ann@example.org", "ann.bell@example.org"):
        with pytest.raises(ValidationError):
            ask_for(requested_by=ann, team_lead=own)
    assert ask_for(requested_by=ann, team_lead="ann@example.com").status == "checking"


def test_the_short_name_is_the_last_part_of_the_path(db):
    made = ask_for(name="", code_host="gitlab", code_host_path="group/sub/Billing")
    assert (made.repo_name, made.code_host_path) == ("billing", "group/sub/Billing")


def test_a_repo_that_is_here_is_not_asked_for(db):
    scenes.make_repo("here")
    with pytest.raises(engine.AlreadyEnabled):
        ask_for("here")


def test_the_phase_follows_from_the_lists_and_the_days_of_the_operators(db, settings):
    settings.PILOT_REPOS = ("compliance-service",)
    today = timezone.now().date()
    assert ask_for("compliance-service").phase == "pilot"
    assert ask_for("one").phase == "org"
    settings.SOAK_DAYS = (today - timedelta(days=1), today)
    assert ask_for("two").phase == "soak"
    assert ask_for("three", phase="org").phase == "org"
