"""Every way in which a call can end, through the vendors' own SDKs against simulated vendors: what the ledger
and the counters hold then, what the breaker has learned, and whether everybody waits. It is the table of
``docs/reference/provider-errors.md``.
"""

import threading
import time
from collections.abc import Iterator
from typing import Any

import pytest

from providers import audit, breaker, error_policy, quota_report, registry
from providers.abort import Abort, Aborted, allow_abort
from providers.base import (
    AuthenticationFailed,
    BadRequest,
    ConnectionCut,
    MalformedAnswer,
    NotAdmitted,
    Overloaded,
    ProviderError,
    RateLimited,
    Request,
    ServerFailed,
    StopReason,
    TimedOut,
    UnknownModel,
    Unreachable,
)
from providers.calls import Caller, call_model
from providers.error_policy import ERROR_POLICIES, ReservationEnding
from providers.models import ProviderCall, ProviderState
from tests.providers.limits.conftest import Clock
from tests.providers.simulated import Simulated, started

MODELS = {"anthropic": "claude-sonnet-4-5", "openai": "gpt-4.1", "google": "gemini-2.5-flash"}
Errors = type[ProviderError] | tuple[type[ProviderError], ...]
CASES: list[tuple[dict[str, Any], Errors]] = [
    ({"kind": "rate_limit", "retry_after": 30}, RateLimited),
    ({"kind": "status", "status": 529}, Overloaded),
    ({"kind": "status", "status": 503}, Overloaded),
    ({"kind": "status", "status": 500}, ServerFailed),
    ({"kind": "hang", "seconds": 30}, TimedOut),
    ({"kind": "cut"}, ConnectionCut),
    ({"kind": "reset"}, ConnectionCut),
    ({"kind": "empty"}, MalformedAnswer),
    # Half of a stream is one that broke off. Google's comes in one piece, of which half is not JSON.
    ({"kind": "malformed"}, (MalformedAnswer, ConnectionCut)),
    ({"kind": "status", "status": 400}, BadRequest),
    ({"kind": "status", "status": 401}, AuthenticationFailed),
    ({"kind": "status", "status": 403}, AuthenticationFailed),
    ({"kind": "status", "status": 404}, UnknownModel),
]


@pytest.fixture(scope="module")
def simulated() -> Iterator[Simulated]:
    with started("--echo") as simulator:
        yield simulator


@pytest.fixture(autouse=True)
def vendors(simulated: Simulated, settings: Any) -> Iterator[None]:
    simulated.reset()
    settings.PROVIDERS = {
        name: options | {"api_key": "k", "base_url": simulated.urls[f"{name.upper()}_BASE_URL"]}
        for name, options in settings.PROVIDERS.items()
    }
    yield
    simulated.reset()  # lets hanging requests go
    registry.close_adapters()


def ask(provider: str, *, timeout: float = 10) -> Any:
    request = Request(MODELS[provider], "Be brief.", "Say something.", 100, timeout)
    return call_model(provider, request, Caller(repo="r"))


@pytest.mark.parametrize("provider", MODELS)
@pytest.mark.parametrize(
    ("fault", "error"), CASES, ids=[f"{fault['kind']}{fault.get('status', '')}" for fault, _ in CASES]
)
def test_a_call_ends_as_the_table_says(
    clock: Clock, simulated: Simulated, provider: str, fault: dict[str, Any], error: Errors
) -> None:
    simulated.behave(provider, fault | {"times": 1})
    with pytest.raises(ProviderError) as caught:
        ask(provider, timeout=0.4 if fault["kind"] == "hang" else 10)
    found = type(caught.value)
    assert found in (error if isinstance(error, tuple) else (error,))
    treatment = ERROR_POLICIES[found]
    call, state = ProviderCall.objects.get(), ProviderState.objects.get(provider=provider)
    released = treatment.ending is ReservationEnding.RELEASE
    assert (call.status, call.error_code) == ("released" if released else "unknown", found.code)
    assert state.day_tokens == (0 if released else call.reserved_tokens)
    assert (state.reserved_tokens, state.inflight) == (0, 0)
    assert (state.failure_score > 0) == (treatment.health is error_policy.Health.FAILED)
    assert (state.not_before is not None) == treatment.everybody_waits
    assert audit.find_differences() == []
    assert simulated.requests(provider) == 1  # one owner of retries, and it is not the SDK


