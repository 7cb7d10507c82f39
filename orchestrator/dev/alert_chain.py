"""Prometheus and Alertmanager with the product on one machine: ``make up OPS=1``.

They run with the configuration and the rules that ``deploy/`` ships; only addresses and keys are those of
this machine. Slack and PagerDuty are the receivers of ``orchestrator.dev.receivers``: nobody is woken.
"""

import re
import shlex
import shutil
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from typing import Any, Final, Protocol

import yaml

from orchestrator.dev.ops_tools import OpsTools, find_ops_tools
from orchestrator.dev.probes import is_answering

ROOT: Final = Path(__file__).resolve().parents[2]
HOST: Final = "127.0.0.1"
_WINDOW: Final = re.compile(r"\[\d+[smhd]\]")
_SHORT_WINDOW: Final = "[20s]"
_PORTS: Final = {"PROMETHEUS_PORT": "9090", "ALERTMANAGER_PORT": "9093", "RECEIVERS_PORT": "9094"}


# Who is in the local workspace of Slack, and can be named as a team lead.
_PEOPLE = ("lead@example.org", "alice@company.com")


class ProcessStarter(Protocol):
    """What the chain needs of the stack."""

    values: dict[str, str]

    def start(self, name: str, command: str) -> None:
        """Start a process."""
        ...

    def wait_until(self, ready: Callable[[], bool], *, name: str) -> None:
        """Wait until it is ready."""
        ...


class AlertChain:
    """Prometheus, Alertmanager and the receivers beside a stack. ``folder`` keeps samples and silences."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.rows: dict[str, str] = {}
        """What the welcome says of them."""
        self._token_file: Path | None = None

    def start(self, stack: ProcessStarter) -> None:
        """Start the chain, and set what the product's processes need to use it; they start afterwards."""
        tools = find_ops_tools()
        if tools is None:
            self.rows = {"Prometheus": "not started: its programs are missing; make ops unpacks them"}
            return
        values = stack.values
        for name, port in _PORTS.items():
            values[name] = values.get(name) or port
        prometheus, alertmanager, receivers = (f"http://{HOST}:{values[name]}" for name in _PORTS)
        values |= {
            "PROMETHEUS_URL": prometheus,
            "ALERTMANAGER_URL": alertmanager,
            "SLACK_API_URL": f"{receivers}/slack/api",
            "SLACK_BOT_TOKEN": "xoxb-of-this-machine",
            "SLACK_SIGNING_SECRET": "of-this-machine",
            "PAGERDUTY_EVENTS_URL": f"{receivers}/pagerduty/v2/enqueue",
            "PAGERDUTY_ROUTING_KEY": "of-this-machine",
        }
        callback = f"http://{HOST}:${{PORT}}/onboarding/slack/"
        receive = f"python -m orchestrator.dev.receivers ${{RECEIVERS_PORT}} {callback} {' '.join(_PEOPLE)}"
        stack.start("receivers", receive)
        stack.wait_until(partial(is_answering, receivers), name="receivers")
        # Alertmanager first: a Prometheus that does not reach it tries again only seconds later.
        for name, command in self._compose_commands(tools, values).items():
            # A dollar sign in a path does not begin a variable.
            stack.start(name, shlex.join(command).replace("$", "$$"))
            url = values[f"{name.upper()}_URL"]
            stack.wait_until(partial(is_answering, f"{url}/-/ready"), name=name)
        self._token_file = self.folder / "config/alertmanager/secrets/orchestrator_token"
        self.rows = {
            "Prometheus": f"{prometheus}/alerts",
            "Alertmanager": f"{alertmanager}/",
            "Slack, PagerDuty": f"{receivers}/ (what arrived; nobody is woken)",
        }

    def keep_token(self, token: str) -> None:
        """Let Alertmanager report to the service, which has a token only after it has a database."""
        if self._token_file is not None:
            # Read again at each message, so Alertmanager need not be started again.
            write_secret(self._token_file, token)

    def _compose_commands(self, tools: OpsTools, values: dict[str, str]) -> dict[str, list[str]]:
        # Written again at each start: the shipped files may have changed.
        config = self.folder / "config"
        shutil.rmtree(config, ignore_errors=True)
        listen = {name: f"{HOST}:{values[f'{name}_PORT']}" for name in ("PROMETHEUS", "ALERTMANAGER")}
        receivers = f"http://{HOST}:{values['RECEIVERS_PORT']}"
        reports = f"http://{HOST}:{values['PORT']}/api/v1/incidents/alerts/"
        manager = write_alertmanager_config(config / "alertmanager", receivers, reports=reports)
        exporter = f"{HOST}:{values['EXPORTER_PORT']}"
        prometheus = write_prometheus_config(
            config / "prometheus",
            exporter,
            listen["ALERTMANAGER"],
            credentials=find_scrape_credentials(values, self.folder / "metrics_token"),
        )
        return {
            "alertmanager": compose_alertmanager(tools, manager, self.folder, listen["ALERTMANAGER"]),
            "prometheus": compose_prometheus(tools, prometheus, self.folder, listen["PROMETHEUS"]),
        }


