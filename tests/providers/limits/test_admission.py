"""Who is refused, at which number exactly, in which words, and what is reserved for who is not."""

from dataclasses import replace
from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest

from providers import admission, limiter, prices
from providers.admission import CallRefused
from providers.base import CostCeilingReached, NeverAdmissible, Usage
from providers.calls import call_model
from providers.limiter import Admitted, Denied, Health, Limits, ReservationRequest
from providers.models import ProviderCall, ProviderState
from tests.providers.limits.conftest import NOON, Clock
from tests.providers.limits.loopback import LoopbackProvider
from tests.providers.limits.test_provider_calls import CALLER, MODEL, fill, request

ALLOWED = Limits(tokens_day=1000, tokens_minute=1, requests_minute=1, concurrency=4, nano_day=2000)
LATER = NOON + timedelta(hours=1, seconds=5)
AT = "2026-11-20T13:00:05Z"
WAITS = "waiting for calls under way to settle"


@pytest.mark.parametrize(
    ("dimension", "reservations_only", "words"),
    [
        ("paused", False, "paused by an operator"),
        ("not_before", False, f"the provider asked to wait until {AT} (too many requests)"),
        ("not_before", True, "refused several times; one call finds out whether that is over"),
        ("breaker", False, f"calls failed; next probe {AT}"),
        ("breaker", True, "calls failed; one probe is under way"),
        ("quota", False, f"33 % of daily tokens used; capacity returns {AT}"),
        ("tokens_day", False, f"33 % of daily tokens used or reserved; capacity returns {AT}"),
        ("tokens_day", True, f"33 % of daily tokens used or reserved; {WAITS}"),
        ("tokens_minute", False, f"tokens a minute reached; capacity returns {AT}"),
        ("requests_minute", False, f"requests a minute reached; capacity returns {AT}"),
        ("concurrency", False, f"all 4 slots are taken; capacity returns {AT}"),
        ("concurrency", True, f"all 4 slots are taken; {WAITS}"),
        ("usd_day", False, f"16 % of the daily budget used or reserved; capacity returns {AT}"),
        ("usd_day", True, f"16 % of the daily budget used or reserved; {WAITS}"),
    ],
)
def test_why_a_call_waits_is_said_in_words(
    clock: Clock, dimension: str, reservations_only: bool, words: str
) -> None:
    fill("openai", 1)
    ProviderState.objects.update(wait_reason="openai: too many requests")
    denied = Denied(dimension, LATER, reservations_only, used=337, asked_at=NOON)
    assert admission.describe_denial("openai", denied, ALLOWED) == f"openai: {words}"


def test_a_provider_that_gave_no_reason_is_quoted_with_none(clock: Clock) -> None:
    denied = Denied("not_before", LATER, reservations_only=False, used=0, asked_at=NOON)
    said = admission.describe_denial("openai", denied, ALLOWED)
    assert said == f"openai: the provider asked to wait until {AT}"


def test_a_limit_of_nothing_can_be_told_too(clock: Clock) -> None:
    none = replace(ALLOWED, tokens_day=0)
    denied = Denied("tokens_day", LATER, reservations_only=False, used=2, asked_at=NOON)
    assert "200 % of daily tokens" in admission.describe_denial("openai", denied, none)


# Of 900 bytes of prompt and 100 tokens of output.
TOKENS, USD = 1000, prices.price_worst_case("openai", MODEL, 900, 100)


def allow(settings: Any, **options: Any) -> None:
    settings.PROVIDERS = settings.PROVIDERS | {"openai": settings.PROVIDERS["openai"] | options}


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"daily_token_quota": TOKENS}, "1,000 tokens, the daily quota is 999"),
        ({"tokens_per_minute": TOKENS}, "1,000 tokens, the limit is 999 a minute"),
    ],
)
def test_a_request_as_large_as_the_limit_leaves_and_one_token_more_never_does(
    clock: Clock, loopback: LoopbackProvider, settings: Any, options: dict[str, int], words: str
) -> None:
    loopback.count = 900  # no less than the bytes say
    allow(settings, **options)
    call_model("openai", request(), CALLER)
    allow(settings, **{name: value - 1 for name, value in options.items()})
    with pytest.raises(NeverAdmissible) as refused:
        call_model("openai", request("y" * 900), CALLER)
    assert str(refused.value) == f"openai: the request may use {words}"


