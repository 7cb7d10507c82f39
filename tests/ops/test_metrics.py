"""The exporter: what the runbook's queries need, over HTTP."""

import threading

import httpx2
import pytest
from prometheus_client.parser import text_string_to_metric_families

from orchestrator.flows import engine
from orchestrator.ops.observability import metrics
from orchestrator.ops.observability.exporter import server
from tests import scenes


def scrape() -> dict[tuple[str, tuple[tuple[str, str], ...]], float]:
    """Every sample of a scrape, by name and labels."""
    listening = server("127.0.0.1", 0)
    thread = threading.Thread(target=listening.handle_request)
    thread.start()
    text = httpx2.get(f"http://127.0.0.1:{listening.server_port}/metrics").text
    thread.join()
    listening.server_close()
    found = (sample for family in text_string_to_metric_families(text) for sample in family.samples)
    return {(sample.name, tuple(sorted(sample.labels.items()))): sample.value for sample in found}


@pytest.fixture
def rows(transactional_db) -> None:
    return None


def value(samples, name: str, **labels: str) -> float:
    wanted = labels.items()
    return sum(
        number for (found, its), number in samples.items() if found == name and wanted <= dict(its).items()
    )


def test_the_names_of_the_runbook(rows):
    scenes.run_through(scenes.flow(block_family="compliance"))
    scenes.run_through(scenes.flow(), gates_fail=True)
    scenes.flow()
    found = scrape()
    assert value(found, "flow_status", status="success") == 1
    assert value(found, "flow_status", status="failed", repo="compliance-service") == 1
    assert value(found, "flow_status_total") == 2
    assert value(found, "flow_duration_seconds_count") == 1
    assert value(found, "flow_duration_seconds_bucket", le="120") == 1
    assert value(found, "flow_cost_usd") == pytest.approx(0.0855 + 0.063)
    assert value(found, "quality_gate_result", gate="mutation", result="failed") == 1
    assert value(found, "quality_gate_result", gate="mutation", result="errored") == 0
    assert value(found, "orchestrator_flows", status="pending") == 1
    assert value(found, "orchestrator_stages", queue="google", status="ready") == 1
    assert value(found, "provider_tokens_total", provider="openai", kind="input") == 200
    assert value(found, "orchestrator_source_up") == len(metrics.SOURCES)


def test_a_new_flow_starts_its_series_at_zero(rows):
    scenes.flow()
    series = {key for key in scrape() if key[0] == "flow_status"}
    assert {dict(labels)["status"] for _, labels in series} == {"success", "failed", "cancelled"}


def test_a_retry_takes_nothing_back(rows):
    flow = scenes.run_through(scenes.flow(), gates_fail=True)
    before = scrape()
    engine.retry(flow.id)
    after = scrape()
    for name in (
        "flow_status_total",
        "flow_cost_usd_total",
        "quality_gate_result_total",
        "flow_duration_seconds_count",
    ):
        assert value(after, name) >= value(before, name)


def test_redis_away_costs_its_own_metrics_only(rows, settings):
    settings.REDIS_URL = "redis://127.0.0.1:1/0"
    found = scrape()
    assert value(found, "orchestrator_source_up", source="queues") == 0
    assert value(found, "orchestrator_source_up", source="flows") == 1
