"""Onboarding over REST: who reaches what, and that each request acts once."""

from collections.abc import Callable
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.db import connection
from django.test.utils import CaptureQueriesContext
from rest_framework.test import APIClient

from onboarding import engine
from onboarding.models import OnboardingRequest
from onboarding.step_protocol import Refused
from orchestrator.ops.incidents import handling, opening
from orchestrator.repos import tokens
from orchestrator.repos.models import Repo, Token
from tests import scenes
from tests.onboarding.steps import ask_for, pass_due_steps

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("two_steps")]
BASE = "/api/v1/onboarding/"
BODY = {"repo": "acme/Billing", "block_family": "payments", "team_lead": "lead@example.org"}


@pytest.fixture
def as_token(db) -> Callable[..., APIClient]:
    """A client with a token of a repo, or of an operator."""

    def make(repo: Repo | None = None, name: str = "sre") -> APIClient:
        client = APIClient()
        client.credentials(HTTP_AUTHORIZATION=f"Bearer {tokens.create_token(name, repo)[1]}")
        return client

    return make


@pytest.fixture
def operator(as_token) -> APIClient:
    return as_token()


def post(client: APIClient, path: str, body: dict[str, Any], **headers: str) -> Any:
    return client.post(BASE + path, body, format="json", headers=headers)


def finish(name: str = "billing") -> OnboardingRequest:
    request = ask_for(name)
    engine.approve(request.pk, actor="lead@example.org")
    pass_due_steps()
    return OnboardingRequest.objects.get(pk=request.pk)


def test_the_same_key_and_body_ask_once(operator):
    first = post(operator, "", BODY, **{"Idempotency-Key": "job-7"})
    assert (first.status_code, first.json()["status"]) == (202, "checking")
    assert first["Location"].endswith(f"/api/v1/onboarding/{first.json()['reference']}/")
    again = post(operator, "", BODY, **{"Idempotency-Key": "job-7"})
    assert (again.status_code, again["Idempotent-Replayed"]) == (202, "true")
    assert again.json()["reference"] == first.json()["reference"]
    other = post(operator, "", BODY | {"repo": "acme/other"}, **{"Idempotency-Key": "job-7"})
    assert (other.status_code, other.json()["code"]) == (409, "onboarding:key-used-again")
    without = post(operator, "", BODY)
    assert (without.status_code, without.json()["code"]) == (409, "onboarding:already-requested")
    assert first.json()["reference"] in without.json()["detail"]
    made = OnboardingRequest.objects.get()
    assert (made.repo_name, made.code_host_path, made.requested_from) == (
        "billing",
        "acme/Billing",
        "token:sre",
    )


def test_every_field_that_is_wrong_is_named(operator):
    body = {"repo": "a/b/c", "block_family": "<b>", "team_lead": "nobody", "colour": "red"}
    answer = post(operator, "", body)
    assert answer.status_code == 422
    assert set(answer.json()["errors"]) == {"block_family", "team_lead", "colour"}
    # What depends on more than the form of a field comes when the form is right.
    body = {"repo": "a/b/c", "block_family": "compliance", "team_lead": "l@example.org"}
    body["clone_url"] = "https://10.0.0.1/a"
    answer = post(operator, "", body)
    assert set(answer.json()["errors"]) == {"repo", "clone_url"}
    assert not OnboardingRequest.objects.exists()


def test_who_has_made_the_token_is_not_the_lead(operator):
    User.objects.create_user("kim", BODY["team_lead"])
    Token.objects.update(created_by="kim")
    refused = post(operator, "", BODY)
    assert (refused.status_code, list(refused.json()["errors"])) == (422, ["team_lead"])
    batch = post(operator, "batch/", {"repos": f"acme/a, payments, {BODY['team_lead']}\n"})
    assert [(one["line"], one["column"]) for one in batch.json()["lines"]] == [(1, "team_lead")]
    for said in (refused.json()["errors"]["team_lead"][0], batch.json()["lines"][0]["message"]):
        assert "from a second person" in str(said)
    assert not OnboardingRequest.objects.exists()
    assert post(operator, "", BODY | {"team_lead": "tom@example.org"}).status_code == 202


def test_who_reaches_a_request(as_token, operator):
    ready, waiting = finish(), ask_for("ledger")
    own, other = as_token(Repo.objects.get(name="billing")), as_token(scenes.make_repo("other"))
    assert own.get(f"{BASE}{ready.reference}/").json()["repo_name"] == "billing"
    for client, reference in ((own, waiting.reference), (other, ready.reference), (operator, "ONB-22222")):
        refused = client.get(f"{BASE}{reference}/")
        assert (refused.status_code, refused.json()["code"]) == (404, "onboarding:unknown")
    assert [one["repo_name"] for one in own.get(BASE).json()["results"]] == ["billing"]
    assert other.get(BASE).json()["results"] == []
    assert post(own, f"{ready.reference}/offboard/", {"reason": "x"}).status_code == 403
    # People type it as they like.
    assert operator.get(f"{BASE}{ready.reference.lower()}/").status_code == 200


