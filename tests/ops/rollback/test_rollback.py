"""Rollbacks by hand: what is switched off, how people bring it back, and what no crash leaves half done."""

import re
from datetime import timedelta

import pytest
from django.db import IntegrityError, connection, transaction
from django.utils import timezone

from orchestrator.core.models import OutgoingEvent
from orchestrator.flows import engine
from orchestrator.ops.incidents.models import Incident
from orchestrator.ops.notifications.models import Notification
from orchestrator.ops.rollback import announcement, enforcement, plan, restoration
from orchestrator.ops.rollback.errors import (
    AnnouncementDecided,
    RepoNotRolledBack,
    RollbackInForce,
    RollbackNotInForce,
    UnknownRollback,
    VoteRefused,
    VotesMissing,
)
from orchestrator.ops.rollback.models import (
    ROLLBACK_TRANSITIONS,
    Rollback,
    RollbackStatus,
    RollbackVote,
)
from orchestrator.repos import halts, registration, repo_settings
from orchestrator.repos.models import Repo, RepoSetting
from tests import scenes
from tests.deploy import manifests

RUNBOOK_SQL = (
    "SELECT repo_name, onboarded_at FROM repos WHERE onboarded_at > '2025-11-12' ORDER BY onboarded_at DESC"
)
PEOPLE = {"pm": "paula", "tl": "tom", "sre": "sam"}


@pytest.fixture
def repos(db, settings) -> list[Repo]:
    """The pilot, two repos that came later, and one that is off."""
    settings.PILOT_REPOS = ("compliance-service",)
    settings.SLACK_BOT_TOKEN, settings.PAGERDUTY_ROUTING_KEY = "xoxb-1", "key"
    settings.EMAIL_HOST = "127.0.0.1"
    pilot = scenes.make_repo("compliance-service")
    Repo.objects.filter(pk=pilot.pk).update(onboarded_at="2025-11-04T08:00:00Z")
    made = [
        scenes.make_repo(name, team_lead=f"{name}@example.org") for name in ("api-gateway", "auth-service")
    ]
    return [pilot, *made, scenes.make_repo("data-pipelines", enabled=False)]


def apply(kind="pilot", **options) -> Rollback:
    """Begin a rollback and do what its task does."""
    made = enforcement.apply_rollback(kind, reason="many flows fail", actor="alice", **options)
    enforcement.finish_rollback(made.pk)
    made.refresh_from_db()
    return made


def agree(rollback: Rollback, repo: str, **people: str) -> None:
    for role, person in (PEOPLE | people).items():
        restoration.cast_vote(rollback.pk, repo, role=role, verdict="go", actor=person)


def is_enabled(name: str) -> bool:
    return bool(repo_settings.read_in_force(Repo.objects.get(name=name))["enabled"].value)


def test_the_plan_lists_the_repos_that_the_runbooks_sql_lists(repos):
    with connection.cursor() as cursor:
        cursor.execute(RUNBOOK_SQL)
        by_hand = cursor.fetchall()
    found = plan.plan_rollback("pilot", "drain")
    # Those that are off are in the runbook's list too; there is nothing to switch off.
    assert [(repo.repo_name, repo.onboarded_at) for repo in found.repos] == [
        row for row in by_hand if row[0] != "data-pipelines"
    ]
    assert [message.target for message in found.announcements] == [
        "#engineering",
        "api-gateway@example.org",
        "auth-service@example.org",
        "#engineering",
    ]
    assert not Rollback.objects.exists()


def test_pilot_scope_switches_off_everything_else(repos):
    rollback = apply()
    assert [is_enabled(repo.name) for repo in repos] == [True, False, False, False]
    assert rollback.status == "in_force"
    assert sorted(row.repo.name for row in rollback.repos.all()) == ["api-gateway", "auth-service"]
    # Every change of a setting leaves a row of history.
    assert RepoSetting.objects.filter(key="enabled", value=False, actor="alice").count() == 2
    incident = Incident.objects.get(pk=rollback.incident)
    assert (incident.severity, incident.source) == ("P1", "rollback")
    assert Notification.objects.filter(notifier="pagerduty").count() == 1
    texts = [entry.text for entry in incident.entries.filter(kind="rollback")]
    assert [" begins" in texts[0], " is in force" in texts[1]] == [True, True]


