"""Every row through SDK, adapter and `call_model`: one ending in the ledger, and nobody else is hurt."""

from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest

from providers import audit, breaker, limiter, prices, quota_report, registry
from providers.base import MalformedAnswer, ProviderError, UsageSource
from providers.calls import Caller, call_model
from providers.models import ProviderCall, ProviderChange, ProviderState
from tests.providers.limits.conftest import Clock
from tests.providers.wire.odd_rows import ODD_ROWS
from tests.providers.wire.rows import ROWS, WireRow, find_row
from tests.providers.wire.server import COUNTED, RowServer
from tests.providers.wire.test_adapter_rows import ask

CALLER = Caller(repo="r", stage_id=7, stage_kind="plan")


@pytest.fixture(scope="module")
def server() -> Iterator[RowServer]:
    registry.close_adapters()  # what other tests built
    with RowServer() as running:
        yield running
        registry.close_adapters()


@pytest.fixture
def vendors(server: RowServer, settings: Any) -> RowServer:
    settings.PROVIDERS = {
        name: options | {"api_key": "k", "base_url": server.url + ("/v1" if name == "openai" else "")}
        for name, options in settings.PROVIDERS.items()
    }
    server.countable, server.counts, server.asked = True, 0, []
    return server


@pytest.mark.parametrize("row", [*ROWS, *ODD_ROWS], ids=lambda row: row.name)
def test_a_row_ends_once_in_the_ledger(row: WireRow, clock: Clock, vendors: RowServer) -> None:
    vendors.row = row
    if row.error is None:
        answered = call_model(row.provider, ask(row.vendor), CALLER)
        check_answer(row, answered.cost_usd)
        again = call_model(row.provider, ask(row.vendor), CALLER)
        assert (again.replayed, again.model, again.cost_usd) == (True, answered.model, answered.cost_usd)
        assert again.completion.text == answered.completion.text
    else:
        with pytest.raises(ProviderError) as raised:
            call_model(row.provider, ask(row.vendor), CALLER)
        assert type(raised.value) is row.error
        check_refusal(row, clock)
    assert len(vendors.asked) == 1
    assert ProviderCall.objects.count() == 1
    state = ProviderState.objects.get(provider=row.provider)
    assert (state.inflight, state.reserved_tokens, state.reserved_nano) == (0, 0, 0)
    assert audit.find_differences() == []
    # After any of them, every screen and the dispatcher can still read the state.
    assert {one.provider for one in quota_report.read_quotas().providers} == set(
        quota_report.provider_names()
    )


def check_answer(row: WireRow, cost: Decimal) -> None:
    call = ProviderCall.objects.get()
    stored = row.stored or (UsageSource.COUNTED if row.source is UsageSource.MISSING else row.source)
    assert (call.status, call.usage_source, call.error_code) == ("settled", stored.value, "")
    assert call.cost_usd == cost > 0
    charged = call.input_tokens + call.output_tokens + call.reasoning_tokens + call.cache_read_tokens
    # One answer never uses up a day, regardless of what it claims.
    assert charged < 50_000
    if stored is UsageSource.DOUBTFUL:
        assert charged >= call.reserved_tokens
        assert call.cost_usd >= call.reserved_usd
    if row.source is UsageSource.MISSING:
        assert call.input_tokens == COUNTED
    if isinstance(row.body, dict) and "model" in row.body:
        assert call.answered_by == row.body["model"]


def check_refusal(row: WireRow, clock: Clock) -> None:
    call, state = ProviderCall.objects.get(), ProviderState.objects.get(provider=row.provider)
    assert call.status != "reserved"
    assert (call.error_code, call.answer) == (row.code, None)
    assert row.says in call.error_message
    if row.wait is None:
        assert state.not_before is None
        return
    assert state.not_before is not None
    wait = (state.not_before - clock.now).total_seconds()
    assert row.wait[0] <= wait <= row.wait[1]
    # Those who wait read the provider's own words.
    assert row.says in quota_report.admission_hint(row.provider).reason


def test_without_a_counter_the_tokens_are_estimated(clock: Clock, vendors: RowServer) -> None:
    vendors.row, vendors.countable = find_row("openai: usage null"), False
    call_model("openai", ask("openai"), CALLER)
    call = ProviderCall.objects.get()
    assert (call.status, call.usage_source) == ("settled", "estimated")
    assert 0 < call.input_tokens <= call.reserved_tokens


