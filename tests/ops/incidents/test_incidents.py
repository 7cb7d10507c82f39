"""Incidents from their opening to their review, through the functions that every door calls."""

from datetime import date, timedelta

import pytest
from django.db import IntegrityError, connection, transaction
from django.utils import timezone

from orchestrator.core.models import OutgoingEvent
from orchestrator.ops.incidents import escalation, handling, opening, review, schedule, timeline
from orchestrator.ops.incidents.errors import (
    IncidentResolved,
    ReviewUnfinished,
    TimeRefused,
    UnknownIncident,
)
from orchestrator.ops.incidents.models import (
    INCIDENT_TRANSITIONS,
    DeployedVersion,
    EntryKind,
    Incident,
    IncidentReview,
    IncidentStatus,
)
from orchestrator.ops.incidents.open_incidents import list_incidents_since, list_open_incidents
from orchestrator.ops.notifications.models import Notification
from tests import scenes


@pytest.fixture(autouse=True)
def channels(settings, db) -> None:
    """Slack and PagerDuty have keys; nothing is sent, because no test commits."""
    settings.SLACK_BOT_TOKEN, settings.PAGERDUTY_ROUTING_KEY = "xoxb-1", "key"


def open_one(severity="P1", **options) -> Incident:
    return opening.open_incident("Flows fail", severity, actor="alice", **options)[0]


def turn_clock(incident: Incident, minutes: float) -> None:
    """As if everything about the incident had happened so many minutes earlier."""
    back = timedelta(minutes=minutes)
    incident.refresh_from_db()
    moved = {
        name: getattr(incident, name) - back
        for name in ("detected_at", "opened_at", "escalate_at", "acknowledged_until")
        if getattr(incident, name) is not None
    }
    Incident.objects.filter(pk=incident.pk).update(**moved)


def list_messages(incident: Incident) -> list[tuple[str, str, str]]:
    rows = Notification.objects.filter(thread=f"incident-{incident.pk}").order_by("id")
    return list(rows.values_list("notifier", "target", "action"))


def list_kinds(incident: Incident) -> list[str]:
    return [entry.kind for entry in timeline.list_entries(incident)]


@pytest.mark.parametrize(
    ("severity", "told"),
    [
        ("P1", [("pagerduty", "critical"), ("slack", "#incidents")]),
        ("P2", [("pagerduty", "error")]),
        ("P3", [("slack", "#ops-alerts")]),
        ("P4", [("slack", "#blocks-help")]),
    ],
)
def test_a_severity_tells_the_channels_of_the_runbook(severity, told):
    incident = open_one(severity)
    assert list_messages(incident) == [(*channel, "trigger") for channel in told]
    assert list_kinds(incident) == ["opened", "told"]


def test_a_channel_without_a_key_is_named_in_the_timeline(settings):
    settings.PAGERDUTY_ROUTING_KEY = ""
    incident = open_one("P2")
    assert list_messages(incident) == []
    assert incident.entries.get(kind="told").text.startswith("Not told: PagerDuty")


def test_a_commander_is_named_at_opening(settings):
    settings.INCIDENT_COMMANDER = "The one on duty"
    assert open_one().commander == "The one on duty"
    assert open_one(commander="bob").commander == "bob"
    with pytest.raises(IntegrityError), transaction.atomic():
        Incident.objects.update(commander="")


def test_the_detection_is_apart_from_the_opening():
    seen = timezone.now() - timedelta(minutes=7)
    incident = open_one(detected_at=seen)
    assert incident.detected_at == seen < incident.opened_at
    with pytest.raises(IntegrityError), transaction.atomic():
        Incident.objects.update(detected_at=timezone.now() + timedelta(hours=1))


def test_an_incident_that_nobody_takes_escalates_after_5_10_and_15_minutes():
    incident = open_one()
    assert escalation.run_due_steps() == 0
    for minutes, steps in ((5, 1), (5, 2), (5, 3), (60, 3)):
        turn_clock(incident, minutes)
        escalation.run_due_steps()
        # A second look at the same moment does nothing.
        assert escalation.run_due_steps() == 0
        assert incident.entries.filter(kind=EntryKind.ESCALATED).count() == steps
    told = [entry.text for entry in incident.entries.filter(kind=EntryKind.ESCALATED)]
    assert [step.who in text for step, text in zip(escalation.STEPS, told, strict=True)] == [True] * 3


