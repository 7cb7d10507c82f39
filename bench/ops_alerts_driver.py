"""Runs the chain once, and prints the seconds of each step: ``python -m bench.ops_alerts_driver FOLDER``."""

import json
import os
import shutil
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import django

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "orchestrator.settings")
django.setup()

import httpx2  # noqa: E402 - Django comes first
from django.conf import settings  # noqa: E402

from orchestrator import child_processes  # noqa: E402
from orchestrator.dev import alert_chain, embedded  # noqa: E402
from orchestrator.dev.ops_tools import find_ops_tools  # noqa: E402
from orchestrator.dev.probes import is_answering  # noqa: E402
from orchestrator.dev.receivers import Receivers  # noqa: E402
from orchestrator.flows import engine  # noqa: E402
from orchestrator.flows.engine import broker  # noqa: E402
from orchestrator.flows.stage_protocol import Failed  # noqa: E402
from orchestrator.ops.alerts.alert_test import run_alert_test  # noqa: E402
from orchestrator.ops.observability.exporter import build_server  # noqa: E402
from orchestrator.repos.models import Repo  # noqa: E402

PATIENCE_SECONDS = 120.0
FAILURES = 12
# Either may be seen first, and the failure rate then keeps mass_failure from paging as well.
TITLES = {"P1: flow_failure_rate", "P1: mass_failure"}


def wait_for(ready: Callable[[], Any], what: str) -> Any:
    """What ``ready`` finds; raises ``RuntimeError`` where it finds nothing in time."""
    end = time.monotonic() + PATIENCE_SECONDS
    while not (found := ready()):
        if time.monotonic() > end:
            raise RuntimeError(f"not within {PATIENCE_SECONDS:.0f} s: {what}")
        time.sleep(0.05)
    return found


def fail_flow(repo: Repo) -> None:
    """A flow whose first stage fails for good."""
    flow = engine.create(repo, "# Always fails")
    claim = engine.claim(flow.stages.get(status="ready").pk, "bench")
    if claim is None:
        raise RuntimeError("the first stage is not ready")
    engine.finish(claim, Failed("bench:failed", "It failed.", "Nothing."))


def ask(query: str) -> Any:
    """What Prometheus answers now."""
    address = f"{settings.PROMETHEUS_URL}/api/v1/query"
    return httpx2.get(address, params={"query": query}).json()["data"]["result"]


def measure(receivers: Receivers) -> dict[str, float]:
    """Fail flows, and note how long each step takes until it is over again wherever it was told.

    Times are those of Prometheus's samples and of the receivers. Raises ``RuntimeError`` where the person who
    has acknowledged is paged again.
    """
    repo = Repo.objects.get_or_create(name="bench")[0]
    fail_flow(repo)
    # A series has to exist before it grows.
    wait_for(lambda: ask("flow_status_total"), "the first scrape")
    began = time.time()
    for _ in range(FAILURES):
        fail_flow(repo)
    (key, *_) = wait_for(lambda: find_pages(receivers), "a page")
    page = receivers.received.pages[key]
    title = page["payload"]["summary"]
    in_slack = wait_for(lambda: read_titles(receivers).get(title), "a Slack message")
    acknowledging = time.time()
    event = {"routing_key": "commander-key", "event_action": "acknowledge", "dedup_key": key}
    httpx2.post(f"{receivers.url}/pagerduty/v2/enqueue", json=event).raise_for_status()
    resolved = title.replace("P1", "Resolved")
    over_in_slack = wait_for(lambda: read_titles(receivers).get(resolved), "Slack says that it is over")
    wait_for(lambda: page["events"][-1] == "resolve", "the page is resolved")
    if page["events"] != ["trigger", "acknowledge", "resolve"]:
        raise RuntimeError(f"the page was {page['events']}")
    paged, acknowledged, over = page["at"]
    fired = find_samples(title.removeprefix("P1: "))
    steps = {
        "alert_fired_s": fired[0] - began,
        "alert_paged_s": paged - fired[0],
        "alert_in_slack_s": in_slack - fired[0],
        "alert_end_to_end_s": max(paged, in_slack) - began,
        "alert_acknowledged_s": acknowledged - acknowledging,
        "alert_resolved_s": max(over, over_in_slack) - fired[-1],
    }
    return {name: round(seconds, 2) for name, seconds in steps.items()}


def find_samples(alert: str) -> list[float]:
    """When Prometheus looked and the alert fired, seconds since 1970; it looks every second."""
    (series,) = ask(f'ALERTS{{alertname="{alert}",alertstate="firing"}}[5m]')
    return [float(moment) for moment, _ in series["values"]]


def find_pages(receivers: Receivers) -> list[str]:
    """The keys of pages for failing flows."""
    pages = list(receivers.received.pages.items())
    return [key for key, page in pages if page["payload"]["summary"] in TITLES]


def read_titles(receivers: Receivers) -> dict[str, float]:
    """What Slack got, and when it came first."""
    found: dict[str, float] = {}
    for message in list(receivers.received.slack_webhooks):
        for attachment in message["attachments"]:
            found.setdefault(attachment["title"], message["at"])
    return found


def run() -> int:
    """Start the chain, measure, print."""
    tools = find_ops_tools()
    if tools is None:
        return 1
    broker.send_route = lambda _: True  # type: ignore[assignment]  # nobody runs these flows but this process
    folder = Path(sys.argv[1])
    folder.mkdir(parents=True)
    listen = [f"127.0.0.1:{embedded.find_free_port()}" for _ in range(2)]
    exporter = build_server("127.0.0.1", 0)
    threading.Thread(target=exporter.serve_forever, daemon=True).start()
    with Receivers() as receivers, (folder / "log").open("wb") as log:
        config = alert_chain.write_alertmanager_config(folder / "alertmanager", receivers.url, at_once=True)
        scraped = f"127.0.0.1:{exporter.server_port}"
        rules = alert_chain.write_prometheus_config(folder / "prometheus", scraped, listen[1], at_once=True)
        commands = {
            listen[1]: alert_chain.compose_alertmanager(tools, config, folder, listen[1]),
            listen[0]: alert_chain.compose_prometheus(tools, rules, folder, listen[0]),
        }
        started: list[subprocess.Popen[bytes]] = []
        try:
            for address, command in commands.items():
                started.append(child_processes.start(command, output=log, cwd=folder))
                ready = f"http://{address}/-/ready"
                wait_for(lambda url=ready: is_answering(url), ready)  # type: ignore[misc]
            settings.PROMETHEUS_URL, settings.ALERTMANAGER_URL = (f"http://{one}" for one in listen)
            steps = measure(receivers)
            # A test of the chain waits for what people wait for: the pauses that we ship.
            shipped = alert_chain.write_alertmanager_config(folder / "shipped", receivers.url)
            shutil.copy(shipped, config)
            httpx2.post(f"{settings.ALERTMANAGER_URL}/-/reload").raise_for_status()
            steps["synthetic_alert_s"] = run_alert_test("slo_violation").seconds
            sys.stdout.write(json.dumps(steps) + "\n")
        finally:
            for process in started:
                child_processes.stop(process, grace_seconds=5)
            exporter.shutdown()
    return 0


if __name__ == "__main__":
    raise SystemExit(run())
