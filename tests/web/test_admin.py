"""The admin: every list and page opens, and its actions do what they say."""

import pytest
from django.apps import apps
from django.contrib import admin
from django.contrib.auth.models import User
from django.test import Client

from onboarding.models import OnboardingRequest
from orchestrator.flows.models import Flow, Hold
from orchestrator.repos import tokens
from orchestrator.repos.models import Repo, RepoSetting, Token
from tests import scenes

OURS = ("repos", "flows", "gates", "onboarding")


@pytest.fixture
def sre(db) -> Client:
    """An SRE who has logged in."""
    client = Client()
    client.force_login(User.objects.create_superuser("sre", "sre@example.org", "pw"))
    return client


def run_action(client: Client, path: str, action: str, *keys: object, **answers: object) -> str:
    """Choose rows and run an action on them; the page that follows. ``answers`` are to the page that asks."""
    body = {"action": action, "_selected_action": [str(key) for key in keys], "index": "0"} | answers
    return client.post(f"/admin/{path}/", body, follow=True).content.decode()


def act(client: Client, path: str, action: str, *keys: object, **answers: object) -> str:
    """The same for an action that asks why, with the answer."""
    answers.setdefault("reason", "asked for by the team")
    return run_action(client, path, action, *keys, confirmed="yes", **answers)


def test_every_list_and_page_opens(sre):
    scenes.run_through(scenes.make_flow())
    RepoSetting.objects.create(repo=scenes.make_repo(), key="gates.mode", value="strict", actor="x")
    tokens.create_token("t")
    OnboardingRequest.objects.create(repo_name="new", block_family="d", team_lead="lead@example.org")
    shown = [
        model
        for label in OURS
        for model in apps.get_app_config(label).get_models()
        if admin.site.is_registered(model)
    ]
    assert {"Flow", "Stage", "Repo", "Token", "RepoSetting", "GateResult", "OnboardingRequest"} <= {
        m.__name__ for m in shown
    }
    for model in shown:
        base = f"/admin/{model._meta.app_label}/{model._meta.model_name}/"
        assert sre.get(base).status_code == 200, base
        row = model._default_manager.first()
        if row is not None and model not in {Token, Hold}:
            assert sre.get(f"{base}{row.pk}/change/").status_code == 200, base


def test_flows_are_read_only_but_for_the_engines_verbs(sre):
    flow = scenes.make_flow()
    assert sre.get("/admin/flows/flow/add/").status_code == 403
    assert sre.post(f"/admin/flows/flow/{flow.pk}/delete/", {"post": "yes"}).status_code == 403
    act(sre, "flows/flow", "pause", flow.pk)
    assert Flow.objects.get().status == "paused"
    act(sre, "flows/flow", "resume", flow.pk)
    act(sre, "flows/flow", "cancel", flow.pk)
    assert Flow.objects.get().status == "cancelled"
    act(sre, "flows/flow", "retry", flow.pk)
    assert Flow.objects.get().status == "running"
    assert "Wait for the flow to end" in act(sre, "flows/flow", "retry", flow.pk)
    act(sre, "flows/flow", "set_priority", flow.pk, priority="5")
    assert Flow.objects.get().priority == 5


def test_a_tokens_secret_is_shown_once_and_works(sre):
    scenes.make_repo()
    form = {"name": "ci", "repo": Repo.objects.get().pk, "scopes": ["flows:read", "ops:write"]}
    refused = sre.post("/admin/repos/token/add/", form).content.decode()
    assert "cannot have the scopes of operators" in refused
    form["scopes"] = ["flows:read"]
    page = sre.post("/admin/repos/token/add/", form, follow=True).content.decode()
    secret = page.partition("not shown again: ")[2].partition("<")[0].strip()
    made = tokens.find_token(secret)
    assert (made.name, made.granted_scopes, made.created_by) == ("ci", ("flows:read",), "sre")
    assert secret not in sre.get("/admin/repos/token/").content.decode()
    page = run_action(sre, "repos/token", "rotate", made.pk)
    successor = tokens.find_token(page.partition("not shown again: ")[2].partition("<")[0].strip())
    assert successor.replaces == made
    assert "was rotated before" in run_action(sre, "repos/token", "rotate", made.pk)
    run_action(sre, "repos/token", "revoke", made.pk)
    assert tokens.find_token(secret) is None
    assert "it cannot be rotated" in run_action(sre, "repos/token", "rotate", made.pk)


def test_an_empty_field_never_means_everything(sre):
    repo = scenes.make_repo()
    for address, body in (
        ("token", {"name": "ci", "scopes": ["flows:read"]}),
        ("token", {"name": "ci", "scopes": ["flows:read"], "repo": repo.pk, "every_repo": "on"}),
        ("reposetting", {"key": "context.max_size_kb", "value": "90"}),
    ):
        page = sre.post(f"/admin/repos/{address}/add/", body).content.decode()
        assert "Choose one repo, or say that it is for every repo." in page
    assert not Token.objects.exists()
    form = {"name": "ops", "scopes": ["ops:read"], "every_repo": "on"}
    page = sre.post("/admin/repos/token/add/", form, follow=True)
    assert "This token reaches every repo." in page.content.decode()
    assert Token.objects.get().repo is None
    for body in (
        {"scope": "repo"},
        {"scope": "queue", "target": "nope"},
        {"scope": "everything", "target": "x"},
    ):
        assert sre.post("/admin/flows/hold/add/", body | {"reason": "r"}).status_code == 200
    assert not Hold.objects.exists()
    sre.post("/admin/flows/hold/add/", {"scope": "queue", "target": "openai", "reason": "r"})
    assert Hold.objects.get().target == "openai"


def test_settings_are_added_checked_and_never_changed(sre):
    repo = scenes.make_repo()
    body = {"repo": repo.pk, "key": "gates.min_unit_coverage", "value": "10"}
    assert "cannot be relaxed" in sre.post("/admin/repos/reposetting/add/", body).content.decode()
    sre.post("/admin/repos/reposetting/add/", body | {"value": "95"})
    row = RepoSetting.objects.get()
    assert (row.value, row.actor) == (95, "sre")
    sre.post(f"/admin/repos/reposetting/{row.pk}/change/", body | {"value": "99"})
    row.refresh_from_db()
    assert row.value == 95


def test_switching_a_repo_off_leaves_a_trace(sre):
    repo = scenes.make_repo()
    run_action(sre, "repos/repo", "switch_off", repo.pk)
    repo.refresh_from_db()
    assert not repo.enabled
    assert RepoSetting.objects.get().actor == "sre"
