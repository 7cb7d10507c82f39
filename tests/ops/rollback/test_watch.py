"""The automatic rollback: each trigger on seeded data, once, and nothing that comes back by itself."""

from datetime import timedelta
from types import SimpleNamespace

import pytest
from django.utils import timezone

from orchestrator.ops.incidents import opening
from orchestrator.ops.incidents.models import Incident
from orchestrator.ops.notifications.models import Notification
from orchestrator.ops.rollback import enforcement, restoration, watch
from orchestrator.ops.rollback.models import Rollback, TriggerDecision, TriggerState
from orchestrator.ops.rollback.trigger_protocol import TRIGGERS, MeasuredFigure
from orchestrator.repos.models import Repo
from providers.models import ProviderState
from tests import scenes
from tests.ops.alerting.test_rules import read_alerts


class MadeUpTrigger:
    """A trigger whose figure a test sets."""

    setting, alert, looks = "ROLLBACK_QUOTA", "provider_quota_rollback", 3

    def __init__(self) -> None:
        self.figure: MeasuredFigure | None = None
        self.show(0.0)

    def show(self, value: float | None, samples: int = 100) -> None:
        self.figure = MeasuredFigure(
            value, 0.10, samples, 10, f"{value} of {samples}", {"provider": "openai"}
        )

    def measure(self) -> MeasuredFigure:
        assert self.figure is not None
        return self.figure


@pytest.fixture
def trigger(db, settings) -> MadeUpTrigger:
    settings.ROLLBACK_DRY_RUN = "off"
    settings.SLACK_BOT_TOKEN, settings.PAGERDUTY_ROUTING_KEY = "xoxb-1", "key"
    settings.PILOT_REPOS = ("compliance-service",)
    scenes.make_repo("compliance-service")
    scenes.make_repo("auth-service")
    return MadeUpTrigger()


def look(trigger: MadeUpTrigger, times: int = 1) -> TriggerState:
    for _ in range(times):
        state = watch.check_trigger("quota", trigger)
    return state


def list_decisions() -> list[str]:
    return list(TriggerDecision.objects.order_by("id").values_list("decision", flat=True))


def test_a_figure_beyond_its_limit_acts_once(trigger):
    trigger.show(0.5)
    look(trigger, 2)
    assert not Rollback.objects.exists()
    look(trigger, 20)
    rollback = Rollback.objects.get()
    assert (rollback.trigger, rollback.kind, rollback.status) == ("quota", "pilot", "applying")
    assert list_decisions() == ["acted"]
    assert [repo.enabled for repo in Repo.objects.order_by("name")] == [False, True]
    incident = Incident.objects.get()
    assert (incident.severity, incident.pk) == ("P1", rollback.incident)
    assert Notification.objects.filter(notifier="pagerduty", target="critical").count() == 1


@pytest.mark.parametrize("severity", ["P1", "P2"])
def test_the_alert_and_the_trigger_have_one_incident(trigger, severity):
    key = opening.write_key("provider_quota_rollback", {"provider": "openai", "replica": "a"})
    known, _ = opening.open_incident("95 %", severity, actor="alertmanager", dedup_key=key, told=True)
    assert not Notification.objects.exists()
    trigger.show(0.5)
    look(trigger, 5)
    assert Rollback.objects.get().incident == known.pk == Incident.objects.get().pk
    known.refresh_from_db()
    assert known.severity == "P1"
    # Alertmanager has paged for a P1. What was less urgent until now pages.
    assert Notification.objects.filter(notifier="pagerduty").count() == (severity == "P2")
    (said,) = Notification.objects.filter(target="#ops-alerts")
    assert f"rolled back to pilot scope; people bring repos back. Incident {known.pk};" in said.body
    # The alert comes later, or again: it joins.
    again, is_new = opening.open_incident("95 %", "P1", actor="alertmanager", dedup_key=key, told=True)
    assert (again.pk, is_new) == (known.pk, False)


def test_every_trigger_names_the_alert_of_its_figure():
    rules = read_alerts()
    for name, one in TRIGGERS.items():
        assert rules[one.alert]["labels"]["severity"] == "P1", name


def test_nothing_comes_back_when_the_figure_is_good_again(trigger):
    trigger.show(0.5)
    look(trigger, 3)
    trigger.show(0.0)
    look(trigger, 50)
    assert not Repo.objects.get(name="auth-service").enabled
    trigger.show(0.5)
    look(trigger, 50)
    assert list_decisions() == ["acted"]


@pytest.mark.parametrize(("value", "samples"), [(0.0, 100), (0.5, 4)])
def test_after_people_have_ended_it_another_excess_acts_again(trigger, value, samples):
    trigger.show(0.5)
    look(trigger, 3)
    first = Rollback.objects.get()
    enforcement.finish_rollback(first.pk)
    for role in ("pm", "tl", "sre"):
        restoration.cast_vote(first.pk, "auth-service", role=role, verdict="go", actor=role)
    restoration.restore_repo(first.pk, "auth-service", actor="sre")
    # The figure is still beyond its limit: people have brought the repo back all the same.
    look(trigger, 20)
    assert Repo.objects.get(name="auth-service").enabled
    trigger.show(value, samples)
    look(trigger)
    trigger.show(0.5)
    look(trigger, 3)
    assert Rollback.objects.count() == 2
    assert list_decisions()[-1] == "acted"


