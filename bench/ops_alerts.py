"""From failing flows to the people: how long each step of the real chain takes.

The chain has the shipped rules and routes, looks every second, back over seconds, and does not wait for
``for:``, so the figures are the chain's own. Only the synthetic alert waits as long as people do.
Where Prometheus and Alertmanager are missing, there are no figures: ``make ops`` unpacks them.
"""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

from bench import engine_arms as arms
from bench.private_postgres import Server
from orchestrator.dev.ops_tools import find_ops_tools

KEYS = (
    "alert_end_to_end_s",
    "alert_fired_s",
    "alert_paged_s",
    "alert_in_slack_s",
    "alert_acknowledged_s",
    "alert_resolved_s",
    "synthetic_alert_s",
)


def measure_alerts(server: Server, valkey: str, folder: Path) -> dict[str, Any]:
    """The figures of this part; None for each where the programs are missing."""
    if find_ops_tools() is None:
        sys.stdout.write("no figures of alerts: prometheus and alertmanager are missing; run make ops\n")
        return dict.fromkeys(KEYS)
    database = arms.Servers(server.url, valkey, folder).require_migrated_database("alerts")
    environment = {**os.environ, "DATABASE_URL": database, "REDIS_URL": valkey, "SECRET_KEY": "bench"}
    command = [sys.executable, "-m", "bench.ops_alerts_driver", str(folder / "chain")]
    done = subprocess.run(
        command, env=environment, cwd=arms.BENCH.parent, stdout=subprocess.PIPE, check=True, timeout=600
    )
    measured: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return {key: measured[key] for key in KEYS}
