"""From failing flows to the people: real exporter, Prometheus and Alertmanager, receivers on loopback."""

import contextlib
import functools
import socket
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx2
import pytest
from django.utils import timezone

from orchestrator import child_processes
from orchestrator.dev import alert_chain
from orchestrator.dev.ops_tools import OpsTools
from orchestrator.dev.receivers import Receivers
from orchestrator.ops.alerts.alert_test import AlertTestFailed, UnknownAlert, run_alert_test
from orchestrator.ops.observability import part_health
from orchestrator.ops.observability.exporter import build_server
from orchestrator.ops.status import maintenance
from orchestrator.ops.status.models import Maintenance
from providers.models import ProviderState
from tests import scenes
from tests.ops.alerting.test_rules import read_alerts

pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]
PATIENCE_SECONDS = 120.0


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

    def list_open_pages(self) -> list[str]:
        """The titles of the pages that are not resolved."""
        pages = list(self.receivers.received.pages.values())
        return [page["payload"]["summary"] for page in pages if page["events"][-1] != "resolve"]

    def ask(self, query: str) -> list[Any]:
        """What Prometheus answers now."""
        answer = httpx2.get(f"{self.prometheus}/api/v1/query", params={"query": query}).json()
        found: list[Any] = answer["data"]["result"]
        return found

    def post_alert(self, labels: dict[str, str], *, ended: bool = False) -> None:
        """Tell Alertmanager of an alert, as Prometheus does."""
        end = datetime.now(UTC) + timedelta(hours=0 if ended else 1)
        alert = {"labels": labels, "annotations": {"summary": "posted"}, "endsAt": end.isoformat()}
        httpx2.post(f"{self.alertmanager}/api/v2/alerts", json=[alert]).raise_for_status()

    def acknowledge(self, key: str) -> None:
        """What PagerDuty does when the person who was paged presses the button."""
        event = {"routing_key": "commander-key", "event_action": "acknowledge", "dedup_key": key}
        httpx2.post(f"{self.receivers.url}/pagerduty/v2/enqueue", json=event).raise_for_status()


@pytest.fixture
def chain(ops_tools, tmp_path, transactional_db, settings, monkeypatch) -> Iterator[Chain]:
    """The chain without what it waits for, looking back over seconds instead of hours."""
    # A machine whose disk is nearly full would page, too.
    monkeypatch.setattr(part_health, "read_disk_space", lambda: part_health.DiskSpace(50, 100))
    with run_chain(ops_tools, tmp_path, settings, at_once=True) as running:
        yield running


@pytest.fixture
def shipped_chain(ops_tools, tmp_path, transactional_db, settings) -> Iterator[Chain]:
    """The chain with every pause that we ship."""
    with run_chain(ops_tools, tmp_path, settings, at_once=False) as running:
        yield running


@contextlib.contextmanager
def run_chain(
    tools: OpsTools,
    folder: Path,
    settings: Any,
    *,
    at_once: bool,
    credentials: Path | None = None,
    reports: str = "",
    token: str = "",
) -> Iterator[Chain]:
    """The chain; with ``reports`` alerts open incidents at that address of the service, by its ``token``."""
    ports = [find_port() for _ in range(2)]
    exporter = build_server("127.0.0.1", 0)
    serving = threading.Thread(target=exporter.serve_forever, daemon=True)
    serving.start()
    started: list[subprocess.Popen[bytes]] = []
    with Receivers() as receivers, (folder / "log").open("wb") as log:
        listen = [f"127.0.0.1:{port}" for port in ports]
        manager = alert_chain.write_alertmanager_config(
            folder / "alertmanager", receivers.url, reports=reports, token=token, at_once=at_once
        )
        prometheus = alert_chain.write_prometheus_config(
            folder / "prometheus",
            f"127.0.0.1:{exporter.server_port}",
            listen[1],
            credentials=credentials,
            at_once=at_once,
        )
        commands = (
            # Alertmanager first: a Prometheus that does not reach it tries again seconds later.
            alert_chain.compose_alertmanager(tools, manager, folder, listen[1]),
            alert_chain.compose_prometheus(tools, prometheus, folder, listen[0]),
        )
        urls = (f"http://127.0.0.1:{ports[1]}", f"http://127.0.0.1:{ports[0]}")
        try:
            for command, url in zip(commands, urls, strict=True):
                started.append(subprocess.Popen(command, stdout=log, stderr=log, cwd=folder))
                ready = functools.partial(answers, f"{url}/-/ready")
                wait_until(ready, f"{url} ready: {folder / 'log'}")
            settings.ALERTMANAGER_URL, settings.PROMETHEUS_URL = urls
            yield Chain(receivers, urls[1], urls[0])
        finally:
            for process in started:
                child_processes.stop(process, grace_seconds=5)
            exporter.shutdown()
            serving.join()
            exporter.server_close()


