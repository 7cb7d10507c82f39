"""`call_model` as callers use it: ledger and counters after each way in which a call can end."""

import json
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from decimal import Decimal
from typing import Any

import pytest
from django.db import IntegrityError, connection, transaction

from providers import audit, limiter, prices
from providers.base import (
    AdapterFault,
    BadRequest,
    ConnectionCut,
    CostCeilingReached,
    MalformedAnswer,
    NeverAdmissible,
    NotAdmitted,
    Overloaded,
    PromptCut,
    RateLimited,
    Request,
    ServerFailed,
    TimedOut,
    Unreachable,
    Usage,
)
from providers.calls import Caller, call_model
from providers.limiter import ReservationRequest
from providers.models import ProviderCall, ProviderState
from tests.providers.limits.conftest import Clock
from tests.providers.limits.loopback import LoopbackProvider, Reply

MODEL = "gpt-4-turbo"
CALLER = Caller(repo="r", stage_id=7, stage_kind="plan")


def request(prompt: str = "x" * 900, *, output: int = 100, timeout: float = 5, model: str = MODEL) -> Request:
    return Request(model=model, system="", prompt=prompt, max_output_tokens=output, timeout_seconds=timeout)


def state(provider: str = "openai") -> ProviderState:
    return ProviderState.objects.get(provider=provider)


def test_a_call_is_charged_what_it_used(clock: Clock, loopback: LoopbackProvider) -> None:
    answered = call_model("openai", request(), CALLER)
    call = ProviderCall.objects.get()
    assert (call.id, call.status, call.reserved_tokens) == (answered.call_id, "settled", 1000)
    assert (call.input_tokens, call.output_tokens) == (100, 50)
    expected = prices.price_usage("openai", MODEL, Usage(input_tokens=100, output_tokens=50), call.created_at)
    assert call.cost_usd == answered.cost_usd == expected.usd > 0
    assert call.price["usd_per_million"] == expected.snapshot["usd_per_million"]
    assert (state().day_tokens, state().reserved_tokens, state().inflight, state().minute_requests) == (
        150,
        0,
        0,
        1,
    )
    assert not answered.replayed


@pytest.mark.django_db(transaction=True)
def test_the_reservation_is_committed_before_the_call_leaves(loopback: LoopbackProvider) -> None:
    seen: list[Any] = []

    def look() -> None:
        """On the server's thread, so on a connection of its own: it sees only what is committed."""
        seen.extend(ProviderCall.objects.values_list("status", "reserved_tokens"))
        connection.close()

    loopback.replies = [Reply(meanwhile=look)]
    call_model("openai", request(), CALLER)
    assert seen == [("reserved", 1000)]
    assert audit.find_differences() == []


def test_the_same_question_of_the_same_stage_is_not_paid_twice(
    clock: Clock, loopback: LoopbackProvider
) -> None:
    first = call_model("openai", request(), CALLER)
    again = call_model("openai", request(timeout=9), CALLER)
    assert again.replayed
    assert (again.call_id, again.cost_usd, again.completion.usage) == (
        first.call_id,
        first.cost_usd,
        first.completion.usage,
    )
    assert len(loopback.asked) == 1
    assert not call_model("openai", request("y" * 900), CALLER).replayed


@pytest.fixture
def settlement_fails(transactional_db: None) -> Iterator[Callable[[], None]]:
    """No settlement succeeds, as if we crashed before it; call it to let them through again."""
    with connection.cursor() as cursor:
        cursor.execute("ALTER TABLE providers_providercall ADD CONSTRAINT crash CHECK (status <> 'settled')")

    def heal() -> None:
        with connection.cursor() as cursor:
            cursor.execute("ALTER TABLE providers_providercall DROP CONSTRAINT IF EXISTS crash")

    yield heal
    heal()


