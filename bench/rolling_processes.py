"""The processes of the rolling update: two releases, a proxy before the web processes, one place for each.

The proxy is Caddy: it asks each web process for ``/ready`` and sends requests only to those that say yes, as
an ingress does with pods. Every process is forked from one that has imported its release, see
``orchestrator.dev.forking``.
"""

import shlex
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from string import Template

from orchestrator import child_processes, process_secrets
from orchestrator.dev import embedded, forking, stack
from orchestrator.dev.probes import is_answering

CADDY = Path(sys.executable).with_name("caddy")
PARTS = ("orchestrator", "providers", "gates", "onboarding", "blocks", "bench", "manage.py")
COLUMN = "rehearsed"
_FIELD_BEFORE = "    feature_request = models.TextField()\n"
_FIELD = f'    {COLUMN} = models.TextField(blank=True, default="", db_default="")\n'
# What a release may do while the one before it runs: CONTRIBUTING.md, "Migrations while the system runs".
_COLUMN_MIGRATION = """from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("flows", "{before}")]
    operations = [
        migrations.AddField("flow", "{column}", models.TextField(blank=True, default="", db_default="")),
    ]
"""
_INDEX_MIGRATION = """from django.contrib.postgres.operations import AddIndexConcurrently
from django.db import migrations, models


class Migration(migrations.Migration):
    atomic = False
    dependencies = [("flows", "{before}")]
    operations = [
        AddIndexConcurrently("flow", models.Index(fields=["{column}"], name="flows_flow_{column}")),
    ]
"""
READY_SECONDS = 120.0
WORKER_SECONDS = 30
"""``ENGINE_SHUTDOWN_SECONDS``: longer than the longest call, so that a worker ends what it has begun."""
GRACE_SECONDS = {"web": 30.0, "dispatcher": 15.0, "exporter": 15.0}
"""After SIGTERM, until SIGKILL. A worker has ten seconds more than it takes at most."""


class RehearsalFailed(Exception):
    """The rehearsal cannot continue; the message says where."""


def make_next_release(folder: Path) -> Path:
    """A copy of this release whose flows have a column and an index more, with their migrations.

    Its code selects the column, so it fails on tables that do not have it.
    """
    left_out = shutil.ignore_patterns("results", ".venvs", ".cache", "*.egg-info", "build")
    for part in PARTS:
        if (stack.ROOT / part).is_dir():
            shutil.copytree(stack.ROOT / part, folder / part, ignore=left_out)
        else:
            shutil.copy2(stack.ROOT / part, folder / part)
    model = folder / "orchestrator/flows/models/flow.py"
    text = model.read_text(encoding="utf-8")
    if text.count(_FIELD_BEFORE) != 1:
        raise RehearsalFailed("The model of a flow does not have the field that the new one comes after.")
    model.write_text(text.replace(_FIELD_BEFORE, _FIELD_BEFORE + _FIELD), encoding="utf-8")
    migrations = folder / "orchestrator/flows/migrations"
    newest = max(path.stem for path in migrations.glob("[0-9]*.py"))
    for template, name in ((_COLUMN_MIGRATION, "9998_column"), (_INDEX_MIGRATION, "9999_index")):
        text = template.format(before=newest, column=COLUMN)
        (migrations / f"{name}.py").write_text(text, encoding="utf-8")
        newest = name
    return folder


@dataclass(frozen=True, slots=True)
class Release:
    """The code of one version, and the process that forks what runs it."""

    name: str
    folder: Path
    zygote: forking.Zygote


@dataclass
class Place:
    """One replica: what runs there, and with which number it is told from its neighbours."""

    kind: str
    number: int
    child: forking.ForkedProcess | None = None
    port: int = 0
    release: str = ""
    starts: int = 0

    @property
    def name(self) -> str:
        """``web 2`` and the like."""
        return f"{self.kind} {self.number}"

    @property
    def running(self) -> forking.ForkedProcess:
        """The process; raises ``RehearsalFailed`` where none was started."""
        if self.child is None:
            raise RehearsalFailed(f"{self.name} was not started.")
        return self.child


