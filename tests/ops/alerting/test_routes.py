"""Where each alert goes, as Alertmanager's own tool sees it."""

import subprocess
from pathlib import Path

import pytest

from tests.ops.alerting.test_rules import read_alerts

CONFIG = Path(__file__).resolve().parents[3] / "deploy/alertmanager/alertmanager.yml"
# Severity to receivers: the launch runbook's list of thresholds and severities.
RECEIVERS = {
    "P1": {"pagerduty-incident-commander", "slack-incidents"},
    "P2": {"pagerduty-sre", "slack-ops-alerts"},
    "P3": {"slack-ops-alerts"},
    "none": {"watchdog"},
}


@pytest.mark.parametrize("name", read_alerts())
def test_an_alert_goes_to_the_receivers_of_its_severity(ops_tools, name):
    labels = {"alertname": name, **read_alerts()[name]["labels"]}
    command = [ops_tools.amtool, "config", "routes", "test", f"--config.file={CONFIG}"]
    done = subprocess.run(
        [*command, *(f"{label}={value}" for label, value in labels.items())],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    wanted = RECEIVERS.get(labels["severity"], {f"slack-{labels.get('channel')}"})
    assert set(done.stdout.strip().split(",")) == wanted


def test_the_configuration_is_valid(ops_tools):
    done = subprocess.run(
        [ops_tools.amtool, "check-config", str(CONFIG)], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