def test_failing_flows_page_the_commander_who_acknowledges_until_it_is_over(chain):
    scenes.run_through(scenes.make_flow())
    # A series has to exist before it grows: Prometheus sees no increase in its first sample.
    wait_until(lambda: chain.ask("flow_status_total"), "the first scrape")
    for _ in range(12):
        scenes.run_through(scenes.make_flow(), gates_fail=True)
    pages = chain.receivers.received.pages
    # Either may be seen first, and the failure rate then keeps mass_failure from paging as well.
    wanted = {"P1: flow_failure_rate", "P1: mass_failure"}
    (key, *_) = wait_until(
        lambda: [key for key, page in list(pages.items()) if page["payload"]["summary"] in wanted],
        "a page",
    )
    page = pages[key]
    assert (page["routing_key"], page["payload"]["severity"]) == ("commander-key", "critical")
    assert "/runbooks/" in page["payload"]["custom_details"]["runbook"]
    wait_until(lambda: any(title.startswith("P1: ") for title in chain.slack_titles()), "a Slack message")
    chain.acknowledge(key)
    assert page["events"] == ["trigger", "acknowledge"]

    # No more flows fail, so the last failure leaves the window. It is over wherever it was told, and who had
    # acknowledged was not paged again.
    wait_until(lambda: not chain.ask('ALERTS{severity="P1",alertstate="firing"}'), "the end")
    # Kill rates of the last hour are read from the database, and stay low for an hour.
    urgent = [key for key, one in pages.items() if one["payload"]["severity"] == "critical"]
    wait_until(lambda: all(pages[one]["events"][-1] == "resolve" for one in urgent), "resolved pages")
    assert page["events"] == ["trigger", "acknowledge", "resolve"]
    told = {title.removeprefix("P1: ") for title in chain.slack_titles() if title.startswith("P1: ")}
    over = {f"Resolved: {name}" for name in told}
    wait_until(lambda: over <= set(chain.slack_titles()), "resolved Slack messages")


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


def wait_for_title(chain: Chain, title: str) -> None:
    wait_until(lambda: title in chain.slack_titles(), title)


def test_what_was_silenced_by_a_worse_alert_is_resolved_too(chain):
    """The inhibit rules: each alert fires and is told, then a worse one silences it, then both are over."""
    ladder = ("provider_quota_high", "provider_quota_paused", "provider_quota_rollback")
    rules = read_alerts()
    for name in ladder:
        chain.post_alert({"alertname": name, "provider": "openai", **rules[name]["labels"]})
        wait_for_title(chain, f"{rules[name]['labels']['severity']}: {name}")
    # The worst ends first, as the figure falls. While an alert is silenced, nobody is told that it has ended.
    for name in reversed(ladder):
        labels = {"alertname": name, "provider": "openai", **rules[name]["labels"]}
        chain.post_alert(labels, ended=True)
    over = {f"Resolved: {name}" for name in ladder}
    wait_until(lambda: over <= set(chain.slack_titles()), "resolved Slack messages")
    wait_until(lambda: not chain.list_open_pages(), "resolved pages")
    assert len(chain.receivers.received.pages) == 2


def test_a_synthetic_alert_reaches_the_receivers_of_its_route(chain):
    found = run_alert_test("budget_burn_rate")
    assert found.receivers == ("slack-ops-alerts",)
    assert "[TEST] P3: budget_burn_rate" in chain.slack_titles()
    (message,) = chain.receivers.received.slack_webhooks
    (attachment,) = message["attachments"]
    # Links as those of a real alert.
    assert "Runbook: https://docs.blocks-orchestrator.com/runbooks/budget_breach.html" in attachment["text"]
    assert "Dashboard: https://grafana.company.com/d/flowengine-cost" in attachment["text"]
    assert attachment["title_link"].startswith(f"{chain.alertmanager}/")
    assert 0 < found.seconds < 30
    assert set(run_alert_test("slo_violation").receivers) == {"pagerduty-sre", "slack-ops-alerts"}
    with pytest.raises(UnknownAlert) as unknown:
        run_alert_test("no_such_alert")
    assert "budget_burn_rate" in unknown.value.cure