def test_a_request_as_dear_as_the_budget_leaves_and_one_nano_more_never_does(
    clock: Clock, loopback: LoopbackProvider, settings: Any
) -> None:
    loopback.count = 900
    settings.DAILY_BUDGET_USD = USD
    call_model("openai", request(), CALLER)
    assert ProviderCall.objects.get().reserved_usd == USD
    settings.DAILY_BUDGET_USD = USD - Decimal("0.000000001")
    with pytest.raises(NeverAdmissible) as refused:
        call_model("openai", request("y" * 900), CALLER)
    assert str(refused.value) == f"openai: the request may cost {USD:.4f} USD, more than the daily budget"


def test_a_flow_spends_its_last_cent_and_no_more(clock: Clock, loopback: LoopbackProvider) -> None:
    loopback.count = 900
    call_model("openai", request(), replace(CALLER, ceiling_usd=USD))
    less = USD - Decimal("0.0001")
    for ceiling, left in ((less, f"{less:.4f}"), (Decimal(-3), "0.0000")):
        with pytest.raises(CostCeilingReached) as refused:
            call_model("openai", request("y" * 900), replace(CALLER, ceiling_usd=ceiling))
        assert str(refused.value) == (
            f"openai: the request may cost up to {USD:.4f} USD, the flow may still spend {left} USD"
        )


def test_a_refusal_says_what_has_to_be_free_and_how_long_it_waits(
    clock: Clock, loopback: LoopbackProvider
) -> None:
    fill("openai", 90_000)
    with pytest.raises(CallRefused) as refused:
        call_model("openai", request(), CALLER)
    told = refused.value
    # Outside, the quota breaker and the quota are one thing.
    assert (told.provider, told.dimension, told.tokens, told.nano_usd) == (
        "openai",
        "tokens_day",
        TOKENS,
        int(USD * limiter.NANO),
    )
    assert told.wait == told.until - NOON > timedelta(hours=24)


def test_what_the_provider_has_counted_is_what_is_reserved(clock: Clock, loopback: LoopbackProvider) -> None:
    crowd = limiter.acquire(
        ReservationRequest("openai", MODEL, tokens=49_000, nano_usd=0, timeout_seconds=60)
    )
    assert isinstance(crowd, Admitted)
    answered = call_model("openai", request("x" * 3000), CALLER)
    call = ProviderCall.objects.get(id=answered.call_id)
    # A fiftieth and 64 tokens more than the vendor's own count.
    counted = 200 + 4 + 64
    assert call.reserved_tokens == counted + 100
    assert call.reserved_usd == prices.price_worst_case("openai", MODEL, counted, 100)
    assert loopback.counted == 1


@pytest.mark.parametrize("pause", [-1, 7])
def test_a_release_writes_what_it_was_told(clock: Clock, pause: float) -> None:
    admitted = limiter.acquire(
        ReservationRequest(
            "google", "m", tokens=100, nano_usd=5, timeout_seconds=60, digest="d", repo="r", stage_kind="plan"
        )
    )
    assert isinstance(admitted, Admitted)
    assert (admitted.provider, admitted.tokens) == ("google", 100)
    told = {"code": "provider:rate-limited", "message": "slower\x00", "latency_ms": 12}
    assert limiter.release(admitted.call_id, "google", pause_seconds=pause, **told)  # type: ignore[arg-type]
    assert not limiter.release(admitted.call_id, "google", **told)  # type: ignore[arg-type]
    call = ProviderCall.objects.get()
    assert (call.status, call.error_code, call.error_message, call.latency_ms) == (
        "released",
        "provider:rate-limited",
        "slower\ufffd",
        12,
    )
    assert (call.repo, call.stage_kind, call.cost_usd) == ("r", "plan", Decimal(0))
    assert (ProviderState.objects.get().not_before - NOON).total_seconds() == (pause if pause > 0 else 1)


