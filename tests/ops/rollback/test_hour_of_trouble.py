"""An hour of trouble, in seeded data and a turned clock: what halts, who hears of it, how people end it.

Prometheus and Alertmanager are the real ones with the rules that are shipped. They see the figures of the
triggers, report to the service, and page; what was said, the timeline and the status page have to agree.
"""

from collections.abc import Callable, Iterator
from datetime import timedelta
from types import SimpleNamespace
from typing import Any

import pytest
from django.db import transaction
from django.test import Client
from django.utils import timezone

from orchestrator.ops.incidents import handling
from orchestrator.ops.incidents.models import EntryKind, Incident
from orchestrator.ops.notifications import delivery
from orchestrator.ops.notifications.models import Notification
from orchestrator.ops.observability import health_metrics, part_health
from orchestrator.ops.rollback import announcement, enforcement, restoration, watch
from orchestrator.ops.rollback.errors import AnnouncementDecided
from orchestrator.ops.rollback.models import Rollback, TriggerDecision, TriggerState
from orchestrator.repos import tokens
from orchestrator.repos.models import Repo
from tests import scenes
from tests.ops.alerting.test_chain import Chain, run_chain, wait_until
from tests.ops.test_quota import use_tokens

pytestmark = [pytest.mark.slow, pytest.mark.timeout(900)]
PEOPLE = {"pm": "paula", "tl": "tom", "sre": "sam"}
LOOKS_IN_AN_HOUR = round(3600 / watch.LOOK_SECONDS)


class TurnedClock:
    """The time of the service, which a test turns on."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.ahead, real = timedelta(), timezone.now
        monkeypatch.setattr("django.utils.timezone.now", lambda: real() + self.ahead)

    def look(self, times: int = 1) -> None:
        """Let the triggers look so often, as the dispatcher does every 15 seconds."""
        for _ in range(times):
            self.ahead += timedelta(seconds=watch.LOOK_SECONDS)
            watch.look()


class Trouble:
    """The figures of the triggers, as the exporter and the triggers read them."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, settings: Any, clock: TurnedClock) -> None:
        self.settings, self.clock = settings, clock
        self.connections = SimpleNamespace(used=20, bound=200)
        monkeypatch.setattr(health_metrics, "read_connections", lambda: self.connections)
        self.allow_tokens(10**9)

    def allow_tokens(self, count: int) -> None:
        """Set what google allows in a day."""
        one = {"api_key": "k", "tokens_per_minute": 10**9, "daily_token_quota": count}
        self.settings.PROVIDERS = {
            name: {**limits, **one} if name == "google" else {**limits, "api_key": "k"}
            for name, limits in self.settings.PROVIDERS.items()
        }

    def fail_flows(self) -> None:
        """A dozen flows fail."""
        # Seen all at once: a machine that is busy would spread them over more seconds than the rules of the
        # test look back.
        with transaction.atomic():
            for _ in range(12):
                scenes.run_through(scenes.make_flow(scenes.make_repo("auth-service")), gates_fail=True)

    def forget_flows(self) -> None:
        """The failures leave the hour."""
        self.clock.ahead += timedelta(minutes=61)

    def use_quota(self) -> None:
        """Google's tokens are used up."""
        use_tokens("google", 970)
        self.allow_tokens(1000)

    def raise_quota(self) -> None:
        """Google allows more."""
        self.allow_tokens(10**9)

    def use_connections(self) -> None:
        """The connections are used up."""
        self.connections.used = 191

    def free_connections(self) -> None:
        """They are free again."""
        self.connections.used = 20


def run_task(name: str, args: Any = (), **_: Any) -> None:
    """The control worker: what is sent is done at once."""
    tasks: dict[str, Callable[..., Any]] = {
        delivery.TASK: delivery.deliver,
        enforcement.TASK: enforcement.finish_rollback,
    }
    if name in tasks:
        tasks[name](*args)


