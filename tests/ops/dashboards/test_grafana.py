"""Grafana's dashboards: held to their description, each expression parsed, and each panel filled by a real
Prometheus that has the metrics of a seeded deployment.
"""

import json
import math
import re
import socket
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx2
import promql_parser
import pytest
import yaml

from orchestrator.ops.dashboards import grafana
from orchestrator.ops.dashboards.description import DASHBOARDS, ONE_REPO
from orchestrator.ops.dashboards.panels import FigurePanel
from orchestrator.ops.dashboards.period import choose_period
from orchestrator.ops.dashboards.reader import Reader, read_today
from orchestrator.ops.observability.metrics import OrchestratorCollector
from tests.ops.history import tell_deployment

ROOT = Path(__file__).resolve().parents[3]
RUNBOOK_UIDS = {f"flowengine-{name}" for name in ("roi", "quality", "slo", "adoption", "cost")}
REPO = "compliance-service"
HOURS, STEP_SECONDS = 26, 900
PATIENCE_SECONDS = 60.0
# Panels of Grafana that answer for another span of time than our page does.
OTHER_SPAN = {"spend-a-day", "people", "repos", "active-repos"}


def every_expression() -> Iterator[tuple[str, str]]:
    """Where an expression is, and the expression without Grafana's variables."""
    for name, dashboard in grafana.build_all().items():
        for panel in dashboard["panels"]:
            for target in panel["targets"]:
                yield f"{name}: {panel['title']}", fill_in(target["expr"])


def fill_in(expr: str) -> str:
    return expr.replace("$__range", "1d").replace("$repo", REPO)


def test_the_files_are_what_the_description_says():
    written = {path.name: json.loads(path.read_text()) for path in grafana.FOLDER.glob("*.json")}
    assert written == grafana.build_all(), "run manage.py write_dashboards"


def test_the_dashboards_have_the_addresses_of_the_runbook_and_are_current():
    built = list(grafana.build_all().values())
    assert {one["uid"] for one in built} == RUNBOOK_UIDS | {"flowengine-repo"}
    for one in built:
        assert (one["refresh"], one["schemaVersion"]) == ("30s", 41)
        ids = [panel["id"] for panel in one["panels"]]
        assert sorted(set(ids)) == ids
        assert not find_overlaps([panel["gridPos"] for panel in one["panels"]])
        for panel in one["panels"]:
            assert panel["type"] in {"stat", "timeseries", "bargauge"}
            assert panel["datasource"]["uid"] == "${datasource}"


def find_overlaps(places: list[dict[str, int]]) -> list[tuple[int, int]]:
    """Cells of the grid that two panels take, or that are outside of it."""
    taken: set[tuple[int, int]] = set()
    twice = []
    for place in places:
        for x in range(place["x"], place["x"] + place["w"]):
            for y in range(place["y"], place["y"] + place["h"]):
                if (x, y) in taken or x >= 24:
                    twice.append((x, y))
                taken.add((x, y))
    return twice


def test_a_dashboard_of_one_repo_asks_for_that_repo_only():
    built = grafana.build_dashboard(ONE_REPO, repo="auth-service", uid="auth-service")
    assert (built["uid"], built["title"]) == ("auth-service", "Blocks: auth-service")
    for panel in built["panels"]:
        for target in panel["targets"]:
            selectors = re.findall(r"\w+\{[^}]*\}", target["expr"])
            assert selectors
            assert all('repo="auth-service"' in selector for selector in selectors), target["expr"]


@pytest.mark.parametrize(("place", "expr"), list(every_expression()), ids=lambda text: text[:60])
def test_every_expression_of_a_panel_is_promql(place, expr):
    assert "$" not in expr, place
    promql_parser.parse(expr)


def test_every_expression_of_a_rule_is_promql():
    expressions = [
        rule["expr"]
        for path in (ROOT / "deploy/prometheus/rules").glob("*.yml")
        for group in yaml.safe_load(path.read_text())["groups"]
        for rule in group["rules"]
    ]
    assert len(expressions) > 20
    for expr in expressions:
        promql_parser.parse(expr)


def write_open_metrics(path: Path, end: int) -> None:
    """What the exporter says now as a day of samples: counters that grew evenly, gauges that stayed."""
    moments = range(end - HOURS * 3600, end + 1, STEP_SECONDS)
    lines = []
    for family in OrchestratorCollector().collect():
        for sample in family.samples:
            labels = ",".join(f"{name}={json.dumps(value)}" for name, value in sample.labels.items())
            grows = family.type in {"counter", "unknown", "histogram", "summary"}
            for place, moment in enumerate(moments):
                value = sample.value * place / (len(moments) - 1) if grows else sample.value
                lines.append(f"{sample.name}{{{labels}}} {value} {moment}")
    path.write_text("\n".join([*lines, "# EOF", ""]))


