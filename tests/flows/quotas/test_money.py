"""A flow's ceiling and its fallback, from the setting to the attempt: runner, limiter and SDKs, before
simulated models.
"""

import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from decimal import Decimal

import pytest

from orchestrator.flows import engine
from orchestrator.flows.api.serializers.flows import FlowSerializer
from orchestrator.flows.api.serializers.provider_calls import ProviderCallSerializer
from orchestrator.flows.models import Flow
from orchestrator.flows.worker import runner
from orchestrator.repos import tokens
from providers import ledger, limiter, prices
from providers.base import Usage
from providers.limiter import Admitted, Health, ReservationRequest
from providers.models import ProviderCall
from tests.flows.engine.conftest import let_wait_end, live, new_flow, repo, sent  # noqa: F401 - fixtures
from tests.flows.engine.stack import ROOT
from tests.flows.quotas.plugin import MODELS, PROMPT
from tests.providers.simulated import Simulated, started

pytestmark = pytest.mark.django_db(transaction=True)
EVERYTHING = limiter.Limits(10**12, 10**12, 10**9, 10**6, 10**18)


@pytest.fixture(scope="module")
def simulated() -> Iterator[Simulated]:
    with started("--echo") as simulator:
        yield simulator


@pytest.fixture(autouse=True)
def models(simulated: Simulated, settings, asking_flows) -> None:
    simulated.reset()
    settings.PROVIDERS = {
        name: options | {"api_key": "k", "base_url": simulated.urls[f"{name.upper()}_BASE_URL"]}
        for name, options in settings.PROVIDERS.items()
    }


@pytest.fixture
def flow(new_flow) -> Callable[..., Flow]:  # noqa: F811
    return lambda **config: new_flow(flow_type=config.pop("type", "asking"), settings=config)


def run(flow: Flow) -> None:
    """Run the live stage."""
    runner.run_stages(live(flow).pk)
    flow.refresh_from_db()


def use_up(provider: str) -> None:
    """Take all of the day's tokens but a few."""
    quota = limiter.read_limits(provider).tokens_day
    verdict = limiter.acquire(
        ReservationRequest(provider, "m", quota - 10, 0, timeout_seconds=60), EVERYTHING
    )
    assert isinstance(verdict, Admitted)
    limiter.keep_charged(verdict.call_id, provider, code="x", message="", health=Health.SILENT)


def test_a_flow_stops_before_the_call_that_would_pass_its_ceiling(flow, simulated):
    made = flow(**{"flow.max_cost_usd": "0.00001"})
    run(made)
    assert (made.status, made.error_code) == ("failed", "provider:cost-ceiling")
    assert "the flow may still spend 0.0000 USD" in made.error_message
    assert "flow.max_cost_usd" in made.error_cure
    assert simulated.requests("google") == 0


def test_what_was_spent_and_what_is_unknown_count_against_the_ceiling(flow, settings):
    settings.FLOW_MAX_COST_USD = Decimal("0.20")
    made = flow()
    for usd, end in ((Decimal("0.097"), "settled"), (Decimal("0.10"), "unknown")):
        wanted = ReservationRequest(
            "google", "m", 10, limiter.to_nano_usd(usd), timeout_seconds=60, flow_id=made.pk
        )
        verdict = limiter.acquire(wanted)
        assert isinstance(verdict, Admitted)
        if end == "settled":
            limiter.settle(verdict.call_id, "google", Usage(input_tokens=5), usd, {})
        else:
            limiter.keep_charged(verdict.call_id, "google", code="x", message="", health=Health.SILENT)
    run(made)
    assert live(made).kind == "ask_anthropic"  # a cent was enough for the small model
    run(made)
    assert made.error_code == "provider:cost-ceiling"


def test_answers_that_nobody_can_read_leave_the_ceiling_to_those_that_follow(flow, simulated):
    """They are charged their input and what came, and everybody shows the same sum."""
    made = flow(**{"flow.max_cost_usd": "0.10"})
    run(made)
    simulated.behave("anthropic", {"kind": "malformed"})
    run(made)
    for _ in range(2):
        let_wait_end(live(made).pk)
        engine.release_due_stages()
        run(made)
    calls = ProviderCall.objects.filter(flow_id=made.pk, provider="anthropic")
    assert {call.status for call in calls} <= {"unknown", "settled"}
    worst = prices.price_worst_case("anthropic", MODELS["anthropic"], len(PROMPT), 100)
    assert len(calls) == 3
    assert all(0 < call.cost_usd < worst for call in calls)
    shown = FlowSerializer(made).data
    assert made.cost_usd == Decimal(shown["cost_usd"]) == ledger.sum_committed_usd(made.pk) > 0
    assert sum(map(Decimal, shown["cost_by_provider"].values())) == made.cost_usd