@pytest.fixture
def trouble(monkeypatch, settings) -> Trouble:
    settings.ROLLBACK_DRY_RUN = "off"
    settings.PILOT_REPOS = ("compliance-service",)
    monkeypatch.setattr("orchestrator.celery.app.send_task", run_task)
    return Trouble(monkeypatch, settings, TurnedClock(monkeypatch))


@pytest.fixture
def repos(transactional_db) -> None:
    for name in ("compliance-service", "auth-service"):
        scenes.make_repo(name, team_lead=f"{name}@example.org")


@pytest.fixture
def chain(repos, service, ops_tools, tmp_path, settings, monkeypatch) -> Iterator[Chain]:
    """The chain that reports to the service, and the keys with which the service itself sends."""
    monkeypatch.setattr(part_health, "read_disk_space", lambda: part_health.DiskSpace(50, 100))
    _, secret = tokens.create_token("alertmanager", scopes=["alerts:write"])
    reports = f"{service.url}/api/v1/incidents/alerts/"
    with run_chain(ops_tools, tmp_path, settings, at_once=True, reports=reports, token=secret) as running:
        url = running.receivers.url
        settings.SLACK_API_URL, settings.SLACK_BOT_TOKEN = f"{url}/slack/api", "xoxb-" + "1" * 12
        settings.PAGERDUTY_EVENTS_URL = f"{url}/pagerduty/v2/enqueue"
        settings.PAGERDUTY_ROUTING_KEY = "commander-key"
        yield running


def list_decisions() -> list[tuple[str, str]]:
    return list(TriggerDecision.objects.order_by("id").values_list("trigger", "decision"))


def read_status() -> str:
    return Client().get("/status/").content.decode()


def test_low_traffic_no_data_and_what_flaps_halt_nothing(trouble, repos, monkeypatch):
    # Without receivers, what is written is not sent.
    monkeypatch.setattr("orchestrator.celery.app.send_task", lambda *_, **__: None)
    for number in range(LOOKS_IN_AN_HOUR):
        # A flow or two fail, which is all that there are; the connections run out for a minute at a time.
        if number in {20, 120}:
            scenes.run_through(scenes.make_flow(scenes.make_repo("auth-service")), gates_fail=True)
        trouble.connections.used = 20 if number % 5 == 4 else 199
        trouble.clock.look()
    # Told once that there was too little to judge by, when it began.
    assert list_decisions() == [("failure-rate", "not_enough_data")]
    assert not Rollback.objects.exists()
    assert not Incident.objects.exists()
    assert Repo.objects.get(name="auth-service").enabled


def find_open(key: str) -> Incident | None:
    return Incident.objects.exclude(status="resolved").filter(dedup_key=key).first()


def say_all(rollback: Rollback, chain: Chain) -> None:
    """Somebody looks at what is to be said to Slack, and sends it; twice, as an impatient person does."""
    for draft in rollback.announcements.filter(notifier="slack"):
        announcement.send_announcement(draft.pk, actor="sam")
        with pytest.raises(AnnouncementDecided):
            announcement.send_announcement(draft.pk, actor="tom")
        assert count_said(chain, draft.body) == 1


def count_said(chain: Chain, words: str) -> int:
    return sum(words in message["text"] for message in chain.receivers.received.slack_messages)


def bring_back(rollback: Rollback) -> None:
    for role, person in PEOPLE.items():
        restoration.cast_vote(rollback.pk, "auth-service", role=role, verdict="go", actor=person)
    restoration.restore_repo(rollback.pk, "auth-service", actor="sam")


