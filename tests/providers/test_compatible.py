"""Servers that speak OpenAI's protocol, beside OpenAI: configured by the environment alone."""

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from orchestrator.core.errors import FixedBy
from orchestrator.dev import stack
from orchestrator.flows.flow_types import choose_queues, newest_version
from orchestrator.queues import list_queues
from providers import audit, catalog, prices, registry
from providers.base import Request, UnknownModel, Usage
from providers.calls import Caller, call_model
from providers.models import ProviderCall
from tests.providers.wire.rows import CHAT, WireRow
from tests.providers.wire.server import RowServer

ROOT = Path(__file__).resolve().parents[2]
MODEL = "meta-llama/llama-3.3:70b"
SERVER = {
    "api_key": "",
    "daily_token_quota": 1_000_000,
    "requests_per_minute": 500,
    "tokens_per_minute": 200_000,
    "max_concurrency": 8,
    "timeout_seconds": 30,
}


@pytest.fixture
def server(settings: Any) -> Iterator[RowServer]:
    """Two servers beside the three vendors; both are this one."""
    with RowServer() as running:
        running.row, running.countable = WireRow("chat", "openai", body=CHAT | {"model": MODEL}), False
        free = {MODEL: {"input": Decimal(0), "output": Decimal(0), "max_output_tokens": 64}}
        paid = {"gpt-4-turbo": {"input": Decimal(2), "output": Decimal(8)}, MODEL: {}}
        settings.COMPATIBLE_PROVIDERS = ("vllm", "azure")
        settings.PROVIDERS = {
            **settings.PROVIDERS,
            "vllm": {**SERVER, "base_url": f"{running.url}/v1", "models": free},
            "azure": {**SERVER, "base_url": f"{running.url}/v1", "models": paid},
        }
        yield running
        registry.close_adapters()


def test_a_model_is_asked_where_it_is_listed(server: RowServer) -> None:
    assert registry.provider_for_model(MODEL) == "vllm"
    # The vendor has retired this name; a deployment keeps it.
    assert registry.provider_for_model("gpt-4-turbo") == "azure"
    assert catalog.wire_model("gpt-4-turbo") == "gpt-4-turbo"
    assert catalog.output_limit(MODEL) == 64
    with pytest.raises(UnknownModel):
        registry.provider_for_model("nobody/has-it")


def test_prices_of_the_settings_count_before_the_list(server: RowServer, settings: Any) -> None:
    used, now = Usage(input_tokens=1_000_000, output_tokens=1_000_000), datetime.now(UTC)
    assert prices.price_usage("vllm", MODEL, used, now).usd == 0
    priced = prices.price_usage("azure", "gpt-4-turbo", used, now)
    assert (priced.usd, priced.snapshot["source"]) == (Decimal(10), "settings of azure")
    settings.MODEL_PRICES = {"gpt-of-tomorrow": {"input": Decimal(1), "output": Decimal(3)}}
    assert prices.price_usage("openai", "gpt-of-tomorrow", used, now).usd == 4
    assert not prices.has_price("azure", "nobody/has-it")


@pytest.mark.django_db
def test_a_call_has_a_ledger_of_its_own_and_names_what_answered(server: RowServer) -> None:
    request = Request(MODEL, "s", "p" * 40, max_output_tokens=100, timeout_seconds=20, stable="code")
    answered = call_model("vllm", request, Caller(repo="r"))
    call = ProviderCall.objects.get()
    assert (call.provider, call.model, call.answered_by, answered.cost_usd) == (
        "vllm",
        MODEL,
        MODEL,
        Decimal(0),
    )
    assert (call.status, call.input_tokens, call.usage_source) == ("settled", 10, "reported")
    assert server.asked == ["/v1/chat/completions"]


