"""Flows that are cancelled while a model answers a large context: what they are charged."""

import threading
import time
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
from django.db import connection

from orchestrator.flows import engine
from orchestrator.flows.models import Flow
from orchestrator.flows.worker import heartbeat, runner
from providers import audit, registry
from providers.models import ProviderCall, ProviderState
from tests.flows.engine.conftest import live, new_flow, repo, sent  # noqa: F401 - fixtures
from tests.flows.quotas import plugin
from tests.flows.quotas.test_money import flow, models, simulated  # noqa: F401 - fixtures
from tests.providers.simulated import Simulated

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.timeout(120)]
CONTEXT = "".join(f"def function_{number}(value): return value + {number}\n" for number in range(4_000))


@pytest.fixture
def quick_beats(monkeypatch: pytest.MonkeyPatch, settings: Any) -> None:
    settings.ENGINE_LEASE_SECONDS = 1
    monkeypatch.setattr(heartbeat, "heartbeat", heartbeat.Heartbeat())
    monkeypatch.setattr(runner, "heartbeat", heartbeat.heartbeat)


def cancel_during_first_call(made: Flow, simulated: Simulated) -> None:  # noqa: F811
    """Run the first stage, cancel the flow once its call is at the vendor, wait until its worker is free."""

    def work() -> None:
        runner.run_stages(live(made).pk)
        connection.close()

    asked = simulated.requests("google")
    simulated.behave("google", {"kind": "hang", "seconds": 60, "times": 1})
    worker = threading.Thread(target=work)
    worker.start()
    while simulated.requests("google") == asked:
        time.sleep(0.02)
    engine.cancel(made.pk, actor="me")
    worker.join()


def test_two_flows_that_are_cancelled_in_their_first_call_are_charged_what_the_vendor_counts(
    flow: Callable[..., Flow],  # noqa: F811
    simulated: Simulated,  # noqa: F811
    quick_beats: None,
    monkeypatch: pytest.MonkeyPatch,
    settings: Any,
) -> None:
    """By the bytes of its context each would have booked a third of Google's day."""
    assert 175_000 < len(CONTEXT) < 190_000
    plain = plugin.request
    monkeypatch.setattr(
        plugin, "request", lambda name: replace(plain(name), stable=CONTEXT, prompt="Say it.")
    )
    settings.PROVIDERS["google"]["tokens_per_minute"] = 1_000_000
    made = [flow(), flow()]
    for one in made:
        cancel_during_first_call(one, simulated)

    # The worker is free at once; the thread of its call counts and settles.
    while ProviderCall.objects.filter(usage_source="reported").exists():
        time.sleep(0.05)
    counted = registry.get_adapter("google").count_tokens(plugin.request("google"))
    calls = list(ProviderCall.objects.all())
    assert [(call.status, call.error_code, call.usage_source) for call in calls] == [
        ("unknown", "provider:aborted", "counted")
    ] * 2
    for one in made:
        one.refresh_from_db()
        (call,) = (call for call in calls if call.flow_id == one.pk)
        assert counted <= call.reserved_tokens <= 1.1 * counted
        assert one.status == "cancelled"
    state = ProviderState.objects.get(provider="google")
    assert state.day_tokens == sum(call.reserved_tokens for call in calls)
    assert (state.inflight, state.reserved_tokens) == (0, 0)
    assert audit.find_differences() == []