class Prometheus:
    """A running server, and when its data ends."""

    def __init__(self, url: str, end: int) -> None:
        self.url, self.end = url, end

    def ask(self, expr: str) -> list[tuple[dict[str, str], float]]:
        """The labels and values of an instant query at the end."""
        answer = httpx2.get(f"{self.url}/api/v1/query", params={"query": expr, "time": self.end}).json()
        assert answer["status"] == "success", answer
        return [(one["metric"], float(one["value"][1])) for one in answer["data"]["result"]]


@pytest.fixture
def prometheus(ops_tools, tmp_path, db) -> Iterator[Prometheus]:
    tell_deployment()
    # Whole steps, so that a window of a day begins and ends with a sample.
    end = int(time.time()) // STEP_SECONDS * STEP_SECONDS
    seed = tmp_path / "seed.om"
    write_open_metrics(seed, end)
    data = tmp_path / "data"
    subprocess.run(
        [ops_tools.promtool, "tsdb", "create-blocks-from", "openmetrics", str(seed), str(data)],
        check=True,
        capture_output=True,
    )
    (tmp_path / "prometheus.yml").write_text("{}")
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    command = [
        ops_tools.prometheus,
        f"--config.file={tmp_path / 'prometheus.yml'}",
        f"--storage.tsdb.path={data}",
        # Blocks that end today are not to be compacted, and those of yesterday not to be dropped.
        "--storage.tsdb.retention.time=10y",
        f"--web.listen-address=127.0.0.1:{port}",
    ]
    with (tmp_path / "log").open("wb") as log:
        server = subprocess.Popen(command, stdout=log, stderr=log)
        try:
            wait_until_ready(f"http://127.0.0.1:{port}/-/ready", tmp_path / "log")
            yield Prometheus(f"http://127.0.0.1:{port}", end)
        finally:
            server.terminate()
            server.wait()


def wait_until_ready(url: str, log: Path) -> None:
    until = time.monotonic() + PATIENCE_SECONDS
    while time.monotonic() < until:
        try:
            if httpx2.get(url).is_success:
                return
        except httpx2.HTTPError:
            pass
        time.sleep(0.1)
    raise AssertionError(log.read_text())


def test_no_panel_is_empty_and_the_figures_are_those_of_our_pages(prometheus):
    empty = [place for place, expr in every_expression() if not answers_a_number(prometheus, expr)]
    assert empty == []
    # The growth is even, so a window of a day has 24 of the 26 hours of everything: ratios are the same.
    everything = Reader(choose_period(read_today(), 365), None)
    compared = 0
    for panel in {panel.key: panel for one in DASHBOARDS for panel in one.select(FigurePanel)}.values():
        if panel.key in OTHER_SPAN:
            continue
        ((_, found),) = prometheus.ask(fill_in(grafana.compose_expression(panel.queries[0].expr)))
        ours = panel.read(everything)
        is_ratio = "/" in panel.queries[0].expr or "quantile" in panel.queries[0].expr
        share = 1.0 if is_ratio else 24 / HOURS
        assert found == pytest.approx(ours * share, rel=1e-6), panel.title
        compared += 1
    assert compared >= 12


def answers_a_number(prometheus: Prometheus, expr: str) -> bool:
    """Whether an expression has an answer, all of it numbers."""
    found = prometheus.ask(expr)
    return bool(found) and all(math.isfinite(value) for _, value in found)


def test_the_runbooks_queries_as_typed_answer_beside_what_they_mean(prometheus):
    """The arithmetic of decision 0007."""
    typed = prometheus.ask('rate(flow_status{status="success"}[1h]) / rate(flow_status[1h]) * 100')
    meant = prometheus.ask('sum(rate(flow_status{status="success"}[1h])) / sum(rate(flow_status[1h])) * 100')
    # A series is divided by itself: always 100.
    assert {round(value, 6) for labels, value in typed if value == value} == {100.0}
    assert 0 < meant[0][1] < 100
    by_repo = prometheus.ask("histogram_quantile(0.95, rate(flow_duration_seconds_bucket[1h]))")
    ((_, over_all),) = prometheus.ask(
        "histogram_quantile(0.95, sum by (le) (rate(flow_duration_seconds_bucket[1h])))"
    )
    assert len(by_repo) == 4
    assert min(value for _, value in by_repo) <= over_all <= max(value for _, value in by_repo)
    ((_, projected),) = prometheus.ask("sum(rate(flow_cost_usd[1h])) * 24")
    ((_, day),) = prometheus.ask("sum(increase(flow_cost_usd_total[1h])) * 24")
    assert day == pytest.approx(3600 * projected)


def test_the_dashboards_of_the_runbook_are_linked_by_alerts():
    rules: Any = yaml.safe_load((ROOT / "deploy/prometheus/rules/alerts.yml").read_text())
    linked = {
        rule["annotations"]["dashboard_url"].rsplit("/", 1)[1]
        for group in rules["groups"]
        for rule in group["rules"]
        if "dashboard_url" in rule.get("annotations", {})
    }
    assert linked <= {one["uid"] for one in grafana.build_all().values()}
