"""The audit trail: what is in it, regardless of how a row was changed, and that nobody takes it out again."""

from collections.abc import Callable
from typing import Any

import pytest
from django.apps import apps
from django.contrib import admin
from django.contrib.auth.models import Group, User
from django.db import IntegrityError, connection, transaction

from onboarding import engine as onboarding_engine
from onboarding.models import OnboardingRequest
from orchestrator.core import audit
from orchestrator.core.models import AuditEntry
from orchestrator.flows import engine
from orchestrator.ops.notifications.models import Subscription
from orchestrator.repos import repo_settings, tokens
from orchestrator.repos.models import Membership
from providers import breaker, quota_report
from tests import scenes

pytestmark = pytest.mark.django_db

# Tables that people change by the admin and that keep who, when and why in another way.
KEPT_ELSEWHERE = {
    "incidents_incident": "its timeline, which a trigger keeps",
    "incidents_incidententry": "it is the timeline",
    "incidents_incidentreview": "its timeline has the finish, with the name",
    "incidents_actionitem": "its timeline has the finish, with the name",
    "core_outgoingevent": "an action only asks for another delivery",
    "notifications_notification": "an action only asks for another delivery; created_by says who wrote it",
    "preflight_personanswer": "each answer is a row with the name; a new answer is a new row",
    "reports_figureanswer": "each answer is a row with the name; a new answer is a new row",
    "rollback_rollback": "a trigger keeps who began and ended it, and its incident has the timeline",
    "rollback_rollbackrepo": "the same",
    "rollback_rollbackvote": "a trigger keeps each vote",
    "rollback_announcement": "it says who has sent or dropped it",
    "status_maintenance": "it is public, and says who has planned it",
    "training_trainee": "records, without rights",
    "training_trainingmodule": "records, without rights",
    "training_trainingsession": "records, without rights",
    "training_trainingscore": "records, without rights",
    "training_feedback": "records, without rights",
    "axes_accessattempt": "guesses at passwords, which a log-in clears",
    "axes_accessfailurelog": "a log of a package",
    "axes_accesslog": "a log of a package",
}


def run_sql(statement: str, *values: str) -> None:
    """As an operator types it into psql, past every model and every function of the product."""
    with connection.cursor() as cursor:
        cursor.execute(statement, values)


def read_trail(subject: str) -> list[tuple[str, str, str, dict[str, Any]]]:
    """Operation, actor, reason and changes, the oldest first."""
    rows = AuditEntry.objects.filter(subject=subject).order_by("id")
    return [(row.operation, row.actor, row.reason, row.changes) for row in rows]


def act_on_flow(verb: Callable[..., Any], flow_id: str, *arguments: object) -> None:
    verb(flow_id, *arguments, actor="ann", reason=f"{verb.__name__} asked for")


def test_what_people_do_to_a_flow_is_kept_with_their_reason():
    flow = scenes.make_flow()
    act_on_flow(engine.set_priority, flow.pk, 7)
    for verb in (engine.pause, engine.resume, engine.cancel, engine.retry):
        act_on_flow(verb, flow.pk)
    assert read_trail("flows_flow") == [
        ("update", "ann", "set_priority asked for", {"priority": [0, 7]}),
        ("update", "ann", "pause asked for", {"status": ["pending", "paused"]}),
        ("update", "ann", "resume asked for", {"status": ["paused", "pending"]}),
        ("update", "ann", "cancel asked for", {"status": ["pending", "cancelled"]}),
        ("update", "ann", "retry asked for", {"status": ["cancelled", "running"]}),
    ]
    # The followers of the flow read the same words.
    told = {event.kind: event.data for event in flow.events.filter(kind__startswith="flow.")}
    assert told["flow.resumed"] == {"by": "ann", "reason": "resume asked for"}
    assert told["flow.priority"] == {"by": "ann", "reason": "set_priority asked for", "priority": 7}


def test_what_the_engine_does_by_itself_is_not_in_it():
    scenes.run_through(scenes.make_flow())
    scenes.run_through(scenes.make_flow(), gates_fail=True)
    assert read_trail("flows_flow") == []


def test_sql_that_somebody_types_is_in_it_and_says_which_role():
    flow = scenes.make_flow()
    with connection.cursor() as cursor:
        cursor.execute("SELECT session_user")
        (role,) = cursor.fetchone()
    before = list(AuditEntry.objects.values_list("pk", flat=True))
    run_sql("UPDATE flows_flow SET priority = 99 WHERE id = %s", flow.pk)
    run_sql("UPDATE repos SET enabled = false")
    run_sql("INSERT INTO flows_hold (scope, reason) VALUES ('everything', 'psql')")
    run_sql("DELETE FROM flows_hold")
    entries = AuditEntry.objects.order_by("id").exclude(pk__in=before)
    found = [(one.subject, one.operation, one.actor, one.database_role) for one in entries]
    assert found == [
        ("flows_flow", "update", "", role),
        ("repos", "update", "", role),
        ("flows_hold", "insert", "", role),
        ("flows_hold", "delete", "", role),
    ]
    assert entries[1].changes == {"enabled": [True, False]}
    assert entries[1].subject_key == "compliance-service"


