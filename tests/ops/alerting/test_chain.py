"""From failing flows to the people: real exporter, Prometheus and Alertmanager, receivers on loopback."""

import functools
import socket
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from typing import Any

import httpx2
import pytest

from orchestrator import child_processes
from orchestrator.dev import alert_chain
from orchestrator.dev.receivers import Receivers
from orchestrator.ops.alerts.alert_test import AlertTestFailed, UnknownAlert, run_alert_test
from orchestrator.ops.observability import part_health
from orchestrator.ops.observability.exporter import build_server
from providers.models import ProviderState
from tests import scenes

PATIENCE_SECONDS = 60.0


def find_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def wait_until(check: Callable[[], Any], what: str) -> Any:
    until = time.monotonic() + PATIENCE_SECONDS
    while time.monotonic() < until:
        found = check()
        if found:
            return found
        time.sleep(0.1)
    raise AssertionError(f"{what} did not happen within {PATIENCE_SECONDS} s")


def answers(url: str) -> bool:
    try:
        return httpx2.get(url).is_success
    except httpx2.HTTPError:
        return False


class Chain:
    """Exporter, Prometheus, Alertmanager and receivers, and their addresses."""

    def __init__(self, receivers: Receivers, prometheus: str, alertmanager: str) -> None:
        self.receivers, self.prometheus, self.alertmanager = receivers, prometheus, alertmanager

    def slack_titles(self) -> list[str]:
        messages = list(self.receivers.received.slack_webhooks)
        return [attachment["title"] for message in messages for attachment in message["attachments"]]


@pytest.fixture
def chain(ops_tools, tmp_path, transactional_db, settings, monkeypatch) -> Iterator[Chain]:
    # A machine whose disk is nearly full would page, too.
    monkeypatch.setattr(part_health, "read_disk_space", lambda: part_health.DiskSpace(50, 100))
    ports = [find_port() for _ in range(2)]
    exporter = build_server("127.0.0.1", 0)
    serving = threading.Thread(target=exporter.serve_forever, daemon=True)
    serving.start()
    started: list[subprocess.Popen[bytes]] = []
    with Receivers() as receivers, (tmp_path / "log").open("wb") as log:
        listen = [f"127.0.0.1:{port}" for port in ports]
        manager = alert_chain.write_alertmanager_config(
            tmp_path / "alertmanager", receivers.url, at_once=True
        )
        prometheus = alert_chain.write_prometheus_config(
            tmp_path / "prometheus", f"127.0.0.1:{exporter.server_port}", listen[1], at_once=True
        )
        commands = (
            # Alertmanager first: a Prometheus that does not reach it tries again seconds later.
            alert_chain.compose_alertmanager(ops_tools, manager, tmp_path, listen[1]),
            alert_chain.compose_prometheus(ops_tools, prometheus, tmp_path, listen[0]),
        )
        urls = (f"http://127.0.0.1:{ports[1]}", f"http://127.0.0.1:{ports[0]}")
        try:
            for command, url in zip(commands, urls, strict=True):
                started.append(subprocess.Popen(command, stdout=log, stderr=log, cwd=tmp_path))
                ready = functools.partial(answers, f"{url}/-/ready")
                wait_until(ready, f"{url} ready: {tmp_path / 'log'}")
            settings.ALERTMANAGER_URL, settings.PROMETHEUS_URL = urls
            yield Chain(receivers, urls[1], urls[0])
        finally:
            for process in started:
                child_processes.stop(process, grace_seconds=5)
            exporter.shutdown()
            serving.join()
            exporter.server_close()


def test_failing_flows_page_the_commander(chain):
    scenes.run_through(scenes.make_flow())
    query = {"query": "flow_status_total"}
    # A series has to exist before it grows: Prometheus sees no increase in its first sample.
    wait_until(
        lambda: httpx2.get(f"{chain.prometheus}/api/v1/query", params=query).json()["data"]["result"],
        "the first scrape",
    )
    for _ in range(12):
        scenes.run_through(scenes.make_flow(), gates_fail=True)
    pages = chain.receivers.received.pages
    # Either may be seen first, and the failure rate then keeps mass_failure from paging as well.
    wanted = {"P1: flow_failure_rate", "P1: mass_failure"}
    (page, *_) = wait_until(
        lambda: [page for page in list(pages.values()) if page["payload"]["summary"] in wanted],
        "a page",
    )
    assert (page["routing_key"], page["payload"]["severity"]) == ("commander-key", "critical")
    assert "/runbooks/" in page["payload"]["custom_details"]["runbook"]
    wait_until(lambda: any(title.startswith("P1: ") for title in chain.slack_titles()), "a Slack message")


def test_what_fired_is_resolved_wherever_it_fired(chain):
    state, _ = ProviderState.objects.get_or_create(provider="google")
    ProviderState.objects.filter(pk=state.pk).update(day_tokens=7)
    pages = chain.receivers.received.pages
    (key,) = wait_until(lambda: list(pages), "a page")
    wait_until(lambda: "P2: ledger_drift" in chain.slack_titles(), "a Slack message")
    assert pages[key]["routing_key"] == "sre-key"
    ProviderState.objects.filter(pk=state.pk).update(day_tokens=0)
    wait_until(lambda: "resolve" in pages[key]["events"], "the resolved page")
    wait_until(lambda: "Resolved: ledger_drift" in chain.slack_titles(), "the resolved Slack message")


def test_a_synthetic_alert_reaches_the_receivers_of_its_route(chain):
    found = run_alert_test("budget_burn_rate")
    assert found.receivers == ("slack-ops-alerts",)
    assert "[TEST] P3: budget_burn_rate" in chain.slack_titles()
    assert 0 < found.seconds < 30
    assert set(run_alert_test("slo_violation").receivers) == {"pagerduty-sre", "slack-ops-alerts"}
    with pytest.raises(UnknownAlert) as unknown:
        run_alert_test("no_such_alert")
    assert "budget_burn_rate" in unknown.value.cure


def test_a_receiver_that_refuses_fails_the_test_of_the_chain(chain, monkeypatch):
    monkeypatch.setattr("orchestrator.ops.alerts.alert_test.ACCEPTED_WITHIN_SECONDS", 3.0)
    chain.receivers.received.refuse_next = [(400, "invalid event")] * 50
    with pytest.raises(AlertTestFailed, match="pagerduty-sre has not accepted"):
        run_alert_test("slo_violation")
