"""Every alert, evaluated by promtool: silent below its limit, firing above it, silent without much data."""

import json
import subprocess
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
import yaml

ROOT = Path(__file__).resolve().parents[3]
RULES = ROOT / "deploy/prometheus/rules"
RUNBOOKS = ROOT / "docs/runbooks"
Series = dict[str, str]
HOUR = "90m"
COMMANDER = {"severity": "P1", "page": "incident-commander", "channel": "incidents"}
SRE = {"severity": "P2", "page": "sre", "channel": "ops-alerts"}
OPS = {"severity": "P3", "channel": "ops-alerts"}


@dataclass(frozen=True)
class AlertCase:
    """One alert: series in promtool's notation, a sample a minute, and what it fires with.

    ``scarce`` has a value beyond the limit and too little data behind it.
    """

    name: str
    quiet: Series
    firing: Series
    labels: dict[str, str]
    scarce: Series | None = None
    series_labels: dict[str, str] = field(default_factory=dict)
    at: str = HOUR


def flows(*, failed: str, succeeded: str) -> Series:
    """Ends of flows: so many more at each minute."""
    name = "flow_status_total"
    repo = 'repo="compliance-service"'
    return {
        f'{name}{{status="failed",{repo}}}': f"0+{failed}x120",
        f'{name}{{status="success",{repo}}}': f"0+{succeeded}x120",
        f'{name}{{status="cancelled",{repo}}}': "0+5x120",
    }


def latency(*, within_150: str, within_180: str) -> Series:
    """Ends of flows that passed, by seconds, in two repos: a P95 of one repo is not the P95 of all."""
    name = "flow_duration_seconds"
    series = {}
    for repo in ("compliance-service", "auth-service"):
        for bound, pace in (("120", "0"), ("150", within_150), ("180", within_180), ("+Inf", within_180)):
            series[f'{name}_bucket{{repo="{repo}",le="{bound}"}}'] = f"0+{pace}x120"
        series[f'{name}_count{{repo="{repo}"}}'] = f"0+{within_180}x120"
    return series


def gauge(name: str, value: float, labels: str = "") -> Series:
    return {f"{name}{{{labels}}}" if labels else name: f"{value}x120"}


def kill_rate(mean: float, number: int) -> Series:
    name = "orchestrator_mutation_kill_rate"
    return gauge(f"{name}_mean", mean) | gauge(f"{name}_flows", number)


def budget(spent: float) -> Series:
    return gauge("orchestrator_budget_spent_usd", spent) | gauge("orchestrator_budget_limit_usd", 50)


def connections(used: int) -> Series:
    name = "orchestrator_database_connections"
    return gauge(name, used) | gauge(f"{name}_limit", 200)


def spending(usd_a_minute: float) -> Series:
    name = 'flow_cost_usd_total{provider="openai",model="m",repo="r"}'
    return {name: f"0+{usd_a_minute}x120"} | gauge("orchestrator_budget_limit_usd", 50)