def test_unknown_use_counts_against_the_provider_unless_the_caller_says_otherwise(clock: Clock) -> None:
    for health in ({}, {"health": Health.SILENT}, {"failure_points": 5}):
        admitted = limiter.acquire(ReservationRequest("google", "m", 100, 5, timeout_seconds=60))
        assert isinstance(admitted, Admitted)
        limiter.keep_charged(
            admitted.call_id, "google", code="provider:lost", message="no answer", latency_ms=7, **health
        )
    assert ProviderState.objects.get().failure_score == 2 + 5
    assert set(ProviderCall.objects.values_list("status", "error_code", "error_message", "latency_ms")) == {
        ("unknown", "provider:lost", "no answer", 7)
    }


def test_a_settlement_writes_each_part_in_its_place(clock: Clock) -> None:
    admitted = limiter.acquire(ReservationRequest("google", "m", 1000, 5, timeout_seconds=60))
    assert isinstance(admitted, Admitted)
    usage = Usage(
        input_tokens=1,
        cache_read_tokens=2,
        cache_write_5m_tokens=3,
        cache_write_1h_tokens=4,
        output_tokens=50,
        reasoning_tokens=6,
    )
    assert limiter.settle(
        admitted.call_id,
        "google",
        usage,
        Decimal("0.5"),
        {"list": "2026-11"},
        code="provider:cut",
        message="cut",
        latency_ms=12,
        answered_by="m-2",
        failure_points=3,
        health=Health.FAILED,
        pause_seconds=4,
    )
    call = ProviderCall.objects.get()
    parts = ("input", "cache_read", "cache_write_5m", "cache_write_1h", "output", "reasoning")
    assert [getattr(call, f"{part}_tokens") for part in parts] == [1, 2, 3, 4, 50, 6]
    assert (call.cost_usd, call.price, call.error_code, call.error_message, call.latency_ms) == (
        Decimal("0.5"),
        {"list": "2026-11"},
        "provider:cut",
        "cut",
        12,
    )
    assert (call.answered_by, call.usage_source) == ("m-2", "reported")
    state = ProviderState.objects.get()
    assert (state.failure_score, state.not_before) == (3, NOON + timedelta(seconds=4))


def test_what_is_not_told_is_written_as_nothing(clock: Clock) -> None:
    for end in ("settle", "release"):
        admitted = limiter.acquire(ReservationRequest("google", "m", 100, 5, timeout_seconds=60))
        assert isinstance(admitted, Admitted)
        if end == "settle":
            assert limiter.settle(admitted.call_id, "google", Usage(input_tokens=1), Decimal(0), {})
        else:
            assert limiter.release(admitted.call_id, "google")
    texts = (
        "repo",
        "stage_kind",
        "request_digest",
        "fallback_from",
        "error_code",
        "error_message",
        "answered_by",
    )
    assert {text for call in ProviderCall.objects.values(*texts) for text in call.values()} == {""}
    state = ProviderState.objects.get()
    assert (state.failure_score, state.not_before) == (0, None)


def test_a_hint_asks_for_the_smallest_call(clock: Clock, settings: Any) -> None:
    allow(settings, daily_token_quota=1000)
    settings.ENABLE_CIRCUIT_BREAKER = False
    fill("openai", 999)
    settings.DAILY_BUDGET_USD = Decimal(0)
    assert limiter.find_denial("openai") is None
    assert limiter.find_denial("openai", tokens=2) is not None
    assert limiter.find_denial("openai", nano_usd=1) is not None


def test_the_breaker_pauses_at_its_threshold_rounded_up_and_never_where_it_is_off(settings: Any) -> None:
    allow(settings, daily_token_quota=1001)
    for percent, enabled, tokens in ((85, True, 851), (99, True, 991), (100, True, 0), (85, False, 0)):
        settings.CIRCUIT_BREAKER_THRESHOLD, settings.ENABLE_CIRCUIT_BREAKER = percent, enabled
        assert limiter.read_limits("openai").pause_tokens == tokens
