"""The launch runbook's two lists of alerts: each line has its rule, limit, case, words, receivers."""

import json
import re
from dataclasses import dataclass
from pathlib import Path

import pytest
import yaml
from django.conf import settings

from tests.ops.alerting.test_routes import CONFIG, RECEIVERS
from tests.ops.alerting.test_rules import CASES, read_alerts
from tests.ops.launch_runbook import read_facts

RULES = Path(__file__).resolve().parents[3] / "deploy/prometheus/rules"
PAGERDUTY = Path(__file__).resolve().parents[3] / "deploy/pagerduty/escalation.tf.json"


FACTS = read_facts()
# The runbook's words for what is measured, as our figures; it gives shares in percent.
MEASURES = {
    "Daily spend": "orchestrator_budget_spent_usd",
    "Mutation kill-rate": "orchestrator_mutation_kill_rate_",
    "P95 latency": "flow:duration_seconds:p95_30m",
    "failures/hour": "flow:failed:increase1h",
    "flow failure rate": "flow:success:ratio1h",
}
TOLD = {
    "Slack #ops-alerts": "slack-ops-alerts",
    "Slack #blocks-help": "slack-blocks-help",
    "Slack #incidents": "slack-incidents",
    "PagerDuty SRE": "pagerduty-sre",
    "PagerDuty SRE on-call": "pagerduty-sre",
    "Page SRE on-call": "pagerduty-sre",
    "PagerDuty incident commander": "pagerduty-incident-commander",
    "Page incident commander": "pagerduty-incident-commander",
}
WINDOWS = {">1 hour": "1h", ">30 min": "30m"}
THRESHOLDS = {
    "P1": "flow_failure_rate",
    "P2": "slo_violation",
    "P3": "budget_burn_rate",
    "Info": "mutation_kill_rate_low",
}


@dataclass(frozen=True)
class RunbookLine:
    """One line of the runbook: what is measured, its limit, and who hears of it."""

    alert: str
    condition: str
    told: str
    severity: str = ""
    window: str = ""

    @property
    def measure(self) -> str:
        """The name of our figure that the condition is about."""
        (found,) = [name for words, name in MEASURES.items() if words in self.condition]
        return found

    @property
    def limit(self) -> str:
        """The comparison as a rule writes it."""
        match = re.search(r"([<>])(\$?)([\d.]+)", self.condition)
        assert match
        sign, currency, number = match.groups()
        if currency:
            # The rule reads the setting, whose default is the runbook's.
            assert float(number) == settings.DAILY_BUDGET_USD
            return "orchestrator_budget_limit_usd"
        return f"{sign} 0.{number}" if self.measure == "flow:success:ratio1h" else f"{sign} {number}"


LINES = [
    *(
        RunbookLine(name.lower().replace(" ", "_"), condition, told)
        for name, condition, told in FACTS["alerts_configured"]
    ),
    *(
        RunbookLine(
            THRESHOLDS[severity], condition, told, severity.replace("Info", "info"), WINDOWS.get(window, "")
        )
        for severity, condition, window, told in FACTS["alert_thresholds"]
    ),
]


def read_records() -> dict[str, str]:
    """The expression of every recorded figure, without other recorded figures in it."""
    groups = yaml.safe_load((RULES / "recording.yml").read_text())["groups"]
    found: dict[str, str] = {}
    for rule in (rule for group in groups for rule in group["rules"]):
        found[rule["record"]] = write_out(rule["expr"], found)
    return found


def write_out(expr: str, records: dict[str, str]) -> str:
    """An expression with what recorded figures stand for."""
    for name, meant in records.items():
        expr = re.sub(rf"(?<![\w:]){re.escape(name)}(?![\w:])", f"({meant})", expr)
    return expr


@pytest.mark.parametrize("line", LINES, ids=lambda line: f"{line.alert} {line.severity}".strip())
def test_a_line_of_the_runbook_is_an_alert(line):
    rule = read_alerts()[line.alert]
    assert line.measure in rule["expr"]
    assert line.limit in rule["expr"]
    labels = rule["labels"]
    assert not line.severity or labels["severity"] == line.severity
    assert TOLD[line.told] in RECEIVERS.get(labels["severity"], {f"slack-{labels.get('channel')}"})
    assert line.alert in {case.name for case in CASES}
    assert "{{" in rule["annotations"]["summary"]
    if line.window:
        # The window is in the recorded figure, which the rule reads.
        assert f"[{line.window}]" in read_records()[line.measure]


@pytest.mark.parametrize("severity", FACTS["notification"])
def test_a_severity_is_told_where_the_runbook_says(severity):
    wanted = {TOLD[place] for place in FACTS["notification"][severity].split(" + ")}
    if severity == "P4":
        # Requests for features and gaps of documents: people write those, no alert does.
        assert not [name for name, rule in read_alerts().items() if rule["labels"]["severity"] == severity]
    else:
        assert wanted <= RECEIVERS[severity]


def test_every_alert_that_the_runbook_tests_exists():
    assert set(FACTS["tested_alerts"]) <= set(read_alerts())


def test_every_line_of_the_runbook_has_a_figure_in_a_seeded_deployment(prometheus):
    records = read_records()
    for line in LINES:
        names = re.findall(r"(?<![\w:\"])[a-z][\w:]*(?![\w:(\"])", read_alerts()[line.alert]["expr"])
        (measure, *_) = [name for name in names if name.startswith(line.measure)]
        ((_, value),) = prometheus.ask(write_out(measure, records))
        assert value >= 0, line


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
    minutes = [after for _, after in FACTS["escalation"]]
    assert [rule["escalation_delay_in_minutes"] for rule in policy["rule"]] == minutes == [5, 10, 15]
    reached = [target["id"] for rule in policy["rule"] for target in rule["target"]]
    assert [name.strip("${}").removeprefix("var.") for name in reached] == [
        "primary_schedule",
        "secondary_schedule",
        "incident_commander",
    ]