GOOGLE = 'provider="google"'
CASES = (
    AlertCase(
        "rollback_trigger_undecided",
        quiet=gauge("rollback_actions_total", 3, 'trigger="quota",verdict="not_enough_data"'),
        firing={'rollback_actions_total{trigger="quota",verdict="not_enough_data"}': "0x80 1x40"},
        labels=OPS,
        series_labels={"trigger": "quota"},
    ),
    AlertCase(
        "flow_failure_rate",
        quiet=flows(failed="0.09", succeeded="1"),
        firing=flows(failed="0.2", succeeded="1"),
        scarce=flows(failed="0.05", succeeded="0.05"),
        labels=COMMANDER,
    ),
    AlertCase(
        "mass_failure",
        quiet=flows(failed="0.08", succeeded="5"),
        firing=flows(failed="0.12", succeeded="5"),
        labels=COMMANDER,
    ),
    AlertCase(
        "slo_violation",
        quiet=latency(within_150="1", within_180="1"),
        firing=latency(within_150="0.9", within_180="1"),
        scarce=latency(within_150="0.02", within_180="0.05"),
        labels=SRE,
    ),
    AlertCase(
        "flows_queued",
        quiet=gauge("orchestrator_flows_queued_over_5m", 0, 'queue="google",status="ready"'),
        firing=gauge("orchestrator_flows_queued_over_5m", 2, 'queue="google",status="ready"'),
        labels=OPS,
    ),
    AlertCase(
        "quality_degradation",
        quiet=kill_rate(60, 9),
        firing=kill_rate(59.9, 9),
        scarce=kill_rate(20, 4),
        labels=SRE,
    ),
    AlertCase(
        "mutation_kill_rate_low",
        quiet=gauge("orchestrator_mutation_kill_rate_min", 60),
        firing=gauge("orchestrator_mutation_kill_rate_min", 59.9),
        scarce=gauge("orchestrator_mutation_kill_rate_flows", 0),
        labels={"severity": "info", "channel": "blocks-help"},
    ),
    AlertCase("budget_burn_rate", quiet=budget(48), firing=budget(49.5), labels=OPS),
    AlertCase(
        "budget_projection",
        quiet=spending(0.03),
        firing=spending(0.04),
        labels={"severity": "info", "channel": "ops-alerts"},
        at="119m",
    ),
    AlertCase(
        "provider_quota_high",
        quiet=gauge("provider_quota_used_ratio", 0.69, GOOGLE),
        firing=gauge("provider_quota_used_ratio", 0.7, GOOGLE),
        labels=OPS,
        series_labels={"provider": "google"},
    ),
    AlertCase(
        "provider_quota_paused",
        quiet=gauge("provider_quota_used_ratio", 0.84, GOOGLE),
        firing=gauge("provider_quota_used_ratio", 0.85, GOOGLE),
        labels=SRE,
        series_labels={"provider": "google"},
    ),
    AlertCase(
        "provider_quota_rollback",
        quiet=gauge("provider_quota_rollback", 0, GOOGLE),
        firing=gauge("provider_quota_rollback", 1, GOOGLE),
        labels=COMMANDER,
        series_labels={"provider": "google"},
    ),
    AlertCase(
        "provider_account_exhausted",
        quiet=gauge("provider_account_exhausted", 0, GOOGLE),
        firing=gauge("provider_account_exhausted", 1, GOOGLE),
        labels=SRE,
        series_labels={"provider": "google"},
    ),
    AlertCase(
        "provider_outage",
        quiet=gauge("provider_breaker", 0.5, GOOGLE),
        firing=gauge("provider_breaker", 1, GOOGLE),
        labels=SRE,
        series_labels={"provider": "google"},
    ),
    AlertCase(
        "ledger_drift",
        quiet=gauge("provider_ledger_drift", 0, GOOGLE),
        firing=gauge("provider_ledger_drift", 1, GOOGLE),
        labels=SRE,
        series_labels={"provider": "google"},
    ),
    AlertCase("database_connections", quiet=connections(190), firing=connections(191), labels=COMMANDER),
    AlertCase(
        "outgoing_events_stuck",
        quiet=gauge("orchestrator_outgoing_event_oldest_seconds", 599),
        firing=gauge("orchestrator_outgoing_event_oldest_seconds", 601),
        labels=OPS,
    ),
    AlertCase(
        "replica_lag",
        quiet=gauge("orchestrator_replica_lag_seconds", 60, 'replica="replica1"'),
        firing=gauge("orchestrator_replica_lag_seconds", 61, 'replica="replica1"'),
        labels=OPS,
        series_labels={"replica": "replica1"},
    ),
    AlertCase(
        "replica_down",
        quiet=gauge("orchestrator_replica_up", 1, 'replica="replica1"'),
        firing=gauge("orchestrator_replica_up", 0, 'replica="replica1"'),
        labels=OPS,
        series_labels={"replica": "replica1"},
    ),
    AlertCase(
        # promtool's clock begins at 0, so the time of the end is what is left of it.
        "expiry_near",
        quiet=gauge("orchestrator_expiry_timestamp_seconds", 15 * 86400, 'kind="token",name="slack"'),
        firing=gauge("orchestrator_expiry_timestamp_seconds", 14 * 86400, 'kind="token",name="slack"'),
        labels=OPS,
        series_labels={"kind": "token", "name": "slack"},
    ),
    AlertCase(
        "evidence_disk_full",
        quiet=gauge("orchestrator_evidence_disk_free_bytes", 10)
        | gauge("orchestrator_evidence_disk_bytes", 100),
        firing=gauge("orchestrator_evidence_disk_free_bytes", 9)
        | gauge("orchestrator_evidence_disk_bytes", 100),
        labels=SRE,
    ),
    AlertCase(
        "metrics_source_down",
        quiet=gauge("orchestrator_source_up", 1, 'source="queues"'),
        firing=gauge("orchestrator_source_up", 0, 'source="queues"'),
        labels=SRE,
        series_labels={"source": "queues"},
    ),
    AlertCase(
        "exporter_down",
        quiet=gauge("up", 1, 'job="flowengine"'),
        firing=gauge("up", 0, 'job="flowengine"'),
        labels=SRE,
        series_labels={"job": "flowengine"},
    ),
)


def read_alerts() -> dict[str, dict[str, Any]]:
    """Every alert of the rule files, by name."""
    groups = yaml.safe_load((RULES / "alerts.yml").read_text())["groups"]
    return {rule["alert"]: rule for group in groups for rule in group["rules"]}


def expect(case: AlertCase, series: Series, *, fires: bool) -> dict[str, Any]:
    """A test in promtool's form. ``ALERTS`` has the labels that routes read."""
    labels = {"alertname": case.name, "alertstate": "firing", **case.labels, **case.series_labels}
    written = ",".join(f"{name}={json.dumps(value)}" for name, value in sorted(labels.items()))
    found = [{"labels": f"ALERTS{{{written}}}", "value": 1}]
    return {
        "interval": "1m",
        "input_series": [{"series": name, "values": values} for name, values in series.items()],
        "promql_expr_test": [
            {
                "expr": f'ALERTS{{alertname="{case.name}",alertstate="firing"}}',
                "eval_time": case.at,
                "exp_samples": found if fires else [],
            }
        ],
    }