@dataclass
class Fleet:
    """All places, with the environment of their processes and the ports that the proxy knows."""

    values: dict[str, str]
    logs: Path
    places: list[Place]
    web_ports: list[int]
    exporter_ports: list[int]
    killed: int = 0

    def start(self, place: Place, release: Release) -> Place:
        """A process of ``release`` at a place of its own beside ``place``, which continues."""
        fresh = Place(place.kind, place.number, release=release.name, starts=place.starts + 1)
        values = dict(self.values)
        if place.kind in {"web", "exporter"}:
            ports = self.web_ports if place.kind == "web" else self.exporter_ports
            fresh.port = ports.pop()
            values |= {"PORT": str(fresh.port), "EXPORTER_PORT": str(fresh.port)}
        # As in pods: the host is another for each, so the names of two workers differ.
        command = stack.read_procfile()[place.kind].replace("@%h", f"@{place.number}-{fresh.starts}")
        argv = [Template(part).substitute(values) for part in shlex.split(command)][1:]
        environment = process_secrets.withhold_secrets(place.kind, values) | {"CELERY_SKIP_CHECKS": "1"}
        with self.find_log(fresh).open("ab") as log:
            fresh.child = release.zygote.fork(place.kind, argv, environment, log)
        return fresh

    def find_log(self, place: Place) -> Path:
        """The file that takes the output of a process."""
        return self.logs / f"{place.kind}-{place.number}-{place.starts}.log"

    def is_ready(self, place: Place) -> bool:
        """Whether traffic or work may come to it."""
        if place.running.poll() is not None:
            tail = self.find_log(place).read_text(encoding="utf-8", errors="replace")[-3000:]
            raise RehearsalFailed(f"{place.name} ended while it started:\n{tail}")
        if place.kind in {"web", "exporter"}:
            path = "ready" if place.kind == "web" else "health"
            return is_answering(f"http://127.0.0.1:{place.port}/{path}")
        if place.kind == "dispatcher":
            # It has no probe in a pod either: another one stands by.
            return True
        return b" ready." in self.find_log(place).read_bytes()

    def wait_until_ready(self, *places: Place) -> None:
        """Wait for each of ``places``; raises ``RehearsalFailed``."""
        end = time.monotonic() + READY_SECONDS
        for place in places:
            while not self.is_ready(place):
                if time.monotonic() > end:
                    raise RehearsalFailed(f"{place.name} is not ready; its log is {self.find_log(place)}")
                time.sleep(0.05)

    def end(self, place: Place, grace: float | None = None) -> float:
        """SIGTERM, and SIGKILL to its whole session after the grace period; seconds until it was gone."""
        if grace is None:
            grace = GRACE_SECONDS.get(place.kind, WORKER_SECONDS + 10.0)
        began = time.monotonic()
        place.running.send_signal(signal.SIGTERM)
        try:
            place.running.wait(grace)
        except subprocess.TimeoutExpired:
            self.killed += 1
        child_processes.stop(place.running, grace_seconds=0.1)
        return time.monotonic() - began

    def run_command(self, release: Release, *words: str) -> tuple[int, str]:
        """Run ``manage.py words...`` of a release to its end; the exit code and what it printed."""
        log = self.logs / f"command-{release.name}-{words[0]}-{time.monotonic_ns()}.log"
        values = process_secrets.withhold_secrets("dispatcher", self.values)
        with log.open("ab") as output:
            child = release.zygote.fork("dispatcher", ["manage.py", *words], values, output)
        return child.wait(READY_SECONDS), log.read_text(encoding="utf-8", errors="replace")

    def stop(self) -> None:
        """End everything that still runs."""
        for place in self.places:
            if place.child is not None:
                child_processes.stop(place.child, grace_seconds=0.1)


@dataclass
class CaddyProxy:
    """Caddy in front of every port that a web process or an exporter may get."""

    port: int
    exporter_port: int
    process: "subprocess.Popen[bytes]"

    def stop(self) -> None:
        """End it."""
        child_processes.stop(self.process, grace_seconds=2)


def start_proxy(folder: Path, web_ports: list[int], exporter_ports: list[int]) -> CaddyProxy:
    """Start it, and wait until it listens. Raises ``RehearsalFailed``."""
    port, exporter_port = embedded.find_free_port(), embedded.find_free_port()
    text = "{\n\tadmin off\n\tauto_https off\n\tpersist_config off\n\tlog {\n\t\tlevel ERROR\n\t}\n}\n"
    text += _describe_site(port, web_ports, "/ready") + _describe_site(
        exporter_port, exporter_ports, "/health"
    )
    place = folder / "Caddyfile"
    place.write_text(text, encoding="utf-8")
    # It keeps what it writes in folders below these, and not in somebody's home.
    own = {"HOME": str(folder), "XDG_DATA_HOME": str(folder), "XDG_CONFIG_HOME": str(folder)}
    command = [str(CADDY), "run", "--config", str(place), "--adapter", "caddyfile"]
    with (folder / "caddy.log").open("ab") as log:
        process = child_processes.start(command, death_signal=signal.SIGKILL, environment=own, output=log)
    proxy = CaddyProxy(port, exporter_port, process)
    end = time.monotonic() + 30
    while not _listens(port):
        if process.poll() is not None or time.monotonic() > end:
            raise RehearsalFailed(f"Caddy did not start:\n{(folder / 'caddy.log').read_text()[-2000:]}")
        time.sleep(0.05)
    return proxy


def _describe_site(port: int, targets: list[int], probe: str) -> str:
    """One address of the proxy, with what it sends to and how it knows which of them are ready."""
    upstreams = " ".join(f"127.0.0.1:{target}" for target in targets)
    return f"""http://127.0.0.1:{port} {{
	bind 127.0.0.1
	reverse_proxy {upstreams} {{
		lb_policy least_conn
		# A process that has just closed its door is passed over, as an ingress does.
		lb_try_duration 10s
		lb_try_interval 50ms
		health_uri {probe}
		health_interval 300ms
		health_timeout 5s
		# Events of followers go out as they come.
		flush_interval -1
		header_down X-Served-By {{http.reverse_proxy.upstream.hostport}}
	}}
}}
"""


def _listens(port: int) -> bool:
    try:
        # Not a request: it would wait for the first process that is ready.
        socket.create_connection(("127.0.0.1", port), timeout=5).close()
    except OSError:
        return False
    return True


def compose_values(database: str, broker: str, models: Mapping[str, str]) -> dict[str, str]:
    """The environment of every process of both releases, without what is a process's own."""
    return {
        "DATABASE_URL": database,
        "REDIS_URL": broker,
        "SECRET_KEY": "rehearsal",
        "DJANGO_SETTINGS_MODULE": "orchestrator.settings",
        "ENGINE_PLUGINS": "bench.rolling_update_plugin",
        "ENGINE_SHUTDOWN_SECONDS": str(WORKER_SECONDS),
        "ENGINE_LEASE_SECONDS": "6",
        "HOST": "127.0.0.1",
        "TRUSTED_PROXIES": "127.0.0.1",
        # All together below the server's 200, also while old and new run side by side.
        "DB_POOL_SIZE": "6",
        "DB_MAX_OVERFLOW": "2",
        "REPO_FLOWS_PER_MINUTE": "100000",
        "API_REQUESTS_PER_MINUTE": "1000000",
        "FOLLOWERS_PER_TOKEN": "500",
        **models,
    }