def test_nobody_switches_a_repo_on_past_the_votes(repos):
    apply()
    for name in ("api-gateway", "data-pipelines"):
        with pytest.raises(halts.RepoHalted, match="many flows fail"):
            repo_settings.set_value(Repo.objects.get(name=name), "enabled", True, actor="bob")
        with pytest.raises(IntegrityError), transaction.atomic(), connection.cursor() as cursor:
            cursor.execute("UPDATE repos SET enabled = true WHERE repo_name = %s", [name])


def test_onboarding_takes_only_pilot_repos_meanwhile(repos, settings):
    settings.PILOT_REPOS = ("compliance-service", "pilot-two")
    assert registration.is_onboarding_open()
    apply()
    assert not registration.is_onboarding_open()
    with pytest.raises(registration.OnboardingPaused):
        registration.register_repo("new-repo")
    assert registration.register_repo("pilot-two")[1]
    # One that is there is answered with, as always.
    assert not registration.register_repo("api-gateway")[1]


@pytest.mark.parametrize(("flows", "status"), [("drain", "pending"), ("cancel", "cancelled")])
def test_running_flows_drain_or_are_cancelled_as_chosen(repos, flows, status):
    ours, theirs = scenes.make_flow(repos[0]), scenes.make_flow(repos[1])
    rollback = apply(flows=flows)
    ours.refresh_from_db()
    theirs.refresh_from_db()
    assert (ours.status, theirs.status) == ("pending", status)
    assert plan.count_unfinished(row.repo for row in rollback.repos.all()) == (flows == "drain")


def test_what_it_has_cancelled_is_not_run_again_past_the_votes(repos):
    flow, drained = scenes.make_flow(repos[1]), scenes.make_flow(repos[2])
    scenes.park_stage(scenes.start_kind(drained, "context"), "no tokens", provider="google")
    scenes.cancel_flow(flow)
    rollback = apply()
    with pytest.raises(engine.FlowHalted, match="many flows fail"):
        engine.retry(flow.pk, actor="bob")
    # What drains may continue at once: it was never taken back.
    assert engine.retry(drained.pk, actor="bob").pk == drained.pk
    agree(rollback, "api-gateway")
    restoration.restore_repo(rollback.pk, "api-gateway", actor="sam")
    assert engine.retry(flow.pk, actor="bob").status == "running"


def test_a_task_that_dies_in_the_middle_is_finished_by_the_next(repos, monkeypatch):
    for _ in range(3):
        scenes.make_flow(repos[1])
    made = enforcement.apply_rollback("pilot", reason="x", actor="alice", flows="cancel")
    event = OutgoingEvent(subscriber="rollback.applied/worker", payload={"rollback": made.pk})
    sent = []
    monkeypatch.setattr(
        "orchestrator.ops.rollback.enforcement.app.send_task", lambda *args, **_: sent.append(args)
    )
    # The outbox keeps the event until the rollback is in force.
    assert not enforcement.send_to_worker(event)
    cancel, calls = enforcement.control.cancel, list[str]()

    def die_after_one(flow, **how):
        if calls:
            raise SystemExit
        calls.append(flow)
        return cancel(flow, **how)

    monkeypatch.setattr("orchestrator.ops.rollback.enforcement.control.cancel", die_after_one)
    with pytest.raises(SystemExit):
        enforcement.finish_rollback(made.pk)
    made.refresh_from_db()
    assert made.status == "applying"
    assert not is_enabled("api-gateway")
    assert not enforcement.send_to_worker(event)
    monkeypatch.setattr("orchestrator.ops.rollback.enforcement.control.cancel", cancel)
    for _ in range(2):
        enforcement.finish_rollback(made.pk)
    made.refresh_from_db()
    assert made.status == "in_force"
    assert enforcement.send_to_worker(event)
    assert len(sent) == 2
    assert made.announcements.filter(template="rollback_complete").count() == 1
    assert Incident.objects.get().entries.filter(text__contains="is in force").count() == 1


