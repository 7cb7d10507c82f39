"""The launch runbook's two lists of alerts: each line has its rule, limit, case, words, receivers."""

import json
import re
from dataclasses import dataclass
from pathlib import Path

import pytest
import yaml

from tests.ops.alerting.test_routes import CONFIG, RECEIVERS
from tests.ops.alerting.test_rules import CASES, read_alerts

RULES = Path(__file__).resolve().parents[3] / "deploy/prometheus/rules"
PAGERDUTY = Path(__file__).resolve().parents[3] / "deploy/pagerduty/escalation.tf.json"


@dataclass(frozen=True)
class RunbookLine:
    """One line of the runbook: what is measured, its limit, and who hears of it."""

    alert: str
    measures: str
    limit: str
    receiver: str
    severity: str = ""
    window: str = ""


LINES = (
    # "Alerts configured", in the checklist before the rollout.
    RunbookLine(
        "budget_burn_rate",
        "orchestrator_budget_spent_usd",
        "orchestrator_budget_limit_usd",
        "slack-ops-alerts",
    ),
    RunbookLine("quality_degradation", "orchestrator_mutation_kill_rate_mean", "< 60", "pagerduty-sre"),
    RunbookLine("slo_violation", "flow:duration_seconds:p95_30m", "> 150", "pagerduty-sre"),
    RunbookLine("mass_failure", "flow:failed:increase1h", "> 5", "pagerduty-incident-commander"),
    # "Alert thresholds", under real-time monitoring.
    RunbookLine(
        "flow_failure_rate", "flow:success:ratio1h", "> 0.10", "pagerduty-incident-commander", "P1", "1h"
    ),
    RunbookLine("slo_violation", "flow:duration_seconds:p95_30m", "> 150", "pagerduty-sre", "P2", "30m"),
    RunbookLine(
        "budget_burn_rate",
        "orchestrator_budget_spent_usd",
        "orchestrator_budget_limit_usd",
        "slack-ops-alerts",
        "P3",
    ),
    RunbookLine(
        "mutation_kill_rate_low", "orchestrator_mutation_kill_rate_min", "< 60", "slack-blocks-help", "info"
    ),
)


@pytest.mark.parametrize("line", LINES, ids=lambda line: f"{line.alert} {line.severity}".strip())
def test_a_line_of_the_runbook_is_an_alert(line):
    rule = read_alerts()[line.alert]
    assert line.measures in rule["expr"]
    assert line.limit in rule["expr"]
    labels = rule["labels"]
    assert not line.severity or labels["severity"] == line.severity
    assert line.receiver in RECEIVERS.get(labels["severity"], {f"slack-{labels.get('channel')}"})
    assert line.alert in {case.name for case in CASES}
    summary = rule["annotations"]["summary"]
    assert "$value" in summary or "{{" in summary
    recorded = {
        entry["record"]: entry["expr"]
        for group in yaml.safe_load((RULES / "recording.yml").read_text())["groups"]
        for entry in group["rules"]
    }
    if line.window:
        # The window is in the recorded figure, which the rule reads.
        parts = [
            recorded[line.measures],
            *(expr for name, expr in recorded.items() if name in recorded[line.measures]),
        ]
        assert any(f"[{line.window}]" in part for part in parts)


def test_resolved_goes_wherever_firing_went():
    for receiver in yaml.safe_load(CONFIG.read_text())["receivers"]:
        for kind, entries in receiver.items():
            for entry in entries if kind.endswith("_configs") else []:
                # PagerDuty's default is true, Slack's is false; the watchdog's absence is the alarm.
                default = kind != "slack_configs"
                assert entry.get("send_resolved", default) == (receiver["name"] != "watchdog"), receiver[
                    "name"
                ]


def test_nobody_is_paged_for_what_another_alert_says():
    inhibited = yaml.safe_load(CONFIG.read_text())["inhibit_rules"]
    alerts, severities = read_alerts(), ["P1", "P2", "P3", "info", "none"]
    for rule in inhibited:
        (source,) = re.findall(r'alertname = "?(\w+)', " ".join(rule["source_matchers"]))
        wanted = " ".join(rule["target_matchers"])
        pattern = re.search(r'alertname =~? "?([^"]+)', wanted)
        assert pattern
        targets = [name for name in alerts if re.fullmatch(pattern[1], name)]
        assert targets
        for name in targets:
            # Only what is at least as urgent may silence another one.
            urgent = severities.index(alerts[source]["labels"]["severity"])
            assert urgent <= severities.index(alerts[name]["labels"]["severity"])
        # A test of one alert silences no real one.
        assert "synthetic" in rule["equal"]


def test_pages_escalate_after_5_10_and_15_minutes():
    policy = json.loads(PAGERDUTY.read_text())["resource"]["pagerduty_escalation_policy"]["flowengine"]
    assert [rule["escalation_delay_in_minutes"] for rule in policy["rule"]] == [5, 10, 15]
    reached = [target["id"] for rule in policy["rule"] for target in rule["target"]]
    assert [name.strip("${}").removeprefix("var.") for name in reached] == [
        "primary_schedule",
        "secondary_schedule",
        "incident_commander",
    ]
