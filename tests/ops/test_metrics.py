"""The exporter: what the runbook's queries need, over HTTP."""

import socket
import threading
from contextlib import closing
from datetime import timedelta

import httpx2
import pytest
from django.db import transaction
from django.db.models import F
from prometheus_client.parser import text_string_to_metric_families

from orchestrator.core.models import OutgoingEvent
from orchestrator.flows import engine
from orchestrator.flows.models import Flow
from orchestrator.flows.worker import presence
from orchestrator.ops.observability import exporter, metrics
from orchestrator.ops.observability.exporter import build_server
from tests import scenes


def scrape_metrics() -> dict[tuple[str, tuple[tuple[str, str], ...]], float]:
    """Every sample of a scrape, by name and labels."""
    listening = build_server("127.0.0.1", 0)
    thread = threading.Thread(target=listening.handle_request)
    thread.start()
    text = httpx2.get(f"http://127.0.0.1:{listening.server_port}/metrics", timeout=60).text
    thread.join()
    listening.server_close()
    found = (sample for family in text_string_to_metric_families(text) for sample in family.samples)
    return {(sample.name, tuple(sorted(sample.labels.items()))): sample.value for sample in found}


@pytest.fixture
def rows(transactional_db) -> None:
    return None


def read_value(samples, name: str, /, **labels: str) -> float:
    wanted = labels.items()
    return sum(
        number for (found, its), number in samples.items() if found == name and wanted <= dict(its).items()
    )


def test_the_names_of_the_runbook(rows):
    scenes.run_through(scenes.make_flow(block_family="compliance"))
    scenes.run_through(scenes.make_flow(), gates_fail=True)
    scenes.make_flow()
    found = scrape_metrics()
    assert read_value(found, "flow_status", status="success") == 1
    assert read_value(found, "flow_status", status="failed", repo="compliance-service") == 1
    assert read_value(found, "flow_status_total") == 2
    assert read_value(found, "flow_duration_seconds_count") == 1
    assert read_value(found, "flow_duration_seconds_bucket", le="120") == 1
    assert read_value(found, "flow_cost_usd") == pytest.approx(0.0855 + 0.063)
    assert read_value(found, "quality_gate_result", gate="mutation", result="failed") == 1
    assert read_value(found, "quality_gate_result", gate="mutation", result="errored") == 0
    assert read_value(found, "orchestrator_flows", status="pending") == 1
    assert read_value(found, "orchestrator_stages", queue="google", status="ready") == 1
    assert read_value(found, "provider_tokens_total", provider="openai", kind="input") == 200
    assert read_value(found, "orchestrator_source_up") == len(metrics.SOURCES) + len(metrics.FURTHER_SOURCES)
    assert read_value(found, "orchestrator_source_seconds") > 0
    assert read_value(found, "flow_cost_usd", block_family="compliance") == pytest.approx(0.0855)
    assert read_value(found, "quality_gate_score_count", gate="coverage", repo="compliance-service") == 2
    assert read_value(found, "block_quality_score_sum") == pytest.approx(93.5)
    assert read_value(found, "provider_outages_total") == 0
    assert read_value(found, "orchestrator_repos", state="enabled") == 1
    assert read_value(found, "orchestrator_active_users") == 1
    assert read_value(found, "orchestrator_roi_hours_per_block") == 2


def test_workers_are_counted_by_queue(rows, monkeypatch):
    # Tests of other processes have workers too.
    monkeypatch.setattr(presence, "KEY", f"{presence.KEY}:metrics")
    worker = presence.Presence(["openai", "google"])
    worker.beat()
    try:
        found = scrape_metrics()
    finally:
        worker.leave()
    assert read_value(found, "orchestrator_workers", queue="openai", state="beating") == 1
    assert read_value(found, "orchestrator_workers", queue="gates", state="beating") == 0
    assert ("orchestrator_workers", (("queue", "gates"), ("state", "silent"))) in found


def test_a_new_flow_starts_its_series_at_zero(rows):
    scenes.make_flow()
    series = {key for key in scrape_metrics() if key[0] == "flow_status"}
    assert {dict(labels)["status"] for _, labels in series} == {"success", "failed", "cancelled"}