@pytest.mark.parametrize(
    ("body", "came"),
    [
        (b"", 0),
        (b'{"content": [{"type": "text", "text": "' + b"word " * 40, 50),
        # No model writes more than it may, regardless of what came.
        (b"[" + b'"word",' * 4000, 100),
        ({"type": "message", "content": [{"type": "text", "txt": "word " * 40}], "stop_reason": None}, 45),
    ],
)
def test_an_answer_that_cannot_be_read_is_charged_its_counted_input_and_what_came(
    clock: Clock, vendors: RowServer, body: Any, came: int
) -> None:
    vendors.row = WireRow("unreadable", "anthropic", body=body)
    request = replace(ask("anthropic"), prompt="p" * 4000)
    with pytest.raises(MalformedAnswer):
        call_model("anthropic", request, CALLER)
    call = ProviderCall.objects.get()
    assert (call.status, call.usage_source) == ("unknown", "counted")
    written = call.reserved_tokens - (COUNTED + COUNTED // 50 + 64)
    assert came <= written <= came + came // 4
    usd = prices.price_worst_case("anthropic", request.model, call.reserved_tokens - written, written)
    assert call.cost_usd == call.reserved_usd == usd


def test_an_unreadable_answer_with_a_usage_that_cannot_be_true_is_charged_the_bound(
    clock: Clock, vendors: RowServer
) -> None:
    usage = {"prompt_tokens": 10, "completion_tokens": 5, "prompt_tokens_details": {"cached_tokens": 500}}
    vendors.row = WireRow("unreadable", "openai", body={"choices": None, "usage": usage})
    with pytest.raises(MalformedAnswer):
        call_model("openai", ask("openai"), CALLER)
    call = ProviderCall.objects.get()
    assert (call.status, call.usage_source, call.answer) == ("settled", "doubtful", None)
    assert call.cost_usd >= call.reserved_usd > 0


@pytest.mark.parametrize("retry_after", ["0", "1"])
def test_each_refusal_in_a_row_doubles_the_pause_up_to_an_hour(
    clock: Clock,
    vendors: RowServer,
    retry_after: str,
) -> None:
    vendors.row = WireRow("429", "openai", 429, {"retry-after": retry_after}, b"{}")
    pauses = []
    for _ in range(14):
        with pytest.raises(ProviderError):
            call_model("openai", ask("openai"), CALLER)
        until = ProviderState.objects.get(provider="openai").not_before
        pauses.append((until - clock.now).total_seconds())
        clock.step(seconds=pauses[-1])
    assert pauses == [min(2.0**times, 3600.0) for times in range(14)]
    # In the first ten minutes that is ten calls, from everybody together.
    assert sum(sum(pauses[:number]) < 600 for number in range(14)) <= 11


def test_after_three_refusals_one_call_at_a_time_finds_out(clock: Clock, vendors: RowServer) -> None:
    vendors.row = find_row("openai: no time named")
    for _ in range(3):
        with pytest.raises(ProviderError):
            call_model("openai", ask("openai"), CALLER)
        clock.step(seconds=5)
    wanted = limiter.ReservationRequest("openai", "gpt-4.1", 10, 10, timeout_seconds=60)
    probe = limiter.acquire(wanted)
    assert isinstance(probe, limiter.Admitted)
    assert quota_report.read_headroom("openai").calls == 0
    denied = limiter.acquire(wanted)
    assert isinstance(denied, limiter.Denied)
    assert (denied.dimension, denied.reservations_only) == ("not_before", True)
    assert "one call finds out" in quota_report.admission_hint("openai").reason
    limiter.release(probe.call_id, "openai", health=limiter.Health.WELL)
    assert isinstance(limiter.acquire(wanted), limiter.Admitted)
    assert quota_report.read_headroom("openai").calls > 1


def test_an_account_without_money_is_told_once_and_resumes_by_itself(
    clock: Clock,
    vendors: RowServer,
) -> None:
    vendors.row = find_row("anthropic: no credit")
    for _ in range(2):
        with pytest.raises(ProviderError):
            call_model("anthropic", ask("anthropic"), CALLER)
        clock.step(seconds=61)
    (quota,) = [one for one in quota_report.read_quotas().providers if one.provider == "anthropic"]
    assert quota.account_exhausted
    assert [change.action for change in ProviderChange.objects.all()] == ["exhausted"]
    assert "credit balance is too low" in ProviderChange.objects.get().reason
    clock.step(seconds=timedelta(hours=1).total_seconds())
    vendors.row = find_row("anthropic: whole")
    call_model("anthropic", ask("anthropic"), CALLER)
    assert ProviderChange.objects.first().action == "resumed"
    assert ProviderState.objects.get(provider="anthropic").wait_code == ""


def test_an_operator_ends_the_wait(clock: Clock, vendors: RowServer) -> None:
    vendors.row = find_row("anthropic: spending limit until a date")
    with pytest.raises(ProviderError):
        call_model("anthropic", ask("anthropic"), CALLER)
    assert not quota_report.admission_hint("anthropic").admits
    assert breaker.end_wait("anthropic", actor="ops", reason="topped up")
    assert quota_report.admission_hint("anthropic").admits
    assert not breaker.end_wait("anthropic", actor="ops", reason="topped up")
    assert ProviderChange.objects.first().actor == "ops"