def test_a_test_of_the_chain_can_be_repeated_at_once(shipped_chain):
    first, second = run_alert_test("slo_violation"), run_alert_test("slo_violation")
    assert first.receivers == second.receivers
    assert max(first.seconds, second.seconds) < 30
    assert shipped_chain.slack_titles() == ["[TEST] P2: slo_violation"] * 2


def test_a_receiver_that_refuses_fails_the_test_of_the_chain(chain, monkeypatch):
    monkeypatch.setattr("orchestrator.ops.alerts.alert_test.ACCEPTED_WITHIN_SECONDS", 3.0)
    chain.receivers.received.refuse_next = [(400, "invalid event")] * 50
    with pytest.raises(AlertTestFailed, match="pagerduty-sre has not accepted"):
        run_alert_test("slo_violation")


def test_an_exporter_with_a_token_is_scraped_and_the_token_is_in_one_closed_file(
    ops_tools, tmp_path, transactional_db, settings
):
    settings.METRICS_TOKEN = "of-the-exporter"
    kept = alert_chain.find_scrape_credentials({"METRICS_TOKEN": settings.METRICS_TOKEN}, tmp_path / "token")
    assert kept is not None
    assert kept.stat().st_mode & 0o777 == 0o600
    with run_chain(ops_tools, tmp_path, settings, at_once=True, credentials=kept) as chain:
        wait_until(lambda: [one for one in chain.ask("up") if one["value"][1] == "1"], "a scrape")
        for page in ("status/config", "targets"):
            assert settings.METRICS_TOKEN not in httpx2.get(f"{chain.prometheus}/api/v1/{page}").text
    holding = [path for path in tmp_path.rglob("*") if path.is_file() and path.name != "token"]
    assert not any(settings.METRICS_TOKEN.encode() in path.read_bytes() for path in holding)


def test_a_mounted_token_is_used_where_it_is_and_an_old_copy_goes(tmp_path):
    mounted, copy = tmp_path / "mounted", tmp_path / "ops" / "metrics_token"
    mounted.write_text("of-the-exporter")
    assert alert_chain.find_scrape_credentials({"METRICS_TOKEN": "t"}, copy) == copy
    assert alert_chain.find_scrape_credentials({"METRICS_TOKEN_FILE": str(mounted)}, copy) == mounted
    assert alert_chain.find_scrape_credentials({}, copy) is None
    assert not copy.exists()


def test_planned_maintenance_silences_p2_and_p3_for_its_hours(chain):
    begin, end = timezone.now() - timedelta(minutes=1), timezone.now() + timedelta(hours=1)
    planned = Maintenance.objects.create(title="New database", starts_at=begin, ends_at=end)
    maintenance.silence_alerts(timezone.now())
    # Once, however often the service looks.
    maintenance.silence_alerts(timezone.now())
    (silence,) = httpx2.get(f"{chain.alertmanager}/api/v2/silences").json()
    planned.refresh_from_db()
    assert (silence["id"], silence["comment"]) == (planned.silence_id, "Planned maintenance: New database")
    for severity in ("P1", "P2", "P3"):
        labels = {"alertname": f"made_up_{severity.lower()}", "severity": severity, "channel": "ops-alerts"}
        chain.post_alert(labels)
    wait_for_title(chain, "P1: made_up_p1")

    def list_silenced() -> set[str]:
        found = httpx2.get(f"{chain.alertmanager}/api/v2/alerts").json()
        return {one["labels"]["alertname"] for one in found if one["status"]["state"] == "suppressed"}

    wait_until(lambda: {"made_up_p2", "made_up_p3"} <= list_silenced(), "the silence")
    assert not {"P2: made_up_p2", "P3: made_up_p3"} & set(chain.slack_titles())

    # Called off: what still fires is told.
    Maintenance.objects.update(cancelled_at=timezone.now())
    maintenance.silence_alerts(timezone.now())
    for severity in ("P2", "P3"):
        wait_for_title(chain, f"{severity}: made_up_{severity.lower()}")