def test_a_trigger_that_fails_holds_up_no_other(db, monkeypatch):
    monkeypatch.setattr(TRIGGERS.get("failure-rate"), "measure", lambda: 1 / 0)
    watch.look()
    seen = set(TriggerState.objects.values_list("name", flat=True))
    assert seen == set(TRIGGERS.names()) - {"failure-rate"}


def test_a_restart_in_the_middle_forgets_nothing(trigger):
    trigger.show(0.5)
    look(trigger, 2)
    # Another process, that has seen nothing: what counts is in the row.
    restarted = MadeUpTrigger()
    restarted.show(0.5)
    look(restarted)
    assert list_decisions() == ["acted"]


def test_a_figure_that_flaps_does_nothing(trigger):
    for value in (0.5, 0.5, 0.0) * 10:
        trigger.show(value)
        look(trigger)
    assert not Rollback.objects.exists()


@pytest.mark.parametrize("value", [0.9, None])
def test_too_little_data_alerts_and_does_not_act(trigger, value):
    trigger.show(value, samples=4)
    assert look(trigger, 30).verdict == "not_enough_data"
    assert not Rollback.objects.exists()
    # Said once, and only where the figure would be a reason.
    assert list_decisions() == (["not_enough_data"] if value else [])
    assert Notification.objects.filter(target="#ops-alerts").count() == bool(value)


def test_a_trigger_that_is_off_does_nothing(trigger, settings):
    settings.ROLLBACK_QUOTA = "off"
    trigger.show(0.9)
    assert look(trigger, 5).verdict == "off"
    assert not Rollback.objects.exists()


def test_a_trigger_may_pause_and_ask(trigger, settings):
    settings.ROLLBACK_QUOTA = "ask"
    trigger.show(0.9)
    look(trigger, 10)
    asked = Rollback.objects.get()
    assert (asked.status, list_decisions()) == ("asked", ["asked"])
    repo = Repo.objects.get(name="auth-service")
    assert (repo.enabled, repo.paused) == (True, True)
    enforcement.decline_rollback(asked.pk, actor="bob", reason="expected")
    # Beyond its limit still: people have answered, and it asks again only after it was good.
    look(trigger, 10)
    assert Rollback.objects.count() == 1
    trigger.show(0.0)
    look(trigger)
    trigger.show(0.9)
    look(trigger, 3)
    assert Rollback.objects.count() == 2


def test_the_first_week_of_a_deployment_is_a_dry_run(trigger, settings):
    settings.ROLLBACK_DRY_RUN = "auto"
    trigger.show(0.5)
    look(trigger, 10)
    assert (list_decisions(), Rollback.objects.exists()) == (["dry_run"], False)
    assert "would have been rolled back" in Notification.objects.get().body
    TriggerState.objects.update(first_checked_at=timezone.now() - timedelta(days=8))
    trigger.show(0.0)
    look(trigger)
    trigger.show(0.5)
    look(trigger, 3)
    assert list_decisions() == ["dry_run", "acted"]


def test_a_rollback_by_hand_is_not_joined_by_a_trigger(trigger):
    enforcement.apply_rollback("pilot", reason="by hand", actor="alice")
    trigger.show(0.5)
    look(trigger, 10)
    assert list_decisions() == []


def test_every_trigger_measures_a_quiet_deployment(db):
    watch.look()
    verdicts = dict(TriggerState.objects.values_list("name", "verdict"))
    assert set(verdicts) == set(TRIGGERS.names())
    assert verdicts["failure-rate"] == "not_enough_data"
    assert "beyond" not in verdicts.values()


@pytest.mark.parametrize(
    ("passed", "failed", "beyond", "enough"), [(9, 1, False, True), (8, 2, True, True), (1, 1, True, False)]
)
def test_the_failure_rate_counts_the_flows_of_an_hour(db, passed, failed, beyond, enough):
    repo = scenes.make_repo()
    for fails in [False] * passed + [True] * failed:
        scenes.run_through(scenes.make_flow(repo), gates_fail=fails)
    scenes.cancel_flow(scenes.make_flow(repo))
    figure = TRIGGERS.get("failure-rate").measure()
    assert (figure.samples, figure.is_beyond, figure.is_enough) == (passed + failed, beyond, enough)


def test_the_quota_is_that_of_the_fullest_provider(db, settings):
    settings.PROVIDERS = {name: {**limits, "api_key": "k"} for name, limits in settings.PROVIDERS.items()}
    watch.look()
    state, _ = ProviderState.objects.get_or_create(provider="google")
    figure = TRIGGERS.get("quota").measure()
    assert not figure.is_beyond
    assert state.provider == "google"


def test_connections_are_measured_in_shares_of_the_servers(db):
    figure = TRIGGERS.get("database-connections").measure()
    assert figure.value is not None
    assert 0 < figure.value < 1
    assert (figure.limit, figure.minimum) == (0.95, 50)


def test_a_server_with_all_connections_in_use_is_beyond(db, monkeypatch):
    found = SimpleNamespace(used=191, bound=200)
    monkeypatch.setattr("orchestrator.ops.observability.health_metrics.read_connections", lambda: found)
    figure = TRIGGERS.get("database-connections").measure()
    assert figure.is_beyond
    assert figure.is_enough