def compose_alertmanager(tools: OpsTools, config: Path, folder: Path, listen: str) -> list[str]:
    """The command of Alertmanager; ``listen`` is host and port, ``folder`` keeps its silences."""
    return tools.compose_alertmanager(
        f"--config.file={config}",
        f"--storage.path={folder / 'silences'}",
        f"--web.listen-address={listen}",
        # Messages link to it, and the name of this machine may lead nowhere.
        f"--web.external-url=http://{listen}",
        # Empty, else it would listen for siblings on all interfaces.
        "--cluster.listen-address=",
    )


def compose_prometheus(tools: OpsTools, config: Path, folder: Path, listen: str) -> list[str]:
    """The command of Prometheus; ``listen`` is host and port, ``folder`` keeps its samples."""
    return [
        tools.prometheus,
        f"--config.file={config}",
        f"--storage.tsdb.path={folder / 'samples'}",
        f"--web.listen-address={listen}",
        f"--web.external-url=http://{listen}",
        # From a slow bucket of the durations to a trace.
        "--enable-feature=exemplar-storage",
    ]


def write_alertmanager_config(
    folder: Path, receivers: str, *, reports: str = "", token: str = "", at_once: bool = False
) -> Path:
    """The shipped configuration with the local ``receivers``; its path.

    ``reports`` is where the service takes alerts, with ``token``; without it alerts open no incidents.
    ``at_once`` takes out the pauses that gather alerts, for tests.
    """
    shutil.copytree(ROOT / "deploy/alertmanager", folder)
    path, secrets = folder / "alertmanager.yml", folder / "secrets"
    shipped = path.read_text(encoding="utf-8").replace("/etc/alertmanager/secrets", str(secrets))
    configuration = yaml.safe_load(shipped)
    configuration["global"]["pagerduty_url"] = f"{receivers}/pagerduty/v2/enqueue"
    for receiver in configuration["receivers"]:
        webhooks = receiver.pop("webhook_configs", [])
        for webhook in webhooks:
            # The others authorize themselves; the watchdog's far side takes everybody.
            webhook["url"] = reports if "http_config" in webhook else f"{receivers}/webhook"
        if kept := [webhook for webhook in webhooks if webhook["url"]]:
            receiver["webhook_configs"] = kept
    if at_once:
        for route in (configuration["route"], *configuration["route"]["routes"]):
            route["group_wait"], route["group_interval"] = "0s", "1s"
    path.write_text(yaml.safe_dump(configuration, sort_keys=False), encoding="utf-8")
    secrets.mkdir()
    (secrets / "slack_api_url").write_text(f"{receivers}/slack/webhook", encoding="utf-8")
    (secrets / "pagerduty_sre").write_text("sre-key", encoding="utf-8")
    (secrets / "pagerduty_incident_commander").write_text("commander-key", encoding="utf-8")
    if token:
        write_secret(secrets / "orchestrator_token", token)
    return path


def write_secret(path: Path, secret: str) -> None:
    """Write a file that only this account may read."""
    # Closed before the secret is in it.
    path.touch(mode=0o600)
    path.write_text(secret, encoding="utf-8")


def find_scrape_credentials(values: Mapping[str, str], path: Path) -> Path | None:
    """The file with the exporter's METRICS_TOKEN; None where it is not set.

    A token that has no file is written to ``path``, which only this account may read.
    """
    if mounted := values.get("METRICS_TOKEN_FILE"):
        return Path(mounted).resolve()
    path.unlink(missing_ok=True)
    if not values.get("METRICS_TOKEN"):
        return None
    path.parent.mkdir(parents=True, exist_ok=True)
    write_secret(path, values["METRICS_TOKEN"])
    return path.resolve()


def write_prometheus_config(
    folder: Path,
    exporter: str,
    alertmanager: str,
    *,
    credentials: Path | None = None,
    at_once: bool = False,
) -> Path:
    """The shipped configuration and rules with the local addresses (host and port); its path.

    ``credentials`` is the file with the token that the exporter wants. ``at_once`` looks every second, takes
    out what rules wait for, and lets them look back over seconds instead of hours, for tests: an alert of the
    last hour is over in the same minute.
    """
    shutil.copytree(ROOT / "deploy/prometheus", folder)
    path = folder / "prometheus.yml"
    configuration: dict[str, Any] = yaml.safe_load(path.read_text(encoding="utf-8"))
    (job,) = configuration["scrape_configs"]
    job["static_configs"] = [{"targets": [exporter]}]
    if credentials is None:
        # On loopback the exporter asks for none, and Prometheus does not scrape where the file is missing.
        del job["authorization"]
    else:
        job["authorization"]["credentials_file"] = str(credentials)
    (manager,) = configuration["alerting"]["alertmanagers"]
    manager["static_configs"] = [{"targets": [alertmanager]}]
    if at_once:
        configuration["global"] |= {"scrape_interval": "1s", "evaluation_interval": "1s"}
        job["scrape_timeout"] = "1s"
        for rules in (folder / "rules").glob("*.yml"):
            _take_out_waits(rules)
    path.write_text(yaml.safe_dump(configuration, sort_keys=False), encoding="utf-8")
    return path


def _take_out_waits(rules: Path) -> None:
    groups = yaml.safe_load(rules.read_text(encoding="utf-8"))
    for group in groups["groups"]:
        for rule in group["rules"]:
            rule["expr"] = _WINDOW.sub(_SHORT_WINDOW, rule["expr"])
            if "alert" in rule:
                rule["for"] = "0s"
    rules.write_text(yaml.safe_dump(groups, sort_keys=False), encoding="utf-8")