def test_a_p3_wakes_nobody():
    incident = open_one("P3")
    turn_clock(incident, 600)
    assert escalation.run_due_steps() == 0


def test_an_acknowledgement_stops_the_escalation_in_every_channel():
    incident = open_one()
    handling.acknowledge(incident.pk, actor="bob")
    # What was not sent yet is not sent any more, and PagerDuty stops its own escalation.
    assert list_messages(incident)[-1] == ("pagerduty", "critical", "acknowledge")
    waiting = Notification.objects.filter(status="waiting", action="trigger")
    assert not waiting.exists()
    turn_clock(incident, 20)
    assert escalation.run_due_steps() == 0
    incident.refresh_from_db()
    assert (incident.status, incident.acknowledged_by) == ("acknowledged", "bob")


def test_an_acknowledgement_ends_by_itself_and_the_steps_begin_again(settings):
    settings.INCIDENT_ACKNOWLEDGED_MINUTES = 30
    incident = open_one()
    turn_clock(incident, 5)
    escalation.run_due_steps()
    handling.acknowledge(incident.pk, actor="bob")
    turn_clock(incident, 31)
    assert escalation.run_due_steps() == 1
    incident.refresh_from_db()
    assert (incident.status, incident.escalation_step) == ("open", 0)
    before = Notification.objects.count()
    turn_clock(incident, 5)
    assert escalation.run_due_steps() == 1
    # The first step has been told before, and is told again.
    assert Notification.objects.count() == before + 2


def test_a_handover_is_in_the_timeline():
    incident = open_one()
    handling.hand_over(incident.pk, "carol", actor="bob", note="the quota is the cause")
    assert incident.entries.get(kind="handed_over").text.endswith("to carol: the quota is the cause")
    assert Incident.objects.get().commander == "carol"


def test_a_higher_severity_wakes_people_who_had_acknowledged():
    incident = open_one("P3")
    handling.acknowledge(incident.pk, actor="bob")
    handling.set_severity(incident.pk, "P1", actor="bob")
    incident.refresh_from_db()
    assert (incident.status, incident.severity) == ("open", "P1")
    assert incident.escalate_at is not None
    assert ("pagerduty", "critical", "trigger") in list_messages(incident)
    handling.set_severity(incident.pk, "P4", actor="bob")
    incident.refresh_from_db()
    assert incident.escalate_at is None


def test_the_timeline_is_ordered_by_what_happened_and_stays_as_written():
    incident = open_one()
    earlier = timezone.now() - timedelta(minutes=30)
    handling.add_note(incident.pk, "a deploy began", actor="bob", at=earlier)
    handling.add_note(incident.pk, "key sk-ant-api03-" + "a" * 95, actor="bob")
    first, *_, last = timeline.list_entries(incident)
    assert first.text == "a deploy began"
    assert "sk-ant" not in last.text
    for sql in ("UPDATE incidents_incidententry SET text = 'x'", "DELETE FROM incidents_incidententry"):
        with pytest.raises(IntegrityError), transaction.atomic(), connection.cursor() as cursor:
            cursor.execute(sql)


@pytest.mark.parametrize("days", [-1, 31])
def test_a_note_cannot_lie_in_the_future_or_long_ago(days):
    with pytest.raises(TimeRefused):
        handling.add_note(open_one().pk, "x", actor="bob", at=timezone.now() - timedelta(days=days))


def test_people_write_no_entries_of_the_system():
    with pytest.raises(ValueError, match="do not write"):
        handling.add_note(open_one().pk, "x", actor="bob", kind=EntryKind.RESOLVED)


def test_a_resolution_is_told_wherever_the_opening_was():
    incident = open_one()
    handling.resolve(incident.pk, actor="bob", text="Rolled back.")
    assert Notification.objects.filter(target="#incidents", body__contains="is resolved").count() == 1
    assert list_messages(incident)[-1] == ("pagerduty", "critical", "resolve")
    assert list_kinds(incident)[-1] == "resolved"