@pytest.mark.django_db
def test_a_model_without_a_price_is_refused_before_anything_is_sent(server: RowServer) -> None:
    request = Request("nobody/has-it", "s", "p", max_output_tokens=100, timeout_seconds=20)
    with pytest.raises(UnknownModel, match="has no price") as refused:
        call_model("azure", request, Caller(repo="r"))
    assert (refused.value.fixed_by, refused.value.retryable) == (FixedBy.OPERATOR, False)
    assert refused.value.cure
    assert server.asked == []
    call = ProviderCall.objects.get()
    assert (call.provider, call.model, call.repo) == ("azure", "nobody/has-it", "r")
    assert (call.status, call.error_code, call.cost_usd) == ("released", "provider:unknown-model", Decimal(0))
    assert "has no price" in call.error_message
    assert "MODEL_PRICES" in refused.value.cure
    assert audit.find_differences() == []


@pytest.mark.django_db
def test_an_answer_is_kept_when_its_model_has_lost_its_price(server: RowServer, settings: Any) -> None:
    request = Request(MODEL, "s", "p", max_output_tokens=64, timeout_seconds=20)
    caller = Caller(repo="r", stage_id=7)
    paid = call_model("vllm", request, caller)
    settings.PROVIDERS["vllm"] = {**settings.PROVIDERS["vllm"], "models": {}}
    again = call_model("vllm", request, caller)
    assert (again.replayed, again.call_id, again.cost_usd) == (True, paid.call_id, paid.cost_usd)
    assert (len(server.asked), ProviderCall.objects.count()) == (1, 1)


def test_a_stage_goes_to_the_queue_of_the_server_of_its_model(server: RowServer) -> None:
    pinned = {"architect.model": MODEL, "implementation.model": "gpt-4.1", "context.model": "gpt-4-turbo"}
    specs = newest_version("plan_impl_review_docs").stages
    queues = dict(zip([spec.kind for spec in specs], choose_queues(specs, pinned), strict=True))
    assert queues["context"] == queues["docs"] == "azure"
    assert queues["plan"] == queues["review"] == "vllm"
    assert (queues["implement"], queues["verify"], queues["seal"]) == ("openai", "gates", "control")
    assert list_queues()[-2:] == ("vllm", "azure")


def test_make_up_starts_a_worker_for_each(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("COMPATIBLE_PROVIDERS", raising=False)
    without = stack.read_procfile()
    monkeypatch.setenv("COMPATIBLE_PROVIDERS", "vllm,azure")
    commands = stack.read_procfile()
    assert set(commands) - set(without) == {"vllm", "azure"}
    assert "-Q vllm -n vllm@%h" in commands["vllm"]


def start(**variables: str) -> "subprocess.CompletedProcess[str]":
    environment = {
        "PATH": os.environ["PATH"],
        "DATABASE_URL": "postgres://nobody@localhost/none",
        "SECRET_KEY": "x",
        **variables,
    }
    code = "from orchestrator import settings as s; print(s.PROVIDERS['vllm'], s.QUEUE_SLOTS['vllm'])"
    return subprocess.run(
        [sys.executable, "-c", code], env=environment, cwd=ROOT, capture_output=True, text=True, check=False
    )


def test_the_environment_configures_it(tmp_path: Path) -> None:
    key = tmp_path / "key"
    key.write_text("secret\n")
    models = json.dumps({MODEL: {"input": "0.10", "output": 0, "max_output_tokens": 8192}})
    done = start(
        COMPATIBLE_PROVIDERS="vllm",
        VLLM_BASE_URL="http://vllm:8000/v1/",
        VLLM_MODELS=models,
        VLLM_API_KEY_FILE=str(key),
        VLLM_MAX_CONCURRENCY="3",
    )
    assert done.returncode == 0, done.stderr
    assert "'api_key': 'secret'" in done.stdout
    assert "'base_url': 'http://vllm:8000/v1'" in done.stdout
    assert (
        f"{{'{MODEL}': {{'input': Decimal('0.10'), 'output': Decimal('0'), 'max_output_tokens': 8192}}}}"
        in (done.stdout)
    )
    assert done.stdout.strip().endswith("} 3")


def test_a_server_without_an_address_stops_the_start() -> None:
    done = start(COMPATIBLE_PROVIDERS="vllm", VLLM_MODELS='{"m": {}}')
    assert "set VLLM_BASE_URL and VLLM_MODELS" in done.stderr