def run_promtool(ops_tools, folder: Path, tests: list[dict[str, Any]]) -> subprocess.CompletedProcess[str]:
    path = folder / "cases.yml"
    files = [str(path) for path in sorted(RULES.glob("*.yml"))]
    path.write_text(json.dumps({"rule_files": files, "evaluation_interval": "1m", "tests": tests}))
    return subprocess.run(
        [ops_tools.promtool, "test", "rules", str(path)], capture_output=True, text=True, check=False
    )


@pytest.mark.slow
def test_every_alert_is_silent_below_its_limit_and_fires_above_it(ops_tools, tmp_path):
    tests = []
    for case in CASES:
        tests += [expect(case, case.quiet, fires=False), expect(case, case.firing, fires=True)]
        if case.scarce is not None:
            tests.append(expect(case, case.scarce, fires=False))
    done = run_promtool(ops_tools, tmp_path, tests)
    assert done.returncode == 0, done.stdout + done.stderr


def fire_at(name: str, moment: str, *, fires: bool) -> dict[str, Any]:
    """Whether an alert fires at a moment, with any labels."""
    return {
        "expr": f'count(ALERTS{{alertname="{name}",alertstate="firing"}})',
        "eval_time": moment,
        "exp_samples": [{"labels": "{}", "value": 1}] if fires else [],
    }


# What begins an hour after a tenth of the flows have begun to fail.
LATER = {
    "mass_failure": {},
    "slo_violation": {
        name: values.replace("0+", "0x59 0+")
        for name, values in latency(within_150="0.9", within_180="1").items()
    },
    "quality_degradation": {
        "orchestrator_mutation_kill_rate_mean": "90x59 59.9x60",
        "orchestrator_mutation_kill_rate_flows": "9x120",
    },
}


def test_what_a_failure_rate_makes_no_news_does_not_begin_beside_it(ops_tools, tmp_path):
    failing = flows(failed="0.2", succeeded="1")
    tests = [
        {
            "interval": "1m",
            "input_series": [
                {"series": series, "values": values} for series, values in (failing | later).items()
            ],
            "promql_expr_test": [
                fire_at("flow_failure_rate", "119m", fires=True),
                fire_at(name, "119m", fires=False),
            ],
        }
        for name, later in LATER.items()
    ]
    done = run_promtool(ops_tools, tmp_path, tests)
    assert done.returncode == 0, done.stdout + done.stderr


def test_what_fired_before_a_failure_rate_continues_and_ends(ops_tools, tmp_path):
    ended = {
        "failed": "0+0.2x120 24.07+0.07x80",  # twelve an hour, then four
        "success": "0+5x60 300.1+0.1x140",  # hundreds an hour, then six
    }
    series = [
        {"series": f'flow_status_total{{status="{status}"}}', "values": values}
        for status, values in ended.items()
    ]
    moments = [
        *(fire_at("flow_failure_rate", at, fires=fires) for at, fires in (("59m", False), ("185m", True))),
        fire_at("flow_failure_rate", "115m", fires=True),
        *(fire_at("mass_failure", at, fires=True) for at in ("59m", "115m")),
        fire_at("mass_failure", "185m", fires=False),
    ]
    tests = [{"interval": "1m", "input_series": series, "promql_expr_test": moments}]
    done = run_promtool(ops_tools, tmp_path, tests)
    assert done.returncode == 0, done.stdout + done.stderr


def test_a_wrong_expectation_fails(ops_tools, tmp_path):
    quiet = CASES[0]
    assert run_promtool(ops_tools, tmp_path, [expect(quiet, quiet.quiet, fires=True)]).returncode != 0


def test_the_watchdog_fires_without_any_data(ops_tools, tmp_path):
    case = AlertCase("watchdog", quiet={}, firing={}, labels={"severity": "none"}, at="1m")
    assert run_promtool(ops_tools, tmp_path, [expect(case, {}, fires=True)]).returncode == 0


def test_an_exporter_that_prometheus_does_not_know_counts_as_down(ops_tools, tmp_path):
    (case,) = (case for case in CASES if case.name == "exporter_down")
    done = run_promtool(ops_tools, tmp_path, [expect(case, {}, fires=True)])
    assert done.returncode == 0, done.stdout + done.stderr


def test_every_alert_has_a_case():
    assert {case.name for case in CASES} | {"watchdog"} == set(read_alerts())


@pytest.mark.parametrize("name", read_alerts())
def test_an_alert_says_what_happened_what_to_do_and_where_to_look(name):
    annotations = read_alerts()[name]["annotations"]
    assert set(annotations) == {"summary", "action", "runbook_url", "dashboard_url"}
    page = annotations["runbook_url"].rsplit("/", 1)[1].replace(".html", ".md")
    assert (RUNBOOKS / page).is_file(), f"docs/runbooks/{page} does not exist"


def test_the_rules_are_valid(ops_tools):
    files = [str(path) for path in sorted(RULES.glob("*.yml"))]
    done = subprocess.run([ops_tools.promtool, "check", "rules", *files], capture_output=True, check=False)
    assert done.returncode == 0, done.stdout
