"""The budget of one repo beside the limits of all: exact for many callers at once, in its own words."""

import threading
from decimal import Decimal

import pytest
from django.db import connection

from providers import audit, limiter
from providers.admission import RepoRefused
from providers.base import RepoBudgetUsed, Usage
from providers.limiter import Admitted, Denied, Limits, RepoBudget, ReservationRequest
from providers.models import ProviderState, RepoUse
from tests.providers.limits.conftest import Clock

PLENTY = Limits(10**12, 10**12, 10**6, 10**6, nano_day=10**15)
BUDGET = RepoBudget(tokens_day=10_000, nano_day=10**9)


def acquire(
    tokens: int = 100,
    *,
    repo: str = "acme",
    nano: int = 0,
    provider: str = "google",
    budget: RepoBudget | None = BUDGET,
    allowed: Limits = PLENTY,
) -> Admitted | Denied:
    wanted = ReservationRequest(provider, "m", tokens, nano, timeout_seconds=60, repo=repo, budget=budget)
    verdict = limiter.acquire(wanted, allowed)
    assert not isinstance(verdict, limiter.AnswerStored)
    return verdict


def in_threads(count: int, work) -> None:
    def run(number: int) -> None:
        work(number)
        connection.close()

    threads = [threading.Thread(target=run, args=(number,)) for number in range(count)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


@pytest.mark.django_db(transaction=True)
def test_many_callers_at_all_providers_get_the_budget_and_not_one_token_more() -> None:
    admitted: list[Admitted] = []
    providers = ("google", "openai", "anthropic")

    def work(number: int) -> None:
        while isinstance(verdict := acquire(137, provider=providers[number % 3]), Admitted):
            admitted.append(verdict)
            # Half of them end at once with less, so that budget comes back while others ask.
            if len(admitted) % 2:
                limiter.settle(verdict.call_id, verdict.provider, Usage(output_tokens=37), Decimal(0), {})

    in_threads(9, work)
    used = RepoUse.objects.get().day_tokens
    # Full to less than one more call, and never over; and no token is left that no call has.
    assert BUDGET.tokens_day - 137 < used <= BUDGET.tokens_day
    assert audit.find_differences() == []


@pytest.mark.django_db(transaction=True)
def test_the_money_of_a_repo_is_held_as_exactly() -> None:
    admitted: list[Admitted] = []

    def work(number: int) -> None:
        while isinstance(
            verdict := acquire(1, nano=10**7 + 1, provider=("google", "openai")[number % 2]), Admitted
        ):
            admitted.append(verdict)

    in_threads(6, work)
    assert len(admitted) == 99
    assert audit.find_differences() == []


def test_a_repo_that_has_used_its_budget_holds_up_no_other(clock: Clock) -> None:
    admitted = acquire(10_000)
    assert isinstance(admitted, Admitted)
    limiter.settle(admitted.call_id, "google", Usage(output_tokens=10_000), Decimal(0), {})
    denied = acquire(1)
    assert isinstance(denied, Denied)
    assert (denied.dimension, denied.used, denied.reservations_only) == ("repo_tokens_day", 10_000, False)
    assert denied.until.hour == 13
    assert isinstance(acquire(1, repo="other"), Admitted)
    # The limits of all are not asked for it.
    assert isinstance(acquire(1, provider="openai"), Denied)
    assert not ProviderState.objects.filter(provider="openai", day_tokens__gt=0).exists()


def test_what_calls_under_way_hold_comes_back_when_they_end(clock: Clock) -> None:
    first = acquire(9_000, nano=5 * 10**8)
    assert isinstance(first, Admitted)
    denied = acquire(2_000)
    assert isinstance(denied, Denied)
    assert (denied.dimension, denied.reservations_only) == ("repo_tokens_day", True)
    denied = acquire(10, nano=6 * 10**8)
    assert isinstance(denied, Denied)
    assert (denied.dimension, denied.reservations_only, denied.used) == ("repo_usd_day", True, 5 * 10**8)
    limiter.release(first.call_id, "google")
    assert isinstance(acquire(2_000, nano=6 * 10**8), Admitted)
    assert audit.find_differences() == []


def test_a_repos_budget_returns_with_the_hour_that_took_it(clock: Clock) -> None:
    for tokens in (4000, 3000, 2000):
        admitted = acquire(tokens)
        assert isinstance(admitted, Admitted)
        limiter.keep_charged(admitted.call_id, "google", code="x", message="")
        clock.step(hours=1)
    denied = acquire(6000)
    assert isinstance(denied, Denied)
    assert (denied.until.hour, denied.used) == (14, 9000)
    clock.step(hours=23)
    assert isinstance(acquire(6000), Admitted)
    assert RepoUse.objects.get().day_tokens == 8000


def test_a_lost_or_wrong_counter_is_rebuilt_from_the_ledger(clock: Clock) -> None:
    admitted = acquire(3000, nano=500)
    assert isinstance(admitted, Admitted)
    limiter.lower_charge(admitted.call_id, "google", 1000, Decimal(0), limiter.UsageSource.COUNTED)
    RepoUse.objects.update(day_tokens=7)
    assert [found.provider for found in audit.find_differences()] == ["repo acme"]
    audit.repair_counters()
    assert RepoUse.objects.get().day_tokens == 1000
    RepoUse.objects.all().delete()
    acquire(1)
    assert RepoUse.objects.get().day_tokens == 1001
    assert audit.find_differences() == []


def test_without_a_budget_the_use_is_counted_all_the_same(clock: Clock) -> None:
    assert isinstance(acquire(20_000, budget=None), Admitted)
    assert isinstance(acquire(1), Denied)


@pytest.fixture
def refused(clock: Clock) -> RepoBudgetUsed:
    admitted = acquire(10_000)
    assert isinstance(admitted, Admitted)
    limiter.keep_charged(admitted.call_id, "google", code="x", message="")
    denied = acquire(1)
    assert isinstance(denied, Denied)
    wanted = ReservationRequest("google", "m", 1, 0, timeout_seconds=60, repo="acme")
    return RepoRefused(wanted, denied, BUDGET)


def test_the_wait_says_whose_limit_it_is(refused: RepoBudgetUsed) -> None:
    assert str(refused) == "repo acme used 10,000 of its 10,000 tokens of today; more at 2026-11-21T13:00Z"
    assert "budget.tokens_day" in refused.cure
