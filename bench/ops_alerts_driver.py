"""Runs the chain once, and prints the seconds of each step: ``python -m bench.ops_alerts_driver FOLDER``."""

import json
import os
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
from providers.models import ProviderState  # noqa: E402

PATIENCE_SECONDS = 120.0
FAILURES = 12
PAGES = ("P1: flow_failure_rate", "P1: mass_failure")


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


def ask(url: str, **query: str) -> Any:
    """JSON of Prometheus."""
    return httpx2.get(url, params=query).json()["data"]


def measure(receivers: Receivers) -> dict[str, float]:
    """Fail flows, and note when Prometheus fires, who is told when, and when it is over."""
    repo = Repo.objects.get_or_create(name="bench")[0]
    prometheus, received = settings.PROMETHEUS_URL, receivers.received
    fail_flow(repo)
    # A series has to exist before it grows.
    wait_for(
        lambda: ask(f"{prometheus}/api/v1/query", query="flow_status_total")["result"], "the first scrape"
    )
    began = time.monotonic()
    for _ in range(FAILURES):
        fail_flow(repo)
    firing = 'ALERTS{alertstate="firing",severity="P1"}'
    steps = {}
    wait_for(lambda: ask(f"{prometheus}/api/v1/query", query=firing)["result"], "the alert fires")
    steps["alert_fired_s"] = time.monotonic() - began

    def find_pages() -> list[Any]:
        return [page for page in list(received.pages.values()) if page["payload"]["summary"] in PAGES]

    (page, *_) = wait_for(find_pages, "a page")
    steps["alert_paged_s"] = time.monotonic() - began
    wait_for(lambda: [title for title in read_titles(receivers) if title in PAGES], "a Slack message")
    steps["alert_in_slack_s"] = time.monotonic() - began
    steps["alert_end_to_end_s"] = max(steps.values())
    steps |= measure_resolved(receivers, page)
    steps["synthetic_alert_s"] = run_alert_test("slo_violation").seconds
    return {name: round(seconds, 2) for name, seconds in steps.items()}


def measure_resolved(receivers: Receivers, page: Any) -> dict[str, float]:
    """An alert that can end at once: a counter that disagrees with the ledger, and agrees again."""
    set_drift(7)
    wait_for(lambda: "P2: ledger_drift" in read_titles(receivers), "the drift is told")
    began = time.monotonic()
    set_drift(0)
    wait_for(lambda: "Resolved: ledger_drift" in read_titles(receivers), "the drift is over")
    pages = list(receivers.received.pages.values())
    wait_for(lambda: any("resolve" in one["events"] for one in pages), "the page is resolved")
    return {"alert_resolved_s": time.monotonic() - began}


def set_drift(tokens: int) -> None:
    """Let the limiter's counter of one provider differ from the ledger by so many tokens."""
    state, _ = ProviderState.objects.get_or_create(provider="google")
    ProviderState.objects.filter(pk=state.pk).update(day_tokens=tokens)


def read_titles(receivers: Receivers) -> list[str]:
    """What Slack got."""
    messages = list(receivers.received.slack_webhooks)
    return [attachment["title"] for message in messages for attachment in message["attachments"]]


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
            sys.stdout.write(json.dumps(measure(receivers)) + "\n")
        finally:
            for process in started:
                child_processes.stop(process, grace_seconds=5)
            exporter.shutdown()
    return 0


if __name__ == "__main__":
    raise SystemExit(run())
