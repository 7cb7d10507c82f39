"""Quotas over REST, the command line's view of them, and their metrics."""

from collections.abc import Callable
from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest
from django.utils import timezone
from rest_framework.test import APIClient

from orchestrator.ops.observability import quota_metrics
from orchestrator.repos import tokens
from providers import limiter
from providers.base import Usage
from providers.limiter import Admitted, ReservationRequest
from providers.models import ProviderChange, ProviderState, RepoUse
from tests import scenes


def make_client(owner: Any = None) -> APIClient:
    made = APIClient()
    made.credentials(HTTP_AUTHORIZATION=f"Bearer {tokens.create_token('test', owner)[1]}")
    return made


def reserve_tokens(provider: str, token_count: int) -> Admitted:
    admitted = limiter.acquire(ReservationRequest(provider, "m", token_count, 10**9, timeout_seconds=60))
    assert isinstance(admitted, Admitted)
    return admitted


def use_tokens(provider: str, token_count: int) -> None:
    admitted = reserve_tokens(provider, token_count)
    limiter.settle(admitted.call_id, provider, Usage(input_tokens=token_count), Decimal("0.5"), {})


@pytest.fixture
def google(settings, db) -> None:
    small = settings.PROVIDERS["google"] | {"daily_token_quota": 1000, "tokens_per_minute": 10**6}
    settings.PROVIDERS = {**settings.PROVIDERS, "google": small}


def test_rest_says_what_is_used_and_what_holds_a_provider_up(google):
    use_tokens("google", 860)
    reserve_tokens("openai", 5000)
    body = make_client(scenes.make_repo()).get("/api/v1/quota/").json()
    found = {one["provider"]: one for one in body["providers"]}
    assert (found["google"]["used_tokens"], found["google"]["percent"], found["google"]["level"]) == (
        860,
        86.0,
        "paused",
    )
    assert found["google"]["reason"].startswith("google: 86 % of daily tokens used; capacity returns ")
    assert found["google"]["hours"][-1]["tokens"] == 860
    assert (found["openai"]["reserved_tokens"], found["openai"]["inflight"], found["openai"]["admits"]) == (
        5000,
        1,
        True,
    )
    assert (body["spent_usd"], body["daily_budget_usd"], body["circuit_breaker_threshold"]) == (
        "1.5",
        "50",
        85,
    )


def test_operators_pause_and_resume_and_say_why(db):
    operator = make_client()
    assert operator.post("/api/v1/quota/openai/pause/", {}, format="json").status_code == 422
    done = operator.post("/api/v1/quota/openai/pause/", {"reason": "an outage"}, format="json").json()
    assert (done["changed"], done["action"], done["actor"], done["reason"]) == (
        True,
        "paused",
        "token:test",
        "an outage",
    )
    again = operator.post("/api/v1/quota/openai/pause/", {"reason": "me too"}, format="json").json()
    assert (again["changed"], again["reason"]) == (False, "an outage")
    assert operator.get("/api/v1/quota/").json()["providers"][1]["pause_reason"] == "an outage"
    assert (
        operator.post("/api/v1/quota/openai/resume/", {"reason": "over"}, format="json").json()["action"]
        == "resumed"
    )
    assert ProviderChange.objects.count() == 2
    assert not ProviderState.objects.get(provider="openai").paused


@pytest.mark.parametrize(
    ("who", "provider", "status", "code"),
    [
        (scenes.make_repo, "openai", 403, "auth:operators-only"),
        (lambda: None, "nobody", 404, "quota:unknown-provider"),
    ],
)
def test_who_may_not_pause_what(db, who: Callable[[], Any], provider, status, code):
    answer = make_client(who()).post(f"/api/v1/quota/{provider}/pause/", {"reason": "x"}, format="json")
    assert (answer.status_code, answer.json()["code"]) == (status, code)


def read_gauges(source) -> dict[tuple[str, ...], float]:
    return {
        (sample.name, *sample.labels.values()): sample.value
        for metric in source()
        for sample in metric.samples
    }


def test_gauges_stand_at_what_the_limiter_holds(google):
    use_tokens("google", 700)
    reserve_tokens("google", 100)
    found = read_gauges(quota_metrics.measure_quotas)
    assert found["provider_quota_tokens_used", "google"] == 700
    assert found["provider_quota_tokens_reserved", "google"] == 100
    assert found["provider_quota_used_ratio", "google"] == 0.7
    assert found["provider_limit_ratio", "google", "tokens_day"] == 0.8
    assert found["provider_breaker", "google"] == 0
    assert found[("orchestrator_budget_spent_usd",)] == 1.5
    assert found[("orchestrator_budget_limit_usd",)] == 50


@pytest.mark.parametrize(("used", "signal"), [(949, 0), (950, 1)])
def test_the_rollback_signal_is_a_gauge(google, used, signal):
    use_tokens("google", used)
    found = read_gauges(quota_metrics.measure_quotas)
    assert (found["provider_quota_rollback", "google"], found["provider_quota_rollback", "openai"]) == (
        signal,
        0,
    )


def test_drift_is_nothing_until_a_counter_is_wrong(google):
    use_tokens("google", 700)
    assert set(read_gauges(quota_metrics.measure_drift).values()) == {0.0}
    ProviderState.objects.filter(provider="google").update(day_tokens=7)
    assert read_gauges(quota_metrics.measure_drift)["provider_ledger_drift", "google"] == 1


def test_drift_of_a_repo_is_told_without_its_name(google):
    wanted = ReservationRequest("google", "m", 50, 10**9, timeout_seconds=60, repo="acme")
    assert isinstance(limiter.acquire(wanted), Admitted)
    assert read_gauges(quota_metrics.measure_drift)["provider_ledger_drift", "repos"] == 0
    RepoUse.objects.filter(repo="acme").update(day_tokens=7)
    assert read_gauges(quota_metrics.measure_drift)["provider_ledger_drift", "repos"] == 1
    # What was used a day ago counts no longer, right or wrong.
    RepoUse.objects.filter(repo="acme").update(head_hour=1)
    assert read_gauges(quota_metrics.measure_drift)["provider_ledger_drift", "repos"] == 0


def test_flows_queued_for_over_five_minutes_are_counted(db):
    for minutes in (1, 6, 9):
        scenes.make_flow().stages.filter(status="ready").update(
            ready_at=timezone.now() - timedelta(minutes=minutes)
        )
    waiting = scenes.make_flow()
    scenes.park_stage(scenes.start_kind(waiting, "context"), "x", provider="google")
    waiting.stages.filter(kind="context").update(waiting_since=timezone.now() - timedelta(minutes=20))
    found = read_gauges(quota_metrics.measure_queued)
    assert found["orchestrator_flows_queued_over_5m", "google", "ready"] == 2
    assert found["orchestrator_flows_queued_over_5m", "google", "waiting"] == 1
    assert 1199 < found["orchestrator_flow_queued_seconds_max", "google", "waiting"] < 1300
