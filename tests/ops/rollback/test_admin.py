"""Rollbacks in the admin: the same functions as through REST, and refusals that people can read."""

from typing import Any

import pytest
from django.contrib.auth.models import User
from django.test import Client

from orchestrator.ops.notifications.models import Notification
from orchestrator.ops.rollback import enforcement
from orchestrator.ops.rollback.models import Announcement, Rollback, RollbackRepo, RollbackVote
from orchestrator.repos.models import Repo
from tests import scenes

ADMIN = "/admin/rollback/"


@pytest.fixture
def clients(db, settings) -> dict[str, Client]:
    """Three people, and a repo beside the pilot."""
    settings.PILOT_REPOS = ("compliance-service",)
    settings.SLACK_BOT_TOKEN = "xoxb-1"
    scenes.make_repo("compliance-service")
    scenes.make_repo("auth-service")
    made = {}
    for name in ("paula", "tom", "sam"):
        made[name] = Client()
        made[name].force_login(User.objects.create_superuser(name, f"{name}@example.org", "pw"))
    return made


def add(client: Client, model: str, **fields: Any) -> str:
    """The page after the form was sent."""
    answer = client.post(f"{ADMIN}{model}/add/", fields, follow=True)
    assert answer.status_code == 200
    return answer.content.decode()


def act(client: Client, model: str, action: str, *numbers: int) -> str:
    """The list after an action on the chosen rows."""
    body = {"action": action, "_selected_action": numbers, "index": "0"}
    return client.post(f"{ADMIN}{model}/", body, follow=True).content.decode()


def vote(client: Client, rollback: Rollback, role: str, repo: str = "") -> str:
    repo_id = Repo.objects.get(name=repo).pk if repo else ""
    return add(client, "rollbackvote", rollback=rollback.pk, repo=repo_id, role=role, verdict="go")


def finish() -> Rollback:
    rollback = Rollback.objects.latest("pk")
    enforcement.finish_rollback(rollback.pk)
    return rollback


def test_people_roll_back_and_bring_back(clients):
    sam = clients["sam"]
    assert "it affects: auth-service" in sam.get(f"{ADMIN}rollback/add/").content.decode()
    add(sam, "rollback", kind="pilot", flows="drain", reason="many flows fail")
    rollback = finish()
    assert (rollback.actor, Repo.objects.get(name="auth-service").enabled) == ("sam", False)
    # Refused in words, and nothing that was typed is lost.
    page = add(sam, "rollback", kind="pilot", flows="drain", reason="again and again")
    assert "bring repos back before you roll back again" in page
    assert "again and again" in page
    assert Rollback.objects.count() == 1

    row = RollbackRepo.objects.get()
    assert "without GO by PM, TL, SRE" in act(sam, "rollbackrepo", "restore", row.pk)
    for name, role in (("paula", "pm"), ("tom", "tl"), ("sam", "sre")):
        vote(clients[name], rollback, role, "auth-service")
    assert "sam has voted as SRE already" in vote(sam, rollback, "pm", "auth-service")
    assert RollbackVote.objects.count() == 3
    assert "done." in act(sam, "rollbackrepo", "restore", row.pk)
    rollback.refresh_from_db()
    assert (rollback.status, Repo.objects.get(name="auth-service").enabled) == ("ended", True)

    first, second = Announcement.objects.order_by("id")
    act(sam, "announcement", "send", first.pk)
    act(sam, "announcement", "drop", second.pk)
    assert "is sent already, by sam" in act(sam, "announcement", "send", first.pk)
    assert Notification.objects.filter(body=first.body).count() == 1
    assert not Notification.objects.filter(body=second.body).exists()


def test_a_rollback_to_the_previous_version_is_ended(clients):
    add(clients["sam"], "rollback", kind="version", flows="drain", reason="regressions")
    rollback = finish()
    assert "without GO by PM, TL, SRE" in act(clients["sam"], "rollback", "end", rollback.pk)
    for name, role in (("paula", "pm"), ("tom", "tl"), ("sam", "sre")):
        vote(clients[name], rollback, role)
    act(clients["tom"], "rollback", "end", rollback.pk)
    rollback.refresh_from_db()
    assert (rollback.status, rollback.ended_by) == ("ended", "tom")


def test_what_a_trigger_asks_for_is_declined(clients):
    asked = enforcement.ask_for_rollback(trigger="quota", reason="96 % used", actor="orchestrator")
    act(clients["sam"], "rollback", "decline", asked.pk)
    asked.refresh_from_db()
    assert (asked.status, asked.ended_by) == ("declined", "sam")
    assert "only one that asks can be declined" in act(clients["sam"], "rollback", "decline", asked.pk)


@pytest.mark.parametrize(
    "model",
    ["rollback", "rollbackrepo", "rollbackvote", "announcement", "triggerstate", "triggerdecision"],
)
def test_every_list_is_there(clients, model):
    enforcement.apply_rollback("pilot", reason="many flows fail", actor="alice")
    assert clients["sam"].get(f"{ADMIN}{model}/").status_code == 200
