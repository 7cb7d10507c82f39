"""The limiter on connections of its own, as workers have them: durable, concurrent, and audited."""

import threading
from decimal import Decimal
from io import StringIO

import psycopg
import pytest
from django.core.management import CommandError, call_command
from django.db import connection, transaction

from providers import audit, limiter
from providers.base import Usage
from providers.limiter import Admitted, Denied, Limits, ReservationRequest
from providers.models import BudgetState, ProviderCall, ProviderState
from tests.databases import url_of_test_database
from tests.providers.limits.conftest import Clock

LIMITS = Limits(
    tokens_day=10_000, tokens_minute=10**9, requests_minute=10**6, concurrency=10**6, nano_day=10**15
)


def acquire(
    tokens: int = 100, allowed: Limits = LIMITS, nano: int = 0, provider: str = "google"
) -> Admitted | Denied:
    verdict = limiter.acquire(ReservationRequest(provider, "m", tokens, nano, timeout_seconds=60), allowed)
    assert not isinstance(verdict, limiter.AnswerStored)
    return verdict


@pytest.mark.django_db(transaction=True)
def test_many_at_once_get_the_quota_and_not_one_token_more() -> None:
    admitted: list[Admitted] = []

    def work() -> None:
        while isinstance(verdict := acquire(137), Admitted):
            admitted.append(verdict)
        connection.close()

    threads = [threading.Thread(target=work) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(admitted) == 10_000 // 137
    assert audit.find_differences() == []


@pytest.mark.django_db(transaction=True)
def test_questions_in_one_transaction_hold_up_no_call() -> None:
    # As the exporter asks about all providers in one transaction.
    for name in ("anthropic", "openai"):
        assert limiter.find_denial(name) is None
    with transaction.atomic():
        assert limiter.find_denial("anthropic", nano_usd=1) is None
        with psycopg.connect(url_of_test_database()) as other:
            for table in ("providers_providerstate", "providers_budgetstate"):
                # Fails where somebody has locked a row.
                other.execute(f"SELECT 1 FROM {table} FOR UPDATE NOWAIT").fetchall()
        assert limiter.find_denial("openai", nano_usd=1) is None


@pytest.mark.django_db(transaction=True)
def test_a_settlement_that_is_sent_by_many_at_once_counts_once() -> None:
    admitted, done = acquire(), []
    assert isinstance(admitted, Admitted)

    def work() -> None:
        done.append(limiter.settle(admitted.call_id, "google", Usage(input_tokens=40), Decimal("0.1"), {}))
        connection.close()

    threads = [threading.Thread(target=work) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(done) == [False] * 5 + [True]
    assert ProviderState.objects.get().day_tokens == 40


@pytest.mark.django_db(transaction=True)
def test_a_connection_that_breaks_is_replaced_and_nothing_is_reserved_twice() -> None:
    acquire()
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_backend_pid()")
        (pid,) = cursor.fetchone()

    def cut() -> None:
        with connection.cursor() as cursor:
            cursor.execute("SELECT pg_terminate_backend(%s, 5000)", [pid])
        connection.close()

    thread = threading.Thread(target=cut)
    thread.start()
    thread.join()
    assert isinstance(acquire(), Admitted)
    assert ProviderState.objects.get().reserved_tokens == 200
    assert audit.find_differences() == []


def test_lost_counters_are_rebuilt_from_the_ledger(clock: Clock) -> None:
    admitted = acquire(3000, nano=500)
    assert isinstance(admitted, Admitted)
    acquire(1000, nano=200)
    limiter.settle(admitted.call_id, "google", Usage(output_tokens=2500), Decimal("0.0000004"), {})
    ProviderState.objects.all().delete()
    BudgetState.objects.all().delete()
    denied = acquire(7000)
    assert isinstance(denied, Denied)
    assert (denied.dimension, denied.used, denied.reservations_only) == ("tokens_day", 3500, True)
    assert isinstance(acquire(6500, nano=1), Admitted)
    assert (ProviderState.objects.get().inflight, BudgetState.objects.get().day_nano) == (2, 601)
    assert audit.find_differences() == []


def test_capacity_returns_with_the_hour_that_took_it(clock: Clock) -> None:
    for tokens in (4000, 3000, 2000):
        admitted = acquire(tokens)
        assert isinstance(admitted, Admitted)
        limiter.keep_charged(admitted.call_id, "google", code="x", message="")
        clock.step(hours=1)
    denied = acquire(6000)
    assert isinstance(denied, Denied)
    # 9,000 are used; 6,000 more need 5,000 back: the 4,000 of noon and the 3,000 of one o'clock.
    assert (denied.dimension, denied.until.hour, denied.reservations_only) == ("tokens_day", 14, False)
    clock.step(hours=23)
    assert isinstance(acquire(6000), Admitted)


def test_all_providers_share_the_daily_budget(clock: Clock) -> None:
    allowed = Limits(10**9, 10**9, 10**6, 10**6, nano_day=1000)
    first = acquire(1, allowed, nano=700, provider="google")
    assert isinstance(first, Admitted)
    denied = acquire(1, allowed, nano=301, provider="openai")
    assert isinstance(denied, Denied)
    assert (denied.dimension, denied.reservations_only, denied.used) == ("usd_day", True, 700)
    limiter.settle(first.call_id, "google", Usage(input_tokens=1), Decimal("0.000000699"), {})
    assert isinstance(acquire(1, allowed, nano=301, provider="openai"), Admitted)


def test_the_audit_names_the_counter_that_differs_and_can_repair_it(clock: Clock) -> None:
    acquire(100)
    ProviderState.objects.update(day_tokens=107)
    out = StringIO()
    with pytest.raises(CommandError, match="1 counters differ") as failed:
        call_command("audit_quota", "--repair", stdout=out)
    assert failed.value.returncode == 1
    assert "google day_tokens: counted 107, the ledger says 100" in out.getvalue()
    call_command("audit_quota", stdout=out)
    assert "Every counter equals the ledger." in out.getvalue()


def test_a_lease_that_ran_out_is_unknown_spend_until_it_is_settled_late(clock: Clock) -> None:
    admitted = acquire(100, nano=9)
    assert isinstance(admitted, Admitted)
    clock.step(seconds=91)
    acquire(1)
    call = ProviderCall.objects.get(id=admitted.call_id)
    assert (call.status, call.cost_usd, call.error_code) == (
        "unknown",
        Decimal("0.000000009"),
        "provider:lease-expired",
    )
    assert (ProviderState.objects.get().day_tokens, ProviderState.objects.get().inflight) == (101, 1)
    assert limiter.settle(admitted.call_id, "google", Usage(input_tokens=10), Decimal(0), {})
    assert ProviderState.objects.get().day_tokens == 11
    assert not limiter.settle(admitted.call_id, "google", Usage(input_tokens=10), Decimal(0), {})