@pytest.mark.parametrize(
    ("trigger", "alert", "key", "begin", "end"),
    [
        (
            "failure-rate",
            "flow_failure_rate",
            "flow_failure_rate{}",
            Trouble.fail_flows,
            Trouble.forget_flows,
        ),
        (
            "quota",
            "provider_quota_rollback",
            'provider_quota_rollback{provider="google"}',
            Trouble.use_quota,
            Trouble.raise_quota,
        ),
        (
            "database-connections",
            "database_connections",
            "database_connections{}",
            Trouble.use_connections,
            Trouble.free_connections,
        ),
    ],
)
def test_a_trigger_acts_once_and_people_end_it(trouble, chain, trigger, alert, key, begin, end):
    # A series has to exist before it grows.
    scenes.run_through(scenes.make_flow(scenes.make_repo("auth-service")))
    wait_until(lambda: chain.ask("flow_status_total"), "the first scrape")
    trouble.clock.look(2)
    begin(trouble)
    incident = wait_until(lambda: find_open(key), "the incident")
    pages = chain.receivers.received.pages
    page_key = wait_until(lambda: incident.alerts.exclude(page_key="").first(), "the page").page_key

    # The trigger acts, once, however often it looks, and in the incident of the alert.
    trouble.clock.look(20)
    rollback = Rollback.objects.get()
    assert (rollback.trigger, rollback.status, rollback.incident) == (trigger, "in_force", incident.pk)
    assert list_decisions() == [(trigger, "acted")]
    assert not Repo.objects.get(name="auth-service").enabled
    assert count_said(chain, "The rollout is rolled back to pilot scope") == 1
    in_force = 'orchestrator_rollbacks{kind="pilot",status="in_force"} == 1'
    wait_until(lambda: chain.ask(in_force), "the metric")
    # One page: that of the alert, which the incident knows. The service sends none of its own.
    assert list(incident.alerts.values_list("name", flat=True)) == [alert]
    assert not Notification.objects.filter(notifier="pagerduty").exists()
    page = wait_until(lambda: pages.get(page_key), "the page")
    assert page["routing_key"] == "commander-key"
    handling.acknowledge(incident.pk, actor="sam")
    assert "acknowledge" in page["events"]
    assert f"P1: {incident.title}" in read_status()
    assert "<h1>Everything works</h1>" not in read_status()
    say_all(rollback, chain)

    # The figure is good again, wherever it is seen. That brings nothing back.
    end(trouble)
    wait_until(lambda: "resolve" in page["events"], "the end of the alert")
    trouble.clock.look(20)
    assert TriggerState.objects.get(name=trigger).verdict in {"ok", "not_enough_data"}
    rollback.refresh_from_db()
    assert rollback.status == "in_force"
    assert not Repo.objects.get(name="auth-service").enabled
    assert find_open(key) is not None

    bring_back(rollback)
    handling.add_note(incident.pk, "Flows pass again.", kind=EntryKind.UPDATE, actor="sam")
    handling.resolve(incident.pk, actor="sam")
    trouble.clock.look(20)
    rollback.refresh_from_db()
    assert (rollback.status, rollback.ended_by) == ("ended", "sam")
    assert Repo.objects.get(name="auth-service").enabled
    assert list_decisions() == [(trigger, "acted")]
    # A busy Prometheus may miss a look: then the alert ends and fires again, on the same page.
    assert page["events"][0] == "trigger"
    assert page["events"].count("acknowledge") == 1
    wait_until(lambda: page["events"][-1] == "resolve", "the end of the page")
    assert Incident.objects.filter(dedup_key=key).count() == 1

    # Timeline and status page tell the same, in the same order.
    told = [entry.text for entry in incident.entries.order_by("at", "id")]
    steps = (
        "opened: ",
        " begins: ",
        " is in force",
        "Announced to #engineering",
        " is enabled again",
        f"Rollback {rollback.pk} is over",
        "pass again",
    )
    places = [next(place for place, text in enumerate(told) if step in text) for step in steps]
    assert places == sorted(places), told
    text = read_status()
    assert text.index("Incidents of the last two weeks that are over") < text.index(f"P1: {incident.title}")
    assert "Flows pass again." in text