@pytest.mark.parametrize(
    "statement", ["UPDATE core_auditentry SET actor = 'nobody'", "DELETE FROM core_auditentry"]
)
def test_nobody_changes_or_deletes_an_entry(statement):
    scenes.make_repo()
    before = list(AuditEntry.objects.values_list())
    assert before
    with pytest.raises(IntegrityError, match="the audit trail only grows"), transaction.atomic():
        run_sql(statement)
    assert list(AuditEntry.objects.values_list()) == before


def test_a_name_holds_for_its_transaction_and_no_longer(transactional_db):
    repo = scenes.make_repo()
    with audit.act_as("ann", "moved to phase 6"):
        run_sql("UPDATE repos SET phase = 'soak'")
    run_sql("UPDATE repos SET phase = 'org'")
    last, before = AuditEntry.objects.filter(subject_key=repo.name)[:2]
    assert (before.actor, before.reason) == ("ann", "moved to phase 6")
    assert (last.actor, last.reason) == ("", "")


def test_a_reason_is_redacted_and_bounded():
    scenes.make_repo()
    with audit.act_as("a" * 200, "see sk-ant-api03-" + "a1B2" * 24 + " " + "x" * 900):
        run_sql("UPDATE repos SET domain = 'd'")
    entry = AuditEntry.objects.filter(operation="update").get()
    assert "a1B2a1B2" not in entry.reason
    assert (len(entry.actor), len(entry.reason)) == (150, audit.MOST_REASON)


def test_tokens_are_in_it_without_their_secrets_and_uses():
    repo = scenes.make_repo()
    token, secret = tokens.create_token("ci", repo, created_by="ann")
    assert tokens.find_token(secret, "192.0.2.1") is not None
    successor, _ = tokens.rotate_token(token, created_by="bob")
    tokens.revoke_token(successor, revoked_by="eve")
    trail = read_trail("repos_token")
    assert [(operation, actor) for operation, actor, _, _ in trail] == [
        ("insert", "ann"),
        ("insert", "bob"),
        ("update", "bob"),
        ("update", "eve"),
    ]
    assert trail[0][3]["digest"] == ["hidden", "hidden"]
    assert tokens.digest_secret(secret) not in str(trail)
    assert set(trail[3][3]) == {"revoked_at"}


def test_settings_holds_providers_and_decisions_name_their_people():
    repo = scenes.make_repo()
    quota_report.read_quotas()
    repo_settings.set_value(repo, "enabled", False, actor="ann")
    engine.hold("repo", repo.name, actor="bob", reason="too many failures")
    engine.release("repo", repo.name, actor="eve", reason="fixed")
    breaker.pause_provider("openai", actor="sre", reason="bills twice")
    made = OnboardingRequest.objects.create(repo_name="new", block_family="d", team_lead="lead@example.org")
    onboarding_engine.approve(made.pk, actor="pm")
    Subscription.objects.create(notifier="slack", target="#x", topics=["flow.failed"])
    assert [one[1:3] for one in read_trail("repos_reposetting")] == [("ann", "")]
    assert [one[1:3] for one in read_trail("flows_hold")] == [("bob", "too many failures"), ("eve", "fixed")]
    ((operation, actor, reason, changes),) = read_trail("providers_providerstate")
    assert (operation, actor, reason) == ("update", "sre", "bills twice")
    assert changes == {"paused": [False, True], "pause_reason": ["", "bills twice"]}
    ((_, decider, _, decided),) = read_trail("onboarding_onboardingrequest")
    assert (decider, decided["decided_by"]) == ("pm", ["", "pm"])
    assert read_trail("notifications_subscription")[0][0] == "insert"


def test_accounts_and_rights_are_in_it_but_a_log_in_is_not(client):
    user = User.objects.create_user("ann", password="correct horse battery")
    user.groups.add(Group.objects.create(name="night shift"))
    Membership.objects.create(user=user, repo=scenes.make_repo())
    before = AuditEntry.objects.filter(subject="auth_user").count()
    client.force_login(user)
    assert AuditEntry.objects.filter(subject="auth_user").count() == before == 1
    assert read_trail("auth_user")[0][3]["password"] == ["hidden", "hidden"]
    assert read_trail("auth_user_groups")[0][3]["user_id"] == [None, user.pk]
    assert read_trail("repos_membership")[0][0] == "insert"


def test_every_table_that_people_change_by_the_admin_is_in_it_or_says_what_keeps_it():
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT DISTINCT tgrelid::regclass::text FROM pg_trigger t JOIN pg_proc p ON p.oid = tgfoid"
            " WHERE proname = 'core_audit_change'"
        )
        audited = {table for (table,) in cursor.fetchall()}
    known = audited | set(KEPT_ELSEWHERE)
    changed = set()
    for model, page in admin.site._registry.items():
        acts = set(page.actions or ()) | {"add" for name in _editing(page) if name}
        if acts:
            changed.add(model._meta.db_table)
    assert changed - known == set()
    tables = {model._meta.db_table for model in apps.get_models(include_auto_created=True)}
    assert set(KEPT_ELSEWHERE) <= tables
    # No table has both: an exception that is not needed hides the next one that is.
    assert audited & set(KEPT_ELSEWHERE) == set()


def _editing(page: admin.ModelAdmin) -> list[bool]:
    """Whether a superuser may add, change or delete there."""
    request: Any = type("R", (), {"user": User(is_superuser=True, is_active=True)})()
    return [
        page.has_add_permission(request),
        page.has_change_permission(request),
        page.has_delete_permission(request),
    ]
