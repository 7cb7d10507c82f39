"""Alertmanager's webhook: what opens, joins, raises and ends incidents, through REST."""

import hashlib
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from rest_framework.test import APIClient

from orchestrator.ops.incidents import handling, opening
from orchestrator.ops.incidents.models import Incident, IncidentAlert
from orchestrator.ops.notifications.models import Notification
from orchestrator.repos import tokens
from tests import scenes

URL = "/api/v1/incidents/alerts/"
START = datetime.now(UTC) - timedelta(minutes=10)


def describe_alert(name="flow_failure_rate", severity="P1", *, ends=None, starts=START, **labels) -> Any:
    return {
        "status": "resolved" if ends else "firing",
        "labels": {"alertname": name, "severity": severity, **labels},
        "annotations": {"summary": f"{name} is high"},
        "startsAt": starts.isoformat(),
        "endsAt": (ends or datetime(1, 1, 1, tzinfo=UTC)).isoformat(),
        "fingerprint": "0123456789abcdef",
        "generatorURL": "http://prometheus/graph",
    }


@pytest.fixture
def client(db) -> APIClient:
    made = APIClient()
    _, secret = tokens.create_token("alertmanager", scopes=["alerts:write"])
    made.credentials(HTTP_AUTHORIZATION=f"Bearer {secret}")
    return made


def report(client: APIClient, *alerts: Any, receiver="slack-incidents", **changes: Any) -> Any:
    body = {"version": "4", "receiver": receiver, "groupKey": "{}:{a}", "alerts": list(alerts), **changes}
    answer = client.post(URL, body, format="json")
    assert answer.status_code == 200, answer.content
    return answer.json()


def test_an_alert_opens_one_incident_and_joins_it_when_it_is_repeated(client):
    (number,) = report(client, describe_alert())["opened"]
    assert report(client, describe_alert()) == {"opened": [], "joined": [number], "ignored": 0}
    incident = Incident.objects.get()
    assert incident.dedup_key == "flow_failure_rate{}"
    assert (incident.detected_at, incident.opened_by) == (START, "alertmanager")
    assert incident.entries.filter(kind="alert").count() == 1
    # Alertmanager has told the channels already.
    assert not Notification.objects.exists()
    assert incident.escalate_at is not None


def test_replicas_of_prometheus_report_one_alert(client):
    report(client, describe_alert(replica="a"), describe_alert(replica="b"))
    assert Incident.objects.count() == IncidentAlert.objects.count() == 1


def test_two_providers_are_two_incidents_and_their_alerts_stay_visible(client):
    report(
        client, describe_alert("provider_outage", "P2", provider="openai"),
        describe_alert("provider_outage", "P2", provider="google", instance="a"),
        describe_alert("provider_outage", "P2", provider="google", instance="b"),
    )  # fmt: skip
    keys = set(Incident.objects.values_list("dedup_key", flat=True))
    assert keys == {'provider_outage{provider="openai"}', 'provider_outage{provider="google"}'}
    assert Incident.objects.get(dedup_key__contains="google").alerts.count() == 2


def test_a_higher_severity_raises_the_open_incident_and_a_lower_one_does_not(client):
    (number,) = report(client, describe_alert("queue_full", "P3"))["opened"]
    report(client, describe_alert("queue_full", "P2"))
    report(client, describe_alert("queue_full", "P3", instance="b"))
    assert Incident.objects.get(pk=number).severity == "P2"


def test_after_the_resolution_a_new_incident_opens(client):
    (first,) = report(client, describe_alert())["opened"]
    handling.resolve(first, actor="bob")
    (second,) = report(client, describe_alert())["opened"]
    assert second != first


def test_tests_and_other_severities_open_nothing(client):
    found = report(
        client, describe_alert(synthetic="true"), describe_alert("x", "info"), describe_alert("w", "none")
    )
    assert found == {"opened": [], "joined": [], "ignored": 3}


