"""Every error that vendors really send, before a whole flow: it ends or waits as the error says, in the
vendor's words, and a flow that asks another vendor continues.
"""

import re
import threading
import urllib.request
from collections.abc import Callable
from datetime import timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest
from django.utils import timezone

from bench.vendors import EXPECTED
from orchestrator.flows import engine
from orchestrator.flows.models import Flow, FlowEvent
from providers import registry
from providers.base import AccountExhausted, ProviderError, RateLimited
from providers.models import ProviderCall, ProviderState
from providers.simulator.zoo import ZOO
from tests.flows.engine.conftest import live, new_flow, repo, sent  # noqa: F401 - fixtures
from tests.flows.quotas.test_money import flow, models, run, simulated  # noqa: F401 - fixtures
from tests.providers.simulated import Simulated

pytestmark = pytest.mark.django_db(transaction=True)
# A spending limit names the day on which it ends.
LONGEST: dict[type[ProviderError], timedelta] = {AccountExhausted: timedelta(days=62)}
KINDS = ("google", "anthropic", "openai")


def test_every_named_error_is_expected_to_become_something() -> None:
    assert set(EXPECTED) == set(ZOO)


def ask_until(make: Callable[..., Flow], provider: str) -> Flow:
    """A flow whose next stage asks ``provider``."""
    made = make()
    for _ in range(KINDS.index(provider)):
        run(made)
    assert live(made).kind == f"ask_{provider}"
    return made


def find_fault(made: Flow, name: str) -> str:
    """What is wrong with how a flow took a row; empty where nothing is."""
    kind, stage = EXPECTED[name], made.stages.exclude(status__in=["passed", "pending", "skipped"]).get()
    # Without money a flow waits for the operator, whom an alert tells.
    waits = kind.retryable or issubclass(kind, RateLimited | AccountExhausted)
    if (made.status == "waiting") != waits:
        return f"is {made.status}: {stage.wait_reason or made.error_message}"
    if not waits:
        if (made.error_code, bool(made.error_cure)) != (kind.code, True):
            return f"failed with {made.error_code}"
        return "" if made.error_message.isprintable() else "shows what cannot be printed"
    if not stage.wait_reason.strip():
        return "waits without a reason"
    if stage.not_before - timezone.now() > LONGEST.get(kind, timedelta(hours=1, minutes=1)):
        return f"waits until {stage.not_before}"
    return ""


@pytest.mark.timeout(300)
@pytest.mark.parametrize("provider", KINDS)
def test_a_flow_ends_or_waits_as_the_row_says(
    flow: Callable[..., Flow],  # noqa: F811
    simulated: Simulated,  # noqa: F811
    provider: str,
) -> None:
    wrong = {}
    for name in (name for name, answer in ZOO.items() if provider in answer.vendors):
        made = ask_until(flow, provider)
        asked = simulated.requests(provider)
        simulated.behave(provider, {"kind": name})
        run(made)
        fault = find_fault(made, name)
        if simulated.requests(provider) != asked + 1:
            fault = f"{simulated.requests(provider) - asked} requests. {fault}"
        # Every call has one ending, also after nonsense.
        if ProviderCall.objects.filter(status="reserved").exists():
            fault += " A reservation is left open."
        if fault:
            wrong[name] = fault
        simulated.reset()
        # The next row meets a provider that nothing keeps away, and nobody who waits for it.
        engine.cancel(made.pk)
        ProviderState.objects.all().delete()
    assert wrong == {}


def test_one_vendor_in_trouble_holds_up_no_flow_of_another(
    flow: Callable[..., Flow],  # noqa: F811
    simulated: Simulated,  # noqa: F811
) -> None:
    made, other = ask_until(flow, "anthropic"), ask_until(flow, "openai")
    simulated.behave("anthropic", {"kind": "credit-balance-too-low"})
    run(made)
    run(other)
    assert made.status in ("failed", "waiting")
    assert other.status == "passed"
    assert FlowEvent.objects.filter(flow=other, kind="flow.passed").exists()


@pytest.mark.parametrize(
    ("provider", "name"), [("google", "retry-delay-zero"), ("openai", "retry-after-zero")]
)
def test_a_vendor_that_names_no_wait_is_asked_once_however_often_people_retry(
    flow: Callable[..., Flow],  # noqa: F811
    simulated: Simulated,  # noqa: F811
    provider: str,
    name: str,
) -> None:
    """A refusal keeps everybody away for a pause; ten impatient retries send nothing."""
    made = ask_until(flow, provider)
    asked = simulated.requests(provider)
    simulated.behave(provider, {"kind": name})
    run(made)
    ProviderState.objects.filter(provider=provider).update(not_before=timezone.now() + timedelta(seconds=60))
    for _ in range(10):
        engine.retry(made.pk, actor="me")
        run(made)
    assert made.status == "waiting"
    assert simulated.requests(provider) == asked + 1


class UsageProxy:
    """A server before the simulated OpenAI that reports cached tokens beside the prompt's."""

    def __init__(self, target: str) -> None:
        owner, self.calls = self, 0

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                owner.calls += 1
                body = self.rfile.read(int(self.headers["Content-Length"]))
                kept = {name: self.headers[name] for name in ("Content-Type", "Authorization")}
                asked = urllib.request.Request(target + self.path, body, kept)
                with urllib.request.urlopen(asked, timeout=20) as answer:
                    kind, sent = answer.headers["Content-Type"], answer.read()
                changed = re.sub(rb'"cached_tokens": \d+', b'"cached_tokens": 5000', sent)
                assert changed != sent
                self.send_response(200)
                self.send_header("Content-Type", kind)
                self.send_header("Content-Length", str(len(changed)))
                self.end_headers()
                self.wfile.write(changed)

            def log_message(self, *_: Any) -> None:
                """Quiet."""

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)

    def __enter__(self) -> "UsageProxy":
        threading.Thread(target=self.server.serve_forever, args=(0.02,), daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self.server.shutdown()
        self.server.server_close()


def test_an_answer_with_a_usage_that_cannot_be_true_is_kept_paid_once_and_charged(
    flow: Callable[..., Flow],  # noqa: F811
    simulated: Simulated,  # noqa: F811
    settings: Any,
) -> None:
    made = ask_until(flow, "openai")
    root = simulated.urls["OPENAI_BASE_URL"].removesuffix("/v1")
    with UsageProxy(root) as proxy:
        settings.PROVIDERS["openai"] |= {"base_url": f"http://127.0.0.1:{proxy.server.server_port}/v1"}
        registry.close_adapters()
        run(made)
        assert proxy.calls == 1
    registry.close_adapters()
    assert made.status == "passed"
    call = ProviderCall.objects.get(provider="openai")
    state = ProviderState.objects.get(provider="openai")
    assert call.cost_usd > 0
    # On the safe side: never less than was asked for and answered.
    assert state.day_tokens >= simulated.call("GET")["counters"]["openai"]["tokens"]