def test_there_is_one_of_a_kind(repos):
    apply()
    with pytest.raises(RollbackInForce):
        enforcement.apply_rollback("pilot", reason="again", actor="bob")
    assert apply("manual").status == "in_force"
    assert not is_enabled("compliance-service")


def test_announcements_are_drafts_until_somebody_sends_them_once(repos):
    rollback = apply()
    assert not Notification.objects.filter(target="#engineering").exists()
    first, *_ = rollback.announcements.order_by("id")
    assert first.body.startswith("🚨 Orchestrator rollback in progress.")
    announcement.send_announcement(first.pk, actor="bob")
    with pytest.raises(AnnouncementDecided):
        announcement.send_announcement(first.pk, actor="carol")
    assert Notification.objects.filter(target="#engineering").count() == 1
    mail = rollback.announcements.get(target="api-gateway@example.org")
    announcement.send_announcement(mail.pk, actor="bob", body="We are sorry.")
    assert Notification.objects.get(target="api-gateway@example.org").body == "We are sorry."
    other = rollback.announcements.get(target="auth-service@example.org")
    announcement.drop_announcement(other.pk, actor="bob")
    with pytest.raises(AnnouncementDecided):
        announcement.send_announcement(other.pk, actor="bob")


def test_a_repo_comes_back_after_go_by_three_people(repos):
    rollback = apply()
    with pytest.raises(VotesMissing, match="PM, TL, SRE"):
        restoration.restore_repo(rollback.pk, "api-gateway", actor="sam")
    agree(rollback, "api-gateway")
    restoration.restore_repo(rollback.pk, "api-gateway", actor="sam")
    assert is_enabled("api-gateway")
    assert not is_enabled("auth-service")
    with pytest.raises(RepoNotRolledBack):
        restoration.restore_repo(rollback.pk, "api-gateway", actor="sam")
    # Votes are for one repo.
    with pytest.raises(VotesMissing):
        restoration.restore_repo(rollback.pk, "auth-service", actor="sam")


def test_a_no_stops_it_until_all_three_say_go_again(repos):
    rollback = apply()
    agree(rollback, "api-gateway")
    restoration.cast_vote(
        rollback.pk, "api-gateway", role="tl", verdict="no", actor="tom", reason="not solved"
    )
    with pytest.raises(VotesMissing, match="not solved"):
        restoration.restore_repo(rollback.pk, "api-gateway", actor="sam")
    restoration.cast_vote(rollback.pk, "api-gateway", role="tl", verdict="go", actor="tom")
    with pytest.raises(VotesMissing, match="PM, SRE"):
        restoration.restore_repo(rollback.pk, "api-gateway", actor="sam")
    agree(rollback, "api-gateway")
    restoration.restore_repo(rollback.pk, "api-gateway", actor="sam")


def test_votes_expire(repos, settings):
    settings.ROLLBACK_VOTE_HOURS = 0
    rollback = apply()
    agree(rollback, "api-gateway")
    with pytest.raises(VotesMissing):
        restoration.restore_repo(rollback.pk, "api-gateway", actor="sam")


def test_one_person_votes_in_one_role(repos):
    rollback = apply()
    restoration.cast_vote(rollback.pk, "api-gateway", role="pm", verdict="go", actor="paula")
    with pytest.raises(VoteRefused):
        restoration.cast_vote(rollback.pk, "api-gateway", role="sre", verdict="go", actor="paula")


def test_votes_stay_as_they_were_cast(repos):
    rollback = apply()
    agree(rollback, "api-gateway")
    for change in (RollbackVote.objects.all().delete, lambda: RollbackVote.objects.update(verdict="no")):
        with pytest.raises(IntegrityError), transaction.atomic():
            change()


def test_the_last_repo_ends_the_rollback_and_opens_onboarding(repos):
    rollback = apply()
    for name in ("api-gateway", "auth-service"):
        agree(rollback, name)
        restoration.restore_repo(rollback.pk, name, actor="sam")
    rollback.refresh_from_db()
    assert (rollback.status, rollback.ended_by) == ("ended", "sam")
    assert registration.is_onboarding_open()
    # What was off before stays off, and may be switched on by hand again.
    assert not is_enabled("data-pipelines")
    repo_settings.set_value(repos[3], "enabled", True, actor="bob")
    topics = [
        event.payload["topic"] for event in OutgoingEvent.objects.filter(subscriber__startswith="announced")
    ]
    assert {"rollback.started", "rollback.ended"} <= set(topics)