@pytest.mark.parametrize("provider", MODELS)
@pytest.mark.parametrize("style", ["header", "body", "reset", "date"])
def test_a_named_time_keeps_everybody_away(
    clock: Clock, simulated: Simulated, provider: str, style: str
) -> None:
    fault = {"kind": "rate_limit", "retry_after": 40, "retry_after_style": style, "times": 1}
    simulated.behave(provider, fault)
    with pytest.raises(RateLimited) as limited:
        ask(provider)
    named = limited.value.retry_after_seconds
    wait = (ProviderState.objects.get(provider=provider).not_before - clock.now).total_seconds()
    if named is None:  # not every vendor says it in every way: then it is a second, doubling
        assert wait == 1
    else:
        assert wait == pytest.approx(named, abs=0.001)
        assert 38 <= named <= 41
    with pytest.raises(NotAdmitted, match="asked to wait until"):
        ask(provider)
    assert simulated.requests(provider) == 1
    clock.step(seconds=wait)
    ask(provider)


@pytest.mark.parametrize("provider", MODELS)
@pytest.mark.parametrize(
    ("kind", "stop"), [("length", StopReason.LENGTH), ("content_filter", StopReason.CONTENT_FILTER)]
)
def test_an_answer_that_stopped_early_is_an_answer(
    clock: Clock, simulated: Simulated, provider: str, kind: str, stop: StopReason
) -> None:
    simulated.behave(provider, {"kind": kind, "times": 1})
    answered = ask(provider)
    call, state = ProviderCall.objects.get(), ProviderState.objects.get(provider=provider)
    assert answered.completion.stop_reason in {stop, StopReason.REFUSAL}
    assert (call.status, state.day_tokens, state.failure_score) == (
        "settled",
        answered.completion.usage.total,
        0,
    )


def test_nobody_listens(clock: Clock, settings: Any) -> None:
    settings.PROVIDERS["openai"]["base_url"] = "http://127.0.0.1:1/v1"
    with pytest.raises(Unreachable):
        ask("openai")
    assert ProviderCall.objects.get().status == "released"
    assert ProviderState.objects.get(provider="openai").failure_score > 0


def test_failures_open_the_breaker_and_one_probe_closes_it(clock: Clock, simulated: Simulated) -> None:
    simulated.behave("openai", {"kind": "status", "status": 500, "times": 5})
    for _ in range(5):
        with pytest.raises(ServerFailed):
            ask("openai")
    with pytest.raises(NotAdmitted, match="next probe"):
        ask("openai")
    assert simulated.requests("openai") == 5
    clock.step(seconds=breaker.HEALTH.first_pause_seconds)
    assert quota_report.read_headroom("openai").calls == 1
    ask("openai")
    assert ProviderState.objects.get(provider="openai").breaker == "closed"


@pytest.mark.parametrize("provider", MODELS)
def test_two_cancelled_calls_are_charged_what_the_vendor_counts(
    clock: Clock, simulated: Simulated, settings: Any, provider: str
) -> None:
    """By the bytes of its context each would be charged four times as much: most of a day at Google."""
    settings.PROVIDERS = {
        name: options | {"tokens_per_minute": 1_000_000} for name, options in settings.PROVIDERS.items()
    }
    context = "".join(f"def function_{number}(value): return value + {number}\n" for number in range(4_200))
    assert 180_000 < len(context) < 200_000
    request = Request(MODELS[provider], "Be brief.", "Say it.", 8_192, 30, stable=context)
    for number in (1, 2):
        simulated.behave(provider, {"kind": "hang", "seconds": 30, "times": 1})
        abort = Abort()
        canceller = threading.Thread(target=cancel_when_asked, args=(simulated, provider, number, abort))
        canceller.start()
        with allow_abort(abort), pytest.raises(Aborted):
            call_model(provider, request, Caller(repo="r"))
        canceller.join()
    counted = registry.get_adapter(provider).count_tokens(request)
    calls = list(ProviderCall.objects.all())
    assert [(call.status, call.error_code, call.usage_source) for call in calls] == [
        ("unknown", "provider:aborted", "counted")
    ] * 2
    for call in calls:
        assert counted <= call.reserved_tokens <= 1.1 * counted
    state = ProviderState.objects.get(provider=provider)
    assert state.day_tokens == sum(call.reserved_tokens for call in calls)
    assert (state.inflight, state.reserved_tokens, state.failure_score) == (0, 0, 0)
    assert audit.find_differences() == []


def cancel_when_asked(simulated: Simulated, provider: str, requests: int, abort: Abort) -> None:
    while simulated.requests(provider) < requests:
        time.sleep(0.02)
    abort.now()