def test_the_end_is_noted_and_people_resolve_what_woke_them(client):
    (number,) = report(client, describe_alert())["opened"]
    assert report(client, describe_alert(ends=datetime.now(UTC)))["joined"] == [number]
    assert Incident.objects.get().status == "open"
    # The same message again, and an old one that was held up, change nothing.
    assert report(client, describe_alert(ends=datetime.now(UTC)))["joined"] == []
    report(client, describe_alert())
    assert IncidentAlert.objects.get().ends_at is not None
    # It fires again: the same incident.
    again = datetime.now(UTC)
    assert report(client, describe_alert(starts=again))["joined"] == [number]
    assert IncidentAlert.objects.get().ends_at is None


def test_a_p3_ends_with_its_last_alert(client):
    one, two = (describe_alert("flows_queued", "P3", instance=name) for name in "ab")
    report(client, one, two)
    for alert, status in ((one, "open"), (two, "resolved")):
        report(client, {**alert, "status": "resolved", "endsAt": datetime.now(UTC).isoformat()})
        assert Incident.objects.get().status == status


def test_the_page_of_alertmanager_is_acknowledged_with_the_incident(client, settings):
    settings.PAGERDUTY_ROUTING_KEY = "key"
    (number,) = report(client, describe_alert(), receiver="slack-incidents")["opened"]
    report(client, describe_alert(), receiver="pagerduty-incident-commander")
    handling.acknowledge(number, actor="bob")
    # Alertmanager's dedup_key is the SHA-256 of the key of the group.
    (message,) = Notification.objects.filter(action="acknowledge")
    assert message.thread == hashlib.sha256(b"{}:{a}").hexdigest()


def test_affected_repos_are_those_of_the_label_or_those_that_fail(client):
    scenes.run_through(scenes.make_flow(scenes.make_repo("auth-service")), gates_fail=True)
    scenes.make_repo("api-gateway")
    report(client, describe_alert(), describe_alert("x", "P2", repo="api-gateway"))
    by_key = {one.dedup_key: [repo.name for repo in one.repos.all()] for one in Incident.objects.all()}
    assert by_key == {"flow_failure_rate{}": ["auth-service"], 'x{repo="api-gateway"}': ["api-gateway"]}


def test_a_flapping_alert_does_not_fill_the_timeline(client, monkeypatch):
    monkeypatch.setattr("orchestrator.ops.incidents.timeline.MOST_OF_ALERTS", 3)
    for minutes in range(9, 1, -1):
        starts = datetime.now(UTC) - timedelta(minutes=minutes)
        report(client, describe_alert(starts=starts))
        report(client, describe_alert(starts=starts, ends=starts + timedelta(seconds=30)))
    assert Incident.objects.get().entries.filter(kind="alert").count() == 3


@pytest.mark.parametrize(
    "changes",
    [
        {"version": "3"},
        {"alerts": [{"status": "firing"}]},
        {"alerts": [describe_alert("")]},
        {"alerts": [describe_alert("x" * 101)]},
        {"alerts": [{**describe_alert(), "startsAt": "yesterday"}]},
        {"alerts": [{**describe_alert(), "labels": {"alertname": "x", **{f"l{n}": "" for n in range(70)}}}]},
        {"alerts": [{**describe_alert(), "labels": {"alertname": "x", "big": "y" * 2001}}]},
        {"alerts": [describe_alert()] * 201},
        {"alerts": "none"},
        {"groupKey": None},
    ],
)
def test_a_message_of_another_shape_is_refused(client, changes):
    body = {"version": "4", "receiver": "r", "groupKey": "k", "alerts": [], **changes}
    assert client.post(URL, body, format="json").status_code == 422
    assert not Incident.objects.exists()


def test_the_token_reports_alerts_and_nothing_else(client):
    assert client.get("/api/v1/incidents/").status_code == 403
    assert client.post("/api/v1/notify/slack/", {}, format="json").status_code == 403
    assert APIClient().post(URL, {}, format="json").status_code == 401


def test_a_key_has_the_labels_in_order_and_is_bounded():
    labels = {"provider": "openai", "kind": "token", "replica": "a", "alertname": "x"}
    assert opening.write_key("x", labels) == 'x{kind="token",provider="openai"}'
    assert len(opening.write_key("x", {"name": "y" * 2000})) == 500