def test_webhooks_hear_of_the_opening_the_acknowledgement_and_the_end():
    incident = open_one()
    handling.acknowledge(incident.pk, actor="bob")
    handling.resolve(incident.pk, actor="bob")
    events = OutgoingEvent.objects.filter(subscriber="announced/subscriptions").order_by("id")
    assert [event.payload["topic"] for event in events] == [
        "incident.opened",
        "incident.acknowledged",
        "incident.resolved",
    ]


def test_what_is_resolved_stays_as_it_is():
    incident = open_one()
    handling.resolve(incident.pk, actor="bob")
    for act in (handling.acknowledge, handling.resolve):
        with pytest.raises(IncidentResolved):
            act(incident.pk, actor="bob")
    with pytest.raises(IntegrityError), transaction.atomic(), connection.cursor() as cursor:
        cursor.execute("UPDATE incidents_incident SET status = 'open', resolved_at = NULL")
    with pytest.raises(UnknownIncident):
        handling.resolve(0, actor="bob")


def test_the_table_of_transitions_has_every_status():
    assert set(INCIDENT_TRANSITIONS) == set(IncidentStatus)
    assert not INCIDENT_TRANSITIONS[IncidentStatus.RESOLVED]


@pytest.mark.parametrize(("severity", "due"), [("P1", True), ("P2", True), ("P3", False)])
def test_a_review_is_due_48_hours_after_what_woke_people(severity, due):
    incident = handling.resolve(open_one(severity).pk, actor="bob")
    found = IncidentReview.objects.filter(incident=incident).first()
    assert (found is not None) is due
    if found is not None:
        assert incident.resolved_at is not None
        assert found.due_at - incident.resolved_at == timedelta(hours=48)
        assert not review.is_overdue(found)
        found.due_at -= timedelta(hours=49)
        assert review.is_overdue(found)


def test_a_review_is_filled_in_and_finished_with_a_root_cause():
    repo = scenes.make_repo("auth-service", team_lead="lead@example.org")
    incident = open_one(repos=[repo])
    handling.add_note(incident.pk, "one repo fails", actor="bob", kind=EntryKind.TRIAGE)
    handling.add_note(incident.pk, "its flows are paused", actor="bob", kind=EntryKind.MITIGATION)
    handling.resolve(incident.pk, actor="bob", text="Flows pass again.")
    with pytest.raises(ReviewUnfinished):
        handling.write_review(incident.pk, {}, actor="bob", finish=True)
    action = handling.add_action(incident.pk, "Bound the retries", owner="carol", due=date(2026, 12, 1))
    handling.write_review(incident.pk, {"root_cause": "A retry without end."}, actor="bob", finish=True)
    text = review.write_markdown(incident)
    for part in (
        "# Post-Incident Review: Flows fail",
        "**Severity:** P1",
        "Triage: one repo fails",
        "Mitigation: its flows are paused",
        "Resolution: Flows pass again.",
        "A retry without end.",
        "- Repos affected: auth-service",
        "1. Bound the retries — Owner: carol — Due: 2026-12-01",
    ):
        assert part in text
    handling.finish_action(incident.pk, action.pk, actor="carol")
    assert "(done)" in review.write_markdown(incident)
    assert review.name_file(incident).startswith("planning/60_launch/incidents/PIR_")


def test_everybody_sees_open_incidents_with_their_updates():
    worst, other = open_one("P1"), open_one("P3")
    handling.add_note(worst.pk, "We know of it.", actor="bob", kind=EntryKind.UPDATE)
    handling.add_note(worst.pk, "internal", actor="bob")
    handling.resolve(open_one("P2").pk, actor="bob")
    found = list_open_incidents()
    assert [one.number for one in found] == [worst.pk, other.pk]
    assert [update.text for update in found[0].updates] == ["We know of it."]
    assert len(list_incidents_since(timezone.now() - timedelta(days=1))) == 3


def test_a_version_is_written_down_once():
    for version in ("1.0", "1.0", "1.1"):
        schedule.note_version(version)
    assert list(DeployedVersion.objects.values_list("version", flat=True)) == ["1.1", "1.0"]
    schedule.look()