def test_a_long_answer_stored_before_a_crash_is_settled_and_returned(
    loopback: LoopbackProvider, settlement_fails: Callable[[], None]
) -> None:
    usage = {"prompt_tokens": 100, "completion_tokens": 50}
    loopback.replies = [
        Reply(body=json.dumps({"id": "r", "text": "long " * 10_000, "usage": usage}).encode())
    ]
    with pytest.raises(IntegrityError):
        call_model("openai", request(), CALLER)
    assert (ProviderCall.objects.get().status, state().reserved_tokens) == ("reserved", 1000)
    settlement_fails()
    again = call_model("openai", request(), CALLER)
    assert (again.replayed, again.completion.text) == (True, "long " * 10_000)
    assert (ProviderCall.objects.get().status, state().day_tokens, len(loopback.asked)) == ("settled", 150, 1)
    assert audit.find_differences() == []


def test_a_short_answer_and_its_settlement_are_one(
    loopback: LoopbackProvider, settlement_fails: Callable[[], None]
) -> None:
    with pytest.raises(IntegrityError):
        call_model("openai", request(), CALLER)
    call = ProviderCall.objects.get()
    assert (call.status, call.answer, state().reserved_tokens) == (
        "reserved",
        None,
        1000,
    )  # the lease stays, and stays charged
    settlement_fails()
    assert not call_model("openai", request(), CALLER).replayed
    assert audit.find_differences() == []


@pytest.mark.parametrize(
    ("reply", "error", "status", "charged"),
    [
        (Reply(status=500), ServerFailed, "released", 0),
        (Reply(status=529), Overloaded, "released", 0),
        (Reply(status=400), BadRequest, "released", 0),
        (Reply(status=429, retry_after=7), RateLimited, "released", 0),
        # The vendor counts 200 tokens; a fiftieth and 64 are added. Nothing came of the answer.
        (Reply(cut=True), ConnectionCut, "unknown", 268),
        # The answer is lost in the adapter, so all of its output may have been written.
        (Reply(body=b"<html>"), MalformedAnswer, "unknown", 368),
    ],
)
def test_each_error_ends_the_reservation_its_way(
    clock: Clock, loopback: LoopbackProvider, reply: Reply, error: type[Exception], status: str, charged: int
) -> None:
    loopback.replies = [reply]
    with pytest.raises(error):
        call_model("openai", request(), CALLER)
    call = ProviderCall.objects.get()
    assert (call.status, call.error_code) == (status, error.code)  # type: ignore[attr-defined]
    assert (state().day_tokens, state().reserved_tokens, state().inflight) == (charged, 0, 0)


def test_a_timeout_is_charged_what_the_vendor_counts(clock: Clock, loopback: LoopbackProvider) -> None:
    hold = threading.Event()
    loopback.replies = [Reply(meanwhile=lambda: (hold.wait(), None)[1])]
    with pytest.raises(TimedOut):
        call_model("openai", request(timeout=0.05), CALLER)
    hold.set()
    call = ProviderCall.objects.get()
    assert (call.status, call.cost_usd, state().day_tokens) == ("unknown", call.reserved_usd, 268)
    assert call.usage_source == "counted"


def test_a_malformed_answer_with_usage_is_charged_what_it_says(
    clock: Clock, loopback: LoopbackProvider
) -> None:
    loopback.replies = [
        Reply(body=b'{"id": "r", "usage": {"prompt_tokens": 30, "completion_tokens": 3, "total_tokens": 33}}')
    ]
    with pytest.raises(MalformedAnswer):
        call_model("openai", request(), CALLER)
    call = ProviderCall.objects.get()
    assert (call.status, call.error_code, state().day_tokens) == ("settled", "provider:malformed-answer", 33)
    assert call.response["id"] == "r"


def test_nobody_listens(clock: Clock, loopback: LoopbackProvider, settings: Any) -> None:
    settings.PROVIDERS["openai"]["base_url"] = "http://127.0.0.1:1"
    with pytest.raises(Unreachable):
        call_model("openai", request(), CALLER)
    assert ProviderCall.objects.get().status == "released"