def test_two_rollbacks_keep_a_repo_off_until_both_let_it_go(repos):
    pilot, manual = apply(), apply("manual")
    agree(pilot, "api-gateway")
    restoration.restore_repo(pilot.pk, "api-gateway", actor="sam")
    assert not is_enabled("api-gateway")
    # It was off when manual review began, so it is not in that rollback: its end lets go of it.
    agree(manual, "compliance-service")
    restoration.restore_repo(manual.pk, "compliance-service", actor="sam")
    assert is_enabled("compliance-service")


def test_the_previous_version_is_for_people_to_type_and_three_to_end(repos):
    rollback = apply("version")
    assert is_enabled("api-gateway")
    assert plan.COMMANDS["version"][0] == "kubectl rollout undo deployment/flowengine -n production"
    (said,) = rollback.announcements.all()
    assert (said.target, said.template) == ("#ops-alerts", "version_rolled_back")
    with pytest.raises(VotesMissing):
        restoration.restore_repo(rollback.pk, "", actor="sam")
    agree(rollback, "")
    assert restoration.restore_repo(rollback.pk, "", actor="sam").status == "ended"


def test_the_commands_name_what_the_manifests_deploy():
    found = manifests.build_overlay("production")
    deployed = {one["metadata"]["name"] for one in found if one["kind"] == "Deployment"}
    typed = " ".join(command for commands in plan.COMMANDS.values() for command in commands)
    named = set(re.findall(r"deployment[/ ]([a-z-]+)", typed))
    assert named <= deployed
    # Everything that runs the image is undone; Flower is not ours.
    assert deployed - named <= {"flower"}
    assert {one["metadata"]["namespace"] for one in found if one["kind"] == "Deployment"} == {"production"}


def test_what_asks_is_answered_with_yes_or_no(repos):
    asked = enforcement.ask_for_rollback(trigger="quota", reason="96 % used", actor="orchestrator")
    repos[1].refresh_from_db()
    assert (asked.status, repos[1].paused, is_enabled("api-gateway")) == ("asked", True, True)
    assert not registration.is_onboarding_open()
    declined = enforcement.decline_rollback(asked.pk, actor="bob", reason="the vendor raised it")
    repos[1].refresh_from_db()
    assert (declined.status, repos[1].paused) == ("declined", False)
    assert registration.is_onboarding_open()
    with pytest.raises(RollbackNotInForce):
        enforcement.decline_rollback(asked.pk, actor="bob", reason="again")
    again = enforcement.ask_for_rollback(trigger="quota", reason="97 % used", actor="orchestrator")
    assert apply().pk == again.pk
    repos[1].refresh_from_db()
    assert (repos[1].paused, is_enabled("api-gateway")) == (False, False)


def test_moves_outside_the_table_are_refused_by_the_database(repos):
    rollback = apply()
    for status in set(RollbackStatus) - ROLLBACK_TRANSITIONS[RollbackStatus.IN_FORCE] - {"in_force"}:
        with pytest.raises(IntegrityError), transaction.atomic(), connection.cursor() as cursor:
            cursor.execute(
                "UPDATE rollback_rollback SET status = %s, ended_at = %s",
                [status, timezone.now() if status in {"ended", "declined"} else None],
            )
    with pytest.raises(UnknownRollback):
        restoration.restore_repo(rollback.pk + 1, "x", actor="sam")


def test_a_rollback_that_is_over_stays_as_it_is(repos):
    rollback = apply("version")
    agree(rollback, "")
    restoration.restore_repo(rollback.pk, "", actor="sam")
    with pytest.raises(RollbackNotInForce):
        restoration.cast_vote(rollback.pk, "", role="pm", verdict="go", actor="paula")
    assert Rollback.objects.get().created_at > timezone.now() - timedelta(minutes=5)
