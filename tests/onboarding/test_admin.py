"""The admin of onboarding: the same powers as REST, with the same records."""

from typing import Any

import pytest
from django.contrib.auth.models import Group, User
from django.test import Client

from onboarding import engine, rollout
from onboarding.models import OnboardingRequest, RolloutVote
from onboarding.step_protocol import Refused
from orchestrator.core.models import AuditEntry
from orchestrator.ops.incidents import handling, opening
from orchestrator.web import roles
from tests.onboarding.steps import ask_for, pass_due_steps

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("two_steps")]
BASE = "/admin/onboarding/onboardingrequest/"


def log_in(name: str, group: str = "SRE") -> Client:
    roles.write_groups()
    user = User.objects.create_user(name, f"{name}@example.org", is_staff=True)
    user.groups.add(Group.objects.get(name=group))
    client = Client()
    client.force_login(user)
    return client


@pytest.fixture
def sre(db) -> Client:
    return log_in("sam")


def act(client: Client, action: str, *rows: OnboardingRequest, **more: str) -> str:
    body: dict[str, Any] = {"action": action, "_selected_action": [row.pk for row in rows], "index": "0"}
    return client.post(BASE, body | more, follow=True).content.decode()


def do(client: Client, action: str, *rows: OnboardingRequest) -> str:
    return act(client, action, *rows, confirmed="yes", reason="asked for by the team")


def test_every_action_asks_why_and_is_done_once(sre):
    request = ask_for()
    asked = act(sre, "approve", request)
    assert "You say yes instead of the team lead" in asked
    assert OnboardingRequest.objects.get().decided_by == ""
    assert "1 approved: financial-reporting" in do(sre, "approve", request)
    assert "is approved already, by sam" in do(sre, "approve", request)
    event = request.events.get(kind="approved_on_behalf")
    assert (event.actor, event.text) == ("sam", "asked for by the team")
    entry = AuditEntry.objects.filter(subject="onboarding_onboardingrequest", actor="sam").first()
    assert entry is not None
    assert entry.reason == "asked for by the team"
    pass_due_steps()
    assert "not cancelled any more" in do(sre, "cancel", request)
    assert "1 being offboarded" in do(sre, "offboard", request)
    pass_due_steps()
    assert OnboardingRequest.objects.get().status == "offboarded"


def test_a_failed_one_is_retried_and_a_new_one_is_cancelled_or_rejected(sre):
    failed = ask_for("failed")
    pass_due_steps(Refused("CI is not configured.", "Add a workflow."))
    assert "1 started again: failed" in do(sre, "retry", failed)
    assert "1 cancelled: failed" in do(sre, "cancel", failed)
    assert "1 rejected: other" in do(sre, "reject", ask_for("other"))


def test_the_page_of_a_request_has_its_steps_log_and_timeline(sre):
    request = ask_for("shown")
    (step,) = engine.find_due_steps()
    claim = engine.claim_step(step, "a test")
    assert claim is not None
    engine.add_to_log(claim, "looked at <b>main</b>")
    engine.finish_step(claim, Refused("The default branch is protected.", "Let us open a pull request."))
    page = sre.get(f"{BASE}{request.pk}/change/").content.decode()
    for words in (
        "The default branch is protected.",
        "Let us open a pull request.",
        "submitted",
        "looked at",
    ):
        assert words in page, words
    assert "looked at <b>" not in page


def test_a_viewer_sees_and_does_nothing(db):
    viewer, request = log_in("vera", "Viewer"), ask_for()
    assert viewer.get(BASE).status_code == 200
    do(viewer, "approve", request)
    assert OnboardingRequest.objects.get().decided_by == ""
    assert viewer.get(f"{BASE}schedule/").status_code == 403
    assert viewer.get(f"{BASE}rollout/").status_code == 200
    assert viewer.post(f"{BASE}rollout/", {"do": "close", "switch-reason": "x"}).status_code == 403
    assert rollout.find_closure() == ""


def test_a_list_is_scheduled_or_every_bad_line_is_shown(sre):
    bad = "acme/a, payments, lead@example.org\nacme/b, <b>, nobody\n"
    page = sre.post(f"{BASE}schedule/", {"repos": bad}).content.decode()
    assert "line 2, team_lead" in page
    assert "line 2, block_family" in page
    assert not OnboardingRequest.objects.exists()
    good = "acme/a, payments, lead@example.org\nacme/b, payments, lead@example.org\n"
    answer = sre.post(f"{BASE}schedule/", {"repos": good, "wanted_on": "2026-12-09"}, follow=True)
    assert "2 repos are asked for" in answer.content.decode()
    assert {str(one.wanted_on) for one in OnboardingRequest.objects.all()} == {"2026-12-09"}
    assert {one.requested_from for one in OnboardingRequest.objects.all()} == {"sam"}


def test_the_switch_wants_a_reason_and_is_recorded(sre):
    page = sre.post(f"{BASE}rollout/", {"do": "close", "switch-reason": ""}).content.decode()
    assert "required" in page
    sre.post(f"{BASE}rollout/", {"do": "close", "switch-reason": "a freeze"})
    assert rollout.find_closure() == "Onboarding is paused: a freeze"
    assert "a freeze" in sre.get(f"{BASE}rollout/").content.decode()
    sre.post(f"{BASE}rollout/", {"do": "open", "switch-reason": "over"})
    assert rollout.find_closure() == ""


def test_three_people_say_go(sre):
    ask_for()
    incident, _ = opening.open_incident("Flows fail", "P1", actor="bob")
    vote = {"do": "vote", "vote-role": "sre", "vote-verdict": "go", "vote-reason": "the fix is out"}
    assert "Resolve the incident first" in sre.post(f"{BASE}rollout/", vote).content.decode()
    handling.resolve(incident.pk, actor="kim")
    assert sre.post(f"{BASE}rollout/", vote).status_code == 302
    twice = sre.post(f"{BASE}rollout/", vote | {"vote-role": "pm"}).content.decode()
    assert "has voted in another role" in twice
    for name, role in (("paula", "pm"), ("tom", "tl")):
        log_in(name).post(f"{BASE}rollout/", vote | {"vote-role": role})
    assert rollout.find_hold() == ""
    assert [str(one) for one in RolloutVote.objects.order_by("id")] == [
        "SRE sam: GO",
        "PM paula: GO",
        "TL tom: GO",
    ]