def test_a_429_keeps_everybody_away_for_as_long_as_it_says(clock: Clock, loopback: LoopbackProvider) -> None:
    loopback.replies = [Reply(status=429, retry_after=30)]
    with pytest.raises(RateLimited):
        call_model("openai", request(), CALLER)
    with pytest.raises(NotAdmitted) as refused:
        call_model("openai", request(), Caller(repo="another"))
    assert (refused.value.dimension, (refused.value.until - clock.now).total_seconds()) == ("not_before", 30)
    clock.step(seconds=30)
    call_model("openai", request(), CALLER)
    assert len(loopback.asked) == 2


def test_a_fault_in_an_adapter_leaves_no_open_reservation(
    clock: Clock, loopback: LoopbackProvider, monkeypatch: pytest.MonkeyPatch
) -> None:
    loopback.replies = [Reply(body=b'{"text": "x", "usage": {}}')]
    with pytest.raises(AdapterFault, match="KeyError"):
        call_model("openai", request(), CALLER)
    assert (ProviderCall.objects.get().error_code, state().inflight, state().day_tokens) == (
        "provider:adapter-fault",
        0,
        368,
    )


def test_what_cannot_fit_an_empty_quota_is_counted_then_refused_at_once(
    clock: Clock, loopback: LoopbackProvider
) -> None:
    loopback.count = 200_000
    with pytest.raises(NeverAdmissible, match="daily quota is 100,000"):
        call_model("openai", request("x" * 120_000), CALLER)
    assert (loopback.counted, loopback.asked, ProviderCall.objects.count()) == (1, [], 0)
    loopback.count, loopback.replies = 1000, [Reply(usage=(20_000, 50))]
    call_model("openai", request("x" * 120_000), CALLER)
    assert ProviderCall.objects.get().reserved_tokens == 1000 + 20 + 64 + 100


def test_a_flow_without_money_is_refused_at_once(clock: Clock, loopback: LoopbackProvider) -> None:
    with pytest.raises(NeverAdmissible, match="may still spend"):
        call_model("openai", request(), Caller(repo="r", ceiling_usd=Decimal("0.001")))


def test_a_stored_answer_is_given_even_with_nothing_left_to_spend(
    clock: Clock, loopback: LoopbackProvider
) -> None:
    paid = call_model("openai", request(), CALLER)
    assert call_model("openai", request(), replace(CALLER, ceiling_usd=Decimal(-1))).call_id == paid.call_id
    with pytest.raises(CostCeilingReached):
        call_model("openai", request("other"), replace(CALLER, ceiling_usd=Decimal(-1)))


def test_a_call_inside_a_transaction_is_refused(loopback: LoopbackProvider, transactional_db: None) -> None:
    with transaction.atomic(), pytest.raises(RuntimeError, match="inside a transaction"):
        call_model("openai", request(), CALLER)
    assert loopback.asked == []


def test_the_provider_counts_when_the_bytes_do_not_fit(clock: Clock, loopback: LoopbackProvider) -> None:
    limiter.acquire(ReservationRequest("openai", MODEL, tokens=49_000, nano_usd=0, timeout_seconds=60))
    call_model("openai", request("x" * 3000), CALLER)
    assert loopback.counted == 1
    loopback.count = 5000
    with pytest.raises(NotAdmitted) as refused:
        call_model("openai", request("y" * 3000), CALLER)
    assert (refused.value.dimension, (refused.value.until - clock.now).total_seconds()) == (
        "tokens_minute",
        61,
    )


def fill(provider: str, tokens: int) -> None:
    admitted = limiter.acquire(
        ReservationRequest(provider, MODEL, tokens=tokens, nano_usd=0, timeout_seconds=60),
        limiter.Limits(10**9, 10**9, 10**6, 10**6, 10**15),
    )
    assert isinstance(admitted, limiter.Admitted)
    limiter.keep_charged(admitted.call_id, provider, code="x", message="", health=limiter.Health.SILENT)