def test_a_flow_goes_on_with_its_fallback_and_says_so(flow, simulated):
    use_up("anthropic")
    made = flow(**{"fallback.model": MODELS["openai"]})
    run(made)
    run(made)
    stage = made.stages.get(kind="ask_anthropic")
    assert stage.status == "passed"
    assert [(a.model, a.fallback_from) for a in stage.attempts.all()] == [
        (MODELS["openai"], MODELS["anthropic"])
    ]
    shown_stage = FlowSerializer(made).data["stages"][1]
    assert shown_stage["attempts"][0]["fallback_from"] == MODELS["anthropic"]
    assert shown_stage["prompt"] == shown_stage["attempts"][0]["prompt"] == "question.v7"
    call = ProviderCall.objects.get(stage_kind="ask_anthropic")
    assert (call.provider, ProviderCallSerializer(call).data["fallback_from"]) == (
        "openai",
        MODELS["anthropic"],
    )
    assert (simulated.requests("anthropic"), simulated.requests("openai")) == (0, 1)


def test_people_read_on_the_command_line_and_the_page_who_answered_what(
    flow, simulated, service, tmp_path, admin_client, settings
):
    use_up("anthropic")
    made = flow(**{"fallback.model": MODELS["openai"]})
    for _ in range(3):
        run(made)
    assert made.status == "passed"
    environment = os.environ | {
        "BLOCKS_API_URL": service.url,
        "BLOCKS_TOKEN": tokens.create_token("cli", made.repo)[1],
    }
    environment |= {"COLUMNS": "120", "PYTHONPATH": str(ROOT)}

    def type_command(word: str) -> str:
        command = [sys.executable, "-m", "blocks.cli.main", "flow", word, made.pk]
        return subprocess.run(
            command, cwd=tmp_path, env=environment, capture_output=True, text=True, check=False
        ).stdout

    said = type_command("follow")
    told = [line for line in said.splitlines() if "ask_" in line and "instead of" in line]
    assert told
    assert all(
        "ask_anthropic" in line and f"{MODELS['openai']} instead of {MODELS['anthropic']}" in line
        for line in told
    )
    # And which version of which prompt they answered.
    assert type_command("show").count("question.v7") == 3
    settings.STATIC_ROOT = tmp_path
    assert admin_client.get(f"/flows/{made.pk}/").content.decode().count("question.v7") == 3


def test_without_room_on_the_fallback_it_waits_for_its_own(flow, simulated):
    use_up("anthropic")
    use_up("openai")
    made = flow(**{"fallback.model": MODELS["openai"]})
    run(made)
    run(made)
    stage = live(made)
    assert (stage.status, stage.waits_for) == ("waiting", "anthropic")
    assert stage.wait_tokens > 0
    assert simulated.requests("openai") == 0


def test_the_same_model_is_never_asked_twice(flow, simulated):
    use_up("anthropic")
    made = flow(**{"fallback.model": MODELS["anthropic"]})
    run(made)
    run(made)
    assert live(made).status == "waiting"
    assert simulated.requests("anthropic") == 0


def test_a_429_with_a_long_wait_goes_to_the_fallback_on_the_next_attempt(flow, simulated):
    simulated.behave("anthropic", {"kind": "rate_limit", "retry_after": 600, "times": 1})
    made = flow(**{"fallback.model": MODELS["openai"]})
    run(made)
    run(made)
    assert live(made).status == "waiting"
    assert engine.release_due_stages() == 1
    run(made)
    assert made.stages.get(kind="ask_anthropic").status == "passed"
    assert (simulated.requests("anthropic"), simulated.requests("openai")) == (1, 1)


def test_a_review_never_falls_back_to_the_vendor_that_implemented(flow, simulated):
    made = flow(type="apart", **{"fallback.model": MODELS["openai"]})
    run(made)  # openai answers
    use_up("anthropic")
    run(made)
    assert live(made).status == "waiting"
    assert simulated.requests("openai") == 1