def test_a_retry_takes_nothing_back(rows):
    flow = scenes.run_through(scenes.make_flow(), gates_fail=True)
    before = scrape_metrics()
    engine.retry(flow.id)
    after = scrape_metrics()
    for name in (
        "flow_status_total",
        "flow_cost_usd_total",
        "quality_gate_result_total",
        "flow_duration_seconds_count",
    ):
        assert read_value(after, name) >= read_value(before, name)


def test_redis_away_costs_its_own_metrics_only(rows, settings):
    settings.REDIS_URL = "redis://127.0.0.1:1/0"
    found = scrape_metrics()
    assert read_value(found, "orchestrator_source_up", source="queues") == 0
    assert read_value(found, "orchestrator_source_up", source="flows") == 1


def test_the_health_of_the_parts(rows):
    with transaction.atomic():
        OutgoingEvent.objects.create(subscriber="replay.requested/worker")
    scenes.run_through(scenes.make_flow())
    found = scrape_metrics()
    assert read_value(found, "orchestrator_database_connections") >= 1
    assert read_value(found, "orchestrator_database_connections_limit") > 90
    assert read_value(found, "orchestrator_outgoing_events", state="waiting") == 1
    assert read_value(found, "orchestrator_outgoing_event_oldest_seconds") > 0
    assert read_value(found, "orchestrator_mutation_kill_rate_flows") == 1
    assert 0 < read_value(found, "orchestrator_mutation_kill_rate_min") <= 100


def test_without_a_flow_there_is_no_kill_rate_instead_of_a_rate_of_zero(rows):
    names = {name for name, _ in scrape_metrics()}
    assert "orchestrator_mutation_kill_rate_flows" in names
    assert "orchestrator_mutation_kill_rate_min" not in names


def test_a_bucket_of_durations_leads_to_a_trace(rows, settings):
    settings.OTEL_EXPORTER_OTLP_ENDPOINT = "http://127.0.0.1:1"
    trace_parent = "00-" + "a" * 32 + "-" + "b" * 16 + "-01"
    scenes.run_through(scenes.make_flow())
    # On a busy machine its own time would be in any bucket.
    Flow.objects.update(trace_parent=trace_parent, finished_at=F("created_at") + timedelta(seconds=3))
    listening = build_server("127.0.0.1", 0)
    thread = threading.Thread(target=listening.handle_request)
    thread.start()
    headers = {"Accept": "application/openmetrics-text; version=1.0.0"}
    text = httpx2.get(f"http://127.0.0.1:{listening.server_port}/metrics", headers=headers, timeout=60).text
    thread.join()
    listening.server_close()
    lines = [line for line in text.splitlines() if line.startswith("flow_duration_seconds_bucket")]
    (example,) = [line for line in lines if " # " in line]
    # In the bucket of its own seconds, and in no other.
    assert 'le="5"' in example
    assert f'# {{trace_id="{"a" * 32}"}}' in example


def test_silent_clients_hold_up_no_scrape(rows, monkeypatch):
    monkeypatch.setattr(exporter, "MOST_CONNECTIONS", 8)
    listening = build_server("127.0.0.1", 0)
    serving = threading.Thread(target=listening.serve_forever, args=(0.01,))
    serving.start()
    address = ("127.0.0.1", listening.server_port)
    silent = [socket.create_connection(address, timeout=20) for _ in range(7)]
    silent[0].sendall(b"GET /metrics HTTP/1.1\r\nX-Slow: ")
    try:
        assert "flow_status_total" in httpx2.get(f"http://127.0.0.1:{address[1]}/metrics", timeout=60).text
        # What there is no room for is closed, and no thread waits for it.
        more = [socket.create_connection(address, timeout=20) for _ in range(5)]
        assert b"" in [one.recv(1) for one in more]
        names = [thread.name for thread in threading.enumerate()]
        assert sum("process_request_thread" in name for name in names) <= 8
        for one in (*silent, *more):
            one.close()
        # Who is silent for too long is closed as well.
        monkeypatch.setattr(exporter._Quiet, "timeout", 0.1)
        with closing(socket.create_connection(address, timeout=20)) as one:
            assert one.recv(1) == b""
    finally:
        listening.shutdown()
        serving.join()
        listening.server_close()