def test_another_model_answers_when_the_wait_would_be_long(clock: Clock, loopback: LoopbackProvider) -> None:
    fill("openai", 90_000)
    answered = call_model(
        "openai", request(), Caller(repo="r", stage_id=7, fallback_model="claude-sonnet-4-5")
    )
    assert (answered.provider, answered.model, answered.fallback_from) == (
        "anthropic",
        "claude-sonnet-4-5",
        MODEL,
    )
    call = ProviderCall.objects.get(id=answered.call_id)
    assert (call.provider, call.fallback_from, loopback.asked[0]["model"]) == (
        "anthropic",
        MODEL,
        "claude-sonnet-4-5",
    )
    again = call_model("openai", request(), Caller(repo="r", stage_id=7, fallback_model="claude-sonnet-4-5"))
    assert (again.replayed, again.fallback_from, again.call_id) == (True, MODEL, answered.call_id)


@pytest.mark.parametrize(
    "caller",
    [
        Caller(repo="r"),
        Caller(repo="r", fallback_model=MODEL),
        Caller(repo="r", fallback_model="claude-sonnet-4-5", forbidden_vendors=frozenset({"anthropic"})),
    ],
)
def test_no_fallback_is_taken(clock: Clock, loopback: LoopbackProvider, caller: Caller) -> None:
    fill("openai", 90_000)
    with pytest.raises(
        NotAdmitted, match=r"openai: 90 % of daily tokens used; capacity returns 2026-11-21T13:00Z"
    ):
        call_model("openai", request(), caller)
    assert loopback.asked == []


def test_a_fallback_that_is_full_is_not_called(clock: Clock, loopback: LoopbackProvider) -> None:
    fill("openai", 90_000)
    fill("anthropic", 90_000)
    with pytest.raises(NotAdmitted, match="openai"):
        call_model("openai", request(), Caller(repo="r", fallback_model="claude-sonnet-4-5"))
    assert loopback.asked == []


@pytest.mark.django_db(transaction=True)
def test_a_large_request_is_counted_while_it_is_answered_and_holds_up_nobody(
    loopback: LoopbackProvider,
) -> None:
    """Two of them would fill a minute by their bytes; by their tokens there is room for ten."""
    loopback.count = 7_000
    seen: list[int] = []

    def wait_until_lowered() -> None:
        """On the server's thread: the call is under way all the while."""
        for _ in range(500):
            seen.append(ProviderCall.objects.get().reserved_tokens)
            if seen[-1] < 30_000:
                break
            time.sleep(0.01)
        connection.close()

    loopback.replies = [Reply(usage=(7_000, 50), meanwhile=wait_until_lowered)]
    call_model("openai", request("x" * 30_000, timeout=20), CALLER)
    assert seen[-1] == 7_000 + 140 + 64 + 100
    assert loopback.counted == 1
    assert (state().day_tokens, state().reserved_tokens) == (7_050, 0)
    assert audit.find_differences() == []


def test_a_prompt_that_the_server_cut_is_noticed_and_paid(clock: Clock, loopback: LoopbackProvider) -> None:
    loopback.replies = [Reply(usage=(4_096, 50))]
    with pytest.raises(PromptCut, match="4,096 tokens of a prompt of 40,000 bytes"):
        call_model("openai", request("word " * 8_000), CALLER)
    call = ProviderCall.objects.get()
    assert (call.status, call.error_code, state().day_tokens) == ("settled", "provider:prompt-cut", 4_146)


def test_a_vendor_that_refuses_what_is_too_long_is_not_suspected(
    clock: Clock, loopback: LoopbackProvider
) -> None:
    loopback.replies = [Reply(usage=(4_096, 50))]
    call_model("anthropic", request("word " * 8_000, model="claude-sonnet-4-5"), CALLER)
