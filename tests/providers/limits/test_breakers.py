"""The two breakers and the switch, seen through admission."""

from typing import Any

import pytest
from django.core.checks import run_checks

from providers import breaker, limiter, quota_report
from providers.breaker import QuotaLevel
from providers.limiter import Admitted, Denied, Health, Limits, ReservationRequest
from providers.models import ProviderChange, ProviderState
from tests.providers.limits.conftest import Clock

PLENTY = Limits(10**6, 10**6, 10**6, 10**6, 10**15)


def acquire(limits_: Limits = PLENTY, tokens: int = 1) -> Admitted | Denied:
    verdict = limiter.acquire(ReservationRequest("openai", "m", tokens, 0, timeout_seconds=60), limits_)
    assert not isinstance(verdict, limiter.AnswerStored)
    return verdict


def fail() -> None:
    admitted = acquire()
    assert isinstance(admitted, Admitted)
    limiter.release(admitted.call_id, "openai", code="provider:server-error", health=Health.FAILED)


def opened() -> None:
    for _ in range(5):
        fail()


def test_failures_open_it_and_one_probe_closes_it(clock: Clock) -> None:
    opened()
    denied = acquire()
    assert isinstance(denied, Denied)
    assert (denied.dimension, (denied.until - clock.now).total_seconds()) == ("breaker", 10)
    clock.step(seconds=10)
    probe, second = acquire(), acquire()
    assert isinstance(probe, Admitted)
    assert isinstance(second, Denied)
    assert (second.dimension, second.reservations_only) == ("breaker", True)
    assert quota_report.read_headroom("openai").calls == 0
    limiter.settle(probe.call_id, "openai", limiter.Usage(input_tokens=1), limiter.Decimal(0), {})
    assert isinstance(acquire(), Admitted)
    assert [change.action for change in ProviderChange.objects.order_by("id")] == ["opened", "closed"]


def test_a_probe_that_fails_doubles_the_pause(clock: Clock) -> None:
    opened()
    clock.step(seconds=10)
    fail()
    denied = acquire()
    assert isinstance(denied, Denied)
    assert (denied.until - clock.now).total_seconds() == 20


def test_a_probe_that_dies_is_replaced_when_its_lease_is_over(clock: Clock) -> None:
    opened()
    clock.step(seconds=10)
    assert isinstance(acquire(), Admitted)
    clock.step(seconds=91)
    assert isinstance(acquire(), Admitted)
    assert isinstance(acquire(), Denied)


def test_a_probe_that_is_throttled_says_nothing_and_the_next_one_may_go(clock: Clock) -> None:
    opened()
    clock.step(seconds=10)
    probe = acquire()
    assert isinstance(probe, Admitted)
    limiter.release(probe.call_id, "openai", pause_seconds=3)
    clock.step(seconds=3)
    assert isinstance(acquire(), Admitted)


def test_a_429_is_neither_success_nor_failure(clock: Clock) -> None:
    for wait in (1, 2, 4):
        admitted = acquire()
        assert isinstance(admitted, Admitted)
        limiter.release(admitted.call_id, "openai", pause_seconds=-1)
        assert quota_report.admission_hint("openai").at == ProviderState.objects.get().not_before
        denied = acquire()
        assert isinstance(denied, Denied)
        assert (denied.dimension, (denied.until - clock.now).total_seconds()) == ("not_before", wait)
        clock.step(seconds=wait)
    assert (ProviderState.objects.get().failure_score, ProviderState.objects.get().breaker) == (0, "closed")


def test_an_earlier_time_never_shortens_the_wait(clock: Clock) -> None:
    first, second = acquire(), acquire()
    assert isinstance(first, Admitted)
    assert isinstance(second, Admitted)
    limiter.release(first.call_id, "openai", pause_seconds=60)
    limiter.release(second.call_id, "openai", pause_seconds=1)
    denied = acquire()
    assert isinstance(denied, Denied)
    assert (denied.until - clock.now).total_seconds() == 60


def test_an_operator_pauses_and_resumes_and_says_why(clock: Clock) -> None:
    assert breaker.pause_provider("openai", actor="sre", reason="invoice dispute")
    assert not breaker.pause_provider("openai", actor="other", reason="me too")
    denied = acquire()
    assert isinstance(denied, Denied)
    assert denied.dimension == "paused"
    assert breaker.resume_provider("openai", actor="sre", reason="paid")
    assert isinstance(acquire(), Admitted)
    assert list(ProviderChange.objects.order_by("id").values_list("action", "actor", "reason")) == [
        ("paused", "sre", "invoice dispute"),
        ("resumed", "sre", "paid"),
    ]


@pytest.mark.parametrize(
    ("provider", "actor", "reason"), [("nobody", "a", "b"), ("openai", " ", "b"), ("openai", "a", "")]
)
def test_a_change_without_a_name_or_a_reason_is_refused(
    clock: Clock, provider: str, actor: str, reason: str
) -> None:
    with pytest.raises(ValueError, match="provider"):
        breaker.pause_provider(provider, actor=actor, reason=reason)


def use(tokens: int) -> None:
    admitted = acquire(tokens=tokens)
    assert isinstance(admitted, Admitted)
    limiter.settle(admitted.call_id, "openai", limiter.Usage(input_tokens=tokens), limiter.Decimal(0), {})


@pytest.mark.parametrize(
    ("used", "expected"),
    [(699, "ok"), (700, "warning"), (849, "warning"), (850, "paused"), (949, "paused"), (950, "rollback")],
)
def test_the_levels_of_the_quota_breaker(clock: Clock, settings: Any, used: int, expected: str) -> None:
    settings.PROVIDERS = {
        **settings.PROVIDERS,
        "openai": {**settings.PROVIDERS["openai"], "daily_token_quota": 1000},
    }
    use(used)
    openai = next(one for one in quota_report.read_quotas().providers if one.provider == "openai")
    assert (openai.level, openai.used, openai.percent) == (expected, used, used / 10)
    assert (quota_report.rollback_signal() == ("openai",)) == (expected == "rollback")
    paused = expected in {"paused", "rollback"}
    assert isinstance(acquire(limiter.read_limits("openai")), Denied) == paused
    assert openai.next_capacity.admits != paused
    assert quota_report.read_headroom("openai").calls == (0 if paused else 31)


def test_it_resumes_by_itself_as_hours_roll_off(clock: Clock, settings: Any) -> None:
    settings.PROVIDERS = {
        **settings.PROVIDERS,
        "openai": {**settings.PROVIDERS["openai"], "daily_token_quota": 1000},
    }
    use(200)
    clock.step(hours=3)
    use(700)
    hint = quota_report.admission_hint("openai")
    assert hint.reason == "openai: 90 % of daily tokens used; capacity returns 2026-11-21T13:00Z"
    clock.step(hours=22)
    assert quota_report.admission_hint("openai").admits


def test_it_can_be_switched_off_and_start_up_says_so(clock: Clock, settings: Any) -> None:
    settings.PROVIDERS = {
        **settings.PROVIDERS,
        "openai": {**settings.PROVIDERS["openai"], "daily_token_quota": 1000},
    }
    settings.ENABLE_CIRCUIT_BREAKER = False
    use(990)
    assert isinstance(acquire(limiter.read_limits("openai"), tokens=10), Admitted)
    assert quota_report.rollback_signal() == ()
    assert breaker.quota_level(990, 1000) is QuotaLevel.WARNING
    assert "providers.W001" in [message.id for message in run_checks()]
