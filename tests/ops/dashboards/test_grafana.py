"""Grafana's dashboards: held to their description, each expression parsed, and each panel filled by a real
Prometheus that has the metrics of a seeded deployment.
"""

import json
import math
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import promql_parser
import pytest
import yaml

from orchestrator.ops.dashboards import grafana
from orchestrator.ops.dashboards.description import DASHBOARDS, ONE_REPO
from orchestrator.ops.dashboards.panels import FigurePanel
from orchestrator.ops.dashboards.period import choose_period
from orchestrator.ops.dashboards.reader import Reader, read_today
from tests.ops.launch_runbook import read_facts
from tests.ops.seeded_prometheus import HOURS, Prometheus

ROOT = Path(__file__).resolve().parents[3]
REPO = "compliance-service"
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
    assert {one["uid"] for one in built} == {*read_facts()["dashboards_live"], "flowengine-repo"}
    for one in built:
        assert (one["refresh"], one["schemaVersion"]) == (read_facts()["refresh"], 41)
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
        expr = panel.queries[0].expr
        is_sum_of_a_day = "increase(" in expr and "/" not in expr and "quantile" not in expr
        share = 24 / HOURS if is_sum_of_a_day else 1.0
        assert found == pytest.approx(ours * share, rel=1e-6), panel.title
        compared += 1
    assert compared >= 12


def answers_a_number(prometheus: Prometheus, expr: str) -> bool:
    """Whether an expression has an answer, all of it numbers."""
    found = prometheus.ask(expr)
    return bool(found) and all(math.isfinite(value) for _, value in found)


def test_the_runbooks_queries_as_typed_answer_beside_what_they_mean(prometheus):
    """The arithmetic of decision 0007."""
    typed_rate, typed_p95, typed_projection = read_facts()["queries"].values()
    typed = prometheus.ask(typed_rate)
    meant = prometheus.ask('sum(rate(flow_status{status="success"}[1h])) / sum(rate(flow_status[1h])) * 100')
    # A series is divided by itself: always 100.
    assert {round(value, 6) for labels, value in typed if value == value} == {100.0}
    assert 0 < meant[0][1] < 100
    by_repo = prometheus.ask(typed_p95)
    ((_, over_all),) = prometheus.ask(
        "histogram_quantile(0.95, sum by (le) (rate(flow_duration_seconds_bucket[1h])))"
    )
    assert len(by_repo) == 4
    assert min(value for _, value in by_repo) <= over_all <= max(value for _, value in by_repo)
    ((_, projected),) = prometheus.ask(typed_projection)
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