def test_filters_and_pages(operator):
    finish()
    for number in range(3):
        ask_for(f"repo-{number}")
    names = lambda query: [one["repo_name"] for one in operator.get(BASE + query).json()["results"]]  # noqa: E731
    assert names("?status=ready") == ["billing"]
    assert names("?repo_name=repo-1") == ["repo-1"]
    assert names("?phase=soak") == []
    first = operator.get(f"{BASE}?limit=2").json()
    assert [one["repo_name"] for one in first["results"]] == ["repo-2", "repo-1"]
    second = operator.get(first["next"]).json()
    assert [one["repo_name"] for one in second["results"]] == ["repo-0", "billing"]
    assert operator.get(f"{BASE}?status=gone").status_code == 400


def test_a_list_costs_as_many_queries_with_one_row_as_with_many(operator, django_assert_num_queries):
    ask_for("first")
    operator.get(BASE)
    with CaptureQueriesContext(connection) as with_one:
        operator.get(BASE)
    for number in range(4):
        ask_for(f"repo-{number}")
    with django_assert_num_queries(len(with_one)):
        operator.get(BASE)


def test_each_action_is_done_once_and_recorded(operator):
    request = ask_for()
    path = f"{request.reference}/"
    yes = post(operator, f"{path}approve/", {"reason": "the lead is on leave"})
    assert (yes.status_code, yes.json()["decided_by"]) == (200, "token:sre")
    assert yes.json()["events"][-1] | {"created_at": ""} == {
        "kind": "approved_on_behalf",
        "actor": "token:sre",
        "text": "the lead is on leave",
        "created_at": "",
    }
    twice = post(operator, f"{path}approve/", {"reason": "again"})
    assert (twice.status_code, twice.json()["code"]) == (409, "onboarding:already-decided")
    assert post(operator, f"{path}retry/", {"reason": "x"}).json()["code"] == "onboarding:not-in-that-state"
    pass_due_steps()
    shown = operator.get(BASE + path).json()
    assert shown["status"] == "ready"
    assert [(one["kind"], one["name"], one["status"]) for one in shown["steps"]] == [
        ("check", "lead_approved", "passed"),
        ("provision", "registration", "passed"),
    ]
    assert post(operator, f"{path}cancel/", {"reason": "x"}).status_code == 409
    for _ in range(2):
        gone = post(operator, f"{path}offboard/", {"reason": "moved"})
        assert (gone.status_code, gone.json()["status"]) == (200, "offboarding")
    pass_due_steps()
    assert operator.get(BASE + path).json()["status"] == "offboarded"
    assert post(operator, f"{path}reject/", {}).status_code == 422, "without a reason"


def test_a_failed_request_shows_its_cure_and_is_retried(operator):
    request = ask_for()
    pass_due_steps(Refused("CI is not configured.", "Add a workflow."))
    shown = operator.get(f"{BASE}{request.reference}/").json()
    assert (shown["status"], shown["steps"][0]["reason"], shown["steps"][0]["cure"]) == (
        "failed",
        "CI is not configured.",
        "Add a workflow.",
    )
    assert (
        post(operator, f"{request.reference}/retry/", {"reason": "it is there"}).json()["status"]
        == "checking"
    )


def test_a_batch_is_taken_whole_or_every_line_is_named(operator):
    bad = "acme/a, payments, lead@example.org\nacme/b, payments, nobody\n"
    refused = post(operator, "batch/", {"repos": bad})
    assert (refused.status_code, refused.json()["code"]) == (422, "onboarding:bad-batch")
    assert [(one["line"], one["column"]) for one in refused.json()["lines"]] == [(2, "team_lead")]
    assert not OnboardingRequest.objects.exists()
    good = bad.replace("nobody", "lead@example.org")
    taken = post(operator, "batch/", {"repos": good, "wanted_on": "2026-12-09"})
    assert taken.status_code == 202
    assert [one["wanted_on"] for one in taken.json()["requests"]] == ["2026-12-09"] * 2


def test_the_switch_closes_the_portal_and_says_why(operator, client):
    closed = post(operator, "rollout/close/", {"reason": "a freeze"})
    assert (closed.json()["is_open"], closed.json()["closed"]) == (False, "Onboarding is paused: a freeze")
    refused = post(operator, "", BODY)
    assert (refused.status_code, refused.json()["code"]) == (503, "onboarding:closed")
    page = client.get("/onboarding/")
    assert (page.status_code, "a freeze" in page.content.decode()) == (503, True)
    assert post(operator, "rollout/open/", {"reason": "over"}).json()["is_open"]
    assert post(operator, "", BODY).status_code == 202


def test_go_is_said_under_the_name_of_the_token(as_token):
    ask_for()
    incident, _ = opening.open_incident("Flows fail", "P1", actor="bob")
    vote = {"role": "pm", "verdict": "go"}
    early = post(as_token(name="paula"), "rollout/votes/", vote)
    assert (early.status_code, early.json()["code"]) == (409, "onboarding:nothing-to-vote-on")
    handling.resolve(incident.pk, actor="kim")
    missing = []
    for role, person in (("pm", "paula"), ("tl", "tom"), ("sre", "sam")):
        answer = post(as_token(name=person), "rollout/votes/", {"role": role, "verdict": "go"})
        missing.append(answer.json()["missing_votes"])
    assert missing == [["TL", "SRE"], ["SRE"], []]
    assert answer.json()["hold"] == ""
